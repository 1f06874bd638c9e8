#include "host/store/unit.h"
#include "host/resources/resources_priv.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* NOTE: fail is a macro of cmocka; (fail) is our function. */

/* -- the store, played by a table ------------------------------------------------------------------------------------ */

#define CP   "projects/p/composite-apps/ca/v1/composite-profiles/cp"
#define DIG  "projects/p/composite-apps/ca/v1/deployment-intent-groups/d"
#define GPI  DIG "/generic-placement-intents/g"
#define EP   "cluster-providers/edge"

static const struct stored { const char *type, *path, *doc; } stored[] = {
	{ "compositeProfile", CP, "{}" },
	{ "appProfile", CP "/profiles/a", "{\"spec\":{\"app\":\"db\"}}" },
	{ "appProfile", CP "/profiles/b", "{\"spec\":{\"app\":\"web\"}}" },
	{ "deploymentIntentGroup", DIG, "{}" },
	{ "groupIntent", DIG "/intents/i1", "{\"spec\":{\"intent\":{\"dtc\":\"t\",\"genericPlacementIntent\":\"g\"}}}" },
	{ "groupIntent", DIG "/intents/i2", "{\"spec\":{\"intent\":{}}}" },
	{ "deploymentIntentGroup", DIG "2", "{}" },
	{ "genericPlacementIntent", GPI, "{}" },
	{ "genericAppPlacementIntent", GPI "/app-intents/1", "{\"spec\":{\"app\":\"web\",\"intent\":{\"anyOf\":[]}}}" },
	{ "genericAppPlacementIntent", GPI "/app-intents/2", "{\"spec\":{\"app\":\"web\",\"intent\":{}}}" },
	{ "clusterProvider", EP, "{}" },
	{ "cluster", EP "/clusters/c1", "{\"metadata\":{\"name\":\"c1\"},\"spec\":{}}" },
	{ "clusterLabel", EP "/clusters/c1/labels/east", "{\"clusterLabel\":\"east\"}" },
	{ "clusterLabel", EP "/clusters/c1/labels/west", "{\"clusterLabel\":\"west\"}" },
	{ "cluster", EP "/clusters/c2", "{\"metadata\":{\"name\":\"c2\"},\"spec\":{}}" },
	{ "clusterKv", EP "/clusters/c1/kv-pairs/k", "{\"spec\":{\"kv\":[{\"a\":\"1\"},{\"b\":\"<2>\",\"a\":\"3\"}]}}" },
	{ "clusterSyncObject", EP "/cluster-sync-objects/s", "{\"spec\":{\"kv\":[{\"gitToken\":\"t\"}]}}" },
	{ "clusterProvider", "cluster-providers/none", "{}" },
};

static unsigned borrowed, calls, fail_at_call;      /* fail_at_call: the n-th call of the store fails; 0: none */

static enum status come(struct error *err)
{
	return ++calls == fail_at_call ? (fail)(err, ST_UNAVAILABLE, "the database does not answer") : ST_OK;
}

enum status db_borrow(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	static char connection;

	(void) pool, (void) deadline_ns;
	enum status st = come(err);
	if (st != ST_OK)
		return st;
	borrowed++;
	*ret_db = (struct db *) (void *) &connection;
	return ST_OK;
}

void db_return(struct db *db)
{
	if (db != NULL)
		borrowed--;
}

static const struct stored *find(struct view path)
{
	for (size_t i = 0; i < ARRAY_LEN(stored); i++)
		if (view_is(path, stored[i].path))
			return &stored[i];
	return NULL;
}

static enum status missing(struct view path, struct error *err)
{
	return (fail)(err, ST_NOT_FOUND, "\"%.*s\" does not exist", (int) path.len, path.ptr);
}

enum status resource_read(struct store *store, struct db *db, struct view path, struct buf *doc, uint64_t *ret_version,
                          int64_t *ret_id, struct error *err)
{
	const struct stored *found = find(path);

	(void) store, (void) db, (void) ret_version, (void) ret_id;
	enum status st = come(err);
	if (st != ST_OK)
		return st;
	return found != NULL ? buf_add_text(doc, found->doc, err) : missing(path, err);
}

