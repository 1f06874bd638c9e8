/* What drifts: when it is told, how long it waits when it drifts again, and when it is forgotten. */
#include "plugins/rsync/test/spot.h"

#include <stdio.h>
#include <string.h>

static void test_each_drift_after_a_heal_waits_twice_as_long(void **state)
{
	char time[32] = "0";

	(void) state;
	apply(time);
	for (int i = 0; i < 8; i++) {
		const int64_t settle = spots.times.settle << i < spots.times.settle_max ? spots.times.settle << i
		                                                                       : spots.times.settle_max;

		see(maps, KUBE_MODIFIED, "x", "f:metadata", time);
		assert_between(waits(), settle - SECOND, settle);
		is_due("ns1/x");
		assert_row(EMCO_SEEN_READY, true);
		snprintf(time, sizeof time, "%d", i + 1);
		apply(time);
		assert_int_equal(waits(), 0);
	}
	const char *first = strstr(fake.log, "rsync.drift_repeats");
	assert_non_null(first);
	assert_non_null(strstr(first, "\"x+ConfigMap\" of \"4711-web\" on cluster \"edge+one\""));
	assert_non_null(strstr(first, "emco/ignore-fields"));
	assert_null(strstr(first + 1, "rsync.drift_repeats"));

	spots.times.quiet = 1;
	see(maps, KUBE_MODIFIED, "x", "f:metadata", time);
	assert_between(waits(), spots.times.settle - SECOND, spots.times.settle);
}

static void test_what_is_deleted_again_and_again_waits_too_and_does_not_read_ready(void **state)
{
	(void) state;
	apply("0");
	see(maps, KUBE_REMOVED, "x", "f:data", "0");
	is_due("ns1/x");
	assert_row(EMCO_SEEN_GONE, true);
	told();
	see(maps, KUBE_ADDED, "x", "f:data", "1");
	told();
	see(maps, KUBE_REMOVED, "x", "f:data", "1");
	assert_between(waits(), spots.times.settle, 2 * spots.times.settle);
	assert_row(EMCO_SEEN_NOT_READY, false);
	assert_non_null(strstr(spot->rows[0].reason, "deletes it again"));
	is_due("ns1/x");
	assert_row(EMCO_SEEN_GONE, true);
}

static void test_a_drift_is_told_until_the_object_is_applied_anew(void **state)
{
	(void) state;
	apply("0");
	const uint64_t applied = seen_of("ns1/x")->fields;
	see(maps, KUBE_MODIFIED, "x", "f:metadata", "0");
	for (int i = 0; i < 50; i++) {
		told();
		is_due("ns1/x");
		assert_row(EMCO_SEEN_READY, true);
		assert_true(spot->rows[0].fields == applied);
		assert_between(waits(), 0, spots.times.pause_max + SECOND);
	}
	apply("1");
	assert_int_equal(waits(), 0);
	assert_int_equal(spot->row_count, 0);
}

static void test_a_drift_that_is_only_reported_is_told_once(void **state)
{
	(void) state;
	spots.heals = false;
	apply("0");
	see(maps, KUBE_MODIFIED, "x", "f:metadata", "0");
	is_due("ns1/x");
	assert_row(EMCO_SEEN_READY, true);
	assert_int_equal(waits(), 0);
	see(maps, KUBE_REMOVED, "x", "f:metadata", "0");
	is_due("ns1/x");
	assert_row(EMCO_SEEN_GONE, true);
	assert_null(seen_find(maps, VIEW("ns1/x")));
}

static void doubt(const char *desired, emco_status status)
{
	emco_units_1 units = *(const emco_units_1 *) fake.host.extension(&fake.host, EMCO_UNITS_1);
	emco_call   *call = fake.host.begin(&fake.host, EMCO_STR("doubt"), SECOND);

	assert_true(spots.has_doubts);
	units.each_live = each_live;
	live.desired = desired;
	live.status = status;
	assert_int_equal(drifts_doubt(&spots, &units, call), status);
	fake.host.end(&fake.host, call);
	told();
}

static void test_a_drift_that_stands_is_forgotten_when_no_unit_wants_the_object(void **state)
{
	(void) state;
	fake_set(&fake, "has-x", "[{\"name\":\"x+ConfigMap\",\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}}]");
	fake_set(&fake, "has-y", "[{\"name\":\"y+ConfigMap\",\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}}]");
	apply("0");
	see(maps, KUBE_MODIFIED, "y", "f:data", "0");
	see(maps, KUBE_REMOVED, "x", "f:data", "0");
	assert_false(spots.has_doubts);
	for (int i = 0; i < 4; i++)
		is_due("ns1/x");
	doubt("has-x", EMCO_E_UNAVAILABLE);
	assert_true(spots.has_doubts);
	doubt("has-x", EMCO_OK);
	assert_false(spots.has_doubts);
	assert_between(waits(), 0, spots.times.pause_max);
	for (int i = 0; i < 20; i++)
		is_due("ns1/x");
	doubt("has-y", EMCO_OK);
	assert_int_equal(waits(), 0);
	assert_null(seen_find(maps, VIEW("ns1/x")));
	assert_non_null(seen_find(maps, VIEW("ns1/y")));
}

static void test_a_deletion_is_told_together_with_its_drift(void **state)
{
	(void) state;
	apply("0");
	see(maps, KUBE_REMOVED, "x", "f:data", "0");
	assert_int_equal(spot->row_count, 0);
	see(maps, KUBE_ADDED, "x", "f:data", "1");
	assert_row(EMCO_SEEN_READY, false);
	told();
	see(maps, KUBE_REMOVED, "x", "f:data", "1");
	is_due("ns1/x");
	assert_row(EMCO_SEEN_GONE, true);
	told();
	see(pods, KUBE_ADDED, "p", "f:data", "0");
	told();
	see(pods, KUBE_REMOVED, "p", "f:data", "0");
	assert_row(EMCO_SEEN_GONE, false);
}

#define T(test)  cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_drift_after_a_heal_waits_twice_as_long),
		T(test_what_is_deleted_again_and_again_waits_too_and_does_not_read_ready),
		T(test_a_drift_is_told_until_the_object_is_applied_anew),
		T(test_a_drift_that_is_only_reported_is_told_once),
		T(test_a_drift_that_stands_is_forgotten_when_no_unit_wants_the_object),
		T(test_a_deletion_is_told_together_with_its_drift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
