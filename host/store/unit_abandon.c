/*
 * unit_abandon.c - a cluster that is gone for good: what emcod believes to be there is forgotten.
 *
 * Units that want nothing are done by that.  Those that want something begin from nothing, should the cluster come back
 * or another take its name.  Whoever works on one of them keeps the lease, and what he reports counts: it is there.  What
 * watchers see is not believed but seen, and stays.
 */
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

/*
 * Nobody who asked or watched got no answer.  A cluster that is not watched at this moment, after a start of the only
 * process perhaps, is not gone for that.
 */
static const struct query answers_query = { "unit_cluster_answers",
	"SELECT NOT EXISTS (SELECT FROM cluster_watch WHERE cluster = $1 AND is_lost AND error <> '')"
	" AND NOT EXISTS (SELECT FROM unit WHERE cluster = $1 AND reachable = 0)"
	" AND (EXISTS (SELECT FROM cluster_watch WHERE cluster = $1 AND seen_at IS NOT NULL)"
	" OR EXISTS (SELECT FROM unit WHERE cluster = $1 AND reachable = 1))" };

static const struct query abandon_query = { "unit_abandon",
	"WITH old AS MATERIALIZED (SELECT * FROM unit WHERE cluster = $1 AND (applied IS NOT NULL OR tried <> '{}')"
	" ORDER BY id FOR UPDATE),"
	"unknown AS (DELETE FROM unit_object o USING old WHERE o.unit = old.id),"
	"now AS (UPDATE unit u SET applied = NULL, tried = '{}', label = 0, is_unsure = false, is_even = false, generation ="
	" u.generation + 1, " SQL_NEW_MOVE ","
	" attempts = 0, is_failed = false, error = '', reachable = -1,"
	" pending = CASE WHEN u.is_wanted THEN coalesce((SELECT size FROM resource_set WHERE digest = u.set), 0) ELSE 0 END,"
	" applied_count = 0, failed_count = 0, retrying_count = 0, deleted_count = 0,"
	" due_at = CASE WHEN u.is_wanted AND NOT u.is_stopped THEN " SQL_SOON " END"
	" FROM old WHERE u.id = old.id)"
	" SELECT " SQL_UNIT_ROW("old") " FROM old JOIN resource r ON r.id = old.owner LEFT JOIN app_context x ON x.id = old.context"
	" ORDER BY r.path, old.app" };

static const struct query on_query = { "unit_on_cluster",
	"SELECT r.path, u.app FROM unit u JOIN resource r ON r.id = u.owner WHERE u.cluster = $1 AND NOT " SQL_IS_EMPTY
	" ORDER BY r.path, u.app LIMIT 1" };

enum status unit_on_cluster(struct db *db, struct view cluster, struct arena *arena, struct view *ret_owner, struct view *ret_app,
                            struct error *err)
{
	auto_rows *rows = NULL;

	*ret_owner = *ret_app = VIEW("");
	enum status st = db_query(db, &on_query, PARAMS(P_TEXT(cluster)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK || rows_count(rows) == 0)
		return st;
	st = arena_keep(arena, rows_view(rows, 0, 0), ret_owner, err);
	return st == ST_OK ? arena_keep(arena, rows_view(rows, 0, 1), ret_app, err) : st;
}

enum status unit_cluster_answers(struct db *db, struct view cluster, bool *ret_answers, struct error *err)
{
	auto_rows *rows = NULL;

	const enum status st = db_query(db, &answers_query, PARAMS(P_TEXT(cluster)), EXPECT_ROW, &rows, err);
	if (st == ST_OK)
		*ret_answers = rows_bool(rows, 0, 0);
	return st;
}

enum status unit_abandon(struct db *db, struct view cluster, struct arena *arena, struct unit_row **ret_units,
                         size_t *ret_count, struct error *err)
{
	struct rows      *rows = NULL;
	const enum status st = db_query(db, &abandon_query, PARAMS(P_TEXT(cluster)), EXPECT_ROWS, &rows, err);

	return st == ST_OK ? unit_rows_take(rows, 0, arena, ret_units, ret_count, err) : st;
}