static bool is_child(const struct stored *child, struct view parent)
{
	const struct view up = path_up(view_of(child->path), 2);

	return up.len == parent.len && memcmp(up.ptr, parent.ptr, up.len) == 0;
}

enum status resource_list(struct store *store, struct db *db, struct view type, struct view parent, struct view after,
                          uint64_t limit, resource_each *each, void *data, struct error *err)
{
	(void) store, (void) db, (void) after, (void) limit;
	enum status st = find(parent) != NULL ? come(err) : missing(parent, err);
	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(stored); i++) {
		const struct resource_item item = { .path = view_of(stored[i].path), .doc = view_of(stored[i].doc) };
		if (view_is(type, stored[i].type) && is_child(&stored[i], parent))
			st = each(data, &item, err);
	}
	return st;
}

/* Ids count in the table. */
enum status resource_list_children(struct store *store, struct db *db, struct view type, struct view child_type,
                                   struct view parent, struct view after, uint64_t limit, resource_each_child *each, void *data,
                                   struct error *err)
{
	(void) store, (void) db, (void) after, (void) limit;
	enum status st = find(parent) != NULL ? come(err) : missing(parent, err);
	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(stored); i++) {
		const struct resource_item item = { .path = view_of(stored[i].path), .doc = view_of(stored[i].doc), .id = (int64_t) i + 1 };
		bool                       has_child = false;
		if (!view_is(type, stored[i].type) || !is_child(&stored[i], parent))
			continue;
		for (size_t k = 0; st == ST_OK && k < ARRAY_LEN(stored); k++) {
			const struct resource_item child = { .path = view_of(stored[k].path), .doc = view_of(stored[k].doc) };
			if (!view_is(child_type, stored[k].type) || !is_child(&stored[k], item.path))
				continue;
			has_child = true;
			st = each(data, &item, &child, err);
		}
		if (st == ST_OK && !has_child)
			st = each(data, &item, NULL, err);
	}
	return st;
}

/* The table is in the order of creation. */
enum status resource_list_by_age(struct store *store, struct db *db, struct view type, struct view parent, resource_each *each,
                                 void *data, struct error *err)
{
	return resource_list(store, db, type, parent, VIEW(""), 0, each, data, err);
}

enum status resource_list_parents(struct db *db, struct view type, struct view name, struct view grandparent,
                                  resource_each_path *each, void *data, struct error *err)
{
	(void) db;
	enum status st = come(err);
	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(stored); i++) {
		const struct view path = view_of(stored[i].path), up = path_up(path, 2), name_there = path_name(path);
		const struct view top = path_up(up, 2);
		if (view_is(type, stored[i].type) && name_there.len == name.len && memcmp(name_there.ptr, name.ptr, name.len) == 0 &&
		    top.len == grandparent.len && memcmp(top.ptr, grandparent.ptr, top.len) == 0)
			st = each(data, up, err);
	}
	return st;
}

/* -- the orchestrator: it notes what it was asked -------------------------------------------------------------------- */

static const char         *done;
static struct status_query query_seen;

