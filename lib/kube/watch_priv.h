/*
 * watch_priv.h - a watch between its list (watch.c) and its stream (watch_stream.c).  All of it on the cluster's loop.
 */
#ifndef LIB_KUBE_WATCH_PRIV_H
#define LIB_KUBE_WATCH_PRIV_H

#include "lib/kube/kube_priv.h"

#define WATCH_SECOND_NS     INT64_C(1000000000)
#define WATCH_PAUSE_MIN_NS  INT64_C(200000000)

struct kube_watch {
	LIST_ENTRY(kube_watch) link;          /* loop->watches                                          */
	struct kube_cluster *cluster;         /* a reference, until it ended                            */
	atomic_uint      refs;                /* of the caller, of a question under way                 */
	char            *api_version, *kind, *selector;
	kube_seen       *seen;
	void            *data;
	struct timer     timer;
	struct call     *call;                /* the page or stream under way                           */
	struct kube_kind found;
	char             version[64];         /* to go on from; empty: list first                       */
	char            *next_page;
	struct buf       line;
	int64_t          started_ns, pause_ns;
	bool             is_finding, is_lost, is_expired, is_resumed, is_gone;
	char             why[LINE_SIZE];      /* of KUBE_LOST, or of what ended the stream              */

	pthread_mutex_t  lock;                /* guards has_ended                                       */
	pthread_cond_t   changed;
	bool             has_ended;
};

/* The stream from the version that is known on. */
void watch_stream(struct kube_watch *watch);

/* Go on at that time: find the kind, list or stream, whatever is to be done next. */
void    watch_go_on_at(struct kube_watch *watch, int64_t at_ns);
int64_t watch_next_try_ns(struct kube_watch *watch);

/* What is known counts no more: KUBE_LOST, unless that was said with the same words.  watch_lose tries again after a pause. */
void watch_say_lost(struct kube_watch *watch, const char *why);
void watch_lose(struct kube_watch *watch, const char *why);

/* Go on from the version that an object or a list has at path.  false: it has none that can be used. */
bool watch_note_version(struct kube_watch *watch, const json_t *object, const char *path);

/* Takes nothing; done ends it, perhaps before this returns. */
void watch_start_call(struct kube_watch *watch, struct buf *path, enum status st, int64_t deadline_ns, call_bytes *bytes,
                      kube_done *done);

#endif
