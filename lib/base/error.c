#include "lib/base/error.h"

/* Cut at a whole UTF-8 character: half a character would make the answer invalid JSON. */
static PRINTF(3, 0) void print_cut(char *to, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(to, size, fmt, args);

	if (n < 0) {
		to[0] = '\0';
		return;
	}
	if ((size_t) n < size)
		return;

	size_t len = size - 1;
	size_t start = len;
	while (start > 0 && ((unsigned char) to[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;

	const unsigned char lead = (unsigned char) to[start - 1];
	const size_t want = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (len - (start - 1) < want)
		to[start - 1] = '\0';
}

static void one_line(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < ' ')
			*text = ' ';
}

static PRINTF(4, 0) enum status
fill(struct error *err, enum status code, const char *field, const char *fmt, va_list args)
{
	if (err == NULL)
		return code;
	memset(err, 0, sizeof *err);
	err->code = code;
	snprintf(err->field, sizeof err->field, "%s", field);
	print_cut(err->text, sizeof err->text, fmt, args);
	one_line(err->text);
	return code;
}

enum status fail(struct error *err, enum status code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, code, "", fmt, args);
	va_end(args);
	return code;
}

enum status fail_at(struct error *err, enum status code, const char *field, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, code, field, fmt, args);
	va_end(args);
	return code;
}

enum status fail_hint(struct error *err, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return ST_INTERNAL;
	va_start(args, fmt);
	print_cut(err->hint, sizeof err->hint, fmt, args);
	va_end(args);
	one_line(err->hint);
	return err->code;
}

enum status fail_within(struct error *err, const char *fmt, ...)
{
	struct error inner;
	char         context[sizeof inner.text];
	va_list      args;

	if (err == NULL)
		return ST_INTERNAL;
	inner = *err;
	va_start(args, fmt);
	print_cut(context, sizeof context, fmt, args);
	va_end(args);
	fail_at(err, inner.code, inner.field, "%s: %s", context, inner.text);
	memcpy(err->hint, inner.hint, sizeof err->hint);
	return err->code;
}

static const char *const names[ST_STATUS_COUNT] = {
	[ST_OK]                = "ok",
	[ST_INVALID]           = "invalid",
	[ST_MALFORMED]         = "malformed",
	[ST_NOT_FOUND]         = "not_found",
	[ST_EXISTS]            = "exists",
	[ST_CONFLICT]          = "conflict",
	[ST_PRECONDITION]      = "precondition",
	[ST_TOO_LARGE]         = "too_large",
	[ST_UNSUPPORTED_MEDIA] = "unsupported_media",
	[ST_NOT_ACCEPTABLE]    = "not_acceptable",
	[ST_UNAUTHENTICATED]   = "unauthenticated",
	[ST_FORBIDDEN]         = "forbidden",
	[ST_UNAVAILABLE]       = "unavailable",
	[ST_DEADLINE]          = "deadline",
	[ST_UPSTREAM]          = "upstream",
	[ST_NO_MEMORY]         = "no_memory",
	[ST_INTERNAL]          = "internal",
};

const char *status_name(enum status code)
{
	return (unsigned) code < ST_STATUS_COUNT ? names[code] : "unknown";
}
