/* "emco.units/1" on a real store. */
#include "tests/unit/rsync/world.h"

#include <pthread.h>
#include <time.h>

/* Move the owner's units to a context of one app with a ConfigMap and a Secret on some clusters; NULL: to nothing. */
static void move_at(const char *level, const char *content, const char *const *clusters, const char *event)
{
	char                 meta[96];
	struct error         err;
	struct db           *db = fixture_db(fixture);
	int64_t              owner = 0;
	struct context_row context = { .meta = { meta, (size_t) snprintf(meta, sizeof meta, "{\"Namespace\":\"ns1\",\"Level\":\"%s\","
	                                         "\"LogicalCloud\":\"lc\"}", level) }, .plan = VIEW("{}") };
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

static void move(const char *content, const char *const *clusters, const char *event)
{
	move_at("1", content, clusters, event);
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

/* On the call that reads, every slot but memory is refused; on another, none. */
struct asking { emco_call *same, *other; const emco_unit *unit; unsigned asked; emco_status answer; };

static emco_status ask_back(void *data, uint64_t index, emco_str body)
{
	struct asking *asking = data;
	struct entries entries = { .count = 0 };
	char           text[32];

	(void) index, (void) body;
	assert_non_null(asking->same->alloc(asking->same, 1, 16));
	const emco_status answers[] = {
		extension_units.each_entry(asking->same, asking->unit->desired, take_entry, &entries),
		extension_units.bodies(asking->same, &asking->unit->desired, 0, take_body, text),
		extension_units.renew(asking->same, asking->unit, 60000000000LL),
		extension_units.report(asking->same, &(emco_unit_report) { .size = sizeof(emco_unit_report), .outcome = EMCO_UNIT_RETRY,
		                       .unit = asking->unit }, 1, NULL),
	};
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		assert_int_equal(answers[i], EMCO_E_CONFLICT);
	assert_str(asking->same->fault(asking->same), "\"bodies\" has not ended: its call back may ask this call for memory only");
	assert_int_equal(extension_units.each_entry(asking->other, asking->unit->desired, take_entry, &entries), EMCO_OK);
	assert_int_equal(entries.count, 2);
	asking->asked++;
	return asking->answer;
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

static uint64_t access_after(const char *level, const char *set)
{
	struct claimed claimed = { .count = 0 };
	auto_call      call;

	move_at(level, set, one, "update");
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	assert_int_equal(units->claim(&call.abi, 10, 60000000000, take_unit, &claimed), EMCO_OK);
	assert_int_equal(claimed.count, 1);
	assert_int_equal(report(&call, claimed.units[0], EMCO_UNIT_DONE, 0, ""), EMCO_OK);
	return claimed.units[0]->access;
}

static void test_a_unit_says_whether_its_cluster_may_be_reached_in_another_way(void **state)
{
	(void) state;
	assert_int_equal(access_after("0", "no cluster"), 0);
	fixture_create(fixture, "cluster-providers/p");
	fixture_create(fixture, "cluster-providers/p/clusters/c1");
	const uint64_t first = access_after("0", "a cluster");
	assert_true(first != 0);
	assert_true(access_after("0", "the same") == first);
	fixture_run(fixture, "UPDATE resource SET version = version + 1 WHERE path = 'cluster-providers/p/clusters/c1'");
	const uint64_t replaced = access_after("0", "replaced");
	assert_true(replaced != first && replaced != 0);
	fixture_run(fixture, "DELETE FROM resource WHERE path = 'cluster-providers/p/clusters/c1'");
	fixture_create(fixture, "cluster-providers/p/clusters/c1");
	assert_int_equal(access_after("1", "of another level"), 0);
	const uint64_t anew = access_after("0", "made anew");
	assert_true(anew != replaced && anew != first && anew != 0);
}

static emco_status count_cluster(void *data, emco_str cluster)
{
	int *count = data;

	(void) cluster;
	++*count;
	return EMCO_OK;
}

/*
 * A report ends by its deadline, also while the store stands still; the database then gives it up, and it can be told again.
 *
 * NOTE: until that is seen, it may be stored after all: the answer and a deadline can cross.
 */
static void test_a_report_that_takes_too_long_can_be_told_again(void **state)
{
	enum { LATE_MS = 250 };
	static const struct query lock = { "test_lock", "LOCK TABLE unit IN ACCESS EXCLUSIVE MODE" };
	static const char         standing[] = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
	                                       " AND datname = current_database()";
	const emco_object_state states[] = { { .size = sizeof states[0], .state = EMCO_OBJECT_FAILED, .name = EMCO_STR("late+ConfigMap"),
	                                       .message = EMCO_STR("") } };
	struct claimed claimed = { .count = 0 };
	struct error   err;
	auto_call      call, late;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 60000);
	begin(&late, EMCO_ROLE_SYNCHRONISER, 60000);
	move("late", one, "update");
	assert_int_equal(units->claim(&call.abi, 8, 60000000000LL, take_unit, &claimed), EMCO_OK);
	const emco_unit_report told = { .size = sizeof told, .outcome = EMCO_UNIT_RETRY, .retry_after_ns = 1000000000, .reachable = 1,
	                                .unit = claimed.units[0], .error = EMCO_STR("no"), .objects = states, .object_count = 1 };
	struct db *db = fixture_db(fixture);
	assert_ok(db_begin(db, &err));
	assert_ok(db_query(db, &lock, NULL, 0, EXPECT_NONE, NULL, &err));
	late.deadline_ns = deadline_in_ms(LATE_MS);
	assert_int_equal(units->report(&late.abi, &told, 1, NULL), EMCO_E_DEADLINE);
	assert_in_range(clock_ns(), late.deadline_ns, late.deadline_ns + 5000000000LL);
	for (const int64_t until_ns = deadline_in_ms(20000); fixture_number(fixture, standing) > 0; )
		assert_false(deadline_past(until_ns));
	db_rollback(db);
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_object WHERE name LIKE 'late%'"), 0);

	uint64_t lost = 1;
	assert_int_equal(units->report(&call.abi, &told, 1, &lost), EMCO_OK);
	assert_int_equal(lost, 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_object WHERE name LIKE 'late%'"), 1);
	assert_int_equal(units->report(&call.abi, &told, 1, &lost), EMCO_OK);
	assert_int_equal(lost, 1);
}

static void test_a_call_back_of_bodies_asks_for_nothing_else(void **state)
{
	struct claimed claimed = { .count = 0 };
	struct entries entries = { .count = 0 };
	auto_call      call, other;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 20000);
	begin(&other, EMCO_ROLE_SYNCHRONISER, 20000);
	move("asked back", one, "instantiate");
	assert_int_equal(units->claim(&call.abi, 8, 60000000000LL, take_unit, &claimed), EMCO_OK);
	assert_int_equal(units->each_entry(&call.abi, claimed.units[0]->desired, take_entry, &entries), EMCO_OK);

	const emco_str digests[] = { entries.items[0].digest, entries.items[1].digest };
	struct asking  asking = { .same = &call.abi, .other = &other.abi, .unit = claimed.units[0], .answer = EMCO_OK };
	assert_int_equal(units->bodies(&call.abi, digests, 2, ask_back, &asking), EMCO_OK);
	assert_int_equal(asking.asked, 2);                             /* and both were told */
	asking.answer = EMCO_E_FORBIDDEN;
	assert_int_equal(units->bodies(&call.abi, digests, 2, ask_back, &asking), EMCO_E_FORBIDDEN);
	assert_int_equal(asking.asked, 3);
	assert_int_equal(report(&call, claimed.units[0], EMCO_UNIT_DONE, 0, ""), EMCO_OK);      /* afterwards, as ever */
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
	assert_int_equal(units->watch(&call.abi, &cluster, 1, 60000000000, count_cluster, &mine), EMCO_OK);
	assert_int_equal(mine, 1);
	assert_int_equal(units->observe(&call.abi, &some, 1), EMCO_OK);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_seen WHERE reason = 'caf'"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM cluster_watch WHERE version = 'v1?'"), 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_unit_goes_from_claim_to_report),
		cmocka_unit_test(test_a_failed_unit_comes_back_when_desired_moves),
		cmocka_unit_test(test_a_unit_says_whether_its_cluster_may_be_reached_in_another_way),
		cmocka_unit_test(test_a_report_that_takes_too_long_can_be_told_again),
		cmocka_unit_test(test_a_call_back_of_bodies_asks_for_nothing_else),
		cmocka_unit_test(test_words_that_are_no_text_are_mended),
		cmocka_unit_test(test_claim_waits_and_is_woken),
		cmocka_unit_test(test_a_cancelled_claim_ends_soon),
		cmocka_unit_test(test_what_units_refuse),
	};

	return cmocka_run_group_tests(tests, open_world, fixture_close);
}
