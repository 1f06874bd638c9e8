/* "emco.units/1", "emco.clusters/1" and "emco.resources/1" on a real store. */
#include "tests/unit/store/fixture.h"

#include "host/orchestrator/extensions.h"
#include "host/registry/call.h"

#include <pthread.h>
#include <time.h>

#define OWNER  "projects/p/deployment-intent-groups/g"

static struct fixture *fixture;

static int open_world(void **state)
{
	(void) fixture_open(state);
	fixture = *state;
	fixture_create(fixture, "projects/p");
	fixture_create(fixture, OWNER);
	return 0;
}

static void begin(struct call *call, uint32_t roles, int64_t limit_ms)
{
	call_init(call, &fixture->store, "rsync", roles, deadline_in_ms(limit_ms));
}

static bool str_is(emco_str text, const char *want)
{
	return view_is(view_from_abi(text), want);
}

#define assert_str(text, want)  assert_string_equal(arena_copy_of(text), want)
static const char *arena_copy_of(emco_str text)
{
	static char copy[4096];

	snprintf(copy, sizeof copy, "%.*s", (int) text.len, text.len > 0 ? text.ptr : "");
	return copy;
}

/* -- units -- */

/* Move the owner's units to a context of one app with a ConfigMap and a Secret on some clusters; NULL: to nothing. */
static void move(const char *content, const char *const *clusters, const char *event)
{
	struct error         err;
	struct db           *db = fixture_db(fixture);
	int64_t              owner = 0;
	struct context_row context = { .meta = VIEW("{\"Namespace\":\"ns1\",\"Level\":\"1\",\"LogicalCloud\":\"lc\"}"),
		                       .plan = VIEW("{}") };
	struct placement_row placements[4];
	size_t               count = 0;
	auto_buf             text;

	buf_init(&text, 4096);
	const struct manifest_row manifests[] = { { digest_of(view_of(content)), view_of(content), false },
		                                  { seal_digest(fixture->store.sealer, VIEW("secret")), VIEW("secret"),
		                                    true } };
	const struct digest    digests[] = { manifests[0].digest, manifests[1].digest };
	const struct set_entry    entries[] = {
		   { .name = VIEW("one+ConfigMap"),
		     .api_version = VIEW("v1"),
		     .kind = VIEW("ConfigMap"),
		     .namespace_ = VIEW("d"),
		     .events = VIEW(""),
		     .manifest = digests[0] },
		   { .name = VIEW("two+Secret"),
		     .api_version = VIEW("v1"),
		     .kind = VIEW("Secret"),
		     .namespace_ = VIEW(""),
		     .events = VIEW("pre-install"),
		     .phase = EMCO_PHASE_HOOK,
		     .is_secret = true,
		     .manifest = digests[1] },
	};
	assert_ok(set_encode(entries, 2, &text, &err));
	const struct set_row set = { digest_of(buf_view(&text)), buf_view(&text), digests, 2, 0, 0 };
	for (; clusters != NULL && clusters[count] != NULL; count++)
		placements[count] =
			(struct placement_row) { VIEW("web"), view_of(clusters[count]), VIEW(""), set.digest };
	assert_ok(db_begin(db, &err));
	assert_ok(resource_lock(db, VIEW(OWNER), &owner, &err));
	context.owner = owner;
	if (clusters != NULL)
		assert_ok(context_write(&fixture->store, db, &context, manifests, 2, &set, 1, placements, count, &err));
	assert_ok(unit_move(db, owner, context.id, context.id, event, &err));
	assert_ok(db_commit(db, &err));
	db_return(db);
	store_notify(&fixture->store, CHANNEL_UNITS);
}

struct claimed { const emco_unit *units[8]; size_t count; };

static emco_status take_unit(void *data, const emco_unit *unit)
{
	struct claimed *claimed = data;

	claimed->units[claimed->count++] = unit;
	return EMCO_OK;
}

struct entries { emco_set_entry items[8]; size_t count; };

static emco_status take_entry(void *data, const emco_set_entry *entry)
{
	struct entries *entries = data;

	entries->items[entries->count++] = *entry;
	return EMCO_OK;
}

struct body { char text[32]; };

