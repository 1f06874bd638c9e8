/*
 * Writing a context.  What is there already is locked instead of sent, so that the collector leaves it alone until our
 * rows need it; everything else goes in arrays, in the order of digests, so that two writers cannot deadlock.
 */
#include "host/store/context.h"

#include "host/store/db_priv.h"
#include "lib/base/random.h"


enum { BATCH_ROWS = 4096, BATCH_BYTES = 8 << 20, ARRAYS_MAX = 256 << 20 };

static const struct query known_manifests_query = { "context_known_manifests",
	"SELECT digest FROM manifest WHERE digest = ANY ($1::bytea[]) FOR KEY SHARE" };

static const struct query known_sets_query = { "context_known_sets",
	"SELECT digest FROM resource_set WHERE digest = ANY ($1::bytea[]) FOR KEY SHARE" };

/* DO NOTHING would leave a row of another writer unlocked, and lose it to the collector. */
static const struct query put_manifests_query = { "context_put_manifests",
	"INSERT INTO manifest (digest, body, sealed) SELECT d, b, s <> 0"
	" FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS m (d, b, s)"
	" ON CONFLICT (digest) DO UPDATE SET sealed = manifest.sealed" };

/* An array of arrays must be rectangular, so the members of each set travel as one run of 32-byte digests. */
static const struct query put_sets_query = { "context_put_sets",
	"INSERT INTO resource_set (digest, entries, manifests, size, tracked) SELECT d, e,"
	" ARRAY(SELECT substring(m FROM i FOR 32) FROM generate_series(1, octet_length(m), 32) AS i), octet_length(m) / 32 - h, t"
	" FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[]) AS s (d, e, m, h, t)"
	" ON CONFLICT (digest) DO UPDATE SET size = resource_set.size" };

static const struct query put_context_query = { "context_put",
	"INSERT INTO app_context (id, owner, meta, plan, status_context, root) VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (id) DO UPDATE SET meta = excluded.meta, plan = excluded.plan, root = excluded.root" };

#define SQL_PLACEMENTS \
	"INSERT INTO app_context_cluster (context, app, cluster, grp, set)" \
	" SELECT $1, a, c, g, s FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) AS p (a, c, g, s)"

static const struct query put_placements_query = { "context_put_placements", SQL_PLACEMENTS };

static const struct query change_placements_query = { "context_change_placements",
	SQL_PLACEMENTS " ON CONFLICT (context, app, cluster) DO UPDATE SET grp = excluded.grp, set = excluded.set"
	" WHERE (app_context_cluster.grp, app_context_cluster.set) <> (excluded.grp, excluded.set)" };

static const struct query drop_placements_query = { "context_drop_placements",
	"DELETE FROM app_context_cluster p WHERE p.context = $1 AND NOT EXISTS (SELECT"
	" FROM unnest($2::text[], $3::text[]) AS w (app, cluster) WHERE w.app = p.app AND w.cluster = p.cluster)" };

/* -- rows by digest: the digest is the first member of both kinds -- */

static int compare_rows(const void *a, const void *b)
{
	return digest_compare(*(const void *const *) a, *(const void *const *) b);
}

/* Pointers to the rows, sorted, each digest once. */
static const void **sort_rows(struct arena *arena, const void *rows, size_t *count, size_t stride)
{
	const void **sorted = arena_alloc(arena, *count, sizeof *sorted);
	size_t       n = 0;

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < *count; i++)
		sorted[i] = (const char *) rows + i * stride;
	qsort(sorted, *count, sizeof *sorted, compare_rows);
	for (size_t i = 0; i < *count; i++)
		if (n == 0 || compare_rows(&sorted[n - 1], &sorted[i]) != 0)
			sorted[n++] = sorted[i];
	*count = n;
	return sorted;
}

/* Leave out the rows that the database has, which are locked from now on. */
static enum status drop_known(struct db *db, const struct query *known, const void **sorted, size_t *count,
                              struct error *err)
{
	auto_rows *rows = NULL;
	auto_buf   digests = BUF(ARRAYS_MAX);
	size_t     n = 0;

