#include "host/store/db_priv.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { DRAIN_MS = 500 };      /* how long rows that nobody wants are read, to keep the connection */

/* What a SQLSTATE means to us; the longest prefix that fits decides, so special ones stand first. */
static const struct fault_kind {
	const char *sqlstate;
	enum status status;
	bool        is_logged, is_broken;
	const char *text;
} kinds[] = {
	{ "23505", ST_EXISTS,      false, false, "it exists already"                               },
	{ "23503", ST_CONFLICT,    false, false, "something else depends on it"                    },
	{ "40001", ST_UNAVAILABLE, false, false, "others changed the same at the same time"        },
	{ "40P01", ST_UNAVAILABLE, false, false, "others changed the same at the same time"        },
	{ "55P03", ST_UNAVAILABLE, false, false, "others are changing the same"                    },
	{ "57014", ST_DEADLINE,    true,  false, "the database did not answer in time"             },
	{ "57P",   ST_UNAVAILABLE, true,  true,  "the database is stopping or starting"            },
	{ "25006", ST_UNAVAILABLE, true,  true,  "the database takes no writes at present"         },
	{ "53",    ST_UNAVAILABLE, true,  false, "the database is out of resources"                },
	{ "08",    ST_UNAVAILABLE, true,  true,  "the connection to the database was lost"         },
	{ "22021", ST_INVALID,     false, false, "a text is not valid UTF-8, or holds a NUL"       },
	{ "54",    ST_TOO_LARGE,   true,  false, "a value is larger than the database takes"       },
	{ "0A000", ST_INTERNAL,    true,  true,  "the database refused a statement"                },
	{ "26000", ST_INTERNAL,    true,  true,  "the database refused a statement"                },
	{ "",      ST_INTERNAL,    true,  false, "the database refused a statement"                },
};

/* -- which queries this connection has prepared -- */

static size_t slot_of(const struct prepared *prepared, const struct query *query)
{
	size_t at = (size_t) (((uintptr_t) query >> 4) * 0x9E3779B97F4A7C15u >> 20) & (prepared->cap - 1);

	while (prepared->slot[at] != NULL && prepared->slot[at] != query)
		at = (at + 1) & (prepared->cap - 1);
	return at;
}

static bool prepared_has(const struct prepared *prepared, const struct query *query)
{
	return prepared->cap > 0 && prepared->slot[slot_of(prepared, query)] == query;
}

/* Room first, so that nothing can fail once the server has the statement. */
static bool prepared_grow(struct prepared *prepared)
{
	if (2 * (prepared->count + 1) <= prepared->cap)
		return true;

	struct prepared more = { .cap = prepared->cap > 0 ? 2 * prepared->cap : 64, .count = prepared->count };
	more.slot = calloc(more.cap, sizeof *more.slot);
	if (more.slot == NULL)
		return false;
	for (size_t i = 0; i < prepared->cap; i++)
		if (prepared->slot[i] != NULL)
			more.slot[slot_of(&more, prepared->slot[i])] = prepared->slot[i];
	free(prepared->slot);
	*prepared = more;
	return true;
}

static void prepared_add(struct prepared *prepared, const struct query *query)
{
	prepared->slot[slot_of(prepared, query)] = query;
	prepared->count++;
}

/* -- faults -- */

static void keep(char *to, size_t size, const char *field)
{
	snprintf(to, size, "%s", field != NULL ? field : "");
}

enum status query_fault(struct db *db, const char *what, const PGresult *result, struct error *err)
{
	keep(db->sqlstate, sizeof db->sqlstate, PQresultErrorField(result, PG_DIAG_SQLSTATE));
	keep(db->constraint, sizeof db->constraint, PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
	if (db->sqlstate[0] == '\0')
		keep(db->sqlstate, sizeof db->sqlstate, "08006");     /* libpq's own words: the connection went away */

	const struct fault_kind *kind = kinds;
	while (strncmp(db->sqlstate, kind->sqlstate, strlen(kind->sqlstate)) != 0)
		kind++;
	if (kind->is_broken)
		db->is_broken = true;
	if (kind->is_logged)
		log_warning("db.query_failed", "query", what, "sqlstate", db->sqlstate,
		            "text", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
		            "detail", PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	fail(err, kind->status, "%s", kind->text);
	if (kind->status == ST_UNAVAILABLE)
		(void) fail_hint(err, "Try again in a moment.");
	return kind->status;
}

/* Take what is left of a statement.  True when the connection is at rest again. */
static bool drain(struct db *db)
{
	const int64_t until_ns = deadline_in_ms(DRAIN_MS);
	PGresult     *result = NULL;

	for (;;) {
		if (!conn_result(db->conn, until_ns, &result))
			return false;
		if (result == NULL)
			return true;
		const ExecStatusType status = PQresultStatus(result);
		PQclear(result);
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_PIPELINE_SYNC)
			return false;
	}
}

/*
 * NOTE: libpq's PQcancel connects, sends and waits without any deadline: a server that stands still would hold the thread
 * for as long as it does.  Closing the connection needs nobody.
 */
enum status query_abandon(struct db *db, const char *what, struct error *err)
{
	const bool is_late = PQstatus(db->conn) == CONNECTION_OK && deadline_past(db->statement_ns);

