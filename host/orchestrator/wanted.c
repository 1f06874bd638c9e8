#include "host/orchestrator/wanted.h"

#include "host/store/resource.h"

/* What a message has room for beside the words around it. */
enum { NAMES_LEN_MAX = 190 };

enum status wanted_add(struct wanted *wanted, struct view path, struct error *err)
{
	if (wanted->count == WANTED_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d resources are referred to", WANTED_MAX);
	if (wanted->count == wanted->room) {
		const size_t room = wanted->room == 0 ? 64 : 2 * wanted->room;
		struct view *paths = arena_alloc(wanted->arena, room, sizeof *paths);
		if (paths == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		if (wanted->count > 0)
			memcpy(paths, wanted->paths, wanted->count * sizeof *paths);
		wanted->paths = paths;
		wanted->room = room;
	}
	wanted->paths[wanted->count++] = path;
	return ST_OK;
}

enum status wanted_add_references(struct wanted *wanted, const struct types *types, const char *type, struct view path,
                                  const json_t *doc, struct error *err)
{
	const struct type *found = types != NULL ? types_find(types, view_of(type)) : NULL;
	struct view       *paths = NULL;
	size_t             count = 0;

	if (found == NULL)
		return ST_OK;
	enum status st = type_references(types, found, path, doc, wanted->arena, &paths, &count, err);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		st = wanted_add(wanted, paths[i], err);
	return st;
}

static enum status name_missing(const struct view *missing, size_t count, struct error *err)
{
	char   names[NAMES_LEN_MAX + 1] = "";
	size_t len = 0, named = 0;

	for (; named < count; named++) {
		const struct view path = missing[named];
		const size_t      more = path.len + (named > 0 ? 4 : 2);
		if (named > 0 && len + more > NAMES_LEN_MAX)
			break;
		len += (size_t) snprintf(names + len, sizeof names - len, "%s\"%.*s\"", named > 0 ? ", " : "", (int) path.len,
		                         path.ptr);
		if (len > NAMES_LEN_MAX)
			len = NAMES_LEN_MAX;          /* the first name alone is too long, and cut */
	}
	if (named < count)
		fail(err, ST_NOT_FOUND, "what it refers to does not exist: %s and %zu more", names, count - named);
	else
		fail(err, ST_NOT_FOUND, "what it refers to does not exist: %s", names);
	return fail_hint(err, "Create %s first.", count > 1 ? "them" : "it");
}

enum status wanted_check(const struct wanted *wanted, struct db *db, struct error *err)
{
	struct view *missing = arena_alloc(wanted->arena, wanted->count + 1, sizeof *missing);
	size_t       count = 0;

	if (missing == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	enum status st = resource_missing(db, wanted->paths, wanted->count, missing, &count, err);
	return st == ST_OK && count > 0 ? name_missing(missing, count, err) : st;
}
