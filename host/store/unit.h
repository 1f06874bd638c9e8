/*
 * unit.h - units: for each (owner, app, cluster) what is desired and what is applied.
 *
 * Whoever changes a deployment only moves `desired`; a synchroniser makes `applied` equal to it.  A unit is claimed under
 * a lease; a report counts only under that lease, and closes the gap only for the generation it was made for.
 */
#ifndef HOST_STORE_UNIT_H
#define HOST_STORE_UNIT_H

#include "host/store/context.h"

/*
 * Move the desired sets of an owner to the placements of a context: units that are not among them become empty.
 * Units whose set and label stay as they are, and are applied, need no work.  In the caller's transaction; follow the
 * commit by store_notify(CHANNEL_UNITS).  context 0: every unit of the owner becomes empty.
 */
enum status MUST_CHECK unit_move(struct db *db, int64_t owner, int64_t context, int64_t status_context,
                                 const char *event, struct error *err);

struct unit_row {
	int64_t     id, owner, generation, status_context, context;
	struct view owner_path, app, cluster, event, meta;      /* meta: of the desired (or last) context */
	bool        has_desired, has_applied;
	struct digest desired, applied;
	int64_t     attempts;
	int64_t     lease;              /* token of this claim                                   */
	int64_t     label;              /* status context under which applied was applied        */
	const struct digest *tried;     /* desired sets that were begun since applied was true, this one included: */
	size_t      tried_count;        /* their objects may be there, and must go unless they are desired         */
	bool        is_begun;           /* the desired set was among them before this claim                        */
	int64_t     move;               /* how often desired has moved, and nothing else         */
	struct view progress;           /* what the synchroniser has noted since                 */
	uint64_t    access;             /* of a claim: another when the cluster may be reached in another way; 0: there is no cluster */
	bool        is_unsure;          /* something of applied may be missing or changed on the cluster           */
};

/*
 * One thread of a process at a time looks for work, and waits until there is some: a notification would wake all of those who
 * wait, and all but one would find nothing.  false: not its turn by until_ns.
 */
bool MUST_CHECK unit_claim_enter(struct store *store, int64_t until_ns);
void unit_claim_leave(struct store *store);

/*
 * Up to limit units of one owner that need work now; owners take turns.  Views live in arena.  *ret_count 0: nothing to
 * do; *ret_next_ns, set in any case, says after how long to ask again when no notification comes before.
 */
enum status MUST_CHECK unit_claim(struct store *store, struct db *db, uint64_t limit, int64_t lease_ns, struct arena *arena,
                                  struct unit_row **ret_units, size_t *ret_count, int64_t *ret_next_ns, struct error *err);
enum status MUST_CHECK unit_renew(struct store *store, struct db *db, const struct unit_row *unit, int64_t lease_ns,
                                  struct error *err);

enum object_state { OBJECT_PENDING, OBJECT_APPLIED, OBJECT_FAILED, OBJECT_RETRYING, OBJECT_DELETED, OBJECT_STATES };

struct object_row { struct view name, message; enum object_state state; bool is_told; };     /* told: has a row of its own */

struct unit_outcome {
	enum { UNIT_DONE = 1, UNIT_RETRY, UNIT_FAILED, UNIT_WAITS } kind;       /* waits: nothing is wrong */
	int64_t     retry_after_ns;
	int         reachable;          /* 1, 0, -1: not tried                                   */
	struct view error;
	struct view progress;           /* empty: as it was noted last                           */
	struct view awaits, stage;      /* the object that is waited for, and why; empty: none   */
	const struct object_row *objects;  size_t object_count;
	const struct unit_row   *unit;
};

/*
 * One statement for all.  *ret_stored: of so many units; the lease of the others is lost, and nothing was stored of them.
 * When desired has moved since the claim, only what is applied is noted, and the unit is due at once.  When what is there was
 * doubted since (a drift, a cluster that is reached in another way), not even that: all is done again.  Objects, when there are
 * any, are all of the unit: others are forgotten.  A progress is noted unless desired has moved, so that no hook that has run
 * does so again.  *ret_wakes: others have waited for one of these, and are due now.
 */
enum status MUST_CHECK unit_report(struct db *db, const struct unit_outcome *outcomes, size_t count, size_t *ret_stored,
                                   bool *ret_wakes, struct error *err);

/* -- what is seen on clusters: unit_seen.c -- */

