#include "host/store/outbox.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

static const struct query add_query = { "outbox_add", "INSERT INTO outbox (kind, subject) VALUES ($1, $2)" };

/* Leased events of a process that is gone are due at once. */
static const struct query claim_query = { "outbox_claim",
	"WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE due_at <= statement_timestamp()"
	" OR (lease_host IS NOT NULL AND lease_host <> $1 AND pg_try_advisory_xact_lock_shared(1, lease_host::int))"
	" ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED),"
	"claimed AS (UPDATE outbox o SET due_at = statement_timestamp() + $3::bigint * interval '1 microsecond',"
	" lease_host = $1 FROM due WHERE o.id = due.id RETURNING o.id, o.kind, o.subject, o.attempts)"
	" SELECT id, kind, subject, attempts FROM claimed ORDER BY id" };

static const struct query done_query = { "outbox_done", "DELETE FROM outbox WHERE id = $1" };

static const struct query retry_query = { "outbox_retry",
	"UPDATE outbox SET attempts = attempts + 1, lease_host = NULL,"
	" due_at = statement_timestamp() + $2::bigint * interval '1 microsecond' WHERE id = $1" };

enum status event_subject(struct view path, struct buf *out, struct error *err)
{
	static const char before[] = "cluster-providers/", between[] = "/clusters/";
	const char *const end = path.ptr + path.len;
	const char       *provider = path.ptr + sizeof before - 1, *slash = NULL;

	if (path.len > sizeof before - 1 && memcmp(path.ptr, before, sizeof before - 1) == 0)
		slash = memchr(provider, '/', (size_t) (end - provider));
	if (slash == NULL || (size_t) (end - slash) < sizeof between || memcmp(slash, between, sizeof between - 1) != 0)
		return buf_add_view(out, path, err);

	const char *cluster = slash + sizeof between - 1;
	return buf_printf(out, err, "%.*s+%.*s", (int) (slash - provider), provider, (int) (end - cluster), cluster);
}

enum status outbox_add(struct db *db, struct view kind, struct view subject, struct error *err)
{
	return db_query(db, &add_query, PARAMS(P_TEXT(kind), P_TEXT(subject)), EXPECT_NONE, NULL, err);
}

enum status outbox_claim(struct store *store, struct db *db, uint64_t limit, int64_t lease_ns, struct arena *arena,
                         struct event **ret_events, size_t *ret_count, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &claim_query, PARAMS(P_INT(store->host), P_INT((int64_t) limit), P_INT(lease_ns / 1000)),
	                          EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;

	const size_t  count = rows_count(rows);
	struct event *events = arena_alloc(arena, count, sizeof *events);
	if (events == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		events[i].id = rows_int(rows, i, 0);
		events[i].attempts = rows_int(rows, i, 3);
		st = arena_keep(arena, rows_view(rows, i, 1), &events[i].kind, err);
		if (st == ST_OK)
			st = arena_keep(arena, rows_view(rows, i, 2), &events[i].subject, err);
		if (st != ST_OK)
			return st;
	}
	*ret_events = events;
	*ret_count = count;
	return ST_OK;
}

enum status outbox_done(struct db *db, int64_t id, struct error *err)
{
	return db_query(db, &done_query, PARAMS(P_INT(id)), EXPECT_NONE, NULL, err);
}

enum status outbox_retry(struct db *db, int64_t id, int64_t delay_ns, struct error *err)
{
	return db_query(db, &retry_query, PARAMS(P_INT(id), P_INT(delay_ns / 1000)), EXPECT_NONE, NULL, err);
}
