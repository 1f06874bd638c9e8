/*
 * unit_seen.c - what watchers see on clusters.
 *
 * Rows say what is there; counters in the unit are their sums, kept by the same statement, so that an unfiltered status
 * reads no row.  Objects are found by the label they carry: cluster, status context, app.
 */
#include "host/store/db_priv.h"
#include "host/store/store_priv.h"
#include "host/store/unit_priv.h"

#include <stdlib.h>

enum { ARRAYS_MAX = 64 << 20 };

/* NOTE: in a database that was restored elsewhere, claims from before name transactions of the future, and are told once. */
static const struct query live_query = { "unit_live",
	"SELECT " SQL_UNIT_ROW("u") " FROM unit u JOIN resource r ON r.id = u.owner LEFT JOIN app_context x ON x.id = u.context"
	" WHERE u.live_xid >= $1 AND ($1 = 0 OR u.live_xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
	" AND (u.applied IS NOT NULL OR u.tried <> '{}') ORDER BY u.id" };

/* Before the walk: no claim of an older transaction is missing in it.  A younger one may be, or be told twice. */
static const struct query oldest_query = { "unit_live_oldest", "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint" };

/* $1 host  $2 lease  $3 clusters.  Whoever takes over has seen nothing yet. */
static const struct query watch_query = { "unit_watch",
	"INSERT INTO cluster_watch AS w (cluster, host, until) SELECT DISTINCT c, $1::bigint, " SQL_IN_US("$2") " FROM"
	" unnest($3::text[]) AS c"
	" ORDER BY c ON CONFLICT (cluster) DO UPDATE SET host = excluded.host, until = excluded.until,"
	" is_lost = w.is_lost OR w.host <> excluded.host,"
	" seen_at = CASE WHEN w.is_lost OR w.host <> excluded.host THEN w.seen_at ELSE statement_timestamp() END"
	" WHERE w.host = excluded.host OR w.until < statement_timestamp()"
	" OR pg_try_advisory_xact_lock_shared(1, w.host::int) RETURNING cluster" };

#define SQL_COUNTS(sign) \
	sign "(is_tracked AND ready)::int AS ready, " sign "(is_tracked AND NOT ready)::int AS not_ready, " \
	sign "(is_tracked AND is_member)::int AS member"
#define SQL_ADD_DELTA \
	"ready_count = u.ready_count + d.ready, not_ready_count = u.not_ready_count + d.not_ready," \
	" member_count = u.member_count + d.member"

/* Of many objects: which are applied, as far as anybody knows?  state: what the row of one says, null when it has none. */
#define SQL_IS_APPLIED(state, seen, units) \
	"coalesce(" state " = 1, (" seen ".unit, " seen ".name) IN (SELECT * FROM unit_names(ARRAY(" units "))))"

/* Nobody works on it, and everything that it wants is there: what happens to it now is somebody else's doing. */
#define SQL_IS_AT_REST \
	"u.due_at IS NULL AND u.lease IS NULL AND NOT u.is_stopped AND u.applied = u.set AND NOT u.is_unsure"

/*
 * Whoever is at work may have passed by what is to be healed: the generation moves, so that his report is not the last word, and
 * all is sent again after it.  What he works for stays the event.
 *
 * NOTE: at rest was decided before the rows were locked, in order: who has claimed or stopped a unit since keeps it so.  And who
 * has reported since that nothing is awaited any more, as a hook that has failed was taken away, is not to begin again.
 */
#define SQL_UPDATE_UNITS \
	"held AS (SELECT u.id FROM unit u JOIN delta d ON d.unit = u.id WHERE (d.ready, d.not_ready, d.member, d.drifts) <>" \
	" (0, 0, 0, 0) OR d.heals OR d.wakes" \
	" ORDER BY u.id FOR NO KEY UPDATE OF u)" \
	"UPDATE unit u SET " SQL_ADD_DELTA ", drifts = u.drifts + d.drifts, is_unsure = u.is_unsure OR d.heals," \
	" generation = u.generation + d.heals::int," \
	" event = CASE WHEN d.heals AND u.due_at IS NULL AND u.applied = u.set THEN 'drift' ELSE u.event END," \
	" due_at = CASE WHEN u.lease IS NULL AND (d.heals AND u.due_at IS NULL AND NOT u.is_stopped" \
	" OR d.wakes AND u.awaits <> '' AND u.due_at > statement_timestamp()) THEN statement_timestamp() ELSE u.due_at END" \
	" FROM delta d JOIN held h ON h.id = d.unit WHERE u.id = d.unit"

