/*
 * One operation at a time on an owner.  The row is held until its lease ends, or until the process that holds it is gone:
 * then its advisory lock (1, host) is free, which is seen at once.
 */
#include "host/store/action.h"

#include "host/store/db_priv.h"
#include "host/store/history.h"
#include "lib/base/random.h"

#define SQL_UNTIL(lease_us)  "statement_timestamp() + " lease_us "::bigint * interval '1 microsecond'"

/* clock_timestamp: inside a longer transaction, and after waiting for another's row, the time has gone on. */
static const struct query begin_query = { "operation_begin",
	"WITH old AS MATERIALIZED (SELECT * FROM operation WHERE owner = $1),"
	"taken AS (INSERT INTO operation (owner, kind, host, token, lease_until, started_at, client, request, peer)"
	" VALUES ($1, $2, $3, $5, " SQL_UNTIL("$4") ", statement_timestamp(), $7, $8, $9)"
	" ON CONFLICT (owner) DO UPDATE SET kind = excluded.kind, host = excluded.host, token = excluded.token,"
	" lease_until = excluded.lease_until, started_at = excluded.started_at, client = excluded.client, request ="
	" excluded.request, peer = excluded.peer"
	" WHERE operation.lease_until < clock_timestamp() OR ($6::boolean AND operation.host = $3)"
	" OR (operation.host <> $3 AND pg_try_advisory_xact_lock_shared(1, operation.host::int))"
	" RETURNING owner, token),"
	"lost AS (INSERT INTO history (owner, token, kind, client, request, peer, began, ended, outcome, revision, error)"
	" SELECT o.owner, o.token, o.kind, o.client, o.request, o.peer, o.started_at, statement_timestamp(), 'lost', 0,"
	" 'its process ended before it' FROM old o JOIN taken t ON t.owner = o.owner AND t.token <> o.token ON CONFLICT DO NOTHING)"
	" SELECT token FROM taken" };

#define SQL_RUNNING \
	"SELECT o.kind, to_char(o.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), r.path" \
	" FROM operation o JOIN resource r ON r.id = o.owner WHERE o.owner = $1"

static const struct query running_query = { "operation_running", SQL_RUNNING };

/* What begin_query would take over runs no more; a lock that this takes of a dead process goes with the transaction. */
static const struct query live_query = { "operation_live",
	SQL_RUNNING " AND o.lease_until >= clock_timestamp() AND NOT pg_try_advisory_xact_lock_shared(1, o.host::int)" };

static const struct query end_query = { "operation_end",
	"WITH gone AS (DELETE FROM operation WHERE owner = $1 AND token = $2 RETURNING *),"
	"old AS (" SQL_HISTORY_TRIM "),"
	"noted AS (INSERT INTO history (owner, token, kind, client, request, peer, began, ended, outcome, revision, error)"
	" SELECT owner, token, kind, client, request, peer, started_at, clock_timestamp(), $3, $4, $5 FROM gone ON CONFLICT DO NOTHING)"
	" SELECT owner FROM gone" };

static enum status refuse(const struct rows *rows, struct error *err)
{
	const struct view kind = rows_view(rows, 0, 0), since = rows_view(rows, 0, 1), path = rows_view(rows, 0, 2);

	fail(err, ST_CONFLICT, "\"%.*s\": %.*s has been running since %.*s", (int) path.len, path.ptr,
	     (int) kind.len, kind.ptr, (int) since.len, since.ptr);
	return fail_hint(err, "Wait until it has ended.");
}

static enum status running(struct db *db, int64_t owner, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &running_query, PARAMS(P_INT(owner)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0) {
		fail(err, ST_CONFLICT, "another operation has just ended");
		return fail_hint(err, "Try again.");
	}
	return refuse(rows, err);
}

enum status operation_check_none(struct db *db, int64_t owner, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &live_query, PARAMS(P_INT(owner)), EXPECT_MAYBE, &rows, err);
	return st == ST_OK && rows_count(rows) > 0 ? refuse(rows, err) : st;
}

enum status operation_begin(struct store *store, struct db *db, int64_t owner, const char *kind, const struct asker *asker,
                            struct view peer, int64_t lease_ns, bool is_ours_dead, int64_t *ret_token, struct error *err)
{
	auto_rows *rows = NULL;
	const int64_t token = random_id();

	enum status st = db_query(db, &begin_query, PARAMS(P_INT(owner), P_STR(kind), P_INT(store->host), P_INT(lease_ns / 1000),
		              P_INT(token), P_INT(is_ours_dead), P_TEXT(asker != NULL ? asker->client : VIEW("")),
		              P_TEXT(asker != NULL ? asker->request : VIEW("")), P_TEXT(peer)), EXPECT_MAYBE, &rows, err);
	if (st == ST_CONFLICT)
		return fail(err, ST_NOT_FOUND, "the resource does not exist");
	if (st == ST_OK && rows_count(rows) == 0)
		return running(db, owner, err);
	if (st == ST_OK)
		*ret_token = token;
	return st;
}

static enum status lost(struct error *err)
{
	fail(err, ST_CONFLICT, "the operation took longer than its lease, and another has taken over");
	return fail_hint(err, "Try again.");
}

enum status operation_end(struct db *db, int64_t owner, int64_t token, int64_t revision, const char *why, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &end_query, PARAMS(P_INT(owner), P_INT(token), P_STR(why == NULL ? "done" : "failed"),
	                          P_INT(revision), P_STR(why == NULL ? "" : why)), EXPECT_MAYBE, &rows, err);
	return st == ST_OK && rows_count(rows) == 0 ? lost(err) : st;
}