/* Claimed since the walk that gave since, 0: all; *ret_next: what to ask next time.  lease is 0. */
enum status MUST_CHECK unit_live(struct db *db, int64_t since, struct arena *arena, struct unit_row **ret_units,
                                 size_t *ret_count, int64_t *ret_next, struct error *err);

/* Which of the clusters this process may watch for lease_ns: rows of the answer, in arena. */
enum status MUST_CHECK unit_watch(struct store *store, struct db *db, const struct view *clusters, size_t count,
                                  int64_t lease_ns, struct arena *arena, struct view **ret_mine, size_t *ret_count,
                                  struct error *err);

enum seen_state { SEEN_GONE, SEEN_NOT_READY, SEEN_READY };
enum { SEEN_TRACKED = 1, SEEN_MEMBER = 2, SEEN_DRIFTED = 4, SEEN_HEAL = 8 };     /* tracked: counts for readiness */

struct seen_row {
	int64_t         status_context, session;
	struct view     cluster, app, name, api_version, reason;
	enum seen_state state;
	unsigned        flags;
	int64_t         fields, since;  /* hashes: what was applied and is still so, and when */
};

/*
 * One statement, for any clusters: rows and counters.  The last row of an object counts.  A drift counts for a unit at
 * rest; fields that differ from those of another session, and since not, are one too, whatever the unit does.  *ret_heals:
 * some unit is due now.
 */
enum status MUST_CHECK unit_observe(struct store *store, struct db *db, const struct seen_row *rows, size_t count,
                                    bool *ret_heals, struct error *err);
/*
 * These kinds ("apps/v1|Deployment") are seen wholly: what only other sessions have seen of them is gone, and has drifted.
 * Units that waited for the cluster are due.  Who has lost the right to watch says neither that all is seen nor that all
 * is lost.
 */
enum status MUST_CHECK unit_observe_whole(struct store *store, struct db *db, struct view cluster, int64_t session,
                                          const struct view *kinds, size_t kind_count, struct error *err);
enum status MUST_CHECK unit_observe_lost(struct store *store, struct db *db, struct view cluster, struct view why,
                                         struct error *err);

/* Which Kubernetes a cluster runs: "v1.29.4".  Of several, in byte order of clusters, those that are known; in arena. */
enum status MUST_CHECK unit_know_version(struct db *db, struct view cluster, struct view version, struct error *err);
enum status MUST_CHECK unit_versions(struct db *db, const struct view *clusters, size_t count, struct arena *arena,
                                     struct view **ret_versions, size_t *ret_count, struct error *err);

/* What was seen of one unit, in byte order of names; live as long as the arena. */
enum status MUST_CHECK unit_seen_list(struct db *db, int64_t owner, struct view app, struct view cluster,
                                      struct arena *arena, struct seen_row **ret_rows, size_t *ret_count,
                                      struct error *err);

/* What status shows of an owner: counters and states, without reading one object. */
struct unit_status {
	struct view app, cluster, error;
	bool        is_wanted, is_done, is_failed;
	bool        is_placed;          /* by the context that its owner has, or had last                          */
	bool        is_unbegun;         /* to be brought, and nobody has begun: it may wait for another app        */
	struct view awaits, stage;      /* the hook that is waited for, "h+Job", and its event   */
	int         reachable;          /* 1 Available, 0 Retrying, -1 Unknown                   */
	int64_t     attempts;
	uint64_t    counts[OBJECT_STATES];
	struct digest set;              /* desired, or the last one; zero when none              */
	uint64_t    ready, not_ready;   /* objects of kinds that count                           */
	uint64_t    members;            /* of these, those that were applied and not made there  */
	uint64_t    drifts;
	bool        is_watched, is_lost;         /* lost: the cluster cannot be seen now         */
	int64_t     observed_ms;        /* wall time of what is shown; 0: never seen             */
	struct view lost_why;
};
enum status MUST_CHECK unit_list(struct db *db, int64_t owner, struct arena *arena, struct unit_status **ret_units,
                                 size_t *ret_count, struct error *err);

/* Of these, those that are to go and are not gone. */
enum status MUST_CHECK unit_list_leaving(struct db *db, int64_t owner, struct arena *arena, struct unit_status **ret_units,
                                         size_t *ret_count, struct error *err);

/* In what unit_list has given; NULL: none is there. */
const struct unit_status *unit_find(const struct unit_status *units, size_t count, struct view app, struct view cluster);

