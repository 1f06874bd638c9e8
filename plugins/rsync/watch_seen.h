/*
 * watch_seen.h - the objects of one kind on one cluster, as the watcher's thread knows them, and what is told of them.
 */
#ifndef RSYNC_WATCH_SEEN_H
#define RSYNC_WATCH_SEEN_H

#include "plugins/rsync/watch_spot.h"

/* How an object drifts, or has drifted before. */
struct drifting {
	bool     is_on;                  /* in kind->drifting, at the place at                         */
	bool     is_doubted;             /* does its deployment still want it?                         */
	uint32_t at;
	uint64_t fields;                 /* what our manager owns now                                  */
	int64_t  due_ns;                 /* when to tell                                               */
	int64_t  told_ns;                /* when a drift was last told; 0: never                       */
	unsigned tries;                  /* how often this drift was told                              */
	unsigned repeats;                /* drifts that came soon after the one before was put right   */
};

/* An object that is there, or is missed for a moment.  There may be a million: what few of them need is not in here. */
struct seen {
	uint64_t         fields, since;  /* what our manager owned when it applied                     */
	struct drifting *drifting;       /* owned; NULL: it never did                                  */
	uint32_t         reason;         /* its sum                                                    */
	uint32_t         round;
	uint32_t         row;            /* in spot->rows, when batch is the spot's                    */
	uint32_t         batch;
	uint16_t         key_len;
	uint8_t          drift;          /* enum drift, as it was applied with                         */
	bool             is_there : 1, is_ready : 1, is_member : 1, is_hook : 1;
	bool             is_held : 1;    /* it is gone, and the store is not told yet                  */
	char             path[];         /* "ns1/web+Deployment": key and name; then the label         */
};

struct spot_kind {
	struct spot       *spot;
	char              *api_version, *kind;
	struct kube_watch *watch;
	struct seen      **seen;         /* in the order of their keys                                 */
	size_t             seen_count, seen_room;
	struct seen      **drifting;
	size_t             drifting_count, drifting_room;
	unsigned           round;
	bool               is_synced, is_lost;
	bool               was_told;     /* as seen, in a whole sight of this session                  */
	bool               is_blind;     /* lost for so long that nothing of it may read ready         */
	int64_t            lost_ns;
	char               why[WHY_SIZE];
};

/* Where a name is in an array that is in byte order, or belongs; at gives the name of an element. */
typedef struct view name_at(const void *items, size_t i);
size_t name_place(const void *items, size_t count, name_at *at, struct view name);

/* Borrowed; NULL: none. */
struct seen *seen_find(const struct spot_kind *kind, struct view key);
void         seen_forget(struct spot_kind *kind, struct seen *seen);
void         seen_free(struct seen *seen);
const char  *seen_name(const struct seen *seen);
const char  *seen_label(const struct seen *seen);

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

/*
 * Somebody else has changed or deleted it: that is told when it is so for long enough.  fields: what our manager owns now.
 * Returns how long; 0: no memory.
 */
int64_t drift_begin(struct spot_kind *kind, struct seen *seen, uint64_t fields);
bool    is_drifting(const struct seen *seen);
void    drift_end(struct spot_kind *kind, struct seen *seen);

#endif
