#include "host/store/unit.h"
#include "host/resources/resources_priv.h"

#include "lib/base/clock.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* NOTE: fail is a macro of cmocka; (fail) is our function. */

/* -- the parts below, played here: they answer what the test says and note what they were asked ------------------------ */

static enum status  answer;                 /* of the life-cycle checks                */
static unsigned     asked;                  /* how often they were asked               */
static bool         asked_for_delete;
static const char  *cloud_document;         /* what resource_read finds; NULL: nothing */

static enum status note(struct view path, bool is_delete, struct error *err)
{
	asked++;
	asked_for_delete = is_delete;
	return answer == ST_OK ? ST_OK : (fail)(err, answer, "\"%.*s\" is instantiated", (int) path.len, path.ptr);
}

enum status deployment_check_change(struct db *db, struct view path, bool is_delete, struct error *err)
{
	(void) db;
	return note(path, is_delete, err);
}

enum status cloud_check_change(struct db *db, struct view path, bool is_delete, struct error *err)
{
	(void) db;
	return note(path, is_delete, err);
}

enum status db_borrow(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	(void) pool, (void) deadline_ns, (void) err;
	*ret_db = NULL;
	return ST_OK;
}

void db_return(struct db *db)
{
	(void) db;
}

enum status resource_read(struct store *store, struct db *db, struct view path, struct buf *doc, uint64_t *ret_version,
                          int64_t *ret_id, struct error *err)
{
	(void) store, (void) db, (void) ret_version, (void) ret_id;
	if (cloud_document == NULL || !view_is(path, "projects/p/logical-clouds/lc"))
		return (fail)(err, ST_NOT_FOUND, "\"%.*s\" does not exist", (int) path.len, path.ptr);
	return buf_add_text(doc, cloud_document, err);
}

