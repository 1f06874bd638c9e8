/* What is told of objects that are seen: drift, who may write last, kinds that cannot be seen, and a store that is away. */
#include "plugins/rsync/test/fake.h"

#include "plugins/rsync/sighting.h"
#include "plugins/rsync/versions.h"
#include "plugins/rsync/watch.h"
#include "plugins/rsync/watch_seen.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SECOND  (int64_t) 1000000000
#define NOWHERE \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n" \
	"clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:9\"}\nusers:\n- name: u\n  user: {token: t}\n"

static struct fake       fake;
static struct spots      spots;
static struct spot      *spot;
static struct spot_kind *pods, *maps;

static int setup(void **state)
{
	const struct kube_options options = { .user_agent = "test" };
	struct error              err;

	(void) state;
	fake_init(&fake);
	assert_int_equal(kube_open(&options, &fake.kube, &err), ST_OK);
	spots = (struct spots) { .host = &fake.host, .bell = &fake.bell, .times = drift_times_default, .rows_max = 100, .heals = true };
	spots.times.settle = 10 * SECOND;
	spot = spots_get(&spots, EMCO_STR("edge+one"));
	assert_non_null(spot);
	spot_add_kind(spot, "v1|ConfigMap");
	pods = spot->kinds[0];
	maps = spot->kinds[1];
	assert_int_equal(kube_cluster_ref(fake.kube, VIEW("edge+one"), VIEW(NOWHERE), &spot->cluster, &err), ST_OK);
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	spots_done(&spots);
	kube_close(fake.kube);
	fake_done(&fake);
	return 0;
}

/* An event about an object whose applier owned fields when it applied at a time. */
static void see(struct spot_kind *kind, enum kube_event event, const char *name, const char *fields, const char *time)
{
	const bool is_pod = kind == pods;
	json_t    *object = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s, s:{s:{}}}]}}", "apiVersion", "v1",
	                              "kind", kind->kind, "metadata", "name", name, "namespace", "ns1", "labels",
	                              "emco/deployment-id", "4711-web", "managedFields",
	                              "manager", is_pod ? "kubelet" : "emco-4711-web", "operation", "Apply", "time", time,
	                              "fieldsV1", fields);

	assert_non_null(object);
	if (is_pod)
		assert_int_equal(json_object_set_new(json_object_get(object, "metadata"), "ownerReferences",
		                                     json_pack("[{s:b}]", "controller", 1)), 0);
	kind_saw(kind, event, object, "");
	json_decref(object);
	spots_take(&spots);
}

static void hear(struct spot_kind *kind, enum kube_event event, const char *text)
{
	kind_saw(kind, event, NULL, text);
	spots_take(&spots);
}

static struct seen *seen_of(const char *key)
{
	struct seen *seen = seen_find(maps, key);

	assert_non_null(seen);
	return seen;
}

/* How long until the next drift is told; 0: none waits. */
static int64_t waits(void)
{
	const int64_t far = INT64_MAX;
	int64_t       next = far;

	spot_drifts(spot, &next);
	return next == far ? 0 : next - now_ns();
}

/* The time of an object has come. */
static void is_due(const char *key)
{
	seen_of(key)->drift_ns = 1;
	(void) waits();
}

static void told(void)
{
	spot_told(spot, EMCO_SIGHT_CHANGES);
}

#define assert_between(value, low, high)  do { const int64_t value_ = (value); \
	if (value_ <= (low) || value_ > (high)) fail_msg("%lld is not in (%lld, %lld]", (long long) value_, \
	                                                 (long long) (low), (long long) (high)); } while (0)

static void assert_row(int32_t row_state, bool has_drifted)
{
	assert_int_equal(spot->row_count, 1);
	assert_int_equal(spot->rows[0].state, row_state);
	assert_int_equal((spot->rows[0].flags & EMCO_SEEN_DRIFTED) != 0, has_drifted);
}

static void apply(const char *time)
{
	see(maps, KUBE_MODIFIED, "x", "f:data", time);
	told();
}

/* -- drift -- */

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
	assert_null(seen_find(maps, "ns1/x"));
}