static emco_status take_body(void *data, uint64_t index, emco_str body)
{
	struct body *bodies = data;

	snprintf(bodies[index].text, sizeof bodies[index].text, "%.*s", (int) body.len, body.ptr);
	return EMCO_OK;
}

static emco_status refuse_body(void *data, uint64_t index, emco_str body)
{
	(void) data, (void) index, (void) body;
	return EMCO_E_FORBIDDEN;
}

static const char *const both[] = { "p+c1", "p+c2", NULL }, *const one[] = { "p+c1", NULL };
static const emco_units_1 *const units = &extension_units;

static emco_status report(struct call *call, const emco_unit *unit, int32_t outcome, int64_t retry_ns,
                          const char *error)
{
	const emco_object_state states[] = {
		{ .size = sizeof states[0],
		  .state = EMCO_OBJECT_APPLIED,
		  .name = EMCO_STR("one+ConfigMap"),
		  .message = EMCO_STR("") },
		{ .size = sizeof states[0],
		  .state = EMCO_OBJECT_FAILED,
		  .name = EMCO_STR("two+Secret"),
		  .message = EMCO_STR("no") },
	};
	const emco_unit_report result = { .size = sizeof result,
		                          .outcome = outcome,
		                          .reachable = 1,
		                          .retry_after_ns = retry_ns,
		                          .object_count = 2,
		                          .objects = states,
		                          .error = view_to_abi(view_of(error)),
		                          .unit = unit };
	uint64_t lost = 0;
	const emco_status status = units->report(&call->abi, &result, 1, &lost);

	return status == EMCO_OK && lost == 1 ? EMCO_E_CONFLICT : status;
}

