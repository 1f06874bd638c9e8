/* What watchers see: rows, counters, drift. */
#include "tests/unit/store/given.h"

#include "host/store/migrate.h"
#include "lib/base/clock.h"

#include <pthread.h>

static void test_counters_are_the_sums_of_rows(void **state)
{
	struct given     g = given(*state, "projects/sums", scene_c1);
	struct seen_row *seen = NULL;
	size_t           count = 0;
	struct error     err;

	const struct seen_row first[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER),
		row(&g, "two+ConfigMap", SEEN_NOT_READY, SEEN_TRACKED | SEEN_MEMBER),        /* the last counts */
		row(&g, "pod+Pod", SEEN_READY, 0),
	};
	observe(&g, SESSION, first, 4);
	struct unit_status status = now(&g);
	assert_true(status.ready == 1 && status.not_ready == 1 && status.members == 2);
	assert_ok(unit_seen_list(g.db, g.owner, VIEW("web"), VIEW("p+c1"), &g.arena, &seen, &count, &err));
	assert_true(count == 3 && view_is(seen[2].name, "two+ConfigMap") && seen[2].state == SEEN_NOT_READY && view_is(seen[2].reason, "why"));

	const struct seen_row second[] = {
		row(&g, "one+ConfigMap", SEEN_GONE, SEEN_TRACKED | SEEN_MEMBER),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER),
		row(&g, "never+ConfigMap", SEEN_GONE, SEEN_TRACKED | SEEN_MEMBER),
	};
	observe(&g, SESSION, second, 3);
	status = now(&g);
	assert_true(status.ready == 1 && status.not_ready == 0 && status.members == 1);

	const struct seen_row third[] = { row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER) };
	observe(&g, NEXT_SESSION, third, 1);
	assert_int_equal(now(&g).ready, 2);
	observe_whole(&g, NEXT_SESSION);       /* what was not seen in it is gone */
	status = now(&g);
	assert_true(status.ready == 1 && status.members == 1);
	given_done(&g);
}

static struct owner_status of_owner(struct given *g, bool with_lost)
{
	struct owner_status status;
	struct error        err;
	int64_t             versions[2] = { -1, -1 };

	assert_ok(owner_status_read(g->db, g->owner, with_lost, &status, &err));
	assert_ok(owner_status_versions(g->db, (const int64_t[]) { 4711, g->owner }, 2, versions, &err));
	assert_true(versions[0] == 0 && versions[1] == status.version);
	return status;
}

static void test_a_status_is_known_without_its_units_and_has_a_version(void **state)
{
	struct given     g = given(*state, "projects/whole", scene_c12);
	struct unit_row *units = NULL;
	struct error     err;
	int64_t          version = of_owner(&g, false).version;

	struct owner_status status = of_owner(&g, true);
	assert_true(version > 0 && status.counts[OBJECT_APPLIED] == 4 && status.absent == 4 && status.ready == 0);
	assert_true(status.busy == 0 && status.refused == 0 && status.odd == 0);
	const struct seen_row first[] = { row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER) };
	observe_whole(&g, SESSION);
	observe(&g, SESSION, first, 1);
	status = of_owner(&g, true);
	assert_true(status.ready == 1 && status.absent == 3 && status.version > version);
	version = status.version;
	observe(&g, SESSION, first, 1);                       /* nothing new */
	assert_int_equal(of_owner(&g, true).version, version);
	observe_lost(&g, "gone");
	status = of_owner(&g, true);
	assert_true(status.ready == 0 && status.not_ready == 1 && status.version > version);
	assert_int_equal(of_owner(&g, false).ready, 1);
	version = status.version;
	observe_lost(&g, "gone");
	assert_int_equal(of_owner(&g, true).version, version);

	/* An update that leaves one cluster: what is to go there counts as left, and not as an object of the deployment. */
	const int64_t context = scene_context(g.fixture, g.owner, "another", scene_c1);
	scene_move(g.fixture, g.owner, context, g.context);
	status = of_owner(&g, false);
	assert_true(status.counts[OBJECT_PENDING] == 2 && status.counts[OBJECT_APPLIED] == 0 && status.busy == 1 && status.left_busy == 1);
	version = status.version;
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 2);
	assert_int_equal(of_owner(&g, false).version, version);                      /* who works on it is not shown */
	assert_ok(scene_report(g.fixture, &units[0], UNIT_FAILED, 0, NULL, 0, &err));
	assert_ok(scene_report(g.fixture, &units[1], UNIT_FAILED, 0, NULL, 0, &err));
	status = of_owner(&g, false);
	assert_true(status.refused == 1 && status.left_refused == 1 && status.busy == 0 && status.left_busy == 0);

	/* And an end of all. */
	scene_move(g.fixture, g.owner, 0, 0);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 2);
	const struct object_row gone[] = { { VIEW("one+ConfigMap"), VIEW(""), OBJECT_DELETED, true }, { VIEW("two+ConfigMap"), VIEW(""), OBJECT_DELETED, true } };
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, gone, 2, &err));
	assert_ok(scene_report(g.fixture, &units[1], UNIT_DONE, 0, gone, 2, &err));
	status = of_owner(&g, false);
	assert_true(status.counts[OBJECT_DELETED] == 2 && status.left_busy == 0);    /* of the cluster that was left, nothing */

	given_done(&g);
}

