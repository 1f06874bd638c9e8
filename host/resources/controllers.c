/* Controllers that somebody registered: of deployments, of clusters, and of the traffic controller. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

static const emco_resource_type types[] = {
	{
		.name = "controller", .segment = "controllers",
		.schema = schema_controller, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "A controller that may take part in deployments.",
	},
	{
		.name = "clmController", .segment = "clm-controllers",
		.schema = schema_clm_controller, .flags = EMCO_RESOURCE_PUT_200,
		.summary = "A controller that is told of clusters created, updated and deleted.",
	},
	{
		.name = "dtcController", .segment = "dtc-controllers", .schema = schema_dtc_controller,
		.summary = "A sub-controller of the traffic controller.",
	},
};

const struct family controllers_family = { .types = types, .type_count = ARRAY_LEN(types) };