#define STEP(name) \
	enum status name(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns, \
	                 struct error *err) \
	{ (void) o, (void) path, (void) asker, (void) deadline_ns, (void) err; done = #name; return ST_OK; }
#define REPLY(name) \
	enum status name(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns, \
	                 struct operation_reply *r, struct error *err) \
	{ (void) o, (void) path, (void) asker, (void) deadline_ns, (void) err; done = #name; r->revision = 42; return ST_OK; }
#define STATUS(name) \
	enum status name(struct orchestrator *o, struct view path, const struct status_query *q, int64_t deadline_ns, \
	                 struct buf *reply, struct error *err) \
	{ (void) o, (void) path, (void) deadline_ns; query_seen = *q; return buf_add_text(reply, #name, err); }
#define CHECK(name) \
	enum status name(struct db *db, struct view path, bool is_delete, struct error *err) \
	{ (void) db, (void) path, (void) is_delete, (void) err; return ST_OK; }
STEP(deployment_approve)
STEP(deployment_terminate)
STEP(deployment_stop)
STEP(cloud_instantiate)
STEP(cloud_terminate)
REPLY(deployment_instantiate)
REPLY(deployment_update)
STATUS(deployment_status)

enum status unit_retry_cluster(struct db *db, struct view cluster, struct error *err)
{
	(void) db, (void) cluster, (void) err;
	return ST_OK;
}

enum status unit_retry_sync(struct db *db, struct view sync_object, struct error *err)
{
	(void) db, (void) sync_object, (void) err;
	return ST_OK;
}

enum status unit_on_cluster(struct db *db, struct view cluster, struct arena *arena, struct view *ret_owner, struct view *ret_app,
                            struct error *err)
{
	(void) db, (void) cluster, (void) arena, (void) ret_owner, (void) ret_app;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status deployment_rollback(struct orchestrator *o, struct view path, const struct asker *asker, int64_t revision,
                                int64_t deadline_ns, struct operation_reply *ret_reply, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) deadline_ns, (void) err;
	done = "deployment_rollback";
	ret_reply->revision = revision + 1;
	return ST_OK;
}

enum status deployment_history(struct orchestrator *o, struct view path, struct history_page *page, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) deadline_ns;
	return buf_printf(reply, err, "deployment_history %d %d", (int) page->before, (int) page->limit);
}

enum status deployment_migrate(struct orchestrator *o, struct view path, const struct asker *asker, struct view version,
                               struct view name, int64_t deadline_ns, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) deadline_ns, (void) err;
	done = view_is(version, "v2") && view_is(name, "other") ? "deployment_migrate" : "another";
	return ST_OK;
}

static struct dry_ask dry_asked;

enum status deployment_dry_run(struct orchestrator *o, struct view path, const struct dry_ask *ask, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) deadline_ns;
	done = "deployment_dry_run";
	dry_asked = *ask;
	return buf_add_text(reply, "{}", err);
}

enum status cluster_abandon(struct orchestrator *o, struct view path, const struct asker *asker, bool is_forced,
                            int64_t deadline_ns, struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) is_forced, (void) deadline_ns;
	done = "cluster_abandon";
	return buf_add_text(reply, "{}", err);
}

STATUS(cloud_status)
CHECK(deployment_check_change)
CHECK(cloud_check_change)

/* -- asking ---------------------------------------------------------------------------------------------------------- */

/* Everything a question needs. */
struct question {
	struct store         store;
	struct orchestrator  orchestrator;
	struct arena         arena;
	struct buf           reply;
	struct ask_parameter parameters[2];
	struct ask           ask;
	struct error         err;
};

static void question_init(struct question *q, const char *path)
{
	memset(q, 0, sizeof *q);
	arena_init(&q->arena, 1 << 20);
	buf_init(&q->reply, 1 << 20);
	q->orchestrator.store = &q->store;
	q->ask = (struct ask) {
		.orchestrator = &q->orchestrator, .path = view_of(path), .arena = &q->arena, .parameters = q->parameters,
		.reply = &q->reply, .instead = VIEW(""),
	};
}

static void question_done(struct question *q)
{
	arena_done(&q->arena);
	buf_done(&q->reply);
	assert_int_equal(borrowed, 0);
}

static void add_parameter(struct question *q, const char *name, const char *value)
{
	if (name != NULL)
		q->parameters[q->ask.parameter_count++] = (struct ask_parameter) { view_of(name), view_of(value) };
}

/* The first view that the query chooses, as the API does it; NULL: the plain answer. */
static const struct look *look_of(const char *type, const char *segment, struct ask *ask)
{
	const struct ask_parameter *chosen = NULL;
	size_t                      count;
	const struct family        *family = resources_families(&count);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < family[i].look_count; k++) {
			const struct look *look = &family[i].looks[k];
			if (strcmp(look->type, type) != 0 || (look->segment == NULL) != (segment == NULL))
				continue;
			chosen = look->by.name == NULL ? NULL : ask_find(ask, look->by.name);
			ask->value = chosen == NULL ? VIEW("") : chosen->value;
			if (look->by.name == NULL || ask->value.len > 0)
				return look;
		}
	return NULL;
}

