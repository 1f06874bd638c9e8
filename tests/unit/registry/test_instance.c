#include "tests/unit/registry/controllers_setup.h"

#include "host/registry/guard.h"
#include "host/registry/instance.h"

#include <pthread.h>

static emco_status update(const struct instance *instance, emco_call *call, void *data)
{
	(void) data;
	return instance->plugin->update_app_context(instance->self, call, EMCO_STR("1"), EMCO_STR("i"), EMCO_STR(""));
}

static enum status call(struct instance *instance, int64_t limit_ms, struct error *err)
{
	emco_status answer = -1;

	memset(err, 0, sizeof *err);
	return instance_call(instance, NULL, update, NULL, NULL, deadline_in_ms(limit_ms), &answer, err);
}

/* The same on a guarded thread, as an operation does it. */
static enum status work(struct guard *guard, void *data, struct error *err)
{
	(void) guard;
	return call(data, 60000, err);
}

static enum status call_guarded(struct instance *instance, int64_t limit_ms, struct error *err)
{
	memset(err, 0, sizeof *err);
	return guard_run(work, instance, NULL, deadline_in_ms(limit_ms), err);
}

static struct instance *begin(struct setup *setup, const char *plugin, const char *rest)
{
	setup_begin(setup);
	setup_conf(setup, "1.conf", plugin, rest);
	setup_start(setup);
	return plugins_at(setup->plugins, 0);
}

/* -- late ------------------------------------------------------------------------------------------------------------ */

static void test_an_answer_within_the_grace_is_dropped_and_forgiven(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-slow", "call_timeout_ms = 20; options = { ms = 50; };");

	(void) state;
	assert_int_equal(ST_DEADLINE, call(instance, 5000, &err));
	assert_string_equal("controller \"test-slow\" did not answer within 20 ms", err.text);
	assert_false(instance->is_quarantined);
	assert_int_equal(ST_DEADLINE, call_guarded(instance, 5000, &err));
	assert_int_equal(2, instance->calls);
	assert_int_equal(2, instance->late);
	assert_int_equal(2, instance->failures);
	setup_end(&setup);
}

static void test_a_plugin_that_heeds_cancelled_is_never_quarantined(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-slow", "call_timeout_ms = 20; options = { ms = 60000; heeds = true; };");

	(void) state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ST_DEADLINE, call_guarded(instance, 5000, &err));
		assert_string_equal("controller \"test-slow\" did not answer within 20 ms", err.text);
	}
	assert_false(instance->is_quarantined);
	setup_end(&setup);
}

static void test_an_answer_past_the_grace_quarantines(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-slow", "call_timeout_ms = 20; options = { ms = 400; };");

	(void) state;
	assert_int_equal(ST_DEADLINE, call(instance, 5000, &err));
	assert_true(instance->is_quarantined);
	assert_int_equal(ST_UNAVAILABLE, call(instance, 5000, &err));
	assert_string_equal("controller \"test-slow\" is quarantined: a call did not come back in time", err.text);
	assert_string_equal("Restart the server to use it again, or raise its call_timeout_ms.", err.hint);
	assert_int_equal(ST_UNAVAILABLE, instance_health(instance, NULL, &err));
	assert_int_equal(1, instance->calls);
	setup_end(&setup);
}

static void test_a_plugin_that_hangs_holds_up_nobody_and_is_quarantined(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-hangs", "call_timeout_ms = 20; options = { until = \"%GATE%\"; };");
	const int64_t    begin_ns = clock_ns();

	(void) state;
	assert_int_equal(ST_DEADLINE, call_guarded(instance, 5000, &err));
	assert_string_equal("controller \"test-hangs\" did not answer within 20 ms", err.text);
	assert_true(clock_ns() - begin_ns < INT64_C(2000000000));
	assert_true(instance->is_quarantined);
	assert_int_equal(ST_UNAVAILABLE, call_guarded(instance, 5000, &err));
	assert_int_equal(1, guard_drain(clock_ns()));
	setup_file(setup.folder, "gate", "", 0600);
	assert_int_equal(0, guard_drain(deadline_in_ms(10000)));
	setup_end(&setup);
}

static void test_a_plugin_that_had_no_time_is_shut_only_until_it_is_back(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-hangs", "call_timeout_ms = 60000; options = { until = \"%GATE%\"; };");

	(void) state;
	assert_int_equal(ST_DEADLINE, call_guarded(instance, 30, &err));      /* the caller's haste, not the plugin's fault */
	assert_false(instance->is_quarantined);
	assert_int_equal(ST_UNAVAILABLE, call_guarded(instance, 30, &err));
	assert_string_equal("controller \"test-hangs\" is still in a call that should have ended", err.text);
	setup_file(setup.folder, "gate", "", 0600);
	assert_int_equal(0, guard_drain(deadline_in_ms(10000)));
	assert_int_equal(ST_OK, call_guarded(instance, 5000, &err));
	assert_int_equal(1, instance->late);
	setup_end(&setup);
}

