#include "host/store/resource.h"

#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"

#define SQL_PARENT  "(SELECT id FROM resource WHERE path = $2 AND doc IS NOT NULL)"

/*
 * NOTE: a planner that believes most rows to be children of this one walks the paths in order.  It then begins at the
 * parent's own and not at the first path there is.
 */
static const struct query list_query = { "resource_list",
	"SELECT path, doc, id, version FROM resource WHERE parent = " SQL_PARENT " AND type = $1"
	" AND path > greatest($3, $2 || '/') ORDER BY path LIMIT nullif($4::bigint, 0)" };

/* The page is cut first: the limit is none of rows. */
static const struct query children_query = { "resource_list_children",
	"WITH page AS MATERIALIZED (SELECT path, doc, id, version FROM resource WHERE parent = " SQL_PARENT " AND type = $1"
	" AND path > greatest($3, $2 || '/') ORDER BY path LIMIT nullif($4::bigint, 0))"
	" SELECT p.path, p.doc, p.id, p.version, c.path, c.doc, c.id, c.version FROM page p"
	" LEFT JOIN resource c ON c.parent = p.id AND c.type = $5 AND c.doc IS NOT NULL ORDER BY p.path, c.path" };

/* Where several claim the same, the first counts. */
static const struct query age_query = { "resource_list_by_age",
	"SELECT path, doc, id, version FROM resource"
	" WHERE parent = " SQL_PARENT " AND type = $1 ORDER BY created_at, path" };

static const struct query walk_query = { "resource_walk",
	"WITH RECURSIVE walk (id, type, path) AS (SELECT 0::bigint, 'root'::text COLLATE \"C\", ''::text COLLATE \"C\" UNION ALL"
	" SELECT c.id, c.type, c.path FROM walk w JOIN resource c ON c.parent = w.id AND c.type = ANY ($1::text[]) AND c.doc IS NOT NULL)"
	" SELECT type, path FROM walk WHERE id <> 0 ORDER BY type, path LIMIT $2" };

static const struct query exists_query = { "resource_exists",
	"SELECT EXISTS (SELECT FROM resource WHERE path = $1 AND doc IS NOT NULL)" };

/* Labels have an index by name: a provider with a hundred thousand clusters is not walked for ten that carry one. */
static const struct query label_query = { "resource_label_parents",
	"SELECT p.path FROM resource l JOIN resource p ON p.id = l.parent"
	" WHERE l.type = 'clusterLabel' AND l.name = $1 AND l.doc IS NOT NULL"
	" AND p.parent = " SQL_PARENT " ORDER BY p.path" };

static const struct query parents_query = { "resource_list_parents",
	"SELECT p.path FROM resource p WHERE p.parent = " SQL_PARENT
	" AND EXISTS (SELECT FROM resource l WHERE l.parent = p.id AND l.type = $3 AND l.name = $1 AND l.doc IS NOT NULL)"
	" ORDER BY p.path" };

struct listing {
	struct store  *store;
	struct buf     scratch, child_scratch;
	resource_each *each;
	resource_each_child *each_child;
	void          *data;
	size_t         count;
};

/* What stands in four columns from the first on. */
static enum status read_item(struct listing *listing, const struct rows *row, int first, struct buf *scratch,
                             struct resource_item *ret_item, struct error *err)
{
	*ret_item = (struct resource_item) { .path = rows_view(row, 0, first), .id = rows_int(row, 0, first + 2),
	                                     .version = (uint64_t) rows_int(row, 0, first + 3) };
	return doc_open(listing->store, ret_item->path, rows_view(row, 0, first + 1), scratch, &ret_item->doc, err);
}

static enum status list_row(void *data, const struct rows *row, struct error *err)
{
	struct listing      *listing = data;
	struct resource_item item;

	listing->count++;
	enum status st = read_item(listing, row, 0, &listing->scratch, &item, err);
	return st == ST_OK ? listing->each(listing->data, &item, err) : st;
}

static enum status children_row(void *data, const struct rows *row, struct error *err)
{
	struct listing      *listing = data;
	struct resource_item item, child;
	const bool           has_child = !rows_is_null(row, 0, 4);