static struct { const char *desired; emco_status status; } live;

static emco_status each_live(emco_call *call, uint64_t since, uint64_t *ret_now, emco_units_each *each, void *data)
{
	const char *const clusters[] = { "edge+one", "edge+two" };

	(void) call;
	(void) since;
	emco_status status = live.status;

	for (size_t i = 0; status == EMCO_OK && i < 2; i++) {
		const emco_unit unit = { .size = sizeof unit, .id = i, .app = EMCO_STR("web"), .cluster = str_of(clusters[i]),
		                         .status_context = EMCO_STR("4711"), .desired = str_of(live.desired) };

		status = each(data, &unit);
	}
	*ret_now = 1;
	return status;
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
	assert_null(seen_find(maps, "ns1/x"));
	assert_non_null(seen_find(maps, "ns1/y"));
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

/* -- kinds that cannot be seen -- */

static void test_a_kind_that_is_seen_later_is_made_whole(void **state)
{
	char names[2][KIND_NAME_SIZE];

	(void) state;
	hear(pods, KUBE_SYNCED, "");
	assert_int_equal(spot_event(spot), EMCO_SIGHT_CHANGES);
	hear(maps, KUBE_LOST, "forbidden");
	assert_int_equal(spot_event(spot), EMCO_SIGHT_WHOLE);
	assert_int_equal(spot_seen_kinds(spot, names), 1);
	spot_told(spot, EMCO_SIGHT_WHOLE);
	assert_int_equal(spot_event(spot), EMCO_SIGHT_CHANGES);
	hear(maps, KUBE_SYNCED, "");
	assert_int_equal(spot_event(spot), EMCO_SIGHT_WHOLE);
	assert_int_equal(spot_seen_kinds(spot, names), 2);
	spot_told(spot, EMCO_SIGHT_WHOLE);
	assert_int_equal(spot_event(spot), EMCO_SIGHT_CHANGES);
}

static void test_nothing_of_a_kind_that_is_lost_reads_ready(void **state)
{
	(void) state;
	hear(pods, KUBE_SYNCED, "");
	apply("0");
	hear(maps, KUBE_SYNCED, "");
	spot_told(spot, EMCO_SIGHT_WHOLE);
	hear(maps, KUBE_LOST, "configmaps is forbidden");
	spot_blinds(spot);
	assert_int_equal(spot->row_count, 0);
	maps->lost_ns -= 10 * SECOND;
	spot_blinds(spot);
	assert_row(EMCO_SEEN_NOT_READY, false);
	assert_string_equal(spot->rows[0].reason, "configmaps is forbidden");
	told();
	spot_blinds(spot);
	assert_int_equal(spot->row_count, 0);
	see(maps, KUBE_ADDED, "x", "f:data", "0");
	hear(maps, KUBE_SYNCED, "");
	assert_row(EMCO_SEEN_READY, false);
	told();
	spot_blinds(spot);
	assert_int_equal(spot->row_count, 0);
}

/* -- a store that is away -- */

static void test_what_waits_for_the_store_is_one_row_an_object(void **state)
{
	char time[32];

	(void) state;
	for (int i = 0; i < 100; i++) {
		snprintf(time, sizeof time, "%d", i);
		see(maps, KUBE_MODIFIED, "x", "f:data", time);
	}
	see(maps, KUBE_MODIFIED, "x", "f:metadata", time);
	is_due("ns1/x");
	assert_row(EMCO_SEEN_READY, true);
	row_add(maps, seen_of("ns1/x"), 0, "");
	assert_row(EMCO_SEEN_READY, true);
	see(maps, KUBE_MODIFIED, "x", "f:data", "100");
	assert_row(EMCO_SEEN_READY, false);
}

static void test_pods_that_come_and_go_fill_a_sight_that_begins_anew(void **state)
{
	char name[32];

	(void) state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "p%d", i);
		see(pods, KUBE_ADDED, name, "f:data", "0");
		see(pods, KUBE_REMOVED, name, "f:data", "0");
		assert_int_equal(spot->row_count, i + 1);
		assert_false(spot_is_overfull(spot));
	}
	see(pods, KUBE_ADDED, "stays", "f:data", "0");
	assert_false(spot_is_overfull(spot));
	for (int i = 0; i < 2; i++) {
		see(pods, KUBE_ADDED, "last", "f:data", "0");
		see(pods, KUBE_REMOVED, "last", "f:data", "0");
	}
	assert_true(spot_is_overfull(spot));
}

