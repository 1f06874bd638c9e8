/* Apps that wait for others: who is put off, who is let go, and when. */
#include "tests/unit/store/scene.h"

static const struct object_row applied[] = { { { "one+ConfigMap", 13 }, { "", 0 }, OBJECT_APPLIED, true },
                                             { { "two+ConfigMap", 13 }, { "", 0 }, OBJECT_APPLIED, true } };

/* A context of apps "db" and "web" on one cluster, of which web waits. */
static int64_t waiting(struct fixture *fixture, int64_t owner, const char *content, const char *plan)
{
	const int64_t context = scene_context(fixture, owner, content, scene_c1);
	char          sql[512];

	snprintf(sql, sizeof sql, "INSERT INTO app_context_cluster SELECT context, 'db', cluster, grp, set FROM app_context_cluster WHERE context = %lld",
	         (long long) context);
	fixture_run(fixture, sql);
	snprintf(sql, sizeof sql, "UPDATE app_context SET plan = '{\"dependencies\":{\"web\":[%s]}}' WHERE id = %lld", plan, (long long) context);
	fixture_run(fixture, sql);
	return context;
}

static size_t open_waits(struct fixture *fixture, int64_t owner, struct arena *arena)
{
	struct error      err;
	struct unit_wait *waits = NULL;
	size_t            count = 0;
	struct db        *db = fixture_db(fixture);

	assert_ok(unit_wait_list(db, owner, arena, &waits, &count, &err));
	assert_true(count == 0 || (view_is(waits[0].app, "web") && view_is(waits[0].on_app, "db")));
	db_return(db);
	return count;
}

static void clear(struct fixture *fixture, int64_t owner)
{
	char sql[96];

	snprintf(sql, sizeof sql, "DELETE FROM unit WHERE owner = %lld", (long long) owner);
	fixture_run(fixture, sql);
	fixture_run(fixture, "DELETE FROM unit_wait");
	fixture_run(fixture, "DELETE FROM cluster_watch");
}

static void test_an_app_is_brought_when_the_other_is_deployed(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena = ARENA(4 << 20);
	const int64_t    owner = fixture_create(fixture, "projects/deployed");
	const int64_t    context = waiting(fixture, owner, "d", "{\"app\":\"db\",\"opStatus\":\"DEPLOYED\"}");

	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(view_is(units[0].app, "db"));
	const struct unit_status web = scene_status(fixture, owner, 1, &arena);
	assert_true(web.is_unbegun && !web.is_failed && view_is(web.error, "waits until app \"db\" is deployed"));
	assert_int_equal(open_waits(fixture, owner, &arena), 1);
	struct unit_row *none = NULL;
	fixture_run(fixture, "UPDATE unit SET due_at = statement_timestamp() WHERE app = 'web'");     /* whoever makes it due */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 3600000, applied, 1, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	fixture_run(fixture, "UPDATE unit SET due_at = statement_timestamp() WHERE app = 'db'");
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_int_equal(open_waits(fixture, owner, &arena), 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);         /* at once, not when it looks again */
	assert_true(view_is(units[0].app, "web"));
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));

	/* What is to go waits for nobody. */
	scene_move(fixture, owner, 0, 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_wait"), 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	clear(fixture, owner);
}

/* More wait than are asked for at once: those behind have their turn all the same. */
static void test_who_waits_keeps_nobody_behind_him_from_his_turn(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	size_t           count = 0;
	int64_t          next_ns = 0;
	auto_arena       arena = ARENA(4 << 20);
	const int64_t    owner = fixture_create(fixture, "projects/waits"), behind = fixture_create(fixture, "projects/behind");
	const int64_t    context = waiting(fixture, owner, "w", "{\"app\":\"db\",\"opStatus\":\"deployed\"}");
	const int64_t    other = scene_context(fixture, behind, "w2", scene_c1);

	assert_true(owner < behind);
	scene_move(fixture, owner, context, context);
	fixture_run(fixture, "INSERT INTO unit (owner, app, cluster, context, status_context, set, is_wanted, event, due_at) SELECT owner, app,"
	            " 'p+more-' || n, context, status_context, set, true, event, statement_timestamp() FROM unit, generate_series(1, 8) AS n"
	            " WHERE app = 'web'");
	fixture_run(fixture, "UPDATE unit SET due_at = NULL WHERE app = 'db'");
	scene_move(fixture, behind, other, other);
	fixture->store.claimed = owner - 1;
	struct db *db = fixture_db(fixture);
	assert_ok(unit_claim(&fixture->store, db, 1, LEASE_MS * 1000000LL, &arena, &units, &count, &next_ns, &err));
	db_return(db);
	assert_int_equal(count, 1);
	assert_int_equal(units[0].owner, behind);
	clear(fixture, owner);
	clear(fixture, behind);
}