	listing->count++;
	enum status st = read_item(listing, row, 0, &listing->scratch, &item, err);
	if (st == ST_OK && has_child)
		st = read_item(listing, row, 4, &listing->child_scratch, &child, err);
	return st == ST_OK ? listing->each_child(listing->data, &item, has_child ? &child : NULL, err) : st;
}

/* A list without members says nothing about its parent. */
static enum status check_parent(struct db *db, struct view parent, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &exists_query, PARAMS(P_TEXT(parent)), EXPECT_ROW, &rows, err);
	if (st == ST_OK && !rows_bool(rows, 0, 0))
		return fail(err, ST_NOT_FOUND, "\"%.*s\" does not exist", (int) parent.len, parent.ptr);
	return st;
}

static enum status list(const struct query *query, const struct param *params, size_t param_count, struct store *store,
                        struct db *db, struct view parent, resource_each *each, void *data, struct error *err)
{
	struct listing listing = { .store = store, .each = each, .data = data };

	buf_init(&listing.scratch, DOC_MAX);
	enum status st = db_stream(db, query, params, param_count, list_row, &listing, err);
	buf_done(&listing.scratch);
	return st == ST_OK && listing.count == 0 ? check_parent(db, parent, err) : st;
}

enum status resource_list(struct store *store, struct db *db, struct view type, struct view parent, struct view after,
                          uint64_t limit, resource_each *each, void *data, struct error *err)
{
	return list(&list_query, PARAMS(P_TEXT(type), P_TEXT(parent), P_TEXT(after), P_INT((int64_t) limit)), store, db, parent,
	            each, data, err);
}

enum status resource_list_children(struct store *store, struct db *db, struct view type, struct view child_type,
                                   struct view parent, struct view after, uint64_t limit, resource_each_child *each, void *data,
                                   struct error *err)
{
	struct listing listing = { .store = store, .each_child = each, .data = data };

	buf_init(&listing.scratch, DOC_MAX);
	buf_init(&listing.child_scratch, DOC_MAX);
	enum status st = db_stream(db, &children_query, PARAMS(P_TEXT(type), P_TEXT(parent), P_TEXT(after), P_INT((int64_t) limit),
	                           P_TEXT(child_type)), children_row, &listing, err);
	buf_done(&listing.scratch);
	buf_done(&listing.child_scratch);
	return st == ST_OK && listing.count == 0 ? check_parent(db, parent, err) : st;
}

enum status resource_list_by_age(struct store *store, struct db *db, struct view type, struct view parent, resource_each *each,
                                 void *data, struct error *err)
{
	return list(&age_query, PARAMS(P_TEXT(type), P_TEXT(parent)), store, db, parent, each, data, err);
}

struct paths {
	resource_each_path *each;
	void               *data;
};

static enum status path_row(void *data, const struct rows *row, struct error *err)
{
	const struct paths *paths = data;

	return paths->each(paths->data, rows_view(row, 0, 0), err);
}

enum status resource_list_parents(struct db *db, struct view type, struct view name, struct view grandparent,
                                  resource_each_path *each, void *data, struct error *err)
{
	struct paths paths = { each, data };

	if (view_is(type, "clusterLabel"))
		return db_stream(db, &label_query, PARAMS(P_TEXT(name), P_TEXT(grandparent)), path_row, &paths, err);
	return db_stream(db, &parents_query, PARAMS(P_TEXT(name), P_TEXT(grandparent), P_TEXT(type)), path_row, &paths, err);
}

struct walking {
	resource_each_typed *each;
	void                *data;
};

static enum status walk_row(void *data, const struct rows *row, struct error *err)
{
	const struct walking *walking = data;

	return walking->each(walking->data, rows_view(row, 0, 0), rows_view(row, 0, 1), err);
}

enum status resource_walk(struct db *db, const struct view *types, size_t count, uint64_t limit, resource_each_typed *each,
                          void *data, struct error *err)
{
	struct walking walking = { each, data };
	auto_buf       names = BUF(1 << 20);
	enum status    st = param_texts(&names, types, count, err);

	return st == ST_OK ? db_stream(db, &walk_query, PARAMS(P_BYTES(buf_view(&names)), P_INT((int64_t) limit)), walk_row, &walking, err)
	                   : st;
}