static void test_a_unit_goes_from_claim_to_report(void **state)
{
	struct claimed claimed = { .count = 0 };
	struct entries entries = { .count = 0 };
	struct body    bodies[2] = { 0 };
	auto_call      claiming, working;

	(void) state;
	move("v1", both, "instantiate");
	begin(&claiming, EMCO_ROLE_SYNCHRONISER, 30000);
	begin(&working, EMCO_ROLE_SYNCHRONISER, 30000);
	assert_int_equal(units->claim(&claiming.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	assert_null(claiming.db);                /* who waits holds no connection */
	assert_int_equal(claimed.count, 2);

	const emco_unit *unit = claimed.units[0];
	assert_str(unit->owner, OWNER);
	assert_str(unit->app, "web");
	assert_str(unit->cluster, "p+c1");
	assert_str(unit->namespace_, "ns1");
	assert_str(unit->level, "1");
	assert_str(unit->logical_cloud, "lc");
	assert_str(unit->event, "instantiate");
	assert_str(unit->applied, "");
	assert_str(unit->applied_context, "");
	assert_true(strtoll(unit->status_context.ptr, NULL, 10) > 0);
	assert_int_equal(unit->desired.len, 64);
	assert_int_equal(unit->tried_count, 1);

	assert_int_equal(units->each_entry(&working.abi, unit->desired, take_entry, &entries), EMCO_OK);
	assert_int_equal(entries.count, 2);
	assert_str(entries.items[0].object->name, "one+ConfigMap");
	assert_int_equal(entries.items[0].secret, 0);
	assert_int_equal(entries.items[1].secret, 1);
	assert_int_equal(entries.items[1].object->phase, EMCO_PHASE_HOOK);
	assert_str(entries.items[1].object->events, "pre-install");
	const emco_str digests[] = { entries.items[1].digest, entries.items[0].digest };
	assert_int_equal(units->bodies(&working.abi, digests, 2, take_body, bodies), EMCO_OK);
	assert_string_equal(bodies[0].text, "secret");
	assert_string_equal(bodies[1].text, "v1");
	assert_int_equal(units->bodies(&working.abi, digests, 0, take_body, bodies), EMCO_OK);
	assert_int_equal(units->bodies(&working.abi, digests, 2, refuse_body, NULL), EMCO_E_FORBIDDEN);
	assert_int_equal(units->bodies(&working.abi, &unit->desired, 1, take_body, bodies), EMCO_E_NOT_FOUND);

	assert_int_equal(units->renew(&working.abi, unit, 60000000000), EMCO_OK);
	assert_int_equal(report(&working, unit, EMCO_UNIT_DONE, 0, ""), EMCO_OK);
	assert_int_equal(report(&working, unit, EMCO_UNIT_DONE, 0, ""), EMCO_E_CONFLICT);
	assert_int_equal(units->renew(&working.abi, unit, 60000000000), EMCO_E_CONFLICT);
	assert_int_equal(report(&working, claimed.units[1], EMCO_UNIT_FAILED, 3600000000000, "no target"), EMCO_OK);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE applied IS NOT NULL"), 1);
}

static void test_a_failed_unit_comes_back_when_desired_moves(void **state)
{
	struct claimed claimed = { .count = 0 };
	auto_call      call;

	(void) state;
	move("v2", one, "update");
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	while (claimed.count < 2)
		assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);

	const emco_unit *stays = claimed.units[str_is(claimed.units[0]->cluster, "p+c1") ? 0 : 1];
	const emco_unit *goes = claimed.units[stays == claimed.units[0] ? 1 : 0];
	assert_int_equal(stays->desired.len, 64);
	assert_int_equal(stays->applied.len, 64);
	assert_true(stays->applied_context.len > 0);     /* another context was begun: the label moves with it */
	assert_str(goes->cluster, "p+c2");
	assert_str(goes->desired, "");
	assert_int_equal(report(&call, stays, EMCO_UNIT_RETRY, 1000000, "away"), EMCO_OK);
	assert_int_equal(report(&call, goes, EMCO_UNIT_DONE, 0, ""), EMCO_OK);
	claimed.count = 0;
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	assert_int_equal(claimed.units[0]->attempts, 1);
	assert_int_equal(report(&call, claimed.units[0], EMCO_UNIT_DONE, 0, ""), EMCO_OK);
}

static emco_status count_cluster(void *data, emco_str cluster)
{
	int *count = data;

	(void) cluster;
	++*count;
	return EMCO_OK;
}

/* What others say is not always text: the rest of a report, or of what is seen, must not be lost for it. */
static void test_words_that_are_no_text_are_mended(void **state)
{
	const emco_object_state states[] = {
		{ .size = sizeof states[0], .state = EMCO_OBJECT_FAILED, .name = EMCO_STR("one+ConfigMap"), .message = EMCO_STR("caf\xc3") },
		{ .size = sizeof states[0], .state = EMCO_OBJECT_FAILED, .name = EMCO_STR("two\xff+Secret"), .message = EMCO_STR("a\0b") },
	};
	emco_unit_report result = { .size = sizeof result, .outcome = EMCO_UNIT_RETRY, .reachable = 1, .retry_after_ns = 1000000,
		                          .object_count = 2, .objects = states, .error = EMCO_STR("n\xe9t \xe2\x82") };
	const emco_str cluster = EMCO_STR("p+c1");
	struct claimed claimed = { .count = 0 };
	char           label[64];
	int            mine = 0;
	auto_call      call;

	(void) state;
	move("v-words", one, "update");
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	assert_int_equal(claimed.count, 1);
	const emco_unit *unit = claimed.units[0];
	result.unit = unit;
	assert_int_equal(units->report(&call.abi, &result, 1, NULL), EMCO_OK);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE error = 'n?t'"), 1);

	snprintf(label, sizeof label, "%.*s-web", (int) unit->status_context.len, unit->status_context.ptr);
	const emco_seen seen[] = {
		{ .size = sizeof seen[0], .state = EMCO_SEEN_NOT_READY, .label = { label, strlen(label) }, .name = EMCO_STR("on\xff+ConfigMap"),
		  .api_version = EMCO_STR("v1"), .reason = EMCO_STR("no") },
		{ .size = sizeof seen[0], .state = EMCO_SEEN_NOT_READY, .label = { label, strlen(label) }, .name = EMCO_STR("one+ConfigMap"),
		  .api_version = EMCO_STR("v1"), .reason = EMCO_STR("caf\xc3") },
	};
	const emco_sight some = { .size = sizeof some, .cluster = cluster, .seen = seen, .seen_count = 2, .version = EMCO_STR("v1\xff") };
	const emco_sight lost = { .size = sizeof lost, .event = EMCO_SIGHT_LOST, .cluster = cluster, .error = EMCO_STR("caf\xe9 au lait") };
	assert_int_equal(units->observe(&call.abi, &some, 1), EMCO_OK);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_seen WHERE reason = 'caf'"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM cluster_watch WHERE version = 'v1?'"), 1);
	assert_int_equal(units->watch(&call.abi, &cluster, 1, 60000000000, count_cluster, &mine), EMCO_OK);
	assert_int_equal(mine, 1);
	assert_int_equal(units->observe(&call.abi, &lost, 1), EMCO_OK);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM cluster_watch WHERE error = 'caf? au lait'"), 1);
	claimed.count = 0;
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	assert_int_equal(report(&call, claimed.units[0], EMCO_UNIT_DONE, 0, ""), EMCO_OK);
}