static void test_what_an_older_schema_holds_is_summed_when_the_schema_changes(void **state)
{
	struct given      g = given(*state, "projects/older", scene_c12);
	const char *const c2[] = { "p+c2", NULL };
	int               steps = 0;
	char              sql[160];

	const int64_t context = scene_context(g.fixture, g.owner, "later", c2);
	scene_move(g.fixture, g.owner, context, g.context);
	snprintf(sql, sizeof sql, "INSERT INTO action (owner, seq, state, instance) VALUES (%lld, 1, 'Instantiated', %lld)", (long long) g.owner,
	         (long long) context);
	fixture_run(g.fixture, sql);
	struct owner_status before = of_owner(&g, true);
	assert_true(before.counts[OBJECT_PENDING] == 2 && before.absent == 2 && before.busy == 1 && before.left_busy == 1);

	fixture_run(g.fixture, "DROP TRIGGER unit_is_added ON unit");
	fixture_run(g.fixture, "DROP TRIGGER unit_is_changed ON unit");
	fixture_run(g.fixture, "DROP TRIGGER unit_is_gone ON unit");
	fixture_run(g.fixture, "DROP FUNCTION unit_is_changed, owner_status_fold");
	fixture_run(g.fixture, "DROP TABLE owner_status");
	fixture_run(g.fixture, "ALTER TABLE unit DROP is_placed, DROP size, DROP tracked");
	fixture_run(g.fixture, "ALTER TABLE resource_set DROP tracked");
	for (size_t i = 0; i < migration_count; i++)
		if (strcmp(migrations[i].name, "rows for the status of owners") == 0 || strcmp(migrations[i].name, "sums that units keep") == 0) {
			fixture_run(g.fixture, migrations[i].sql);
			steps++;
		}
	assert_int_equal(steps, 2);
	scene_check_sums(g.fixture);
	struct owner_status after = of_owner(&g, true);
	after.version = before.version;
	assert_memory_equal(&before, &after, sizeof before);
	given_done(&g);
}

