/* Units: what moves, and what a report changes. */
#include "tests/unit/store/scene.h"
#include "host/store/action.h"

static void test_a_unit_lives_from_instantiate_to_forget(void **state)
{
	struct fixture    *fixture = *state;
	struct error       err;
	struct unit_row   *units = NULL;
	struct object_row *objects = NULL;
	size_t             count = 0;
	auto_arena         arena;
	const int64_t      owner = fixture_create(fixture, "projects/a");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "a", scene_c12);
	scene_move(fixture, owner, context, context);
	struct unit_status status = scene_status(fixture, owner, 0, &arena);
	assert_true(status.is_wanted && !status.is_done && status.counts[OBJECT_PENDING] == 2 && status.reachable == -1);

	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_true(view_is(units[0].owner_path, "projects/a") && view_is(units[0].meta, "{\"project\":\"p\"}"));
	assert_true(units[0].has_desired && !units[0].has_applied && units[0].tried_count == 1 && view_is(units[0].event, "instantiate"));
	assert_false(units[0].is_begun);
	char       text[32];
	bool       is_owner = false, is_other_owner = true;
	struct db *asked = fixture_db(fixture);
	snprintf(text, sizeof text, "%lld", (long long) context);
	const struct action begun = { .state = "Instantiated", .instance = context, .status_context = context, .revision = 1 };
	assert_ok(action_add(asked, owner, &begun, &err));
	assert_ok(unit_owns(asked, &units[0], view_of(text), &is_owner, &err));
	assert_ok(unit_owns(asked, &units[0], VIEW("4711"), &is_other_owner, &err));
	assert_true(is_owner && !is_other_owner);
	db_return(asked);
	struct unit_row *none = NULL;
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &none, LEASE_MS), 0);

	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, both, 2, &err));
	status = scene_status(fixture, owner, 0, &arena);
	assert_true(status.counts[OBJECT_APPLIED] == 1 && status.counts[OBJECT_FAILED] == 1 && status.counts[OBJECT_PENDING] == 0);
	assert_true(status.attempts == 1 && status.reachable == 1);
	assert_status(ST_CONFLICT, scene_report(fixture, &units[0], UNIT_DONE, 0, both, 2, &err), &err);
	assert_ok(scene_report(fixture, &units[1], UNIT_DONE, 0, NULL, 0, &err));
	status = scene_status(fixture, owner, 1, &arena);
	assert_true(status.is_done && status.counts[OBJECT_APPLIED] == 2);
	struct db *db = fixture_db(fixture);
	assert_ok(unit_objects(db, owner, VIEW("web"), VIEW("p+c2"), &arena, &objects, &count, &err));
	assert_true(count == 2 && objects[1].state == OBJECT_APPLIED && view_is(objects[1].name, "two+ConfigMap"));
	assert_ok(unit_objects(db, owner, VIEW("web"), VIEW("p+c1"), &arena, &objects, &count, &err));
	assert_true(count == 2 && objects[1].state == OBJECT_FAILED && view_is(objects[1].message, "no"));
	assert_status(ST_NOT_FOUND, unit_objects(db, owner, VIEW("web"), VIEW("p+c9"), &arena, &objects, &count, &err), &err);

	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));
	assert_status(ST_CONFLICT, resource_delete(&fixture->store, db, VIEW("projects/a"), false, &err), &err);
	assert_string_equal(err.text, "\"projects/a\" still owns objects of web on p+c1");
	assert_status(ST_CONFLICT, unit_forget(db, owner, &err), &err);

	scene_move(fixture, owner, 0, 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_true(!units[0].has_desired && units[0].has_applied && units[0].label == context && view_is(units[0].event, "terminate"));
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, NULL, 0, &err));
	assert_ok(scene_report(fixture, &units[1], UNIT_DONE, 0, NULL, 0, &err));
	status = scene_status(fixture, owner, 0, &arena);
	assert_true(!status.is_wanted && status.is_done);
	assert_ok(resource_delete(&fixture->store, db, VIEW("projects/a"), false, &err));
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit"), 0);
}