static atomic_uint failed, lost;

static emco_status watch_all(emco_call *call, const emco_str *names, uint64_t count, int64_t lease_ns, emco_cluster_each *each,
                             void *data)
{
	(void) call;
	(void) lease_ns;
	emco_status status = EMCO_OK;

	for (uint64_t i = 0; status == EMCO_OK && i < count; i++)
		status = each(data, names[i]);
	return status;
}

static emco_status observe(emco_call *call, const emco_sight *sights, uint64_t count)
{
	(void) call;
	for (uint64_t i = 0; i < count; i++) {
		if (str_is(sights[i].cluster, "edge+one")) {
			atomic_fetch_add(&failed, 1);
			return EMCO_E_UNAVAILABLE;
		}
	}
	for (uint64_t i = 0; i < count; i++)
		if (sights[i].event == EMCO_SIGHT_LOST)
			atomic_fetch_add(&lost, 1);
	return EMCO_OK;
}

static void test_a_cluster_that_cannot_be_told_holds_up_no_other(void **state)
{
	emco_units_1          units = *(const emco_units_1 *) fake.host.extension(&fake.host, EMCO_UNITS_1);
	struct versions       versions = { NULL };
	struct watcher_options options = { .host = &fake.host, .units = &units, .config = &fake.config, .kube = fake.kube,
	                                   .versions = &versions,
	                                   .clusters = fake.host.extension(&fake.host, EMCO_CLUSTERS_1) };

	(void) state;
	fake_set(&fake, "v1", "[]");
	live.desired = "v1";
	live.status = EMCO_OK;
	units.each_live = each_live;
	units.watch = watch_all;
	units.observe = observe;
	fake_cluster(&fake, "edge+one", NOWHERE, "");
	fake_cluster(&fake, "edge+two", NOWHERE, "");
	struct watcher *watcher = watcher_start(&options);
	assert_non_null(watcher);
	for (int i = 0; i < 1000 && (atomic_load(&failed) == 0 || atomic_load(&lost) == 0); i++)
		usleep(10000);
	watcher_stop(watcher);
	versions_done(&versions);
	assert_true(atomic_load(&failed) > 0);
	assert_int_equal(atomic_load(&lost), 1);
}

static struct sighting *sight_of(const char *space)
{
	json_t *object = json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s},s:[{s:s,s:s,s:s,s:{s:{}}}]}}", "apiVersion", "v1", "kind", "ConfigMap",
	                           "metadata", "name", "web", "namespace", space, "labels", "emco/deployment-id", "4711-web",
	                           "managedFields", "manager", "emco-4711-web", "operation", "Apply", "time", "2026-01-01T00:00:00Z",
	                           "fieldsV1", "f:data");
	struct sighting *sighting = sighting_new(KUBE_ADDED, object, "");

	json_decref(object);
	assert_non_null(sighting);
	return sighting;
}

/* They share a name in the status, and one must not seem to be the other changed. */
static void test_objects_of_two_namespaces_are_not_compared(void **state)
{
	struct sighting *one = sight_of("a"), *again = sight_of("a"), *other = sight_of("b");

	(void) state;
	assert_string_equal(one->name, other->name);
	assert_true(one->fields == other->fields && one->fields != 0);
	assert_true(one->since == again->since && one->since != other->since);
	free(one);
	free(again);
	free(other);
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
		T(test_a_kind_that_is_seen_later_is_made_whole),
		T(test_nothing_of_a_kind_that_is_lost_reads_ready),
		T(test_what_waits_for_the_store_is_one_row_an_object),
		T(test_pods_that_come_and_go_fill_a_sight_that_begins_anew),
		T(test_a_cluster_that_cannot_be_told_holds_up_no_other),
		cmocka_unit_test(test_objects_of_two_namespaces_are_not_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
