/* A raw URI: a path, a question mark, a query.  What is decoded is made of names and text that the store can hold. */
#include "host/api/request.h"
#include "lib/base/utf8.h"

#include "tests/fuzz/fuzz.h"

static void check_path(struct view path)
{
	must(path.len > 0 && utf8_is_valid(path));
	for (size_t i = 0; i < path.len; i++)
		must((unsigned char) path.ptr[i] >= ' ' && path.ptr[i] != 0x7f);
	for (size_t at = 0; at <= path.len;) {
		const char       *slash = memchr(path.ptr + at, '/', path.len - at);
		const size_t      end = slash == NULL ? path.len : (size_t) (slash - path.ptr);
		const struct view segment = { path.ptr + at, end - at };
		must(segment.len > 0 && !view_is(segment, ".") && !view_is(segment, ".."));
		at = end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ask_parameter *parameters = NULL;
	struct view           path;
	struct error          err = { .code = ST_OK };
	size_t                count = 0;
	auto_arena            arena = ARENA(8 << 20);
	char                 *text = arena_copy(&arena, data, size);

	if (text == NULL)
		return 0;
	char *query = strchr(text, '?');
	if (query != NULL)
		*query++ = '\0';
	if (path_decode(text, &arena, &path))
		check_path(path);
	if (query_decode(query, &arena, &parameters, &count, &err) != ST_OK) {
		must(err.text[0] != '\0');
		return 0;
	}
	must(count <= PARAMETERS_MAX);
	for (size_t i = 0; i < count; i++) {
		must(utf8_is_valid(parameters[i].name) && memchr(parameters[i].name.ptr, '\0', parameters[i].name.len) == NULL);
		must(utf8_is_valid(parameters[i].value) && memchr(parameters[i].value.ptr, '\0', parameters[i].value.len) == NULL);
	}
	return 0;
}