static const struct row {
	const char *type, *path, *name, *value, *name2, *value2;
	const char *reply;             /* NULL: it fails with said    */
	const char *said;
	bool        is_plain;
	const char *instead;
} rows[] = {
	{ "appProfile", CP, "app", "web", NULL, NULL, "", NULL, false, CP "/profiles/b" },
	{ "appProfile", CP, "app", "none", NULL, NULL, NULL, "composite profile \"cp\" has no profile of app \"none\"", false, "" },
	{ "appProfile", CP, "app", "", NULL, NULL, "", NULL, true, "" },
	{ "appProfile", CP "x", "app", "web", NULL, NULL, NULL, "\"" CP "x\" does not exist", false, "" },
	{ "groupIntent", DIG, NULL, NULL, NULL, NULL, "{\"intent\":[{\"dtc\":\"t\",\"genericPlacementIntent\":\"g\"},{}]}", NULL,
	  false, "" },
	{ "groupIntent", DIG "2", NULL, NULL, NULL, NULL, "{\"intent\":[]}", NULL, false, "" },
	{ "groupIntent", DIG "3", NULL, NULL, NULL, NULL, NULL, "\"" DIG "3\" does not exist", false, "" },
	{ "groupIntent", DIG, "intent", "i1", NULL, NULL, "{\"intent\":{\"dtc\":\"t\",\"genericPlacementIntent\":\"g\"}}", NULL,
	  false, "" },
	{ "groupIntent", DIG "2", "intent", "", NULL, NULL, "{\"intent\":[]}", NULL, false, "" },
	{ "groupIntent", DIG, "intent", "i3", NULL, NULL, NULL, "\"" DIG "/intents/i3\" does not exist", false, "" },
	{ "genericAppPlacementIntent", GPI, "app", "web", NULL, NULL, "{\"app\":\"web\",\"intent\":{\"anyOf\":[]}}", NULL, false, "" },
	{ "genericAppPlacementIntent", GPI, "app", "x", "app-name", "web", "{\"app\":\"web\",\"intent\":{\"anyOf\":[]}}", NULL, false,
	  "" },
	{ "genericAppPlacementIntent", GPI, "app-name", "", "app", "web", "{\"app\":\"web\",\"intent\":{\"anyOf\":[]}}", NULL, false,
	  "" },
	{ "genericAppPlacementIntent", GPI, "app-name", "db", NULL, NULL, "{\"intent\":{}}", NULL, false, "" },
	{ "genericAppPlacementIntent", GPI, "app", "", NULL, NULL, "", NULL, true, "" },
	{ "cluster", EP, "label", "east", NULL, NULL, "[\"c1\"]", NULL, false, "" },
	{ "cluster", EP, "label", "none", NULL, NULL, "[]", NULL, false, "" },
	{ "cluster", EP, "label", "", NULL, NULL, "", NULL, true, "" },
	{ "cluster", EP "x", "label", "east", NULL, NULL, NULL, "\"" EP "x\" does not exist", false, "" },
	{ "cluster", EP, "withLabels", "True", "label", "east",
	  "[{\"metadata\":{\"name\":\"c1\"},\"labels\":[{\"clusterLabel\":\"east\"},{\"clusterLabel\":\"west\"}]},"
	  "{\"metadata\":{\"name\":\"c2\"},\"labels\":[]}]", NULL, false, "" },
	{ "cluster", "cluster-providers/none", "withLabels", "true", NULL, NULL, "[]", NULL, false, "" },
	{ "cluster", EP, "withLabels", "false", "label", "west", "", NULL, true, "" },      /* then the next view is asked: label */
	{ "cluster", EP, "withLabels", "false", NULL, NULL, "", NULL, true, "" },
	{ "cluster", EP "x", "withLabels", "true", NULL, NULL, NULL, "\"" EP "x\" does not exist", false, "" },
	{ "clusterKv", EP "/clusters/c1/kv-pairs/k", "key", "a", NULL, NULL, "{\"value\":\"1\"}", NULL, false, "" },
	{ "clusterKv", EP "/clusters/c1/kv-pairs/k", "key", "b", NULL, NULL, "{\"value\":\"\\u003c2\\u003e\"}", NULL, false, "" },
	{ "clusterKv", EP "/clusters/c1/kv-pairs/k", "key", "c", NULL, NULL, NULL, "\"k\" has no key \"c\"", false, "" },
	{ "clusterKv", EP "/clusters/c1/kv-pairs/k", "key", "", NULL, NULL, "", NULL, true, "" },
	{ "clusterSyncObject", EP "/cluster-sync-objects/s", "key", "gitToken", NULL, NULL, "{\"value\":\"t\"}", NULL, false, "" },
	{ "clusterSyncObject", EP "/cluster-sync-objects/x", "key", "a", NULL, NULL, NULL,
	  "\"" EP "/cluster-sync-objects/x\" does not exist", false, "" },
};

