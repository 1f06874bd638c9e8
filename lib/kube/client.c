#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/kube/pages.h"

#include <assert.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
#ifdef KUBE_HEAP_ALONE
	curl_global_init(CURL_GLOBAL_DEFAULT);
#else
	curl_global_init_mem(CURL_GLOBAL_DEFAULT, pages_malloc, pages_free, pages_realloc, strdup, calloc);
#endif
}

int64_t jittered(int64_t ns)
{
	uint16_t roll;

	random_fill(&roll, sizeof roll);
	return ns - ns / 4 + ns / 2 / UINT16_MAX * roll;
}

enum status kube_open(const struct kube_options *options, struct kube **ret_kube, struct error *err)
{
	struct kube *kube = calloc(1, sizeof *kube);
	enum status  st = ST_OK;

	if (kube == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	pthread_once(&curl_once, start_curl);
	pthread_mutex_init(&kube->lock, NULL);
	kube->options = *options;
	snprintf(kube->user_agent, sizeof kube->user_agent, "%s",
	         options->user_agent != NULL ? options->user_agent : "emcod/" EMCO_VERSION);
	kube->options.user_agent = kube->user_agent;
	if (kube->options.loops == 0) {
		const long processors = sysconf(_SC_NPROCESSORS_ONLN);
		kube->options.loops = processors < 1 ? 1 : processors > 4 ? 4 : (unsigned) processors;
	}
	if (kube->options.loops > LOOPS_MAX)
		kube->options.loops = LOOPS_MAX;
	if (kube->options.in_flight == 0)
		kube->options.in_flight = KUBE_IN_FLIGHT;
	if (kube->options.connect_ns == 0)
		kube->options.connect_ns = 5 * second_ns;
	if (kube->options.circuit_min_ns == 0)
		kube->options.circuit_min_ns = second_ns;
	if (kube->options.circuit_max_ns == 0)
		kube->options.circuit_max_ns = 30 * second_ns;
	if (kube->options.keep_ns == 0)
		kube->options.keep_ns = 60 * second_ns;
	if (kube->options.circuit_max_ns < kube->options.circuit_min_ns)
		kube->options.circuit_max_ns = kube->options.circuit_min_ns;
	while (st == ST_OK && kube->loop_count < kube->options.loops) {
		st = loop_open(kube, &kube->loops[kube->loop_count], err);
		if (st == ST_OK)
			kube->loop_count++;
	}
	if (st != ST_OK) {
		kube_close(kube);
		return st;
	}
	*ret_kube = kube;
	return ST_OK;
}

void kube_close(struct kube *kube)
{
	if (kube == NULL)
		return;
	for (size_t i = 0; i < kube->loop_count; i++)
		loop_close(kube->loops[i]);
	for (size_t i = 0; i < CLUSTER_BUCKETS; i++)
		while (kube->buckets[i] != NULL) {
			struct kube_cluster *cluster = kube->buckets[i];
			kube->buckets[i] = cluster->bucket_next;
			assert(cluster->refs == 0);
			cluster_free(cluster);
		}
	pthread_mutex_destroy(&kube->lock);
	free(kube);
}

static struct kube_cluster **bucket_of(struct kube *kube, struct view name)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char) name.ptr[i]) * 16777619U;
	return &kube->buckets[hash % CLUSTER_BUCKETS];
}

/* The least laden loop; a new one when each has its fill.  Under kube->lock. */
static enum status place_cluster(struct kube *kube, struct kube_cluster *cluster, struct error *err)
{
	struct loop *best = kube->loops[0];

	for (size_t i = 1; i < kube->loop_count; i++)
		if (kube->loops[i]->clusters < best->clusters)
			best = kube->loops[i];
	if (best->clusters >= KUBE_CLUSTERS_A_LOOP && kube->loop_count < LOOPS_MAX) {
		const enum status st = loop_open(kube, &best, err);
		if (st != ST_OK)
			return st;
		kube->loops[kube->loop_count++] = best;
	}
	cluster->loop = best;
	best->clusters++;
	LIST_INSERT_HEAD(&best->members, cluster, member);
	return ST_OK;
}

/* Takes settings.  Under kube->lock. */
static enum status new_cluster(struct kube *kube, struct view name, struct settings *settings,
                               struct kube_cluster **ret_cluster, struct error *err)
{
	struct kube_cluster *cluster = calloc(1, sizeof *cluster);
	enum status          st;

	if (cluster == NULL) {
		settings_unref(settings);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	cluster->kube = kube;
	cluster->settings = settings;
	cluster->name = strndup(name.ptr, name.len);
	cluster->sockets = calloc(1, sizeof *cluster->sockets);
	cluster->is_reachable = true;
	cluster->since_ns = clock_ns();
	pthread_mutex_init(&cluster->lock, NULL);
	TAILQ_INIT(&cluster->queue);
	TAILQ_INIT(&cluster->hurried);
	if (cluster->sockets != NULL)
		cluster->sockets->has_owner = true;
	st = cluster->name == NULL || cluster->sockets == NULL ? fail(err, ST_NO_MEMORY, "out of memory")
	                                                       : place_cluster(kube, cluster, err);
	if (st != ST_OK) {
		cluster_free(cluster);
		return st;
	}
	*ret_cluster = cluster;
	return ST_OK;
}

static struct kube_cluster *find_cluster(struct kube *kube, struct view name)
{
	struct kube_cluster *cluster = *bucket_of(kube, name);