static void test_unchanged_units_need_no_work_and_another_label_does(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/b");

	arena_init(&arena, 1 << 20);
	const int64_t first = scene_context(fixture, owner, "b", scene_c12);
	scene_move(fixture, owner, first, first);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));
	assert_ok(scene_report(fixture, &units[1], UNIT_DONE, 0, both, 1, &err));

	const int64_t second = scene_context(fixture, owner, "b", scene_c12);
	scene_move(fixture, owner, second, first);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	struct unit_status status = scene_status(fixture, owner, 0, &arena);
	assert_true(status.is_done && status.counts[OBJECT_APPLIED] == 1);
	scene_move(fixture, owner, second, second);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_int_equal(units[0].label, first);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));
	assert_ok(scene_report(fixture, &units[1], UNIT_DONE, 0, both, 1, &err));

	scene_move(fixture, owner, scene_context(fixture, owner, "b", scene_c1), second);       /* one cluster less */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(view_is(units[0].cluster, "p+c2") && !units[0].has_desired);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, NULL, 0, &err));
}

/* Of many that are told at once those whose lease is lost are left out, and each keeps its own objects. */
static void test_many_are_reported_at_once(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	size_t           stored = 0;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/many");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "many", scene_c12);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	struct unit_row stolen = units[0];
	stolen.lease++;
	const struct unit_outcome outcomes[] = {
		{ .kind = UNIT_RETRY, .retry_after_ns = 3600000000000, .reachable = 0, .error = VIEW("away"), .unit = &units[1] },
		{ .kind = UNIT_DONE, .reachable = 1, .error = VIEW(""), .objects = both, .object_count = 2, .unit = &stolen },
		{ .kind = UNIT_FAILED, .retry_after_ns = 3600000000000, .reachable = 1, .error = VIEW("no"), .objects = both, .object_count = 2,
		  .unit = &units[0] },
	};
	struct db *db = fixture_db(fixture);
	bool wakes = true;
	assert_ok(unit_report(db, outcomes, 0, &stored, &wakes, &err));
	assert_int_equal(stored, 0);
	assert_ok(unit_report(db, outcomes, 3, &stored, &wakes, &err));
	db_return(db);
	assert_int_equal(stored, 2);
	struct unit_status status = scene_status(fixture, owner, 0, &arena);
	assert_true(status.counts[OBJECT_APPLIED] == 1 && status.counts[OBJECT_FAILED] == 1 && status.counts[OBJECT_PENDING] == 0);
	assert_true(!status.is_done && status.reachable == 1 && view_is(status.error, "no"));
	status = scene_status(fixture, owner, 1, &arena);
	assert_true(status.counts[OBJECT_APPLIED] == 0 && status.counts[OBJECT_PENDING] == 2 && status.reachable == 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit_object o JOIN unit u ON u.id = o.unit WHERE u.app = 'web'"
	                                         " AND ordinal IN (1, 2) AND u.owner = (SELECT id FROM resource WHERE path = 'projects/many')"), 2);

	scene_move(fixture, owner, 0, 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, NULL, 0, &err));
	assert_ok(scene_report(fixture, &units[1], UNIT_DONE, 0, NULL, 0, &err));
}

static int64_t rows_of(struct fixture *fixture, const struct unit_row *unit)
{
	char sql[80];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM unit_object WHERE unit = %lld", (long long) unit->id);
	return fixture_number(fixture, sql);
}

/* What is in order has no row for each object, and reads as if it had. */
static void test_objects_have_rows_only_where_one_is_not_as_it_should_be(void **state)
{
	const struct object_row good[] = { { VIEW("one+ConfigMap"), VIEW(""), OBJECT_APPLIED, true },
	                                   { VIEW("two+ConfigMap"), VIEW(""), OBJECT_APPLIED, true },
	                                   { VIEW("hook+Job"), VIEW(""), OBJECT_APPLIED, true } };
	struct fixture    *fixture = *state;
	struct error       err;
	struct unit_row   *units = NULL;
	struct object_row *objects = NULL;
	size_t             count = 0;
	auto_arena         arena;
	const int64_t      owner = fixture_create(fixture, "projects/even");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "even", scene_c1);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, both, 2, &err));
	assert_int_equal(rows_of(fixture, units), 2);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, good, 2, &err));
	assert_int_equal(rows_of(fixture, units), 0);
	struct db *db = fixture_db(fixture);
	for (int i = 0; i < 2; i++) {                         /* also once somebody doubts it */
		assert_ok(unit_objects(db, owner, VIEW("web"), VIEW("p+c1"), &arena, &objects, &count, &err));
		assert_true(count == 2 && objects[0].state == OBJECT_APPLIED && objects[1].state == OBJECT_APPLIED);
		fixture_run(fixture, "UPDATE unit SET is_unsure = true, due_at = statement_timestamp() WHERE owner = (SELECT id FROM resource"
		                     " WHERE path = 'projects/even')");
	}
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, good, 3, &err));            /* and one that is not of the set */
	assert_int_equal(rows_of(fixture, units), 3);
	db_return(db);
	/* Of another set, whose objects are not there yet, what is reported says nothing of its own. */
	const int64_t next = scene_context(fixture, owner, "even, and another", scene_c1);
	const struct object_row others[] = { { VIEW("x+ConfigMap"), VIEW(""), OBJECT_APPLIED, true },
	                                     { VIEW("y+ConfigMap"), VIEW(""), OBJECT_APPLIED, true } };
	scene_move(fixture, owner, next, next);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, others, 2, &err));
	db = fixture_db(fixture);
	assert_ok(unit_objects(db, owner, VIEW("web"), VIEW("p+c1"), &arena, &objects, &count, &err));
	assert_true(count == 4 && objects[0].state == OBJECT_PENDING && objects[1].state == OBJECT_PENDING);
	assert_true(objects[2].state == OBJECT_APPLIED && objects[2].is_told && !objects[0].is_told);
	db_return(db);
	scene_move(fixture, owner, 0, 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, NULL, 0, &err));
}