	struct view *views = calloc(*count + 1, sizeof *views);
	if (views == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < *count; i++)
		views[i] = (struct view) { sorted[i], DIGEST_SIZE };
	enum status st = param_blobs_at(&digests, views, *count, sizeof *views, err);
	free(views);
	if (st == ST_OK)
		st = db_query(db, known, PARAMS(P_BYTES(buf_view(&digests))), EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;

	bool *is_known = calloc(*count + 1, sizeof *is_known);
	if (is_known == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rows_count(rows); i++) {
		const void *key = rows_view(rows, i, 0).ptr;
		const void *const *found = bsearch(&key, sorted, *count, sizeof *sorted, compare_rows);
		if (found != NULL)
			is_known[found - sorted] = true;
	}
	for (size_t i = 0; i < *count; i++)
		if (!is_known[i])
			sorted[n++] = sorted[i];
	free(is_known);
	*count = n;
	return ST_OK;
}

/* -- manifests -- */

static enum status seal_body(struct store *store, const struct manifest_row *row, struct arena *arena,
                             struct view *ret_body, struct error *err)
{
	auto_buf sealed = BUF(row->body.len + 4096);

	enum status st = seal(store->sealer, row->body, (struct view) { (const char *) row->digest.bytes, DIGEST_SIZE },
	                      &sealed, err);
	if (st != ST_OK)
		return st;
	const char *copy = arena_copy(arena, sealed.data, sealed.len);
	*ret_body = (struct view) { copy, sealed.len };
	return copy != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");
}

static enum status put_manifest_batch(struct store *store, struct db *db, const struct manifest_row *const *rows,
                                      size_t count, struct error *err)
{
	auto_arena  arena = ARENA(ARRAYS_MAX);
	auto_buf    digests = BUF(ARRAYS_MAX), bodies = BUF(ARRAYS_MAX), sealed = BUF(ARRAYS_MAX);
	enum status st = ST_OK;

	struct view *keys = arena_alloc(&arena, count, sizeof *keys), *values = arena_alloc(&arena, count, sizeof *values);
	int64_t     *flags = arena_alloc(&arena, count, sizeof *flags);
	if (keys == NULL || values == NULL || flags == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count && st == ST_OK; i++) {
		keys[i] = (struct view) { (const char *) rows[i]->digest.bytes, DIGEST_SIZE };
		values[i] = rows[i]->body;
		flags[i] = rows[i]->is_secret;
		if (rows[i]->is_secret)
			st = seal_body(store, rows[i], &arena, &values[i], err);
	}
	if (st == ST_OK)
		st = param_blobs_at(&digests, keys, count, sizeof *keys, err);
	if (st == ST_OK)
		st = param_blobs_at(&bodies, values, count, sizeof *values, err);
	if (st == ST_OK)
		st = param_ints(&sealed, flags, count, err);
	return st == ST_OK ? db_query(db, &put_manifests_query, PARAMS(P_BYTES(buf_view(&digests)), P_BYTES(buf_view(&bodies)),
	                              P_BYTES(buf_view(&sealed))), EXPECT_NONE, NULL, err) : st;
}

static enum status put_manifests(struct store *store, struct db *db, const struct manifest_row *manifests, size_t count,
                                 struct arena *arena, struct error *err)
{
	const void **sorted = sort_rows(arena, manifests, &count, sizeof *manifests);

	if (sorted == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	enum status st = drop_known(db, &known_manifests_query, sorted, &count, err);

	const struct manifest_row *const *rows = (const void *) sorted;
	for (size_t from = 0, to; from < count && st == ST_OK; from = to) {
		size_t bytes = 0;
		for (to = from; to < count && to - from < BATCH_ROWS && bytes < BATCH_BYTES; to++)
			bytes += rows[to]->body.len;
		st = put_manifest_batch(store, db, rows + from, to - from, err);
	}
	return st;
}

/* -- sets -- */

static enum status put_set_batch(struct db *db, const struct set_row *const *rows, size_t count, struct error *err)
{
	auto_arena  arena = ARENA(ARRAYS_MAX);
	auto_buf    digests = BUF(ARRAYS_MAX), texts = BUF(ARRAYS_MAX), members = BUF(ARRAYS_MAX);
	auto_buf    hidden = BUF(ARRAYS_MAX), tracked = BUF(ARRAYS_MAX);

