#include "host/store/context.h"

#include "host/store/action.h"
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

enum { ARRAYS_MAX = 64 << 20, MANIFEST_LIMIT = 16 << 20 };

static const struct query read_query = { "context_read",
	"SELECT owner, meta, plan, status_context FROM app_context WHERE id = $1" };

static const struct query find_query = { "context_find",
	"SELECT coalesce(max(id), 0) FROM app_context WHERE owner = $1 AND status_context = $2 AND root = $3" };

static const struct query list_query = { "context_list", "SELECT id FROM app_context WHERE owner = $1 ORDER BY id" };

static const struct query outside_query = { "context_outside",
	"WITH held AS (SELECT (doc::json -> 'spec' ->> 'clusterProvider') || '+' || (doc::json -> 'spec' ->> 'cluster') AS cluster"
	" FROM resource WHERE parent = $2 AND type = 'clusterReference' AND doc IS NOT NULL ORDER BY id FOR KEY SHARE)"
	" SELECT app, cluster FROM app_context_cluster WHERE context = $1 AND cluster NOT IN (SELECT cluster FROM held"
	" WHERE cluster IS NOT NULL) ORDER BY app, cluster LIMIT 1" };

static const struct query placements_query = { "context_placements",
	"SELECT app, cluster, grp, set FROM app_context_cluster WHERE context = $1 ORDER BY app, cluster" };

static const struct query set_query = { "set_read", "SELECT entries FROM resource_set WHERE digest = $1" };

static const struct query manifests_query = { "manifests_read",
	"SELECT w.at, m.body, m.sealed FROM unnest($1::bytea[]) WITH ORDINALITY AS w (digest, at) JOIN manifest m ON m.digest = w.digest" };

/*
 * Going back and forth makes revisions, but no contexts.  A unit shows the meta of its context, so one that a unit with
 * anything to bring or take away names stays.  Of the actions the first stays, the one that the present life follows, and
 * those that a rollback looks for.
 * NOTE: both are taken in batches, for after a change of the option there may be many; the next call goes on.
 */
static const struct query retain_query = { "context_retain",
	"WITH recent AS MATERIALIZED (SELECT a.instance, max(a.seq) AS seq FROM action a WHERE a.owner = $1"
	" AND a.state = 'Instantiated' GROUP BY a.instance ORDER BY max(a.seq) DESC LIMIT $2),"
	"life AS MATERIALIZED (SELECT max(seq) FILTER (WHERE state IN ('Approved', 'Terminated')) AS after, max(seq) AS last"
	" FROM action WHERE owner = $1),"
	"old AS MATERIALIZED (SELECT a.seq FROM action a, life l WHERE a.owner = $1 AND a.seq > 1 AND a.seq <= l.last - " ACTIONS_KEPT
	" AND a.seq IS DISTINCT FROM l.after AND a.seq NOT IN (SELECT seq FROM recent) ORDER BY a.seq LIMIT 1000),"
	"forgotten AS (DELETE FROM action a USING old o WHERE a.owner = $1 AND a.seq = o.seq)"
	"DELETE FROM app_context WHERE id IN (SELECT c.id FROM app_context c WHERE c.owner = $1"
	" AND c.id NOT IN (SELECT instance FROM recent)"
	" AND NOT EXISTS (SELECT FROM unit u WHERE u.owner = $1 AND u.context = c.id AND NOT " SQL_IS_EMPTY ")"
	" ORDER BY c.created_at LIMIT 16)" };

