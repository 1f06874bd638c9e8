#include "host/store/db_priv.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum {
	BACKOFF_FIRST_MS = 50,       /* after the first failed connection, doubled with each further one */
	BACKOFF_MOST_MS  = 1000,
	CONNECT_MS       = 2000,     /* at least: a borrower's haste says nothing about the database     */
	ROLLBACK_MS      = 1000,     /* a borrower past its deadline still gets this long to roll back   */
};

struct pool {
	char           *conninfo;
	unsigned        size;
	int64_t         statement_ns;

	pthread_mutex_t lock;        /* guards all below; never held during I/O     */
	pthread_cond_t  returned;    /* a connection, or room for one, has come free */
	struct db      *idle;
	unsigned        open, busy, waiting;
	unsigned        failures_in_row;
	int64_t         retry_at_ns; /* nobody connects before, while the last attempt failed */
	uint64_t        failures, waits;
	_Atomic uint64_t statements;
};

static void db_free(struct db *db)
{
	PQfinish(db->conn);
	free(db->prepared.slot);
	free(db);
}

void pool_count_statement(struct pool *pool)
{
	pool->statements++;
}

int64_t pool_statement_ns(const struct pool *pool)
{
	return pool->statement_ns;
}

const char *pool_conninfo(const struct pool *pool)
{
	return pool->conninfo;
}

/* What libpq says of a bad one quotes it, and a password may be in the quoted part. */
static enum status check_conninfo(const char *conninfo, struct error *err)
{
	char             *fault = NULL;
	PQconninfoOption *parsed = PQconninfoParse(conninfo, &fault);
	const bool        is_valid = parsed != NULL, is_told = fault != NULL;

	PQfreemem(fault);
	PQconninfoFree(parsed);
	if (is_valid)
		return ST_OK;
	if (!is_told)
		return fail(err, ST_NO_MEMORY, "out of memory");
	fail(err, ST_INVALID, "\"database\" must be a connection string of libpq, and does not parse");
	return fail_hint(err, "Write \"host=/run/postgresql dbname=emco\" or \"postgresql://host/emco\".");
}

enum status pool_open(const struct pool_options *options, struct pool **ret_pool, struct error *err)
{
	if (options->conninfo == NULL || options->size == 0 || options->statement_ns <= 0)
		return fail(err, ST_INVALID, "a pool needs a connection string, a size and a statement deadline");
	enum status st = check_conninfo(options->conninfo, err);
	if (st != ST_OK)
		return st;

	struct pool *pool = calloc(1, sizeof *pool);
	if (pool == NULL || (pool->conninfo = strdup(options->conninfo)) == NULL) {
		free(pool);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	pool->size = options->size;
	pool->statement_ns = options->statement_ns;
	pthread_mutex_init(&pool->lock, NULL);

	condition_init(&pool->returned);
	*ret_pool = pool;
	return ST_OK;
}

void pool_close(struct pool *pool)
{
	if (pool == NULL)
		return;
	for (struct db *db = pool->idle, *next; db != NULL; db = next) {
		next = db->next;
		db_free(db);
	}
	pthread_cond_destroy(&pool->returned);
	pthread_mutex_destroy(&pool->lock);
	free(pool->conninfo);
	free(pool);
}

struct pool_state pool_state(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	const struct pool_state state = { .open = pool->open, .busy = pool->busy, .waiting = pool->waiting,
		.statements = pool->statements, .failures = pool->failures, .waits = pool->waits };
	pthread_mutex_unlock(&pool->lock);
	return state;
}

static enum status away(struct error *err)
{
	fail(err, ST_UNAVAILABLE, "the database does not answer");
	return fail_hint(err, "Try again in a moment.");
}

/* Give back room for one connection, that of a borrower which has none any more. */
static void release_room(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->open--;
	pool->busy--;
	pthread_cond_signal(&pool->returned);
	pthread_mutex_unlock(&pool->lock);
}

/* Connect in room that is already counted.  While the database is away, one borrower tries and the others fail at once. */
static enum status connect_new(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	const int64_t least_ns = deadline_in_ms(CONNECT_MS);
	struct db *db = calloc(1, sizeof *db);
	enum status st = db == NULL ? fail(err, ST_NO_MEMORY, "out of memory")
	                            : conn_open(pool->conninfo, deadline_ns > least_ns ? deadline_ns : least_ns, &db->conn, err);

	pthread_mutex_lock(&pool->lock);
	if (st == ST_OK) {
		if (pool->failures_in_row > 0)
			log_info("db.connected", "failures", log_num(pool->failures_in_row));
		pool->failures_in_row = 0;
		pool->retry_at_ns = 0;
		pthread_cond_broadcast(&pool->returned);
	} else {
		int64_t backoff_ms = BACKOFF_FIRST_MS;
		for (unsigned i = 0; i < pool->failures_in_row && backoff_ms < BACKOFF_MOST_MS; i++)
			backoff_ms *= 2;
		pool->failures_in_row++;
		pool->failures++;
		pool->retry_at_ns = deadline_in_ms(backoff_ms < BACKOFF_MOST_MS ? backoff_ms : BACKOFF_MOST_MS);
	}
	pthread_mutex_unlock(&pool->lock);

	if (st != ST_OK) {
		free(db);
		release_room(pool);
		return st;
	}
	db->pool = pool;
	db->is_near = conn_is_near(db->conn);
	*ret_db = db;
	return ST_OK;
}

/* Under the lock: take an idle connection (*ret_db) or room for a new one (NULL), waiting for either. */
static enum status take(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	const struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };

