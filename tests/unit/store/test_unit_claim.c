/* Who may work on units: leases that end, processes that die, and turns. */
#include "tests/unit/store/scene.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_an_ended_lease_is_taken_over_and_the_late_report_refused(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *late = NULL, *units = NULL;
	auto_arena       arena;
	const int64_t    owner = fixture_create(fixture, "projects/d");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "d", scene_c1);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &late, 20), 1);
	const int64_t until_ns = deadline_in_ms(5000);
	while (scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS) == 0)
		assert_false(deadline_past(until_ns));
	assert_true(!late[0].is_begun && units[0].is_begun && units[0].attempts == 0);
	struct db *db = fixture_db(fixture);
	assert_status(ST_CONFLICT, unit_renew(&fixture->store, db, &late[0], 1000000000, &err), &err);
	assert_ok(unit_renew(&fixture->store, db, &units[0], 1000000000, &err));
	assert_status(ST_CONFLICT, scene_report(fixture, &late[0], UNIT_DONE, 0, both, 1, &err), &err);

	assert_ok(unit_stop(db, owner, &err));
	assert_status(ST_CONFLICT, unit_renew(&fixture->store, db, &units[0], 1000000000, &err), &err);
	assert_ok(scene_report(fixture, &units[0], UNIT_RETRY, 0, both, 1, &err));
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	scene_move(fixture, owner, context, context);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_FAILED, 0, both, 1, &err));
	struct unit_status status = scene_status(fixture, owner, 0, &arena);
	assert_true(status.is_failed && !status.is_done && status.attempts == 1);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);
	scene_move(fixture, owner, context, context);                     /* the same again is a wish to try again */
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 1);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));
	db_return(db);
}

/* Another process, which claims what there is, says so, and does nothing more. */
static pid_t start_claimer(struct fixture *fixture, int ready)
{
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	struct store     store;
	struct unit_row *units = NULL;
	auto_arena       arena;
	arena_init(&arena, 1 << 20);
	fixture_store(fixture, &store);
	const char count = (char) scene_claim(fixture, &store, &arena, &units, LEASE_MS);
	if (write(ready, &count, 1) == 1)
		pause();
	_exit(1);
}

static void test_the_units_of_a_killed_process_are_taken_over_at_once(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	auto_arena       arena;
	int              ends[2], status;
	char             count = 0;
	const int64_t    owner = fixture_create(fixture, "projects/e");

	arena_init(&arena, 1 << 20);
	const int64_t context = scene_context(fixture, owner, "e", scene_c1);
	scene_move(fixture, owner, context, context);
	assert_int_equal(pipe(ends), 0);
	const pid_t pid = start_claimer(fixture, ends[1]);
	assert_int_equal(read(ends[0], &count, 1), 1);
	assert_int_equal(count, 1);
	assert_int_equal(scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS), 0);

	assert_int_equal(kill(pid, SIGKILL), 0);
	const int64_t from_ns = clock_ns(), until_ns = deadline_in_ms(5000);
	while (scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS) == 0) {
		assert_false(deadline_past(until_ns));
		nanosleep(&(struct timespec) { 0, 5000000 }, NULL);
	}
	print_message("taken over after %lld ms\n", (long long) ((clock_ns() - from_ns) / 1000000));
	waitpid(pid, &status, 0);
	close(ends[0]);
	close(ends[1]);
	assert_ok(scene_report(fixture, &units[0], UNIT_DONE, 0, both, 1, &err));
}

struct waiter { struct store *store; pthread_t thread; bool has_turn; };

static void *wait_for_turn(void *data)
{
	struct waiter *waiter = data;

	waiter->has_turn = unit_claim_enter(waiter->store, deadline_in_ms(10000));
	if (waiter->has_turn)
		unit_claim_leave(waiter->store);
	return NULL;
}

static void *ask_for_turn(void *data)
{
	struct waiter *waiter = data;

	waiter->has_turn = unit_claim_enter(waiter->store, deadline_in_ms(20));
	return NULL;
}

static void test_one_thread_of_a_process_looks_for_work(void **state)
{
	struct fixture *fixture = *state;
	struct waiter   hasty = { .store = &fixture->store, .has_turn = true }, patient = { .store = &fixture->store };

	assert_true(unit_claim_enter(&fixture->store, deadline_in_ms(1000)));
	assert_int_equal(pthread_create(&patient.thread, NULL, wait_for_turn, &patient), 0);
	assert_int_equal(pthread_create(&hasty.thread, NULL, ask_for_turn, &hasty), 0);
	assert_int_equal(pthread_join(hasty.thread, NULL), 0);
	assert_false(hasty.has_turn);
	unit_claim_leave(&fixture->store);
	assert_int_equal(pthread_join(patient.thread, NULL), 0);
	assert_true(patient.has_turn);
}

static void test_owners_take_turns(void **state)
{
	struct fixture  *fixture = *state;
	struct error     err;
	struct unit_row *units = NULL;
	size_t           count = 0;
	int64_t          next_ns = 0, seen[4], owners[2] = { fixture_create(fixture, "projects/f1"), fixture_create(fixture, "projects/f2") };
	auto_arena       arena;

	arena_init(&arena, 1 << 20);
	for (int i = 0; i < 2; i++) {
		const int64_t context = scene_context(fixture, owners[i], "f", scene_c12);
		scene_move(fixture, owners[i], context, context);
	}
	struct db *db = fixture_db(fixture);
	for (int i = 0; i < 4; i++) {
		assert_ok(unit_claim(&fixture->store, db, 1, LEASE_MS * 1000000LL, &arena, &units, &count, &next_ns, &err));
		assert_int_equal(count, 1);
		seen[i] = units[0].owner;
	}
	assert_true(seen[0] != seen[1] && seen[1] != seen[2] && seen[2] != seen[3]);
	assert_ok(unit_claim(&fixture->store, db, 1, LEASE_MS * 1000000LL, &arena, &units, &count, &next_ns, &err));
	assert_int_equal(count, 0);
	assert_true(next_ns > 0 && next_ns <= 2000000000);
	assert_ok(unit_reown(db, owners[0], fixture_create(fixture, "projects/f3"), &err));
	assert_status(ST_EXISTS, unit_reown(db, owners[1], fixture_number(fixture, "SELECT id FROM resource WHERE path = 'projects/f3'"), &err), &err);
	scene_check_sums(fixture);
	db_return(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_ended_lease_is_taken_over_and_the_late_report_refused),
		cmocka_unit_test(test_the_units_of_a_killed_process_are_taken_over_at_once),
		cmocka_unit_test(test_one_thread_of_a_process_looks_for_work),
		cmocka_unit_test(test_owners_take_turns),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