static void test_a_report_after_a_move_closes_nothing(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *old = NULL, *new = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/c");

	arena_init(&arena, 1 << 20);
	const int64_t first = scene_context(fixture, owner, "c1", scene_c1), second = scene_context(fixture, owner, "c2", scene_c1);
	scene_move(fixture, owner, first, first);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &old, LEASE_MS), 1);
	scene_move(fixture, owner, second, first);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &new, LEASE_MS), 0);
	assert_ok(scene_report(fixture, &old[0], UNIT_RETRY, 60000, both, 2, &err));
	struct unit_status status = scene_status(fixture, owner, 0, &arena);
	assert_true(!status.is_done && status.counts[OBJECT_PENDING] == 2 && status.attempts == 0);

	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &new, LEASE_MS), 1);
	assert_int_equal(new[0].tried_count, 2);                    /* objects of the first set may be there */
	assert_true(digest_equal(&new[0].tried[0], &old[0].desired));
	assert_ok(scene_report(fixture, &new[0], UNIT_DONE, 0, both, 1, &err));
	assert_true(scene_status(fixture, owner, 0, &arena).is_done);
	scene_move(fixture, owner, 0, 0);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &new, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &new[0], UNIT_DONE, 0, NULL, 0, &err));
}

static void test_a_cluster_that_is_reached_in_another_way_is_tried_at_once(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL, *late = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/w");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "w", scene_c12);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 2);
	assert_ok(scene_report(fixture, &units[0], UNIT_FAILED, 600000, both, 1, &err));
	assert_ok(scene_report(fixture, &units[1], UNIT_FAILED, 600000, both, 1, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);

	struct db *db = fixture_db(fixture);
	assert_ok(unit_retry_cluster(db, VIEW("p+c1"), &err));
	assert_false(scene_status(fixture, owner, 0, &arena).is_failed);
	assert_true(scene_status(fixture, owner, 1, &arena).is_failed);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &late, LEASE_MS), 1);
	assert_true(view_is(late[0].cluster, "p+c1"));

	/* while it is tried as it was reached before: that try's end is not the last word */
	assert_ok(unit_retry_cluster(db, VIEW("p+c1"), &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	assert_ok(scene_report(fixture, &late[0], UNIT_FAILED, 600000, both, 1, &err));
	assert_false(scene_status(fixture, owner, 0, &arena).is_failed);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));

	assert_ok(unit_retry_cluster(db, VIEW("p+c1"), &err));      /* what is done stays at rest */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	db_return(db);
}

static void retry(struct fixture *fixture, bool is_sync)
{
	struct error err;
	struct db   *db = fixture_db(fixture);

	assert_ok(is_sync ? unit_retry_sync(db, VIEW("sync-objects/of-c1"), &err) : unit_retry_cluster(db, VIEW("p+c1"), &err));
	db_return(db);
	scene_check_sums(fixture);
}

