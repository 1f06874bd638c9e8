/*
 * unit_fold.c - which of the sets that were begun still tell something.
 *
 * Every set that was begun and not done is remembered, because its objects may be there and must go.  An update of a cluster
 * that is away adds one each time.  Nearly always they name the same objects, and one that names nothing that another does not
 * name tells nothing: it is forgotten, so that what is remembered grows with the names and not with the updates.
 */
#include "host/store/context.h"
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

enum { SET_TEXT_MAX = 64 << 20, FOLD_BYTES_MAX = 128 << 20 };

/* $1 unit  $2 lease  $3 those that are left  $4 what it was */
static const struct query fold_query = { "unit_fold",
	"UPDATE unit SET tried = $3::bytea[] WHERE id = $1 AND lease = $2 AND tried = $4::bytea[]" };

struct name { struct view name, api_version, namespace_; };

/* The names of one set, in order. */
struct names { struct name *at; size_t count; };

static int name_order(const void *a, const void *b)
{
	const struct name *left = a, *right = b;
	int order = view_compare(left->name, right->name);

	if (order == 0)
		order = view_compare(left->api_version, right->api_version);
	return order != 0 ? order : view_compare(left->namespace_, right->namespace_);
}

/* A set that is not known any more was collected, because nothing of it can be there: it has no names. */
static enum status read_names(struct db *db, const struct digest *set, struct arena *arena, struct names *ret_names, struct error *err)
{
	auto_buf          text = BUF(SET_TEXT_MAX);
	struct set_entry *entries;
	size_t            count = 0;
	enum status       st = set_read(db, set, &text, err);

	*ret_names = (struct names) { NULL, 0 };
	if (st == ST_NOT_FOUND)
		return ST_OK;
	const char *copy = st == ST_OK ? arena_copy(arena, text.data, text.len) : NULL;
	if (st == ST_OK && copy == NULL)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK)
		st = set_decode((struct view) { copy, text.len }, arena, &entries, &count, err);
	if (st != ST_OK)
		return st;
	ret_names->at = arena_alloc(arena, count + 1, sizeof *ret_names->at);
	if (ret_names->at == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		ret_names->at[i] = (struct name) { entries[i].name, entries[i].api_version, entries[i].namespace_ };
	ret_names->count = count;
	qsort(ret_names->at, count, sizeof *ret_names->at, name_order);
	return ST_OK;
}

static bool is_within(const struct names *some, const struct names *all)
{
	for (size_t i = 0; i < some->count; i++)
		if (bsearch(&some->at[i], all->at, all->count, sizeof *all->at, name_order) == NULL)
			return false;
	return true;
}

/* The desired one stays, whatever it names: that it was begun is told by its being there. */
static size_t leave_out(const struct unit_row *unit, const struct names *names, bool *is_out)
{
	size_t left = unit->tried_count;

	for (size_t i = 0; i < unit->tried_count; i++) {
		if (unit->has_desired && digest_equal(&unit->tried[i], &unit->desired))
			continue;
		for (size_t k = 0; k < unit->tried_count && !is_out[i]; k++)
			is_out[i] = k != i && !is_out[k] && is_within(&names[i], &names[k]);
		left -= is_out[i];
	}
	return left;
}

static enum status store_left(struct db *db, struct unit_row *unit, const struct digest *left, size_t count, struct error *err)
{
	auto_buf    now = BUF(1 << 20), before = BUF(1 << 20);
	enum status st = param_digests(&now, left, count, sizeof *left, err);

	if (st == ST_OK)
		st = param_digests(&before, unit->tried, unit->tried_count, sizeof *unit->tried, err);
	if (st == ST_OK)
		st = db_query(db, &fold_query, PARAMS(P_INT(unit->id), P_INT(unit->lease), P_BYTES(buf_view(&now)), P_BYTES(buf_view(&before))),
		              EXPECT_NONE, NULL, err);
	if (st != ST_OK)
		return st;
	unit->tried = left;
	unit->tried_count = count;
	return ST_OK;
}

enum status unit_fold(struct db *db, struct arena *arena, struct unit_row *unit, struct error *err)
{
	auto_arena     beside = ARENA(FOLD_BYTES_MAX);
	const size_t   count = unit->tried_count;
	struct names  *names = arena_alloc(&beside, count + 1, sizeof *names);
	bool          *is_out = arena_alloc(&beside, count + 1, sizeof *is_out);
	struct digest *left = arena_alloc(arena, count + 1, sizeof *left);
	size_t         left_count = 0;

	if (names == NULL || is_out == NULL || left == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const enum status st = read_names(db, &unit->tried[i], &beside, &names[i], err);
		if (st != ST_OK)
			return st;
	}
	if (leave_out(unit, names, is_out) == count)
		return ST_OK;
	for (size_t i = 0; i < count; i++)
		if (!is_out[i])
			left[left_count++] = unit->tried[i];
	return store_left(db, unit, left, left_count, err);
}
