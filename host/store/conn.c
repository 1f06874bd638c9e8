#include "host/store/db_priv.h"

#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/*
 * A statement of ours never needs a table scan that an index could save, and plans are made while tables are small: without
 * this the first plan of an empty table would be kept while the table grows.  Both foreign-key checks and our own prepared
 * statements profit.  Nor does the best plan of any depend on its parameters: to plan it anew each time, as the server does
 * when its statistics say so, may take as long as the statement.
 *
 * A server whose client is gone stops within a second: so a statement is cancelled by closing its connection (query_abandon).
 */
static const char session_sql[] =
	"SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan; "
	"SET client_connection_check_interval = '1s'; SET idle_in_transaction_session_timeout = '1min'; "
	"SET default_transaction_isolation = 'read committed'";

static void log_notice(void *data, const PGresult *result)
{
	(void) data;
	log_debug("db.notice", "text", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* libpq's words end in a newline, and may hold several lines; a log value wants one. */
static void log_conn_fault(const char *event, const PGconn *conn)
{
	char   text[512];
	size_t len = (size_t) snprintf(text, sizeof text, "%s", PQerrorMessage(conn));

	if (len >= sizeof text)
		len = sizeof text - 1;
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	log_warning(event, "text", text);
}

static bool wait_for(PGconn *conn, short events, int64_t deadline_ns)
{
	struct pollfd fd = { .fd = PQsocket(conn), .events = events };

	if (fd.fd < 0)
		return false;
	for (;;) {
		const int n = poll(&fd, 1, deadline_left_ms(deadline_ns));
		if (n > 0)
			return true;
		if (n == 0 && deadline_past(deadline_ns))
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

static bool connect_within(PGconn *conn, int64_t deadline_ns)
{
	short events = POLLOUT;

	for (;;) {
		if (PQstatus(conn) == CONNECTION_BAD || !wait_for(conn, events, deadline_ns))
			return false;
		switch (PQconnectPoll(conn)) {
		case PGRES_POLLING_OK:      return true;
		case PGRES_POLLING_READING: events = POLLIN; break;
		case PGRES_POLLING_WRITING: events = POLLOUT; break;
		default:                    return false;
		}
	}
}

enum status conn_open(const char *conninfo, int64_t deadline_ns, PGconn **ret_conn, struct error *err)
{
	/* What stands before "dbname" is a default that conninfo may override; what stands after it is not. */
	static const char *const names[] = { "fallback_application_name", "keepalives_idle", "keepalives_interval",
	                                     "keepalives_count", "tcp_user_timeout", "dbname", "client_encoding", NULL };
	const char *const values[] = { "emcod", "10", "5", "3", "15000", conninfo, "UTF8", NULL };
	PGconn *conn = PQconnectStartParams(names, values, 1);

	if (conn == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	PQsetNoticeReceiver(conn, log_notice, NULL);
	if (!connect_within(conn, deadline_ns) || PQsetnonblocking(conn, 1) != 0 ||
	    !conn_run(conn, session_sql, deadline_ns)) {
		log_conn_fault("db.connect_failed", conn);
		PQfinish(conn);
		fail(err, ST_UNAVAILABLE, "the database does not answer");
		return fail_hint(err, "Try again in a moment.");
	}
	*ret_conn = conn;
	return ST_OK;
}

bool conn_wait(PGconn *conn, int64_t deadline_ns)
{
	return wait_for(conn, POLLIN, deadline_ns) && PQconsumeInput(conn) == 1;
}

bool conn_flush(PGconn *conn, int64_t deadline_ns)
{
	for (;;) {
		const int left = PQflush(conn);
		if (left <= 0)
			return left == 0;
		/* The server may be unable to read because nobody reads what it writes: take both directions. */
		if (!wait_for(conn, POLLIN | POLLOUT, deadline_ns) || PQconsumeInput(conn) != 1)
			return false;
	}
}

bool conn_result(PGconn *conn, int64_t deadline_ns, PGresult **ret_result)
{
	if (!conn_flush(conn, deadline_ns))
		return false;
	while (PQisBusy(conn))
		if (!conn_wait(conn, deadline_ns))
			return false;
	*ret_result = PQgetResult(conn);
	return true;
}

bool conn_run(PGconn *conn, const char *sql, int64_t deadline_ns)
{
	PGresult *result = NULL;
	bool      is_good = true;

	if (PQsendQuery(conn, sql) != 1)
		return false;
	for (;;) {
		if (!conn_result(conn, deadline_ns, &result))
			return false;
		if (result == NULL)
			return is_good;
		const ExecStatusType status = PQresultStatus(result);
		is_good = is_good && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
		PQclear(result);
	}
}

bool conn_is_near(const PGconn *conn)
{
	struct sockaddr_storage peer;
	socklen_t               len = sizeof peer;

	return getpeername(PQsocket(conn), (struct sockaddr *) &peer, &len) == 0 && address_is_near(&peer);
}

bool conn_is_alive(PGconn *conn)
{
	struct pollfd fd = { .fd = PQsocket(conn), .events = POLLIN };

	if (PQstatus(conn) != CONNECTION_OK || fd.fd < 0)
		return false;
	if (poll(&fd, 1, 0) <= 0)
		return true;
	/* Something came unasked: a notice, or the end.  libpq tells them apart. */
	return (fd.revents & (POLLERR | POLLNVAL)) == 0 && PQconsumeInput(conn) == 1 && PQstatus(conn) == CONNECTION_OK &&
	       ((fd.revents & POLLHUP) == 0);
}
