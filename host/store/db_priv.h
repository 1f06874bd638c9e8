/*
 * db_priv.h - what the files of the database layer share: a connection with its deadline, and the raw steps on it.
 */
#ifndef HOST_STORE_DB_PRIV_H
#define HOST_STORE_DB_PRIV_H

#include "host/store/db.h"

#include <libpq-fe.h>
#include <pthread.h>

static inline void pg_clearp(PGresult **res) { PQclear(*res); }
#define auto_result CLEANUP(pg_clearp) PGresult

struct prepared {                        /* the queries this connection has prepared, by address          */
	const struct query **slot;
	size_t               cap, count;     /* cap is a power of two, or 0                                   */
};

struct db {
	struct pool    *pool;
	struct db      *next;                /* in the pool's idle list                                       */
	PGconn         *conn;
	int64_t         deadline_ns;         /* of the borrower                                               */
	int64_t         statement_ns;        /* deadline of the statement that runs                           */
	struct prepared prepared;
	bool            is_broken;           /* closed when it is returned                                    */
	bool            is_near;             /* the server is on this machine                                 */
	bool            is_patient;          /* only the borrower's deadline counts: migrations               */
	size_t          queued;              /* statements sent in pipeline mode, not yet flushed             */
	bool            has_queued_prepare;  /* one of them is a prepare: its fault leaves us unsure          */
	char            sqlstate[6];
	char            constraint[64];
};

struct rows { PGresult *result; };

/* -- conn.c: a connection, each step bounded by a deadline -- */

/* Owned by the caller, non-blocking, set up for our statements.  ST_UNAVAILABLE; what libpq said goes to the log. */
enum status MUST_CHECK conn_open(const char *conninfo, int64_t deadline_ns, PGconn **ret_conn, struct error *err);

/* Wait until libpq can go on.  False at the deadline or when the connection is lost. */
bool conn_wait(PGconn *conn, int64_t deadline_ns);

/* Send all that libpq holds back, taking in what arrives meanwhile. */
bool conn_flush(PGconn *conn, int64_t deadline_ns);

/* The next result of what was sent; NULL at the end.  False at the deadline or when the connection is lost. */
bool conn_result(PGconn *conn, int64_t deadline_ns, PGresult **ret_result);

/* Run SQL text of ours without parameters, several statements at most, and drop its rows. */
bool conn_run(PGconn *conn, const char *sql, int64_t deadline_ns);

/* By a socket of this machine. */
bool conn_is_near(const PGconn *conn);

/* Still there, as far as can be seen without asking?  Takes in what has arrived. */
bool conn_is_alive(PGconn *conn);

/* -- pool.c -- */

void        pool_count_statement(struct pool *pool);
int64_t     pool_statement_ns(const struct pool *pool);
const char *pool_conninfo(const struct pool *pool);              /* borrowed */

/* -- transaction.c -- */

bool db_is_in_transaction(const struct db *db);
bool db_is_retryable(const struct db *db);                       /* the last fault was a deadlock or the like */

/* Work that needs a transaction, in the caller's when there is one, else in its own, repeated as db_transaction does. */
enum status MUST_CHECK db_atomically(struct db *db, db_work *work, void *data, struct error *err);

/* -- query.c -- */

/* Prepare a query where this connection has not. */
enum status MUST_CHECK query_prepare(struct db *db, const struct query *query, struct error *err);

/* Start a statement: its deadline begins, the last fault is forgotten. */
void query_start(struct db *db);

/* Send a prepared query, preparing it first where this connection has not. */
enum status MUST_CHECK query_send(struct db *db, const struct query *query, const struct param *params, size_t count,
                                  struct error *err);

/*
 * The statement did not end in time, or the connection broke: say which.  The connection is closed when it is returned,
 * and the server, which looks for its client each second, stops what it does.
 */
enum status query_abandon(struct db *db, const char *what, struct error *err);

/* A failed result: keep SQLSTATE and constraint, log what is nobody's normal business, return the status. */
enum status query_fault(struct db *db, const char *what, const PGresult *result, struct error *err);

/* Take results until the end; the first fault counts.  With ret_result the last good one is handed over. */
enum status MUST_CHECK query_drain(struct db *db, const char *what, PGresult **ret_result, struct error *err);

/* Run a statement of ours without parameters or rows, such as BEGIN. */
enum status MUST_CHECK query_command(struct db *db, const char *sql, struct error *err);

/*
 * Run a query and hand over its rows one at a time, so that memory does not grow with the answer.  each must not use db.
 * Another status than ST_OK from each ends the reading with it.
 */
typedef enum status rows_each(void *data, const struct rows *row, struct error *err);
enum status MUST_CHECK db_stream(struct db *db, const struct query *query, const struct param *params, size_t count,
                                 rows_each *each, void *data, struct error *err);

/* -- rows.c -- */

/* Takes result. */
enum status MUST_CHECK rows_take(PGresult *result, struct rows **ret_rows, struct error *err);

/* Tie an answer to an arena, so that its views live as long.  Takes rows, even when it fails. */
enum status MUST_CHECK rows_give(struct rows *rows, struct arena *arena, struct error *err);

/* db_query for any rows, tied to the arena. */
enum status MUST_CHECK db_query_kept(struct db *db, const struct query *query, const struct param *params, size_t count,
                                     struct arena *arena, struct rows **ret_rows, struct error *err);

/* -- param.c: arrays in PostgreSQL's binary form, appended to out, to be passed with P_BYTES.  stride: between items -- */

enum status MUST_CHECK param_texts_at(struct buf *out, const struct view *first, size_t count, size_t stride,
                                      struct error *err);
enum status MUST_CHECK param_blobs_at(struct buf *out, const struct view *first, size_t count, size_t stride,
                                      struct error *err);
enum status MUST_CHECK param_ints(struct buf *out, const int64_t *numbers, size_t count, struct error *err);

enum { PARAMS_MAX = 24 };

/* libpq's view of parameters; the numbers' texts live in it. */
struct param_list {
	const char *values[PARAMS_MAX];
	int         lengths[PARAMS_MAX];
	int         formats[PARAMS_MAX];
	char        numbers[PARAMS_MAX][24];
};
enum status MUST_CHECK param_list_fill(struct param_list *list, const struct param *params, size_t count,
                                       struct error *err);

#endif
