/* Parts are views of the body: nothing is copied but names. */
#include "host/api/multipart.h"

#include "host/api/negotiate.h"
#include "lib/base/utf8.h"

#include <strings.h>

static bool is_boundary(const char *boundary)
{
	const size_t len = strlen(boundary);

	if (len == 0 || len > MULTIPART_BOUNDARY_MAX || boundary[len - 1] == ' ')
		return false;
	for (const char *c = boundary; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || (unsigned char) *c > '~')
			return false;
	return true;
}

enum status multipart_boundary(const char *content_type, char ret_boundary[MULTIPART_BOUNDARY_MAX + 1], struct error *err)
{
	char boundary[MULTIPART_BOUNDARY_MAX + 1];

	if (!media_type_is(content_type, "multipart/form-data"))
		return fail(err, ST_UNSUPPORTED_MEDIA, "the request body must be multipart/form-data, got %s",
		            content_type == NULL || *content_type == '\0' ? "no Content-Type" : content_type);
	if (!header_parameter(view_of(content_type), "boundary", boundary, sizeof boundary) || !is_boundary(boundary))
		return fail(err, ST_MALFORMED, "multipart/form-data needs a boundary of 1 to %d printable characters",
		            MULTIPART_BOUNDARY_MAX);
	memcpy(ret_boundary, boundary, sizeof boundary);
	return ST_OK;
}

/* -- reading ---------------------------------------------------------------------------------------------------------- */

/* A delimiter: where the line before it ends, and where it ends itself. */
struct delimiter {
	size_t begin, end;
	bool   is_last;
};

/* The rest of a delimiter's line: "--", or blanks and a line end. */
static bool delimiter_tail(struct view body, size_t at, struct delimiter *ret)
{
	if (body.len - at >= 2 && memcmp(body.ptr + at, "--", 2) == 0) {
		ret->is_last = true;
		ret->end = at + 2;
		return true;
	}
	while (at < body.len && (body.ptr[at] == ' ' || body.ptr[at] == '\t'))
		at++;
	if (body.len - at < 2 || memcmp(body.ptr + at, "\r\n", 2) != 0)
		return false;
	ret->is_last = false;
	ret->end = at + 2;
	return true;
}

/* The first delimiter whose line begins at or after `from`; a line begins at 0 and after CRLF. */
static bool delimiter_find(struct view body, size_t from, struct view dashed, struct delimiter *ret)
{
	while (from <= body.len) {
		const char *found = memmem(body.ptr + from, body.len - from, dashed.ptr, dashed.len);
		if (found == NULL)
			return false;
		const size_t at = (size_t) (found - body.ptr);
		const bool is_line = at == 0 || (at >= 2 && memcmp(found - 2, "\r\n", 2) == 0);
		if (is_line && delimiter_tail(body, at + dashed.len, ret)) {
			ret->begin = at >= 2 ? at - 2 : 0;
			return true;
		}
		from = at + 1;
	}
	return false;
}

static bool header_is(struct view line, const char *name, struct view *ret_value)
{
	const size_t len = strlen(name);

	if (line.len <= len || strncasecmp(line.ptr, name, len) != 0 || line.ptr[len] != ':')
		return false;
	*ret_value = (struct view) { line.ptr + len + 1, line.len - len - 1 };
	while (ret_value->len > 0 && (*ret_value->ptr == ' ' || *ret_value->ptr == '\t')) {
		ret_value->ptr++;
		ret_value->len--;
	}
	return true;
}

static enum status keep(struct arena *arena, const char *text, size_t number, struct view *ret, struct error *err)
{
	const size_t len = strlen(text);
	char *copy = arena_copy(arena, text, len);

	if (!utf8_is_valid((struct view) { text, len }))
		return fail(err, ST_MALFORMED, "the head of part %zu is not UTF-8", number);
	if (copy == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for a part of the form");
	*ret = (struct view) { copy, len };
	return ST_OK;
}

static enum status read_disposition(struct view value, struct arena *arena, struct part *part, size_t number,
                                    struct error *err)
{
	char text[MULTIPART_NAME_MAX + 1];

	if (!header_parameter(value, "name", text, sizeof text) || *text == '\0')
		return fail(err, ST_MALFORMED, "part %zu of the form needs a name of at most %d bytes", number, MULTIPART_NAME_MAX);
	enum status st = keep(arena, text, number, &part->name, err);
	if (st == ST_OK && header_parameter(value, "filename", text, sizeof text)) {
		part->is_file = true;
		st = keep(arena, text, number, &part->filename, err);
	}
	return st;
}

/* The head of one part, from body.ptr; *ret_len is its length with the empty line. */
static enum status read_head(struct view body, struct arena *arena, struct part *part, size_t number, size_t *ret_len,
                             struct error *err)
{
	const size_t bound = body.len < MULTIPART_HEAD_MAX ? body.len : MULTIPART_HEAD_MAX;
	size_t at = 0;