/* Never asked in these tests; here so that the real ones stay out of the program. */
enum status resource_list(struct store *store, struct db *db, struct view type, struct view parent, struct view after,
                          uint64_t limit, resource_each *each, void *data, struct error *err)
{
	(void) store, (void) db, (void) type, (void) parent, (void) after, (void) limit, (void) each, (void) data;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status resource_list_children(struct store *store, struct db *db, struct view type, struct view child_type,
                                   struct view parent, struct view after, uint64_t limit, resource_each_child *each, void *data,
                                   struct error *err)
{
	(void) store, (void) db, (void) type, (void) child_type, (void) parent, (void) after, (void) limit, (void) each, (void) data;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status resource_list_by_age(struct store *store, struct db *db, struct view type, struct view parent, resource_each *each,
                                 void *data, struct error *err)
{
	(void) store, (void) db, (void) type, (void) parent, (void) each, (void) data;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status resource_list_parents(struct db *db, struct view type, struct view name, struct view grandparent,
                                  resource_each_path *each, void *data, struct error *err)
{
	(void) db, (void) type, (void) name, (void) grandparent, (void) each, (void) data;
	return (fail)(err, ST_INTERNAL, "not expected");
}

/* Nothing is on any cluster. */
enum status unit_on_cluster(struct db *db, struct view cluster, struct arena *arena, struct view *ret_owner, struct view *ret_app,
                            struct error *err)
{
	(void) db, (void) cluster, (void) arena, (void) err;
	*ret_owner = *ret_app = VIEW("");
	return ST_OK;
}

/* What was said to be reached in another way. */
static char moved[64];

enum status unit_retry_cluster(struct db *db, struct view cluster, struct error *err)
{
	(void) db, (void) err;
	snprintf(moved, sizeof moved, "%.*s", (int) cluster.len, cluster.ptr);
	return ST_OK;
}

enum status unit_retry_sync(struct db *db, struct view sync_object, struct error *err)
{
	(void) db, (void) sync_object, (void) err;
	return ST_OK;
}

#define UNUSED_OPERATION(name) \
	enum status name(struct orchestrator *o, struct view path, int64_t deadline_ns, struct error *err) \
	{ (void) o, (void) path, (void) deadline_ns; return (fail)(err, ST_INTERNAL, "not expected"); }
#define UNUSED_STEP(name) \
	enum status name(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns, \
	                 struct error *err) \
	{ (void) o, (void) path, (void) asker, (void) deadline_ns; return (fail)(err, ST_INTERNAL, "not expected"); }
#define UNUSED_REPLY(name) \
	enum status name(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns, \
	                 struct operation_reply *r, struct error *err) \
	{ (void) o, (void) path, (void) asker, (void) deadline_ns, (void) r; return (fail)(err, ST_INTERNAL, "not expected"); }
#define UNUSED_STATUS(name) \
	enum status name(struct orchestrator *o, struct view path, const struct status_query *q, int64_t deadline_ns, \
	                 struct buf *reply, struct error *err) \
	{ (void) o, (void) path, (void) q, (void) deadline_ns, (void) reply; return (fail)(err, ST_INTERNAL, "not expected"); }
UNUSED_STEP(deployment_approve)
UNUSED_STEP(deployment_terminate)
UNUSED_STEP(deployment_stop)
UNUSED_STEP(cloud_instantiate)
UNUSED_STEP(cloud_terminate)
UNUSED_REPLY(deployment_instantiate)
UNUSED_REPLY(deployment_update)
UNUSED_STATUS(deployment_status)

enum status deployment_history(struct orchestrator *o, struct view path, struct history_page *page, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) page, (void) deadline_ns, (void) reply;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status deployment_dry_run(struct orchestrator *o, struct view path, const struct dry_ask *ask, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) ask, (void) deadline_ns, (void) reply;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status deployment_migrate(struct orchestrator *o, struct view path, const struct asker *asker, struct view version,
                               struct view name, int64_t deadline_ns, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) version, (void) name, (void) deadline_ns;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status deployment_rollback(struct orchestrator *o, struct view path, const struct asker *asker, int64_t revision,
                                int64_t deadline_ns, struct operation_reply *ret_reply, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) revision, (void) deadline_ns, (void) ret_reply;
	return (fail)(err, ST_INTERNAL, "not expected");
}

enum status cluster_abandon(struct orchestrator *o, struct view path, const struct asker *asker, bool is_forced,
                            int64_t deadline_ns, struct buf *reply, struct error *err)
{
	(void) o, (void) path, (void) asker, (void) is_forced, (void) deadline_ns, (void) reply;
	return (fail)(err, ST_INTERNAL, "not expected");
}

UNUSED_STATUS(cloud_status)

/* -- calling a hook -------------------------------------------------------------------------------------------------- */

static const emco_resource_type *row_of(const char *name)
{
	size_t               count;
	const struct family *family = resources_families(&count);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < family[i].type_count; k++)
			if (strcmp(family[i].types[k].name, name) == 0)
				return &family[i].types[k];
	fail_msg("no type %s", name);
	return NULL;
}

static emco_str abi_text(const char *text)
{
	return view_to_abi(view_of(text));
}

/* As it is called by whoever changes a resource; call->error holds what was said. */
static enum status change(struct call *call, const char *type, int kind, const char *document, const char *previous,
                          uint64_t files, const char **ret_new)
{
	static struct store store;
	emco_change         what = {
		.size = sizeof what, .kind = kind, .path = abi_text(strcmp(type, "cluster") == 0 ? "cluster-providers/p/clusters/x" : "projects/p/logical-clouds/lc/things/x"),
		.document = abi_text(document), .previous = abi_text(previous), .files = files,
	};

	call_init(call, &store, "emcod", 0, deadline_in_ms(1000));
	const emco_status status = row_of(type)->before_change(&call->abi, &what);
	*ret_new = what.new_document.len > 0 ? what.new_document.ptr : "";
	assert_int_equal(status, status_to_abi(call->error.code));
	return call->error.code;
}

#define GIT(type, reference)  "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"" type "\",\"gitOpsReferenceObject\":\"" reference "\"}}}"
#define CLOUD(name, spec)     "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" spec "}}"
#define USER                  "\"user\":{\"userName\":\"u\"}"
#define NAMESPACE             "\"namespace\" must be 1 to 63 lower-case letters, digits and \"-\", got "
#define LONG16                "0123456789abcdef"

static const struct row {
	const char *title, *type;
	int         kind;
	const char *document, *previous;
	uint64_t    files;
	const char *field, *said;      /* NULL: it passes                    */
	const char *replaced;          /* what is stored instead; "": as it came */
} rows[] = {
	{ "a cluster with its kubeconfig", "cluster", EMCO_CHANGE_CREATE, GIT("", ""), "", 1, NULL, NULL, "" },
	{ "a cluster without", "cluster", EMCO_CHANGE_CREATE, GIT("", ""), "", 0, "file",
	  "a cluster without \"gitOpsType\" needs its kubeconfig, got no part \"file\"", "" },
	{ "it keeps the one it has", "cluster", EMCO_CHANGE_REPLACE, GIT("", ""), GIT("", ""), 0, NULL, NULL, "" },
	{ "it had none", "cluster", EMCO_CHANGE_REPLACE, GIT("", ""), GIT("fluxcd", "r"), 0, "file",
	  "a cluster without \"gitOpsType\" needs its kubeconfig, got no part \"file\"", "" },
	{ "through Git, without one", "cluster", EMCO_CHANGE_CREATE, GIT("fluxcd", "r"), "", 0, NULL, NULL, "" },
	{ "through Git, with one", "cluster", EMCO_CHANGE_CREATE, GIT("anthos", "r"), "", 1, NULL, NULL, "" },
	{ "through a Git nobody names", "cluster", EMCO_CHANGE_CREATE, GIT("anthos", ""), "", 0,
	  "/spec/gitOps/gitOpsReferenceObject", "a cluster of \"gitOpsType\" \"anthos\" needs a \"gitOpsReferenceObject\"", "" },
	{ "a cluster that goes", "cluster", EMCO_CHANGE_DELETE, "", GIT("", ""), 0, NULL, NULL, "" },

	{ "a cloud of level 1", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"ns-1\",\"level\":\"1\"," USER), "",
	  0, NULL, NULL, "" },
	{ "no level is level 1", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"ns\",\"level\":\"\"," USER), "", 0,
	  NULL, NULL, CLOUD("lc", "\"namespace\":\"ns\",\"level\":\"1\"," USER) },
	{ "level 0 lives in default", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("LC_0", "\"namespace\":\"x\",\"level\":\"0\""), "",
	  0, NULL, NULL, CLOUD("LC_0", "\"namespace\":\"default\",\"level\":\"0\"") },
	{ "level 0 as it is", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"default\",\"level\":\"0\""), "", 0,
	  NULL, NULL, "" },
	{ "no namespace", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", "a logical cloud of level 1 needs a \"namespace\"", "" },
	{ "upper case", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"Ns\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", NAMESPACE "\"Ns\"", "" },
	{ "a dash at the end", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"n-\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", NAMESPACE "\"n-\"", "" },
	{ "two labels", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"a.b\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", NAMESPACE "\"a.b\"", "" },
	{ "64 characters", "logicalCloud", EMCO_CHANGE_CREATE,
	  CLOUD("lc", "\"namespace\":\"" LONG16 LONG16 LONG16 LONG16 "\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", NAMESPACE "\"" LONG16 LONG16 LONG16 LONG16 "\"", "" },
	{ "the namespace default", "logicalCloud", EMCO_CHANGE_CREATE,
	  CLOUD("lc", "\"namespace\":\"default\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", "\"namespace\" must not be one of the cluster's own, got \"default\"", "" },
	{ "one of the cluster's own", "logicalCloud", EMCO_CHANGE_CREATE,
	  CLOUD("lc", "\"namespace\":\"kube-system\",\"level\":\"1\"," USER), "", 0,
	  "/spec/namespace", "\"namespace\" must not be one of the cluster's own, got \"kube-system\"", "" },
	{ "no user", "logicalCloud", EMCO_CHANGE_CREATE, CLOUD("lc", "\"namespace\":\"ns\",\"level\":\"1\""), "", 0,
	  "/spec/user/userName", "a logical cloud of level 1 needs a \"userName\"", "" },
	{ "a user of the system", "logicalCloud", EMCO_CHANGE_CREATE,
	  CLOUD("lc", "\"namespace\":\"ns\",\"level\":\"1\",\"user\":{\"userName\":\"system:admin\"}"), "", 0,
	  "/spec/user/userName", "\"userName\" must not begin with \"system:\", got \"system:admin\"", "" },
	{ "a name that Kubernetes refuses", "logicalCloud", EMCO_CHANGE_CREATE,
	  CLOUD("LC_1", "\"namespace\":\"ns\",\"level\":\"1\"," USER), "", 0, "/metadata/name",
	  "the name of a logical cloud of level 1 must be lower-case letters, digits, \"-\" and \".\", got \"LC_1\"", "" },

	{ "a reference", "clusterReference", EMCO_CHANGE_CREATE, "{\"spec\":{\"certificate\":\"\"}}", "", 0, NULL, NULL, "" },
	{ "a reference with a certificate", "clusterReference", EMCO_CHANGE_CREATE,
	  "{\"spec\":{\"cluster\":\"c\",\"certificate\":\"LS0t\"}}", "", 0, NULL, NULL,
	  "{\"spec\":{\"cluster\":\"c\",\"certificate\":\"\"}}" },
	{ "a reference that goes", "clusterReference", EMCO_CHANGE_DELETE, "", "{}", 0, NULL, NULL, "" },
	{ "a quota that goes", "clusterQuota", EMCO_CHANGE_DELETE, "", "{}", 0, NULL, NULL, "" },
};

static void test_rules_that_no_schema_can_say(void **state)
{
	(void) state;
	answer = ST_OK;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const char       *stored;
		auto_call         call = { .db = NULL };
		enum status       st = change(&call, row->type, row->kind, row->document, row->previous, row->files, &stored);
		if (st != (row->said != NULL ? ST_INVALID : ST_OK) || strcmp(stored, row->replaced) != 0)
			fail_msg("%s: %s: %s: stored \"%s\"", row->title, status_name(st), call.error.text, stored);
		assert_string_equal(call.error.text, row->said != NULL ? row->said : "");
		assert_string_equal(call.error.field, row->field != NULL ? row->field : "");
	}
}

