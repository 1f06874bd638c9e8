/*
 * Wake-ups between processes.  A NOTIFY inside a write transaction takes a lock that serialises all commits, so nobody
 * sends one there: this connection sends what has gathered, each channel once, however often it was named.
 */
#include "host/store/store_priv.h"

#include "host/store/db_priv.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONNECT_MS = 5000, SEND_MS = 5000, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000,
	GATHER_MS  = 2               /* between two sends: bounds what a busy process costs the others */
};

/* Losing the last wake-up in a crash of the database loses nothing: everybody looks again after a restart. */
static const char listen_sql[] = "SET synchronous_commit = off; LISTEN emcod";

struct notifier {
	char           *conninfo;
	PGconn         *conn;            /* the thread's, once it runs                                  */
	int             wake;            /* eventfd: something gathered, or it is time to stop          */
	pthread_t       thread;
	bool            has_thread;
	_Atomic bool    is_stopping;
	_Atomic uint32_t gathered;       /* a bit for each channel                                      */

	pthread_mutex_t lock;            /* guards told                                                 */
	pthread_cond_t  changed;
	uint64_t        told[CHANNEL_COUNT];
};

static void tell(struct notifier *notifier, uint32_t channels)
{
	pthread_mutex_lock(&notifier->lock);
	for (unsigned i = 0; i < CHANNEL_COUNT; i++)
		if ((channels >> i & 1) != 0)
			notifier->told[i]++;
	pthread_cond_broadcast(&notifier->changed);
	pthread_mutex_unlock(&notifier->lock);
}

/* What others sent; our own words have reached our waiters already. */
static bool hear(struct notifier *notifier)
{
	const int self = PQbackendPID(notifier->conn);
	uint32_t  channels = 0;

	if (!conn_is_alive(notifier->conn))
		return false;
	for (PGnotify *note; (note = PQnotifies(notifier->conn)) != NULL; PQfreemem(note)) {
		const unsigned channel = (unsigned) (note->extra[0] - '0');
		if (note->be_pid != self && channel < CHANNEL_COUNT)
			channels |= 1u << channel;
	}
	if (channels != 0)
		tell(notifier, channels);
	return true;
}

static bool send_gathered(struct notifier *notifier)
{
	const uint32_t channels = atomic_exchange(&notifier->gathered, 0);
	char           sql[CHANNEL_COUNT * sizeof "NOTIFY emcod, '0';" + 1] = "";
	size_t         len = 0;

	if (channels == 0)
		return true;
	for (unsigned i = 0; i < CHANNEL_COUNT; i++)
		if ((channels >> i & 1) != 0)
			len += (size_t) snprintf(sql + len, sizeof sql - len, "NOTIFY emcod, '%u';", i);
	if (conn_run(notifier->conn, sql, deadline_in_ms(SEND_MS)))
		return true;
	notifier->gathered |= channels;              /* said again on the next connection */
	return false;
}

static void rest(struct notifier *notifier, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = notifier->wake, .events = POLLIN },
		{ .fd = notifier->conn != NULL ? PQsocket(notifier->conn) : -1, .events = POLLIN },
	};
	eventfd_t count;

	if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && fds[0].revents != 0)
		(void) eventfd_read(notifier->wake, &count);      /* only a wake-up: what it is about stands in gathered */
}

static bool reconnect(struct notifier *notifier)
{
	const int64_t deadline_ns = deadline_in_ms(CONNECT_MS);

	if (conn_open(notifier->conninfo, deadline_ns, &notifier->conn, NULL) != ST_OK)
		return false;
	if (conn_run(notifier->conn, listen_sql, deadline_ns))
		return true;
	PQfinish(notifier->conn);
	notifier->conn = NULL;
	return false;
}

static void *run(void *data)
{
	struct notifier *notifier = data;
	int backoff_ms = BACKOFF_FIRST_MS;

	while (!notifier->is_stopping) {
		if (notifier->conn == NULL && !reconnect(notifier)) {
			rest(notifier, backoff_ms);
			backoff_ms = backoff_ms < BACKOFF_MOST_MS ? 2 * backoff_ms : BACKOFF_MOST_MS;
			continue;
		}
		if (backoff_ms != BACKOFF_FIRST_MS) {         /* deaf for a while: everybody looks for himself */
			backoff_ms = BACKOFF_FIRST_MS;
			tell(notifier, UINT32_MAX);
		}
		if (notifier->gathered == 0)
			rest(notifier, -1);
		if (!send_gathered(notifier) || !hear(notifier)) {
			log_warning("store.notify_lost");
			PQfinish(notifier->conn);
			notifier->conn = NULL;
			backoff_ms = BACKOFF_FIRST_MS + 1;
		}
		nanosleep(&(struct timespec) { 0, GATHER_MS * 1000000L }, NULL);
	}
	return NULL;
}

static enum status start(struct notifier *notifier, int64_t deadline_ns, struct error *err)
{
	enum status st = conn_open(notifier->conninfo, deadline_ns, &notifier->conn, err);

	if (st == ST_OK && !conn_run(notifier->conn, listen_sql, deadline_ns))
		st = fail(err, ST_UNAVAILABLE, "the database does not answer");
	if (st == ST_OK && pthread_create(&notifier->thread, NULL, run, notifier) != 0)
		st = fail(err, ST_NO_MEMORY, "out of threads");
	notifier->has_thread = st == ST_OK;
	return st;
}

enum status notifier_open(const char *conninfo, int64_t deadline_ns, struct notifier **ret_notifier, struct error *err)
{
	struct notifier *notifier = calloc(1, sizeof *notifier);

	if (notifier == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&notifier->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);

	notifier->conninfo = strdup(conninfo);
	notifier->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum status st = notifier->conninfo == NULL || notifier->wake < 0 ? fail(err, ST_NO_MEMORY, "out of memory")
	                                                                  : start(notifier, deadline_ns, err);
	if (st != ST_OK) {
		notifier_close(notifier);
		return st;
	}
	*ret_notifier = notifier;
	return ST_OK;
}

void notifier_close(struct notifier *notifier)
{
	if (notifier == NULL)
		return;
	notifier->is_stopping = true;
	if (notifier->has_thread) {
		(void) eventfd_write(notifier->wake, 1);          /* it may be full: then it is readable, which is enough */
		pthread_join(notifier->thread, NULL);
	}
	PQfinish(notifier->conn);
	if (notifier->wake >= 0)
		close(notifier->wake);
	pthread_cond_destroy(&notifier->changed);
	pthread_mutex_destroy(&notifier->lock);
	free(notifier->conninfo);
	free(notifier);
}

void store_notify(struct store *store, enum channel channel)
{
	struct notifier *notifier = store->notifier;
	const uint32_t   bit = 1u << channel;

	tell(notifier, bit);
	if ((atomic_fetch_or(&notifier->gathered, bit) & bit) == 0)
		(void) eventfd_write(notifier->wake, 1);
}

bool store_wait(struct store *store, enum channel channel, uint64_t *seen, int64_t deadline_ns)
{
	struct notifier      *notifier = store->notifier;
	const struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };

	pthread_mutex_lock(&notifier->lock);
	while (notifier->told[channel] == *seen)
		if (pthread_cond_timedwait(&notifier->changed, &notifier->lock, &until) != 0)
			break;
	const bool is_told = notifier->told[channel] != *seen;
	*seen = notifier->told[channel];
	pthread_mutex_unlock(&notifier->lock);
	return is_told;
}
