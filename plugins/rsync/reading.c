#include "plugins/rsync/reading.h"

#include "plugins/rsync/bell.h"
#include "plugins/rsync/sighting.h"

#include "lib/base/clock.h"
#include "lib/base/json.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000, LOOK_MS = 100, OBJECT_MAX = 8 << 20, HELD_MAX = 64 << 20, SELECTOR_SIZE = 128, NAME_SIZE = 512 };

/* An object that was listed and not told yet; name and body in one block behind it. */
struct found {
	struct found *next;
	uint64_t      query;
	size_t        name_len, body_len;
	char          text[];
};

/* Lists outlive who asked, when he was in a hurry. */
struct reading {
	atomic_uint             refs;        /* who asks, and each list                       */
	atomic_uint             open;        /* lists that have not ended                     */
	atomic_bool             is_over;     /* nobody wants to be told any more              */
	atomic_uint             failed;      /* lists, or objects of them, that were not told */
	atomic_size_t           held;        /* bytes that were found and not told yet        */
	struct bell             bell;        /* something was found, or a list has ended      */
	_Atomic(struct found *) found;       /* newest first                                  */
};

struct listing { struct reading *reading; uint64_t query; };

static void forget(struct found *found)
{
	while (found != NULL) {
		struct found *next = found->next;

		free(found);
		found = next;
	}
}

static void reading_unref(struct reading *reading)
{
	if (atomic_fetch_sub(&reading->refs, 1) > 1)
		return;
	forget(atomic_load(&reading->found));
	bell_done(&reading->bell);
	free(reading);
}

static struct reading *reading_new(void)
{
	struct reading *reading = calloc(1, sizeof *reading);

	if (reading != NULL) {
		atomic_init(&reading->refs, 1);
		bell_init(&reading->bell);
	}
	return reading;
}

/* -- on the loops of the client -- */

/* What managers say of fields is for machines, and mostly longer than the object.  false: enough. */
static bool keep(const struct listing *listing, json_t *object)
{
	struct reading *reading = listing->reading;
	auto_buf        body = BUF(OBJECT_MAX);
	char            name[NAME_SIZE];

	json_object_del(json_at(object, "metadata"), "managedFields");
	sighting_name(object, name, sizeof name);
	const bool    is_written = json_write(&body, object, NULL) == ST_OK;
	const size_t  name_len = strlen(name);
	struct found *found = is_written ? malloc(sizeof *found + name_len + 1 + body.len) : NULL;
	if (found == NULL) {
		atomic_fetch_add(&reading->failed, 1);
		return true;
	}
	if (atomic_fetch_add(&reading->held, body.len) > HELD_MAX) {     /* who tells is slower: the rest is told by nobody */
		atomic_fetch_sub(&reading->held, body.len);
		atomic_fetch_add(&reading->failed, 1);
		free(found);
		return false;
	}
	found->query = listing->query;
	found->name_len = name_len;
	found->body_len = body.len;
	memcpy(found->text, name, name_len + 1);
	memcpy(found->text + name_len + 1, body.data, body.len);
	found->next = atomic_load(&reading->found);
	while (!atomic_compare_exchange_weak(&reading->found, &found->next, found))
		continue;
	if (found->next == NULL)
		bell_ring(&reading->bell);
	return true;
}

static bool listed(void *data, json_t *object, enum status st, const struct error *err)
{
	struct listing *listing = data;
	struct reading *reading = listing->reading;

	(void) err;                      /* the server knows of a cluster that does not answer from its watch */
	if (object != NULL)
		return !atomic_load(&reading->is_over) && keep(listing, object);
	if (st != ST_OK && st != ST_NOT_FOUND)
		atomic_fetch_add(&reading->failed, 1);
	free(listing);
	atomic_fetch_sub(&reading->open, 1);
	bell_ring(&reading->bell);
	reading_unref(reading);
	return false;
}

/* -- who asks -- */

static void ask_kind(struct reading *reading, struct kube_cluster *cluster, uint64_t query, emco_str kind, const char *selector,
                     int64_t deadline_ns)
{
	const char     *bar = kind.len > 0 ? memchr(kind.ptr, '|', kind.len) : NULL;
	struct listing *listing = bar != NULL ? malloc(sizeof *listing) : NULL;

	if (listing == NULL)
		return;
	const size_t len = (size_t) (bar - kind.ptr);
	*listing = (struct listing) { reading, query };
	atomic_fetch_add(&reading->refs, 1);
	atomic_fetch_add(&reading->open, 1);
	kube_list(cluster, (struct view) { kind.ptr, len }, (struct view) { bar + 1, kind.len - len - 1 }, selector, deadline_ns, listed,
	          listing);
}