static void *move_later(void *data)
{
	const struct timespec moment = { .tv_nsec = 300000000 };

	(void) data;
	nanosleep(&moment, NULL);
	move("v3", one, "update");
	return NULL;
}

static void test_claim_waits_and_is_woken(void **state)
{
	struct claimed claimed = { .count = 0 };
	pthread_t      thread;
	auto_call      call;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 300);
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_E_DEADLINE);
	call.deadline_ns = deadline_in_ms(30000);
	assert_int_equal(pthread_create(&thread, NULL, move_later, NULL), 0);
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	pthread_join(thread, NULL);
	assert_int_equal(claimed.count, 1);
	assert_int_equal(report(&call, claimed.units[0], EMCO_UNIT_DONE, 0, ""), EMCO_OK);
}

static void test_a_cancelled_claim_ends_soon(void **state)
{
	static volatile bool cancelled = true;
	struct claimed       claimed = { .count = 0 };
	const int64_t        begin_ns = clock_ns();
	auto_call            call;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 60000);
	call.cancelled = &cancelled;
	assert_int_equal(units->claim(&call.abi, 10, 1000000000, take_unit, &claimed), EMCO_E_DEADLINE);
	assert_true(clock_ns() - begin_ns < 10000000000);
}

static void test_what_units_refuse(void **state)
{
	const emco_unit copy = { .size = sizeof copy };
	struct claimed  claimed = { .count = 0 };
	struct { emco_unit unit; char room[512]; } outside = { .unit = copy };
	const emco_str  bad = EMCO_STR("ab");
	auto_call       call, stranger;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	begin(&stranger, EMCO_ROLE_ACTION, 30000);
	assert_int_equal(units->claim(&stranger.abi, 1, 1, take_unit, &claimed), EMCO_E_FORBIDDEN);
	assert_int_equal(units->bodies(&stranger.abi, &bad, 1, take_body, NULL), EMCO_E_FORBIDDEN);
	assert_int_equal(units->renew(&call.abi, &outside.unit, 1), EMCO_E_INVALID);
	assert_int_equal(report(&call, &outside.unit, EMCO_UNIT_DONE, 0, ""), EMCO_E_INVALID);
	assert_int_equal(units->bodies(&call.abi, &bad, 1, take_body, NULL), EMCO_E_INVALID);
	assert_int_equal(units->each_entry(&call.abi,
	                                   EMCO_STR("0000000000000000000000000000000000000000000000000000000000000000"),
	                                   take_entry, NULL),
	                 EMCO_E_NOT_FOUND);
}

/* -- clusters -- */

static void create(const char *path, const char *parent, const char *type, const char *doc, bool is_secret,
                   const char *kubeconfig)
{
	struct error               err;
	struct resource_written    written;
	struct db                 *db = fixture_db(fixture);
	const struct resource_file  file = { .field = "file",
		                             .filename = VIEW("kubeconfig"),
		                             .media_type = VIEW("application/octet-stream"),
		                             .content = view_of(kubeconfig),
		                             .is_sealed = true };
	const struct resource_write write = {
		.path = view_of(path),
		.parent = view_of(parent),
		.name = view_of(strrchr(path, '/') + 1),
		.type = view_of(type),
		.doc = view_of(doc),
		.is_secret = is_secret,
		.files = &file,
		.file_count = kubeconfig != NULL,
		.is_replacing_files = kubeconfig != NULL,
	};

	assert_ok(resource_write(&fixture->store, db, &write, RESOURCE_CREATE, &written,
	                         &err));
	db_return(db);
}