/*
 * $1 clusters  $2 sessions  $3 contexts  $4 apps  $5 names  $6 API versions  $7 states  $8 flags (SEEN_*)  $9 reasons  $10 fields  $11 since
 *
 * A drift counts when the unit is at rest and the object is one that it has applied: what happens while somebody works on
 * the unit is his doing, and who sees more of it tells again.  But what a new session finds changed since the one before it is
 * told once: nobody at work changes it without applying it, and it counts whatever the unit does.  What was applied after the
 * last session told of it may have drifted before this one began, and nobody knows: where drift is healed it is applied again,
 * which changes nothing when it has not.
 *
 * Only the host that may watch ($12) is heard: who stood still tells of what was long ago, and of two who tell of one new
 * object at the same moment neither sees the other's row, so that it would be counted twice.  Who takes a cluster over
 * waits for what the one before him is telling.
 */
static const struct query observe_query = { "unit_observe",
	"WITH mine AS (SELECT cluster FROM cluster_watch WHERE cluster = ANY ($1::text[]) AND host = $12 ORDER BY cluster FOR SHARE),"
	"news AS (SELECT DISTINCT ON (u.id, o.name) u.id AS unit, o.name COLLATE \"C\" AS name, o.api_version,"
	" o.state > 0 AS is_there, o.state = 2 AS ready, o.state > 0 AND o.flags & 1 <> 0 AS is_tracked, o.flags & 2 <> 0 AS is_member,"
	" o.flags & 4 <> 0 AS has_drifted, o.flags & 8 <> 0 AS heals, o.reason, o.fields, o.since"
	", o.session, u.awaits = o.name AS is_awaited FROM unnest($1, $2::int8[], $3::int8[], $4::text[], $5::text[],"
	" $6::text[], $7::int8[], $8::int8[], $9::text[], $10::int8[], $11::int8[])"
	" WITH ORDINALITY AS o (cluster, session, context, app, name, api_version, state, flags, reason, fields, since, at)"
	" JOIN mine m USING (cluster) JOIN unit u ON u.cluster = o.cluster AND u.status_context = o.context AND u.app = o.app"
	" ORDER BY u.id, o.name, o.at DESC),"
	"old AS (SELECT s.unit, s.name, s.ready, s.is_tracked, s.is_member,"
	" s.session <> n.session AND s.fields <> 0 AND s.since = n.since AND s.fields <> n.fields AS has_drifted,"
	" n.is_member AND s.session <> n.session AND s.fields <> 0 AND s.since <> n.since"
	" AND (n.since = 0 OR s.since & 65535 = n.since & 65535) AS is_unclear"
	" FROM unit_seen s JOIN news n USING (unit, name) FOR UPDATE OF s),"
	"put AS (INSERT INTO unit_seen AS s (unit, name, api_version, ready, is_tracked, is_member, session, reason, fields, since, heals)"
	" SELECT unit, name, api_version, ready, is_tracked, is_member, session, reason, fields, since, heals FROM news WHERE is_there"
	" ON CONFLICT (unit, name) DO UPDATE SET api_version = excluded.api_version, ready = excluded.ready,"
	" is_tracked = excluded.is_tracked, is_member = excluded.is_member, session = excluded.session, reason = excluded.reason,"
	" fields = excluded.fields, since = excluded.since, heals = excluded.heals),"
	"gone AS (DELETE FROM unit_seen s USING news n WHERE s.unit = n.unit AND s.name = n.name AND NOT n.is_there),"
	"drift AS (SELECT n.unit, count(*) FILTER (WHERE n.has_drifted OR old.has_drifted) AS drifts, bool_or(n.heals) AS heals"
	" FROM news n JOIN unit u ON u.id = n.unit LEFT JOIN old USING (unit, name) LEFT JOIN unit_object o USING (unit, name)"
	" WHERE u.is_wanted AND n.is_member AND CASE WHEN " SQL_IS_AT_REST
	" THEN (n.has_drifted OR old.has_drifted OR old.is_unclear) AND " SQL_IS_APPLIED("o.state", "n", "SELECT unit FROM news")
	" ELSE coalesce(o.state, 1) <> 4 AND (old.has_drifted OR old.is_unclear) END GROUP BY n.unit),"
	"delta AS (SELECT unit, sum(ready) AS ready, sum(not_ready) AS not_ready, sum(member) AS member,"
	" sum(drifts) AS drifts, bool_or(heals) AS heals, bool_or(wakes) AS wakes FROM ("
	"SELECT unit, " SQL_COUNTS("") ", 0 AS drifts, false AS heals, is_awaited AS wakes FROM news"
	" UNION ALL SELECT unit, " SQL_COUNTS("-") ", 0, false, false FROM old"
	" UNION ALL SELECT unit, 0, 0, 0, drifts, heals, false FROM drift) AS a GROUP BY unit),"
	SQL_UPDATE_UNITS " RETURNING d.heals OR d.wakes, u.id, EXISTS (SELECT FROM unit_wait w WHERE w.owner = u.owner AND w.on_app = u.app)" };

