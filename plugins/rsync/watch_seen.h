/*
 * watch_seen.h - the objects of one kind on one cluster, as the watcher's thread knows them, and what is told of them.
 */
#ifndef RSYNC_WATCH_SEEN_H
#define RSYNC_WATCH_SEEN_H

#include "plugins/rsync/watch_spot.h"

/* An object that is there, or is missed for a moment. */
struct seen {
	char    *label;                  /* one block: label, name, key                                */
	char    *name, *key;
	uint64_t fields, since;          /* what our manager owned when it applied                     */
	uint64_t fields_now, reason;
	enum drift drift;                /* as it was applied with                                     */
	unsigned round;
	bool     is_there, is_ready, is_member, is_hook;
	bool     is_held;                /* it is gone, and the store is not told yet                  */

	bool     is_drifting;            /* in kind->drifting, at drift_at                             */
	bool     is_doubted;             /* does its deployment still want it?                         */
	uint32_t drift_at;
	int64_t  drift_ns;               /* when to tell                                               */
	int64_t  told_ns;                /* when a drift was last told; 0: never                       */
	unsigned tries;                  /* how often this drift was told                              */
	unsigned repeats;                /* drifts that came soon after the one before was put right   */

	uint32_t row;                    /* in spot->rows, when batch is the spot's                    */
	unsigned batch;
};

struct spot_kind {
	struct spot       *spot;
	char              *api_version, *kind;
	struct kube_watch *watch;
	void              *tree;         /* of struct seen, by key                                     */
	size_t             seen_count;
	struct seen      **drifting;
	size_t             drifting_count, drifting_room;
	unsigned           round;
	bool               is_synced, is_lost;
	bool               was_told;     /* as seen, in a whole sight of this session                  */
	bool               is_blind;     /* lost for so long that nothing of it may read ready         */
	int64_t            lost_ns;
	char               why[WHY_SIZE];
};

/* Borrowed; NULL: none. */
struct seen *seen_find(const struct spot_kind *kind, const char *key);
void         seen_forget(struct spot_kind *kind, struct seen *seen);
void         seen_free(void *data);

/* Is a drift of it put right, or only told? */
bool seen_heals(const struct spot_kind *kind, const struct seen *seen);

/* What an object is like now is told with the next batch. */
void row_add(struct spot_kind *kind, struct seen *seen, uint32_t flags, const char *reason);
void rows_clear(struct spot *spot);

/* To be given to a watch, with the kind.  [thread] any: a loop of the client. */
void kind_saw(void *data, enum kube_event event, const json_t *object, const char *text);

/* Nothing of a kind that cannot be seen may read ready: every object is told so. */
void kind_blind(struct spot_kind *kind);

/* -- watch_drift.c -- */

/* Somebody else has changed or deleted it: that is told when it is so for long enough.  Returns how long; 0: no memory. */
int64_t drift_begin(struct spot_kind *kind, struct seen *seen);
void    drift_end(struct spot_kind *kind, struct seen *seen);

#endif