	while (cluster != NULL && !view_is(name, cluster->name))
		cluster = cluster->bucket_next;
	return cluster;
}

/* A reference when the cluster is there and was made of these very bytes, or digest NULL: of those with the tag. */
static struct kube_cluster *known_cluster(struct kube *kube, struct view name, const struct digest *digest, uint64_t tag)
{
	struct kube_cluster *cluster;
	bool                 is_same = false;

	pthread_mutex_lock(&kube->lock);
	cluster = find_cluster(kube, name);
	if (cluster != NULL) {
		pthread_mutex_lock(&cluster->lock);
		is_same = digest != NULL ? digest_equal(&cluster->digest, digest) : cluster->tag == tag;
		if (is_same && tag != 0)
			cluster->tag = tag;
		pthread_mutex_unlock(&cluster->lock);
	}
	if (is_same)
		atomic_fetch_add(&cluster->refs, 1);
	pthread_mutex_unlock(&kube->lock);
	return is_same ? cluster : NULL;
}

struct kube_cluster *kube_cluster_known(struct kube *kube, struct view name, uint64_t tag)
{
	return tag != 0 ? known_cluster(kube, name, NULL, tag) : NULL;
}

enum status kube_cluster_ref(struct kube *kube, struct view name, struct view kubeconfig,
                             struct kube_cluster **ret_cluster, struct error *err)
{
	return kube_cluster_ref_tagged(kube, name, kubeconfig, 0, ret_cluster, err);
}

enum status kube_cluster_ref_tagged(struct kube *kube, struct view name, struct view kubeconfig, uint64_t tag,
                                    struct kube_cluster **ret_cluster, struct error *err)
{
	const struct digest  digest = digest_of(kubeconfig);
	struct kube_config  *config;
	struct kube_cluster *cluster = known_cluster(kube, name, &digest, tag);
	struct settings     *settings;
	enum status          st;

	if (cluster != NULL) {
		*ret_cluster = cluster;
		return ST_OK;
	}
	st = kube_config_read(kubeconfig, &config, err);
	if (st != ST_OK)
		return st;
	settings = settings_new(config);
	if (settings == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	pthread_mutex_lock(&kube->lock);
	cluster = find_cluster(kube, name);
	if (cluster != NULL) {
		cluster_reconnect(cluster, settings);
	} else {
		st = new_cluster(kube, name, settings, &cluster, err);
		if (st == ST_OK) {
			struct kube_cluster **bucket = bucket_of(kube, name);
			cluster->bucket_next = *bucket;
			*bucket = cluster;
		}
	}
	if (st == ST_OK) {
		pthread_mutex_lock(&cluster->lock);
		cluster->digest = digest;
		cluster->tag = tag;
		pthread_mutex_unlock(&cluster->lock);
		atomic_fetch_add(&cluster->refs, 1);
		*ret_cluster = cluster;
	}
	pthread_mutex_unlock(&kube->lock);
	return st;
}

void cluster_keep(struct kube_cluster *cluster)
{
	atomic_fetch_add(&cluster->refs, 1);
}

void kube_cluster_unref(struct kube_cluster *cluster)
{
	if (cluster == NULL)
		return;
	atomic_store(&cluster->idle_since_ns, clock_ns());
	const unsigned before = atomic_fetch_sub(&cluster->refs, 1);
	assert(before > 0);
	(void) before;
}

static void unlink_cluster(struct kube *kube, struct kube_cluster *cluster)
{
	struct kube_cluster **at = bucket_of(kube, view_of(cluster->name));

	while (*at != cluster)
		at = &(*at)->bucket_next;
	*at = cluster->bucket_next;
	LIST_REMOVE(cluster, member);
	cluster->loop->clusters--;
}

void kube_sweep(struct loop *loop)
{
	struct kube                *kube = loop->kube;
	struct kube_cluster        *cluster, *next, *idle = NULL;
	const int64_t               now = clock_ns();

	pthread_mutex_lock(&kube->lock);
	for (cluster = LIST_FIRST(&loop->members); cluster != NULL; cluster = next) {
		next = LIST_NEXT(cluster, member);
		if (atomic_load(&cluster->refs) > 0 || now - atomic_load(&cluster->idle_since_ns) < kube->options.keep_ns)
			continue;
		unlink_cluster(kube, cluster);
		cluster->bucket_next = idle;
		idle = cluster;
	}
	pthread_mutex_unlock(&kube->lock);
	while ((cluster = idle) != NULL) {
		idle = cluster->bucket_next;
		cluster_free(cluster);
	}
}

struct kube_cluster_state kube_cluster_state(struct kube_cluster *cluster)
{
	struct kube_cluster_state state = {
		.requests = atomic_load(&cluster->requests), .failures = atomic_load(&cluster->failures),
		.in_flight = atomic_load(&cluster->in_flight), .waiting = atomic_load(&cluster->waiting),
	};

	pthread_mutex_lock(&cluster->lock);
	state.is_reachable = cluster->is_reachable;
	state.is_open = cluster->is_open;
	state.since_ns = cluster->since_ns;
	snprintf(state.error, sizeof state.error, "%s", cluster->error);
	pthread_mutex_unlock(&cluster->lock);
	return state;
}
