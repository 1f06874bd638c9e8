/* Projects, composite applications and their profiles: what deployments are made of. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

static const emco_resource_type types[] = {
	{
		.name = "project", .segment = "projects", .schema = schema_project, .flags = EMCO_RESOURCE_PUT_200,
		.summary = "A tenant: its composite applications and logical clouds.",
		.gauge = "emco_project",
	},
	{
		.name = "compositeAppVersion", .parent = "project", .segment = "composite-apps",
		.variables = "compositeApp compositeAppVersion", .names = "metadata.name spec.compositeAppVersion",
		.schema = schema_composite_app, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "One version of a composite application.",
		.gauge = "emco_composite_app",
	},
	{
		.name = "compositeProfile", .parent = "compositeAppVersion", .segment = "composite-profiles",
		.schema = schema_composite_profile, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "A set of app profiles, chosen by a deployment intent group.",
		.gauge = "emco_composite_profile",
	},
};

const struct family projects_family = { .types = types, .type_count = ARRAY_LEN(types) };
