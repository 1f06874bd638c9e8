/*
 * cluster.c - who may speak to a cluster, and when: in flight, in order, or not at all while it does not answer.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"

#include <assert.h>

enum { FAILURES_TO_OPEN = 3 };

struct settings *cluster_settings(struct kube_cluster *cluster)
{
	struct settings *settings;

	pthread_mutex_lock(&cluster->lock);
	settings = cluster->settings;
	atomic_fetch_add(&settings->refs, 1);
	pthread_mutex_unlock(&cluster->lock);
	return settings;
}

void cluster_free(struct kube_cluster *cluster)
{
	sockets_let_go(cluster->sockets);
	settings_unref(cluster->settings);
	discovery_free(cluster->discovery);
	pthread_mutex_destroy(&cluster->lock);
	free(cluster->name);
	free(cluster);
}

static void break_connections(struct kube_cluster *cluster)
{
	cluster->is_connected = false;
	sockets_break(cluster->sockets);
}

void cluster_refuse(struct call *call)
{
	const int    wait_ms = deadline_left_ms(call->cluster->probe_ns);
	struct error err;

	fail(&err, ST_UNAVAILABLE, "%s", call->cluster->error);
	if (call->cluster->hint[0] != '\0')
		fail_hint(&err, "%s", call->cluster->hint);
	else if (call->state != CALL_RUNNING)
		fail_hint(&err, "Not tried: the cluster does not answer, next attempt in %d.%d s.", wait_ms / 1000,
		          wait_ms / 100 % 10);
	call_fail(call, ST_UNAVAILABLE, &err);
}

static void expire(struct timer *timer)
{
	struct call *call = TIMER_OWNER(timer, struct call, timer);
	struct error err;

	fail(&err, ST_DEADLINE, "cluster \"%s\" had too many requests in flight to send this one in time",
	     call->cluster->name);
	call_fail(call, ST_DEADLINE, &err);
}

static struct call_queue *queue_of(const struct call *call)
{
	return call->is_hurried ? &call->cluster->hurried : &call->cluster->queue;
}

/* Who looks holds up few who work: half of the places, rounded down, are never his. */
static bool has_place(const struct kube_cluster *cluster, bool is_hurried)
{
	const unsigned places = cluster->kube->options.in_flight;

	return atomic_load(&cluster->in_flight) < places && (!is_hurried || cluster->hurried_in_flight < (places + 1) / 2);
}

void cluster_offer(struct call *call)
{
	struct kube_cluster *cluster = call->cluster;

	if (deadline_past(call->deadline_ns)) {
		expire(&call->timer);
		return;
	}
	if (cluster->is_open) {
		if (cluster->is_probing || !deadline_past(cluster->probe_ns) || call->is_hurried) {
			cluster_refuse(call);
			return;
		}
		cluster->is_probing = call->is_probe = true;
	} else if (call->bytes == NULL && !has_place(cluster, call->is_hurried)) {
		TAILQ_INSERT_TAIL(queue_of(call), call, queued);
		atomic_fetch_add(&cluster->waiting, 1);
		call->state = CALL_WAITING;
		call->timer.fire = expire;
		timer_set(&cluster->loop->timers, &call->timer, call->deadline_ns);
		return;
	}
	call_start(call);
}

void cluster_unqueue(struct call *call)
{
	TAILQ_REMOVE(queue_of(call), call, queued);
	atomic_fetch_sub(&call->cluster->waiting, 1);
	call->state = CALL_POSTED;
}

/* NULL: none waits. */
static struct call *take(struct call *call)
{
	if (call == NULL)
		return NULL;
	cluster_unqueue(call);
	timer_unset(&call->cluster->loop->timers, &call->timer);
	return call;
}

/*
 * Nothing goes out late: who asked may have lost its right to meanwhile, when the whole process stood still.  The others'
 * timers end them.
 */
static struct call *first_in_time(const struct call_queue *queue)
{
	struct call *call;

	TAILQ_FOREACH(call, queue, queued)
		if (!deadline_past(call->deadline_ns))
			break;
	return call;
}

/* NULL: none that may begin. */
static struct call *take_next(struct kube_cluster *cluster)
{
	struct call *next = has_place(cluster, false) ? first_in_time(&cluster->queue) : NULL;

	return take(next == NULL && has_place(cluster, true) ? first_in_time(&cluster->hurried) : next);
}

static struct call *take_waiting(struct kube_cluster *cluster)
{
	struct call *next = TAILQ_FIRST(&cluster->queue);

	return take(next == NULL ? TAILQ_FIRST(&cluster->hurried) : next);
}

void cluster_began(struct call *call)
{
	atomic_fetch_add(&call->cluster->in_flight, 1);
	call->cluster->hurried_in_flight += call->is_hurried;
	call->is_counted = true;
}

