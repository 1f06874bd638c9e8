#include "lib/base/yaml_priv.h"

#include "lib/base/utf8.h"

#include <ctype.h>
#include <inttypes.h>

enum { DEPTH_MAX = 128, STEP = 2, SIMPLE_KEY_MAX = 1000 };     /* a longer key must be announced with "?" */

/* What stands to the left on the same line; it decides whether a block may begin right here. */
enum left { LEFT_NOTHING, LEFT_KEY, LEFT_DASH };

struct writer {
	struct buf   *buf;
	struct error *err;
	unsigned      depth;
};

static enum status write_node(struct writer *to, const json_t *value, size_t indent, enum left left);

static enum status add(struct writer *to, const char *text)
{
	return buf_add_text(to->buf, text, to->err);
}

static enum status add_indent(struct writer *to, size_t indent)
{
	return buf_printf(to->buf, to->err, "%*s", (int) indent, "");
}

/* A string that every reader takes for a string without quotes: begins like a word, holds nothing with a meaning. */
static bool is_plain(struct view text)
{
	static const char *const old_booleans[] = { "y", "Y", "n", "N" };

	if (text.len == 0 || !(isalpha((unsigned char) text.ptr[0]) || text.ptr[0] == '/' || text.ptr[0] == '_'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.ptr[i];
		if (c == ' ' || c == ':') {
			if (i + 1 == text.len || text.ptr[i + 1] == ' ')
				return false;
		} else if (!isalnum((unsigned char) c) && memchr("/_.-+=@", c, 7) == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(old_booleans); i++)
		if (view_is(text, old_booleans[i]))
			return false;
	return yaml_resolve(text, YAML_KUBERNETES).kind == SCALAR_STRING && yaml_resolve(text, YAML_EMCO).kind == SCALAR_STRING;
}

/* Code points that YAML forbids as they are, or takes for the end of a line. */
static bool must_escape(uint32_t point)
{
	return point < ' ' || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029 || point == 0xFEFF
	    || point == 0xFFFE || point == 0xFFFF;
}

static enum status write_quoted(struct writer *to, struct view text)
{
	enum status st = add(to, "\"");

	while (st == ST_OK && text.len > 0) {
		const char    *from = text.ptr;
		const uint32_t point = utf8_next(&text);
		if (point == '"' || point == '\\')
			st = buf_printf(to->buf, to->err, "\\%c", (char) point);
		else if (point == '\n')
			st = add(to, "\\n");
		else if (must_escape(point))
			st = buf_printf(to->buf, to->err, "\\u%04" PRIX32, point);
		else
			st = buf_add(to->buf, from, (size_t) (text.ptr - from), to->err);
	}
	return st != ST_OK ? st : add(to, "\"");
}

/* Several lines that a literal block shows as they are. */
static bool is_literal(struct view text)
{
	if (text.len < 2 || memchr(" \t\n", text.ptr[0], 3) != NULL || memchr(text.ptr, '\n', text.len - 1) == NULL)
		return false;
	while (text.len > 0) {
		const uint32_t point = utf8_next(&text);
		if (must_escape(point) && point != '\n' && point != '\t')
			return false;
	}
	return true;
}

static enum status write_literal(struct writer *to, struct view text, size_t indent)
{
	const bool  is_open = text.ptr[text.len - 1] != '\n';
	const bool  has_more = !is_open && text.ptr[text.len - 2] == '\n';
	enum status st = add(to, is_open ? "|2-\n" : has_more ? "|2+\n" : "|2\n");

	while (st == ST_OK && text.len > 0) {
		const char  *end = memchr(text.ptr, '\n', text.len);
		const size_t len = end != NULL ? (size_t) (end - text.ptr) : text.len;
		if (len > 0)
			st = add_indent(to, indent + STEP);
		if (st == ST_OK)
			st = buf_add(to->buf, text.ptr, len, to->err);
		if (st == ST_OK)
			st = add(to, "\n");
		text.ptr += end != NULL ? len + 1 : len;
		text.len -= end != NULL ? len + 1 : len;
	}
	return st;
}

static enum status write_string(struct writer *to, struct view text)
{
	return is_plain(text) ? buf_add_view(to->buf, text, to->err) : write_quoted(to, text);
}

/* YAML 1.1 knows no "1e+20", only "1.0e+20". */
static enum status write_real(struct writer *to, const json_t *value)
{
	auto_buf    text = BUF(64);
	enum status st = json_write(&text, value, to->err);

	if (st != ST_OK)
		return st;
	const size_t whole = strcspn(text.data, "e");
	const bool   needs_point = memchr(text.data, '.', text.len) == NULL;
	return buf_printf(to->buf, to->err, "%.*s%s%s", (int) whole, text.data, needs_point ? ".0" : "", text.data + whole);
}

static enum status write_scalar(struct writer *to, const json_t *value, size_t indent)
{
	const struct view text = { json_string_value(value), json_string_length(value) };
	enum status       st;

	if (json_is_string(value) && is_literal(text))
		return write_literal(to, text, indent);
	if (json_is_string(value))
		st = write_string(to, text);
	else if (json_is_real(value))
		st = write_real(to, value);
	else
		st = json_write(to->buf, value, to->err);         /* also [] and {} */
	return st != ST_OK ? st : add(to, "\n");
}

static enum status write_key(struct writer *to, struct view name, size_t indent)
{
	const size_t before = to->buf->len;
	enum status  st = write_string(to, name);

	if (st == ST_OK && to->buf->len - before > SIMPLE_KEY_MAX) {
		buf_cut(to->buf, before);
		st = add(to, "? ");
		if (st == ST_OK)
			st = write_string(to, name);
		if (st == ST_OK)
			st = add(to, "\n");
		if (st == ST_OK)
			st = add_indent(to, indent);
	}
	return st != ST_OK ? st : add(to, ":");
}

static enum status write_members(struct writer *to, const json_t *value, size_t indent, bool is_inline)
{
	json_t     *object = json_for_reading(value);
	enum status st = ST_OK;

	for (void *it = json_object_iter(object); st == ST_OK && it != NULL; it = json_object_iter_next(object, it)) {
		if (!is_inline)
			st = add_indent(to, indent);
		is_inline = false;
		if (st == ST_OK)
			st = write_key(to, (struct view) { json_object_iter_key(it), json_object_iter_key_len(it) }, indent);
		if (st == ST_OK)
			st = write_node(to, json_object_iter_value(it), indent, LEFT_KEY);
	}
	return st;
}

static enum status write_items(struct writer *to, const json_t *value, size_t indent, bool is_inline)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < json_array_size(value); i++) {
		if (!is_inline)
			st = add_indent(to, indent);
		is_inline = false;
		if (st == ST_OK)
			st = add(to, "-");
		if (st == ST_OK)
			st = write_node(to, json_array_get(value, i), indent, LEFT_DASH);
	}
	return st;
}

