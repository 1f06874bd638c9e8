/* Generic placement: where the apps of a deployment may run. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

/* -- GET app-intents?app=NAME: the first intent of one app ----------------------------------------------------------- */

static enum status intent_of_app(struct ask *ask, struct error *err)
{
	auto_json  *intent = NULL;
	struct view path = VIEW("");

	enum status st = ask_of_app(ask, "genericAppPlacementIntent", &path, &intent, err);
	if (st != ST_OK)
		return st;
	if (intent == NULL)
		return buf_add_text(ask->reply, "{\"intent\":{}}", err);
	return json_write(ask->reply, json_at(intent, "spec"), err);
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
		.gauge = "emco_generic_placement_intent",
	},
	{
		.name = "genericAppPlacementIntent", .parent = "genericPlacementIntent", .segment = "app-intents",
		.schema = schema_app_intent, EMCO_REFERENCES(app_intent_references),
		.summary = "Where one app may run: clusters and cluster labels.",
		.gauge = "emco_generic_app_placement_intent",
	},
};

#define INTENT_SCHEMA  "{\"type\":\"object\",\"properties\":{\"intent\":{\"type\":\"object\"}},\"required\":[\"intent\"]}"

static const struct look looks[] = {
	{ "genericAppPlacementIntent", false, NULL, { "app-name", "Where one app may run.", NULL }, intent_of_app, NULL, INTENT_SCHEMA },
	{ "genericAppPlacementIntent", false, NULL, { "app",      "Where one app may run.", NULL }, intent_of_app, NULL, INTENT_SCHEMA },
};

const struct family placement_family = {
	.types = types, .type_count = ARRAY_LEN(types), .looks = looks, .look_count = ARRAY_LEN(looks),
};