static enum status ask_row(struct question *q, const struct row *row)
{
	question_init(q, row->path);
	add_parameter(q, row->name, row->value);
	add_parameter(q, row->name2, row->value2);
	calls = 0;
	const struct look *look = look_of(row->type, NULL, &q->ask);
	q->ask.is_plain = look == NULL;
	return look == NULL ? ST_OK : look->handler(&q->ask, &q->err);
}

static void test_views_answer_as_clients_know_them(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct question   q;
		enum status       st = ask_row(&q, row);
		if (st != (row->reply != NULL ? ST_OK : ST_NOT_FOUND) || (row->reply != NULL && strcmp(q.reply.data, row->reply) != 0))
			fail_msg("%s ?%s=%s: %s: %s: %s", row->type, row->name, row->value, status_name(st), q.err.text, q.reply.data);
		assert_string_equal(q.err.text, row->said != NULL ? row->said : "");
		assert_int_equal(q.ask.is_plain, row->is_plain);
		assert_true(view_is(q.ask.instead, row->instead));
		question_done(&q);
	}
}

static void test_a_store_that_fails_at_any_call_fails_the_view(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned n = 1; rows[i].reply != NULL && !rows[i].is_plain; n++) {
			struct question q;
			fail_at_call = n;
			enum status st = ask_row(&q, &rows[i]);
			fail_at_call = 0;
			const bool is_over = calls < n;
			assert_int_equal(st, is_over ? ST_OK : ST_UNAVAILABLE);
			question_done(&q);
			if (is_over)
				break;
		}
}

static void test_clusters_with_their_labels_are_one_question_however_many(void **state)
{
	static const struct row row = { "cluster", EP, "withLabels", "true", NULL, NULL, "", NULL, false, "" };
	struct question         q;

	(void) state;
	assert_int_equal(ask_row(&q, &row), ST_OK);
	assert_int_equal(calls, 2);                    /* a connection, a query */
	question_done(&q);
}

static void test_status_is_asked_of_the_orchestrator_with_its_query(void **state)
{
	static const struct { const char *type, *reply; enum status_mode mode; } statuses[] = {
		{ "deploymentIntentGroup", "deployment_status", STATUS_RSYNC }, { "logicalCloud", "cloud_status", STATUS_READY },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct question q;
		question_init(&q, DIG);
		add_parameter(&q, "output", "detail");
		const struct look *look = look_of(statuses[i].type, "status", &q.ask);
		assert_string_equal(look->segment, "status");
		assert_int_equal(look->handler(&q.ask, &q.err), ST_OK);
		assert_string_equal(q.reply.data, statuses[i].reply);
		assert_int_equal(query_seen.mode, statuses[i].mode);
		assert_int_equal(query_seen.output, STATUS_DETAIL);

		q.parameters[0].value = VIEW("all of it");
		assert_int_equal(look->handler(&q.ask, &q.err), ST_INVALID);
		question_done(&q);
	}
}

