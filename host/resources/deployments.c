/* Deployment intent groups: what is deployed, by which controllers, and its life cycle. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

#include <inttypes.h>

/* A deployment that is in use neither changes nor goes. */
static emco_status deployment_changes(emco_call *call, emco_change *change)
{
	struct error err = { .code = ST_OK };
	struct db   *db;

	if (change->kind == EMCO_CHANGE_CREATE)
		return EMCO_OK;
	enum status st = call_db(call_of(call), &db, &err);
	if (st == ST_OK)
		st = deployment_check_change(db, view_from_abi(change->path), change->kind == EMCO_CHANGE_DELETE, &err);
	return hook_end(call, st, &err);
}

/* -- dry runs -------------------------------------------------------------------------------------------------------- */

/* ?dryRun=true: *ret_is_dry, and what was asked is in dry.  false, and none, is the operation itself, whatever its output. */
static enum status read_dry_run(const struct ask *ask, struct dry_ask *dry, bool *ret_is_dry, struct error *err)
{
	const struct ask_parameter *output = ask_find(ask, "output");
	enum status                 st = ask_flag(ask, "dryRun", ret_is_dry, err);

	if (st != ST_OK || output == NULL)
		return st;
	dry->is_summary = view_is(output->value, "summary");
	if (!dry->is_summary && !view_is(output->value, "all"))
		return fail_at(err, ST_INVALID, "output", "\"output\" must be all or summary, got \"%.*s\"", (int) output->value.len,
		               output->value.ptr);
	return ST_OK;
}

static enum status run_dry(struct ask *ask, const struct dry_ask *dry, struct error *err)
{
	ask->success = 200;
	return deployment_dry_run(ask->orchestrator, ask->path, dry, ask->deadline_ns, ask->reply, err);
}

/* -- verbs ----------------------------------------------------------------------------------------------------------- */

static enum status approve(struct ask *ask, struct error *err)
{
	return deployment_approve(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, err);
}

static enum status instantiate(struct ask *ask, struct error *err)
{
	struct operation_reply reply;
	struct dry_ask         dry = { .kind = DRY_INSTANTIATE };
	bool                   is_dry;

	enum status st = read_dry_run(ask, &dry, &is_dry, err);
	if (st != ST_OK || is_dry)
		return st == ST_OK ? run_dry(ask, &dry, err) : st;
	return deployment_instantiate(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, &reply, err);
}

static enum status terminate(struct ask *ask, struct error *err)
{
	return deployment_terminate(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, err);
}

static enum status stop(struct ask *ask, struct error *err)
{
	return deployment_stop(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, err);
}

static enum status update(struct ask *ask, struct error *err)
{
	struct operation_reply reply;
	struct dry_ask         dry = { .kind = DRY_UPDATE };
	bool                   is_dry;

	enum status st = read_dry_run(ask, &dry, &is_dry, err);
	if (st != ST_OK || is_dry)
		return st == ST_OK ? run_dry(ask, &dry, err) : st;
	st = deployment_update(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, &reply, err);
	if (st != ST_OK)
		return st;
	return buf_printf(ask->reply, err, "%" PRId64, reply.revision);
}

/* A number, or the digits that existing clients send; the schema has bounded both. */
static int64_t revision_of(const json_t *document)
{
	const json_t *revision = json_at(document, "spec.revision");

	return json_is_string(revision) ? strtoll(json_string_value(revision), NULL, 10) : json_integer_value(revision);
}

static enum status rollback(struct ask *ask, struct error *err)
{
	struct operation_reply reply;
	struct dry_ask         dry = { .kind = DRY_ROLLBACK, .revision = revision_of(ask->document) };
	bool                   is_dry;

	enum status st = read_dry_run(ask, &dry, &is_dry, err);
	if (st != ST_OK || is_dry)
		return st == ST_OK ? run_dry(ask, &dry, err) : st;
	st = deployment_rollback(ask->orchestrator, ask->path, &ask->asker, dry.revision, ask->deadline_ns, &reply, err);
	if (st != ST_OK)
		return st;
	return buf_printf(ask->reply, err, "%" PRId64, reply.revision);
}

