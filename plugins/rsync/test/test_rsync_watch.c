/* What is told of objects that are seen: kinds that cannot be, a store that is away, several of one name, many. */
#include "plugins/rsync/test/spot.h"

#include "plugins/rsync/sighting.h"
#include "plugins/rsync/versions.h"
#include "plugins/rsync/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A watcher of two clusters that nobody reaches, until it is enough. */
static void watch_two(emco_units_1 *units, const emco_clusters_1 *clusters, bool (*is_enough)(void))
{
	struct versions       versions = { NULL };
	struct watcher_options options = { .host = &fake.host, .units = units, .config = &fake.config, .kube = fake.kube,
	                                   .versions = &versions, .clusters = clusters };

	fake_set(&fake, "v1", "[]");
	live.desired = "v1";
	live.status = EMCO_OK;
	units->each_live = each_live;
	units->observe = observe;
	fake_cluster(&fake, "edge+one", NOWHERE, "");
	fake_cluster(&fake, "edge+two", NOWHERE, "");
	atomic_store(&failed, 0);
	atomic_store(&lost, 0);
	struct watcher *watcher = watcher_start(&options);
	assert_non_null(watcher);
	for (int i = 0; i < 2000 && !is_enough(); i++)
		usleep(10000);
	watcher_stop(watcher);
	versions_done(&versions);
}

static bool one_failed_and_one_is_told(void)
{
	return atomic_load(&failed) > 0 && atomic_load(&lost) > 0;
}

static void test_a_cluster_that_cannot_be_told_holds_up_no_other(void **state)
{
	emco_units_1 units = *(const emco_units_1 *) fake.host.extension(&fake.host, EMCO_UNITS_1);

	(void) state;
	units.watch = watch_all;
	watch_two(&units, fake.host.extension(&fake.host, EMCO_CLUSTERS_1), one_failed_and_one_is_told);
	assert_true(atomic_load(&failed) > 0);
	assert_int_equal(atomic_load(&lost), 1);
}

enum { ACCESS_MS = 1200 };

static atomic_uint watched_first, watched_most;

static emco_status slow_access(emco_call *call, emco_str cluster, emco_str level, emco_str namespace_, emco_cluster_access *ret_access)
{
	const emco_clusters_1 *clusters = fake.host.extension(&fake.host, EMCO_CLUSTERS_1);

	usleep(ACCESS_MS * 1000);
	return clusters->access(call, cluster, level, namespace_, ret_access);
}

static emco_status watch_some(emco_call *call, const emco_str *names, uint64_t count, int64_t lease_ns, emco_cluster_each *each,
                              void *data)
{
	if (atomic_load(&watched_first) == 0)
		atomic_store(&watched_first, (unsigned) count);
	if (count > atomic_load(&watched_most))
		atomic_store(&watched_most, (unsigned) count);
	return watch_all(call, names, count, lease_ns, each, data);
}

static bool both_are_watched_and_opened(void)
{
	return atomic_load(&watched_most) >= 2 && atomic_load(&lost) > 0;
}

/* The right to those that are watched already must not run out while access to thousands is asked. */
static void test_the_right_to_watch_is_prolonged_while_access_is_asked(void **state)
{
	emco_units_1          units = *(const emco_units_1 *) fake.host.extension(&fake.host, EMCO_UNITS_1);
	const emco_clusters_1 clusters = { .size = sizeof clusters, .access = slow_access };

	(void) state;
	units.watch = watch_some;
	watch_two(&units, &clusters, both_are_watched_and_opened);
	assert_int_equal(atomic_load(&watched_first), 1);        /* before the other is asked for */
	assert_int_equal(atomic_load(&watched_most), 2);
	assert_true(atomic_load(&lost) > 0);
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

/* Those of an older release share a name in the status, and one must not seem to be the other changed. */
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

/* No API server has such: what is kept of an object counts on names that can be. */
static void test_an_object_with_a_name_that_cannot_be_is_not_seen(void **state)
{
	char name[512];
	const struct { const char *space, *name; bool is_seen; } names[] = {
		{ "ns1", "web", true }, { "", "web", true }, { "ns/1", "web", false }, { "ns1", "", false }, { "ns1", name, false },
	};

	(void) state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *object = json_pack("{s:s,s:{s:s,s:s,s:{s:s}}}", "kind", "ConfigMap", "metadata", "name", names[i].name,
		                           "namespace", names[i].space, "labels", "emco/deployment-id", "4711-web");
		struct sighting *sighting = sighting_new(KUBE_ADDED, object, "");

		json_decref(object);
		assert_true((sighting != NULL) == names[i].is_seen);
		free(sighting);
	}
}

