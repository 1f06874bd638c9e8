#include "host/store/store_priv.h"

#include "host/store/db_priv.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000, ID_TRIES = 8 };

struct liveness {
	char        *conninfo;
	int64_t      host;
	PGconn      *conn;             /* the thread's, once it runs        */
	int          stop;             /* eventfd, readable when it is time */
	pthread_t    thread;
	bool         has_thread;
	_Atomic bool is_held;
	_Atomic uint64_t losses;
};

/* Advisory locks take two int4; a collision of ids is met by trying another. */
static int64_t choose_host(void)
{
	return random_id() % INT32_MAX + 1;
}

/* False also when another session holds the lock: ours of before, which the server has not given up yet. */
static bool take_lock(PGconn *conn, int64_t host, int64_t deadline_ns)
{
	char      sql[80];
	PGresult *result = NULL;
	bool      is_taken = false;

	snprintf(sql, sizeof sql, "SELECT pg_try_advisory_lock(1, %" PRId64 "::int)", host);
	if (PQsendQuery(conn, sql) != 1)
		return false;
	for (;;) {
		if (!conn_result(conn, deadline_ns, &result))
			return false;
		if (result == NULL)
			return is_taken;
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			is_taken = PQgetvalue(result, 0, 0)[0] == 't';
		PQclear(result);
	}
}

/* Sleep until the connection says something, it is time to stop, or the time is over.  True: stop. */
static bool rest(const struct liveness *liveness, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = liveness->stop, .events = POLLIN },
		{ .fd = liveness->conn != NULL ? PQsocket(liveness->conn) : -1, .events = POLLIN },
	};

	return poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && fds[0].revents != 0;
}

static void lose(struct liveness *liveness)
{
	if (liveness->is_held) {
		liveness->losses++;
		log_warning("store.liveness_lost", "host", log_num(liveness->host));
	}
	liveness->is_held = false;
	PQfinish(liveness->conn);
	liveness->conn = NULL;
}

static void *keep_alive(void *data)
{
	struct liveness *liveness = data;
	int backoff_ms = BACKOFF_FIRST_MS;

	for (;;) {
		if (liveness->conn != NULL) {
			if (rest(liveness, -1))
				return NULL;
			if (!conn_is_alive(liveness->conn))
				lose(liveness);
			continue;
		}
		const int64_t deadline_ns = deadline_in_ms(CONNECT_MS);
		if (conn_open(liveness->conninfo, deadline_ns, &liveness->conn, NULL) == ST_OK) {
			if (take_lock(liveness->conn, liveness->host, deadline_ns)) {
				log_info("store.liveness_back", "host", log_num(liveness->host));
				liveness->is_held = true;
				backoff_ms = BACKOFF_FIRST_MS;
				continue;
			}
			lose(liveness);
		}
		if (rest(liveness, backoff_ms))
			return NULL;
		backoff_ms = backoff_ms < BACKOFF_MOST_MS ? 2 * backoff_ms : BACKOFF_MOST_MS;
	}
}

static enum status start(struct liveness *liveness, int64_t deadline_ns, struct error *err)
{
	enum status st = conn_open(liveness->conninfo, deadline_ns, &liveness->conn, err);

	for (int i = 0; i < ID_TRIES && st == ST_OK && !liveness->is_held; i++) {
		liveness->host = choose_host();
		liveness->is_held = take_lock(liveness->conn, liveness->host, deadline_ns);
	}
	if (st == ST_OK && !liveness->is_held)
		return fail(err, ST_UNAVAILABLE, "the database gave no lock to show that this process lives");
	if (st == ST_OK && pthread_create(&liveness->thread, NULL, keep_alive, liveness) != 0)
		return fail(err, ST_NO_MEMORY, "out of threads");
	liveness->has_thread = st == ST_OK;
	return st;
}

enum status liveness_open(const char *conninfo, int64_t deadline_ns, struct liveness **ret_liveness, int64_t *ret_host,
                          struct error *err)
{
	struct liveness *liveness = calloc(1, sizeof *liveness);

	if (liveness == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	liveness->conninfo = strdup(conninfo);
	liveness->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum status st = liveness->conninfo == NULL || liveness->stop < 0 ? fail(err, ST_NO_MEMORY, "out of memory")
	                                                                  : start(liveness, deadline_ns, err);
	if (st != ST_OK) {
		liveness_close(liveness);
		return st;
	}
	*ret_host = liveness->host;
	*ret_liveness = liveness;
	return ST_OK;
}

void liveness_close(struct liveness *liveness)
{
	if (liveness == NULL)
		return;
	if (liveness->has_thread) {
		(void) eventfd_write(liveness->stop, 1);          /* cannot overflow: written once */
		pthread_join(liveness->thread, NULL);
	}
	PQfinish(liveness->conn);
	if (liveness->stop >= 0)
		close(liveness->stop);
	free(liveness->conninfo);
	free(liveness);
}

bool liveness_is_held(struct liveness *liveness)
{
	return liveness->is_held;
}

uint64_t store_losses(const struct store *store)
{
	return store->liveness != NULL ? store->liveness->losses : 0;
}
