/*
 * Writing a resource is one statement in all cases, so that it is atomic and one round trip without a transaction of the
 * caller's.  Its parts see one snapshot; the UPDATE succeeds only on the very version the snapshot shows, and each change
 * of references moves the version, so what the snapshot says of the references is still true.  A writer that comes
 * second finds another version, and begins again; one that loses twice locks the row first, so that nobody starves.
 */
#include "host/store/resource.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

enum { RACES_BEFORE_LOCK = 2, RACES_MOST = 64 };

/*
 * $1 path  $2 parent  $3 type  $4 name  $5 doc  $6 unique  $7 references  $8 those that must be there
 * $9 is owner  $10 subject of an event, or null  $11 with files  $12 fields  $13 filenames  $14 media types
 * $15 contents  $16 sealed, 0 or 1
 */
#define SQL_PARENT \
	"parent AS MATERIALIZED (SELECT id FROM resource WHERE path = $2 AND doc IS NOT NULL)"

/* Targets that exist are locked against deletion.  One deleted meanwhile is not among them, so it counts as absent. */
#define SQL_REFERENCES \
	"wanted AS MATERIALIZED (SELECT DISTINCT path COLLATE \"C\" AS path FROM unnest($7::text[]) AS path WHERE path <> $1)," \
	"present AS MATERIALIZED (SELECT r.id, r.path FROM wanted w JOIN resource r ON r.path = w.path" \
	" WHERE r.doc IS NOT NULL FOR KEY SHARE OF r)," \
	"absent AS MATERIALIZED (SELECT path FROM wanted WHERE path NOT IN (SELECT path FROM present))"

#define SQL_LACKS       "(SELECT path FROM absent WHERE path = ANY ($8::text[]))"
#define SQL_IS_ALLOWED  "NOT EXISTS " SQL_LACKS

#define SQL_INSERT(from) \
	"INSERT INTO resource (path, type, parent, name, doc, unique_value) SELECT $1, $3, parent.id, $4, $5, $6 FROM " from \
	" ON CONFLICT (path) DO UPDATE SET type = excluded.type, parent = excluded.parent, name = excluded.name," \
	" doc = excluded.doc, unique_value = excluded.unique_value, version = 1," \
	" created_at = excluded.created_at, updated_at = excluded.updated_at" \
	" WHERE resource.doc IS NULL RETURNING id, version"

#define SQL_CREATED  "created AS (" SQL_INSERT("parent WHERE " SQL_IS_ALLOWED) ")"
#define SQL_CREATED_UNLESS_OLD \
	"created AS (" SQL_INSERT("parent WHERE NOT EXISTS (SELECT FROM old) AND " SQL_IS_ALLOWED) ")"

#define SQL_OLD  "old AS MATERIALIZED (SELECT id, version FROM resource WHERE path = $1 AND doc IS NOT NULL)"

#define SQL_UPDATED \
	"updated AS (UPDATE resource r SET name = $4, doc = $5, unique_value = $6, version = r.version + 1," \
	" updated_at = statement_timestamp() FROM old WHERE r.id = old.id AND r.version = old.version" \
	" AND " SQL_IS_ALLOWED " RETURNING r.id, r.version)"

/*
 * A placeholder that is named again moves its version, so that whoever is about to sweep it leaves it alone.  DO NOTHING
 * would give no id, and would not hold the row.
 */
#define SQL_REFER \
	"placed AS (INSERT INTO resource (path, type, parent) SELECT path, '', 0 FROM absent" \
	" WHERE EXISTS (SELECT FROM self) ORDER BY path" \
	" ON CONFLICT (path) DO UPDATE SET version = resource.version + (resource.doc IS NULL)::int RETURNING id)," \
	"target AS MATERIALIZED (SELECT id FROM present UNION ALL SELECT id FROM placed)," \
	"referred AS (INSERT INTO resource_ref (src, dst) SELECT self.id, target.id FROM self, target" \
	" ON CONFLICT (src, dst) DO NOTHING)"