static void test_an_app_is_brought_when_the_other_is_ready_and_some_time_later(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL, *none = NULL;
	auto_arena       arena = ARENA(4 << 20);
	bool             wakes = false;
	const int64_t    owner = fixture_create(fixture, "projects/ready");
	const int64_t    context = waiting(fixture, owner, "r", "{\"app\":\"db\",\"opStatus\":\"ready\",\"wait\":1}");

	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	fixture_run(fixture, "UPDATE unit SET due_at = statement_timestamp() WHERE app = 'web'");
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	const struct unit_status web = scene_status(fixture, owner, 1, &arena);
	assert_non_null(strstr(web.error.ptr, "waits until app \"db\" is ready, and nobody sees 1 of its clusters"));

	struct db *db = fixture_db(fixture);
	char statement[200];
	snprintf(statement, sizeof statement, "INSERT INTO cluster_watch (cluster, host, until, seen_at, is_lost)"
	         " VALUES ('p+c1', %lld, now() + interval '1 hour', now(), false)", (long long) fixture->store.host);
	fixture_run(fixture, statement);
	struct seen_row seen[] = {
		{ .status_context = context, .session = 1, .cluster = VIEW("p+c1"), .app = VIEW("db"), .name = VIEW("one+ConfigMap"), .api_version = VIEW("v1"),
		  .reason = VIEW(""), .state = SEEN_READY, .flags = SEEN_TRACKED | SEEN_MEMBER },
		{ .status_context = context, .session = 1, .cluster = VIEW("p+c1"), .app = VIEW("db"), .name = VIEW("two+ConfigMap"), .api_version = VIEW("v1"),
		  .reason = VIEW(""), .state = SEEN_NOT_READY, .flags = SEEN_TRACKED | SEEN_MEMBER },
	};
	assert_ok(unit_observe(&fixture->store, db, seen, 2, &wakes, &err));
	assert_false(wakes);
	seen[1].state = SEEN_READY;
	assert_ok(unit_observe(&fixture->store, db, &seen[1], 1, &wakes, &err));
	assert_true(wakes);
	db_return(db);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	assert_true(view_is(scene_status(fixture, owner, 1, &arena).error, "waits 1 s after app \"db\" is ready"));
	size_t count = 0;
	for (const int64_t end = clock_ns() + 10000000000; count == 0 && clock_ns() < end;)
		count = scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS);
	assert_int_equal(count, 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_wait WHERE statement_timestamp() >= met_at + interval '1 second'"), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));

	/* An update that leaves the other as it is has waited before; the one who moves alone goes at once. */
	fixture_run(fixture, "UPDATE unit SET set = decode(repeat('00', 32), 'hex'), applied = decode(repeat('00', 32), 'hex') WHERE app = 'web'");
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	clear(fixture, owner);
}

static void test_a_wait_that_takes_too_long_is_a_failure_and_goes_on(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL, *none = NULL;
	auto_arena       arena = ARENA(4 << 20);
	const int64_t    owner = fixture_create(fixture, "projects/late");
	const int64_t    context = waiting(fixture, owner, "l", "{\"app\":\"db\",\"opStatus\":\"Deployed\"}");

	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_false(scene_status(fixture, owner, 1, &arena).is_failed);
	fixture_run(fixture, "UPDATE unit_wait SET since = since - interval '31 minutes'");
	fixture_run(fixture, "UPDATE unit SET due_at = statement_timestamp() WHERE lease IS NULL");
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	assert_true(scene_status(fixture, owner, 1, &arena).is_failed);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_true(scene_status(fixture, owner, 1, &arena).is_done);
	clear(fixture, owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_app_is_brought_when_the_other_is_deployed),
		cmocka_unit_test(test_who_waits_keeps_nobody_behind_him_from_his_turn),
		cmocka_unit_test(test_an_app_is_brought_when_the_other_is_ready_and_some_time_later),
		cmocka_unit_test(test_a_wait_that_takes_too_long_is_a_failure_and_goes_on),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