#define SQL_IS_MINE(host)  "EXISTS (SELECT FROM cluster_watch WHERE cluster = $1 AND host = " host ")"

/*
 * $1 cluster  $2 session  $3 kinds  $4 host.  A name ends with its kind: "web+Deployment".
 *
 * What is missing of a unit at rest was deleted by somebody else, and so was what its last report has as applied.  What is not
 * reported yet may have been pruned by whoever is at work: that is no drift, but nothing says that it is not missing.
 *
 * What an earlier session has seen of other kinds is gone when we have deleted it, as nobody may look at its kind any more;
 * else it may be there, but nobody can say that it is ready.
 */
static const struct query whole_query = { "unit_observe_whole",
	"WITH gone AS (DELETE FROM unit_seen s USING unit u WHERE u.cluster = $1 AND s.unit = u.id AND s.session <> $2"
	" AND " SQL_IS_MINE("$4")
	" AND (s.api_version || '|' || substring(s.name FROM '[^+]*$') = ANY ($3::text[])"
	" OR EXISTS (SELECT FROM unit_object o WHERE o.unit = s.unit AND o.name = s.name AND o.state = 4))"
	" RETURNING s.unit, s.name, s.ready, s.is_tracked, s.is_member, s.heals),"
	"unseen AS (UPDATE unit_seen s SET ready = false, reason = 'objects of its kind cannot be seen now' FROM unit u"
	" WHERE u.cluster = $1 AND s.unit = u.id AND s.session <> $2 AND s.ready AND " SQL_IS_MINE("$4")
	" AND s.api_version || '|' || substring(s.name FROM '[^+]*$') <> ALL ($3::text[])"
	" AND " SQL_IS_APPLIED("(SELECT o.state FROM unit_object o WHERE o.unit = s.unit AND o.name = s.name)", "s",
		"SELECT id FROM unit WHERE cluster = $1")
	" RETURNING s.unit, s.is_tracked::int AS tracked),"
	"drift AS MATERIALIZED (SELECT g.unit, count(*) FILTER (WHERE g.is_applied) AS drifts, bool_or(g.heals) AS heals"
	" FROM (SELECT g.*, o.state, " SQL_IS_APPLIED("o.state", "g", "SELECT unit FROM gone") " AS is_applied"
	" FROM gone g LEFT JOIN unit_object o USING (unit, name)) AS g JOIN unit u ON u.id = g.unit"
	" WHERE g.is_member AND u.is_wanted AND CASE WHEN " SQL_IS_AT_REST " THEN g.is_applied ELSE coalesce(g.state, 1) <> 4"
	" END GROUP BY g.unit),"
	"delta AS MATERIALIZED (SELECT unit, sum(ready) AS ready, sum(not_ready) AS not_ready, sum(member) AS member,"
	" sum(drifts) AS drifts, bool_or(heals) AS heals, false AS wakes FROM ("
	"SELECT unit, " SQL_COUNTS("-") ", 0 AS drifts, false AS heals FROM gone"
	" UNION ALL SELECT unit, -tracked, tracked, 0, 0, false FROM unseen"
	" UNION ALL SELECT unit, 0, 0, 0, drifts, heals FROM drift) AS a GROUP BY unit),"
	SQL_UPDATE_UNITS };

