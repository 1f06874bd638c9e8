#include "host/registry/guard.h"
#include "lib/base/clock.h"

#include <setjmp.h>

#include <cmocka.h>
#undef fail          /* ours */

/* What a piece of guarded work does, and what it saw.  Lives as long as the test. */
struct job {
	int64_t work_ms, call_ms, limit_ms;      /* outside a plugin, inside one, its limit; call_ms 0: no call */
	enum status answer;
	int  freed, late;                        /* atomic */
	bool was_kept, saw_itself;
};

static void nap(int64_t ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void job_free(void *data)
{
	struct job *job = data;

	__atomic_fetch_add(&job->freed, 1, __ATOMIC_SEQ_CST);
}

static void job_late(void *data)
{
	struct job *job = data;

	__atomic_fetch_add(&job->late, 1, __ATOMIC_SEQ_CST);
}

static enum status work(struct guard *guard, void *data, struct error *err)
{
	struct job *job = data;

	job->saw_itself = guard_here() == guard;
	nap(job->work_ms);
	if (job->call_ms > 0) {
		guard_call_begin_late(guard, "dtc", deadline_in_ms(job->limit_ms), job_late, job);
		nap(job->call_ms);
		job->was_kept = guard_call_end(guard);
		if (!job->was_kept)
			return ST_DEADLINE;
	}
	return job->answer == ST_OK ? ST_OK : fail(err, job->answer, "the job's own words");
}

static void test_work_runs_on_a_thread_of_its_own_and_its_answer_comes_back(void **state)
{
	struct job   good = { .saw_itself = false }, bad = { .answer = ST_CONFLICT };
	struct error err = { 0 };

	(void) state;
	assert_null(guard_here());
	assert_int_equal(ST_OK, guard_run(work, &good, job_free, deadline_in_ms(5000), &err));
	assert_true(good.saw_itself);
	assert_int_equal(1, good.freed);
	assert_int_equal(ST_OK, err.code);
	assert_int_equal(ST_CONFLICT, guard_run(work, &bad, job_free, deadline_in_ms(5000), &err));
	assert_string_equal("the job's own words", err.text);
	assert_int_equal(1, bad.freed);
}

static void test_calls_in_time_are_kept(void **state)
{
	struct job job = { .call_ms = 5, .limit_ms = 5000 };

	(void) state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(ST_OK, guard_run(work, &job, NULL, deadline_in_ms(5000), NULL));
	assert_true(job.was_kept);
	assert_int_equal(0, job.late);
}

static void test_a_call_that_does_not_come_back_is_left_behind(void **state)
{
	struct job   job = { .call_ms = 900, .limit_ms = 30 };
	struct error err = { 0 };
	const int64_t begin_ns = clock_ns();

	(void) state;
	assert_int_equal(ST_DEADLINE, guard_run(work, &job, job_free, deadline_in_ms(5000), &err));
	assert_true(clock_ns() - begin_ns < 700 * INT64_C(1000000));
	assert_string_equal("controller \"dtc\" did not answer within 30 ms", err.text);
	assert_int_equal(1, __atomic_load_n(&job.late, __ATOMIC_SEQ_CST));
	assert_int_equal(0, __atomic_load_n(&job.freed, __ATOMIC_SEQ_CST));
	assert_int_equal(1, guard_drain(clock_ns()));
	assert_int_equal(0, guard_drain(deadline_in_ms(10000)));
	assert_int_equal(1, job.freed);
	assert_false(job.was_kept);
}

static void test_the_earlier_deadline_counts(void **state)
{
	struct job   job = { .call_ms = 900, .limit_ms = 5000 };
	struct error err = { 0 };

	(void) state;
	assert_int_equal(ST_DEADLINE, guard_run(work, &job, NULL, deadline_in_ms(20), &err));
	assert_int_equal(0, guard_drain(deadline_in_ms(10000)));
}

static void test_our_own_code_is_never_left_behind(void **state)
{
	struct job job = { .work_ms = 400 };

	(void) state;
	assert_int_equal(ST_OK, guard_run(work, &job, job_free, deadline_in_ms(10), NULL));
	assert_int_equal(1, job.freed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_runs_on_a_thread_of_its_own_and_its_answer_comes_back),
		cmocka_unit_test(test_calls_in_time_are_kept),
		cmocka_unit_test(test_a_call_that_does_not_come_back_is_left_behind),
		cmocka_unit_test(test_the_earlier_deadline_counts),
		cmocka_unit_test(test_our_own_code_is_never_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