	keep(db->sqlstate, sizeof db->sqlstate, is_late ? "57014" : "08006");
	db->is_broken = true;
	if (is_late) {
		log_warning("db.query_late", "query", what);
		return fail(err, ST_DEADLINE, "the database did not answer in time");
	}
	log_warning("db.connection_lost", "query", what);
	fail(err, ST_UNAVAILABLE, "the connection to the database was lost");
	(void) fail_hint(err, "Try again in a moment.");
	return ST_UNAVAILABLE;
}

/* -- running -- */

static void begin_time(struct db *db)
{
	const int64_t own_ns = clock_ns() + pool_statement_ns(db->pool);

	db->statement_ns = own_ns < db->deadline_ns && !db->is_patient ? own_ns : db->deadline_ns;
}

void query_start(struct db *db)
{
	begin_time(db);
	db->sqlstate[0] = db->constraint[0] = '\0';
	pool_count_statement(db->pool);
}

enum status query_drain(struct db *db, const char *what, PGresult **ret_result, struct error *err)
{
	PGresult   *kept = NULL, *result = NULL;
	enum status st = ST_OK;

	for (;;) {
		if (!conn_result(db->conn, db->statement_ns, &result)) {
			PQclear(kept);
			return query_abandon(db, what, err);
		}
		if (result == NULL)
			break;
		const ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE) {
			PQclear(kept);
			kept = result;
			continue;
		}
		if (st == ST_OK)
			st = query_fault(db, what, result, err);
		PQclear(result);
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
			db->is_broken = true;             /* a COPY under the wrong function: our bug, nothing to drain */
			break;
		}
	}
	if (st == ST_OK && ret_result != NULL)
		*ret_result = kept;
	else
		PQclear(kept);
	return st;
}

enum status query_prepare(struct db *db, const struct query *query, struct error *err)
{
	enum status st = ST_OK;

	if (prepared_has(&db->prepared, query))
		return ST_OK;
	if (!prepared_grow(&db->prepared))
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (PQsendPrepare(db->conn, query->name, query->sql, 0, NULL) != 1)
		return query_abandon(db, query->name, err);
	if (PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF)
		st = query_drain(db, query->name, NULL, err);
	else
		db->has_queued_prepare = true;        /* the answer comes with the others, to db_flush */
	if (st == ST_OK)
		prepared_add(&db->prepared, query);
	return st;
}

enum status query_send(struct db *db, const struct query *query, const struct param *params, size_t count,
                       struct error *err)
{
	struct param_list list;
	enum status st = param_list_fill(&list, params, count, err);

	if (st == ST_OK)
		st = query_prepare(db, query, err);
	if (st != ST_OK)
		return st;
	if (PQsendQueryPrepared(db->conn, query->name, (int) count, list.values, list.lengths, list.formats, 1) != 1)
		return query_abandon(db, query->name, err);
	return ST_OK;
}

enum status query_command(struct db *db, const char *sql, struct error *err)
{
	if (db->is_broken)
		return query_abandon(db, sql, err);
	query_start(db);
	if (PQsendQuery(db->conn, sql) != 1)
		return query_abandon(db, sql, err);
	return query_drain(db, sql, NULL, err);
}

static enum status check_shape(const struct query *query, enum expect expect, const PGresult *result, struct error *err)
{
	const int rows = PQntuples(result);

	if (expect == EXPECT_ROW && rows == 0)
		return fail(err, ST_NOT_FOUND, "there is no such thing");
	if ((expect == EXPECT_NONE && rows > 0) || ((expect == EXPECT_ROW || expect == EXPECT_MAYBE) && rows > 1)) {
		log_error("db.unexpected_rows", "query", query->name, "rows", log_num(rows));
		return fail(err, ST_INTERNAL, "query \"%s\" gave %d rows", query->name, rows);
	}
	return ST_OK;
}

enum status db_query(struct db *db, const struct query *query, const struct param *params, size_t count,
                     enum expect expect, struct rows **ret_rows, struct error *err)
{
	PGresult *result = NULL;

	if (db->is_broken)
		return query_abandon(db, query->name, err);
	query_start(db);
	enum status st = query_send(db, query, params, count, err);
	if (st == ST_OK)
		st = query_drain(db, query->name, &result, err);
	if (st == ST_OK)
		st = check_shape(query, expect, result, err);
	if (st != ST_OK || ret_rows == NULL) {
		PQclear(result);
		return st;
	}
	return rows_take(result, ret_rows, err);
}

enum status db_stream(struct db *db, const struct query *query, const struct param *params, size_t count,
                      rows_each *each, void *data, struct error *err)
{
	PGresult *result = NULL;

	if (db->is_broken)
		return query_abandon(db, query->name, err);
	query_start(db);
	enum status st = query_send(db, query, params, count, err);
	if (st != ST_OK)
		return st;
	PQsetSingleRowMode(db->conn);
	while (st == ST_OK) {
		begin_time(db);          /* a slow reader of the rows is no slow database: the time counts from row to row */
		if (!conn_result(db->conn, db->statement_ns, &result))
			return query_abandon(db, query->name, err);
		if (result == NULL)
			return ST_OK;

		const ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_SINGLE_TUPLE)
			st = each(data, &(struct rows) { result }, err);
		else if (status != PGRES_TUPLES_OK)
			st = query_fault(db, query->name, result, err);
		PQclear(result);
	}
	if (!drain(db))
		db->is_broken = true;
	return st;
}

const char *db_constraint(const struct db *db)
{
	return db->constraint;
}

const char *db_sqlstate(const struct db *db)
{
	return db->sqlstate;
}
