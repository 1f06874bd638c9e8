#include "host/store/resource.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

enum { TRIES_MOST = 8 };

/*
 * What stands in the way is looked for first, so that the answer can name it and the caller's transaction stays usable;
 * the foreign keys catch what comes at the same moment.  $1 path  $2 subject of an event, or null.
 */
static const struct query delete_query = { "resource_delete",
	"WITH self AS MATERIALIZED (SELECT id, version FROM resource WHERE path = $1 AND doc IS NOT NULL AND id <> 0),"
	"child AS MATERIALIZED (SELECT c.path FROM resource c WHERE c.parent = (SELECT id FROM self)"
	" ORDER BY c.type, c.path LIMIT 1),"
	"source AS MATERIALIZED (SELECT s.path FROM resource_ref x JOIN resource s ON s.id = x.src"
	" WHERE x.dst = (SELECT id FROM self) LIMIT 1),"
	"unit_left AS MATERIALIZED (SELECT u.app, u.cluster FROM unit u WHERE u.owner = (SELECT id FROM self)"
	" AND (u.is_wanted OR u.applied IS NOT NULL OR u.tried <> '{}') LIMIT 1),"
	"gone AS (DELETE FROM resource r USING self WHERE r.id = self.id"
	" AND NOT EXISTS (SELECT FROM child) AND NOT EXISTS (SELECT FROM source) AND NOT EXISTS (SELECT FROM unit_left)"
	" RETURNING r.id),"
	"forgotten AS (DELETE FROM unit u USING gone WHERE u.owner = gone.id"
	" AND NOT u.is_wanted AND u.applied IS NULL AND u.tried = '{}'),"
	"cut AS (DELETE FROM resource_ref x USING gone WHERE x.src = gone.id RETURNING x.dst),"
	"orphan AS MATERIALIZED (SELECT r.id, r.version FROM cut JOIN resource r ON r.id = cut.dst WHERE r.doc IS NULL"
	" AND NOT EXISTS (SELECT FROM resource_ref x, gone WHERE x.dst = r.id AND x.src <> gone.id)),"
	"swept AS (DELETE FROM resource r USING orphan o WHERE r.id = o.id AND r.version = o.version AND r.doc IS NULL),"
	"told AS (INSERT INTO outbox (kind, subject) SELECT 'cluster.deleted', $2 FROM gone WHERE $2::text IS NOT NULL)"
	" SELECT (SELECT version FROM self), (SELECT path FROM child), (SELECT path FROM source),"
	" (SELECT app || ' on ' || cluster FROM unit_left), EXISTS (SELECT FROM gone)" };

/* The shape of a blocked delete.  ST_OK: nothing stands in the way, somebody was faster. */
static enum status blocked(struct view path, const struct rows *rows, struct error *err)
{
	const int         n = (int) path.len;
	const struct view child = rows_view(rows, 0, 1), source = rows_view(rows, 0, 2), unit = rows_view(rows, 0, 3);

	if (rows_is_null(rows, 0, 0))
		return fail(err, ST_NOT_FOUND, "\"%.*s\" does not exist", n, path.ptr);
	if (child.len > 0) {
		fail(err, ST_CONFLICT, "\"%.*s\" still has \"%.*s\"", n, path.ptr, (int) child.len, child.ptr);
		return fail_hint(err, "Delete what lies below it first.");
	}
	if (source.len > 0) {
		fail(err, ST_CONFLICT, "\"%.*s\" is still referenced by \"%.*s\"", n, path.ptr, (int) source.len, source.ptr);
		return fail_hint(err, "Delete or change what refers to it first.");
	}
	if (unit.len > 0) {
		fail(err, ST_CONFLICT, "\"%.*s\" still owns objects of %.*s", n, path.ptr, (int) unit.len, unit.ptr);
		return fail_hint(err, "Terminate it first, and wait until its objects are gone.");
	}
	return ST_OK;
}

/* Something came at the same moment, inside a transaction that can now only roll back: the constraint says what. */
static enum status raced(const struct db *db, struct view path, struct error *err)
{
	const char *words = "still has resources below it";

	if (strcmp(db_constraint(db), "resource_ref_dst_fkey") == 0)
		words = "is still referenced";
	else if (strcmp(db_constraint(db), "unit_owner_fkey") == 0)
		words = "still owns objects on clusters";
	return fail(err, ST_CONFLICT, "\"%.*s\" %s", (int) path.len, path.ptr, words);
}

enum status resource_delete(struct store *store, struct db *db, struct view path, bool has_events,
                            struct error *err)
{
	auto_buf subject = BUF(4096);
	enum status st = ST_OK;

	(void) store;                             /* documents are not opened to be deleted */
	if (has_events)
		st = event_subject(path, &subject, err);
	for (int try = 0; st == ST_OK; try++) {
		auto_rows   *rows = NULL;
		struct error fault;
		st = db_query(db, &delete_query, PARAMS(P_TEXT(path),
		              has_events ? P_TEXT(buf_view(&subject)) : P_NULL), EXPECT_ROW, &rows, &fault);
		if (st == ST_OK && rows_bool(rows, 0, 4))
			return ST_OK;
		if (st == ST_OK) {
			st = blocked(path, rows, err);
			if (st == ST_OK && try == TRIES_MOST)
				st = fail(err, ST_UNAVAILABLE, "others change \"%.*s\" at the same time", (int) path.len, path.ptr);
			continue;
		}
		/* A child, a reference or a deadlock came between: outside a transaction look again, and it can be named. */
		if (!db_is_in_transaction(db) && (st == ST_CONFLICT || db_is_retryable(db)) && try < TRIES_MOST) {
			st = ST_OK;
			continue;
		}
		if (st == ST_CONFLICT)
			return raced(db, path, err);
		if (err != NULL)
			*err = fault;
	}
	return st;
}
