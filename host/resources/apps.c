/* Apps with their charts, what they wait for, and their profiles. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

/* -- GET profiles?app=NAME: the profile of one app ------------------------------------------------------------------- */

static enum status profile_of_app(struct ask *ask, struct error *err)
{
	enum status st = ask_of_app(ask, "appProfile", &ask->instead, NULL, err);

	if (st == ST_OK && ask->instead.len == 0)
		return fail(err, ST_NOT_FOUND, "composite profile \"%.*s\" has no profile of app \"%.*s\"",
		            (int) path_name(ask->path).len, path_name(ask->path).ptr, (int) ask->value.len, ask->value.ptr);
	return st;
}

/* EMCO answers 500 to that; a profile that is not of the app would be a wrong answer. */
static enum status profile_by_name_and_app(struct ask *ask, struct error *err)
{
	fail_at(err, ST_INVALID, "app", "query parameter \"app\" chooses one of all profiles, and the path names \"%.*s\"",
	        (int) path_name(ask->path).len, path_name(ask->path).ptr);
	return fail_hint(err, "Leave out the one or the other.");
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_file chart_file[] = {
	{
		.part = "file", .filename = "fileContent", .flags = EMCO_FILE_REQUIRED, .limit_bytes = ARCHIVE_MAX,
		.check = archive_is_sound,
	},
};

static const emco_file profile_file[] = {
	{ .part = "file", .flags = EMCO_FILE_REQUIRED, .limit_bytes = ARCHIVE_MAX, .check = archive_is_sound },
};

static const emco_reference profile_references[] = {
	{ .at = "spec", .target = COMPOSITE_APP_PATH "apps/{.app}" },
};

static const emco_resource_type types[] = {
	{
		.name = "app", .parent = "compositeAppVersion", .segment = "apps",
		.schema = schema_app, .flags = EMCO_RESOURCE_PUT_201, EMCO_FILES(chart_file),
		.summary = "One Helm chart of a composite application.",
		.gauge = "emco_app",
	},
	{
		.name = "appDependency", .parent = "app", .segment = "dependency", .variables = "dependency",
		.schema = schema_app_dependency, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "The app waits until another app has reached a status.",
		.gauge = "emco_dependency",
	},
	{
		.name = "appProfile", .parent = "compositeProfile", .segment = "profiles",
		.schema = schema_app_profile, .flags = EMCO_RESOURCE_PUT_201, .unique = "spec.app",
		EMCO_REFERENCES(profile_references), EMCO_FILES(profile_file),
		.summary = "What is different about one app under a composite profile.",
		.gauge = "emco_app_profile",
	},
};

static const struct look looks[] = {
	{ "appProfile", false, NULL, { "app", "The profile of one app.", NULL }, profile_of_app, NULL,
	  "{\"$ref\":\"#/components/schemas/appProfile\"}" },
	{ "appProfile", true,  NULL, { "app", NULL, NULL }, profile_by_name_and_app, NULL, NULL },
};

const struct family apps_family = {
	.types = types, .type_count = ARRAY_LEN(types), .looks = looks, .look_count = ARRAY_LEN(looks),
};