static enum status migrate(struct ask *ask, struct error *err)
{
	struct dry_ask     dry = {
		.kind = DRY_MIGRATE, .version = json_text_at(ask->document, "spec.targetCompositeAppVersion"),
		.name = json_text_at(ask->document, "spec.targetDeploymentIntentGroup"),
	};
	bool is_dry;

	enum status st = read_dry_run(ask, &dry, &is_dry, err);
	if (st != ST_OK || is_dry)
		return st == ST_OK ? run_dry(ask, &dry, err) : st;
	return deployment_migrate(ask->orchestrator, ask->path, &ask->asker, dry.version, dry.name, ask->deadline_ns, err);
}

/* -- views ----------------------------------------------------------------------------------------------------------- */

static enum status show_status(struct ask *ask, struct error *err)
{
	struct status_query query;

	enum status st = status_query_read(ask, STATUS_OF_DEPLOYMENT, &query, err);
	if (st != ST_OK)
		return st;
	return deployment_status(ask->orchestrator, ask->path, &query, ask->deadline_ns, ask->reply, err);
}

enum { HISTORY_PAGE = 100, HISTORY_PAGE_MAX = 1000 };
#define SEQUENCE_MAX  UINT64_C(999999999999999999)     /* all that is shorter than where strtoull says too much */

static enum status show_history(struct ask *ask, struct error *err)
{
	struct history_page page = { .limit = HISTORY_PAGE };
	uint64_t            before = 0;

	enum status st = parameter_number(ask->parameters, ask->parameter_count, "limit", HISTORY_PAGE_MAX, &page.limit, err);
	if (st == ST_OK)
		st = parameter_number(ask->parameters, ask->parameter_count, "continue", SEQUENCE_MAX, &before, err);
	page.before = (int64_t) before;
	if (st == ST_OK)
		st = deployment_history(ask->orchestrator, ask->path, &page, ask->deadline_ns, ask->reply, err);
	if (st != ST_OK || page.next == 0)
		return st;
	const char *next = arena_printf(ask->arena, "%" PRId64, page.next);
	if (next == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	ask->next = view_of(next);
	ask->next_limit = page.limit;
	return ST_OK;
}

/* What the list of group intents writes into; count tells whether a comma is due. */
struct maps { struct buf *reply; size_t count; };

static enum status add_map(void *data, struct view path, const json_t *document, struct error *err)
{
	struct maps *maps = data;
	json_t      *map = json_at(document, "spec.intent");

	(void) path;
	if (map == NULL)
		return ST_OK;
	if (maps->count++ > 0) {
		enum status st = buf_add_text(maps->reply, ",", err);
		if (st != ST_OK)
			return st;
	}
	return json_write(maps->reply, map, err);
}

/* All maps of controllers to intents: another shape than a plain list, and the one that clients know. */
static enum status list_intents(struct ask *ask, struct error *err)
{
	struct maps maps = { .reply = ask->reply };
	auto_db    *db = NULL;

	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = buf_add_text(ask->reply, "{\"intent\":[", err);
	if (st == ST_OK)
		st = ask_list(ask, db, "groupIntent", ask->path, add_map, &maps, err);
	if (st == ST_OK)
		st = buf_add_text(ask->reply, "]}", err);
	return st;
}

static enum status show_intent(struct ask *ask, struct error *err)
{
	auto_json *document = NULL;
	auto_db   *db = NULL;