enum status context_read(struct db *db, int64_t id, struct arena *arena, struct context_row *ret_context, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &read_query, PARAMS(P_INT(id)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return fail(err, ST_NOT_FOUND, "there is no context %lld", (long long) id);

	struct context_row context = { .id = id, .owner = rows_int(rows, 0, 0), .status_context = rows_int(rows, 0, 3) };
	st = arena_keep(arena, rows_view(rows, 0, 1), &context.meta, err);
	if (st == ST_OK)
		st = arena_keep(arena, rows_view(rows, 0, 2), &context.plan, err);
	if (st == ST_OK)
		*ret_context = context;
	return st;
}

enum status context_placements(struct db *db, int64_t id, struct arena *arena, struct placement_row **ret_rows,
                               size_t *ret_count, struct error *err)
{
	struct rows *rows = NULL;

	enum status st = db_query_kept(db, &placements_query, PARAMS(P_INT(id)), arena, &rows, err);
	if (st != ST_OK)
		return st;

	const size_t          count = rows_count(rows);
	struct placement_row *placements = arena_alloc(arena, count, sizeof *placements);
	if (placements == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		placements[i] = (struct placement_row) { .app = rows_view(rows, i, 0), .cluster = rows_view(rows, i, 1),
		                                         .group = rows_view(rows, i, 2), .set = rows_digest(rows, i, 3) };
	*ret_rows = placements;
	*ret_count = count;
	return ST_OK;
}

enum status set_read(struct db *db, const struct digest *digest, struct buf *text, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &set_query, PARAMS(P_DIGEST(digest)), EXPECT_MAYBE, &rows, err);
	if (st == ST_OK && rows_count(rows) == 0)
		return fail(err, ST_NOT_FOUND, "there is no such resource set");
	return st == ST_OK ? buf_add_view(text, rows_view(rows, 0, 0), err) : st;
}

struct manifests {
	struct store        *store;
	const struct digest *digests;
	size_t               found;
	manifest_each       *each;
	void                *data;
};

static enum status manifest_row(void *data, const struct rows *row, struct error *err)
{
	struct manifests *manifests = data;
	const size_t      index = (size_t) rows_int(row, 0, 0) - 1;
	auto_buf          plain = BUF(MANIFEST_LIMIT);
	struct view       body = rows_view(row, 0, 1);

	manifests->found++;
	if (rows_bool(row, 0, 2)) {
		const struct view name = { (const char *) manifests->digests[index].bytes, DIGEST_SIZE };
		const enum status st = unseal(manifests->store->sealer, body, name, &plain, err);

		if (st != ST_OK)
			return st;
		body = buf_view(&plain);
	}
	return manifests->each(manifests->data, index, body, err);
}

enum status manifests_read(struct store *store, struct db *db, const struct digest *digests, size_t count, manifest_each *each,
                           void *data, struct error *err)
{
	struct manifests manifests = { .store = store, .digests = digests, .each = each, .data = data };
	auto_buf         names = BUF(ARRAYS_MAX);

	enum status st = param_digests(&names, digests, count, sizeof *digests, err);
	if (st == ST_OK)
		st = db_stream(db, &manifests_query, PARAMS(P_BYTES(buf_view(&names))), manifest_row, &manifests, err);
	if (st == ST_OK && manifests.found < count)
		return fail(err, ST_NOT_FOUND, count > 1 ? "some of the objects are not there" : "there is no such object");
	return st;
}

static enum status body_keep(void *data, size_t index, struct view body, struct error *err)
{
	(void) index;
	return buf_add_view(data, body, err);
}

enum status manifest_read(struct store *store, struct db *db, const struct digest *digest, struct buf *body, struct error *err)
{
	return manifests_read(store, db, digest, 1, body_keep, body, err);
}

enum status context_outside(struct db *db, int64_t context, int64_t cloud, struct arena *arena, struct view *ret_app,
                            struct view *ret_cluster, struct error *err)
{
	auto_rows *rows = NULL;

	*ret_app = *ret_cluster = VIEW("");
	enum status st = db_query(db, &outside_query, PARAMS(P_INT(context), P_INT(cloud)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK || rows_count(rows) == 0)
		return st;
	st = arena_keep(arena, rows_view(rows, 0, 0), ret_app, err);
	return st == ST_OK ? arena_keep(arena, rows_view(rows, 0, 1), ret_cluster, err) : st;
}

enum status context_find(struct db *db, int64_t owner, int64_t status_context, const struct digest *root, int64_t *ret_id,
                         struct error *err)
{
	auto_rows *rows = NULL;

	const enum status st = db_query(db, &find_query, PARAMS(P_INT(owner), P_INT(status_context), P_DIGEST(root)), EXPECT_ROW, &rows,
	                                err);
	if (st == ST_OK)
		*ret_id = rows_int(rows, 0, 0);
	return st;
}

enum status context_list(struct db *db, int64_t owner, struct arena *arena, int64_t **ret_ids, size_t *ret_count,
                         struct error *err)
{
	auto_rows *rows = NULL;

	const enum status st = db_query(db, &list_query, PARAMS(P_INT(owner)), EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;
	int64_t *ids = arena_alloc(arena, rows_count(rows) + 1, sizeof *ids);
	if (ids == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++)
		ids[i] = rows_int(rows, i, 0);
	*ret_ids = ids;
	*ret_count = rows_count(rows);
	return ST_OK;
}

enum status context_retain(struct db *db, int64_t owner, unsigned count, struct error *err)
{
	return db_query(db, &retain_query, PARAMS(P_INT(owner), P_INT(count)), EXPECT_NONE, NULL, err);
}