static void test_every_verb_does_what_it_is_called(void **state)
{
	static const struct { const char *type, *name, *done, *reply, *document; } want[] = {
		{ "deploymentIntentGroup", "approve",     "deployment_approve",     "",   NULL },
		{ "deploymentIntentGroup", "instantiate", "deployment_instantiate", "",   NULL },
		{ "deploymentIntentGroup", "update",      "deployment_update",      "42", NULL },
		{ "deploymentIntentGroup", "rollback",    "deployment_rollback",    "8", "{\"spec\":{\"revision\":7}}" },
		{ "deploymentIntentGroup", "migrate",     "deployment_migrate",     "",
		  "{\"spec\":{\"targetCompositeAppVersion\":\"v2\",\"targetDeploymentIntentGroup\":\"other\"}}" },
		{ "deploymentIntentGroup", "terminate",   "deployment_terminate",   "",   NULL },
		{ "deploymentIntentGroup", "stop",        "deployment_stop",        "",   NULL },
		{ "cluster",               "abandon",     "cluster_abandon",        "{}", NULL },
		{ "logicalCloud",          "instantiate", "cloud_instantiate",      "",   NULL },
		{ "logicalCloud",          "terminate",   "cloud_terminate",        "",   NULL },
	};
	size_t               count, verbs = 0;
	const struct family *family = resources_families(&count);

	(void) state;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < family[i].verb_count; k++, verbs++) {
			const struct verb *verb = &family[i].verbs[k];
			struct question    q;
			assert_true(verbs < ARRAY_LEN(want));
			question_init(&q, DIG);
			assert_string_equal(verb->type, want[verbs].type);
			assert_string_equal(verb->name, want[verbs].name);
			auto_json *document = NULL;
			assert_int_equal(verb->body_schema != NULL, want[verbs].document != NULL);
			if (want[verbs].document != NULL)
				assert_int_equal(json_read(view_of(want[verbs].document), &document, &q.err), ST_OK);
			q.ask.document = document;
			assert_int_equal(verb->handler(&q.ask, &q.err), ST_OK);
			assert_string_equal(done, want[verbs].done);
			assert_string_equal(q.reply.data, want[verbs].reply);
			question_done(&q);
		}
	assert_int_equal(verbs, ARRAY_LEN(want));
}

/* Every verb that says it answers to a dry run does, and takes no other word for it. */
static void test_dry_runs_are_asked_for_with_true_and_nothing_else(void **state)
{
	static const struct { const char *dry, *output, *done, *field; bool is_summary; } want[] = {
		{ "true",  NULL,      "deployment_dry_run", "",       false },
		{ "true",  "all",     "deployment_dry_run", "",       false },
		{ "true",  "summary", "deployment_dry_run", "",       true  },
		{ "true",  "detail",  "",                   "output", false },
		{ "false", "summary", "the operation",      "",       false },
		{ "false", "detail",  "",                   "output", false },
		{ "True",  NULL,      "",                   "dryRun", false },
		{ "",      NULL,      "",                   "dryRun", false },
	};
	size_t               count, tried = 0;
	const struct family *family = resources_families(&count);

	(void) state;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < family[i].verb_count; k++) {
			const struct verb *verb = &family[i].verbs[k];
			for (size_t row = 0; verb->trial_schema != NULL && row < ARRAY_LEN(want); row++, tried++) {
				struct question q;
				question_init(&q, DIG);
				q.ask.success = verb->success;
				add_parameter(&q, "dryRun", want[row].dry);
				add_parameter(&q, want[row].output != NULL ? "output" : NULL, want[row].output);
				done = "";
				const bool is_dry = strcmp(want[row].done, "deployment_dry_run") == 0;
				assert_int_equal(verb->handler(&q.ask, &q.err), want[row].field[0] != '\0' ? ST_INVALID : ST_OK);
				assert_string_equal(q.err.field, want[row].field);
				assert_int_equal(strcmp(done, "deployment_dry_run") == 0, is_dry);
				assert_int_equal(q.ask.success, is_dry ? 200 : verb->success);
				if (is_dry)
					assert_int_equal(dry_asked.is_summary, want[row].is_summary);
				question_done(&q);
			}
		}
	assert_int_equal(tried, 4 * ARRAY_LEN(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dry_runs_are_asked_for_with_true_and_nothing_else),
		cmocka_unit_test(test_views_answer_as_clients_know_them),
		cmocka_unit_test(test_a_store_that_fails_at_any_call_fails_the_view),
		cmocka_unit_test(test_clusters_with_their_labels_are_one_question_however_many),
		cmocka_unit_test(test_status_is_asked_of_the_orchestrator_with_its_query),
		cmocka_unit_test(test_every_verb_does_what_it_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