#define SQL_SWEEP \
	"cut AS (DELETE FROM resource_ref x USING self WHERE x.src = self.id AND x.dst NOT IN (SELECT id FROM target)" \
	" RETURNING x.dst)," \
	"orphan AS MATERIALIZED (SELECT r.id, r.version FROM cut JOIN resource r ON r.id = cut.dst WHERE r.doc IS NULL" \
	" AND NOT EXISTS (SELECT FROM resource_ref x, self WHERE x.dst = r.id AND x.src <> self.id))," \
	"swept AS (DELETE FROM resource r USING orphan o WHERE r.id = o.id AND r.version = o.version AND r.doc IS NULL)"

#define SQL_FILES \
	"stored AS (INSERT INTO resource_file (resource, ordinal, field, filename, media_type, bytes, sealed)" \
	" SELECT self.id, f.at, f.field, f.filename, f.media_type, f.bytes, f.sealed <> 0 FROM self," \
	" unnest($12::text[], $13::text[], $14::text[], $15::bytea[], $16::bigint[]) WITH ORDINALITY" \
	" AS f (field, filename, media_type, bytes, sealed, at) WHERE $11::boolean" \
	" ON CONFLICT (resource, ordinal) DO UPDATE SET field = excluded.field, filename = excluded.filename," \
	" media_type = excluded.media_type, bytes = excluded.bytes, sealed = excluded.sealed)," \
	"dropped AS (DELETE FROM resource_file f USING self" \
	" WHERE $11::boolean AND f.resource = self.id AND f.ordinal > cardinality($12::text[]))"

#define SQL_TELL \
	"begun AS (INSERT INTO action (owner, seq, state) SELECT id, 1, 'Created' FROM self WHERE is_new AND $9::boolean)," \
	"told AS (INSERT INTO outbox (kind, subject) SELECT" \
	" CASE WHEN is_new THEN 'cluster.created' ELSE 'cluster.updated' END, $10 FROM self WHERE $10::text IS NOT NULL)"

#define SQL_ANSWER(parent, old, absent) \
	" SELECT self.id, self.version, self.is_new, " parent ", " old ", " absent \
	" FROM (VALUES (1)) AS one LEFT JOIN self ON true"

#define SQL_HAS_PARENT  "EXISTS (SELECT FROM parent)"
#define SQL_OLD_VERSION "(SELECT version FROM old)"
/* As many as a message has room for. */
#define SQL_ABSENT \
	"(SELECT string_agg('\"' || path || '\"', ', ' ORDER BY path) FILTER (WHERE at <= 3) ||" \
	" CASE WHEN count(*) > 3 THEN ' and ' || count(*) - 3 || ' more' ELSE '' END" \
	" FROM (SELECT path, row_number() OVER (ORDER BY path) AS at FROM " SQL_LACKS " AS l) AS lacks)"

/* The most frequent write has no references, files or events, and needs six parameters only. */
static const struct query create_plain_query = { "resource_create_plain",
	"WITH " SQL_PARENT ", created AS (" SQL_INSERT("parent") "),"
	"self AS (SELECT id, version, true AS is_new FROM created)"
	SQL_ANSWER(SQL_HAS_PARENT, "NULL::bigint", "NULL::text") };

static const struct query create_query = { "resource_create",
	"WITH " SQL_PARENT "," SQL_REFERENCES "," SQL_CREATED ","
	"self AS (SELECT id, version, true AS is_new FROM created),"
	SQL_REFER "," SQL_FILES "," SQL_TELL SQL_ANSWER(SQL_HAS_PARENT, "NULL::bigint", SQL_ABSENT) };

static const struct query replace_query = { "resource_replace",
	"WITH " SQL_OLD "," SQL_REFERENCES "," SQL_UPDATED ","
	"self AS (SELECT id, version, false AS is_new FROM updated WHERE $2::text IS NOT NULL AND $3::text IS NOT NULL),"
	SQL_REFER "," SQL_SWEEP "," SQL_FILES "," SQL_TELL SQL_ANSWER("true", SQL_OLD_VERSION, SQL_ABSENT) };