static void test_a_drift_counts_for_a_unit_at_rest_and_may_heal(void **state)
{
	struct given          g = given(*state, "projects/drift", scene_c1);
	struct unit_row      *units = NULL;
	struct error          err;
	const unsigned        drifted = SEEN_TRACKED | SEEN_MEMBER | SEEN_DRIFTED;
	const struct seen_row reported = row(&g, "one+ConfigMap", SEEN_READY, drifted);
	const struct seen_row healed = row(&g, "one+ConfigMap", SEEN_READY, drifted | SEEN_HEAL);
	const struct seen_row foreign = row(&g, "other+ConfigMap", SEEN_READY, drifted | SEEN_HEAL);

	observe(&g, SESSION, &reported, 1);
	assert_true(now(&g).drifts == 1 && now(&g).is_done);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 0);
	observe(&g, SESSION, &foreign, 1);                    /* the unit has not applied it */
	assert_true(now(&g).drifts == 1 && now(&g).is_done);
	/* A hook stands in the set, and nobody puts it right. */
	const struct seen_row hook = row(&g, "hook+Job", SEEN_READY, SEEN_TRACKED | SEEN_DRIFTED | SEEN_HEAL);
	fixture_run(g.fixture, "UPDATE resource_set SET entries = entries || E'hook+Job\\tbatch/v1\\tJob\\t\\tpre-install\\t2\\tP\\t00\\n'");
	observe(&g, SESSION, &hook, 1);
	assert_true(now(&g).drifts == 1 && now(&g).is_done);
	const struct seen_row as_member = row(&g, "hook+Job", SEEN_READY, drifted | SEEN_HEAL);
	observe(&g, SESSION, &as_member, 1);
	assert_true(now(&g).drifts == 1 && now(&g).is_done);
	fixture_run(g.fixture, "UPDATE resource_set SET entries = replace(entries, E'hook+Job\\tbatch/v1\\tJob\\t\\tpre-install\\t2\\tP\\t00\\n', '')");

	observe(&g, SESSION, &healed, 1);
	assert_true(now(&g).drifts == 2 && !now(&g).is_done);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	assert_true(units[0].is_unsure && view_is(units[0].event, "drift"));
	observe(&g, SESSION, &healed, 1);                     /* somebody works on it: his doing */
	assert_int_equal(now(&g).drifts, 2);
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_true(now(&g).is_done);
	given_done(&g);
}

/* The next session sees what has changed since the last one. */
static void test_what_happens_while_nobody_watches_is_a_drift_too(void **state)
{
	struct given     g = given(*state, "projects/meanwhile", scene_c1);
	struct unit_row *units = NULL;
	struct seen_row *seen = NULL;
	size_t           count = 0;
	struct error     err;

	struct seen_row first[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER),
	};
	first[0].fields = first[1].fields = 5;
	first[0].since = first[1].since = 6;
	observe(&g, SESSION, first, 2);
	observe_whole(&g, SESSION);
	assert_true(now(&g).drifts == 0 && now(&g).ready == 2);

	first[1].fields = 55;                                 /* another has set a field, and it is only reported */
	observe(&g, NEXT_SESSION, first, 2);
	observe_whole(&g, NEXT_SESSION);
	assert_true(now(&g).drifts == 1 && now(&g).is_done);
	first[1].since = 66;                                  /* applied anew in the meantime: ours */
	first[1].fields = 7;
	observe(&g, NEXT_SESSION + 1, first, 2);
	observe_whole(&g, NEXT_SESSION + 1);
	assert_true(now(&g).drifts == 1 && now(&g).is_done);

	observe(&g, NEXT_SESSION + 2, &first[1], 1);          /* deleted while nobody watched */
	for (int i = 0; i < 2; i++) {                         /* its kind is not seen yet, so nobody knows */
		assert_ok(unit_observe_whole(&g.fixture->store, g.db, VIEW("p+c1"), NEXT_SESSION + 2, NULL, 0, &err));
		assert_true(now(&g).drifts == 1 && now(&g).ready == 1 && now(&g).not_ready == 1 && now(&g).members == 2);
	}
	assert_ok(unit_seen_list(g.db, g.owner, VIEW("web"), VIEW("p+c1"), &g.arena, &seen, &count, &err));
	assert_true(count == 2 && seen[0].state == SEEN_NOT_READY && view_is(seen[0].reason, "objects of its kind cannot be seen now"));
	assert_true(seen[1].state == SEEN_READY);
	observe_whole(&g, NEXT_SESSION + 2);
	assert_true(now(&g).drifts == 2 && !now(&g).is_done && now(&g).ready == 1 && now(&g).not_ready == 0);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	assert_true(units[0].is_unsure && view_is(units[0].event, "drift"));
	given_done(&g);
}

