/*
 * Removing what nobody needs.  First lock what seems unneeded, leaving out what a writer holds; then, with a snapshot taken
 * after the locks, remove what is unneeded still.  A writer either holds a row before us, and we pass it by, or finds it
 * gone, and writes it again.  Each call looks at a bounded run of digests from a random place, so that no state is kept.
 */
#include "host/store/context.h"

#include "host/store/db_priv.h"
#include "host/store/unit.h"
#include "lib/base/random.h"


#define SQL_SOME(table) \
	"(SELECT digest FROM ((SELECT digest FROM " table " WHERE digest >= $1 ORDER BY digest LIMIT $2)" \
	" UNION ALL (SELECT digest FROM " table " WHERE digest < $1 ORDER BY digest LIMIT $2)) AS walk LIMIT $2)"

/* What is being tried is gathered once, and not asked for each set. */
#define SQL_SET_IS_NEEDED \
	"EXISTS (SELECT FROM app_context_cluster p WHERE p.set = s.digest) OR EXISTS (SELECT FROM unit u WHERE u.set = s.digest)" \
	" OR EXISTS (SELECT FROM unit u WHERE u.applied = s.digest)" \
	" OR s.digest IN (SELECT unnest(u.tried) FROM unit u WHERE u.tried <> '{}')"

#define SQL_MANIFEST_IS_NEEDED  "EXISTS (SELECT FROM resource_set s WHERE s.manifests @> ARRAY[m.digest])"

#define SQL_PLACEHOLDER_IS_NEEDED  "EXISTS (SELECT FROM resource_ref x WHERE x.dst = r.id)"

static const struct collector {
	struct query lock, remove;
} collectors[] = {
	{ { "collect_lock_sets", "SELECT array_agg(digest)::text FROM (SELECT s.digest FROM resource_set s WHERE s.digest IN "
	    SQL_SOME("resource_set") " AND NOT (" SQL_SET_IS_NEEDED ") FOR UPDATE SKIP LOCKED) AS locked" },
	  { "collect_remove_sets", "DELETE FROM resource_set s WHERE s.digest = ANY ($1::text::bytea[])"
	    " AND NOT (" SQL_SET_IS_NEEDED ")" } },
	{ { "collect_lock_manifests", "SELECT array_agg(digest)::text FROM (SELECT m.digest FROM manifest m WHERE m.digest IN "
	    SQL_SOME("manifest") " AND NOT " SQL_MANIFEST_IS_NEEDED " FOR UPDATE SKIP LOCKED) AS locked" },
	  { "collect_remove_manifests", "DELETE FROM manifest m WHERE m.digest = ANY ($1::text::bytea[])"
	    " AND NOT " SQL_MANIFEST_IS_NEEDED } },
	{ { "collect_lock_placeholders", "SELECT array_agg(id)::text FROM (SELECT r.id FROM resource r WHERE r.doc IS NULL"
	    " AND $1::bytea IS NOT NULL AND NOT " SQL_PLACEHOLDER_IS_NEEDED " LIMIT $2 FOR UPDATE SKIP LOCKED) AS locked" },
	  { "collect_remove_placeholders", "DELETE FROM resource r WHERE r.id = ANY ($1::text::bigint[]) AND r.doc IS NULL"
	    " AND NOT " SQL_PLACEHOLDER_IS_NEEDED } },
};

enum { SUMS_MAX = 64 };                   /* rows of one owner that are left apart */

struct collection {
	uint64_t limit, removed;
};

static enum status collect_kind(struct db *db, const struct collector *collector, struct collection *collection,
                                struct error *err)
{
	auto_rows    *locked = NULL, *removed = NULL;
	unsigned char from[DIGEST_SIZE];

	random_fill(from, sizeof from);
	const struct view start = { (const char *) from, sizeof from };
	enum status st = db_query(db, &collector->lock, PARAMS(P_BYTES(start), P_INT((int64_t) collection->limit)), EXPECT_ROW,
	                          &locked, err);
	if (st != ST_OK || rows_is_null(locked, 0, 0))
		return st;
	st = db_query(db, &collector->remove, PARAMS(P_TEXT(rows_view(locked, 0, 0))), EXPECT_NONE, &removed, err);
	if (st == ST_OK)
		collection->removed += rows_affected(removed);
	return st;
}

static enum status collect(struct db *db, void *data, struct error *err)
{
	struct collection *collection = data;
	enum status        st = ST_OK;

	collection->removed = 0;
	for (size_t i = 0; i < ARRAY_LEN(collectors) && st == ST_OK; i++)
		st = collect_kind(db, &collectors[i], collection, err);
	return st == ST_OK ? owner_status_fold(db, SUMS_MAX, collection->limit, err) : st;
}

enum status content_collect(struct store *store, struct db *db, uint64_t limit, uint64_t *ret_removed, struct error *err)
{
	struct collection collection = { .limit = limit };

	(void) store;                             /* nothing is opened to be removed */
	enum status st = db_atomically(db, collect, &collection, err);
	if (st == ST_OK)
		*ret_removed = collection.removed;
	return st;
}
