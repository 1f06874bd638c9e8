/*
 * straggler.h - passes that are waited for.
 *
 * A worker waits for its pass as long as that makes progress.  One that clusters keep waiting is handed over to a thread that
 * looks after many, so that a dead cluster costs no worker.
 *
 * At the end requests are still under way, and what they write to lives until the client has ended them: drop, close the
 * client, clear.
 */
#ifndef RSYNC_STRAGGLER_H
#define RSYNC_STRAGGLER_H

#include "plugins/rsync/crew.h"
#include "plugins/rsync/pass.h"

struct stragglers;

struct straggler_options {
	const emco_host *host;
	struct crew     *crew;               /* looked after by the thread; borrowed                                  */
	int64_t          patience_ns;        /* how long a pass may stand still at its worker                         */
};

/* NULL: no memory.  No thread runs yet. */
struct stragglers *stragglers_new(const struct straggler_options *options);

/* Accepts NULL; stopped, and cleared. */
void stragglers_free(struct stragglers *stragglers);

bool stragglers_start(struct stragglers *stragglers);

/* All who wait return soon; the thread is joined.  Accepts NULL, and one that was not started. */
void stragglers_stop(struct stragglers *stragglers);

/* Takes pass, which works.  Returns when it has ended, or is looked after.  [thread] a worker. */
void stragglers_wait(struct stragglers *stragglers, struct pass *pass);

/* Takes pass, which has nothing under way. */
void stragglers_end(struct stragglers *stragglers, struct pass *pass);

/* [thread] all others were joined.  Let go the clusters of what is left; then, with the client closed, end it. */
void stragglers_drop(struct stragglers *stragglers);
void stragglers_clear(struct stragglers *stragglers);

#endif
