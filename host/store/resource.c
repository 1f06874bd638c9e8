#include "host/store/resource.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

#include <openssl/evp.h>

static const struct query read_query = { "resource_read",
	"SELECT doc, version, id FROM resource WHERE path = $1 AND doc IS NOT NULL" };

static const struct query lock_query = { "resource_lock",
	"SELECT id FROM resource WHERE path = $1 AND doc IS NOT NULL FOR NO KEY UPDATE" };

static const struct query seen_query = { "resource_seen", "SELECT id, version FROM resource WHERE path = $1 AND doc IS NOT NULL" };

static const struct query missing_query = { "resource_missing",
	"SELECT at FROM unnest($1::text[]) WITH ORDINALITY AS wanted (path, at)"
	" WHERE NOT EXISTS (SELECT FROM resource r WHERE r.path = wanted.path AND r.doc IS NOT NULL) ORDER BY at" };

/* -- how a document is kept -- */

static const char sealed_mark[] = "sealed:";
enum { MARK_LEN = sizeof sealed_mark - 1 };

enum status doc_seal(struct store *store, struct view path, struct view doc, struct buf *out, struct error *err)
{
	auto_buf sealed = BUF(DOC_MAX);

	enum status st = seal(store->sealer, doc, path, &sealed, err);
	if (st == ST_OK)
		st = buf_add(out, sealed_mark, MARK_LEN, err);
	if (st != ST_OK)
		return st;

	const size_t len = (sealed.len + 2) / 3 * 4;
	char *room = buf_room(out, len, err);
	if (room == NULL)
		return len > out->max - out->len ? ST_TOO_LARGE : ST_NO_MEMORY;
	EVP_EncodeBlock((unsigned char *) room, (const unsigned char *) sealed.data, (int) sealed.len);
	out->len += len;
	return ST_OK;
}

enum status doc_open(struct store *store, struct view path, struct view stored, struct buf *scratch,
                     struct view *ret_doc, struct error *err)
{
	auto_buf sealed = BUF(DOC_MAX);

	if (stored.len < MARK_LEN || memcmp(stored.ptr, sealed_mark, MARK_LEN) != 0) {
		*ret_doc = stored;
		return ST_OK;
	}
	const struct view text = { stored.ptr + MARK_LEN, stored.len - MARK_LEN };
	char *room = text.len < DOC_MAX ? buf_room(&sealed, text.len / 4 * 3, err) : NULL;
	if (room == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	int len = text.len % 4 != 0 ? -1 : EVP_DecodeBlock((unsigned char *) room, (const unsigned char *) text.ptr, (int) text.len);
	if (len < 0 || text.len == 0)
		return fail(err, ST_FORBIDDEN, "a secret in the database is not as it was sealed");
	for (size_t i = text.len; i > 0 && text.ptr[i - 1] == '='; i--)
		len--;                                       /* EVP_DecodeBlock counts what only fills the last group */
	buf_clear(scratch);
	enum status st = unseal(store->sealer, (struct view) { room, (size_t) len }, path, scratch, err);
	if (st != ST_OK)
		return fail_within(err, "\"%.*s\"", (int) path.len, path.ptr);
	*ret_doc = buf_view(scratch);
	return ST_OK;
}

/* -- reading -- */

enum status resource_absent(struct view path, struct error *err)
{
	return fail(err, ST_NOT_FOUND, "\"%.*s\" does not exist", (int) path.len, path.ptr);
}

enum status resource_read(struct store *store, struct db *db, struct view path, struct buf *doc, uint64_t *ret_version,
                          int64_t *ret_id, struct error *err)
{
	auto_rows  *rows = NULL;
	auto_buf    scratch = BUF(DOC_MAX);
	struct view clear;

	enum status st = db_query(db, &read_query, PARAMS(P_TEXT(path)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return resource_absent(path, err);
	st = doc_open(store, path, rows_view(rows, 0, 0), &scratch, &clear, err);
	if (st == ST_OK)
		st = buf_add_view(doc, clear, err);
	if (st != ST_OK)
		return st;
	if (ret_version != NULL)
		*ret_version = (uint64_t) rows_int(rows, 0, 1);
	if (ret_id != NULL)
		*ret_id = rows_int(rows, 0, 2);
	return ST_OK;
}

enum status resource_lock(struct db *db, struct view path, int64_t *ret_id, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &lock_query, PARAMS(P_TEXT(path)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return resource_absent(path, err);
	*ret_id = rows_int(rows, 0, 0);
	return ST_OK;
}

enum status resource_check_seen(struct db *db, struct view path, const struct resource_seen *seen, struct error *err)
{
	auto_rows *rows = NULL;

	if (seen->id == 0)
		return ST_OK;
	enum status st = db_query(db, &seen_query, PARAMS(P_TEXT(path)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return resource_absent(path, err);
	if (rows_int(rows, 0, 0) == seen->id && (uint64_t) rows_int(rows, 0, 1) == seen->version)
		return ST_OK;
	return fail(err, ST_PRECONDITION, "\"%.*s\" was changed by another meanwhile: what If-Match names was there before", V(path));
}

enum status resource_missing(struct db *db, const struct view *paths, size_t count, struct view *ret_missing,
                             size_t *ret_count, struct error *err)
{
	auto_rows *rows = NULL;
	auto_buf   array = BUF(DOC_MAX);

	enum status st = param_texts(&array, paths, count, err);
	if (st == ST_OK)
		st = db_query(db, &missing_query, PARAMS(P_BYTES(buf_view(&array))), EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;
	*ret_count = rows_count(rows);
	for (size_t i = 0; i < *ret_count; i++)
		ret_missing[i] = paths[rows_int(rows, i, 0) - 1];
	return ST_OK;
}