/*
 * The same for a whole owner at once, at a cost that grows with neither units nor objects: owner_status.c.  Counts are of the
 * units of its last context; busy and refused are also of what is left of others.  version: another whenever any of it,
 * or an error, an attempt or a drift of a unit, has become another.
 */
struct owner_status {
	int64_t  version;               /* 0: it has no units                                    */
	uint64_t counts[OBJECT_STATES];
	uint64_t ready, not_ready, absent;       /* absent: wanted, and not seen                 */
	uint64_t odd;                   /* units whose objects nobody knows: counts are not all  */
	uint64_t busy, refused;         /* units that are wanted, and not done; refused for good */
	uint64_t left_busy, left_refused;        /* the same of those that are to go             */
};

/* with_lost: what is ready on clusters that cannot be seen now counts as not ready; costs a look at all watched clusters. */
/* Of at most limit owners that have more rows of sums than that: make one of them. */
enum status MUST_CHECK owner_status_fold(struct db *db, uint64_t more_than, uint64_t limit, struct error *err);
enum status MUST_CHECK owner_status_read(struct db *db, int64_t owner, bool with_lost, struct owner_status *ret_status,
                                         struct error *err);

/* Of many owners in one statement. */
enum status MUST_CHECK owner_status_versions(struct db *db, const int64_t *owners, size_t count, int64_t *ret_versions,
                                             struct error *err);

/* What an app of an owner still waits for, in order of app.  unseen: clusters of the other that nobody sees, so never ready. */
struct unit_wait { struct view app, on_app; bool is_ready; int64_t wait_s, unseen; };
enum status MUST_CHECK unit_wait_list(struct db *db, int64_t owner, struct arena *arena, struct unit_wait **ret_waits,
                                      size_t *ret_count, struct error *err);

/*
 * The objects of one unit, in order of the set, then those that left it.  Of one that is not told the unit says how it is,
 * and what it says may be that all of them are applied.  ST_NOT_FOUND: no such unit.
 */
enum status MUST_CHECK unit_objects(struct db *db, int64_t owner, struct view app, struct view cluster, struct arena *arena,
                                    struct object_row **ret_objects, size_t *ret_count, struct error *err);

/* Set aside what is not done until desired moves: renew then gives ST_CONFLICT, report still counts. */
enum status MUST_CHECK unit_stop(struct db *db, int64_t owner, struct error *err);

/*
 * Retry now what is not done, or worked on, on a cluster ("provider+name"), whosever it is: how it is reached has changed.  All
 * of it is sent again, as a part may have gone to where the cluster was.
 */
enum status MUST_CHECK unit_retry_cluster(struct db *db, struct view cluster, struct error *err);
/* The same on all clusters that refer to a sync object (a path). */
enum status MUST_CHECK unit_retry_sync(struct db *db, struct view sync_object, struct error *err);

/*
 * Give all units of an owner, and what is left of earlier ones, to another (migration).  ST_EXISTS: both have a unit of
 * one app and cluster.
 */
enum status MUST_CHECK unit_reown(struct db *db, int64_t owner, int64_t to, struct error *err);

/* Owner (path) and app of a unit that has something on the cluster, or wants to; empty: there is none.  In arena. */
enum status MUST_CHECK unit_on_cluster(struct db *db, struct view cluster, struct arena *arena, struct view *ret_owner,
                                       struct view *ret_app, struct error *err);

/*
 * A cluster that is gone.  Answers: it has, and nobody is known whom it has not answered since.  Abandon: forget what may
 * be there; the units as they were before, in order of owner and app, live in arena.
 */
enum status MUST_CHECK unit_cluster_answers(struct db *db, struct view cluster, bool *ret_answers, struct error *err);
enum status MUST_CHECK unit_abandon(struct db *db, struct view cluster, struct arena *arena, struct unit_row **ret_units,
                                    size_t *ret_count, struct error *err);

/* Path of another owner who has what that status context labels, in arena; empty: nobody has. */
enum status MUST_CHECK unit_holder(struct db *db, int64_t owner, int64_t status_context, struct arena *arena, struct view *ret_path,
                                   struct error *err);

/* Is this status context one of the unit's owner?  Text that is no number is none. */
enum status MUST_CHECK unit_owns(struct db *db, const struct unit_row *unit, struct view status_context, bool *ret_owns,
                                 struct error *err);

/* Forget the units of an owner that are empty on both sides; ST_CONFLICT when one is not. */
enum status MUST_CHECK unit_forget(struct db *db, int64_t owner, struct error *err);

#endif