/* indent: of the block that value stands in.  A list stands at the column of its key, as kubectl writes it. */
static enum status write_node(struct writer *to, const json_t *value, size_t indent, enum left left)
{
	const bool is_list = json_is_array(value) && json_array_size(value) > 0;
	const bool is_block = is_list || (json_is_object(value) && json_object_size(value) > 0);
	enum status st = ST_OK;

	if (!is_block) {
		if (left != LEFT_NOTHING)
			st = add(to, " ");
		return st != ST_OK ? st : write_scalar(to, value, indent);
	}
	if (to->depth == DEPTH_MAX)
		return fail(to->err, ST_TOO_LARGE, "nested deeper than %d", DEPTH_MAX);
	if (left != LEFT_NOTHING)
		st = add(to, left == LEFT_KEY ? "\n" : " ");
	if (left == LEFT_DASH || (left == LEFT_KEY && !is_list))
		indent += STEP;
	if (st != ST_OK)
		return st;
	to->depth++;
	st = is_list ? write_items(to, value, indent, left == LEFT_DASH) : write_members(to, value, indent, left == LEFT_DASH);
	to->depth--;
	return st;
}

enum status yaml_write(struct buf *buf, const json_t *value, struct error *err)
{
	struct writer     to = { buf, err, 0 };
	const size_t      before = buf->len;
	const enum status st = write_node(&to, value, 0, LEFT_NOTHING);

	if (st != ST_OK)
		buf_cut(buf, before);
	return st;
}