/* NULL: it cannot be asked. */
static struct kube_cluster *reach(struct kube *kube, const emco_clusters_1 *clusters, emco_call *call, emco_str name)
{
	emco_cluster_access  access = { .size = sizeof access };
	struct kube_cluster *cluster = NULL;
	struct error         err;

	if (clusters->access(call, name, EMCO_STR("0"), EMCO_STR("default"), &access) != EMCO_OK || access.kubeconfig.len == 0 ||
	    kube_cluster_ref(kube, (struct view) { name.ptr, name.len },
	                     (struct view) { access.kubeconfig.ptr, access.kubeconfig.len }, &cluster, &err) != ST_OK)
		return NULL;
	return cluster;
}

static void ask(struct reading *reading, struct kube_cluster *cluster, const emco_object_query *query, uint64_t at,
                int64_t deadline_ns)
{
	char selector[SELECTOR_SIZE];

	if (snprintf(selector, sizeof selector, DEPLOYMENT_LABEL "=%.*s", STR_ARG(query->label)) >= (int) sizeof selector)
		return;
	for (uint64_t i = 0; i < query->kind_count; i++)
		ask_kind(reading, cluster, at, query->kinds[i], selector, deadline_ns);
}

/* What is told late counts for nothing, so it is not. */
static emco_status tell(struct reading *reading, const emco_call *call, emco_each_found *each, void *data)
{
	struct found *all = atomic_exchange(&reading->found, NULL);
	emco_status   status = EMCO_OK;

	for (const struct found *found = all; found != NULL && status == EMCO_OK && !call->cancelled(call); found = found->next) {
		status = each(data, found->query, (emco_str) { found->text, found->name_len },
		              (emco_str) { found->text + found->name_len + 1, found->body_len });
		atomic_fetch_sub(&reading->held, found->body_len);
	}
	forget(all);
	return status;
}

/* As many clusters as half of the time is enough for: those who are asked shall have time to answer. */
static emco_status ask_all(struct reading *reading, struct kube *kube, const emco_clusters_1 *clusters, emco_call *call,
                           const emco_object_query *queries, uint64_t count, int64_t deadline_ns, emco_each_found *each, void *data)
{
	const int64_t        now = clock_ns(), until_ns = now + (deadline_ns - now) / 2;
	struct kube_cluster *cluster = NULL;
	emco_status          status = EMCO_OK;

	for (uint64_t i = 0; i < count && status == EMCO_OK && !deadline_past(until_ns) && !call->cancelled(call); i++) {
		if (i == 0 || !str_equal(queries[i].cluster, queries[i - 1].cluster)) {
			kube_cluster_unref(cluster);
			cluster = reach(kube, clusters, call, queries[i].cluster);
			status = tell(reading, call, each, data);
		}
		if (cluster != NULL)
			ask(reading, cluster, &queries[i], i, deadline_ns);
	}
	kube_cluster_unref(cluster);
	return status;
}

/* For whoever wonders why something is missing. */
static emco_status not_whole(emco_call *call, unsigned count)
{
	char text[80];

	snprintf(text, sizeof text, "%u of the lists of objects did not come, or not to their end", count);
	return call->fail(call, EMCO_E_UNAVAILABLE, EMCO_STR(""), str_of(text), EMCO_STR(""));
}

emco_status reading_run(struct kube *kube, const emco_clusters_1 *clusters, emco_call *call, const emco_object_query *queries,
                        uint64_t count, emco_each_found *each, void *data)
{
	const int64_t   left_ns = call->left_ns(call), deadline_ns = clock_ns() + left_ns - left_ns / 10;
	struct reading *reading = reading_new();

	if (reading == NULL)
		return call->fail(call, EMCO_E_NO_MEMORY, EMCO_STR(""), EMCO_STR("out of memory"), EMCO_STR(""));
	emco_status status = ask_all(reading, kube, clusters, call, queries, count, deadline_ns, each, data);
	while (status == EMCO_OK && atomic_load(&reading->open) > 0 && !deadline_past(deadline_ns) && !call->cancelled(call)) {
		const int64_t look_ns = clock_ns() + (int64_t) LOOK_MS * NS_PER_MS;

		bell_wait(&reading->bell, look_ns < deadline_ns ? look_ns : deadline_ns);
		status = tell(reading, call, each, data);
	}
	if (status == EMCO_OK)
		status = tell(reading, call, each, data);        /* of those that ended before anybody waited */
	if (status == EMCO_OK && atomic_load(&reading->open) + atomic_load(&reading->failed) > 0)
		status = not_whole(call, atomic_load(&reading->open) + atomic_load(&reading->failed));
	atomic_store(&reading->is_over, true);
	reading_unref(reading);
	return status;
}