static const struct query wake_query = { "unit_wake",
	"WITH held AS MATERIALIZED (SELECT id FROM unit WHERE cluster = $1 AND reachable = 0 AND lease IS NULL"
	" AND due_at > statement_timestamp() AND NOT is_stopped ORDER BY id FOR NO KEY UPDATE)"
	"UPDATE unit u SET due_at = statement_timestamp() FROM held h WHERE u.id = h.id" };

/* What the status of owners says of a cluster changes when it is lost and when it is back, and no unit says so. */
#define SQL_TELL_OWNERS(changed) \
	"INSERT INTO owner_status (owner, app, changes) SELECT DISTINCT u.owner, '', 1 FROM unit u WHERE u.cluster = $1" \
	" AND EXISTS (SELECT FROM " changed ")"

static const struct query lost_query = { "unit_observe_lost",
	"WITH lost AS (UPDATE cluster_watch SET is_lost = true, error = $2, seen_at = coalesce(seen_at, statement_timestamp())"
	" WHERE cluster = $1 AND host = $3 AND (NOT is_lost OR error <> $2 OR seen_at IS NULL) RETURNING cluster)"
	SQL_TELL_OWNERS("lost") };

static const struct query back_query = { "unit_observe_back",
	"WITH missed AS MATERIALIZED (SELECT cluster FROM cluster_watch WHERE cluster = $1 AND host = $2 AND (is_lost OR seen_at IS NULL)),"
	"back AS (UPDATE cluster_watch SET is_lost = false, error = '', seen_at = statement_timestamp() WHERE cluster = $1 AND host = $2)"
	SQL_TELL_OWNERS("missed") };

/* Of a cluster that nobody watches yet, too. */
static const struct query know_query = { "unit_know_version",
	"INSERT INTO cluster_watch AS w (cluster, host, until, version) VALUES ($1, 0, statement_timestamp(), $2)"
	" ON CONFLICT (cluster) DO UPDATE SET version = excluded.version WHERE w.version <> excluded.version" };

static const struct query versions_query = { "unit_versions",
	"SELECT version FROM cluster_watch WHERE cluster = ANY ($1::text[]) AND version <> '' ORDER BY cluster" };

static const struct query list_query = { "unit_seen_list",
	"SELECT s.name, s.api_version, s.reason, s.ready, s.is_tracked, s.is_member, u.status_context FROM unit u"
	" JOIN unit_seen s ON s.unit = u.id WHERE u.owner = $1 AND u.app = $2 AND u.cluster = $3 ORDER BY s.name" };

enum status unit_live(struct db *db, int64_t since, struct arena *arena, struct unit_row **ret_units, size_t *ret_count,
                      int64_t *ret_next, struct error *err)
{
	auto_rows   *oldest = NULL;
	struct rows *rows = NULL;

	enum status st = db_query(db, &oldest_query, NULL, 0, EXPECT_ROW, &oldest, err);
	if (st == ST_OK && rows_int(oldest, 0, 0) < since)        /* the database went back, and knows nothing of since */
		since = 0;
	if (st == ST_OK)
		st = db_query(db, &live_query, PARAMS(P_INT(since)), EXPECT_ROWS, &rows, err);
	if (st == ST_OK)
		st = unit_rows_take(rows, 0, arena, ret_units, ret_count, err);
	if (st == ST_OK)
		*ret_next = rows_int(oldest, 0, 0);
	return st;
}

