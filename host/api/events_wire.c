/* The sockets of the streams: one thread, which never waits for one of them. */
#include "host/api/events_priv.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEAD_MAX = 8192, HEAD_MS = 5000, STALL_MS = 5000, KEEP_ALIVE_MS = 15000, TICK_MS = 250, AT_ONCE = 64,
	FRAME_MS = 60000,                       /* who takes one event in drops is too slow                    */
	LINGER_MS = 1000, LINGER_BYTES = 1 << 18,
	SEND_BYTES = 1 << 16, SPARE = 256,      /* connections that watch nothing: yet, or any more            */
};

enum phase { PHASE_HEAD, PHASE_FIRST, PHASE_STREAM, PHASE_LINGER };

struct stream {
	LIST_ENTRY(stream) link;                         /* in wire.streams, or in wire.dead                          */
	LIST_ENTRY(stream) watching;                     /* in topic->streams                                         */
	int            fd;
	enum phase     phase;
	bool           is_last, is_blocked, is_dead;     /* out is the last; the socket takes no more; to be closed   */
	char          *head;                             /* of the request, while it comes                            */
	struct event_wish wish;                          /* its target is gone with the head                          */
	size_t         head_len, sent, lingered;
	struct topic  *topic;
	struct frame  *out;
	uint64_t       serial;
	int64_t        moved_ns;                         /* when something last went in or out                        */
	int64_t        begun_ns;                         /* when out began                                            */
};

struct wire {
	struct events *events;
	int            epoll_fd;
	LIST_HEAD(, stream) streams, dead;               /* the dead: closed when none is being looked at             */
	int64_t        round_ns;                         /* when all were last looked at                              */
	size_t         count, watching;                  /* connections; of these, those that have a topic            */
	int64_t        deaf_ns;                          /* since when none is taken; 0                               */
	bool           is_full;                          /* because of SPARE: else there is no descriptor             */
	struct frame  *keep_alive;
};

static bool is_past(int64_t since_ns, int64_t ms)
{
	return clock_ns() - since_ns > ms * 1000000;
}

/* -- what is sent ----------------------------------------------------------------------------------------------------- */

/* What comes next on it; NULL: nothing now, or, when it is marked, never. */
static struct frame *next_frame(struct wire *wire, struct stream *stream)
{
	struct events *events = wire->events;
	struct topic  *topic = stream->topic;
	struct frame  *next = NULL;
	struct error   fault = { .code = ST_OK };
	bool           is_over = false, is_begun = false;

	pthread_mutex_lock(&events->lock);
	is_begun = topic->serial > 0;
	if (stream->phase == PHASE_STREAM && stream->serial == 0 && is_begun && strcmp(stream->wish.last_id, topic->id) == 0)
		stream->serial = topic->serial;
	if (stream->phase == PHASE_STREAM && topic->serial != stream->serial) {
		next = frame_ref(topic->frame);
		stream->serial = topic->serial;
	} else if (topic->is_over) {
		is_over = true;
		fault = topic->fault;
	}
	pthread_mutex_unlock(&events->lock);

	if (next != NULL)
		return next;
	if (stream->phase == PHASE_FIRST && is_begun && !is_over) {
		stream->phase = PHASE_STREAM;
		next = frame_head(stream->wish.id);
		stream->is_dead = next == NULL;
		return next;
	}
	if (is_over) {
		stream->is_last = true;
		next = stream->phase == PHASE_FIRST ? frame_fault(&fault, stream->wish.id, stream->wish.is_problem) : frame_end(fault.text);
		stream->is_dead = next == NULL;
		return next;
	}
	if (stream->phase == PHASE_STREAM && is_past(stream->moved_ns, KEEP_ALIVE_MS))
		return frame_ref(wire->keep_alive);
	return NULL;
}

static void watch_for(struct wire *wire, struct stream *stream, bool is_blocked)
{
	struct epoll_event event = { .events = EPOLLIN | (is_blocked ? EPOLLOUT : 0u), .data.ptr = stream };

	if (stream->is_blocked != is_blocked && epoll_ctl(wire->epoll_fd, EPOLL_CTL_MOD, stream->fd, &event) != 0)
		stream->is_dead = true;
	stream->is_blocked = is_blocked;
}

/*
 * The last has been sent.  NOTE: a socket that is closed with bytes unread answers them with a reset, which may overtake
 * what was sent: so what still comes is taken in, a little while.
 */
static void linger(struct stream *stream)
{
	stream->phase = PHASE_LINGER;
	stream->begun_ns = clock_ns();
	stream->is_dead |= shutdown(stream->fd, SHUT_WR) != 0;
}

