#include "lib/base/gzip.h"

#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8, STEP = 1 << 15 };

struct gzip { z_stream stream; };

struct gzip *gzip_new(int level)
{
	struct gzip *gzip = calloc(1, sizeof *gzip);

	if (gzip != NULL && deflateInit2(&gzip->stream, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void gzip_free(struct gzip *gzip)
{
	if (gzip == NULL)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}

/* zlib counts in unsigned int, so much goes in pieces. */
static enum status add_piece(z_stream *stream, struct view bytes, int flush, struct buf *out, struct error *err)
{
	stream->next_in = (const Bytef *) bytes.ptr;
	stream->avail_in = (uInt) bytes.len;
	for (;;) {
		const size_t left = out->max - out->len, room = left < STEP ? left : STEP;
		if (room == 0)
			return fail(err, ST_TOO_LARGE, "compressed, it must be at most %zu bytes", out->max);
		char *to = buf_room(out, room, err);
		if (to == NULL)
			return ST_NO_MEMORY;
		stream->next_out = (Bytef *) to;
		stream->avail_out = (uInt) room;
		const int code = deflate(stream, flush);
		out->len += room - stream->avail_out;
		out->data[out->len] = '\0';
		if (code == Z_STREAM_END || (stream->avail_in == 0 && stream->avail_out > 0 && flush != Z_FINISH))
			return ST_OK;
		if (code != Z_OK && code != Z_BUF_ERROR)
			return fail(err, ST_INTERNAL, "zlib does not compress: %d", code);
	}
}

enum status gzip_add(struct gzip *gzip, struct view bytes, bool is_last, struct buf *out, struct error *err)
{
	while (bytes.len > INT_MAX) {
		enum status st = add_piece(&gzip->stream, (struct view) { bytes.ptr, INT_MAX }, Z_NO_FLUSH, out, err);
		if (st != ST_OK)
			return st;
		bytes = (struct view) { bytes.ptr + INT_MAX, bytes.len - INT_MAX };
	}
	return add_piece(&gzip->stream, bytes, is_last ? Z_FINISH : Z_SYNC_FLUSH, out, err);
}
