/* Apps with their charts, what they wait for, and their profiles. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

/* -- GET profiles?app=NAME: the profile of one app ------------------------------------------------------------------- */

struct search {
	struct view   app;
	struct arena *arena;
	struct view   path;      /* found; empty: not yet */
};

static enum status look_at_profile(void *data, struct view path, const json_t *document, struct error *err)
{
	struct search *search = data;

	if (search->path.len > 0 || !view_is(search->app, json_string_at(document, "spec.app")))
		return ST_OK;
	return arena_keep(search->arena, path, &search->path, err);
}

static enum status profile_of_app(struct ask *ask, struct error *err)
{
	struct search search = { .app = ask_find(ask, "app")->value, .arena = ask->arena };
	auto_db      *db = NULL;

	if (search.app.len == 0) {
		ask->is_plain = true;
		return ST_OK;
	}
	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = ask_list(ask, db, "appProfile", ask->path, look_at_profile, &search, err);
	if (st != ST_OK)
		return st;
	if (search.path.len == 0)
		return fail(err, ST_NOT_FOUND, "composite profile \"%.*s\" has no profile of app \"%.*s\"",
		            (int) path_name(ask->path).len, path_name(ask->path).ptr, (int) search.app.len,
		            search.app.ptr);
	ask->instead = search.path;
	return ST_OK;
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
	},
	{
		.name = "appDependency", .parent = "app", .segment = "dependency", .variables = "dependency",
		.schema = schema_app_dependency, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "The app waits until another app has reached a status.",
	},
	{
		.name = "appProfile", .parent = "compositeProfile", .segment = "profiles",
		.schema = schema_app_profile, .flags = EMCO_RESOURCE_PUT_201, .unique = "spec.app",
		EMCO_REFERENCES(profile_references), EMCO_FILES(profile_file),
		.summary = "What is different about one app under a composite profile.",
	},
};

static const struct look looks[] = {
	{ "appProfile", false, NULL, "app", profile_of_app, "The profile of one app." },
};

const struct family apps_family = {
	.types = types, .type_count = ARRAY_LEN(types), .looks = looks, .look_count = ARRAY_LEN(looks),
};