/* -- several of one name -- */

static void see_marked(enum kube_event event, const char *namespace_, const char *mark)
{
	json_t *object = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:{s:s*}, s:[{s:s, s:s, s:s, s:{s:{}}}]}}", "apiVersion", "v1",
	                           "kind", "ConfigMap", "metadata", "name", "x", "namespace", namespace_, "labels",
	                           "emco/deployment-id", "4711-web", "annotations", NAME_MARK, mark, "managedFields",
	                           "manager", "emco-4711-web", "operation", "Apply", "time", "0", "fieldsV1", "f:data");

	assert_non_null(object);
	kind_saw(maps, event, object, "");
	json_decref(object);
	spots_take(&spots);
}

static void assert_named(size_t at, const char *name, int32_t row_state)
{
	assert_true(at < spot->row_count);
	assert_string_equal(spot->rows[at].name, name);
	assert_int_equal(spot->rows[at].state, row_state);
}

static void test_objects_of_one_name_are_told_by_the_names_they_have_in_their_set(void **state)
{
	(void) state;
	see_marked(KUBE_ADDED, "ns1", NULL);
	see_marked(KUBE_ADDED, "ns2", "x~2+ConfigMap");
	assert_named(0, "x+ConfigMap", EMCO_SEEN_READY);
	assert_named(1, "x~2+ConfigMap", EMCO_SEEN_READY);
	told();
	see_marked(KUBE_ADDED, "ns3", "y~2+ConfigMap");          /* copied from another object, or written by hand */
	see_marked(KUBE_ADDED, "ns4", "x~2+Secret");
	see_marked(KUBE_ADDED, "ns5", "x~two+ConfigMap");
	for (size_t i = 0; i < 3; i++)
		assert_named(i, "x+ConfigMap", EMCO_SEEN_READY);
}

static void test_an_object_that_is_named_anew_is_told_so_and_is_no_drift(void **state)
{
	(void) state;
	see_marked(KUBE_ADDED, "ns1", NULL);
	told();
	see_marked(KUBE_MODIFIED, "ns1", "x~2+ConfigMap");       /* before the other one is there */
	assert_int_equal(spot->row_count, 2);
	assert_named(0, "x+ConfigMap", EMCO_SEEN_GONE);
	assert_named(1, "x~2+ConfigMap", EMCO_SEEN_READY);
	assert_int_equal(waits(), 0);
	see_marked(KUBE_ADDED, "ns2", NULL);
	assert_named(2, "x+ConfigMap", EMCO_SEEN_READY);
	told();
	see_marked(KUBE_ADDED, "ns3", "x~3+ConfigMap");          /* after it is: two have it for a moment */
	see_marked(KUBE_MODIFIED, "ns3", NULL);
	told();
	see_marked(KUBE_MODIFIED, "ns2", "x~3+ConfigMap");
	assert_int_equal(spot->row_count, 1);
	assert_named(0, "x~3+ConfigMap", EMCO_SEEN_READY);
}

/* -- many -- */

/* They come in any order, and each is found; those that a later list does not have are told gone, by their names. */
static void test_many_objects_are_found_and_missed_one_by_one(void **state)
{
	enum { MANY = 500, STEP = 73 };          /* no common divisor: every number once */
	char name[16], key[24];

	(void) state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "p%zu", i * STEP % MANY);
		see(pods, KUBE_ADDED, name, "f:data", "0");
	}
	assert_int_equal(pods->seen_count, MANY);
	told();
	hear(pods, KUBE_LOST, "the server went away");
	for (size_t i = 0; i < MANY; i += 2) {
		snprintf(name, sizeof name, "p%zu", i * STEP % MANY);
		see(pods, KUBE_ADDED, name, "f:data", "0");
	}
	hear(pods, KUBE_SYNCED, "");
	assert_int_equal(pods->seen_count, MANY / 2);
	assert_int_equal(spot->row_count, MANY / 2);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "ns1/p%zu", i * STEP % MANY);
		const struct seen *seen = seen_find(pods, view_of(key));
		assert_true((seen != NULL) == (i % 2 == 0));
		if (seen != NULL) {
			assert_memory_equal(seen_name(seen), key + 4, strlen(key + 4));
			assert_string_equal(seen_name(seen) + strlen(key + 4), "+Pod");
			assert_string_equal(seen_label(seen), "4711-web");
		}
	}
	for (size_t i = 0; i < spot->row_count; i++) {
		assert_int_equal(spot->rows[i].state, EMCO_SEEN_GONE);
		assert_string_equal(strchr(spot->rows[i].name, '+'), "+Pod");
		assert_string_equal(spot->rows[i].label, "4711-web");
	}
}

