/*
 * events_priv.h - between the two threads of events: topics, which one renders and the other sends.
 */
#ifndef HOST_API_EVENTS_PRIV_H
#define HOST_API_EVENTS_PRIV_H

#include "host/api/events.h"
#include "host/api/request.h"
#include "host/store/action.h"
#include "host/store/unit.h"

#include <pthread.h>
#include <sys/queue.h>

enum { EVENT_ID_SIZE = 33 };

/* What a client wants, as its request's head says. */
struct event_wish {
	const char *target;                      /* within the head            */
	char        last_id[EVENT_ID_SIZE];      /* Last-Event-ID; "": none    */
	char        id[REQUEST_ID_SIZE];         /* X-Request-Id, or a new one */
	bool        is_problem;                  /* faults as problem documents */
};

/* The whole head of a request, with its empty line; changed in place.  False: no GET of HTTP/1, and the wish has no target. */
bool event_wish_read(char *head, struct event_wish *ret_wish);

/* Bytes on their way, shared by all streams that send them. */
struct frame {
	atomic_uint refs;
	size_t      len, text_at, text_len;      /* the text stands in data                     */
	char        data[];
};

struct frame *frame_new(const char *before, struct view text, const char *after);      /* NULL: out of memory */
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame);                  /* accepts NULL */

/* For the caller to unref; NULL: out of memory.  The head of a stream, its last event, an answer instead of a stream. */
struct frame *frame_head(const char *id);
struct frame *frame_end(const char *why);
struct frame *frame_fault(const struct error *fault, const char *id, bool is_problem);

/* What one or more streams watch: a path and its query, word for word. */
struct topic {
	struct topic *next;
	const char   *key;
	/* Guarded by events.lock. */
	unsigned      watchers;
	bool          has_news;        /* and stands in events.news                               */
	TAILQ_ENTRY(topic) news;
	struct frame *frame;           /* the newest event; NULL: none yet                        */
	uint64_t      serial;          /* of it                                                   */
	char          id[EVENT_ID_SIZE];
	bool          is_over;         /* there will be no other: fault says why                  */
	struct error  fault;
	/* The wire's. */
	LIST_HEAD(, stream) streams;
	/* The renderer's. */
	struct arena  arena;
	const struct endpoint *endpoint;
	struct view   path;
	struct ask_parameter *parameters;
	size_t        parameter_count;
	int64_t       owner, version, rendered_ns;
	struct action last;
};

struct events {
	struct api     *api;
	int             listen_fd, wake_fd;
	pthread_t       renderer, wire;
	bool            has_renderer, has_wire;
	atomic_bool     is_stopping;
	pthread_mutex_t lock;          /* guards the list of topics and what it says above        */
	struct topic   *topics;
	TAILQ_HEAD(, topic) news;      /* those whose streams have not been told the newest       */
};

/* Of the request line's target; a new topic is rendered soon.  ST_NOT_FOUND, ST_INVALID: nothing to watch there. */
enum status MUST_CHECK topic_join(struct events *events, const char *target, struct topic **ret_topic, struct error *err);
void topic_leave(struct events *events, struct topic *topic);

/* The next topic with news, which then has none.  For the wire, whose streams keep it.  NULL: none. */
struct topic *topic_next_news(struct events *events);

void *events_wire(void *events);       /* events_wire.c: the thread that has the sockets */

#endif