/* The one half of it went to where the cluster was, the other to where it is: it is done when all was sent again, once. */
static void test_a_try_that_began_elsewhere_is_not_done(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/elsewhere");

	fixture_create(fixture, "sync-objects/of-c1");
	fixture_create(fixture, "cluster-providers/p");
	fixture_create(fixture, "cluster-providers/p/clusters/c1");
	fixture_run(fixture, "UPDATE resource SET type = 'cluster' WHERE path = 'cluster-providers/p/clusters/c1'");
	fixture_run(fixture, "INSERT INTO resource_ref (src, dst) SELECT c.id, s.id FROM resource c, resource s"
	            " WHERE c.path = 'cluster-providers/p/clusters/c1' AND s.path = 'sync-objects/of-c1'");
	arena_init(&arena, 4 << 20);
	for (int i = 0; i < 4; i++) {
		const char *const content[] = { "elsewhere-0", "elsewhere-1", "", "elsewhere-3" };
		const int64_t     context = i == 2 ? 0 : scene_context(fixture, owner, content[i], scene_c1);

		scene_move(fixture, owner, context, owner);
		assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
		const struct unit_row before = units[0];
		retry(fixture, i % 2 != 0);
		assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, i == 2 ? NULL : both, i == 2 ? 0 : 2, &err));
		assert_false(scene_status(fixture, owner, 0, &arena).is_done);
		assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
		assert_true(units[0].is_unsure && units[0].has_applied == before.has_applied && units[0].tried_count == before.tried_count);
		assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, i == 2 ? NULL : both, i == 2 ? 0 : 2, &err));
		assert_true(scene_status(fixture, owner, 0, &arena).is_done);
		assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	}
}

/* Who was stopped learns it as well, and is not tried for it; who moves meanwhile, and is not doubted, has applied. */
static void test_what_was_stopped_elsewhere_is_sent_again_when_it_moves(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/stopped-elsewhere");
	int64_t          contexts[3];

	arena_init(&arena, 4 << 20);
	for (size_t i = 0; i < ARRAY_LEN(contexts); i++)
		contexts[i] = scene_context(fixture, owner, i == 0 ? "stopped-0" : i == 1 ? "stopped-1" : "stopped-2", scene_c1);
	scene_move(fixture, owner, contexts[0], owner);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	struct db *db = fixture_db(fixture);
	assert_ok(unit_stop(db, owner, &err));
	db_return(db);
	retry(fixture, false);
	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, both, 2, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	scene_move(fixture, owner, contexts[1], owner);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(units[0].is_unsure && !units[0].has_applied && units[0].tried_count == 2);
	scene_move(fixture, owner, contexts[2], owner);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 2, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(!units[0].is_unsure && units[0].has_applied && units[0].tried_count == 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 2, &err));
	assert_true(scene_status(fixture, owner, 0, &arena).is_done);
}

static void test_nobody_begins_before_who_was_stopped_has_had_his_time(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *stopped = NULL, *units = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/stopped");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "stopped", scene_c1);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &stopped, LEASE_MS), 1);
	struct db *db = fixture_db(fixture);
	assert_ok(unit_stop(db, owner, &err));
	scene_move(fixture, owner, 0, 0);                     /* terminated at once */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	assert_ok(scene_report(fixture, &stopped[0], UNIT_DONE, 0, both, 1, &err));          /* what he has brought is known ... */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(units[0].has_applied && !units[0].has_desired);                         /* ... and goes */
	const struct object_row gone[] = { { VIEW("one+ConfigMap"), VIEW(""), OBJECT_DELETED, true } };
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, gone, 1, &err));
	assert_int_equal(rows_of(fixture, units), 1);
	assert_ok(unit_forget(db, owner, &err));
	assert_int_equal(rows_of(fixture, units), 0);                              /* its objects go with it */
	db_return(db);
}

/* So much is noted of the owner's one unit. */
static void assert_noted(struct fixture *fixture, int64_t owner, const char *progress, const char *awaits, const char *stage)
{
	char sql[256];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM unit WHERE owner = %lld AND progress = '%s' AND awaits = '%s' AND stage = '%s'",
	         (long long) owner, progress, awaits, stage);
	if (fixture_number(fixture, sql) != 1)
		fail_msg("not so: %s", sql);
}

/* Report so much of a unit, which is due again at once.  ST_CONFLICT: its lease is lost. */
static enum status note(struct fixture *fixture, const struct unit_row *unit, const char *progress, const char *awaits, const char *stage)
{
	struct error        err;
	struct db          *db = fixture_db(fixture);
	size_t              stored = 0;
	bool                wakes;
	struct unit_outcome outcome = { .kind = UNIT_WAITS, .reachable = 1, .error = VIEW("waits"), .progress = view_of(progress),
		                        .awaits = view_of(awaits), .stage = view_of(stage), .unit = unit };

