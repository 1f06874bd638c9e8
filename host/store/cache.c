/* Content kept for speed.  Whatever goes wrong with one value, the answer is that it is not there. */
#include "host/store/context.h"

#include "host/store/db_priv.h"

enum { VALUE_MAX = 32 << 20 };

/* Used within the hour is as good as used just now: a read is then a read, and not a write that waits for the disk. */
static const struct query read_query = { "cache_read",
	"SELECT value, used_at < statement_timestamp() - interval '1 hour' FROM cache WHERE key = $1" };

static const struct query touch_query = { "cache_touch", "UPDATE cache SET used_at = statement_timestamp() WHERE key = $1" };

static const struct query write_query = { "cache_write",
	"INSERT INTO cache (key, value) VALUES ($1, $2)"
	" ON CONFLICT (key) DO UPDATE SET value = excluded.value, used_at = excluded.used_at" };

/* At most a thousand values and half a gigabyte, the longest unused first.  What another evicts is left to it. */
static const struct query evict_query = { "cache_evict",
	"DELETE FROM cache WHERE key IN (SELECT key FROM cache WHERE key IN (SELECT key FROM (SELECT key,"
	" row_number() OVER recent AS number, sum(octet_length(value)) OVER recent AS bytes FROM cache"
	" WINDOW recent AS (ORDER BY used_at DESC, key)) AS counted WHERE number > 1000 OR bytes > 536870912)"
	" FOR UPDATE SKIP LOCKED)" };

static struct view digest_view(const struct digest *digest)
{
	return (struct view) { (const char *) digest->bytes, DIGEST_SIZE };
}

enum status cache_read(struct store *store, struct db *db, const struct digest *key, struct buf *value, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &read_query, PARAMS(P_DIGEST(key)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0 ||
	    unseal(store->sealer, rows_view(rows, 0, 0), digest_view(key), value, NULL) != ST_OK)
		return fail(err, ST_NOT_FOUND, "it is not in the cache");
	return rows_bool(rows, 0, 1) ? db_query(db, &touch_query, PARAMS(P_DIGEST(key)), EXPECT_NONE, NULL, err)
	                             : ST_OK;
}

enum status cache_write(struct store *store, struct db *db, const struct digest *key, struct view value,
                        struct error *err)
{
	auto_buf sealed = BUF(VALUE_MAX + 4096);

	if (value.len > VALUE_MAX)
		return ST_OK;                         /* it may vanish: this one does at once */
	enum status st = seal(store->sealer, value, digest_view(key), &sealed, err);
	if (st == ST_OK)
		st = db_query(db, &write_query, PARAMS(P_DIGEST(key), P_BYTES(buf_view(&sealed))), EXPECT_NONE, NULL, err);
	return st == ST_OK ? db_query(db, &evict_query, NULL, 0, EXPECT_NONE, NULL, err) : st;
}
