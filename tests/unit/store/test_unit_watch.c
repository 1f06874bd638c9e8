/* Who may watch a cluster, what a walk over live units tells, and a cluster that is lost, taken over, or given up. */
#include "tests/unit/store/given.h"

#include "lib/base/clock.h"

#include <pthread.h>

static void test_a_lost_cluster_is_said_to_be_and_its_units_are_due_when_it_is_back(void **state)
{
	struct given     g = given(*state, "projects/lost", scene_c1);
	struct unit_row *units = NULL;

	assert_false(now(&g).is_watched);
	assert_true(watch(&g, &g.fixture->store, 5000));
	observe_whole(&g, SESSION);
	assert_true(now(&g).is_watched && !now(&g).is_lost && now(&g).observed_ms > 0);
	observe_lost(&g, "connection refused");
	assert_true(now(&g).is_lost && view_is(now(&g).lost_why, "connection refused"));

	scene_move(g.fixture, g.owner, 0, 0);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	fixture_run(g.fixture, "UPDATE unit SET reachable = 0, lease = NULL, due_at = now() + interval '1 hour'");
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 0);
	observe_whole(&g, NEXT_SESSION);
	assert_false(now(&g).is_lost);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	given_done(&g);
}

static void test_one_process_watches_a_cluster_until_its_right_ends(void **state)
{
	struct given g = given(*state, "projects/watch", scene_c1);
	struct store other;

	fixture_store(g.fixture, &other);
	assert_true(watch(&g, &g.fixture->store, 5000));
	observe_whole(&g, SESSION);
	assert_true(watch(&g, &g.fixture->store, 5000));
	assert_true(now(&g).is_watched && !now(&g).is_lost);
	assert_false(watch(&g, &other, 5000));
	fixture_run(g.fixture, "UPDATE cluster_watch SET until = now() - interval '1 second'");
	assert_true(watch(&g, &other, 5000));
	assert_true(now(&g).is_lost);                         /* it has seen nothing yet */
	assert_false(watch(&g, &g.fixture->store, 5000));
	store_close(&other);                                  /* dead: its lock is free, as soon as the server sees it */
	const int64_t until_ns = deadline_in_ms(4000);
	while (!watch(&g, &g.fixture->store, 5000))
		assert_false(deadline_past(until_ns));
	given_done(&g);
}

/* *since goes on to the next walk. */
static size_t live_since(struct given *g, int64_t *since, struct unit_row **ret_units)
{
	struct error err;
	size_t       count = 0;

	assert_ok(unit_live(g->db, *since, &g->arena, ret_units, &count, since, &err));
	return count;
}

/* Somebody else's transaction on this server may hold the oldest one back for a while: then units are told again. */
static void no_more(struct given *g, int64_t *since)
{
	struct unit_row *units = NULL;
	const int64_t    end_ns = deadline_in_ms(20000);

	while (live_since(g, since, &units) > 0)
		assert_false(deadline_past(end_ns));
}

static void test_each_walk_tells_the_units_that_were_claimed_since_the_one_before(void **state)
{
	struct given     g = given(*state, "projects/live", scene_c12);
	const int64_t    next = scene_context(g.fixture, g.owner, "live-2", scene_c12);
	struct unit_row *units = NULL, *claimed = NULL;
	struct db       *other = fixture_db(g.fixture);
	int64_t          since = 0, next_ns;
	size_t           count = 0;
	struct error     err;

	assert_int_equal(live_since(&g, &since, &units), 2);
	assert_true(units[0].has_applied && view_is(units[0].owner_path, "projects/live"));
	no_more(&g, &since);

	/* Claimed before a walk, and committed after it. */
	scene_move(g.fixture, g.owner, next, g.context);
	assert_ok(db_begin(other, &err));
	assert_ok(unit_claim(&g.fixture->store, other, 100, LEASE_MS * INT64_C(1000000), &g.arena, &claimed, &count, &next_ns, &err));
	assert_int_equal(count, 2);
	fixture_run(g.fixture, "CREATE TABLE a_younger_transaction (); DROP TABLE a_younger_transaction");
	no_more(&g, &since);
	assert_ok(db_commit(other, &err));
	assert_int_equal(live_since(&g, &since, &units), 2);
	no_more(&g, &since);

	/* Restored from another server, whose transactions had higher numbers. */
	fixture_run(g.fixture, "UPDATE unit SET live_xid = live_xid + 1000000000");
	assert_int_equal(live_since(&g, &since, &units), 0);
	since += 1000000000;                                  /* and of such a server's walk */
	assert_int_equal(live_since(&g, &since, &units), 2);
	db_return(other);
	given_done(&g);
}

