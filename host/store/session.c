/* A thread with a connection of its own, which comes back by itself when the database does. */
#include "host/store/store_priv.h"

#include "lib/base/clock.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000 };

struct session {
	const struct session_work *work;
	void        *data;
	char        *conninfo;
	PGconn      *conn;               /* the thread's, once it runs; NULL while the database is away */
	int          wake;               /* eventfd: there is something to do, or it is time to stop    */
	pthread_t    thread;
	bool         has_thread;
	_Atomic bool is_stopping;
};

static enum status connect_and_begin(struct session *session, int64_t deadline_ns, struct error *err)
{
	enum status st = conn_open(session->conninfo, deadline_ns, &session->conn, err);

	if (st != ST_OK)
		return st;
	st = session->work->begin(session->data, session->conn, deadline_ns, err);
	if (st != ST_OK) {
		PQfinish(session->conn);
		session->conn = NULL;
	}
	return st;
}

/* Sleep until the connection says something, somebody wakes us, or the time is over. */
static void rest(struct session *session, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = session->wake, .events = POLLIN },
		{ .fd = session->conn != NULL ? PQsocket(session->conn) : -1, .events = POLLIN },
	};
	eventfd_t count;

	if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && fds[0].revents != 0)
		(void) eventfd_read(session->wake, &count);      /* only a wake-up: the owner knows what it is about */
}

/* Also right after it has begun: what could not be said on the last connection is said on this one. */
static void go_on(struct session *session)
{
	while (!session->is_stopping) {
		if (!session->work->turn(session->data, session->conn)) {
			session->work->lost(session->data);
			PQfinish(session->conn);
			session->conn = NULL;
			return;
		}
		rest(session, -1);
	}
}

static void *run(void *data)
{
	struct session *session = data;
	int backoff_ms = BACKOFF_FIRST_MS;

	go_on(session);
	while (!session->is_stopping) {
		if (connect_and_begin(session, deadline_in_ms(CONNECT_MS), NULL) == ST_OK) {
			backoff_ms = BACKOFF_FIRST_MS;
			go_on(session);
			continue;
		}
		/* Whoever wakes us has nothing for a database that is away: only the end cuts this short. */
		const int64_t until_ns = deadline_in_ms(backoff_ms);
		while (!session->is_stopping && !deadline_past(until_ns))
			rest(session, deadline_left_ms(until_ns));
		backoff_ms = backoff_ms < BACKOFF_MOST_MS ? 2 * backoff_ms : BACKOFF_MOST_MS;
	}
	return NULL;
}

static enum status start(struct session *session, int64_t deadline_ns, struct error *err)
{
	if (session->conninfo == NULL || session->wake < 0)
		return fail(err, ST_NO_MEMORY, "out of memory");
	enum status st = connect_and_begin(session, deadline_ns, err);
	if (st == ST_OK && pthread_create(&session->thread, NULL, run, session) != 0)
		return fail(err, ST_NO_MEMORY, "out of threads");
	session->has_thread = st == ST_OK;
	return st;
}

enum status session_open(const char *conninfo, const struct session_work *work, void *data, int64_t deadline_ns,
                         struct session **ret_session, struct error *err)
{
	struct session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	session->work = work;
	session->data = data;
	session->conninfo = strdup(conninfo);
	session->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const enum status st = start(session, deadline_ns, err);
	if (st != ST_OK) {
		session_close(session);
		return st;
	}
	*ret_session = session;
	return ST_OK;
}

void session_wake(struct session *session)
{
	(void) eventfd_write(session->wake, 1);                  /* it may be full: then it is readable, which is enough */
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	session->is_stopping = true;
	if (session->has_thread) {
		session_wake(session);
		pthread_join(session->thread, NULL);
	}
	PQfinish(session->conn);
	if (session->wake >= 0)
		close(session->wake);
	free(session->conninfo);
	free(session);
}
