#include "lib/base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>

/* Deeper than any reader of ours makes them (YAML: 100), so only a cycle or a bug meets it. */
enum { WRITE_DEPTH_MAX = 128 };

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed(void)
{
	json_object_seed(0);       /* from the system's random source: foreign member names cannot be made to collide */
}

/* Deepest nesting of brackets outside strings.  One cheap pass, before the parser recurses or allocates. */
static size_t depth_of(struct view bytes)
{
	size_t depth = 0, deepest = 0;
	bool   in_string = false;

	for (size_t i = 0; i < bytes.len; i++) {
		const char c = bytes.ptr[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

static bool is_blank(struct view bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (memchr(" \t\r\n", bytes.ptr[i], 4) == NULL)
			return false;
	return true;
}

/* The parser's words in our wording: lower case, double quotes, no more than it said. */
static void reword(const char *said, char *text, size_t size)
{
	snprintf(text, size, "%s", said);
	text[0] = (char) tolower((unsigned char) text[0]);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
}

static enum status explain(const json_error_t *fault, struct error *err)
{
	char text[JSON_ERROR_TEXT_LENGTH];

	if (fault->text[0] == '\0')                     /* all that it says of most failed allocations */
		return fail(err, ST_NO_MEMORY, "out of memory");
	switch (json_error_code(fault)) {
	case json_error_out_of_memory:
		return fail(err, ST_NO_MEMORY, "out of memory");
	case json_error_stack_overflow:
		return fail(err, ST_TOO_LARGE, "nested deeper than %d", JSON_DEPTH_MAX);
	case json_error_duplicate_key: {
		const char *near = strstr(fault->text, "near '\"");
		const int   len = near != NULL ? (int) strlen(near + 7) - 2 : 0;
		if (len > 0)
			return fail(err, ST_MALFORMED, "line %d column %d: member \"%.*s\" appears twice", fault->line,
			            fault->column, len, near + 7);
		return fail(err, ST_MALFORMED, "line %d column %d: a member appears twice", fault->line, fault->column);
	}
	case json_error_numeric_overflow:
		return fail(err, ST_MALFORMED, "line %d column %d: a number beyond 64 bits", fault->line, fault->column);
	case json_error_invalid_utf8:
		return fail(err, ST_MALFORMED, "line %d column %d: text is not UTF-8", fault->line, fault->column);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return fail(err, ST_MALFORMED, "line %d column %d: a string may not hold \\u0000", fault->line,
		            fault->column);
	default:
		reword(fault->text, text, sizeof text);
		return fail(err, ST_MALFORMED, "line %d column %d: %s", fault->line, fault->column, text);
	}
}

enum status json_read(struct view bytes, json_t **ret_value, struct error *err)
{
	json_error_t fault;

	pthread_once(&seed_once, seed);
	if (is_blank(bytes))
		return fail(err, ST_MALFORMED, "expected a JSON value, got nothing");
	if (depth_of(bytes) > JSON_DEPTH_MAX)
		return fail(err, ST_TOO_LARGE, "nested deeper than %d", JSON_DEPTH_MAX);

	json_t *value = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	if (value == NULL)
		return explain(&fault, err);
	*ret_value = value;
	return ST_OK;
}

/* The shortest text that reads back as the same number, and as a real: 1.0 stays "1.0". */
static enum status write_real(struct buf *buf, double number, struct error *err)
{
	char text[40];
	bool is_plain_integer = true;

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (char *c = text; *c != '\0'; c++) {
		if (isdigit((unsigned char) *c) || *c == '-')
			continue;
		is_plain_integer = false;
		if (*c != 'e' && *c != '+')
			*c = '.';                    /* whatever the locale of the process says */
	}
	return buf_printf(buf, err, "%s%s", text, is_plain_integer ? ".0" : "");
}

struct writer {
	struct buf   *buf;
	struct error *err;
	unsigned      depth;
};

static enum status write_value(struct writer *to, const json_t *value);     /* objects and arrays hold values */

static enum status write_object(struct writer *to, const json_t *value)
{
	json_t     *object = json_for_reading(value);
	enum status st = buf_add(to->buf, "{", 1, to->err);
	void       *first = json_object_iter(object);

	for (void *it = first; st == ST_OK && it != NULL; it = json_object_iter_next(object, it)) {
		if (it != first)
			st = buf_add(to->buf, ",", 1, to->err);
		if (st == ST_OK)
			st = buf_add_json(to->buf, (struct view) { json_object_iter_key(it), json_object_iter_key_len(it) }, to->err);
		if (st == ST_OK)
			st = buf_add(to->buf, ":", 1, to->err);
		if (st == ST_OK)
			st = write_value(to, json_object_iter_value(it));
	}
	return st != ST_OK ? st : buf_add(to->buf, "}", 1, to->err);
}

static enum status write_array(struct writer *to, const json_t *value)
{
	enum status st = buf_add(to->buf, "[", 1, to->err);

	for (size_t i = 0; st == ST_OK && i < json_array_size(value); i++) {
		if (i > 0)
			st = buf_add(to->buf, ",", 1, to->err);
		if (st == ST_OK)
			st = write_value(to, json_array_get(value, i));
	}
	return st != ST_OK ? st : buf_add(to->buf, "]", 1, to->err);
}

static enum status write_value(struct writer *to, const json_t *value)
{
	enum status st;

	switch (json_typeof(value)) {
	case JSON_NULL:
		return buf_add_text(to->buf, "null", to->err);
	case JSON_TRUE:
		return buf_add_text(to->buf, "true", to->err);
	case JSON_FALSE:
		return buf_add_text(to->buf, "false", to->err);
	case JSON_INTEGER:
		return buf_printf(to->buf, to->err, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_REAL:
		return write_real(to->buf, json_real_value(value), to->err);
	case JSON_STRING:
		return buf_add_json(to->buf, (struct view) { json_string_value(value), json_string_length(value) }, to->err);
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	if (to->depth == WRITE_DEPTH_MAX)
		return fail(to->err, ST_TOO_LARGE, "nested deeper than %d", WRITE_DEPTH_MAX);
	to->depth++;
	st = json_is_object(value) ? write_object(to, value) : write_array(to, value);
	to->depth--;
	return st;
}

static void release(void *value)
{
	json_decref(value);
}

enum status json_own(struct arena *arena, json_t *value, struct error *err)
{
	return arena_own(arena, release, value, err);
}

enum status json_write(struct buf *buf, const json_t *value, struct error *err)
{
	struct writer     to = { buf, err, 0 };
	const size_t      before = buf->len;
	const enum status st = write_value(&to, value);

	if (st != ST_OK)
		buf_cut(buf, before);
	return st;
}

json_t *json_at(const json_t *value, const char *path)
{
	json_t *at = json_for_reading(value);

	while (at != NULL && *path != '\0') {
		const size_t len = strcspn(path, ".");
		at = json_object_getn(at, path, len);
		path += len;
		if (*path == '.')
			path++;
	}
	return at;
}

struct view json_text_at(const json_t *value, const char *path)
{
	const json_t *at = json_at(value, path);

	if (!json_is_string(at))
		return VIEW("");
	return (struct view) { json_string_value(at), json_string_length(at) };
}

const char *json_string_at(const json_t *value, const char *path)
{
	const char *text = json_string_value(json_at(value, path));

	return text != NULL ? text : "";
}

int64_t json_int_at(const json_t *value, const char *path, int64_t missing)
{
	const json_t *at = json_at(value, path);

	return json_is_integer(at) ? json_integer_value(at) : missing;
}