enum status unit_watch(struct store *store, struct db *db, const struct view *clusters, size_t count, int64_t lease_ns,
                       struct arena *arena, struct view **ret_mine, size_t *ret_count, struct error *err)
{
	auto_buf     names = BUF(ARRAYS_MAX);
	struct rows *rows = NULL;

	*ret_count = 0;
	if (!liveness_is_held(store->liveness))               /* others take us for dead */
		return ST_OK;
	enum status st = param_texts(&names, clusters, count, err);
	if (st == ST_OK)
		st = db_query_kept(db, &watch_query, PARAMS(P_INT(store->host), P_INT(lease_ns / 1000), P_BYTES(buf_view(&names))), arena,
		                   &rows, err);
	if (st != ST_OK)
		return st;

	struct view *mine = arena_alloc(arena, rows_count(rows), sizeof *mine);
	if (mine == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++)
		mine[i] = rows_view(rows, i, 0);
	*ret_mine = mine;
	*ret_count = rows_count(rows);
	return ST_OK;
}

/* The columns of rows as arrays. */
struct columns { struct buf clusters, sessions, contexts, apps, names, versions, states, flags, reasons, fields, since; };

static void columns_done(struct columns *columns)
{
	buf_done(&columns->clusters);
	buf_done(&columns->sessions);
	buf_done(&columns->contexts);
	buf_done(&columns->apps);
	buf_done(&columns->names);
	buf_done(&columns->versions);
	buf_done(&columns->states);
	buf_done(&columns->flags);
	buf_done(&columns->reasons);
	buf_done(&columns->fields);
	buf_done(&columns->since);
}

static enum status numbers_bind(const struct seen_row *rows, size_t count, struct columns *columns, struct error *err)
{
	int64_t    *numbers = calloc(6 * count + 1, sizeof *numbers);
	enum status st = numbers == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : ST_OK;

	for (size_t i = 0; st == ST_OK && i < count; i++) {
		numbers[i] = rows[i].status_context;
		numbers[count + i] = rows[i].state;
		numbers[2 * count + i] = rows[i].flags;
		numbers[3 * count + i] = rows[i].fields;
		numbers[4 * count + i] = rows[i].since;
		numbers[5 * count + i] = rows[i].session;
	}
	if (st == ST_OK)
		st = param_ints(&columns->contexts, numbers, count, err);
	if (st == ST_OK)
		st = param_ints(&columns->states, numbers + count, count, err);
	if (st == ST_OK)
		st = param_ints(&columns->flags, numbers + 2 * count, count, err);
	if (st == ST_OK)
		st = param_ints(&columns->fields, numbers + 3 * count, count, err);
	if (st == ST_OK)
		st = param_ints(&columns->since, numbers + 4 * count, count, err);
	if (st == ST_OK)
		st = param_ints(&columns->sessions, numbers + 5 * count, count, err);
	free(numbers);
	return st;
}

static enum status columns_bind(const struct seen_row *rows, size_t count, struct columns *columns, struct error *err)
{
	enum status st = numbers_bind(rows, count, columns, err);

	if (st == ST_OK)
		st = param_texts_at(&columns->clusters, &rows->cluster, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&columns->apps, &rows->app, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&columns->names, &rows->name, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&columns->versions, &rows->api_version, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&columns->reasons, &rows->reason, count, sizeof *rows, err);
	return st;
}

enum status unit_observe(struct store *store, struct db *db, const struct seen_row *rows, size_t count, bool *ret_heals, struct error *err)
{
	CLEANUP(columns_done) struct columns c = {
		BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX),
		BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX), BUF(ARRAYS_MAX),
	};
	auto_rows *heals = NULL;

	*ret_heals = false;
	if (count == 0)
		return ST_OK;
	enum status st = columns_bind(rows, count, &c, err);
	if (st == ST_OK)
		st = db_query(db, &observe_query, PARAMS(P_BYTES(buf_view(&c.clusters)), P_BYTES(buf_view(&c.sessions)), P_BYTES(buf_view(&c.contexts)),
		              P_BYTES(buf_view(&c.apps)), P_BYTES(buf_view(&c.names)), P_BYTES(buf_view(&c.versions)),
		              P_BYTES(buf_view(&c.states)), P_BYTES(buf_view(&c.flags)), P_BYTES(buf_view(&c.reasons)),
		              P_BYTES(buf_view(&c.fields)), P_BYTES(buf_view(&c.since)), P_INT(store->host)), EXPECT_ROWS, &heals, err);
	for (size_t i = 0; st == ST_OK && i < rows_count(heals); i++)
		*ret_heals = *ret_heals || rows_bool(heals, i, 0);
	return st == ST_OK ? unit_wait_look(db, heals, 1, 2, ret_heals, err) : st;
}