static void test_a_cluster_that_is_given_up_holds_nothing_any_more(void **state)
{
	struct given     g = given(*state, "projects/gone", scene_c12);
	struct unit_row *left = NULL, *units = NULL;
	size_t           count = 0;
	bool             answers = false;
	struct error     err;

	const struct seen_row seen = row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER);
	observe(&g, SESSION, &seen, 1);
	assert_ok(unit_cluster_answers(g.db, VIEW("p+c1"), &answers, &err));         /* not watched: the last answer counts */
	assert_true(answers);
	observe_whole(&g, SESSION);
	fixture_run(g.fixture, "UPDATE cluster_watch SET is_lost = true, until = now() - interval '1 hour'");
	assert_ok(unit_cluster_answers(g.db, VIEW("p+c1"), &answers, &err));         /* nobody watches just now */
	assert_true(answers);
	assert_true(watch(&g, &g.fixture->store, 5000));
	observe_lost(&g, "gone");
	assert_ok(unit_cluster_answers(g.db, VIEW("p+c1"), &answers, &err));
	assert_false(answers);
	assert_ok(unit_cluster_answers(g.db, VIEW("p+c9"), &answers, &err));
	assert_false(answers);

	assert_ok(unit_abandon(g.db, VIEW("p+c1"), &g.arena, &left, &count, &err));
	assert_true(count == 1 && left[0].has_applied && left[0].has_desired && view_is(left[0].owner_path, "projects/gone"));
	struct unit_status status = now(&g);
	assert_true(!status.is_done && status.is_wanted && status.counts[OBJECT_PENDING] == 2 && status.reachable == -1);
	assert_int_equal(status.ready, 1);                    /* it is seen, whatever is believed */
	assert_true(scene_status(g.fixture, g.owner, 1, &g.arena).is_done);          /* the other cluster's */

	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 1);
	assert_true(!units[0].has_applied && units[0].tried_count == 1);
	assert_ok(unit_abandon(g.db, VIEW("p+c1"), &g.arena, &left, &count, &err));
	assert_true(count == 1 && !left[0].has_applied && left[0].tried_count == 1);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &left, LEASE_MS), 0);       /* who has it may be at work */
	scene_move(g.fixture, g.owner, 0, 0);
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, applied, 2, &err));       /* and has brought it after all */
	status = now(&g);
	assert_true(!status.is_done && !status.is_wanted);
	assert_int_equal(scene_claim(g.fixture, &g.fixture->store, &g.arena, &units, LEASE_MS), 2);
	assert_true(units[0].has_applied && !units[0].has_desired);
	assert_ok(scene_report(g.fixture, &units[0], UNIT_DONE, 0, NULL, 0, &err));
	assert_true(now(&g).is_done);
	assert_ok(unit_abandon(g.db, VIEW("p+c1"), &g.arena, &left, &count, &err));
	assert_int_equal(count, 0);
	given_done(&g);
}

static void test_who_has_lost_the_right_to_watch_says_nothing(void **state)
{
	struct given      g = given(*state, "projects/former", scene_c1);
	const struct view kinds[] = { VIEW("v1|ConfigMap") };
	struct store      former;
	struct error      err;

	fixture_store(g.fixture, &former);
	const struct seen_row seen = row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER | SEEN_HEAL);
	observe(&g, SESSION, &seen, 1);
	observe_whole(&g, SESSION);
	assert_ok(unit_observe_whole(&former, g.db, VIEW("p+c1"), NEXT_SESSION, kinds, 1, &err));
	assert_ok(unit_observe_lost(&former, g.db, VIEW("p+c1"), VIEW("late"), &err));
	const struct seen_row late[] = {
		{ .status_context = g.context, .session = NEXT_SESSION, .cluster = VIEW("p+c1"), .app = VIEW("web"), .name = VIEW("one+ConfigMap"),
		  .api_version = VIEW("v1"), .reason = VIEW("late"), .state = SEEN_GONE, .flags = SEEN_TRACKED | SEEN_MEMBER },
		{ .status_context = g.context, .session = NEXT_SESSION, .cluster = VIEW("p+c1"), .app = VIEW("web"), .name = VIEW("two+ConfigMap"),
		  .api_version = VIEW("v1"), .reason = VIEW("late"), .state = SEEN_READY, .flags = SEEN_TRACKED | SEEN_MEMBER },
	};
	bool heals = false;
	assert_ok(unit_observe(&former, g.db, late, 2, &heals, &err));
	assert_int_equal(fixture_number(g.fixture, "SELECT count(*) FROM unit_seen WHERE reason = 'late'"), 0);
	assert_true(!now(&g).is_lost && now(&g).ready == 1 && now(&g).drifts == 0);
	store_close(&former);
	given_done(&g);
}

