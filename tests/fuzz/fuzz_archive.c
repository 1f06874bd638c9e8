/*
 * Whatever is read keeps its promises: safe paths, no path twice, sizes within the limits.  Input that is no gzip stream is
 * packed first, so that the tar layer is reached without having to guess a checksum.
 */
#include "lib/base/archive.h"

#include "tests/fuzz/fuzz.h"

#include <zlib.h>

static const struct archive_limits limits = { .entries = 64, .file_bytes = 1 << 16, .total_bytes = 1 << 20, .ratio = 200 };

static enum status each(void *data, const char *path, struct view content, struct error *err)
{
	size_t *total = data;

	(void) err;
	must(path_is_inside(view_of(path)));
	must(content.len <= limits.file_bytes);
	*total += content.len;
	must(*total <= limits.total_bytes);
	return ST_OK;
}

static void read_archive(struct view bytes)
{
	struct error err = { .code = ST_OK };
	size_t       total = 0;

	const enum status st = archive_read(bytes, &limits, each, &total, &err);
	must(st == ST_OK || err.text[0] != '\0');
	must(archive_check(bytes, &limits, &err) == st);
}

static void read_packed(const uint8_t *data, size_t size)
{
	z_stream gzip = { .next_in = (Bytef *) (uintptr_t) data, .avail_in = (uInt) size };

	must(deflateInit2(&gzip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	const size_t room = deflateBound(&gzip, size);
	Bytef       *packed = malloc(room);
	must(packed != NULL);
	gzip.next_out = packed;
	gzip.avail_out = (uInt) room;
	must(deflate(&gzip, Z_FINISH) == Z_STREAM_END);
	read_archive((struct view) { (const char *) packed, gzip.total_out });
	deflateEnd(&gzip);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b)
		read_archive((struct view) { (const char *) data, size });
	else
		read_packed(data, size);
	return 0;
}
