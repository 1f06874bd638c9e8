/*
 * bell.h - how the loops of the Kubernetes client wake the thread that looks after a pass.
 *
 * A bell belongs to one thread and outlives every pass.  Ringing is cheap, never blocks for long, and is never missed: a
 * bell that was rung while nobody waited ends the next wait at once.
 */
#ifndef RSYNC_BELL_H
#define RSYNC_BELL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bell {
	pthread_mutex_t lock;                /* guards is_rung */
	pthread_cond_t  rung;
	bool            is_rung;
};

void bell_init(struct bell *bell);
void bell_done(struct bell *bell);

/* [thread] any. */
void bell_ring(struct bell *bell);

/* Until it rings, or until_ns (monotonic). */
void bell_wait(struct bell *bell, int64_t until_ns);

#endif
