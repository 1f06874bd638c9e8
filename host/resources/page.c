/* Pages of a list: which was asked for. */
#include "host/resources/resources.h"

#include "lib/base/name.h"

#include <inttypes.h>

enum { PAGE_MAX = 1000 };

enum status parameter_number(const struct ask_parameter *parameters, size_t count, const char *name, uint64_t most,
                             uint64_t *ret_value, struct error *err)
{
	const struct ask_parameter *parameter = parameter_find(parameters, count, name);
	char *end = NULL;

	if (parameter == NULL || parameter->value.len == 0)
		return ST_OK;
	const uint64_t value = strtoull(parameter->value.ptr, &end, 10);
	if (parameter->value.ptr[0] < '0' || parameter->value.ptr[0] > '9' || *end != '\0' || value < 1 || value > most)
		return fail_at(err, ST_INVALID, name, "\"%s\" must be 1 to %" PRIu64 ", got \"%.*s\"", name, most, V(parameter->value));
	*ret_value = value;
	return ST_OK;
}

/* "ca/v1": as many names as an item of the type has. */
static bool is_item(const struct type *type, struct view text)
{
	for (size_t i = 0; i < type->variable_count; i++) {
		const bool  is_last = i + 1 == type->variable_count;
		const char *slash = is_last ? text.ptr + text.len : memchr(text.ptr, '/', text.len);
		if (slash == NULL || !name_is_valid((struct view) { text.ptr, (size_t) (slash - text.ptr) }))
			return false;
		const size_t taken = (size_t) (slash - text.ptr) + (is_last ? 0 : 1);
		text = (struct view) { text.ptr + taken, text.len - taken };
	}
	return true;
}

enum status page_read(const struct type *type, struct view parent, const struct ask_parameter *parameters, size_t count,
                      struct arena *arena, struct page *ret_page, struct error *err)
{
	const struct ask_parameter *from = parameter_find(parameters, count, "continue");
	struct page                 page = { .limit = 0, .after = VIEW("") };

	enum status st = parameter_number(parameters, count, "limit", PAGE_MAX, &page.limit, err);
	if (st != ST_OK)
		return st;
	if (from != NULL && from->value.len > 0) {
		if (!is_item(type, from->value))
			return fail_at(err, ST_INVALID, "continue", "\"continue\" must be the name that a page ended with, got \"%.*s\"",
			               V(from->value));
		const char *path = arena_printf(arena, "%.*s%s%s/%.*s", V(parent), parent.len > 0 ? "/" : "", type->row->segment,
		                                V(from->value));
		if (path == NULL)
			return fail(err, ST_NO_MEMORY, "no memory for the page");
		page.after = view_of(path);
	}
	*ret_page = page;
	return ST_OK;
}

const struct query_option page_options[] = {
	{ "limit",    "Most on one page; a Link header names the next.", SCHEMA_LIMIT },
	{ "continue", "The page after the one of this name.",            NULL         },
	{ NULL, NULL, NULL },
};