	const char *path = arena_printf(ask->arena, "%.*s/intents/%.*s", (int) ask->path.len, ask->path.ptr,
	                                (int) ask->value.len, ask->value.ptr);
	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = ask_read(ask, db, view_of(path), &document, err);
	if (st != ST_OK)
		return st;
	return json_write(ask->reply, json_at(document, "spec"), err);
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_reference deployment_references[] = {
	{ .at = "spec", .target = COMPOSITE_APP_PATH "composite-profiles/{.compositeProfile}" },
	{ .at = "spec", .target = "projects/{project}/logical-clouds/{.logicalCloud}" },
};

static const emco_reference intent_references[] = {
	{ .at = "spec.intent.*", .target = "controllers/{*}", .except = "genericPlacementIntent" },
};

static const emco_resource_type types[] = {
	{
		.name = "deploymentIntentGroup", .parent = "compositeAppVersion", .segment = "deployment-intent-groups",
		.schema = schema_deployment_intent_group, .flags = EMCO_RESOURCE_OWNER,
		EMCO_REFERENCES(deployment_references), .before_change = deployment_changes,
		.summary = "One deployment of a composite application.",
		.gauge = "emco_deployment_intent_group",
	},
	{
		.name = "groupIntent", .parent = "deploymentIntentGroup", .segment = "intents",
		.schema = schema_group_intent, EMCO_REFERENCES(intent_references),
		.summary = "Which controllers take part in a deployment, each with the name of its intent.",
	},
};

#define REVISION_SCHEMA  "{\"type\":\"integer\",\"minimum\":0}"

#define TRIAL_SCHEMA  "{\"$ref\":\"#/components/schemas/DryRun\"}"

static const struct query_option trial_options[] = {
	{ "dryRun", "true: nothing is done, and it answers with 200 what would be, where, and why; false: as without.",
	  SCHEMA_BOOLEAN },
	{ "output", "Of a dry run; summary is counts only.", "{\"enum\":[\"all\",\"summary\"],\"default\":\"all\"}" },
	{ NULL, NULL, NULL },
};

static const struct verb verbs[] = {
	{ "deploymentIntentGroup", "approve",     202, approve,     "Allow the deployment to be instantiated.", NULL, NULL, NULL, NULL },
	{ "deploymentIntentGroup", "instantiate", 202, instantiate, "Place the apps, run the controllers, deploy.", trial_options, NULL,
	  NULL, TRIAL_SCHEMA },
	{ "deploymentIntentGroup", "update",      202, update,      "Deploy what has changed; answers the new revision.", trial_options,
	  NULL, REVISION_SCHEMA, TRIAL_SCHEMA },
	{ "deploymentIntentGroup", "rollback",    202, rollback,    "Back to an earlier revision; answers the new one.", trial_options,
	  schema_rollback, REVISION_SCHEMA, TRIAL_SCHEMA },
	{ "deploymentIntentGroup", "migrate",     202, migrate,     "Let another deployment, Approved, take over its objects.",
	  trial_options, schema_migrate, NULL, TRIAL_SCHEMA },
	{ "deploymentIntentGroup", "terminate",   202, terminate,   "Take the apps off their clusters.", NULL, NULL, NULL, NULL },
	{ "deploymentIntentGroup", "stop",        202, stop,        "Set aside what is not done yet.", NULL, NULL, NULL, NULL },
};

#define MAP_SCHEMA  "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"      /* controller to intent */

static const struct query_option history_options[] = {
	{ "limit",    "At most so many; 100 unless it is said, 1000 at most.", SCHEMA_LIMIT },
	{ "continue", "Those before the entry of this sequence.",              SCHEMA_SEQUENCE },
	{ NULL, NULL, NULL },
};

static const struct look looks[] = {
	{ "deploymentIntentGroup", true,  "status",  { NULL, "State, and what became of each object.", NULL }, show_status, status_options,
	  STATUS_SCHEMA },
	{ "deploymentIntentGroup", true,  "history", { NULL, "Which operations there were, newest first.", NULL },
	  show_history, history_options,
	  "{\"$ref\":\"#/components/schemas/History\"}" },
	{ "groupIntent",           false, NULL, { "intent", "The controllers that one group intent names.", NULL }, show_intent, NULL,
	  "{\"type\":\"object\",\"properties\":{\"intent\":" MAP_SCHEMA "},\"required\":[\"intent\"]}" },
	{ "groupIntent",           false, NULL, { NULL, "The controllers that all group intents name.", NULL }, list_intents, NULL,
	  "{\"type\":\"object\",\"properties\":{\"intent\":{\"type\":\"array\",\"items\":" MAP_SCHEMA "}},\"required\":[\"intent\"]}" },
};

static const struct named_schema answers[] = {
	{ "Status", schema_status }, { "History", schema_history }, { "DryRun", schema_dry_run },
};

const struct family deployments_family = {
	.types = types, .type_count = ARRAY_LEN(types), .verbs = verbs, .verb_count = ARRAY_LEN(verbs),
	.looks = looks, .look_count = ARRAY_LEN(looks), .answers = answers, .answer_count = ARRAY_LEN(answers),
};
