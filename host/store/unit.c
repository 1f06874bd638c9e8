#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

/*
 * $1 owner  $2 context  $3 status context  $4 event.  A unit that keeps its set and label only learns its new context,
 * and is tried again when it is not done.  One that moves forgets the states of its objects: they are pending, or, when
 * the set is the one that is applied, all there.  One that lost its place becomes empty, and keeps what it was last.
 */
static const struct query move_query = { "unit_move",
	"WITH wanted AS MATERIALIZED (SELECT p.app, p.cluster, p.set, s.size, s.tracked FROM app_context_cluster p"
	" JOIN resource_set s ON s.digest = p.set WHERE p.context = $2),"
	"held AS MATERIALIZED (SELECT id FROM unit WHERE owner = $1 ORDER BY id FOR NO KEY UPDATE),"
	"present AS MATERIALIZED (SELECT u.id, w.set, w.size, w.tracked,"
	" u.is_wanted AND u.set = w.set AND u.status_context = $3 AS is_kept,"
	" coalesce(u.applied = w.set, false) AND u.label = $3 AND u.tried = '{}' AND NOT u.is_unsure AS is_done"
	" FROM wanted w JOIN unit u ON u.owner = $1 AND u.app = w.app AND u.cluster = w.cluster WHERE (SELECT count(*) FROM held) > 0),"
	"kept AS (UPDATE unit u SET context = $2, event = $4, is_stopped = false, is_placed = true,"
	" attempts = CASE WHEN p.is_done THEN u.attempts ELSE 0 END,"
	" due_at = CASE WHEN p.is_done THEN NULL ELSE " SQL_SOON " END"
	" FROM present p WHERE u.id = p.id AND p.is_kept),"
	"moved AS (UPDATE unit u SET context = $2, status_context = $3, event = $4, set = p.set, is_wanted = true, is_placed ="
	" true, size = p.size, tracked = p.tracked,"
	" generation = u.generation + 1, " SQL_NEW_MOVE ", attempts = 0, is_failed = false, is_stopped = false, error = '',"
	" pending = CASE WHEN p.is_done THEN 0 ELSE p.size END, applied_count = CASE WHEN p.is_done THEN p.size ELSE 0 END,"
	" failed_count = 0, retrying_count = 0, deleted_count = 0, is_even = p.is_done,"
	" due_at = CASE WHEN p.is_done THEN NULL ELSE " SQL_SOON " END"
	" FROM present p WHERE u.id = p.id AND NOT p.is_kept),"
	"forgotten AS (DELETE FROM unit_object o USING present p WHERE o.unit = p.id AND NOT p.is_kept),"
	"added AS (INSERT INTO unit (owner, app, cluster, context, status_context, set, size, tracked, is_wanted, event, pending, due_at)"
	" SELECT $1, w.app, w.cluster, $2, $3, w.set, w.size, w.tracked, true, $4, w.size, statement_timestamp() FROM wanted w"
	" WHERE NOT EXISTS (SELECT FROM unit u WHERE u.owner = $1 AND u.app = w.app AND u.cluster = w.cluster)),"
	"lost AS MATERIALIZED (SELECT u.id FROM unit u WHERE u.owner = $1 AND (SELECT count(*) FROM held) > 0"
	" AND (NOT " SQL_IS_EMPTY " OR (u.is_placed AND $2 <> 0))"
	" AND NOT EXISTS (SELECT FROM wanted w WHERE w.app = u.app AND w.cluster = u.cluster)),"
	"emptied AS (UPDATE unit u SET is_wanted = false, generation = u.generation + u.is_wanted::int, event = $4,"
	" move = u.move + u.is_wanted::int, progress = CASE WHEN u.is_wanted THEN '' ELSE u.progress END,"
	" awaits = CASE WHEN u.is_wanted THEN '' ELSE u.awaits END,"
	" context = CASE WHEN $2 = 0 THEN u.context ELSE $2 END, is_placed = u.is_placed AND $2 = 0,"
	" attempts = 0, is_failed = false, is_stopped = false, error = '', pending = 0,"
	" due_at = CASE WHEN u.applied IS NULL AND u.tried = '{}' THEN NULL ELSE " SQL_SOON " END"
	" FROM lost l WHERE u.id = l.id)"
	"DELETE FROM unit_object o USING lost l WHERE o.unit = l.id AND o.state = 0" };

