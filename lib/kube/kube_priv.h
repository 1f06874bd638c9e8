/*
 * kube_priv.h - one Kubernetes client from inside.
 *
 * Who owns what: everything of a cluster that is not under its lock belongs to its loop's thread, and so does every call
 * once it was posted.  Other threads reach a loop through its inbox alone.
 *
 * Lock order: kube->lock, loop->lock, cluster->lock, watch->lock.  No call back and no I/O under any of them.
 */
#ifndef LIB_KUBE_KUBE_PRIV_H
#define LIB_KUBE_KUBE_PRIV_H

#include "lib/base/digest.h"
#include "lib/kube/client.h"
#include "lib/kube/object.h"
#include "lib/kube/timer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>

/* EASY_IDLE_MAX: each holds 22 KB, and one that ends makes room for one that begins; more of them save no time (measured). */
enum { LOOPS_MAX = 64, CLUSTER_BUCKETS = 4096, EASY_IDLE_MAX = 16, HEADER_LISTS = 8 };

/* -- loops: loop.c -- */

struct call;
TAILQ_HEAD(call_queue, call);

struct loop {
	struct kube      *kube;
	pthread_t         thread;
	CURLM            *multi;
	int               epoll, wake;
	pthread_mutex_t   lock;               /* guards inbox, is_closing                      */
	struct call_queue inbox;
	bool              is_closing;

	bool              has_posted;         /* to itself: it need not be woken               */
	struct timer     *timers;             /* root                                          */
	struct timer      curl_timer, sweep_timer;
	struct call_queue calls;              /* all that wait or run, for the end             */
	unsigned          connecting;         /* calls of clusters that have no connection yet */
	CURL             *easy[EASY_IDLE_MAX];
	size_t            easy_count;

	size_t            clusters;           /* guarded by kube->lock                         */
	LIST_HEAD(, kube_cluster) members;    /* guarded by kube->lock                         */
	LIST_HEAD(, kube_watch) watches;
};

enum status MUST_CHECK loop_open(struct kube *kube, struct loop **ret_loop, struct error *err);
void loop_close(struct loop *loop);                              /* ends all its calls and watches, joins and frees */
void loop_post(struct loop *loop, struct call *call);            /* any thread; takes call                          */

/* -- clusters: cluster.c -- */

/* What a kubeconfig says, ready for use.  Immutable but for the header lists, which belong to the loop; shared. */
struct settings {
	atomic_uint         refs;
	struct kube_config *config;
	struct header_list { char content_type[64]; struct curl_slist *list; } headers[HEADER_LISTS];
	size_t              header_lists;
	struct buf          authorization;    /* "Authorization: Bearer ...", or empty         */
	char                host[272];        /* for messages: "https://192.0.2.1:6443"        */
	char               *base;             /* before every path                             */
	struct curl_slist  *connect_to;       /* where base really is, when it has another name for TLS; or NULL */
};
struct settings *settings_new(struct kube_config *config);       /* takes config, even when it fails; NULL: no memory */
const struct curl_slist *settings_headers(struct settings *settings, const char *content_type);     /* NULL: no memory */
void             settings_unref(struct settings *settings);

/* The open sockets of a cluster: closed by libcurl, perhaps after the cluster itself, or shut down by us. */
struct sockets {
	bool   has_owner;
	struct open_socket { int fd; ino_t inode; } *open;
	size_t count, cap;
};
curl_socket_t sockets_open(void *data, curlsocktype purpose, struct curl_sockaddr *address);
int           sockets_close(void *data, curl_socket_t fd);
void          sockets_break(struct sockets *sockets);            /* every transfer on them ends with an error        */
void          sockets_let_go(struct sockets *sockets);

struct kube_cluster {
	struct kube     *kube;
	struct loop     *loop;
	char            *name;
	atomic_uint      refs;                /* rises from 0 under kube->lock only            */
	atomic_llong     idle_since_ns;
	struct kube_cluster *bucket_next;     /* guarded by kube->lock                         */
	LIST_ENTRY(kube_cluster) member;      /* guarded by kube->lock                         */

	pthread_mutex_t  lock;                /* guards settings, digest, tag, discovery, and what is seen from outside */
	struct settings *settings;
	struct digest    digest;
	uint64_t         tag;                 /* of the kubeconfig, by whoever brought it; 0: none */
	struct discovery *discovery;
	bool             is_reachable, is_open;
	int64_t          since_ns;
	char             error[256], hint[160];
	atomic_ullong    requests, failures;
	atomic_uint      in_flight, waiting;  /* written by the loop                           */

	struct call_queue queue, hurried;     /* who waits for a place: who works, and who is in a hurry */
	unsigned         hurried_in_flight;   /* of in_flight                                  */
	struct sockets  *sockets;
	int64_t          answered_ns, probe_ns, pause_ns;
	unsigned         failed_in_a_row;
	bool             is_probing, is_connected;
};

void cluster_offer(struct call *call);                           /* start, queue or refuse it                        */
void cluster_began(struct call *call);                           /* it takes a place                                 */
void cluster_ended(struct call *call);                           /* its place, if it took one, is free               */
void cluster_unqueue(struct call *call);                         /* it waits no more                                 */
void cluster_answered(struct kube_cluster *cluster);
void cluster_failed(const struct call *call, CURLcode code, const struct error *err);
/* The circuit was opened by another while it ran: its connection was broken for that, and its own failure tells nothing. */
bool cluster_shuts_out(const struct call *call);
void cluster_refuse(struct call *call);                          /* fail it by what opened the circuit               */
struct settings *cluster_settings(struct kube_cluster *cluster); /* a reference                                      */
void cluster_keep(struct kube_cluster *cluster);
void cluster_free(struct kube_cluster *cluster);
void cluster_reconnect(struct kube_cluster *cluster, struct settings *settings);     /* takes settings; any thread   */

