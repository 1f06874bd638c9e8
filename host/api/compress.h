/*
 * compress.h - answers as gzip, for clients that take it.
 */
#ifndef HOST_API_COMPRESS_H
#define HOST_API_COMPRESS_H

#include "host/api/request.h"

/*
 * Decide for the answer in req->reply, and compress it in place.  It stays as it is when there is no memory, or nothing is
 * gained.  304 has no body to send: only decided, so that it carries the tag that the body would.
 */
void compress_answer(struct request *req, int code, const char *content_type);

/* Decide for a stream, before its head is sent. */
void compress_stream(struct request *req, const char *content_type);

/* The piece in req->reply, compressed into req->packed behind the same room.  False: no memory. */
bool compress_piece(struct request *req, bool is_last);

#endif