	struct view *views = arena_alloc(&arena, 3 * count, sizeof *views);
	int64_t     *counts = arena_alloc(&arena, 2 * count, sizeof *counts);
	if (views == NULL || counts == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		views[3 * i] = (struct view) { (const char *) rows[i]->digest.bytes, DIGEST_SIZE };
		views[3 * i + 1] = rows[i]->text;
		views[3 * i + 2] = (struct view) { (const char *) rows[i]->manifests, rows[i]->manifest_count * DIGEST_SIZE };
		counts[i] = rows[i]->hidden;
		counts[count + i] = rows[i]->tracked;
	}
	enum status st = param_blobs_at(&digests, views, count, 3 * sizeof *views, err);
	if (st == ST_OK)
		st = param_texts_at(&texts, views + 1, count, 3 * sizeof *views, err);
	if (st == ST_OK)
		st = param_blobs_at(&members, views + 2, count, 3 * sizeof *views, err);
	if (st == ST_OK)
		st = param_ints(&hidden, counts, count, err);
	if (st == ST_OK)
		st = param_ints(&tracked, counts + count, count, err);
	return st == ST_OK ? db_query(db, &put_sets_query, PARAMS(P_BYTES(buf_view(&digests)), P_BYTES(buf_view(&texts)),
	                              P_BYTES(buf_view(&members)), P_BYTES(buf_view(&hidden)), P_BYTES(buf_view(&tracked))), EXPECT_NONE, NULL, err) : st;
}

static enum status put_sets(struct db *db, const void **sorted, size_t count, struct error *err)
{
	const struct set_row *const *rows = (const void *) sorted;
	enum status st = ST_OK;

	for (size_t from = 0, to; from < count && st == ST_OK; from = to) {
		size_t bytes = 0;
		for (to = from; to < count && to - from < BATCH_ROWS && bytes < BATCH_BYTES; to++)
			bytes += rows[to]->text.len + rows[to]->manifest_count * DIGEST_SIZE;
		st = put_set_batch(db, rows + from, to - from, err);
	}
	return st;
}

/* -- the context itself -- */

static enum status put_placements(struct db *db, int64_t id, bool is_new, const struct placement_row *rows, size_t count,
                                  struct error *err)
{
	auto_buf apps = BUF(ARRAYS_MAX), clusters = BUF(ARRAYS_MAX), groups = BUF(ARRAYS_MAX), sets = BUF(ARRAYS_MAX);

	enum status st = param_texts_at(&apps, count > 0 ? &rows->app : NULL, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&clusters, count > 0 ? &rows->cluster : NULL, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_texts_at(&groups, count > 0 ? &rows->group : NULL, count, sizeof *rows, err);
	if (st == ST_OK)
		st = param_digests(&sets, count > 0 ? &rows->set : NULL, count, sizeof *rows, err);
	if (st == ST_OK && !is_new)
		st = db_query(db, &drop_placements_query,
		              PARAMS(P_INT(id), P_BYTES(buf_view(&apps)), P_BYTES(buf_view(&clusters))), EXPECT_NONE, NULL, err);
	if (st != ST_OK || count == 0)
		return st;
	return db_query(db, is_new ? &put_placements_query : &change_placements_query,
	                PARAMS(P_INT(id), P_BYTES(buf_view(&apps)), P_BYTES(buf_view(&clusters)), P_BYTES(buf_view(&groups)),
	                       P_BYTES(buf_view(&sets))), EXPECT_NONE, NULL, err);
}

enum status context_write(struct store *store, struct db *db, struct context_row *context,
                          const struct manifest_row *manifests, size_t manifest_count,
                          const struct set_row *sets, size_t set_count,
                          const struct placement_row *placements, size_t placement_count, struct error *err)
{
	auto_arena  arena = ARENA(ARRAYS_MAX);
	const bool    is_new = context->id == 0;
	const int64_t id = is_new ? random_id() : context->id;
	enum status st = ST_OK;

	const void **sorted = sort_rows(&arena, sets, &set_count, sizeof *sets);
	if (sorted == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const int64_t status_context = context->status_context != 0 ? context->status_context : id;

	if (st == ST_OK)
		st = drop_known(db, &known_sets_query, sorted, &set_count, err);
	if (st == ST_OK && set_count > 0)                /* a set that is there keeps its manifests */
		st = put_manifests(store, db, manifests, manifest_count, &arena, err);
	if (st == ST_OK)
		st = put_sets(db, sorted, set_count, err);
	if (st == ST_OK)
		st = db_query(db, &put_context_query, PARAMS(P_INT(id), P_INT(context->owner), P_TEXT(context->meta),
		              P_TEXT(context->plan), P_INT(status_context), P_DIGEST(&context->root)), EXPECT_NONE, NULL, err);
	if (st == ST_OK)
		st = put_placements(db, id, is_new, placements, placement_count, err);
	if (st != ST_OK)
		return st;
	context->id = id;
	context->status_context = status_context;
	return ST_OK;
}