/* Who works on it now has to do it again; a cluster that is new, or that is refused, is worked on by nobody. */
static void test_a_cluster_that_is_replaced_is_reached_in_another_way(void **state)
{
	struct call call;
	const char *new;

	(void) state;
	moved[0] = '\0';
	assert_int_equal(change(&call, "cluster", EMCO_CHANGE_CREATE, GIT("", ""), "", 1, &new), ST_OK);
	call_done(&call);
	assert_int_equal(change(&call, "cluster", EMCO_CHANGE_REPLACE, GIT("", ""), GIT("fluxcd", "r"), 0, &new), ST_INVALID);
	call_done(&call);
	assert_string_equal(moved, "");
	assert_int_equal(change(&call, "cluster", EMCO_CHANGE_REPLACE, GIT("", ""), GIT("", ""), 1, &new), ST_OK);
	call_done(&call);
	assert_string_equal(moved, "p+x");
}

static void test_a_quota_needs_a_cloud_of_level_one(void **state)
{
	static const struct { const char *cloud; enum status want; const char *said; } quotas[] = {
		{ "{\"spec\":{\"level\":\"1\"}}", ST_OK, "" },
		{ "{\"spec\":{\"level\":\"0\"}}", ST_INVALID, "a cluster quota needs a logical cloud of level 1, and \"lc\" has level 0" },
		{ NULL, ST_NOT_FOUND, "\"projects/p/logical-clouds/lc\" does not exist" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(quotas); i++) {
		const char *stored;
		auto_call   call = { .db = NULL };
		cloud_document = quotas[i].cloud;
		assert_int_equal(change(&call, "clusterQuota", EMCO_CHANGE_CREATE, "{}", "", 0, &stored), quotas[i].want);
		assert_string_equal(call.error.text, quotas[i].said);
	}
}

static void test_the_life_cycle_is_asked_before_a_replacement_and_a_deletion(void **state)
{
	static const struct { const char *type, *document; } owners[] = {
		{ "deploymentIntentGroup", "{}" },
		{ "logicalCloud", CLOUD("lc", "\"namespace\":\"ns\",\"level\":\"1\"," USER) },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(owners); i++)
		for (int kind = EMCO_CHANGE_CREATE; kind <= EMCO_CHANGE_DELETE; kind++) {
			const char *stored;
			auto_call   call = { .db = NULL };
			answer = ST_CONFLICT;
			asked = 0;
			enum status st = change(&call, owners[i].type, kind, kind == EMCO_CHANGE_DELETE ? "" : owners[i].document,
			                        "{}", 0, &stored);
			assert_int_equal(asked, kind == EMCO_CHANGE_CREATE ? 0 : 1);
			assert_int_equal(st, kind == EMCO_CHANGE_CREATE ? ST_OK : ST_CONFLICT);
			if (asked > 0) {
				assert_int_equal(asked_for_delete, kind == EMCO_CHANGE_DELETE);
				assert_string_equal(call.error.text, "\"projects/p/logical-clouds/lc/things/x\" is instantiated");
			}
		}
	answer = ST_OK;
}

static void test_a_file_that_does_not_parse_is_told_from_one_that_breaks_a_rule(void **state)
{
	static const struct { const char *type, *content; enum status want; } files[] = {
		{ "app", "no archive", ST_MALFORMED }, { "app", "", ST_MALFORMED }, { "appProfile", "PK\x03\x04", ST_MALFORMED },
		{ "cluster", "[", ST_MALFORMED }, { "cluster", "kind: Pod", ST_INVALID },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const emco_file *file = row_of(files[i].type)->files;
		auto_call        call = { .db = NULL };
		call_init(&call, NULL, "emcod", 0, deadline_in_ms(1000));
		assert_string_equal(file->part, "file");
		assert_int_equal(file->check(&call.abi, abi_text(files[i].content)), EMCO_E_INVALID);
		assert_int_equal(call.error.code, files[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_that_no_schema_can_say),
		cmocka_unit_test(test_a_cluster_that_is_replaced_is_reached_in_another_way),
		cmocka_unit_test(test_a_quota_needs_a_cloud_of_level_one),
		cmocka_unit_test(test_the_life_cycle_is_asked_before_a_replacement_and_a_deletion),
		cmocka_unit_test(test_a_file_that_does_not_parse_is_told_from_one_that_breaks_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
