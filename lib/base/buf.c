#include "lib/base/buf.h"

#include <assert.h>

char buf_nothing[1] = "";

struct view view_of(const char *text)
{
	return (struct view) { text != NULL ? text : "", text != NULL ? strlen(text) : 0 };
}

bool view_is(struct view view, const char *text)
{
	return strlen(text) == view.len && memcmp(view.ptr, text, view.len) == 0;
}

int view_compare(struct view a, struct view b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int    order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int view_order(const void *a, const void *b)
{
	return view_compare(*(const struct view *) a, *(const struct view *) b);
}

void buf_init(struct buf *buf, size_t max)
{
	*buf = BUF(max);
}

/* It holds nothing, and is what it was at first. */
static void forget(struct buf *buf)
{
	struct budget *budget = buf->budget;

	if (budget != NULL)
		budget_move(budget, buf->cap, 0);
	*buf = BUF(buf->max);
	buf->budget = budget;
}

void buf_leave_budget(struct buf *buf)
{
	if (buf->budget != NULL)
		budget_move(buf->budget, buf->cap, 0);
	buf->budget = NULL;
}

void buf_done(struct buf *buf)
{
	if (buf->cap > 0)
		free(buf->data);
	forget(buf);
}

static enum status make_room(struct buf *buf, size_t len, struct error *err)
{
	if (len > buf->max - buf->len)
		return fail(err, ST_TOO_LARGE, "more than %zu bytes", buf->max);
	if (buf->len + len + 1 > buf->cap) {
		size_t want = buf->cap > 0 ? buf->cap : 64;
		while (want < buf->len + len + 1)
			want *= 2;
		if (want > buf->max + 1)
			want = buf->max + 1;

		if (buf->budget != NULL && !budget_move(buf->budget, buf->cap, want))
			return fail(err, ST_UNAVAILABLE, "too much is in memory at once");
		char *data = realloc(buf->cap > 0 ? buf->data : NULL, want);
		if (data == NULL) {
			if (buf->budget != NULL)
				budget_move(buf->budget, want, buf->cap);
			return fail(err, ST_NO_MEMORY, "out of memory");
		}
		if (buf->cap == 0)
			data[0] = '\0';
		buf->data = data;
		buf->cap = want;
	}
	return ST_OK;
}

char *buf_room(struct buf *buf, size_t len, struct error *err)
{
	return make_room(buf, len, err) == ST_OK ? buf->data + buf->len : NULL;
}

enum status buf_add(struct buf *buf, const void *bytes, size_t len, struct error *err)
{
	if (len == 0)
		return ST_OK;

	const enum status st = make_room(buf, len, err);
	if (st != ST_OK)
		return st;
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return ST_OK;
}

enum status buf_add_view(struct buf *buf, struct view view, struct error *err)
{
	return buf_add(buf, view.ptr, view.len, err);
}

enum status buf_add_text(struct buf *buf, const char *text, struct error *err)
{
	return buf_add(buf, text, strlen(text), err);
}

enum status buf_printf(struct buf *buf, struct error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		return fail(err, ST_INTERNAL, "could not format text");

	const enum status st = make_room(buf, (size_t) n, err);
	if (st != ST_OK || n == 0)
		return st;
	va_start(args, fmt);
	vsnprintf(buf->data + buf->len, (size_t) n + 1, fmt, args);
	va_end(args);
	buf->len += (size_t) n;
	return ST_OK;
}

void buf_cut(struct buf *buf, size_t len)
{
	assert(len <= buf->len);
	buf->len = len;
	if (buf->cap > 0)
		buf->data[len] = '\0';
}

void buf_clear(struct buf *buf)
{
	buf_cut(buf, 0);
}

/* The escape for the character at text, and how many bytes it stands for; NULL when it stands for itself. */
static const char *json_escape(struct view text, size_t *bytes, char scratch[8])
{
	const unsigned char c = (unsigned char) text.ptr[0];

	*bytes = 1;
	switch (c) {
	case '"':  return "\\\"";
	case '\\': return "\\\\";
	case '\n': return "\\n";
	case '\r': return "\\r";
	case '\t': return "\\t";
	default:   break;
	}
	if (c == 0xE2 && text.len >= 3 && (memcmp(text.ptr, "\u2028", 3) == 0 || memcmp(text.ptr, "\u2029", 3) == 0)) {
		*bytes = 3;
		return (unsigned char) text.ptr[2] == 0xA8 ? "\\u2028" : "\\u2029";
	}
	if (c >= ' ' && c != '<' && c != '>' && c != '&')
		return NULL;
	snprintf(scratch, 8, "\\u%04x", c);
	return scratch;
}

enum status buf_add_json(struct buf *buf, struct view text, struct error *err)
{
	const size_t before = buf->len;
	size_t       from = 0, bytes;
	char         scratch[8];
	enum status  st = buf_add(buf, "\"", 1, err);

	for (size_t i = 0; st == ST_OK && i < text.len; i++) {
		const char *escape = json_escape((struct view) { text.ptr + i, text.len - i }, &bytes, scratch);
		if (escape == NULL)
			continue;
		st = buf_add(buf, text.ptr + from, i - from, err);
		if (st == ST_OK)
			st = buf_add_text(buf, escape, err);
		from = i + bytes;
		i = from - 1;
	}
	if (st == ST_OK)
		st = buf_add(buf, text.ptr + from, text.len - from, err);
	if (st == ST_OK)
		st = buf_add(buf, "\"", 1, err);
	if (st != ST_OK)
		buf_cut(buf, before);
	return st;
}


struct view buf_view(const struct buf *buf)
{
	return (struct view) { buf->data, buf->len };
}

char *buf_take(struct buf *buf)
{
	char *data = buf->cap > 0 ? buf->data : strdup("");

	forget(buf);
	return data;
}