enum status unit_observe_whole(struct store *store, struct db *db, struct view cluster, int64_t session, const struct view *kinds, size_t kind_count,
                               struct error *err)
{
	auto_buf    names = BUF(ARRAYS_MAX);
	enum status st = param_texts(&names, kinds, kind_count, err);

	if (st == ST_OK)
		st = db_query(db, &whole_query, PARAMS(P_TEXT(cluster), P_INT(session), P_BYTES(buf_view(&names)),
		              P_INT(store->host)), EXPECT_NONE, NULL, err);
	if (st == ST_OK)
		st = db_query(db, &back_query, PARAMS(P_TEXT(cluster), P_INT(store->host)), EXPECT_NONE, NULL, err);
	return st != ST_OK ? st : db_query(db, &wake_query, PARAMS(P_TEXT(cluster)), EXPECT_NONE, NULL, err);
}

enum status unit_observe_lost(struct store *store, struct db *db, struct view cluster, struct view why, struct error *err)
{
	return db_query(db, &lost_query, PARAMS(P_TEXT(cluster), P_TEXT(why), P_INT(store->host)), EXPECT_NONE, NULL, err);
}

enum status unit_know_version(struct db *db, struct view cluster, struct view version, struct error *err)
{
	return db_query(db, &know_query, PARAMS(P_TEXT(cluster), P_TEXT(version)), EXPECT_NONE, NULL, err);
}

enum status unit_versions(struct db *db, const struct view *clusters, size_t count, struct arena *arena,
                          struct view **ret_versions, size_t *ret_count, struct error *err)
{
	auto_buf     names = BUF(ARRAYS_MAX);
	struct rows *rows = NULL;
	enum status  st = param_texts(&names, clusters, count, err);

	if (st == ST_OK)
		st = db_query_kept(db, &versions_query, PARAMS(P_BYTES(buf_view(&names))), arena, &rows, err);
	if (st != ST_OK)
		return st;

	struct view *versions = arena_alloc(arena, rows_count(rows), sizeof *versions);
	if (versions == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++)
		versions[i] = rows_view(rows, i, 0);
	*ret_versions = versions;
	*ret_count = rows_count(rows);
	return ST_OK;
}

enum status unit_seen_list(struct db *db, int64_t owner, struct view app, struct view cluster, struct arena *arena,
                           struct seen_row **ret_rows, size_t *ret_count, struct error *err)
{
	struct rows *rows = NULL;
	enum status  st = db_query_kept(db, &list_query, PARAMS(P_INT(owner), P_TEXT(app), P_TEXT(cluster)), arena, &rows, err);

	if (st != ST_OK)
		return st;

	struct seen_row *seen = arena_alloc(arena, rows_count(rows), sizeof *seen);
	if (seen == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++)
		seen[i] = (struct seen_row) {
			.name = rows_view(rows, i, 0), .api_version = rows_view(rows, i, 1), .reason = rows_view(rows, i, 2),
			.state = rows_bool(rows, i, 3) ? SEEN_READY : SEEN_NOT_READY,
			.flags = (rows_bool(rows, i, 4) ? SEEN_TRACKED : 0u) | (rows_bool(rows, i, 5) ? SEEN_MEMBER : 0u),
			.status_context = rows_int(rows, i, 6), .app = app,
		};
	*ret_rows = seen;
	*ret_count = rows_count(rows);
	return ST_OK;
}
