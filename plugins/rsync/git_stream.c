#include "plugins/rsync/git_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <git2/sys/stream.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLICE_MS = 200, DEFAULT_SILENCE_MS = 30000, NS_PER_MS = 1000000, TEXT_SIZE = 256 };

/* NOTE: libgit2's SSH transport reads the socket out of its own git_socket_stream: the first four members mirror it. */
struct stream {
	git_stream parent;
	char      *host, *port;
	int        fd;
	int64_t    silence_ns;
	pthread_t  watcher;                 /* of SSH, while it is connected                */
	bool       has_watcher;
	int        end;                     /* eventfd of the watcher                       */
	emco_call *call;                    /* the watcher leaves when it is cancelled      */
	atomic_bool is_silent;              /* the watcher has shut it for that             */
};

/* The operation of this thread. */
static _Thread_local struct { struct pass *pass; int64_t silence_ns; bool is_ssh, was_silent; } now;

/* The thread waits from now on, or it goes on: others may be wanted meanwhile. */
static void stand(const struct pass *pass, int64_t since_ns)
{
	if (pass != NULL && pass->stands_ns != NULL)
		atomic_store(pass->stands_ns, since_ns);
}

void git_stream_begin(struct pass *pass, int64_t silence_ns, bool is_ssh)
{
	now.pass = pass;
	now.silence_ns = silence_ns;
	now.is_ssh = is_ssh;
	now.was_silent = false;
	stand(pass, now_ns());
}

bool git_stream_end(void)
{
	const bool was_silent = now.was_silent;

	stand(now.pass, 0);
	memset(&now, 0, sizeof now);
	return was_silent;
}

static struct stream *stream_of(git_stream *parent)
{
	return (struct stream *) (void *) parent;
}

/* Say why in libgit2's way.  Returns -1. */
static int refuse(const char *what, const char *why)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof text, "%.40s: %.200s", what, why);
	git_error_set_str(GIT_ERROR_NET, text);
	return -1;
}

static int refuse_errno(const char *what, int number)
{
	const char *why = strerrordesc_np(number);

	return refuse(what, why != NULL ? why : "an unknown error");
}

/* Wait until the socket can be read or written, in slices, so that leases are renewed and a cancelled pass leaves. */
static int wait_for(const struct stream *st, short events, int64_t deadline_ns, const char *what)
{
	char text[TEXT_SIZE];

	while (now_ns() < deadline_ns) {
		struct pollfd fd = { .fd = st->fd, .events = events };
		const int     ready = poll(&fd, 1, SLICE_MS);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return refuse_errno(what, errno);
		if (now.pass != NULL && !pass_alive(now.pass))
			return refuse(what, "cancelled");
	}
	snprintf(text, sizeof text, "nothing for %lld ms", (long long) (st->silence_ns / NS_PER_MS));
	return refuse(what, text);
}

/* -- beside SSH -- */

