#include "tests/bench/fanout.h"

#include "lib/base/clock.h"
#include "lib/kube/object.h"

#include <pthread.h>
#include <stdlib.h>

enum { BODY_MAX = 1 << 20, DEADLINE_MS = 120000 };

struct lane { struct turn *turn; size_t shard; };

struct turn {
	const struct fanout *fanout;
	struct shard_work    work[SHARDS_MAX];
	struct buf          *bodies;         /* of all objects: made once, as a set is read once for many clusters */
	pthread_mutex_t      lock;           /* guards left */
	pthread_cond_t       changed;
	size_t               left;
};

static struct kube          *kube;
static struct kube_cluster **clusters;

static void ended(struct turn *turn)
{
	pthread_mutex_lock(&turn->lock);
	if (--turn->left == 0)
		pthread_cond_signal(&turn->changed);
	pthread_mutex_unlock(&turn->lock);
}

static void wait_for_all(struct turn *turn)
{
	pthread_mutex_lock(&turn->lock);
	while (turn->left > 0)
		pthread_cond_wait(&turn->changed, &turn->lock);
	pthread_mutex_unlock(&turn->lock);
}

static void applied(void *data, const struct kube_result *result);

/* false: this lane is done. */
static bool begin_next(struct lane *lane)
{
	const struct fanout *fanout = lane->turn->fanout;
	size_t               host, object;
	char                 name[32];

	if (!fanout_next(fanout, &lane->turn->work[lane->shard], lane->shard, &host, &object))
		return false;
	snprintf(name, sizeof name, "bench-%zu", object);
	const struct kube_apply apply = {
		.object = buf_view(&lane->turn->bodies[object]), .manager = "bench-0-app", .force = true,
		.id = { VIEW("v1"), VIEW("ConfigMap"), VIEW("default"), view_of(name) }, .deadline_ns = deadline_in_ms(DEADLINE_MS),
	};
	kube_apply(clusters[host], &apply, applied, lane);
	return true;
}

static void applied(void *data, const struct kube_result *result)
{
	struct lane *lane = data;

	if (result->outcome != KUBE_CREATED && result->outcome != KUBE_CHANGED)
		fanout_die("an apply", result->message);
	if (!begin_next(lane))
		ended(lane->turn);
}

static void run(const struct fanout *fanout)
{
	const size_t count = fanout->shards * fanout->in_flight;
	struct turn  turn = { .fanout = fanout, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = count };
	struct lane *lanes = calloc(count, sizeof *lanes);

	turn.bodies = calloc(fanout->objects, sizeof *turn.bodies);
	for (size_t i = 0; i < fanout->objects; i++) {
		buf_init(&turn.bodies[i], BODY_MAX);
		fanout_body(fanout, i, &turn.bodies[i]);
	}
	for (size_t i = 0; i < count; i++) {
		lanes[i] = (struct lane) { &turn, i % fanout->shards };
		if (!begin_next(&lanes[i]))
			ended(&turn);
	}
	wait_for_all(&turn);
	for (size_t i = 0; i < fanout->objects; i++)
		buf_done(&turn.bodies[i]);
	free(turn.bodies);
	free(lanes);
}

/* -- connecting -- */

static void found(void *data, enum status st, const struct kube_kind *kind, const struct error *err)
{
	(void) kind;
	if (st != ST_OK)
		fanout_die("a connection", err->text);
	ended(data);
}

static void connect_all(const struct fanout *fanout)
{
	const struct kube_options options = { .connect_ns = 60000000000 };
	struct turn               turn = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = fanout->host_count };
	struct error              err;

	clusters = calloc(fanout->host_count, sizeof(struct kube_cluster *));
	if (kube_open(&options, &kube, &err) != ST_OK)
		fanout_die("lib/kube", err.text);
	for (size_t i = 0; i < fanout->host_count; i++) {
		char name[32];

		snprintf(name, sizeof name, "host-%zu", i);
		if (kube_cluster_ref(kube, view_of(name), fanout->hosts[i].kubeconfig, &clusters[i], &err) != ST_OK)
			fanout_die(name, err.text);
		kube_find_kind(clusters[i], VIEW("v1"), VIEW("ConfigMap"), deadline_in_ms(DEADLINE_MS), found, &turn);
	}
	wait_for_all(&turn);
}

const struct fanout_way fanout_kube = { .name = "kube", .connect = connect_all, .run = run };