#define PROVIDER  "cluster-providers/edge"
static const emco_clusters_1 *const clusters = &extension_clusters;

static int create_clusters(void **state)
{
	(void) state;
	create("cluster-providers/edge", "", "clusterProvider", "{}", false, NULL);
	create(PROVIDER "/clusters/kube", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"\"}}}", false,
	       "apiVersion: v1");
	create(PROVIDER "/clusters/git", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxcd\","
	       "\"gitOpsReferenceObject\":\"ref\",\"gitOpsResourceObject\":\"\"}}}", false, NULL);
	create(PROVIDER "/clusters/lost", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxcd\","
	       "\"gitOpsReferenceObject\":\"nowhere\"}}}", false, NULL);
	create(PROVIDER "/cluster-sync-objects/ref", PROVIDER, "clusterSyncObject",
	       "{\"spec\":{\"kv\":[{\"url\":\"/x\",\"branch\":\"main\"},"
	       "{\"userName\":\"u\"},{\"url\":\"second\"}]}}",
	       true, NULL);
	create(PROVIDER "/clusters/git/labels/east", PROVIDER "/clusters/git", "clusterLabel",
	       "{\"clusterLabel\":\"east\"}", false, NULL);
	create(PROVIDER "/clusters/git/kv-pairs/kv1", PROVIDER "/clusters/git", "clusterKv",
	       "{\"spec\":{\"kv\":[{\"a\":\"1\"}]}}", false, NULL);
	create(PROVIDER "/clusters/git/kv-pairs/kv2", PROVIDER "/clusters/git", "clusterKv",
	       "{\"spec\":{\"kv\":[{\"b\":\"2\",\"c\":\"3\"}]}}", false, NULL);
	return 0;
}

static void test_access_merges_all_keys_of_the_sync_object(void **state)
{
	emco_cluster_access access;
	auto_call           call;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	assert_int_equal(clusters->access(&call.abi, EMCO_STR("edge+git"), EMCO_STR("1"), EMCO_STR("ns"), &access),
	                 EMCO_OK);
	assert_str(access.git_ops_type, "fluxcd");
	assert_str(access.kubeconfig, "");
	assert_str(access.reference_object, "{\"url\":\"/x\",\"branch\":\"main\",\"userName\":\"u\"}");
	assert_str(access.resource_object, "{}");
	assert_int_equal(
		clusters->access(&call.abi, EMCO_STR("edge+kube"), EMCO_STR("0"), EMCO_STR("default"), &access),
		EMCO_OK);
	assert_str(access.git_ops_type, "");
	assert_str(access.kubeconfig, "apiVersion: v1");
	assert_null(call.db);                    /* hundreds of calls wait for clusters, beside a few connections */
}

static void test_what_access_refuses(void **state)
{
	static const struct { const char *cluster, *level; emco_status want; const char *text;
	} rows[] = {
		{ "edge+none", "0", EMCO_E_NOT_FOUND, NULL },
		{ "edge", "0", EMCO_E_INVALID, "a cluster is named \"provider+cluster\", got \"edge\"" },
		{ "a+b/c", "0", EMCO_E_INVALID, NULL },
		{ "edge+lost", "0", EMCO_E_NOT_FOUND, NULL },
		{ "edge+kube", "1", EMCO_E_NOT_FOUND,
		  "\"cluster-providers/edge/clusters/kube\" has no access record of level \"1\"" },
	};
	emco_cluster_access access;
	auto_call           call, stranger;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	begin(&stranger, EMCO_ROLE_PLACEMENT, 30000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(clusters->access(&call.abi, view_to_abi(view_of(rows[i].cluster)),
		                                  view_to_abi(view_of(rows[i].level)), EMCO_STR("ns"), &access),
		                 rows[i].want);
		if (rows[i].text != NULL)
			assert_str(call.abi.fault(&call.abi), rows[i].text);
	}
	assert_int_equal(clusters->access(&stranger.abi, EMCO_STR("edge+git"), EMCO_STR("0"), EMCO_STR("ns"), &access),
	                 EMCO_E_FORBIDDEN);
}