/* Who is at work may have passed the object by already, and a new session is the last that tells of it. */
static void test_what_drifts_while_somebody_works_is_seen_by_the_next_who_watches(void **state)
{
	struct given     g = given(*state, "projects/at-work", scene_c1);
	struct unit_row *units = NULL;
	struct error     err;

	struct seen_row first[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL),
	};
	first[0].fields = first[1].fields = 5;
	first[0].since = first[1].since = 6;
	observe(&g, SESSION, first, 2);
	observe_whole(&g, SESSION);
	for (int64_t i = 0; i < 2; i++) {
		const int64_t session = NEXT_SESSION + 2 * i;

		scene_move(g.fixture, g.owner, scene_context(g.fixture, g.owner, i == 0 ? "at-work-1" : "at-work-2", scene_c1), g.context);
		assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
		first[0].fields = i == 0 ? 55 : 5;
		observe(&g, session, first, i == 0 ? 2 : 1);          /* the one is changed; then the other is deleted, maybe by us */
		observe_whole(&g, session);
		assert_int_equal(now(&g).drifts, 1);
		assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
		assert_false(now(&g).is_done);
		assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
		assert_true(units[0].is_unsure && !view_is(units[0].event, "drift"));
		assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
		assert_true(now(&g).is_done);
		first[0].fields = first[1].fields = 5;                /* as it was applied again */
		first[0].since = first[1].since = (7 + i) << 16 | 6;
		observe(&g, session, first, 2);
		assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 0);
	}
	given_done(&g);
}

/* Only told, never put right; what was deleted after the last report said it was there is told as well. */
static void test_what_drifts_while_somebody_works_is_reported(void **state)
{
	struct given     g = given(*state, "projects/at-work-report", scene_c1);
	struct unit_row *units = NULL;
	struct error     err;

	struct seen_row first[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER), row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER),
	};
	first[0].fields = first[1].fields = 5;
	first[0].since = first[1].since = 6;
	observe(&g, SESSION, first, 2);
	observe_whole(&g, SESSION);
	fixture_run(g.fixture, "UPDATE unit SET is_unsure = true, due_at = statement_timestamp()");
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	first[0].fields = 55;
	observe(&g, NEXT_SESSION, first, 1);
	observe_whole(&g, NEXT_SESSION);
	assert_int_equal(now(&g).drifts, 2);
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_true(now(&g).is_done);
	given_done(&g);
}

struct telling { struct given given; struct seen_row row; };

static void *tell_drift(void *data)
{
	struct telling *telling = data;

	telling->given.db = fixture_db(telling->given.fixture);
	observe(&telling->given, SESSION, &telling->row, 1);
	db_return(telling->given.db);
	return NULL;
}

/* At rest when it was told, and claimed before that was written. */
static void test_a_drift_told_in_the_moment_of_a_claim_is_not_lost(void **state)
{
	struct given     g = given(*state, "projects/at-once", scene_c1);
	const int64_t    next = scene_context(g.fixture, g.owner, "at-once-2", scene_c1);
	struct telling   telling = { g, row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_DRIFTED | SEEN_HEAL) };
	struct unit_row *units = NULL;
	size_t           count = 0;
	int64_t          next_ns;
	struct error     err;
	pthread_t        thread;

	arena_init(&telling.given.arena, 1 << 20);
	assert_ok(db_begin(g.db, &err));
	assert_ok(unit_move(g.db, g.owner, next, g.context, "update", &err));
	assert_ok(unit_claim(&g.fixture->store, g.db, 100, LEASE_MS * INT64_C(1000000), &g.arena, &units, &count, &next_ns, &err));
	assert_int_equal(count, 1);
	assert_int_equal(pthread_create(&thread, NULL, tell_drift, &telling), 0);
	fixture_await_lock(g.fixture);
	assert_ok(db_commit(g.db, &err));
	pthread_join(thread, NULL);
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_false(now(&g).is_done);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	assert_true(units[0].is_unsure && view_is(units[0].event, "update"));
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));
	assert_true(now(&g).is_done);
	arena_done(&telling.given.arena);
	given_done(&g);
}