void cluster_ended(struct call *call)
{
	struct kube_cluster *cluster = call->cluster;
	struct call         *next;

	if (call->is_probe)
		cluster->is_probing = call->is_probe = false;
	if (call->is_counted) {
		atomic_fetch_sub(&cluster->in_flight, 1);
		assert(!call->is_hurried || cluster->hurried_in_flight > 0);
		cluster->hurried_in_flight -= call->is_hurried;
		call->is_counted = false;
	}
	while (!cluster->is_open && (next = take_next(cluster)) != NULL)
		call_start(next);
}

void cluster_answered(struct kube_cluster *cluster)
{
	const int64_t now = clock_ns();

	cluster->answered_ns = now;
	cluster->is_connected = true;
	cluster->failed_in_a_row = 0;
	if (cluster->is_reachable)
		return;
	cluster->pause_ns = 0;
	pthread_mutex_lock(&cluster->lock);
	cluster->is_open = false;
	cluster->is_reachable = true;
	cluster->since_ns = now;
	cluster->error[0] = '\0';
	pthread_mutex_unlock(&cluster->lock);
	watch_hurry(cluster);
}

/* No connection came about: nobody is there, or not the one we look for. */
static bool is_nobody(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return true;
	default:
		return false;
	}
}

/* A time-out says something of the cluster only when nothing else was answered meanwhile. */
static bool shall_open(const struct kube_cluster *cluster, const struct call *call, CURLcode code)
{
	if (code == CURLE_OPERATION_TIMEDOUT)
		return cluster->answered_ns < call->started_ns;
	return is_nobody(code) || cluster->failed_in_a_row >= FAILURES_TO_OPEN;
}

static void pause_longer(struct kube_cluster *cluster)
{
	const struct kube_options *options = &cluster->kube->options;

	cluster->pause_ns = cluster->pause_ns == 0 ? options->circuit_min_ns : 2 * cluster->pause_ns;
	if (cluster->pause_ns > options->circuit_max_ns)
		cluster->pause_ns = options->circuit_max_ns;
	cluster->probe_ns = clock_ns() + jittered(cluster->pause_ns);
}

/* What failed with an older kubeconfig says nothing of this one. */
static bool is_of_before(const struct call *call)
{
	struct settings *now = cluster_settings(call->cluster);
	const bool       is_so = call->settings != now;

	settings_unref(now);
	return is_so;
}

bool cluster_shuts_out(const struct call *call)
{
	return call->cluster->is_open && !call->is_probe && !is_of_before(call);
}

void cluster_failed(const struct call *call, CURLcode code, const struct error *err)
{
	struct kube_cluster *cluster = call->cluster;
	struct call         *waiting;

	if (is_of_before(call) || (call->is_hurried && code == CURLE_OPERATION_TIMEDOUT))
		return;
	cluster->failed_in_a_row++;
	atomic_fetch_add(&cluster->failures, 1);
	if (cluster->is_open ? !call->is_probe : !shall_open(cluster, call, code))
		return;
	pause_longer(cluster);
	pthread_mutex_lock(&cluster->lock);
	if (cluster->is_reachable)
		cluster->since_ns = clock_ns();
	cluster->is_reachable = false;
	cluster->is_open = true;
	snprintf(cluster->error, sizeof cluster->error, "%s", err->text);
	snprintf(cluster->hint, sizeof cluster->hint, "%s", err->hint);
	pthread_mutex_unlock(&cluster->lock);
	break_connections(cluster);              /* a silent one must not be used again */
	while ((waiting = take_waiting(cluster)) != NULL)
		cluster_refuse(waiting);
}

static void reconnect(void *data)
{
	struct kube_cluster *cluster = data;

	break_connections(cluster);
	cluster->probe_ns = cluster->pause_ns = 0;
	cluster->failed_in_a_row = 0;
	pthread_mutex_lock(&cluster->lock);
	cluster->is_open = false;
	pthread_mutex_unlock(&cluster->lock);
	watch_hurry(cluster);
}

void cluster_reconnect(struct kube_cluster *cluster, struct settings *settings)
{
	struct settings *before;

	pthread_mutex_lock(&cluster->lock);
	before = cluster->settings;
	cluster->settings = settings;
	pthread_mutex_unlock(&cluster->lock);
	settings_unref(before);
	IGNORE(cluster_task(cluster, reconnect, cluster));       /* out of memory: the old connections live on */
}

bool cluster_task(struct kube_cluster *cluster, call_task *task, void *data)
{
	struct call *call = call_new_task(cluster, task, data);

	if (call != NULL)
		loop_post(cluster->loop, call);
	return call != NULL;
}
