/*
 * A list of names on the first line, an object or its fieldsV1 on the rest.  What is found can be removed, what is removed was
 * there, and what is covered begins with what covers it.
 */
#include "lib/kube/fields.h"

#include "tests/fuzz/fuzz.h"

enum { NAMES_MAX = 64 };

static void check_name(const json_t *object, struct view name)
{
	json_t    *copy = json_deep_copy(object), *owned = json_deep_copy(object);
	const bool is_set = field_is_set(object, name);

	must(field_remove(copy, name) == is_set);
	must(json_equal(copy, json_for_reading(object)) == !is_set);
	must(field_disown(owned, name) == !json_equal(owned, json_for_reading(object)));
	must(!field_disown(owned, name));
	json_decref(owned);
	json_decref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data, *line_end = size > 0 ? memchr(text, '\n', size) : NULL;
	const size_t len = line_end != NULL ? (size_t) (line_end - text) : size;
	struct view names = { text, len }, name, last = VIEW("");
	json_t     *object = NULL;

	if (line_end == NULL || json_read((struct view) { text + len + 1, size - len - 1 }, &object, NULL) != ST_OK)
		object = json_object();
	for (size_t n = 0; n < NAMES_MAX && field_next(&names, &name); n++) {
		must(name.len > 0 && name.ptr >= text && name.ptr + name.len <= text + len);
		must(!field_covers(last, name) || (name.len >= last.len && memcmp(name.ptr, last.ptr, last.len) == 0));
		must(field_covers(name, name));
		check_name(object, name);
		last = name;
	}
	json_decref(object);
	return 0;
}
