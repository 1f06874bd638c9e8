/* Paths and types: which resource or collection a path names, and which path a document belongs at. */
#include "host/registry/type_priv.h"

#include "lib/base/name.h"

bool path_take(struct view *rest, struct view *ret_part)
{
	if (rest->len == 0)
		return false;

	const char  *slash = memchr(rest->ptr, '/', rest->len);
	const size_t len = slash != NULL ? (size_t) (slash - rest->ptr) : rest->len;
	const size_t skip = len + (slash != NULL ? 1 : 0);

	*ret_part = (struct view) { rest->ptr, len };
	*rest = (struct view) { rest->ptr + skip, rest->len - skip };
	return len > 0;
}

/* From a to before b, both in one path; b may be a's start. */
static struct view between(const char *a, const char *b)
{
	return (struct view) { a, b > a ? (size_t) (b - a) : 0 };
}

bool type_path_parse(const struct types *types, struct view path, struct type_path *ret)
{
	struct type_path found = { .type = NULL };
	struct view      rest = path, part;

	if (path.len == 0 || path.ptr[path.len - 1] == '/')
		return false;
	while (rest.len > 0) {
		found.parent = between(path.ptr, rest.ptr - 1);
		if (!path_take(&rest, &part))
			return false;
		found.type = types_lookup(types, found.type, part);
		if (found.type == NULL)
			return false;
		found.is_item = rest.len > 0;
		found.name = between(rest.ptr, rest.ptr);
		if (!found.is_item)
			break;
		for (size_t i = 0; i < found.type->variable_count; i++)
			if (!path_take(&rest, &part))
				return false;
		found.name = between(found.name.ptr, part.ptr + part.len);
	}
	*ret = found;
	return true;
}

/* "metadata.name" as a JSON pointer, cut to the size of an error's field. */
static void pointer_of(const char *names, char *field, size_t size)
{
	snprintf(field, size, "/%s", names);
	for (char *c = field; *c != '\0'; c++)
		if (*c == '.')
			*c = '/';
}

static enum status check_name(const char *where, struct view name, struct error *err)
{
	char field[sizeof err->field];

	if (name_is_valid(name))
		return ST_OK;
	pointer_of(where, field, sizeof field);
	if (name.len == 0)
		return fail_at(err, ST_INVALID, field, "\"%s\" must be given", where);
	if (name.len > NAME_LEN_MAX)
		return fail_at(err, ST_INVALID, field, "\"%s\" must be at most %d characters, got %zu", where,
		               NAME_LEN_MAX, name.len);
	return fail_at(err, ST_INVALID, field,
	               "\"%s\" must be letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends, "
	               "got \"%.*s\"",
	               where, (int) name.len, name.ptr);
}

enum status type_item_path(const struct type *type, struct view parent, const json_t *document, struct arena *arena,
                           struct view *ret_path, struct view *ret_name, struct error *err)
{
	const size_t segment = strlen(type->row->segment);
	size_t       len = parent.len + 1 + segment;

	for (size_t i = 0; i < type->variable_count; i++) {
		const struct view name = json_text_at(document, type->names[i]);
		enum status       st = check_name(type->names[i], name, err);
		if (st != ST_OK)
			return st;
		len += 1 + name.len;
	}

	char *const path = arena_alloc(arena, len + 1, 1);
	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	char *at = path;
	if (parent.len > 0) {
		memcpy(at, parent.ptr, parent.len);
		at += parent.len;
		*at++ = '/';
	}
	memcpy(at, type->row->segment, segment);
	at += segment;
	const char *const names = at + 1;
	for (size_t i = 0; i < type->variable_count; i++) {
		const struct view name = json_text_at(document, type->names[i]);
		*at++ = '/';
		memcpy(at, name.ptr, name.len);
		at += name.len;
	}
	*ret_path = between(path, at);
	*ret_name = between(names, at);
	return ST_OK;
}