static emco_status name_cluster(void *data, emco_str cluster)
{
	char *names = data;

	snprintf(names + strlen(names), 256 - strlen(names), "%.*s ", (int) cluster.len, cluster.ptr);
	return EMCO_OK;
}

static void test_labels_values_and_lists_of_clusters(void **state)
{
	char      all[256] = "", east[256] = "";
	int32_t   has = -1;
	emco_str  value;
	auto_call call;

	(void) state;
	begin(&call, EMCO_ROLE_PLACEMENT, 30000);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+git"), EMCO_STR("east"), &has), EMCO_OK);
	assert_int_equal(has, 1);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+kube"), EMCO_STR("east"), &has), EMCO_OK);
	assert_int_equal(has, 0);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+git"), EMCO_STR("a/b"), &has), EMCO_OK);
	assert_int_equal(has, 0);
	assert_int_equal(clusters->value(&call.abi, EMCO_STR("edge+git"), EMCO_STR("c"), &value), EMCO_OK);
	assert_str(value, "\"3\"");
	assert_int_equal(clusters->value(&call.abi, EMCO_STR("edge+git"), EMCO_STR("d"), &value), EMCO_E_NOT_FOUND);
	assert_int_equal(clusters->each(&call.abi, EMCO_STR("edge"), EMCO_STR(""), name_cluster, all), EMCO_OK);
	assert_string_equal(all, "edge+git edge+kube edge+lost ");
	assert_int_equal(clusters->each(&call.abi, EMCO_STR("edge"), EMCO_STR("east"), name_cluster, east), EMCO_OK);
	assert_string_equal(east, "edge+git ");
	assert_null(call.db);
}

/* -- resources -- */

struct walk { struct call *call; size_t count; char last[64]; };

static emco_status walk_one(void *data, emco_str path, emco_str document)
{
	struct walk *walk = data;
	emco_str     again;

	/* a call back may ask for something else on the same call */
	assert_int_equal(extension_resources.read(&walk->call->abi, path, &again), EMCO_OK);
	assert_true(again.len == document.len);
	snprintf(walk->last, sizeof walk->last, "%.*s", (int) path.len, path.ptr);
	return ++walk->count == 1000 ? EMCO_DECLINED : EMCO_OK;
}

static void test_lists_go_over_many_pages(void **state)
{
	struct walk walk = { .count = 0 };
	auto_call   call;
	emco_str    document;

	(void) state;
	begin(&call, EMCO_ROLE_ACTION, 60000);
	walk.call = &call;
	for (int i = 0; i < 128 * 2; i++) {      /* a whole number of pages */
		char path[64];

		snprintf(path, sizeof path, "projects/many-%03d", i);
		create(path, "", "many", "{}", false, NULL);
	}
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR(""), walk_one, &walk), EMCO_OK);
	assert_int_equal(walk.count, 256);
	assert_string_equal(walk.last, "projects/many-255");
	walk.count = 900;
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR(""), walk_one, &walk),
	                 EMCO_DECLINED);
	assert_string_equal(walk.last, "projects/many-099");
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR("no/where"), walk_one, &walk),
	                 EMCO_E_NOT_FOUND);
	assert_int_equal(extension_resources.read(&call.abi, EMCO_STR("no/where"), &document), EMCO_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_unit_goes_from_claim_to_report),
		cmocka_unit_test(test_a_failed_unit_comes_back_when_desired_moves),
		cmocka_unit_test(test_words_that_are_no_text_are_mended),
		cmocka_unit_test(test_claim_waits_and_is_woken),
		cmocka_unit_test(test_a_cancelled_claim_ends_soon),
		cmocka_unit_test(test_what_units_refuse),
		cmocka_unit_test_setup(test_access_merges_all_keys_of_the_sync_object, create_clusters),
		cmocka_unit_test(test_what_access_refuses),
		cmocka_unit_test(test_labels_values_and_lists_of_clusters),
		cmocka_unit_test(test_lists_go_over_many_pages),
	};

	return cmocka_run_group_tests(tests, open_world, fixture_close);
}