/* The next watcher, on a thread of its own: takes the cluster over, and tells of an object at once. */
struct taking_over { struct given given; struct store *store; };

static void *take_over(void *data)
{
	struct taking_over   *next = data;
	const struct seen_row seen = row(&next->given, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER);

	next->given.db = fixture_db(next->given.fixture);
	assert_true(watch(&next->given, next->store, 5000));
	observe_by(next->store, &next->given, NEXT_SESSION, &seen, 1);
	db_return(next->given.db);
	return NULL;
}

static void test_what_two_watchers_tell_of_one_object_counts_once(void **state)
{
	struct given       g = given(*state, "projects/both", scene_c1);
	struct store       next;
	struct taking_over taking_over = { g, &next };
	struct error       err;
	pthread_t          thread;

	fixture_store(g.fixture, &next);
	arena_init(&taking_over.given.arena, 1 << 20);
	const struct seen_row seen = row(&g, "one+ConfigMap", SEEN_READY, SEEN_TRACKED | SEEN_MEMBER);
	assert_true(watch(&g, &g.fixture->store, 0));
	assert_ok(db_begin(g.db, &err));
	observe(&g, SESSION, &seen, 1);
	assert_int_equal(pthread_create(&thread, NULL, take_over, &taking_over), 0);
	fixture_await_lock(g.fixture);
	assert_ok(db_commit(g.db, &err));
	pthread_join(thread, NULL);
	const struct unit_status status = now(&g);
	assert_true(status.ready == 1 && status.not_ready == 0 && status.members == 1);
	assert_int_equal(fixture_number(g.fixture, "SELECT count(*) FROM unit_seen WHERE session = 8"), 1);
	arena_done(&taking_over.given.arena);
	store_close(&next);
	given_done(&g);
}

static void test_versions_of_clusters_are_known_before_they_are_watched(void **state)
{
	struct given      g = given(*state, "projects/versions", scene_c12);
	const struct view clusters[] = { VIEW("p+c1"), VIEW("p+c2"), VIEW("p+c3") };
	struct view      *versions = NULL;
	size_t            count = 0;
	struct error      err;

	assert_ok(unit_versions(g.db, clusters, 3, &g.arena, &versions, &count, &err));
	assert_int_equal(count, 0);
	assert_ok(unit_know_version(g.db, VIEW("p+c2"), VIEW("v1.20.2"), &err));
	assert_true(watch(&g, &g.fixture->store, 5000));
	assert_ok(unit_know_version(g.db, VIEW("p+c1"), VIEW("v1.28.0"), &err));
	assert_ok(unit_know_version(g.db, VIEW("p+c1"), VIEW("v1.29.0"), &err));
	assert_ok(unit_versions(g.db, clusters, 3, &g.arena, &versions, &count, &err));
	assert_true(count == 2 && view_is(versions[0], "v1.29.0") && view_is(versions[1], "v1.20.2"));
	assert_false(scene_status(g.fixture, g.owner, 1, &g.arena).is_watched);
	assert_true(watch(&g, &g.fixture->store, 5000));      /* the right is still ours */
	given_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lost_cluster_is_said_to_be_and_its_units_are_due_when_it_is_back),
		cmocka_unit_test(test_one_process_watches_a_cluster_until_its_right_ends),
		cmocka_unit_test(test_each_walk_tells_the_units_that_were_claimed_since_the_one_before),
		cmocka_unit_test(test_a_cluster_that_is_given_up_holds_nothing_any_more),
		cmocka_unit_test(test_who_has_lost_the_right_to_watch_says_nothing),
		cmocka_unit_test(test_what_two_watchers_tell_of_one_object_counts_once),
		cmocka_unit_test(test_versions_of_clusters_are_known_before_they_are_watched),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
