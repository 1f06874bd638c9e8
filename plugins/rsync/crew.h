/*
 * crew.h - the threads that work: as many as were asked for go on, whatever others of them wait for.
 *
 * A call of libgit2 does not come back before its remote has answered, or has been silent for too long: the thread that made
 * it stands.  One that has stood longer than it may is made up for by another, up to a bound, and leaves when it goes on
 * again and is one too many.
 */
#ifndef RSYNC_CREW_H
#define RSYNC_CREW_H

#include "plugins/rsync/bell.h"

#include <stdatomic.h>
#include <stddef.h>

struct crew;

struct member {
	struct crew     *crew;
	struct bell      bell;               /* its own; outlives every pass                                          */
	_Atomic int64_t  stands_ns;          /* since when it waits for a remote; 0: it does not.  Of its own thread  */
	pthread_t        thread;
	int              state;              /* guarded by the crew's lock                                            */
};

struct crew_options {
	size_t  size, spares;                /* threads that go on, and those at most that stand beside               */
	int64_t patience_ns;                 /* how long one may stand before another is begun                        */
	void  (*run)(void *data, struct member *member);       /* returns when crew_keeps says so, or all shall end   */
	void   *data;
};

/* NULL: no memory.  No thread runs yet. */
struct crew *crew_new(const struct crew_options *options);

/* Accepts NULL; all have been joined. */
void crew_free(struct crew *crew);

/* false: a thread could not be started; those that were run. */
bool crew_start(struct crew *crew);

/* Make up for those who stand.  [thread] one at a time; to be called several times in a second. */
void crew_look(struct crew *crew);

/* To be asked between passes.  false: it is one too many, and has left: return. */
bool crew_keeps(struct member *member);

/* All have been told to end: wake them and wait.  [thread] nobody looks any more. */
void crew_join(struct crew *crew);

#endif