static const struct query stop_query = { "unit_stop",
	SQL_HELD("u.owner = $1 AND u.due_at IS NOT NULL")
	"UPDATE unit u SET is_stopped = true, due_at = NULL FROM held h WHERE u.id = h.id" };

/*
 * Units of a cluster that is reached in another way.  The try that is under way may do a part of its work where it was before, and a
 * part where it is now, and so may one that has ended have: nothing of it is known to be there, so all is sent again.  What is
 * done and at rest stays so: what a watcher misses of it is a drift.  One that was stopped only has to know.
 *
 * NOTE: the generation moves, so that a try that has begun with what was known before neither ends with an old fault nor
 * waits long, nor is the last word.
 */
#define SQL_IS_UNDER_WAY  "(u.lease IS NOT NULL OR NOT " SQL_IS_DONE ")"
#define SQL_RETRY \
	"UPDATE unit u SET generation = u.generation + 1, is_failed = u.is_failed AND u.is_stopped, attempts = 0," \
	" is_unsure = u.is_unsure OR u.applied IS NOT NULL OR u.tried <> '{}' OR u.lease IS NOT NULL," \
	" due_at = CASE WHEN NOT u.is_stopped THEN " SQL_SOON " END FROM held h WHERE u.id = h.id"

static const struct query retry_cluster_query = { "unit_retry_cluster", SQL_HELD("u.cluster = $1 AND " SQL_IS_UNDER_WAY) SQL_RETRY };

/* $1 the path of what clusters refer to, their sync object */
static const struct query retry_sync_query = { "unit_retry_sync",
	"WITH c AS MATERIALIZED (SELECT split_part(r.path, '/', 2) || '+' || split_part(r.path, '/', 4) AS name FROM resource s"
	" JOIN resource_ref x ON x.dst = s.id JOIN resource r ON r.id = x.src AND r.type = 'cluster' WHERE s.path = $1),"
	"held AS MATERIALIZED (SELECT u.id FROM unit u JOIN c ON u.cluster = c.name WHERE " SQL_IS_UNDER_WAY
	" ORDER BY u.id FOR NO KEY UPDATE OF u)" SQL_RETRY };

/* The triggers have told both, but who owns nothing any more has no status either. */
static const struct query reowned_query = { "unit_reowned",
	"DELETE FROM owner_status s WHERE s.owner = $1 AND NOT EXISTS (SELECT FROM unit WHERE owner = $1)" };

static const struct query reown_query = { "unit_reown",
	SQL_HELD("u.owner = $1") "UPDATE unit u SET owner = $2 FROM held h WHERE u.id = h.id" };

/*
 * What was left on clusters in earlier lives goes with the units.  NOTE: the owner of before must not keep the labels: in
 * another life it would take what it has given away for its own left-overs, and take it back.
 */
static const struct query relabel_query = { "unit_relabel",
	"WITH gone AS (DELETE FROM owner_label WHERE owner = $1 RETURNING status_context)"
	" INSERT INTO owner_label (owner, status_context) SELECT $2::bigint, status_context FROM gone ON CONFLICT DO NOTHING" };

/* Labels stay when contexts and actions are gone, and what was left on clusters is still known by them. */
static const struct query owns_query = { "unit_owns",
	"SELECT true FROM owner_label WHERE owner = $1 AND status_context::text = $2 LIMIT 1" };

/* $1 status context  $2 who asks.  A label has one owner at a time. */
static const struct query holder_query = { "unit_holder",
	"SELECT r.path FROM owner_label l JOIN resource r ON r.id = l.owner WHERE l.status_context = $1 AND l.owner <> $2"
	" ORDER BY l.owner LIMIT 1" };

