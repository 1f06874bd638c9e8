#include "host/store/resource.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

static const struct query files_query = { "resource_files",
	"SELECT f.field, f.filename, f.media_type, f.bytes, f.sealed FROM resource r"
	" LEFT JOIN resource_file f ON f.resource = r.id WHERE r.path = $1 AND r.doc IS NOT NULL ORDER BY f.ordinal" };

struct reading {
	struct store       *store;
	struct view         path;
	resource_each_file *each;
	void               *data;
	bool                exists;
};

static enum status unseal_file(const struct reading *reading, struct view field, struct view sealed, struct buf *out,
                               struct error *err)
{
	auto_buf aad = BUF(8192);

	enum status st = file_aad(reading->path, field, &aad, err);
	return st == ST_OK ? unseal(reading->store->sealer, sealed, buf_view(&aad), out, err) : st;
}

static enum status file_row(void *data, const struct rows *row, struct error *err)
{
	struct reading *reading = data;

	reading->exists = true;
	if (rows_is_null(row, 0, 0))
		return ST_OK;                         /* a resource without files */

	struct resource_file_row file = { .field = rows_view(row, 0, 0), .filename = rows_view(row, 0, 1),
	                                  .media_type = rows_view(row, 0, 2), .content = rows_view(row, 0, 3) };
	auto_buf clear = BUF(file.content.len);
	if (rows_bool(row, 0, 4)) {
		enum status st = unseal_file(reading, file.field, file.content, &clear, err);
		if (st != ST_OK)
			return fail_within(err, "\"%.*s\"", (int) reading->path.len, reading->path.ptr);
		file.content = buf_view(&clear);
	}
	return reading->each(reading->data, &file, err);
}

enum status resource_files(struct store *store, struct db *db, struct view path, resource_each_file *each, void *data,
                           struct error *err)
{
	struct reading reading = { .store = store, .path = path, .each = each, .data = data };

	enum status st = db_stream(db, &files_query, PARAMS(P_TEXT(path)), file_row, &reading, err);
	if (st == ST_OK && !reading.exists)
		return fail(err, ST_NOT_FOUND, "\"%.*s\" does not exist", (int) path.len, path.ptr);
	return st;
}