/* Nothing has come or gone for too long, and nothing that came waits for us to take it. */
static bool is_silent(const struct stream *st)
{
	struct tcp_info info;
	socklen_t       len = sizeof info;
	const int64_t   limit_ms = st->silence_ns / NS_PER_MS;
	int             unread = 0;

	if (getsockopt(st->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || ioctl(st->fd, FIONREAD, &unread) != 0)
		return false;
	return unread == 0 && info.tcpi_last_data_recv >= limit_ms && info.tcpi_last_data_sent >= limit_ms;
}

/* libssh2 stands in poll() without a limit: a socket that is shut wakes it, with an end of file. */
static void *watch(void *data)
{
	struct stream *st = data;
	struct pollfd  end = { .fd = st->end, .events = POLLIN };

	while (poll(&end, 1, SLICE_MS) <= 0) {
		if (st->call != NULL && st->call->cancelled(st->call))
			break;
		if (!is_silent(st))
			continue;
		atomic_store(&st->is_silent, true);
		break;
	}
	if ((end.revents & POLLIN) == 0)
		(void) shutdown(st->fd, SHUT_RDWR);
	return NULL;
}

static int watch_begin(struct stream *st)
{
	st->call = now.pass != NULL ? now.pass->call : NULL;
	st->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	st->has_watcher = st->end >= 0 && pthread_create(&st->watcher, NULL, watch, st) == 0;
	return st->has_watcher ? 0 : refuse("socket", "no thread to watch it");
}

static void watch_end(struct stream *st)
{
	if (st->has_watcher) {
		(void) eventfd_write(st->end, 1);        /* cannot overflow: written once */
		pthread_join(st->watcher, NULL);
		now.was_silent = now.was_silent || atomic_load(&st->is_silent);
	}
	if (st->end >= 0)
		close(st->end);
	st->has_watcher = false;
	st->end = -1;
}

/* -- connecting -- */

static void set_options(int fd)
{
	const int on = 1, user_timeout_ms = 60000, idle_s = 20, interval_s = 10, probes = 3;

	/* Best effort: without them a transfer is slower, or a dead peer is found later. */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

static int connect_one(struct stream *st, const struct addrinfo *at, int64_t deadline_ns)
{
	int       fault = 0;
	socklen_t len = sizeof fault;

	st->fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
	if (st->fd < 0)
		return refuse_errno("socket", errno);
	if (connect(st->fd, at->ai_addr, at->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			return refuse_errno("connect", errno);
		if (wait_for(st, POLLOUT, deadline_ns, "connect") != 0)
			return -1;
		if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0 || fault != 0)
			return refuse_errno("connect", fault != 0 ? fault : errno);
	}

	const int flags = fcntl(st->fd, F_GETFL);
	if (flags < 0 || fcntl(st->fd, F_SETFL, flags & ~O_NONBLOCK) != 0)       /* libssh2 expects it to block */
		return refuse_errno("socket", errno);
	set_options(st->fd);
	return 0;
}

static int stream_close(git_stream *parent)
{
	struct stream *st = stream_of(parent);

	watch_end(st);
	if (st->fd >= 0)
		close(st->fd);
	st->fd = -1;
	return 0;
}

static int stream_connect(git_stream *parent)
{
	struct stream   *st = stream_of(parent);
	struct addrinfo  want = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC }, *found = NULL;
	const int64_t    deadline_ns = now_ns() + st->silence_ns;
	int              result = -1;
	const int        fault = getaddrinfo(st->host, st->port, &want, &found);

	if (fault != 0)
		return refuse("could not find the host", gai_strerror(fault));
	for (const struct addrinfo *at = found; at != NULL && result != 0; at = at->ai_next) {
		result = connect_one(st, at, deadline_ns);
		if (result != 0)
			stream_close(parent);
	}
	freeaddrinfo(found);
	return result == 0 && now.is_ssh ? watch_begin(st) : result;
}

/* -- bytes -- */

static ssize_t stream_read(git_stream *parent, void *data, size_t len)
{
	struct stream *st = stream_of(parent);
	const int64_t  deadline_ns = now_ns() + st->silence_ns;

	for (;;) {
		const ssize_t n = recv(st->fd, data, len, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return refuse_errno("read", errno);
		if (wait_for(st, POLLIN, deadline_ns, "read") != 0)
			return -1;
	}
}

static ssize_t stream_write(git_stream *parent, const char *data, size_t len, int flags)
{
	struct stream *st = stream_of(parent);
	const int64_t  deadline_ns = now_ns() + st->silence_ns;

	for (;;) {
		const ssize_t n = send(st->fd, data, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return refuse_errno("write", errno);
		if (wait_for(st, POLLOUT, deadline_ns, "write") != 0)
			return -1;
	}
}

static void stream_free(git_stream *parent)
{
	struct stream *st = stream_of(parent);

	stream_close(parent);
	free(st->host);
	free(st->port);
	free(st);
}

static int stream_new(git_stream **out, const char *host, const char *port)
{
	struct stream *st = calloc(1, sizeof *st);

	if (st == NULL)
		return refuse("socket", "out of memory");
	*st = (struct stream) {
		.parent = { .version = GIT_STREAM_VERSION, .connect = stream_connect, .read = stream_read,
		            .write = stream_write, .close = stream_close, .free = stream_free },
		.host = strdup(host), .port = strdup(port), .fd = -1, .end = -1,
		.silence_ns = now.silence_ns > 0 ? now.silence_ns : (int64_t) DEFAULT_SILENCE_MS * NS_PER_MS,
	};
	if (st->host == NULL || st->port == NULL) {
		stream_free(&st->parent);
		return refuse("socket", "out of memory");
	}
	*out = &st->parent;
	return 0;
}

int git_stream_offer(void)
{
	git_stream_registration ours = { .version = GIT_STREAM_VERSION, .init = stream_new };

	return git_stream_register(GIT_STREAM_STANDARD, &ours);
}