/* Applied after the last session told of it: nobody knows whether it has drifted before this one began. */
static void test_what_was_applied_unseen_is_applied_again(void **state)
{
	struct given     g = given(*state, "projects/unseen", scene_c1);
	struct unit_row *units = NULL;

	struct seen_row seen = row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL);
	seen.fields = 5;
	seen.since = 6;
	observe(&g, SESSION, &seen, 1);
	observe_whole(&g, SESSION);
	seen.since = 1 << 16 | 6;                             /* seen by this session: an apply */
	observe(&g, SESSION, &seen, 1);
	assert_true(now(&g).drifts == 0 && now(&g).is_done);
	struct seen_row other = seen;                         /* of that name in another namespace, told before the first */
	other.since = 1 << 16 | 7;
	observe(&g, NEXT_SESSION, &other, 1);
	observe(&g, NEXT_SESSION, &seen, 1);
	assert_true(now(&g).drifts == 0 && now(&g).is_done);
	seen.since = 2 << 16 | 6;
	observe(&g, NEXT_SESSION + 1, &seen, 1);
	observe_whole(&g, NEXT_SESSION + 1);
	assert_true(now(&g).drifts == 0 && !now(&g).is_done);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	assert_true(units[0].is_unsure);
	given_done(&g);
}

/* The last object of its kind, and we have ended before we saw it go. */
static void test_what_we_have_deleted_is_not_waited_for(void **state)
{
	struct given g = given(*state, "projects/deleted", scene_c1);
	struct error err;

	const struct seen_row seen[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL),
	};
	observe(&g, SESSION, seen, 2);
	observe_whole(&g, SESSION);
	fixture_run(g.fixture, "INSERT INTO unit_object (unit, ordinal, name, state, message) SELECT id, 1, 'two+ConfigMap', 4, '' FROM unit WHERE"
	                       " owner = (SELECT id FROM resource WHERE path = 'projects/deleted')");
	observe(&g, NEXT_SESSION, seen, 1);
	assert_ok(unit_observe_whole(&g.fixture->store, g.db, VIEW("p+c1"), NEXT_SESSION, NULL, 0, &err));
	assert_true(now(&g).drifts == 0 && now(&g).ready == 1 && now(&g).not_ready == 0 && now(&g).members == 1);
	given_done(&g);
}

/* In one statement, each in a session of its own: what is told of the one is none of the other's. */
static void test_two_clusters_are_told_of_at_once(void **state)
{
	struct given      g = given(*state, "projects/two-at-once", scene_c12);
	const struct view clusters[] = { VIEW("p+c1"), VIEW("p+c2") };
	struct view      *mine = NULL;
	size_t            count = 0;
	struct error      err;
	bool              heals = false;

	assert_ok(unit_watch(&g.fixture->store, g.db, clusters, 2, 5000000000, &g.arena, &mine, &count, &err));
	assert_int_equal(count, 2);
	struct seen_row rows[] = {
		row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER), row(&g, "one+ConfigMap", SEEN_NOT_READY, SEEN_TRACKED | SEEN_MEMBER),
		row(&g, "two+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER), row(&g, "pod+Pod", SEEN_READY, SEEN_TRACKED),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rows[i].cluster = clusters[i % 2];
		rows[i].session = i % 2 == 0 ? SESSION : NEXT_SESSION;
	}
	assert_ok(unit_observe(&g.fixture->store, g.db, rows, ARRAY_LEN(rows), &heals, &err));
	struct unit_status one = scene_status(g.fixture, g.owner, 0, &g.arena), two = scene_status(g.fixture, g.owner, 1, &g.arena);
	assert_true(one.ready == 2 && one.not_ready == 0 && one.members == 2);
	assert_true(two.ready == 1 && two.not_ready == 1 && two.members == 1);

	rows[0].state = SEEN_GONE;
	rows[1].state = SEEN_READY;
	assert_ok(unit_observe(&g.fixture->store, g.db, rows, 2, &heals, &err));
	one = scene_status(g.fixture, g.owner, 0, &g.arena);
	two = scene_status(g.fixture, g.owner, 1, &g.arena);
	assert_true(one.ready == 1 && one.not_ready == 0 && one.members == 1);
	assert_true(two.ready == 2 && two.not_ready == 0 && two.members == 1);
	given_done(&g);
}

