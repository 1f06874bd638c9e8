/* Several statements in one round trip. */
#include "host/store/db_priv.h"

enum status db_send(struct db *db, const struct query *query, const struct param *params, size_t count,
                    struct error *err)
{
	if (db->is_broken)
		return query_abandon(db, query->name, err);
	if (PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF) {
		query_start(db);
		enum status prepared = query_prepare(db, query, err);
		if (prepared != ST_OK)
			return prepared;
		if (PQenterPipelineMode(db->conn) != 1)
			return query_abandon(db, query->name, err);
	}
	enum status st = query_send(db, query, params, count, err);
	if (st != ST_OK) {
		db->is_broken = true;                 /* what was queued before it is in the pipe, and must not run */
		return st;
	}
	db->queued++;
	/* Let the server begin while we make the next ones. */
	return PQflush(db->conn) < 0 ? query_abandon(db, query->name, err) : ST_OK;
}

enum status db_flush(struct db *db, struct error *err)
{
	enum status st = ST_OK;
	PGresult   *result = NULL;

	if (db->is_broken)
		return query_abandon(db, "flush", err);
	if (db->queued == 0)
		return ST_OK;
	if (PQpipelineSync(db->conn) != 1)
		return query_abandon(db, "flush", err);
	for (bool is_at_end = false; !is_at_end;) {
		if (!conn_result(db->conn, db->statement_ns, &result))
			return query_abandon(db, "flush", err);
		if (result == NULL)                   /* the end of one statement */
			continue;
		const ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_PIPELINE_SYNC)
			is_at_end = true;
		else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_ABORTED && st == ST_OK)
			st = query_fault(db, "flush", result, err);
		PQclear(result);
	}
	db->queued = 0;
	if (PQexitPipelineMode(db->conn) != 1)
		return query_abandon(db, "flush", err);
	if (st != ST_OK && db->has_queued_prepare)
		db->is_broken = true;                 /* which of its queries the server has prepared is not known */
	db->has_queued_prepare = false;
	return st;
}