static const struct query upsert_query = { "resource_upsert",
	"WITH " SQL_PARENT "," SQL_OLD "," SQL_REFERENCES "," SQL_UPDATED "," SQL_CREATED_UNLESS_OLD ","
	"self AS (SELECT id, version, false AS is_new FROM updated UNION ALL SELECT id, version, true FROM created),"
	SQL_REFER "," SQL_SWEEP "," SQL_FILES "," SQL_TELL SQL_ANSWER(SQL_HAS_PARENT, SQL_OLD_VERSION, SQL_ABSENT) };

static const struct query hold_query = { "resource_hold",
	"SELECT id FROM resource WHERE path = $1 AND doc IS NOT NULL FOR NO KEY UPDATE" };

static const struct query unique_holder_query = { "resource_unique_holder",
	"SELECT r.path FROM resource p JOIN resource r ON r.parent = p.id"
	" WHERE p.path = $1 AND r.type = $2 AND r.unique_value = $3" };

enum { PLAIN_PARAMS = 6, ALL_PARAMS = 16 };

/* The parameters, and what their values live in. */
struct statement {
	const struct query *query;
	size_t              count;
	struct param        params[ALL_PARAMS];
	struct buf          doc, subject, references, musts, fields, filenames, media_types, contents, sealed;
};

static void statement_done(struct statement *statement)
{
	buf_done(&statement->doc);
	buf_done(&statement->subject);
	buf_done(&statement->references);
	buf_done(&statement->musts);
	buf_done(&statement->fields);
	buf_done(&statement->filenames);
	buf_done(&statement->media_types);
	buf_done(&statement->contents);
	buf_done(&statement->sealed);
}

static void statement_init(struct statement *statement)
{
	*statement = (struct statement) { .count = ALL_PARAMS };
	buf_init(&statement->doc, 2 * (size_t) DOC_MAX);
	buf_init(&statement->subject, 4096);
	buf_init(&statement->references, DOC_MAX);
	buf_init(&statement->musts, DOC_MAX);
	buf_init(&statement->fields, DOC_MAX);
	buf_init(&statement->filenames, DOC_MAX);
	buf_init(&statement->media_types, DOC_MAX);
	buf_init(&statement->contents, 512u << 20);
	buf_init(&statement->sealed, DOC_MAX);
}

enum status file_aad(struct view path, struct view field, struct buf *out, struct error *err)
{
	enum status st = buf_add_view(out, path, err);

	if (st == ST_OK)
		st = buf_add(out, "#", 1, err);
	return st == ST_OK ? buf_add_view(out, field, err) : st;
}

static enum status seal_file(struct store *store, struct view path, const struct resource_file *file, struct buf *out,
                             struct error *err)
{
	auto_buf aad = BUF(8192);

	enum status st = file_aad(path, view_of(file->field), &aad, err);
	return st == ST_OK ? seal(store->sealer, file->content, buf_view(&aad), out, err) : st;
}

/* Each array of a file's column; contents are sealed one after another into scratch, which must not move meanwhile. */
static enum status bind_files(struct store *store, const struct resource_write *write, struct statement *statement,
                              struct arena *arena, struct error *err)
{
	const size_t n = write->file_count;
	struct view *fields = arena_alloc(arena, n, sizeof *fields), *contents = arena_alloc(arena, n, sizeof *contents);
	int64_t     *sealed = arena_alloc(arena, n, sizeof *sealed);
	enum status  st = ST_OK;

	if (fields == NULL || contents == NULL || sealed == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		const struct resource_file *file = &write->files[i];
		fields[i] = view_of(file->field);
		contents[i] = file->content;
		sealed[i] = file->is_sealed;
		if (!file->is_sealed)
			continue;
		auto_buf bytes = BUF(file->content.len + 4096);
		st = seal_file(store, write->path, file, &bytes, err);
		char *copy = st == ST_OK ? arena_copy(arena, bytes.data, bytes.len) : NULL;
		if (st == ST_OK && copy == NULL)
			st = fail(err, ST_NO_MEMORY, "out of memory");
		contents[i] = (struct view) { copy, bytes.len };
	}
	if (st == ST_OK)
		st = param_texts(&statement->fields, fields, n, err);
	if (st == ST_OK)
		st = param_texts_at(&statement->filenames, n > 0 ? &write->files->filename : NULL, n, sizeof *write->files, err);
	if (st == ST_OK)
		st = param_texts_at(&statement->media_types, n > 0 ? &write->files->media_type : NULL, n, sizeof *write->files, err);
	if (st == ST_OK)
		st = param_blobs_at(&statement->contents, contents, n, sizeof *contents, err);
	return st == ST_OK ? param_ints(&statement->sealed, sealed, n, err) : st;
}