static const struct query forget_query = { "unit_forget",
	SQL_HELD("u.owner = $1")
	", full_one AS MATERIALIZED (SELECT u.app, u.cluster FROM unit u WHERE u.owner = $1 AND NOT " SQL_IS_EMPTY " LIMIT 1),"
	"gone AS (DELETE FROM unit u USING held h WHERE u.id = h.id AND NOT EXISTS (SELECT FROM full_one))"
	" SELECT app, cluster FROM full_one" };

#define SQL_LIST(wherever) \
	"SELECT u.app, u.cluster, u.error, u.is_wanted, " SQL_IS_DONE ", u.is_failed, u.reachable, u.attempts, u.set," \
	" u.pending, u.applied_count, u.failed_count, u.retrying_count, u.deleted_count," \
	" u.ready_count, u.not_ready_count, u.member_count, u.drifts, w.seen_at IS NOT NULL," \
	" coalesce(w.is_lost OR w.until < statement_timestamp() - " SQL_STALE ", true), coalesce(w.error, '')," \
	" coalesce((extract(epoch FROM w.seen_at) * 1000)::bigint, 0), " SQL_IS_UNBEGUN("u") ", u.awaits, u.stage, u.is_placed" \
	" FROM unit u LEFT JOIN cluster_watch w ON w.cluster = u.cluster WHERE u.owner = $1" wherever " ORDER BY u.app, u.cluster"

static const struct query list_query = { "unit_list", SQL_LIST("") };
static const struct query leaving_query = { "unit_list_leaving", SQL_LIST(" AND NOT u.is_wanted AND NOT " SQL_IS_DONE) };

enum { FIRST_COUNT = 9, FIRST_SEEN = FIRST_COUNT + OBJECT_STATES };

enum status unit_move(struct db *db, int64_t owner, int64_t context, int64_t status_context, const char *event,
                      struct error *err)
{
	const enum status st = db_query(db, &move_query, PARAMS(P_INT(owner), P_INT(context), P_INT(status_context), P_STR(event)),
	                                EXPECT_NONE, NULL, err);

	return st == ST_OK ? unit_wait_write(db, owner, context, err) : st;
}

enum status unit_stop(struct db *db, int64_t owner, struct error *err)
{
	return db_query(db, &stop_query, PARAMS(P_INT(owner)), EXPECT_NONE, NULL, err);
}

enum status unit_retry_cluster(struct db *db, struct view cluster, struct error *err)
{
	return db_query(db, &retry_cluster_query, PARAMS(P_TEXT(cluster)), EXPECT_NONE, NULL, err);
}

enum status unit_retry_sync(struct db *db, struct view sync_object, struct error *err)
{
	return db_query(db, &retry_sync_query, PARAMS(P_TEXT(sync_object)), EXPECT_NONE, NULL, err);
}

enum status unit_reown(struct db *db, int64_t owner, int64_t to, struct error *err)
{
	enum status st = db_query(db, &reown_query, PARAMS(P_INT(owner), P_INT(to)), EXPECT_NONE, NULL, err);

	if (st == ST_OK)
		st = db_query(db, &relabel_query, PARAMS(P_INT(owner), P_INT(to)), EXPECT_NONE, NULL, err);
	if (st == ST_OK)
		st = unit_wait_write(db, owner, 0, err);
	return st == ST_OK ? db_query(db, &reowned_query, PARAMS(P_INT(owner)), EXPECT_NONE, NULL, err) : st;
}

enum status unit_owns(struct db *db, const struct unit_row *unit, struct view status_context, bool *ret_owns, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &owns_query, PARAMS(P_INT(unit->owner), P_TEXT(status_context)), EXPECT_MAYBE, &rows, err);
	if (st == ST_OK)
		*ret_owns = rows_count(rows) > 0;
	return st;
}

enum status unit_holder(struct db *db, int64_t owner, int64_t status_context, struct arena *arena, struct view *ret_path,
                        struct error *err)
{
	auto_rows *rows = NULL;

