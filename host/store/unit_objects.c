#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

/*
 * One statement, because a report moves what is told between the unit and the rows.  The set, which may be large, comes once, with
 * the first of the objects, which come in byte order of their names.
 */
static const struct query objects_query = { "unit_objects",
	"SELECT u.is_wanted, " SQL_IS_DONE " OR u.is_even, CASE WHEN row_number() OVER (ORDER BY o.name) = 1 THEN s.entries END,"
	" o.name, o.state, o.message FROM unit u LEFT JOIN resource_set s ON s.digest = u.set LEFT JOIN unit_object o ON o.unit = u.id"
	" WHERE u.owner = $1 AND u.app = $2 AND u.cluster = $3 ORDER BY o.name" };

enum { IS_WANTED, IS_THERE, ENTRIES, NAME, STATE, MESSAGE };

/* The rows, and which of them the set has named. */
struct known {
	const struct rows *rows;
	size_t             count;
	bool              *is_named;
};

static struct object_row object_of(const struct rows *rows, size_t row)
{
	return (struct object_row) { .name = rows_view(rows, row, NAME), .state = (enum object_state) rows_int(rows, row, STATE),
	                             .is_told = true, .message = rows_view(rows, row, MESSAGE) };
}

/* What is known of the object; an object nobody has reported is as its unit is. */
static struct object_row find(struct known *known, struct view name, bool is_there)
{
	size_t low = 0, high = known->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int    order = view_compare(name, rows_view(known->rows, middle, NAME));
		if (order == 0) {
			known->is_named[middle] = true;
			return object_of(known->rows, middle);
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return (struct object_row) { .name = name, .message = VIEW(""), .state = is_there ? OBJECT_APPLIED : OBJECT_PENDING };
}

static enum status merge(const struct rows *rows, struct arena *arena, struct object_row **ret_objects, size_t *ret_count,
                         struct error *err)
{
	struct set_entry *entries = NULL;
	size_t            entry_count = 0, n = 0;
	const size_t      row_count = rows_is_null(rows, 0, NAME) ? 0 : rows_count(rows);
	enum status       st = ST_OK;

	if (rows_bool(rows, 0, IS_WANTED))
		st = set_decode(rows_view(rows, 0, ENTRIES), arena, &entries, &entry_count, err);
	if (st != ST_OK)
		return st;
	struct known       known = { rows, row_count, arena_alloc(arena, row_count + 1, sizeof(bool)) };
	struct object_row *objects = arena_alloc(arena, entry_count + row_count + 1, sizeof *objects);
	if (known.is_named == NULL || objects == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < entry_count; i++)
		objects[n++] = find(&known, entries[i].name, rows_bool(rows, 0, IS_THERE));
	for (size_t i = 0; i < row_count; i++)
		if (!known.is_named[i])
			objects[n++] = object_of(rows, i);
	*ret_objects = objects;
	*ret_count = n;
	return ST_OK;
}

enum status unit_objects(struct db *db, int64_t owner, struct view app, struct view cluster, struct arena *arena,
                         struct object_row **ret_objects, size_t *ret_count, struct error *err)
{
	struct rows *rows = NULL;

	const enum status st = db_query_kept(db, &objects_query, PARAMS(P_INT(owner), P_TEXT(app), P_TEXT(cluster)), arena, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return fail(err, ST_NOT_FOUND, "app \"%.*s\" is not on cluster \"%.*s\"", (int) app.len, app.ptr,
		            (int) cluster.len, cluster.ptr);
	return merge(rows, arena, ret_objects, ret_count, err);
}