/* Send what there is, as much as the socket takes. */
static void pump(struct wire *wire, struct stream *stream)
{
	while (!stream->is_dead && stream->phase != PHASE_LINGER) {
		if (stream->out == NULL) {
			if (stream->topic == NULL || (stream->out = next_frame(wire, stream)) == NULL)
				return;
			stream->sent = 0;
			stream->begun_ns = clock_ns();
		}
		const ssize_t n = send(stream->fd, stream->out->data + stream->sent, stream->out->len - stream->sent,
		                       MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			const bool is_full = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
			stream->is_dead = !is_full || is_past(stream->moved_ns, STALL_MS) || is_past(stream->begun_ns, FRAME_MS);
			watch_for(wire, stream, true);
			return;
		}
		stream->sent += (size_t) n;
		stream->moved_ns = clock_ns();
		if (stream->sent < stream->out->len)
			continue;
		frame_unref(stream->out);
		stream->out = NULL;
		watch_for(wire, stream, false);
		if (stream->is_last) {
			linger(stream);
			return;
		}
	}
}

/* -- what comes ------------------------------------------------------------------------------------------------------- */

static void refuse(struct wire *wire, struct stream *stream, const struct error *fault)
{
	stream->out = frame_fault(fault, stream->wish.id, stream->wish.is_problem);
	stream->sent = 0;
	stream->begun_ns = clock_ns();
	stream->is_last = true;
	stream->is_dead = stream->out == NULL;
	pump(wire, stream);
}

static void begin(struct wire *wire, struct stream *stream)
{
	struct error fault = { .code = ST_OK };
	enum status  st = ST_OK;

	if (!event_wish_read(stream->head, &stream->wish))
		st = fail(&fault, ST_INVALID, "only GET of a status with \"watch=true\" is served here");
	else if (wire->watching >= wire->events->api->options.event_streams)
		st = fail(&fault, ST_UNAVAILABLE, "%u event streams are open already", wire->events->api->options.event_streams);
	else
		st = topic_join(wire->events, stream->wish.target, &stream->topic, &fault);
	if (stream->topic != NULL) {
		LIST_INSERT_HEAD(&stream->topic->streams, stream, watching);
		wire->watching++;
	}
	free(stream->head);
	stream->head = NULL;
	stream->wish.target = NULL;
	stream->phase = PHASE_FIRST;
	if (st != ST_OK)
		refuse(wire, stream, &fault);
	else
		pump(wire, stream);
}

/* Of a stream that runs nothing is expected but its end. */
static void take_in(struct wire *wire, struct stream *stream)
{
	char          scrap[1024];
	const bool    is_head = stream->phase == PHASE_HEAD;
	char         *to = is_head ? stream->head + stream->head_len : scrap;
	const ssize_t n = recv(stream->fd, to, is_head ? HEAD_MAX - stream->head_len : sizeof scrap, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
		stream->is_dead = true;
		return;
	}
	if (n < 0)
		return;
	if (stream->phase == PHASE_LINGER || stream->is_last) {
		stream->is_dead = (stream->lingered += (size_t) n) > LINGER_BYTES;
		return;
	}
	if (!is_head) {
		stream->is_dead = true;
		return;
	}
	stream->head_len += (size_t) n;
	stream->head[stream->head_len] = '\0';
	if (memchr(to, '\0', (size_t) n) != NULL || (stream->head_len == HEAD_MAX && strstr(stream->head, "\r\n\r\n") == NULL)) {
		struct error fault;
		stream->phase = PHASE_FIRST;
		request_choose_id(NULL, stream->wish.id);
		IGNORE(fail(&fault, ST_INVALID, "the request's head must be text of at most %d bytes", HEAD_MAX));
		refuse(wire, stream, &fault);
	} else if (strstr(stream->head, "\r\n\r\n") != NULL) {
		begin(wire, stream);
	}
}

/* -- connections ------------------------------------------------------------------------------------------------------ */

static void stream_free(struct wire *wire, struct stream *stream)
{
	LIST_REMOVE(stream, link);
	if (stream->topic != NULL) {
		LIST_REMOVE(stream, watching);
		topic_leave(wire->events, stream->topic);
		wire->watching--;
	}
	shutdown(stream->fd, SHUT_RDWR);
	close(stream->fd);
	frame_unref(stream->out);
	free(stream->head);
	free(stream);
	wire->count--;
}

static void accept_one(struct wire *wire, int fd)
{
	struct stream     *stream = calloc(1, sizeof *stream);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = stream };

	if (stream == NULL || (stream->head = malloc(HEAD_MAX + 1)) == NULL
	    || epoll_ctl(wire->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		free(stream == NULL ? NULL : stream->head);
		free(stream);
		close(fd);
		return;
	}
	/* What the kernel keeps for a stream is bounded, and known to be. */
	IGNORE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int) { SEND_BYTES }, sizeof(int)));
	IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int)));
	stream->fd = fd;
	stream->moved_ns = clock_ns();
	LIST_INSERT_HEAD(&wire->streams, stream, link);
	wire->count++;
}

static bool has_room(const struct wire *wire)
{
	return wire->count - wire->watching < SPARE;
}

