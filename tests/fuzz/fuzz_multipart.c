/*
 * A Content-Type header, a line end, a body.  Parts lie inside the body, one after the other; what is read can be written
 * and read again.
 */
#include "host/api/multipart.h"
#include "host/api/negotiate.h"
#include "lib/base/utf8.h"

#include "tests/fuzz/fuzz.h"

static bool view_same(struct view a, struct view b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Written with a boundary of its own, in case a part holds the first one. */
static void check_round(const struct part *parts, size_t count)
{
	static const char boundary[] = "yPhAwY3g8rLbWzTq0cXvNs6JdKfUe1m4";
	struct error      err;
	struct part      *again = NULL;
	size_t            again_count = 0;
	auto_arena        arena = ARENA(1 << 20);
	auto_buf          out = BUF(64 << 20);

	for (size_t i = 0; i < count; i++) {
		if (3 * parts[i].name.len > MULTIPART_NAME_MAX || 3 * parts[i].filename.len > MULTIPART_NAME_MAX)
			return;                           /* its escapes may not fit */
		if (memmem(parts[i].content.ptr, parts[i].content.len, boundary, sizeof boundary - 1) != NULL)
			return;                           /* the fuzzer reads this file too: real boundaries are digests of what they bound */
		must(multipart_add(&out, boundary, parts[i].name, parts[i].filename, "text/plain", parts[i].content, &err) == ST_OK);
	}
	must(multipart_end(&out, boundary, &err) == ST_OK);
	if (count == 0)
		return;                                   /* a form without parts is only an end */
	must(multipart_read(buf_view(&out), boundary, &arena, &again, &again_count, &err) == ST_OK);
	must(again_count == count);
	for (size_t i = 0; i < count; i++)
		must(view_same(again[i].content, parts[i].content));
}

static void check_parts(struct view body, const char *boundary)
{
	struct error err = { .code = ST_OK };
	struct part *parts = NULL;
	size_t       count = 0;
	const char  *from = body.ptr;
	auto_arena   arena = ARENA(1 << 20);

	if (multipart_read(body, boundary, &arena, &parts, &count, &err) != ST_OK) {
		must(err.code != ST_OK && err.text[0] != '\0');
		return;
	}
	must(count <= MULTIPART_PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		must(parts[i].name.len > 0 && parts[i].name.len <= MULTIPART_NAME_MAX);
		must(parts[i].filename.len <= MULTIPART_NAME_MAX);
		must(utf8_is_valid(parts[i].name) && utf8_is_valid(parts[i].filename) && utf8_is_valid(parts[i].media_type));
		must(parts[i].content.ptr >= from && parts[i].content.ptr + parts[i].content.len <= body.ptr + body.len);
		from = parts[i].content.ptr + parts[i].content.len;
	}
	check_round(parts, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const offers[] = { "application/json", "application/octet-stream", "multipart/form-data" };
	const uint8_t *end = memchr(data, '\n', size);
	char           header[1024], boundary[MULTIPART_BOUNDARY_MAX + 1];
	struct error   err = { .code = ST_OK };

	if (end == NULL || (size_t) (end - data) >= sizeof header)
		return 0;
	memcpy(header, data, (size_t) (end - data));
	header[end - data] = '\0';
	const int chosen = negotiate(header, offers, ARRAY_LEN(offers));
	must(chosen >= -1 && chosen < (int) ARRAY_LEN(offers));
	if (multipart_boundary(header, boundary, &err) != ST_OK) {
		must(err.text[0] != '\0');
		return 0;
	}
	check_parts((struct view) { (const char *) end + 1, size - (size_t) (end - data) - 1 }, boundary);
	return 0;
}
