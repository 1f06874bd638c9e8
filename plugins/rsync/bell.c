#include "plugins/rsync/bell.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

void bell_init(struct bell *bell)
{
	pthread_mutex_init(&bell->lock, NULL);
	condition_init(&bell->rung);
	bell->is_rung = false;
}

void bell_done(struct bell *bell)
{
	pthread_cond_destroy(&bell->rung);
	pthread_mutex_destroy(&bell->lock);
}

void bell_ring(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	const bool was_rung = bell->is_rung;
	bell->is_rung = true;
	if (!was_rung)
		pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}

void bell_wait(struct bell *bell, int64_t until_ns)
{
	const struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };

	pthread_mutex_lock(&bell->lock);
	while (!bell->is_rung && pthread_cond_timedwait(&bell->rung, &bell->lock, &until) != ETIMEDOUT)
		continue;
	bell->is_rung = false;
	pthread_mutex_unlock(&bell->lock);
}