static void test_clusters_are_found_in_whatever_order_they_came(void **state)
{
	enum { CLUSTERS = 200, STEP = 77 };              /* without a common factor: each number once, in no order */
	char name[32];

	(void) state;
	for (int i = 0; i < CLUSTERS; i++) {
		snprintf(name, sizeof name, "far+c%03d", i * STEP % CLUSTERS);
		assert_null(spots_find(&spots, str_of(name)));
		assert_non_null(spots_get(&spots, str_of(name)));
	}
	assert_int_equal(spots.count, CLUSTERS + 1);     /* and the one of the set-up */
	for (int i = 0; i < CLUSTERS; i++) {
		snprintf(name, sizeof name, "far+c%03d", i);
		struct spot *found = spots_find(&spots, str_of(name));

		assert_non_null(found);
		assert_string_equal(found->name, name);
		assert_ptr_equal(spots_get(&spots, str_of(name)), found);
		assert_ptr_equal(spots.items[i + 1], found);
	}
	assert_null(spots_find(&spots, EMCO_STR("far+c")));
	assert_int_equal(spots.count, CLUSTERS + 1);
}

/* -- what is not urgent -- */

/* What only was applied anew waits a little for more of its kind, and no longer; all else is told at once, and takes it along. */
static void test_what_only_was_applied_anew_waits_a_little(void **state)
{
	(void) state;
	spot->was_whole = maps->was_told = pods->was_told = true;
	maps->is_synced = pods->is_synced = true;
	apply("0");
	if (spot_event(spot) != EMCO_SIGHT_CHANGES)
		fail_msg("a sight %d", (int) spot_event(spot));
	assert_true(spot_news_ns(spot) == INT64_MAX);

	see(maps, KUBE_MODIFIED, "x", "f:data", "1");
	const int64_t first_ns = spot_news_ns(spot);
	assert_between(first_ns - now_ns(), 0, SECOND);
	see(maps, KUBE_MODIFIED, "x", "f:data", "2");
	assert_int_equal(spot->row_count, 1);
	assert_true(spot_news_ns(spot) == first_ns);             /* those that come later do not put it off */
	see(maps, KUBE_ADDED, "y", "f:data", "0");
	assert_true(spot_news_ns(spot) <= now_ns());
	assert_int_equal(spot->row_count, 2);
	told();
	assert_true(spot_news_ns(spot) == INT64_MAX);
	see(maps, KUBE_MODIFIED, "x", "f:data", "3");            /* the wait begins anew */
	assert_true(spot_news_ns(spot) > first_ns);
}

#define T(test)  cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_kind_that_is_seen_later_is_made_whole),
		T(test_nothing_of_a_kind_that_is_lost_reads_ready),
		T(test_what_waits_for_the_store_is_one_row_an_object),
		T(test_pods_that_come_and_go_fill_a_sight_that_begins_anew),
		T(test_a_cluster_that_cannot_be_told_holds_up_no_other),
		T(test_the_right_to_watch_is_prolonged_while_access_is_asked),
		T(test_objects_of_one_name_are_told_by_the_names_they_have_in_their_set),
		T(test_an_object_that_is_named_anew_is_told_so_and_is_no_drift),
		T(test_many_objects_are_found_and_missed_one_by_one),
		T(test_clusters_are_found_in_whatever_order_they_came),
		T(test_what_only_was_applied_anew_waits_a_little),
		cmocka_unit_test(test_objects_of_two_namespaces_are_not_compared),
		cmocka_unit_test(test_an_object_with_a_name_that_cannot_be_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