/* -- calls: request.c -- */

typedef void call_task(void *data);

/* A piece of an answer as it comes, on the loop.  false ends the call. */
typedef bool call_bytes(void *data, struct view bytes);

enum call_state { CALL_POSTED, CALL_WAITING, CALL_RUNNING, CALL_PAUSED };

struct call {
	TAILQ_ENTRY(call)    link;            /* in the inbox, then in loop->calls             */
	TAILQ_ENTRY(call)    queued;          /* in one of the cluster's queues                */
	struct kube_cluster *cluster;         /* a reference; NULL for a bare task             */
	struct settings     *settings;        /* a reference while it runs                     */
	enum call_state      state;
	struct timer         timer;           /* deadline while it waits; when to go on while paused */
	kube_done           *done;
	call_bytes          *bytes;           /* a stream: not counted in flight, body goes here when the code is 200 */
	call_task           *task;            /* instead of a request                          */
	void                *data;
	CURL                *easy;
	struct buf           answer;
	int64_t              deadline_ns, started_ns;
	bool                 is_answered, is_probe, is_counted, is_connecting, is_hurried;
	char                 error[CURL_ERROR_SIZE];
	char                 method[12], content_type[64];
	char                *path;
	struct view          body;
	size_t               sent;            /* of the body */
};

/* NULL when out of memory. */
struct call *call_new(struct kube_cluster *cluster, const struct kube_request *request, kube_done *done, void *data);
struct call *call_new_task(struct kube_cluster *cluster, call_task *task, void *data);
void call_start(struct call *call);
void call_finish(struct call *call, CURLcode code);              /* libcurl is done with it                          */
void call_fail(struct call *call, enum status st, const struct error *err);   /* calls back and frees                */
void call_cancel(struct call *call);                             /* without a call back; not while it is posted      */
/* A server that repeats what it was sent must not bring a credential into a status.  In place, before anything is cut. */
void call_hide_credential(const struct call *call, char *text, size_t text_len);
void call_here(struct call *call);                               /* as loop_post, on the loop, never from libcurl    */

/* Run task(data) on the cluster's loop.  False when out of memory. */
bool cluster_task(struct kube_cluster *cluster, call_task *task, void *data);

/* -- the client: client.c -- */

struct kube {
	struct kube_options  options;         /* defaults filled in                            */
	char                 user_agent[128];
	pthread_mutex_t      lock;            /* guards all below                              */
	struct loop         *loops[LOOPS_MAX];
	size_t               loop_count;
	struct kube_cluster *buckets[CLUSTER_BUCKETS];
};
void kube_sweep(struct loop *loop);                              /* forget clusters that nobody holds                */

/* -- what was answered: answer.c -- */

enum { MESSAGE_SIZE = 4096 };

/* What a Status object says, or else the answer itself; texts are cut to fit. */
struct answer_status {
	int  code;
	bool is_status;                       /* a Status object of Kubernetes                 */
	char reason[64];
	char cause[64];                       /* of the first detail                           */
	char message[MESSAGE_SIZE];
};
void answer_read(const struct kube_answer *answer, struct answer_status *ret_status);
enum kube_outcome answer_outcome(const struct answer_status *status);
/* For an answer that never came. */
enum kube_outcome outcome_of_failure(enum status st);
/* What is wrong and what to do about it, in one line. */
enum { LINE_SIZE = sizeof((struct error *) NULL)->text + sizeof((struct error *) NULL)->hint + 2 };
void error_line(const struct error *err, char line[LINE_SIZE]);

/* -- paths: path.c -- */

enum { COLLECTION_PATH_MAX = 8 << 10 };

enum status MUST_CHECK path_write(struct buf *path, const struct kube_id *id, const struct kube_kind *kind,
                                  const char *default_namespace, struct error *err);
enum status MUST_CHECK path_write_collection(struct buf *path, struct view api_version, const char *plural,
                                             struct error *err);
/* With first, "?...", and a selector that may be "". */
enum status MUST_CHECK path_write_query(struct buf *path, struct view api_version, const char *plural, const char *first,
                                        const char *selector, struct error *err);
/* A page of what is there; next_page: as the page before said it, NULL: the first. */
enum status MUST_CHECK path_write_page(struct buf *path, struct view api_version, const char *plural, const char *selector,
                                       const char *next_page, struct error *err);
enum status MUST_CHECK path_write_group(struct buf *path, struct view api_version, struct error *err);
enum status MUST_CHECK path_add_escaped(struct buf *path, struct view text, struct error *err);

bool id_is_sound(struct view api_version, struct view kind, struct error *err);
bool plural_is_sound(struct view plural);

/* -- discovery: discovery.c -- */

void discovery_free(struct discovery *discovery);
/* What is known without asking.  Any thread. */
bool discovery_look(struct kube_cluster *cluster, struct view api_version, struct view kind, struct kube_kind *ret_kind);
/* The server has no such path any more. */
void discovery_forget(struct kube_cluster *cluster, struct view api_version);

/* -- lists: list.c -- */

/* Items of a list do not say their kind: give it to one.  false: it is no object. */
bool object_name_kind(json_t *item, const char *api_version, const char *kind);

/* -- watches: watch.c -- */

void watch_end(struct kube_watch *watch);                        /* on the loop, at its end                          */
struct kube_watch *watch_next(struct loop *loop);
void watch_hurry(struct kube_cluster *cluster);                  /* it answers again: no more pauses                */

/* Jittered: between 3/4 and 5/4. */
int64_t jittered(int64_t ns);

#endif
