/*
 * object.h - Kubernetes objects as they go over the wire, and what is done with one.
 *
 * Operations find the object's path by discovery, which is cached for each cluster and read again when a kind is unknown.
 * They are asynchronous as client.h has it.  All names are checked before they become part of a path.
 */
#ifndef LIB_KUBE_OBJECT_H
#define LIB_KUBE_OBJECT_H

#include "lib/kube/client.h"

/* Who an object is.  Views are borrowed. */
struct kube_id {
	struct view api_version, kind;           /* "apps/v1", "Deployment"                                      */
	struct view namespace_, name;            /* namespace_ is ignored for a kind that has none               */
};
enum status MUST_CHECK kube_id_of(const json_t *object, struct kube_id *ret_id, struct error *err);

/*
 * Make an object fit for server-side apply on old servers, in place: a Service port's protocol, a Secret's stringData
 * turned into data.  ST_INVALID: duplicate names where the server would answer 500 (environment, ports), with the path.
 */
enum status MUST_CHECK kube_normalise(json_t *object, struct error *err);

enum kube_outcome {
	KUBE_CREATED, KUBE_CHANGED, KUBE_UNCHANGED,     /* apply: resourceVersion tells                       */
	KUBE_DELETED, KUBE_GONE,                        /* delete: asked for; is not there                    */
	KUBE_UNKNOWN_KIND,                              /* no such kind on the server (yet)                   */
	KUBE_CONFLICT,                                  /* another manager owns a field; text names both      */
	KUBE_IMMUTABLE,                                 /* the change is not possible on a living object      */
	KUBE_NO_NAMESPACE,                              /* its namespace is missing or ends                   */
	KUBE_REFUSED,                                   /* for good: invalid, forbidden                       */
	KUBE_LATER,                                     /* for now: unreachable, timeout, overload, 5xx       */
};

struct kube_result {
	enum kube_outcome outcome;
	struct view       object;        /* the server's answer, JSON; with KUBE_CONFLICT its Status, whose
	                                    details.causes name the fields; empty when there is none         */
	const char       *message;       /* the API server's own words; "" on success                         */
	bool              is_certain;    /* with KUBE_UNKNOWN_KIND: the API server itself says so, and not while it starts,
	                                    nor what may stand before it: then it has no such object either  */
};
typedef void kube_applied(void *data, const struct kube_result *result);

struct kube_apply {
	struct view object;              /* JSON, copied                                                         */
	struct kube_id id;
	const char *manager;             /* field manager: "emco"                                                */
	bool        force;               /* take fields from other managers                                      */
	bool        dry_run;
	int64_t     deadline_ns;
	struct view known_version;       /* resourceVersion seen last: an answer that has it still is KUBE_UNCHANGED; empty: not
	                                    known, and then what is not new counts as KUBE_CHANGED               */
};
void kube_apply(struct kube_cluster *cluster, const struct kube_apply *apply, kube_applied *done, void *data);

/*
 * Background propagation.  uid: only that very object (KUBE_GONE when another has its name now); empty: any.
 * KUBE_UNKNOWN_KIND when the server has no such kind: when that is certain, it has no such object either.
 */
void kube_delete(struct kube_cluster *cluster, const struct kube_id *id, struct view uid, int64_t deadline_ns,
                 kube_applied *done, void *data);
/* JSON merge patch: KUBE_CHANGED with the object; with metadata.resourceVersion in it, KUBE_CONFLICT when that has moved. */
void kube_patch(struct kube_cluster *cluster, const struct kube_id *id, struct view patch, int64_t deadline_ns,
                kube_applied *done, void *data);
/* KUBE_UNCHANGED with the object, or KUBE_GONE. */
void kube_get(struct kube_cluster *cluster, const struct kube_id *id, int64_t deadline_ns, kube_applied *done, void *data);

/* What discovery knows of a kind; asks the server when it does not.  plural empty: no such kind; is_certain as above. */
struct kube_kind { char plural[128]; bool is_namespaced, is_certain; };
typedef void kube_found(void *data, enum status st, const struct kube_kind *kind, const struct error *err);
void kube_find_kind(struct kube_cluster *cluster, struct view api_version, struct view kind, int64_t deadline_ns,
                    kube_found *done, void *data);

/*
 * All objects of a kind that a label selector takes ("": all), page by page, for who wants to look: a hurried request.  object: one of
 * them, borrowed, and may be changed; false: no further page.  NULL: the end, whatever is returned then; st ST_OK: all were told,
 * or enough; ST_NOT_FOUND: there is no such kind.  It ends by its deadline, but for a kind that has to be looked for first.
 */
typedef bool kube_listed(void *data, json_t *object, enum status st, const struct error *err);
void kube_list(struct kube_cluster *cluster, struct view api_version, struct view kind, const char *selector,
               int64_t deadline_ns, kube_listed *listed, void *data);

/* -- watching -- */

struct kube_watch;

enum kube_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_REMOVED, KUBE_SYNCED, KUBE_LOST };

/*
 * On the loop.  KUBE_SYNCED: the list is whole, and what was not named since the last KUBE_LOST is gone.  KUBE_LOST: the
 * cluster cannot be seen; text says why.  object: borrowed.
 */
typedef void kube_seen(void *data, enum kube_event event, const json_t *object, const char *text);

/*
 * List, then watch, with bookmarks; resumed where it broke off.  Listed again on 410 and whenever it cannot be resumed,
 * and KUBE_LOST comes before every such list, at most a moment after it with 410.  It comes again while the reason changes.
 * selector: label selector, "" all.  NULL when out of memory.
 */
struct kube_watch *kube_watch_open(struct kube_cluster *cluster, struct view api_version, struct view kind,
                                   const char *selector, kube_seen *seen, void *data);
/* No call back after it returns; not from a call back.  A watch that kube_close ended is closed like any other. */
void kube_watch_close(struct kube_watch *watch);         /* accepts NULL */

/* -- readiness (pure) -- */

enum kube_ready { KUBE_READY, KUBE_NOT_READY, KUBE_FAILED };

/* The contract's rules for built-in kinds, observedGeneration and conditions for others; Kubernetes' defaults for what is
 * missing.  reason, when not NULL, gets one line: "1 of 3 replicas are ready". */
enum kube_ready kube_object_ready(const json_t *object, char *reason, size_t size);

#endif
