/*
 * spot.h - one cluster that is watched, "edge+one", without an API server: a test says what is seen there, and looks at what is
 * to be told of it.
 *
 * setup and teardown go around each test.
 */
#ifndef RSYNC_TEST_SPOT_H
#define RSYNC_TEST_SPOT_H

#include "plugins/rsync/test/fake.h"

#include "plugins/rsync/watch_seen.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND  (int64_t) 1000000000
#define NOWHERE \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n" \
	"clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:9\"}\nusers:\n- name: u\n  user: {token: t}\n"

/* Fresh for each test, the cluster with the kinds of pods and of config maps. */
static struct fake       fake;
static struct spots      spots;
static struct spot      *spot;
static struct spot_kind *pods, *maps;

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	(void) state;
	spots_done(&spots);
	kube_close(fake.kube);
	fake_done(&fake);
	return 0;
}

/* An event about an object whose applier owned fields when it applied at a time. */
static inline void see(struct spot_kind *kind, enum kube_event event, const char *name, const char *fields, const char *time)
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

/* An event about a kind. */
static inline void hear(struct spot_kind *kind, enum kube_event event, const char *text)
{
	kind_saw(kind, event, NULL, text);
	spots_take(&spots);
}

/* A config map that is there, by namespace and name. */
static inline struct seen *seen_of(const char *key)
{
	struct seen *seen = seen_find(maps, view_of(key));

	assert_non_null(seen);
	return seen;
}

/* How long until the next drift is told; 0: none waits. */
static inline int64_t waits(void)
{
	const int64_t far = INT64_MAX;
	int64_t       next = far;

	spot_drifts(spot, &next);
	return next == far ? 0 : next - now_ns();
}

/* The time of an object has come. */
static inline void is_due(const char *key)
{
	seen_of(key)->drifting->due_ns = 1;
	(void) waits();
}

/* The store has taken what there was to tell. */
static inline void told(void)
{
	spot_told(spot, EMCO_SIGHT_CHANGES);
}

#define assert_between(value, low, high)  do { const int64_t value_ = (value); \
	if (value_ <= (low) || value_ > (high)) fail_msg("%lld is not in (%lld, %lld]", (long long) value_, \
	                                                 (long long) (low), (long long) (high)); } while (0)

/* Just one row is to be told. */
static inline void assert_row(int32_t row_state, bool has_drifted)
{
	assert_int_equal(spot->row_count, 1);
	assert_int_equal(spot->rows[0].state, row_state);
	assert_int_equal((spot->rows[0].flags & EMCO_SEEN_DRIFTED) != 0, has_drifted);
}

/* We apply "x", and that is told. */
static inline void apply(const char *time)
{
	see(maps, KUBE_MODIFIED, "x", "f:data", time);
	told();
}

/* Two clusters have a live unit each that wants a set, or the store answers otherwise. */
static struct { const char *desired; emco_status status; } live;

static inline emco_status each_live(emco_call *call, uint64_t since, uint64_t *ret_now, emco_units_each *each, void *data)
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

#endif
