#include "lib/kube/fields.h"

#include <ctype.h>

enum { DEEPEST = 64, STEP_MAX = 1024 };

/* -- names -- */

static bool is_between(char c)
{
	return c == ',' || isspace((unsigned char) c);
}

bool field_next(struct view *rest, struct view *ret_name)
{
	size_t at = 0, end;
	bool   is_in_brackets = false, is_quoted = false;

	while (at < rest->len && is_between(rest->ptr[at]))
		at++;
	for (end = at; end < rest->len && (is_in_brackets || !is_between(rest->ptr[end])); end++) {
		const char c = rest->ptr[end];

		if (is_quoted && c == '\\' && end + 1 < rest->len)
			end++;
		else if (c == '"')
			is_quoted = is_in_brackets && !is_quoted;
		else if (!is_quoted && (c == '[' || c == ']'))
			is_in_brackets = c == '[';
	}
	*ret_name = (struct view) { rest->ptr + at, end - at };
	*rest = (struct view) { rest->ptr + end, rest->len - end };
	return end > at;
}

bool field_is_name(struct view name)
{
	return name.len >= 2 && name.ptr[0] == '.' && name.ptr[1] != '.' && name.ptr[1] != '[';
}

static bool begins(struct view text, const char *with, size_t len)
{
	return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

/* What follows a step is the end or another step. */
static bool is_step_end(struct view name, size_t len)
{
	return len == name.len || name.ptr[len] == '.' || name.ptr[len] == '[';
}

bool field_covers(struct view name, struct view other)
{
	return name.len > 0 && begins(other, name.ptr, name.len) && is_step_end(other, name.len);
}

static struct view after(struct view name, size_t len)
{
	return (struct view) { name.ptr + len, name.len - len };
}

/* -- in an object -- */

/* ".key" at the beginning of name: its length, or 0. */
static size_t member_step(struct view name, const char *key)
{
	const size_t len = strlen(key) + 1;

	if (name.len < len || name.ptr[0] != '.' || memcmp(name.ptr + 1, key, len - 1) != 0)
		return 0;
	return is_step_end(name, len) ? len : 0;
}

/* "[name="web",port=80]" at the beginning of name: its length, or 0. */
static size_t item_step(struct view name)
{
	bool is_quoted = false;

	if (name.len == 0 || name.ptr[0] != '[')
		return 0;
	for (size_t i = 1; i < name.len; i++) {
		if (is_quoted && name.ptr[i] == '\\')
			i++;
		else if (name.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && name.ptr[i] == ']')
			return i + 1;
	}
	return 0;
}

/* Does value, written as JSON, stand at the beginning of text?  Its length, or 0. */
static size_t value_step(struct view text, const json_t *value)
{
	char        *written = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const size_t len = written != NULL ? strlen(written) : 0;
	const bool   is_there = len > 0 && begins(text, written, len);

	free(written);
	return is_there ? len : 0;
}

/* inside: what stands between the brackets: "=value" of a set, or key=value, .... */
static bool item_is(const json_t *item, struct view inside)
{
	if (begins(inside, "=", 1))
		return value_step(after(inside, 1), item) == inside.len - 1;
	while (inside.len > 0) {
		const char *equals = memchr(inside.ptr, '=', inside.len);
		char        key[256];
		const size_t len = equals != NULL ? (size_t) (equals - inside.ptr) : 0;

		if (len == 0 || len >= sizeof key)
			return false;
		memcpy(key, inside.ptr, len);
		key[len] = '\0';
		inside = after(inside, len + 1);

		const size_t value = value_step(inside, json_object_get(item, key));
		if (value == 0 || (value < inside.len && inside.ptr[value] != ','))
			return false;
		inside = after(inside, value < inside.len ? value + 1 : value);
	}
	return true;
}

/* NOTE: keys may have points in them, so a step may fit several members; the first that leads to the field is meant. */
static bool within(json_t *node, struct view name, bool removes, int depth)
{
	const size_t brackets = item_step(name);
	const char  *key;
	json_t      *child;
	void        *next;
	size_t       i;

	if (depth > DEEPEST)
		return false;
	json_object_foreach_safe(node, next, key, child) {
		const size_t step = member_step(name, key);

		if (step == 0)
			continue;
		if (step == name.len) {
			if (removes)
				json_object_del(node, key);
			return true;
		}
		if (within(child, after(name, step), removes, depth + 1))
			return true;
	}
	if (brackets == 0)
		return false;
	json_array_foreach(node, i, child) {
		if (!item_is(child, (struct view) { name.ptr + 1, brackets - 2 }))
			continue;
		if (brackets < name.len)
			return within(child, after(name, brackets), removes, depth + 1);
		if (removes)
			json_array_remove(node, i);
		return true;
	}
	return false;
}

bool field_is_set(const json_t *object, struct view name)
{
	return within(json_for_reading(object), name, false, 0);
}

bool field_remove(json_t *object, struct view name)
{
	return within(object, name, true, 0);
}

/* -- in fieldsV1 -- */

static bool step_add(char step[STEP_MAX], size_t *len, const char *text)
{
	const size_t more = strlen(text);

	if (*len + more >= STEP_MAX)
		return false;
	memcpy(step + *len, text, more + 1);
	*len += more;
	return true;
}

static bool step_add_value(char step[STEP_MAX], size_t *len, const json_t *value)
{
	char      *written = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const bool is_added = written != NULL && step_add(step, len, written);

	free(written);
	return is_added;
}

/* k:{"name":"web"} */
static bool step_of_keys(json_t *keys, char step[STEP_MAX], size_t *len)
{
	const char *name, *between = "[";
	json_t     *value;

	json_object_foreach(keys, name, value) {
		if (!step_add(step, len, between) || !step_add(step, len, name) || !step_add(step, len, "=") ||
		    !step_add_value(step, len, value))
			return false;
		between = ",";
	}
	return *len > 0 && step_add(step, len, "]");
}

/* "f:spec" is ".spec", "k:{"name":"web"}" is "[name="web"]", "v:1" is "[=1]"; "." is the field itself.  0: none. */
static size_t owned_step(const char *key, char step[STEP_MAX])
{
	size_t  len = 0;
	json_t *value;
	bool    is_whole = false;

	step[0] = '\0';
	if (strncmp(key, "f:", 2) == 0)
		return step_add(step, &len, ".") && step_add(step, &len, key + 2) ? len : 0;
	if (strncmp(key, "k:", 2) != 0 && strncmp(key, "v:", 2) != 0)
		return 0;
	value = json_loads(key + 2, JSON_DECODE_ANY, NULL);
	if (value != NULL && key[0] == 'k')
		is_whole = step_of_keys(value, step, &len);
	else if (value != NULL)
		is_whole = step_add(step, &len, "[=") && step_add_value(step, &len, value) && step_add(step, &len, "]");
	json_decref(value);
	return is_whole ? len : 0;
}

static bool is_empty(const json_t *node)
{
	return json_object_size(node) == 0 || (json_object_size(node) == 1 && json_object_get(node, ".") != NULL);
}

static bool disown(json_t *node, struct view name, int depth)
{
	bool        is_gone = false;
	const char *key;
	json_t     *child;
	void       *next;

	if (depth > DEEPEST)
		return false;
	json_object_foreach_safe(node, next, key, child) {
		char         text[STEP_MAX];
		const size_t step = owned_step(key, text);

		if (step == 0 || !begins(name, text, step) || !is_step_end(name, step))
			continue;
		if (step == name.len) {
			json_object_del(node, key);
			is_gone = true;
		} else if (disown(child, after(name, step), depth + 1)) {
			is_gone = true;
			if (is_empty(child))
				json_object_del(node, key);
		}
	}
	return is_gone;
}

bool field_disown(json_t *owned, struct view name)
{
	return disown(owned, name, 0);
}