	*ret_path = VIEW("");
	enum status st = db_query(db, &holder_query, PARAMS(P_INT(status_context), P_INT(owner)), EXPECT_MAYBE, &rows, err);
	return st == ST_OK && rows_count(rows) > 0 ? arena_keep(arena, rows_view(rows, 0, 0), ret_path, err) : st;
}

enum status unit_forget(struct db *db, int64_t owner, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &forget_query, PARAMS(P_INT(owner)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK || rows_count(rows) == 0)
		return st;
	const struct view app = rows_view(rows, 0, 0), cluster = rows_view(rows, 0, 1);
	return fail(err, ST_CONFLICT, "app \"%.*s\" still has objects on cluster \"%.*s\"", (int) app.len, app.ptr,
	            (int) cluster.len, cluster.ptr);
}

static enum status list(struct db *db, const struct query *query, int64_t owner, struct arena *arena,
                        struct unit_status **ret_units, size_t *ret_count, struct error *err)
{
	struct rows *rows = NULL;

	enum status st = db_query_kept(db, query, PARAMS(P_INT(owner)), arena, &rows, err);
	if (st != ST_OK)
		return st;

	const size_t        count = rows_count(rows);
	struct unit_status *units = arena_alloc(arena, count, sizeof *units);
	if (units == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		units[i] = (struct unit_status) {
			.app = rows_view(rows, i, 0), .cluster = rows_view(rows, i, 1), .error = rows_view(rows, i, 2),
			.is_wanted = rows_bool(rows, i, 3), .is_done = rows_bool(rows, i, 4), .is_failed = rows_bool(rows, i, 5),
			.reachable = (int) rows_int(rows, i, 6), .attempts = rows_int(rows, i, 7), .set = rows_digest(rows, i, 8),
		};
		for (size_t state = 0; state < OBJECT_STATES; state++)
			units[i].counts[state] = (uint64_t) rows_int(rows, i, FIRST_COUNT + state);
		units[i].ready = (uint64_t) rows_int(rows, i, FIRST_SEEN);
		units[i].not_ready = (uint64_t) rows_int(rows, i, FIRST_SEEN + 1);
		units[i].members = (uint64_t) rows_int(rows, i, FIRST_SEEN + 2);
		units[i].drifts = (uint64_t) rows_int(rows, i, FIRST_SEEN + 3);
		units[i].is_watched = rows_bool(rows, i, FIRST_SEEN + 4);
		units[i].is_lost = units[i].is_watched && rows_bool(rows, i, FIRST_SEEN + 5);
		units[i].lost_why = rows_view(rows, i, FIRST_SEEN + 6);
		units[i].observed_ms = rows_int(rows, i, FIRST_SEEN + 7);
		units[i].is_unbegun = rows_bool(rows, i, FIRST_SEEN + 8);
		units[i].awaits = rows_view(rows, i, FIRST_SEEN + 9);
		units[i].stage = rows_view(rows, i, FIRST_SEEN + 10);
		units[i].is_placed = rows_bool(rows, i, FIRST_SEEN + 11);
	}
	*ret_units = units;
	*ret_count = count;
	return ST_OK;
}

enum status unit_list(struct db *db, int64_t owner, struct arena *arena, struct unit_status **ret_units, size_t *ret_count,
                      struct error *err)
{
	return list(db, &list_query, owner, arena, ret_units, ret_count, err);
}

enum status unit_list_leaving(struct db *db, int64_t owner, struct arena *arena, struct unit_status **ret_units, size_t *ret_count,
                              struct error *err)
{
	return list(db, &leaving_query, owner, arena, ret_units, ret_count, err);
}

struct place_key { struct view app, cluster; };

static int by_place(const void *key, const void *unit)
{
	const struct place_key   *place = key;
	const struct unit_status *at = unit;
	const int                 order = view_order(&place->app, &at->app);

	return order != 0 ? order : view_order(&place->cluster, &at->cluster);
}

const struct unit_status *unit_find(const struct unit_status *units, size_t count, struct view app, struct view cluster)
{
	const struct place_key key = { app, cluster };

	return count > 0 ? bsearch(&key, units, count, sizeof *units, by_place) : NULL;
}