static bool is_plain(const struct resource_write *write, enum resource_mode mode)
{
	return mode == RESOURCE_CREATE && write->reference_count == 0 && write->file_count == 0 && !write->is_owner &&
	       !write->has_events;
}

static enum status bind(struct store *store, const struct resource_write *write, enum resource_mode mode,
                        struct statement *statement, struct error *err)
{
	static const struct query *const queries[] = {
		[RESOURCE_CREATE] = &create_query, [RESOURCE_REPLACE] = &replace_query, [RESOURCE_CREATE_OR_REPLACE] = &upsert_query,
	};
	auto_arena  arena = ARENA(512u << 20);
	struct view doc = write->doc;
	enum status st = ST_OK;

	statement->query = queries[mode];
	if (write->is_secret) {
		st = doc_seal(store, write->path, write->doc, &statement->doc, err);
		doc = buf_view(&statement->doc);
	}
	struct param *p = statement->params;
	p[0] = P_TEXT(write->path);
	p[1] = P_TEXT(write->parent);
	p[2] = P_TEXT(write->type);
	p[3] = P_TEXT(write->name);
	p[4] = P_TEXT(doc);
	p[5] = write->unique.len > 0 ? P_TEXT(write->unique) : P_NULL;
	if (st == ST_OK && is_plain(write, mode)) {
		statement->query = &create_plain_query;
		statement->count = PLAIN_PARAMS;
		return ST_OK;
	}
	if (st == ST_OK)
		st = param_texts(&statement->references, write->references, write->reference_count, err);
	if (st == ST_OK)
		st = param_texts(&statement->musts, write->musts, write->must_count, err);
	if (st == ST_OK && write->has_events)
		st = event_subject(write->path, &statement->subject, err);
	if (st == ST_OK)
		st = bind_files(store, write, statement, &arena, err);
	p[6] = P_BYTES(buf_view(&statement->references));
	p[7] = P_BYTES(buf_view(&statement->musts));
	p[8] = P_INT(write->is_owner);
	p[9] = write->has_events ? P_TEXT(buf_view(&statement->subject)) : P_NULL;
	p[10] = P_INT(write->is_replacing_files || write->file_count > 0);
	p[11] = P_BYTES(buf_view(&statement->fields));
	p[12] = P_BYTES(buf_view(&statement->filenames));
	p[13] = P_BYTES(buf_view(&statement->media_types));
	p[14] = P_BYTES(buf_view(&statement->contents));
	p[15] = P_BYTES(buf_view(&statement->sealed));
	return st;
}

/* The value is another's.  Whose, can be asked only outside the transaction that just failed. */
static enum status taken(struct db *db, const struct resource_write *write, struct error *err)
{
	auto_rows *rows = NULL;
	const int  n = (int) write->unique.len;

	if (!db_is_in_transaction(db) &&
	    db_query(db, &unique_holder_query, PARAMS(P_TEXT(write->parent), P_TEXT(write->type), P_TEXT(write->unique)),
	             EXPECT_MAYBE, &rows, NULL) == ST_OK && rows_count(rows) == 1) {
		const struct view holder = rows_view(rows, 0, 0);
		return fail(err, ST_EXISTS, "\"%.*s\" is taken by \"%.*s\"", n, write->unique.ptr, (int) holder.len, holder.ptr);
	}
	return fail(err, ST_EXISTS, "\"%.*s\" is taken by another of its kind", n, write->unique.ptr);
}

static enum status no_parent(const struct resource_write *write, struct error *err)
{
	return fail(err, ST_NOT_FOUND, "parent \"%.*s\" does not exist", (int) write->parent.len, write->parent.ptr);
}