	assert_ok(unit_report(db, &outcome, 1, &stored, &wakes, &err));
	db_return(db);
	return stored == 1 ? ST_OK : ST_CONFLICT;
}

/* A hook must not run twice, nor be passed over, whoever notes what and when. */
static void test_how_far_hooks_have_come_is_noted_by_who_works_and_for_this_move_only(void **state)
{
	struct fixture  *fixture = *state;
	struct unit_row *units = NULL;
	auto_arena       arena;
	char             sql[96];
	const int64_t    owner = fixture_create(fixture, "projects/hooks"), context = scene_context(fixture, owner, "h", scene_c1);

	arena_init(&arena, 1 << 20);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_int_equal(units[0].progress.len, 0);
	struct unit_row other = units[0];
	other.lease++;                                               /* somebody else's by now */
	assert_int_equal(note(fixture, &other, "late", "h+Job", "pre-install"), ST_CONFLICT);
	assert_noted(fixture, owner, "", "", "");
	assert_int_equal(note(fixture, &units[0], "", "h+Job", "pre-install"), ST_OK);      /* without a progress: nothing is noted */
	assert_noted(fixture, owner, "", "", "");

	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_int_equal(note(fixture, &units[0], "install 1 0 w 5 uid", "h+Job", "pre-install"), ST_OK);
	assert_noted(fixture, owner, "install 1 0 w 5 uid", "h+Job", "pre-install");
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_true(view_is(units[0].progress, "install 1 0 w 5 uid"));      /* who goes on knows */

	const int64_t next = scene_context(fixture, owner, "h-next", scene_c1);
	scene_move(fixture, owner, next, context);                   /* desired moves while he works; nothing is awaited, so the stage means nothing */
	assert_noted(fixture, owner, "", "", "pre-install");
	assert_int_equal(note(fixture, &units[0], "late", "h+Job", "post-install"), ST_OK);
	assert_noted(fixture, owner, "", "", "pre-install");
	snprintf(sql, sizeof sql, "DELETE FROM unit WHERE owner = %lld", (long long) owner);
	fixture_run(fixture, sql);
}

/* A cluster that is away, and update after update: contents differ, names do not, but for one that has a name more. */
static void test_what_was_begun_grows_with_names_and_not_with_updates(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena = ARENA(4 << 20);
	const int64_t    owner = fixture_create(fixture, "projects/away");
	char             content[32];
	size_t           most = 0;

	for (int i = 0; i < 40; i++) {
		snprintf(content, sizeof content, "away %d", i);
		const int64_t context = scene_context(fixture, owner, content, scene_c1);
		if (i == 20)
			fixture_run(fixture, "UPDATE resource_set SET entries = replace(entries, 'one+', 'more+') WHERE digest ="
			            " (SELECT set FROM app_context_cluster ORDER BY context = (SELECT id FROM app_context ORDER BY created_at DESC LIMIT 1) DESC LIMIT 1)");
		scene_move(fixture, owner, context, context);
		assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
		most = units[0].tried_count > most ? units[0].tried_count : most;
		assert_true(digest_equal(&units[0].tried[units[0].tried_count - 1], &units[0].desired));
		assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, both, 2, &err));
	}
	assert_true(most <= 9);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit u, unnest(u.tried) t JOIN resource_set s ON s.digest = t"
	                 " WHERE s.entries LIKE '%more+%'"), 1);
	fixture_run(fixture, "DELETE FROM unit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_begun_grows_with_names_and_not_with_updates),
		cmocka_unit_test(test_a_unit_lives_from_instantiate_to_forget),
		cmocka_unit_test(test_unchanged_units_need_no_work_and_another_label_does),
		cmocka_unit_test(test_many_are_reported_at_once),
		cmocka_unit_test(test_objects_have_rows_only_where_one_is_not_as_it_should_be),
		cmocka_unit_test(test_a_report_after_a_move_closes_nothing),
		cmocka_unit_test(test_a_cluster_that_is_reached_in_another_way_is_tried_at_once),
		cmocka_unit_test(test_a_try_that_began_elsewhere_is_not_done),
		cmocka_unit_test(test_what_was_stopped_elsewhere_is_sent_again_when_it_moves),
		cmocka_unit_test(test_nobody_begins_before_who_was_stopped_has_had_his_time),
		cmocka_unit_test(test_how_far_hooks_have_come_is_noted_by_who_works_and_for_this_move_only),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
