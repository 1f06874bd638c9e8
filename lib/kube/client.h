/*
 * client.h - one Kubernetes client for many clusters: connections that stay open, and requests that do not block.
 *
 * A client runs a few loops, each a thread with one curl multi handle and at most KUBE_CLUSTERS_A_LOOP clusters: one handle
 * for all of them collapses (measured).  A cluster keeps one HTTP/2 connection, or a few of HTTP/1.1, and has a bounded
 * number of requests in flight; more wait in order, those in a hurry behind the others.  TLS is always verified; redirects
 * are not followed; answers are bounded.
 *
 * Requests are sent from any thread.  They end exactly once, by a call back on the cluster's loop: it must not block, and
 * may send more.  429 and 503 with Retry-After are waited for and repeated while the deadline allows.
 *
 * A cluster that does not answer (no connection, three failures in a row, or silence while a request timed out; another
 * request's answer shows that it lives) opens its circuit: requests then fail at once with ST_UNAVAILABLE, but for one probe at a
 * time, after pauses that grow; the first answer of any kind closes it.
 */
#ifndef LIB_KUBE_CLIENT_H
#define LIB_KUBE_CLIENT_H

#include "lib/kube/config.h"

enum { KUBE_CLUSTERS_A_LOOP = 500, KUBE_IN_FLIGHT = 32, KUBE_ANSWER_MAX = 64 << 20 };

struct kube;
struct kube_cluster;

struct kube_options {
	unsigned    loops;               /* 0: as many as processors, at most 4                                  */
	unsigned    in_flight;           /* of one cluster; 0: KUBE_IN_FLIGHT                                    */
	int64_t     connect_ns;          /* 0: 5 s                                                               */
	int64_t     circuit_min_ns, circuit_max_ns;    /* pauses of an open circuit; 0: 1 s, 30 s                 */
	int64_t     keep_ns;             /* a cluster that nobody holds is kept open so long; 0: 60 s             */
	const char *user_agent;          /* "emcod/0.1.0 (rsync)"                                                */
	bool        http1;               /* a few connections of HTTP/1.1 instead of one of HTTP/2               */
};

enum status MUST_CHECK kube_open(const struct kube_options *options, struct kube **ret_kube, struct error *err);

/* Ends every request with ST_DEADLINE, every watch, and joins the loops.  Every cluster must have been let go. */
void kube_close(struct kube *kube);

/*
 * The cluster of that name, made on first use.  kubeconfig: parsed when its bytes differ from last time, and then the
 * connections are made anew.  Let go with kube_cluster_unref; one that nobody holds is kept open for keep_ns, and some more.
 */
enum status MUST_CHECK kube_cluster_ref(struct kube *kube, struct view name, struct view kubeconfig,
                                        struct kube_cluster **ret_cluster, struct error *err);
/*
 * The same, and the kubeconfig has a tag, another than 0: as long as the cluster is made of it, kube_cluster_known finds it by that.
 * NULL: ask for the kubeconfig.
 */
enum status MUST_CHECK kube_cluster_ref_tagged(struct kube *kube, struct view name, struct view kubeconfig, uint64_t tag,
                                               struct kube_cluster **ret_cluster, struct error *err);
struct kube_cluster *kube_cluster_known(struct kube *kube, struct view name, uint64_t tag);
void kube_cluster_unref(struct kube_cluster *cluster);   /* accepts NULL */

struct kube_cluster_state {
	bool     is_reachable, is_open;  /* circuit open */
	int64_t  since_ns;               /* monotonic: of the last change of is_reachable */
	uint64_t requests, failures;
	unsigned in_flight, waiting;
	char     error[256];             /* of the last failure to reach it; empty while reachable               */
};
struct kube_cluster_state kube_cluster_state(struct kube_cluster *cluster);

struct kube_request {
	const char *method;              /* "PATCH"                                                              */
	const char *path;                /* with query: "/api/v1/namespaces/x/configmaps?..."                    */
	const char *content_type;        /* of the body; NULL: none                                              */
	struct view body;                /* copied                                                               */
	int64_t     deadline_ns;
	bool        is_hurried;          /* its deadline is no measure of the cluster: when that passes, or the circuit is open,
	                                    nothing follows for others.  At most half of in_flight, rounded up, are such,
	                                    and they wait for all others                                          */
};

struct kube_answer {
	int         code;                /* HTTP                                                                 */
	struct view body;                /* borrowed for the call back                                           */
	int64_t     retry_after_ns;      /* 0: not said, or at once                                              */
	bool        has_retry_after;
	struct view location;            /* of a redirect, which is never followed                               */
};

/*
 * st: ST_OK when any HTTP answer came, whatever its code; else answer is NULL and err says why: ST_UNAVAILABLE (not
 * reached, not verified, broken off, circuit open), ST_DEADLINE, ST_TOO_LARGE, ST_UPSTREAM (no HTTP).  Only when out of
 * memory it is called from kube_send itself: ST_NO_MEMORY.
 */
typedef void kube_done(void *data, enum status st, const struct kube_answer *answer, const struct error *err);
void kube_send(struct kube_cluster *cluster, const struct kube_request *request, kube_done *done, void *data);

/* The API server's own words from an answer that is no success: `configmaps "x" is forbidden: ...`; reason may be "". */
enum status kube_answer_fail(const struct kube_answer *answer, const char *what, struct error *err);

#endif