/* A hook has failed and is taken away, which is told while the report of its failure is stored: it does not begin again. */
static void test_what_is_awaited_no_more_wakes_nobody(void **state)
{
	struct given        g = given(*state, "projects/awaited", scene_c1);
	const int64_t       next = scene_context(g.fixture, g.owner, "awaited-2", scene_c1);
	struct telling      telling = { g, row(&g, "hook+Job", SEEN_GONE, SEEN_TRACKED) };
	struct unit_row    *units = NULL;
	struct unit_outcome outcome = { .kind = UNIT_WAITS, .reachable = 1, .error = VIEW("waits"), .progress = VIEW("begun"),
		                        .awaits = VIEW("hook+Job"), .stage = VIEW("pre-install") };
	size_t              stored = 0;
	bool                wakes = false;
	struct error        err;
	pthread_t           thread;

	arena_init(&telling.given.arena, 1 << 20);
	scene_move(g.fixture, g.owner, next, g.context);
	for (int i = 0; i < 2; i++) {                         /* as long as it is awaited, it wakes */
		assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
		outcome.unit = &units[0];
		outcome.retry_after_ns = 3600000000000;
		assert_ok(unit_report(g.db, &outcome, 1, &stored, &wakes, &err));
		observe(&g, SESSION, &telling.row, 1);
	}
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	outcome = (struct unit_outcome) { .kind = UNIT_FAILED, .reachable = 1, .error = VIEW("has failed"), .progress = VIEW("failed"),
		                          .retry_after_ns = 3600000000000, .unit = &units[0] };
	outcome.awaits = outcome.stage = VIEW("");
	assert_ok(db_begin(g.db, &err));
	assert_ok(unit_report(g.db, &outcome, 1, &stored, &wakes, &err));
	assert_int_equal(stored, 1);
	assert_int_equal(pthread_create(&thread, NULL, tell_drift, &telling), 0);
	fixture_await_lock(g.fixture);
	assert_ok(db_commit(g.db, &err));
	pthread_join(thread, NULL);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 0);
	arena_done(&telling.given.arena);
	given_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_are_the_sums_of_rows),
		cmocka_unit_test(test_a_status_is_known_without_its_units_and_has_a_version),
		cmocka_unit_test(test_what_an_older_schema_holds_is_summed_when_the_schema_changes),
		cmocka_unit_test(test_a_drift_counts_for_a_unit_at_rest_and_may_heal),
		cmocka_unit_test(test_what_happens_while_nobody_watches_is_a_drift_too),
		cmocka_unit_test(test_what_drifts_while_somebody_works_is_seen_by_the_next_who_watches),
		cmocka_unit_test(test_what_drifts_while_somebody_works_is_reported),
		cmocka_unit_test(test_a_drift_told_in_the_moment_of_a_claim_is_not_lost),
		cmocka_unit_test(test_what_was_applied_unseen_is_applied_again),
		cmocka_unit_test(test_what_is_awaited_no_more_wakes_nobody),
		cmocka_unit_test(test_two_clusters_are_told_of_at_once),
		cmocka_unit_test(test_what_we_have_deleted_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
