/*
 * units.h - extension "emco.units/1": the work of a synchroniser.
 *
 * A unit is what one owner wants of one app on one cluster: a desired set of objects and the set that is applied there.
 * A synchroniser has one job: make applied equal desired.  It claims units under a lease, compares two sets, does what is
 * missing, and reports.  Everything is repeatable: a synchroniser that dies loses its lease, and another begins again.
 *
 * Sets and objects are immutable and named by digest: equal digests mean equal content, on any cluster, for ever.
 * Everything given out lives as long as the call.  [thread] the call's.
 */
#ifndef EMCO_UNITS_H
#define EMCO_UNITS_H

#include "emco/app_context.h"
#include "emco/clusters.h"

#define EMCO_UNITS_1  "emco.units/1"

typedef struct emco_unit {
	uint32_t size;
	uint32_t attempts;             /* failed tries since desired last moved                              */
	uint64_t id;
	uint64_t generation;           /* moves with desired: a report for an older one changes no outcome    */
	emco_str owner;                /* path of the resource that wants it, below /v2/                      */
	emco_str app, cluster;         /* "web", "edge+one"                                                   */
	emco_str status_context;       /* decimal id; part of the label and of Git paths                      */
	emco_str namespace_, level, logical_cloud;
	emco_str desired;              /* digest in hex; empty: nothing shall be there                        */
	emco_str applied;              /* digest in hex; empty: nothing is known to be there                  */
	emco_str event;                /* why: "instantiate", "update", "rollback", "terminate"               */
	emco_str applied_context;      /* the status context that applied was applied under, when it is another */
	const emco_str *tried;         /* digests of sets that were begun since applied was true: their objects */
	uint64_t        tried_count;   /* may be there, and must go unless they are desired                     */
	uint32_t        unsure;        /* 1: applied may be damaged on the cluster: send everything again       */
	uint32_t        reserved;
	uint32_t        begun;         /* 1: desired was begun before this claim: its objects may be there    */
	uint32_t        reserved_2;
	uint64_t        move;          /* moves with desired, and with nothing else                             */
	emco_str        progress;      /* as it was reported last since desired moved; else empty               */
	uint64_t        access;        /* what emco.clusters' access gives for a cluster with a kubeconfig is the same
	                                  while this is; 0: ask                                                   */
} emco_unit;

typedef struct emco_set_entry {
	uint32_t    size;
	uint32_t    secret;            /* 1: the body is a secret                                            */
	const emco_object *object;
	emco_str    digest;            /* of the body, in hex                                                */
} emco_set_entry;

typedef emco_status emco_units_each(void *data, const emco_unit *unit);
typedef emco_status emco_units_each_entry(void *data, const emco_set_entry *entry);
typedef emco_status emco_units_each_body(void *data, uint64_t index, emco_str body);

#define EMCO_OBJECT_PENDING   0
#define EMCO_OBJECT_APPLIED   1
#define EMCO_OBJECT_FAILED    2
#define EMCO_OBJECT_RETRYING  3
#define EMCO_OBJECT_DELETED   4

/* The state of one object, for status. */
typedef struct emco_object_state {
	uint32_t size;
	int32_t  state;
	emco_str name;                 /* "web+Deployment"                                                   */
	emco_str message;              /* the API server's own words; may be empty                           */
} emco_object_state;

#define EMCO_UNIT_DONE     1    /* applied is now desired: all objects are there, all others gone            */
#define EMCO_UNIT_RETRY    2    /* not now; try again after the delay (unreachable, refused for a while)      */
#define EMCO_UNIT_FAILED   3    /* the target refused for good; tried again when desired moves, or rarely     */
#define EMCO_UNIT_WAITS    4    /* nothing is wrong: something on the cluster has to happen first             */

typedef struct emco_unit_report {
	uint32_t size;
	int32_t  outcome;
	int64_t  retry_after_ns;       /* with all but EMCO_UNIT_DONE                                        */
	int32_t  reachable;            /* 1 Available, 0 Retrying, -1 not tried                              */
	uint32_t object_count;
	const emco_object_state *objects;    /* all objects of the unit that are known, desired or deleted   */
	emco_str error;                /* one line for people; empty when there is none                      */
	const emco_unit *unit;         /* as it was given out                                                */
	emco_str progress;             /* for who goes on; at most 256 bytes; empty: as it was               */
	emco_str awaits;               /* with EMCO_UNIT_WAITS: the object, "init+Job".  The unit is given out again
	                                  when it is seen to change, and after retry_after_ns at the latest    */
	emco_str stage;                /* what it is awaited for: "pre-install"                              */
} emco_unit_report;

#define EMCO_SEEN_GONE       0
#define EMCO_SEEN_NOT_READY  1
#define EMCO_SEEN_READY      2

#define EMCO_SEEN_MEMBER   1u      /* applied by a synchroniser; without it: made there, as pods are                 */
#define EMCO_SEEN_DRIFTED  2u      /* somebody else has changed or deleted what was applied                          */
#define EMCO_SEEN_HEAL     4u      /* apply it again when it has drifted, now or while nobody watched                */
#define EMCO_SEEN_HOOK     8u      /* a hook: neither ready nor missing                                              */

