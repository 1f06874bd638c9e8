/*
 * Wake-ups between processes.  A NOTIFY inside a write transaction takes a lock that serialises all commits, so nobody
 * sends one there: this connection sends what has gathered, each channel once, however often it was named.
 */
#include "host/store/store_priv.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdatomic.h>

enum {
	SEND_MS   = 5000,
	GATHER_MS = 2                /* between two sends: bounds what a busy process costs the others */
};

/* Losing the last wake-up in a crash of the database loses nothing: everybody looks again after a restart. */
static const char listen_sql[] = "SET synchronous_commit = off; LISTEN emcod";

struct notifier {
	struct session  *session;
	_Atomic uint32_t gathered;       /* a bit for each channel                                      */
	bool             is_deaf;        /* the thread's: it has lost a connection, and so what was said meanwhile */

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
static bool hear(struct notifier *notifier, PGconn *conn)
{
	const int self = PQbackendPID(conn);
	uint32_t  channels = 0;

	if (!conn_is_alive(conn))
		return false;
	for (PGnotify *note; (note = PQnotifies(conn)) != NULL; PQfreemem(note)) {
		const unsigned channel = (unsigned) (note->extra[0] - '0');
		if (note->be_pid != self && channel < CHANNEL_COUNT)
			channels |= 1u << channel;
	}
	if (channels != 0)
		tell(notifier, channels);
	return true;
}

static bool send_gathered(struct notifier *notifier, PGconn *conn)
{
	const uint32_t channels = atomic_exchange(&notifier->gathered, 0);
	char           sql[CHANNEL_COUNT * sizeof "NOTIFY emcod, '0';" + 1] = "";
	size_t         len = 0;

	if (channels == 0)
		return true;
	for (unsigned i = 0; i < CHANNEL_COUNT; i++)
		if ((channels >> i & 1) != 0)
			len += (size_t) snprintf(sql + len, sizeof sql - len, "NOTIFY emcod, '%u';", i);
	if (conn_run(conn, sql, deadline_in_ms(SEND_MS)))
		return true;
	notifier->gathered |= channels;              /* said again on the next connection */
	return false;
}

static enum status begin(void *data, PGconn *conn, int64_t deadline_ns, struct error *err)
{
	struct notifier *notifier = data;

	if (!conn_run(conn, listen_sql, deadline_ns))
		return fail(err, ST_UNAVAILABLE, "the database does not answer");
	if (notifier->is_deaf)                       /* for a while: everybody looks for himself */
		tell(notifier, UINT32_MAX);
	notifier->is_deaf = false;
	return ST_OK;
}

static bool turn(void *data, PGconn *conn)
{
	struct notifier *notifier = data;

	if (!send_gathered(notifier, conn) || !hear(notifier, conn))
		return false;
	nanosleep(&(struct timespec) { 0, GATHER_MS * 1000000L }, NULL);
	return true;
}

static void lost(void *data)
{
	struct notifier *notifier = data;

	notifier->is_deaf = true;
	log_warning("store.notify_lost");
}

static const struct session_work work = { begin, turn, lost };

enum status notifier_open(const char *conninfo, int64_t deadline_ns, struct notifier **ret_notifier, struct error *err)
{
	struct notifier *notifier = calloc(1, sizeof *notifier);

	if (notifier == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	pthread_mutex_init(&notifier->lock, NULL);
	condition_init(&notifier->changed);

	const enum status st = session_open(conninfo, &work, notifier, deadline_ns, &notifier->session, err);
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
	session_close(notifier->session);
	pthread_cond_destroy(&notifier->changed);
	pthread_mutex_destroy(&notifier->lock);
	free(notifier);
}

void store_notify(struct store *store, enum channel channel)
{
	struct notifier *notifier = store->notifier;
	const uint32_t   bit = 1u << channel;

	tell(notifier, bit);
	if ((atomic_fetch_or(&notifier->gathered, bit) & bit) == 0)
		session_wake(notifier->session);
}

void store_ring(struct store *store, enum channel channel)
{
	tell(store->notifier, 1u << channel);
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