static void test_an_instance_that_is_stuck_is_left_alone_at_the_end(void **state)
{
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-hangs", "call_timeout_ms = 20; options = { until = \"%GATE%\"; };");
	static struct plugins *left;                          /* what is left behind is no leak to the sanitizer */

	(void) state;
	assert_int_equal(ST_DEADLINE, call_guarded(instance, 5000, &err));
	left = setup.plugins;
	plugins_stop(setup.plugins);
	assert_string_equal("test-hangs", instance->name);   /* still there */
	setup_file(setup.folder, "gate", "", 0600);
	assert_int_equal(0, guard_drain(deadline_in_ms(10000)));
	plugins_stop(left);
	setup.plugins = NULL;
	setup_end(&setup);
}

/* -- threads --------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, CALLS = 5 };

struct caller { struct instance *instance; unsigned ok, conflict; };

static void *call_often(void *data)
{
	struct caller *caller = data;

	for (int i = 0; i < CALLS; i++) {
		struct error err;
		const enum status st = call(caller->instance, 20000, &err);
		caller->ok += st == ST_OK;
		caller->conflict += st == ST_CONFLICT;
	}
	return NULL;
}

static struct caller call_from_many_threads(struct instance *instance)
{
	struct caller callers[THREADS], sum = { 0 };
	pthread_t     threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		callers[i] = (struct caller) { .instance = instance };
		assert_int_equal(0, pthread_create(&threads[i], NULL, call_often, &callers[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum.ok += callers[i].ok;
		sum.conflict += callers[i].conflict;
	}
	return sum;
}

static void test_a_serial_plugin_never_sees_two_calls(void **state)
{
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-serial", "options = { ms = 3; };");

	(void) state;
	const struct caller sum = call_from_many_threads(instance);
	assert_int_equal(THREADS * CALLS, sum.ok);
	assert_int_equal(THREADS * CALLS, instance->calls);
	assert_int_equal(0, instance->failures);
	setup_end(&setup);
}

static void test_a_parallel_plugin_sees_calls_at_once(void **state)
{
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-slow", "options = { ms = 10; };");

	(void) state;
	const struct caller sum = call_from_many_threads(instance);
	assert_true(sum.conflict > 0);
	assert_int_equal(THREADS * CALLS, sum.ok + sum.conflict);
	setup_end(&setup);
}

static void *call_once(void *data)
{
	struct error err;

	IGNORE(call(data, 20000, &err));
	return NULL;
}

static void test_who_waits_for_a_busy_plugin_waits_until_its_deadline(void **state)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct error     err;
	struct setup     setup;
	struct instance *instance = begin(&setup, "test-serial", "options = { ms = 500; };");
	pthread_t        thread;

	(void) state;
	assert_int_equal(0, pthread_create(&thread, NULL, call_once, instance));
	while (__atomic_load_n(&instance->calls, __ATOMIC_RELAXED) == 0)         /* it is inside; CTest ends a wait for ever */
		nanosleep(&pause, NULL);
	assert_int_equal(ST_UNAVAILABLE, call(instance, 30, &err));
	assert_string_equal("controller \"test-serial\" is busy with another call", err.text);
	pthread_join(thread, NULL);
	assert_int_equal(1, instance->calls);
	setup_end(&setup);
}

/* -- cost ------------------------------------------------------------------------------------------------------------ */

enum { COST_CALLS = 200000, COST_LIMIT_NS = 1000 };

struct cost { struct instance *instance; int64_t each_ns; };

/* What this thread has worked, not what it has waited for a processor that others use. */
static int64_t worked_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static enum status count_cost(struct guard *guard, void *data, struct error *err)
{
	struct cost  *cost = data;
	const int64_t begin_ns = worked_ns();
	emco_status   answer;

	(void) guard;
	for (int i = 0; i < COST_CALLS; i++) {
		enum status st = instance_call(cost->instance, NULL, update, NULL, NULL, INT64_MAX, &answer, err);
		if (st != ST_OK)
			return st;
	}
	cost->each_ns = (worked_ns() - begin_ns) / COST_CALLS;
	return ST_OK;
}

/* A bound only where nothing instruments the code, and the best of several runs: other work shares the caches. */
static void test_a_call_costs_less_than_a_microsecond(void **state)
{
	struct setup setup;
	struct cost  cost = { .instance = begin(&setup, "test-serial", "") };
	int64_t      best_ns = INT64_MAX;

	(void) state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ST_OK, guard_run(count_cost, &cost, NULL, deadline_in_ms(60000), NULL));
		best_ns = cost.each_ns < best_ns ? cost.each_ns : best_ns;
	}
	print_message("%d ns a call, guarded and serial\n", (int) best_ns);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(best_ns <= COST_LIMIT_NS);
#endif
	setup_end(&setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_within_the_grace_is_dropped_and_forgiven),
		cmocka_unit_test(test_a_plugin_that_heeds_cancelled_is_never_quarantined),
		cmocka_unit_test(test_an_answer_past_the_grace_quarantines),
		cmocka_unit_test(test_a_plugin_that_hangs_holds_up_nobody_and_is_quarantined),
		cmocka_unit_test(test_a_plugin_that_had_no_time_is_shut_only_until_it_is_back),
		cmocka_unit_test(test_an_instance_that_is_stuck_is_left_alone_at_the_end),
		cmocka_unit_test(test_a_serial_plugin_never_sees_two_calls),
		cmocka_unit_test(test_a_parallel_plugin_sees_calls_at_once),
		cmocka_unit_test(test_who_waits_for_a_busy_plugin_waits_until_its_deadline),
		cmocka_unit_test(test_a_call_costs_less_than_a_microsecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
