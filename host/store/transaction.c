#include "host/store/db_priv.h"

#include "lib/base/clock.h"

enum { TRIES_MOST = 10 };

bool db_is_in_transaction(const struct db *db)
{
	return PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}

bool db_is_retryable(const struct db *db)
{
	return strcmp(db->sqlstate, "40001") == 0 || strcmp(db->sqlstate, "40P01") == 0;
}

enum status db_begin(struct db *db, struct error *err)
{
	return query_command(db, "BEGIN", err);
}

enum status db_begin_read(struct db *db, struct error *err)
{
	return query_command(db, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", err);
}

enum status db_commit(struct db *db, struct error *err)
{
	const bool is_aborted = PQtransactionStatus(db->conn) == PQTRANS_INERROR;

	enum status st = query_command(db, "COMMIT", err);
	if (st == ST_OK && is_aborted)       /* the server answers ROLLBACK, and calls it success */
		return fail(err, ST_INTERNAL, "a failed transaction cannot be committed");
	return st;
}

void db_rollback(struct db *db)
{
	char sqlstate[sizeof db->sqlstate], constraint[sizeof db->constraint];

	memcpy(sqlstate, db->sqlstate, sizeof sqlstate);
	memcpy(constraint, db->constraint, sizeof constraint);
	if (!db->is_broken && db_is_in_transaction(db) && query_command(db, "ROLLBACK", NULL) != ST_OK)
		db->is_broken = true;                              /* db_return closes it, and the server rolls back */
	memcpy(db->sqlstate, sqlstate, sizeof sqlstate);      /* the caller asks for the fault that made it roll back */
	memcpy(db->constraint, constraint, sizeof constraint);
}

static void pause_before_retry(int try)
{
	const int64_t jitter_ns = clock_ns() % 997 * 1000;
	const struct timespec pause = { 0, try * 1000000L + jitter_ns };

	nanosleep(&pause, NULL);
}

/* One try is begin, work, commit; another follows a deadlock or a serialisation fault. */
static enum status run(struct db *db, db_work *work, void *data, struct error *err)
{
	for (int try = 1;; try++) {
		enum status st = db_begin(db, err);
		if (st != ST_OK)
			return st;
		st = work(db, data, err);
		if (st == ST_OK)
			st = db_commit(db, err);
		if (st == ST_OK)
			return ST_OK;
		db_rollback(db);
		if (!db_is_retryable(db) || try == TRIES_MOST || deadline_past(db->deadline_ns))
			return st;
		pause_before_retry(try);
	}
}

enum status db_transaction(struct pool *pool, int64_t deadline_ns, db_work *work, void *data, struct error *err)
{
	auto_db *db = NULL;

	enum status st = db_borrow(pool, deadline_ns, &db, err);
	return st == ST_OK ? run(db, work, data, err) : st;
}

enum status db_atomically(struct db *db, db_work *work, void *data, struct error *err)
{
	return db_is_in_transaction(db) ? work(db, data, err) : run(db, work, data, err);
}