	for (;;) {
		const char *end = memmem(body.ptr + at, bound - at, "\r\n", 2);
		struct view line = { body.ptr + at, end == NULL ? 0 : (size_t) (end - body.ptr) - at }, value;
		enum status st = ST_OK;
		char text[MULTIPART_NAME_MAX + 1];

		if (end == NULL && bound == MULTIPART_HEAD_MAX)
			return fail(err, ST_TOO_LARGE, "the head of part %zu must be at most %d bytes", number, MULTIPART_HEAD_MAX);
		if (end == NULL)
			return fail(err, ST_MALFORMED, "the head of part %zu has no end", number);
		at += line.len + 2;
		if (line.len == 0)
			break;
		if (memchr(line.ptr, '\0', line.len) != NULL || memchr(line.ptr, ':', line.len) == NULL)
			return fail(err, ST_MALFORMED, "the head of part %zu has a line that is no header", number);
		if (header_is(line, "Content-Disposition", &value)) {
			st = read_disposition(value, arena, part, number, err);
		} else if (header_is(line, "Content-Type", &value) && value.len < sizeof text) {
			memcpy(text, value.ptr, value.len);
			text[value.len] = '\0';
			st = keep(arena, text, number, &part->media_type, err);
		}
		if (st != ST_OK)
			return st;
	}
	if (part->name.len == 0)
		return fail(err, ST_MALFORMED, "part %zu of the form needs a name", number);
	*ret_len = at;
	return ST_OK;
}

enum status multipart_read(struct view body, const char *boundary, struct arena *arena, struct part **ret_parts,
                           size_t *ret_count, struct error *err)
{
	char   line[MULTIPART_BOUNDARY_MAX + 3];
	size_t count = 0;
	struct delimiter here, next;

	if (!is_boundary(boundary))
		return fail(err, ST_MALFORMED, "the boundary of the form is none");
	const struct view dashed = { line, (size_t) snprintf(line, sizeof line, "--%s", boundary) };
	struct part *parts = arena_alloc(arena, MULTIPART_PARTS_MAX, sizeof *parts);
	if (parts == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the parts of the form");
	if (!delimiter_find(body, 0, dashed, &here))
		return fail(err, ST_MALFORMED, "the form has no part: its boundary does not appear");
	for (; !here.is_last; here = next) {
		struct part *part = &parts[count];
		size_t head;

		if (count == MULTIPART_PARTS_MAX)
			return fail(err, ST_TOO_LARGE, "the form must have at most %d parts", MULTIPART_PARTS_MAX);
		/* The line end of the delimiter may be the one before the next: an empty part has no head either. */
		if (!delimiter_find(body, here.end, dashed, &next))
			return fail(err, ST_MALFORMED, "the form ends early: its closing boundary is missing");
		const size_t end = next.begin > here.end ? next.begin : here.end;
		/* The empty line of a part without content may be the line end before its delimiter. */
		const size_t head_end = end + 2 <= body.len ? end + 2 : end;
		enum status st = read_head((struct view) { body.ptr + here.end, head_end - here.end }, arena, part, count + 1,
		                           &head, err);
		if (st != ST_OK)
			return st;
		const size_t begin = here.end + head;
		part->content = (struct view) { body.ptr + begin, end > begin ? end - begin : 0 };
		count++;
	}
	*ret_parts = parts;
	*ret_count = count;
	return ST_OK;
}

/* -- writing ---------------------------------------------------------------------------------------------------------- */

/* A quoted parameter as browsers write it, with percent escapes; the backslash too, because some readers take it for one. */
static enum status add_quoted(struct buf *out, struct view text, struct error *err)
{
	enum status st = buf_add(out, "\"", 1, err);

	for (size_t i = 0; i < text.len && st == ST_OK; i++) {
		const char c = text.ptr[i];
		st = memchr("\"\\\r\n", c, 5) != NULL ? buf_printf(out, err, "%%%02X", (unsigned) c) : buf_add(out, &c, 1, err);
	}
	return st == ST_OK ? buf_add(out, "\"", 1, err) : st;
}

enum status multipart_add(struct buf *out, const char *boundary, struct view name, struct view filename,
                          const char *media_type, struct view content, struct error *err)
{
	enum status st = buf_printf(out, err, "--%s\r\nContent-Disposition: form-data; name=", boundary);

	if (st == ST_OK)
		st = add_quoted(out, name, err);
	if (st == ST_OK && filename.len > 0) {
		st = buf_add_text(out, "; filename=", err);
		if (st == ST_OK)
			st = add_quoted(out, filename, err);
	}
	if (st == ST_OK)
		st = buf_printf(out, err, "\r\nContent-Type: %s\r\n\r\n", media_type);
	if (st == ST_OK)
		st = buf_add_view(out, content, err);
	return st == ST_OK ? buf_add(out, "\r\n", 2, err) : st;
}

enum status multipart_end(struct buf *out, const char *boundary, struct error *err)
{
	return buf_printf(out, err, "--%s--\r\n", boundary);
}