/* The statement wrote nothing: why?  ST_OK: another writer was faster, try again. */
static enum status refused(const struct resource_write *write, enum resource_mode mode, const struct rows *rows,
                           struct error *err)
{
	const int         n = (int) write->path.len;
	const char *const path = write->path.ptr;
	const bool        has_parent = rows_bool(rows, 0, 3), has_old = !rows_is_null(rows, 0, 4);
	const struct view absent = rows_view(rows, 0, 5);

	if (mode == RESOURCE_REPLACE && !has_old)
		return fail(err, ST_NOT_FOUND, "\"%.*s\" does not exist", n, path);
	if (!has_old && !has_parent)
		return no_parent(write, err);
	if (absent.len > 0) {
		fail(err, ST_CONFLICT, "what it refers to does not exist: %.*s", (int) absent.len, absent.ptr);
		return fail_hint(err, "Create what it refers to first.");
	}
	if (mode == RESOURCE_CREATE)
		return fail(err, ST_EXISTS, "\"%.*s\" already exists", n, path);
	return ST_OK;
}

static enum status run_once(struct db *db, const struct resource_write *write, enum resource_mode mode,
                            const struct statement *statement, struct resource_written *ret_written, bool *is_raced,
                            struct error *err)
{
	auto_rows *rows = NULL;

	*is_raced = false;
	enum status st = db_query(db, statement->query, statement->params, statement->count, EXPECT_ROW, &rows, err);
	if (st == ST_EXISTS && strcmp(db_constraint(db), "resource_unique_value") == 0)
		return taken(db, write, err);
	if (st == ST_CONFLICT && strcmp(db_constraint(db), "resource_parent_fkey") == 0)
		return no_parent(write, err);                    /* it was deleted while we wrote */
	if (st != ST_OK) {
		*is_raced = !db_is_in_transaction(db) && (db_is_retryable(db) || st == ST_CONFLICT);
		return st;
	}
	if (rows_is_null(rows, 0, 0)) {
		st = refused(write, mode, rows, err);
		*is_raced = st == ST_OK;
		return st == ST_OK ? fail(err, ST_UNAVAILABLE, "others change \"%.*s\" at the same time",
		                          (int) write->path.len, write->path.ptr) : st;
	}
	*ret_written = (struct resource_written) { .id = rows_int(rows, 0, 0), .version = (uint64_t) rows_int(rows, 0, 1),
	                                           .is_new = rows_bool(rows, 0, 2) };
	return ST_OK;
}

/* The same, with the row locked before the statement takes its snapshot. */
static enum status run_locked(struct db *db, const struct resource_write *write, enum resource_mode mode,
                              const struct statement *statement, struct resource_written *ret_written, bool *is_raced,
                              struct error *err)
{
	const bool is_ours = !db_is_in_transaction(db);
	enum status st = is_ours ? db_begin(db, err) : ST_OK;

	*is_raced = false;
	if (st == ST_OK)
		st = db_query(db, &hold_query, PARAMS(P_TEXT(write->path)), EXPECT_MAYBE, NULL, err);
	if (st == ST_OK)
		st = run_once(db, write, mode, statement, ret_written, is_raced, err);
	if (!is_ours)
		return st;
	if (st == ST_OK)
		st = db_commit(db, err);
	if (st != ST_OK) {
		db_rollback(db);
		*is_raced = *is_raced || db_is_retryable(db);
	}
	return st;
}

enum status resource_write(struct store *store, struct db *db, const struct resource_write *write,
                           enum resource_mode mode, struct resource_written *ret_written, struct error *err)
{
	struct statement statement;
	struct error     fault;
	bool             is_raced = true;

	statement_init(&statement);
	enum status st = bind(store, write, mode, &statement, &fault);
	const bool is_bound = st == ST_OK;
	for (int race = 0; is_bound && is_raced && race < RACES_MOST; race++)
		st = (race < RACES_BEFORE_LOCK ? run_once : run_locked)(db, write, mode, &statement, ret_written, &is_raced, &fault);
	statement_done(&statement);
	if (st != ST_OK && err != NULL)
		*err = fault;
	return st;
}
