#include "host/store/store_priv.h"

#include "lib/base/log.h"
#include "lib/base/random.h"

#include <inttypes.h>

enum { ID_TRIES = 8 };

struct liveness {
	struct session  *session;
	int64_t          host;         /* 0: none chosen yet */
	_Atomic bool     is_held;
	_Atomic uint64_t losses;
};

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

/* Advisory locks take two int4; a collision of ids is met by trying another. */
static bool choose_host(struct liveness *liveness, PGconn *conn, int64_t deadline_ns)
{
	for (int i = 0; i < ID_TRIES; i++) {
		const int64_t host = random_id() % INT32_MAX + 1;
		if (take_lock(conn, host, deadline_ns)) {
			liveness->host = host;
			return true;
		}
	}
	return false;
}

static enum status begin(void *data, PGconn *conn, int64_t deadline_ns, struct error *err)
{
	struct liveness *liveness = data;
	const bool       is_first = liveness->host == 0;

	if (is_first ? !choose_host(liveness, conn, deadline_ns) : !take_lock(conn, liveness->host, deadline_ns))
		return fail(err, ST_UNAVAILABLE, "the database gave no lock to show that this process lives");
	liveness->is_held = true;
	if (!is_first)
		log_info("store.liveness_back", "host", log_num(liveness->host));
	return ST_OK;
}

static bool turn(void *data, PGconn *conn)
{
	(void) data;
	return conn_is_alive(conn);
}

static void lost(void *data)
{
	struct liveness *liveness = data;

	liveness->losses++;
	liveness->is_held = false;
	log_warning("store.liveness_lost", "host", log_num(liveness->host));
}

static const struct session_work work = { begin, turn, lost };

enum status liveness_open(const char *conninfo, int64_t deadline_ns, struct liveness **ret_liveness, int64_t *ret_host,
                          struct error *err)
{
	struct liveness *liveness = calloc(1, sizeof *liveness);

	if (liveness == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const enum status st = session_open(conninfo, &work, liveness, deadline_ns, &liveness->session, err);
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
	session_close(liveness->session);
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
