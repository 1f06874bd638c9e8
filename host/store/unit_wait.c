/*
 * unit_wait.c - what apps wait for.
 *
 * Units that wait stay due, later: each claim that meets them looks again, and puts them off when it is not time yet.  So
 * whatever makes a unit due does no harm.  They are due at once when what they wait for has come about.
 */
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

#include <stdlib.h>

/* $1 owner  $2 context.  What was met and still is has been waited for. */
static const struct query write_query = { "unit_wait_write",
	"WITH plan AS MATERIALIZED (SELECT d.key COLLATE \"C\" AS app, (s.value ->> 'app') COLLATE \"C\" AS on_app,"
	" bool_or(lower(s.value ->> 'opStatus') = 'ready') AS is_ready, max(coalesce((s.value ->> 'wait')::int, 0)) AS wait_s"
	" FROM app_context x, jsonb_each(x.plan::jsonb -> 'dependencies') AS d, jsonb_array_elements(d.value) AS s"
	" WHERE x.id = $2 GROUP BY 1, 2),"
	"gone AS (DELETE FROM unit_wait w WHERE w.owner = $1"
	" AND NOT EXISTS (SELECT FROM plan p WHERE p.app = w.app AND p.on_app = w.on_app))"
	"INSERT INTO unit_wait AS w (owner, app, on_app, is_ready, wait_s) SELECT $1, app, on_app, is_ready, wait_s FROM plan"
	" ON CONFLICT (owner, app, on_app) DO UPDATE SET is_ready = excluded.is_ready, wait_s = excluded.wait_s,"
	" since = statement_timestamp(), met_at = CASE WHEN " SQL_IS_MET " THEN w.met_at END" };

/* $1 units.  NOTE: who is locked is being claimed or told of, and is looked at anyway. */
static const struct query wake_query = { "unit_wait_wake",
	"WITH owed AS MATERIALIZED (SELECT DISTINCT w.owner, w.app FROM unit o JOIN unit_wait w ON w.owner = o.owner AND w.on_app = o.app"
	" WHERE o.id = ANY ($1::bigint[]) AND w.met_at IS NULL AND " SQL_IS_MET "),"
	"held AS MATERIALIZED (SELECT u.id FROM unit u JOIN owed w ON w.owner = u.owner AND w.app = u.app"
	" WHERE u.due_at > statement_timestamp() AND u.lease IS NULL AND " SQL_IS_UNBEGUN("u")
	" ORDER BY u.id FOR NO KEY UPDATE OF u SKIP LOCKED)"
	"UPDATE unit u SET due_at = statement_timestamp() FROM held h WHERE u.id = h.id RETURNING u.id" };

/* Those that are not over, in order. */
static const struct query list_query = { "unit_wait_list",
	"SELECT w.app, w.on_app, w.is_ready, w.wait_s, " SQL_UNSEEN " FROM unit_wait w WHERE w.owner = $1 AND NOT (" SQL_IS_MET
	" AND coalesce(w.met_at, statement_timestamp()) + w.wait_s * interval '1 second' <= statement_timestamp()) ORDER BY"
	" w.app, w.on_app" };

enum status unit_wait_write(struct db *db, int64_t owner, int64_t context, struct error *err)
{
	return db_query(db, &write_query, PARAMS(P_INT(owner), P_INT(context)), EXPECT_NONE, NULL, err);
}

enum status unit_wait_look(struct db *db, const struct rows *units, size_t id_column, size_t awaited_column, bool *ret_wakes,
                           struct error *err)
{
	auto_buf    numbers = BUF(64 << 20);
	auto_rows  *woken = NULL;
	int64_t    *ids = calloc(rows_count(units) + 1, sizeof *ids);
	size_t      count = 0;
	enum status st = ids == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : ST_OK;

	for (size_t i = 0; st == ST_OK && i < rows_count(units); i++)
		if (rows_bool(units, i, awaited_column))
			ids[count++] = rows_int(units, i, id_column);
	if (count > 0)
		st = param_ints(&numbers, ids, count, err);
	if (st == ST_OK && count > 0)
		st = db_query(db, &wake_query, PARAMS(P_BYTES(buf_view(&numbers))), EXPECT_ROWS, &woken, err);
	free(ids);
	if (st == ST_OK && count > 0 && rows_count(woken) > 0)
		*ret_wakes = true;
	return st;
}

enum status unit_wait_list(struct db *db, int64_t owner, struct arena *arena, struct unit_wait **ret_waits, size_t *ret_count,
                           struct error *err)
{
	struct rows *rows = NULL;

	enum status st = db_query_kept(db, &list_query, PARAMS(P_INT(owner)), arena, &rows, err);
	if (st != ST_OK)
		return st;
	struct unit_wait *waits = arena_alloc(arena, rows_count(rows) + 1, sizeof *waits);
	if (waits == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++)
		waits[i] = (struct unit_wait) {
			.app = rows_view(rows, i, 0), .on_app = rows_view(rows, i, 1), .is_ready = rows_bool(rows, i, 2),
			.wait_s = rows_int(rows, i, 3), .unseen = rows_int(rows, i, 4),
		};
	*ret_waits = waits;
	*ret_count = rows_count(rows);
	return ST_OK;
}
