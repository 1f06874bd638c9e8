/*
 * watch_spot.h - one cluster that is watched: its kinds, what is there, and what is to be told.
 *
 * Everything here belongs to the watcher's thread, but for the queue of sightings that the client's loops put into.
 */
#ifndef RSYNC_WATCH_SPOT_H
#define RSYNC_WATCH_SPOT_H

#include "plugins/rsync/sighting.h"

#include "lib/base/digest.h"

enum { WHY_SIZE = 420 };

struct seen;

struct spot_row {
	int32_t      state;              /* EMCO_SEEN_...                                              */
	uint32_t     flags;
	uint64_t     fields, since;
	const char  *label, *name;       /* of the object                                              */
	const char  *api_version;        /* of the kind                                                */
	char        *reason;             /* owned; NULL: none                                          */
	struct seen *gone;               /* the object, owned, when only the row has it                */
};

enum { KIND_NAME_SIZE = 512 };

struct spot_kind;

struct spot {
	struct spots        *spots;
	char                *name;       /* "edge+one"                                                 */
	struct spot_kind   **kinds;
	size_t               kind_count;
	json_t              *sets;       /* digests whose kinds are known                              */
	struct kube_cluster *cluster;    /* NULL: not watched by this process                          */
	struct digest        kubeconfig; /* that it is watched with                                    */
	uint64_t             session;
	int64_t              checked_ns; /* 0: never                                                   */
	bool                 is_kube, is_mine, is_told_mine;
	bool                 was_whole, was_lost;         /* told                                      */
	char                 why[WHY_SIZE];
	struct spot_row     *rows;
	size_t               row_count, row_room;
	unsigned             batch;      /* of rows; never 0                                           */
	bool                 is_loud;    /* rows tell of more than an apply                            */
	int64_t              quiet_ns;   /* since when a row waits that does not; 0: none              */
};

/* How drift is treated: nanoseconds.  An object that drifts again and again waits twice as long each time. */
struct drift_times {
	int64_t settle, settle_max;      /* what is there again by then was no drift                   */
	int64_t pause_max;               /* between tellings: the unit may not be at rest yet          */
	int64_t quiet;                   /* after that, a drift is no repetition                       */
	int64_t warn;                    /* between warnings                                           */
};

extern const struct drift_times drift_times_default;

struct spots {
	const emco_host          *host;
	struct bell              *bell;
	struct drift_times        times;
	size_t                    rows_max;      /* of a cluster, that may wait beside two for each object      */
	struct spot             **items;         /* in byte order of names                             */
	size_t                    count, room;
	bool                      heals;         /* drift, of objects that do not say it               */
	bool                      has_doubts;    /* drifts_doubt is to be called                       */
	int64_t                   warned_ns;
	_Atomic(struct sighting *) queue;        /* newest first                                       */
};

struct spot *spots_get(struct spots *spots, emco_str name);      /* made when it is not there; NULL: no memory */
struct spot *spots_find(struct spots *spots, emco_str name);     /* NULL: none                                  */
bool         spots_have_new(const struct spots *spots);          /* one that was never checked                  */
void         spots_take(struct spots *spots);                    /* understand the queue                        */
void         spots_done(struct spots *spots);

bool spot_is_new_set(const struct spot *spot, emco_str digest);
void spot_know_set(struct spot *spot, emco_str digest);
void spot_add_kind(struct spot *spot, const char *name);         /* "apps/v1|Deployment"                        */

void spot_open(struct spot *spot, struct kube *kube, struct view kubeconfig);
void spot_open_kinds(struct spot *spot);                         /* those that were added                       */
void spot_close(struct spot *spot);

/*
 * When its rows are to be told: now; later, when they only note that objects were applied anew, as every apply comes back
 * as an event of its own; INT64_MAX when there are none.
 */
int64_t spot_news_ns(struct spot *spot);

/* Too much waits to be told: better to see everything anew. */
bool spot_is_overfull(const struct spot *spot);

/* Rows for objects of kinds that are lost while the cluster is not. */
void spot_blinds(struct spot *spot);

/* Rows for what has drifted long enough; *next_ns: when to look again.  watch_drift.c */
void spot_drifts(struct spot *spot, int64_t *next_ns);

/*
 * A drift is told until the object is as it shall be.  Of those that stand for long, forget what no deployment wants any
 * more: what we have taken away ourselves is told like any other.  Reads every unit.  watch_drift.c
 */
emco_status drifts_doubt(struct spots *spots, const emco_units_1 *units, emco_call *call);

/* Names of the kinds that are seen now, "apps/v1|Deployment", into room for kind_count of them. */
size_t  spot_seen_kinds(const struct spot *spot, char (*names)[KIND_NAME_SIZE]);

int32_t spot_event(struct spot *spot);                           /* EMCO_SIGHT_... that is to be told           */
void    spot_told(struct spot *spot, int32_t event);

#endif
