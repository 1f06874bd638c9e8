/*
 * stub.h - many API servers in one process, as fast as they can be: what synchronisers are measured against.
 *
 * stub.c has the hosts, their listeners and the orders of whoever measures; stub_http.c speaks TLS and HTTP/2;
 * stub_objects.c knows what an API server answers.  One thread, so nothing is locked.
 */
#ifndef TESTS_BENCH_STUB_H
#define TESTS_BENCH_STUB_H

#include "lib/base/buf.h"

#include <sys/queue.h>

struct conn;

/* What a readiness is about: the first member of what epoll keeps. */
enum ready_what { READY_HOST, READY_CONN, READY_ORDERS };

/* One request, and what goes back. */
struct stream {
	LIST_ENTRY(stream) link;             /* of its host's watches                                          */
	struct conn *conn;
	struct host *host;
	int32_t      id;
	bool         is_watch, is_deferred;
	char         method[8];
	struct buf   path, body;
	struct buf   out;
	size_t       out_at;
};

/* An API server. */
struct host {
	enum ready_what what;
	int          listener;
	unsigned     port;
	bool         is_frozen;              /* takes nothing and says nothing                                 */
	void        *objects;                /* tree of what was applied, by path                              */
	LIST_HEAD(, stream) watches;
	LIST_HEAD(, conn)   conns;
	uint64_t     applies, requests;
	int64_t      first_ns, last_ns;      /* of the applies; real time                                      */
	uint64_t     events_left;            /* of pods, to be sent                                            */
	unsigned     next_pod;
};

/* -- stub.c -- */

/* Pods that every host has, by a formula: they carry label, and turn says which of them are ready. */
extern struct pods { unsigned count, turn; char label[64]; uint64_t sent; int64_t first_ns, last_ns; } pods;

int64_t now_real_ns(void);
void    epoll_add(int fd, void *data);
void    epoll_remove(int fd);

/* -- stub_http.c -- */

void http_init(const char *certificate, const char *key);
void conn_accept(struct host *host);
void conn_ready(struct conn *conn);                      /* its socket has something, or room                  */
void host_freeze(struct host *host, bool is_frozen);
void stream_answer(struct stream *stream, int code);     /* with what is in out; a watch goes on               */
void stream_more(struct stream *stream);                 /* a watch's out has more                             */

/* -- stub_objects.c -- */

void  objects_answer(struct stream *stream);
bool  objects_next_event(struct stream *watch);          /* one more pod event into out; false: none           */
bool  objects_watches_pods(const struct stream *watch);
void  pod_event(struct buf *out, unsigned pod, bool is_ready);
const char *object_text(struct host *host, const char *path);          /* NULL: not there                          */

#endif