/* An object that was seen on a cluster, or is not there any more. */
typedef struct emco_seen {
	uint32_t size;
	int32_t  state;                /* EMCO_SEEN_...                                                      */
	uint32_t flags;                /* EMCO_SEEN_...                                                      */
	uint32_t reserved;
	emco_str label;                /* of emco/deployment-id: "4711-web"                                  */
	emco_str name;                 /* "web+Deployment"                                                   */
	emco_str api_version;
	emco_str reason;               /* one line: "1 of 3 replicas are ready"; may be empty                */
	uint64_t fields;               /* a hash of what was applied and is still so; 0: not known           */
	uint64_t since;                /* a hash of when it was applied last: fields that change while this
	                                  stays, from one session to the next too, are a drift.  The bits of
	                                  EMCO_SEEN_PLACE tell objects of one name in several namespaces apart,
	                                  which are never compared; 0: nothing of ours is left               */
} emco_seen;

#define EMCO_SEEN_PLACE  0xFFFFu

#define EMCO_SIGHT_CHANGES  0      /* these objects are so now                                                       */
#define EMCO_SIGHT_WHOLE    1      /* the cluster is seen: what no row of this session has named is not there; it
	                              has drifted when an earlier session has seen it                       */
#define EMCO_SIGHT_LOST     2      /* it is not seen any more; error says why                                        */

/* What one watcher saw on one cluster.  session: any number that is new each time watching begins. */
typedef struct emco_sight {
	uint32_t size;
	int32_t  event;                /* EMCO_SIGHT_...                                                     */
	uint64_t session;
	emco_str cluster, error;
	const emco_seen *seen;         /* an object may be named more than once: the last one counts         */
	uint64_t seen_count;
	emco_str version;              /* of Kubernetes there: "v1.29.4"; empty: not known now                */
	const emco_str *kinds;         /* with WHOLE: "apps/v1|Deployment", which are seen; others stay as they
	                                  were seen last                                                     */
	uint64_t kind_count;
} emco_sight;

/* Which objects of a cluster: those that carry a label, of some kinds. */
typedef struct emco_object_query {
	uint32_t size;
	uint32_t reserved;
	emco_str cluster;
	emco_str label;                /* of emco/deployment-id: "4711-web"                                  */
	const emco_str *kinds;         /* "apps/v1|Deployment"                                               */
	uint64_t        kind_count;
} emco_object_query;

/* query: its place; name: as the set has it, "web+Deployment"; body: the object as JSON, without metadata.managedFields.  Both live
 * as long as the call back. */
typedef emco_status emco_each_found(void *data, uint64_t query, emco_str name, emco_str body);

typedef struct emco_units_1 {
	uint32_t size;
	uint32_t reserved;

	/*
	 * Claim up to limit units that need work, all of one owner, under a lease of lease_ns.  Waits for work until the
	 * call's deadline or cancellation: then EMCO_E_DEADLINE, which is normal.  A unit lives until the call ends; renew and
	 * report take the pointer that was given out, no copy, and may come on another call while this one has not ended.
	 */
	emco_status (*claim)(emco_call *call, uint64_t limit, int64_t lease_ns, emco_units_each *each, void *data);

	/* Prolong the lease.  EMCO_E_CONFLICT: it is lost, stop working on the unit. */
	emco_status (*renew)(emco_call *call, const emco_unit *unit, int64_t lease_ns);

	/*
	 * Store outcomes and give the leases back: of all units at once, or of none when it fails.  *ret_lost: of so many the
	 * lease is lost, and nothing of them was stored; may be NULL.  A unit may be named once.  At most 100,000 objects.
	 * EMCO_E_DEADLINE, EMCO_E_UNAVAILABLE: nobody knows whether it was stored: tell it again, and if it was, the lease is lost.
	 */
	emco_status (*report)(emco_call *call, const emco_unit_report *reports, uint64_t count, uint64_t *ret_lost);

	/* The entries of a set, in order.  EMCO_E_NOT_FOUND. */
	emco_status (*each_entry)(emco_call *call, emco_str set, emco_units_each_entry *each, void *data);

	/*
	 * The bodies of objects, as JSON, in any order: each is told the place of its digest.  A body lives as long as the call
	 * back, which asks the call for nothing but memory: whatever else would read or write on the same call, this slot too, is
	 * refused with EMCO_E_CONFLICT, and the bodies come on.  Other calls may be used.  EMCO_E_NOT_FOUND: some are not there;
	 * the others were told.
	 */
	emco_status (*bodies)(emco_call *call, const emco_str *digests, uint64_t count, emco_units_each_body *each, void *data);

	/*
	 * Units that have, or may have, objects on their clusters and were claimed since a walk before (0: all); they carry no
	 * lease.  *ret_next: the since of the next walk; a unit may be told twice.
	 */
	emco_status (*each_live)(emco_call *call, uint64_t since, uint64_t *ret_next, emco_units_each *each, void *data);

	/* Ask for the right to watch clusters, or prolong it.  each: those that are ours; others belong to another process. */
	emco_status (*watch)(emco_call *call, const emco_str *clusters, uint64_t count, int64_t lease_ns,
	                     emco_cluster_each *each, void *data);

	/*
	 * Store what was seen, of several clusters at once.  Objects whose label no unit has are left out.  When it fails, some may be
	 * stored: tell all of it again.
	 */
	emco_status (*observe)(emco_call *call, const emco_sight *sights, uint64_t count);

	/* Is this status context one of the unit's owner?  What carries its label is then left from an earlier life. */
	emco_status (*owns)(emco_call *call, const emco_unit *unit, emco_str status_context, int32_t *ret_owns);
} emco_units_1;

#endif
