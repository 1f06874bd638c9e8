#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

static const struct query unit_query = { "unit_of_place",
	"SELECT u.id, u.is_wanted, " SQL_IS_DONE " OR " SQL_IS_EVEN ", s.entries FROM unit u LEFT JOIN resource_set s ON s.digest = u.set"
	" WHERE u.owner = $1 AND u.app = $2 AND u.cluster = $3" };

static const struct query objects_query = { "unit_objects",
	"SELECT name, state, message FROM unit_object WHERE unit = $1 ORDER BY name" };

/* The rows in byte order of their names, and which of them the set has named. */
struct known {
	const struct rows *rows;
	bool              *is_named;
};

static struct object_row object_of(const struct rows *rows, size_t row)
{
	return (struct object_row) { .name = rows_view(rows, row, 0), .state = (enum object_state) rows_int(rows, row, 1), .is_told = true,
	                             .message = rows_view(rows, row, 2) };
}

/* What is known of the object; an object nobody has reported is as its unit is. */
static struct object_row find(struct known *known, struct view name, bool is_there)
{
	size_t low = 0, high = rows_count(known->rows);

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int    order = view_compare(name, rows_view(known->rows, middle, 0));
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

static enum status merge(const struct rows *unit, const struct rows *rows, struct arena *arena,
                         struct object_row **ret_objects, size_t *ret_count, struct error *err)
{
	struct set_entry *entries = NULL;
	size_t            entry_count = 0, n = 0;
	const size_t      row_count = rows_count(rows);
	enum status       st = ST_OK;

	if (rows_bool(unit, 0, 1))
		st = set_decode(rows_view(unit, 0, 3), arena, &entries, &entry_count, err);
	if (st != ST_OK)
		return st;
	struct known       known = { rows, arena_alloc(arena, row_count, sizeof(bool)) };
	struct object_row *objects = arena_alloc(arena, entry_count + row_count, sizeof *objects);
	if (known.is_named == NULL || objects == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < entry_count; i++)
		objects[n++] = find(&known, entries[i].name, rows_bool(unit, 0, 2));
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
	auto_rows   *unit = NULL;
	struct rows *rows = NULL;

	enum status st = db_query(db, &unit_query, PARAMS(P_INT(owner), P_TEXT(app), P_TEXT(cluster)), EXPECT_MAYBE, &unit, err);
	if (st != ST_OK)
		return st;
	if (rows_count(unit) == 0)
		return fail(err, ST_NOT_FOUND, "app \"%.*s\" is not on cluster \"%.*s\"", (int) app.len, app.ptr,
		            (int) cluster.len, cluster.ptr);
	st = db_query_kept(db, &objects_query, PARAMS(P_INT(rows_int(unit, 0, 0))), arena, &rows, err);
	return st == ST_OK ? merge(unit, rows, arena, ret_objects, ret_count, err) : st;
}
