/*
 * db.h - PostgreSQL: a bounded pool of connections and the one function that runs queries.
 *
 * Every query is a named constant, prepared once per connection.  db_query adds deadline, cancel and drain, checks the
 * shape of the answer, and turns SQLSTATE into a status; PostgreSQL's own words go to the log, not to the client.
 * A database that is away gives ST_UNAVAILABLE at once or at the deadline; connections come back by themselves.
 * A struct db belongs to one thread at a time; a pool to any.
 */
#ifndef HOST_STORE_DB_H
#define HOST_STORE_DB_H

#include "lib/base/arena.h"
#include "lib/base/digest.h"

struct pool;
struct db;

struct pool_options {
	const char *conninfo;          /* libpq's; copied                                        */
	unsigned    size;              /* most connections                                       */
	int64_t     statement_ns;      /* deadline of one statement when the caller has a later one */
};

/* Connects to nothing yet.  ST_INVALID: conninfo is none; its text is not told, because a password may be in it. */
enum status MUST_CHECK pool_open(const struct pool_options *options, struct pool **ret_pool, struct error *err);
void pool_close(struct pool *pool);                     /* after every db has been returned */

struct pool_state { unsigned open, busy, waiting; uint64_t statements, failures, waits; };
struct pool_state pool_state(struct pool *pool);

/*
 * Wait for a connection until the deadline, which becomes that of all its statements.  ST_UNAVAILABLE with a hint; ST_DEADLINE.
 * Who holds one borrows no other: as many of those as there are connections would wait for each other.
 */
enum status MUST_CHECK db_borrow(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err);
void db_return(struct db *db);                          /* NULL is fine; an open transaction is rolled back */
static inline void db_returnp(struct db **db) { db_return(*db); }
#define auto_db CLEANUP(db_returnp) struct db

/* -- queries -- */

struct query { const char *name, *sql; };               /* static const; name is unique in the program */

/* One parameter.  Text and bytes are borrowed for the call. */
struct param {
	struct view value;
	enum { PARAM_TEXT, PARAM_BYTES, PARAM_INT, PARAM_NULL } kind;
	int64_t number;
};
#define P_TEXT(view_)    ((struct param) { .value = (view_), .kind = PARAM_TEXT })
#define P_STR(text_)     ((struct param) { .value = view_of(text_), .kind = PARAM_TEXT })
#define P_BYTES(view_)   ((struct param) { .value = (view_), .kind = PARAM_BYTES })
#define P_DIGEST(digest_) ((struct param) { .value = { (const char *) (digest_)->bytes, DIGEST_SIZE }, .kind = PARAM_BYTES })
#define P_INT(number_)   ((struct param) { .number = (number_), .kind = PARAM_INT })
#define P_NULL           ((struct param) { .kind = PARAM_NULL })
#define PARAMS(...)      ((const struct param[]) { __VA_ARGS__ }), \
                         sizeof((const struct param[]) { __VA_ARGS__ }) / sizeof(struct param)

/*
 * Arrays as parameters: PostgreSQL's binary form of text[] and bytea[], appended to out; pass it with P_BYTES.
 * digests: DIGEST_SIZE bytes each, stride bytes apart.
 */
enum status MUST_CHECK param_texts(struct buf *out, const struct view *items, size_t count, struct error *err);
enum status MUST_CHECK param_digests(struct buf *out, const void *digests, size_t count, size_t stride, struct error *err);

enum expect { EXPECT_NONE, EXPECT_ROW, EXPECT_MAYBE, EXPECT_ROWS };    /* no rows; one; one or none; any */

struct rows;                            /* an answer; owned by the caller.  Columns: text, bytea, bool, int2 to int8 only */
void rows_free(struct rows *rows);
static inline void rows_clearp(struct rows **rows) { rows_free(*rows); }
#define auto_rows CLEANUP(rows_clearp) struct rows

/*
 * ret_rows may be NULL with EXPECT_NONE.  ST_NOT_FOUND: EXPECT_ROW met none.  ST_EXISTS: unique violation.
 * ST_CONFLICT: foreign key (db_constraint says which).  ST_UNAVAILABLE: connection lost, out of connections, shutting down.
 * ST_DEADLINE.  ST_INTERNAL: anything else, our bug.  After a failure inside a transaction only rollback is possible.
 */
enum status MUST_CHECK db_query(struct db *db, const struct query *query, const struct param *params, size_t count,
                                enum expect expect, struct rows **ret_rows, struct error *err);

const char *db_constraint(const struct db *db);         /* of the last failed query; "" when none */
const char *db_sqlstate(const struct db *db);

size_t      rows_count(const struct rows *rows);        /* of rows; 0 for NULL                                */
uint64_t    rows_affected(const struct rows *rows);
bool        rows_is_null(const struct rows *rows, size_t row, size_t column);
struct view rows_view(const struct rows *rows, size_t row, size_t column);    /* text, bytea: borrowed        */
int64_t     rows_int(const struct rows *rows, size_t row, size_t column);     /* 0 for null                   */
bool        rows_bool(const struct rows *rows, size_t row, size_t column);
struct digest rows_digest(const struct rows *rows, size_t row, size_t column);    /* zero for null           */

/* -- transactions -- */

enum status MUST_CHECK db_begin(struct db *db, struct error *err);
enum status MUST_CHECK db_begin_read(struct db *db, struct error *err);       /* what is read is of one moment; end it by db_rollback */
enum status MUST_CHECK db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db);

/* Borrow, begin, work, commit; the whole again on a deadlock or serialisation fault, so work must be repeatable. */
typedef enum status db_work(struct db *db, void *data, struct error *err);
enum status MUST_CHECK db_transaction(struct pool *pool, int64_t deadline_ns, db_work *work, void *data, struct error *err);

/* Several statements, one round trip: queue with db_send, run all with db_flush, which fails with the first fault. */
enum status MUST_CHECK db_send(struct db *db, const struct query *query, const struct param *params, size_t count,
                               struct error *err);
enum status MUST_CHECK db_flush(struct db *db, struct error *err);

#endif
