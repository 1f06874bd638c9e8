/* Generic placement: where the apps of a deployment may run. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

/* -- GET app-intents?app=NAME: the first intent of one app ----------------------------------------------------------- */

struct search {
	struct view app;
	struct buf *reply;       /* empty: not found yet */
};

static enum status look_at_intent(void *data, struct view path, const json_t *document, struct error *err)
{
	struct search *search = data;

	(void) path;
	if (search->reply->len > 0 || !view_is(search->app, json_string_at(document, "spec.app")))
		return ST_OK;
	return json_write(search->reply, json_at(document, "spec"), err);
}

static enum status intent_of_app(struct ask *ask, struct error *err)
{
	const struct ask_parameter *app_name = ask_find(ask, "app-name"), *app = ask_find(ask, "app");
	struct search               search = { .app = (app_name != NULL ? app_name : app)->value, .reply = ask->reply };
	auto_db                    *db = NULL;

	if (search.app.len == 0) {
		ask->is_plain = true;
		return ST_OK;
	}
	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = ask_list(ask, db, "genericAppPlacementIntent", ask->path, look_at_intent, &search, err);
	if (st == ST_OK && ask->reply->len == 0)
		st = buf_add_text(ask->reply, "{\"intent\":{}}", err);
	return st;
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_reference app_intent_references[] = {
	{ .at = "spec", .target = COMPOSITE_APP_PATH "apps/{.app}" },
	{ .at = "spec.intent.**", .target = "cluster-providers/{.clusterProvider}/clusters/{.cluster}" },
};

static const emco_resource_type types[] = {
	{
		.name = "genericPlacementIntent", .parent = "deploymentIntentGroup",
		.segment = "generic-placement-intents", .schema = schema_generic_placement_intent,
		.summary = "Where the apps of a deployment may run: a set of app intents.",
	},
	{
		.name = "genericAppPlacementIntent", .parent = "genericPlacementIntent", .segment = "app-intents",
		.schema = schema_app_intent, EMCO_REFERENCES(app_intent_references),
		.summary = "Where one app may run: clusters and cluster labels.",
	},
};

static const struct look looks[] = {
	{ "genericAppPlacementIntent", false, NULL, "app-name", intent_of_app, "Where one app may run." },
	{ "genericAppPlacementIntent", false, NULL, "app",      intent_of_app, "Where one app may run." },
};

const struct family placement_family = {
	.types = types, .type_count = ARRAY_LEN(types), .looks = looks, .look_count = ARRAY_LEN(looks),
};
