#include "host/store/context.h"

#include "host/store/db_priv.h"

enum { ARRAYS_MAX = 64 << 20, MANIFEST_LIMIT = 16 << 20 };

static const struct query read_query = { "context_read",
	"SELECT owner, meta, plan, status_context FROM app_context WHERE id = $1" };

static const struct query placements_query = { "context_placements",
	"SELECT app, cluster, grp, set FROM app_context_cluster WHERE context = $1 ORDER BY app, cluster" };

static const struct query set_query = { "set_read", "SELECT entries FROM resource_set WHERE digest = $1" };

static const struct query manifests_query = { "manifests_read",
	"SELECT w.at, m.body, m.sealed FROM unnest($1::bytea[]) WITH ORDINALITY AS w (digest, at) JOIN manifest m ON m.digest = w.digest" };

/* A unit shows the meta of its context, so one that units still name stays. */
static const struct query remove_query = { "context_remove",
	"DELETE FROM app_context c WHERE c.owner = $1 AND c.id <> $2"
	" AND NOT EXISTS (SELECT FROM unit u WHERE u.owner = $1 AND u.context = c.id)" };

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

enum status context_remove(struct db *db, int64_t owner, int64_t keep, struct error *err)
{
	return db_query(db, &remove_query, PARAMS(P_INT(owner), P_INT(keep)), EXPECT_NONE, NULL, err);
}