static void listen_for(struct wire *wire, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = &wire->events->listen_fd };

	IGNORE(epoll_ctl(wire->epoll_fd, EPOLL_CTL_MOD, wire->events->listen_fd, &event) == 0);
	wire->deaf_ns = events == 0 ? clock_ns() : 0;
}

/*
 * All who watched a process that has ended come at once: those there is no room for yet wait, and are not turned away.
 * NOTE: who waits stays ready to be taken: without room or a descriptor for him we would be told without end.
 */
static void accept_all(struct wire *wire)
{
	for (int fd; has_room(wire) && (fd = accept4(wire->events->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
		accept_one(wire, fd);
	wire->is_full = !has_room(wire);
	if (wire->is_full) {
		listen_for(wire, 0);
		return;
	}
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED)
		listen_for(wire, 0);
}

/* Whoever is dead stays until all that may still speak of him is done with. */
static void settle(struct wire *wire, struct stream *stream)
{
	if (!stream->is_dead)
		return;
	LIST_REMOVE(stream, link);
	LIST_INSERT_HEAD(&wire->dead, stream, link);
}

static void bury(struct wire *wire)
{
	while (!LIST_EMPTY(&wire->dead))
		stream_free(wire, LIST_FIRST(&wire->dead));
}

static void tell_news(struct wire *wire)
{
	struct topic  *topic;
	struct stream *stream;

	while ((topic = topic_next_news(wire->events)) != NULL) {
		LIST_FOREACH(stream, &topic->streams, watching) {
			if (stream->is_dead)
				continue;
			pump(wire, stream);
			settle(wire, stream);
		}
	}
}

/* Whoever has heard nothing for long is told that we are there; whoever is late goes. */
static void go_round(struct wire *wire)
{
	struct stream *next;

	for (struct stream *stream = LIST_FIRST(&wire->streams); stream != NULL; stream = next) {
		next = LIST_NEXT(stream, link);
		pump(wire, stream);
		if ((stream->phase == PHASE_HEAD && is_past(stream->moved_ns, HEAD_MS))
		    || (stream->phase == PHASE_LINGER && is_past(stream->begun_ns, LINGER_MS)))
			stream->is_dead = true;
		settle(wire, stream);
	}
	wire->round_ns = clock_ns();
}

static void end_all(struct wire *wire)
{
	struct stream *stream;

	while ((stream = LIST_FIRST(&wire->streams)) != NULL) {
		struct frame *end = stream->phase == PHASE_STREAM && stream->out == NULL ? frame_end("the server stops") : NULL;
		if (end != NULL)
			IGNORE(send(stream->fd, end->data, end->len, MSG_NOSIGNAL | MSG_DONTWAIT) == 0);
		frame_unref(end);
		stream_free(wire, stream);
	}
}

static void handle(struct wire *wire, const struct epoll_event *event)
{
	eventfd_t count;

	if (event->data.ptr == &wire->events->listen_fd) {
		accept_all(wire);
	} else if (event->data.ptr == &wire->events->wake_fd) {
		IGNORE(eventfd_read(wire->events->wake_fd, &count) == 0);
		tell_news(wire);
	} else {
		struct stream *stream = event->data.ptr;
		if (stream->is_dead)
			return;
		if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
			take_in(wire, stream);
		if ((event->events & EPOLLOUT) != 0)
			pump(wire, stream);
		settle(wire, stream);
	}
}

void *events_wire(void *data)
{
	struct wire        wire = { .events = data, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	struct epoll_event listening = { .events = EPOLLIN, .data.ptr = &wire.events->listen_fd };
	struct epoll_event waking = { .events = EPOLLIN, .data.ptr = &wire.events->wake_fd };
	struct epoll_event ready[AT_ONCE];

	wire.keep_alive = frame_new(": keep-alive\n\n", VIEW(""), "");
	if (wire.epoll_fd < 0 || wire.keep_alive == NULL
	    || epoll_ctl(wire.epoll_fd, EPOLL_CTL_ADD, wire.events->listen_fd, &listening) != 0
	    || epoll_ctl(wire.epoll_fd, EPOLL_CTL_ADD, wire.events->wake_fd, &waking) != 0) {
		log_error("events.failed", "error", strerror(errno));
	} else {
		while (!atomic_load(&wire.events->is_stopping)) {
			const int count = epoll_wait(wire.epoll_fd, ready, AT_ONCE, TICK_MS);
			for (int i = 0; i < count; i++)
				handle(&wire, &ready[i]);
			if (is_past(wire.round_ns, TICK_MS))
				go_round(&wire);
			bury(&wire);
			if (wire.deaf_ns != 0 && has_room(&wire) && (wire.is_full || is_past(wire.deaf_ns, TICK_MS)))
				listen_for(&wire, EPOLLIN);
		}
	}
	end_all(&wire);
	frame_unref(wire.keep_alive);
	if (wire.epoll_fd >= 0)
		close(wire.epoll_fd);
	return NULL;
}
