/* When an answer is compressed, and where the bytes go. */
#include "host/api/compress.h"

#include "host/api/answer.h"
#include "host/api/negotiate.h"
#include "lib/base/gzip.h"

enum { SMALL_BYTES = 1 << 14 };          /* up to here a better ratio costs less than a millisecond */

/* What is text.  Archives are compressed already, and a form holds them. */
static bool is_text(const char *content_type)
{
	return media_type_is(content_type, TYPE_JSON) || media_type_is(content_type, TYPE_PROBLEM)
	       || (content_type != NULL && strncmp(content_type, "text/", 5) == 0);
}

static bool is_wanted(const struct request *req)
{
	return negotiate_gzip(request_header(req, "Accept-Encoding"));
}

/* An empty buffer laid out as the reply is: room for the head, then the body. */
static bool make_room(struct buf *packed)
{
	packed->len = 0;
	if (buf_room(packed, REPLY_ROOM + 1024, NULL) == NULL)
		return false;
	packed->len = REPLY_ROOM;
	packed->data[REPLY_ROOM] = '\0';
	return true;
}

static bool compress_body(struct request *req)
{
	const struct view body = { req->reply.data + REPLY_ROOM, answer_body_len(req) };
	struct gzip *gzip = gzip_new(body.len <= SMALL_BYTES ? GZIP_SMALL : GZIP_FAST);

	const bool is_done = gzip != NULL && make_room(&req->packed) && gzip_add(gzip, body, true, &req->packed, NULL) == ST_OK
	                     && req->packed.len < req->reply.len;
	gzip_free(gzip);
	if (!is_done)
		return false;
	const struct buf plain = req->reply;
	req->reply = req->packed;
	req->packed = plain;
	buf_done(&req->packed);                              /* the client may take his time */
	return true;
}

void compress_answer(struct request *req, int code, const char *content_type)
{
	const size_t least = req->api->options.gzip_min_bytes;

	req->is_varying = least > 0 && answer_body_len(req) >= least && is_text(content_type);
	req->is_gzip = req->is_varying && is_wanted(req) && (code == 304 || compress_body(req));
}

void compress_stream(struct request *req, const char *content_type)
{
	req->packed.budget = NULL;                           /* no more than the piece, which is counted */
	req->is_varying = req->api->options.gzip_min_bytes > 0 && is_text(content_type);
	if (req->is_varying && is_wanted(req))
		req->gzip = gzip_new(GZIP_FAST);
	req->is_gzip = req->gzip != NULL;
}

bool compress_piece(struct request *req, bool is_last)
{
	const struct view body = { req->reply.data + REPLY_ROOM, answer_body_len(req) };

	return make_room(&req->packed) && gzip_add(req->gzip, body, is_last, &req->packed, NULL) == ST_OK;
}