	if (pool->idle == NULL && pool->open == pool->size)
		pool->waits++;
	for (;;) {
		if (pool->idle != NULL) {
			*ret_db = pool->idle;
			pool->idle = pool->idle->next;
			break;
		}
		if (pool->open < pool->size) {
			if (pool->failures_in_row > 0) {
				if (!deadline_past(pool->retry_at_ns))
					return away(err);
				pool->retry_at_ns = deadline_in_ms(BACKOFF_MOST_MS);    /* ours is the attempt that counts */
			}
			pool->open++;
			*ret_db = NULL;
			break;
		}
		pool->waiting++;
		const int late = pthread_cond_timedwait(&pool->returned, &pool->lock, &until);
		pool->waiting--;
		if (late != 0 && pool->idle == NULL && pool->open == pool->size) {
			fail(err, ST_UNAVAILABLE, "all %u database connections are busy", pool->size);
			return fail_hint(err, "Try again in a moment, or allow more connections.");
		}
	}
	pool->busy++;
	return ST_OK;
}

enum status db_borrow(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	struct db *db = NULL;

	for (;;) {
		if (deadline_past(deadline_ns))
			return fail(err, ST_DEADLINE, "no time is left for the database");
		pthread_mutex_lock(&pool->lock);
		enum status st = take(pool, deadline_ns, &db, err);
		pthread_mutex_unlock(&pool->lock);
		if (st != ST_OK)
			return st;

		if (db == NULL) {
			st = connect_new(pool, deadline_ns, &db, err);
			if (st != ST_OK)
				return st;
			break;
		}
		if (conn_is_alive(db->conn))
			break;
		db_free(db);                      /* the database restarted: the next turn finds a fresh one, or connects */
		release_room(pool);
	}
	db->next = NULL;
	db->deadline_ns = deadline_ns;
	db->is_patient = false;
	db->sqlstate[0] = db->constraint[0] = '\0';
	*ret_db = db;
	return ST_OK;
}

/* Is it fit for the next borrower?  Rolls back what was left open. */
static bool settle(struct db *db)
{
	if (db->is_broken || db->queued > 0 || PQstatus(db->conn) != CONNECTION_OK ||
	    PQpipelineStatus(db->conn) != PQ_PIPELINE_OFF)
		return false;
	switch (PQtransactionStatus(db->conn)) {
	case PQTRANS_IDLE:
		return true;
	case PQTRANS_INTRANS:
	case PQTRANS_INERROR:
		return conn_run(db->conn, "ROLLBACK", deadline_in_ms(ROLLBACK_MS)) &&
		       PQtransactionStatus(db->conn) == PQTRANS_IDLE;
	default:
		return false;
	}
}

void db_return(struct db *db)
{
	if (db == NULL)
		return;

	struct pool *pool = db->pool;
	if (!settle(db)) {
		db_free(db);
		release_room(pool);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	db->next = pool->idle;
	pool->idle = db;
	pool->busy--;
	pthread_cond_signal(&pool->returned);
	pthread_mutex_unlock(&pool->lock);
}
