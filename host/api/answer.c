/* Heads, bodies in one send or in pieces, and faults in words or as problem documents. */
#include "host/api/answer.h"

#include "host/api/body.h"
#include "host/api/compress.h"
#include "host/api/condition.h"
#include "host/api/negotiate.h"
#include "host/api/slot.h"
#include "host/api/status.h"
#include "host/api/usher.h"

#include <strings.h>

enum {
	SEND_PIECE  = 1 << 16,
	STREAM_ROOM = 1 << 20,         /* for a step to come: once it has begun, a list is not refused for want of memory,
	                                  unless it meets a document of half as much                                        */
};

/* -- head ------------------------------------------------------------------------------------------------------------- */

/* "Tue, 15 Nov 1994 08:12:31 GMT", made once a second by each thread. */
static const char *date_text(void)
{
	static _Thread_local time_t made_at;
	static _Thread_local char   text[40];
	const time_t now = time(NULL);
	struct tm    tm;

	if (now != made_at && gmtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		made_at = now;
	}
	return text;
}

/* What civetweb will do after this answer, so that the head says it. */
static bool is_closing(struct request *req)
{
	const char *wish = request_header(req, "Connection");
	const bool  is_1_1 = strcmp(req->info->http_version, "1.1") == 0;

	if (req->is_closing || atomic_load(&req->api->is_draining) || seat_is_sent_away(req->seat))
		return true;
	return wish != NULL ? strcasestr(wish, "keep-alive") == NULL : !is_1_1;
}

enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_NONE };

/* Write the head so that it ends where the body begins.  Where it starts, or NULL when it does not fit: our bug. */
static char *put_head(struct request *req, int code, const char *content_type, enum framing framing, size_t length)
{
	char   head[REPLY_ROOM];
	size_t len;

	req->is_closing = is_closing(req);
	if (req->is_closing)
		mg_disable_connection_keep_alive(req->conn);
	len = (size_t) snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nDate: %s\r\nX-Request-Id: %s\r\n", code,
	                        http_reason(code), date_text(), req->id);
	if (req->entity_id != 0) {
		char tag[ENTITY_TAG_SIZE];
		entity_tag(req->entity_id, req->entity_version, req->entity_form, req->is_gzip, tag);
		len += (size_t) snprintf(head + len, sizeof head - len, "ETag: %s\r\n", tag);
	}
	if (req->is_varying)
		len += (size_t) snprintf(head + len, sizeof head - len, "Vary: Accept-Encoding\r\n");
	if (req->is_gzip && code != 304)
		len += (size_t) snprintf(head + len, sizeof head - len, "Content-Encoding: gzip\r\n");
	if (content_type != NULL && code != 304)
		len += (size_t) snprintf(head + len, sizeof head - len, "Content-Type: %s\r\n", content_type);
	if (framing == FRAMING_LENGTH)
		len += (size_t) snprintf(head + len, sizeof head - len, "Content-Length: %zu\r\n", length);
	else if (framing == FRAMING_CHUNKED)
		len += (size_t) snprintf(head + len, sizeof head - len, "Transfer-Encoding: chunked\r\n");
	if (code >= 400)
		len += (size_t) snprintf(head + len, sizeof head - len, "X-Content-Type-Options: nosniff\r\n");
	len += (size_t) snprintf(head + len, sizeof head - len, "%sConnection: %s\r\n\r\n", req->headers.data,
	                         req->is_closing ? "close" : "keep-alive");
	if (len >= sizeof head)
		return NULL;
	return memcpy(req->reply.data + REPLY_ROOM - len, head, len);
}

/* -- body ------------------------------------------------------------------------------------------------------------- */

struct buf *answer_body(struct request *req, struct error *err)
{
	if (req->reply.len == 0) {
		if (buf_room(&req->reply, REPLY_ROOM + 1024, err) == NULL)
			return NULL;
		req->reply.len = REPLY_ROOM;
		req->reply.data[REPLY_ROOM] = '\0';
	}
	return &req->reply;
}

size_t answer_body_len(const struct request *req)
{
	return req->reply.len < REPLY_ROOM ? 0 : req->reply.len - REPLY_ROOM;
}

void answer_drop_body(struct request *req)
{
	if (req->reply.len > REPLY_ROOM)
		buf_cut(&req->reply, REPLY_ROOM);
}

void answer_header(struct request *req, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *line = len > 0 ? buf_room(&req->headers, (size_t) len + 2, NULL) : NULL;
	if (line == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(line, (size_t) len + 1, fmt, args);
	va_end(args);
	memcpy(line + len, "\r\n", 3);
	req->headers.len += (size_t) len + 2;
}

void answer_ignored(struct request *req, const char *what, struct view name)
{
	char   text[64];                  /* long names are cut: there must be room for other headers */
	size_t len = 0;

	for (size_t i = 0; i < name.len && len + strlen("%XX") < sizeof text; i++) {
		const unsigned char c = (unsigned char) name.ptr[i];
		if (c >= ' ' && c <= '~' && strchr("\"\\%", c) == NULL)
			text[len++] = (char) c;
		else
			len += (size_t) snprintf(text + len, sizeof text - len, "%%%02X", (unsigned) c);
	}
	text[len] = '\0';
	answer_header(req, "Warning: 299 - \"unknown %s %s ignored\"", what, text);
}

void answer_entity(struct request *req, int64_t id, uint64_t version, enum entity_form form)
{
	req->entity_form = form;
	req->entity_id = id;
	req->entity_version = version;
}

/*
 * A peer that has gone, or is too slow for the usher, needs no answer; the connection must not be used again.  In pieces, so
 * that the usher sees how it goes.
 */
static bool send_bytes(struct request *req, const char *bytes, size_t len)
{
	size_t sent = 0, piece;
	int    n;

	seat_send(req->seat);
	do {
		piece = len - sent < SEND_PIECE ? len - sent : SEND_PIECE;
		n = mg_write(req->conn, bytes + sent, piece);
		sent += n > 0 ? (size_t) n : 0;
		seat_sent(req->seat, n > 0 ? (size_t) n : 0);
	} while (n == (int) piece && sent < len);
	seat_serve(req->seat);
	if (sent == len)
		return true;
	req->is_closing = true;
	mg_disable_connection_keep_alive(req->conn);
	return false;
}

/*
 * A large answer would hold its thread for as long as its reader likes.  What has been done must be told, though, and how we
 * are, too.
 */
static enum status check_slots(const struct request *req, struct error *err)
{
	const bool is_large = !req->is_head && answer_body_len(req) >= ANSWER_PIECE;

	if (is_large && strcmp(req->info->request_method, "GET") == 0 && req->endpoint != NULL && req->endpoint->type != NULL
	    && slots_are_stuck(req->api, SLOT_ANSWER))
		return fail(err, ST_UNAVAILABLE, "too many large answers at once");
	return ST_OK;
}

/* Another answer takes the place of the one there is. */
static void refuse(struct request *req, const struct error *fault)
{
	req->entity_id = 0;
	buf_clear(&req->headers);
	answer_fail(req, fault);
}

void answer_send(struct request *req, int code, const char *content_type)
{
	static const char nothing[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
	                              "Connection: close\r\n\r\n";
	struct error fault;
	char *head = NULL;

	if (code != 304 && check_slots(req, &fault) != ST_OK) {
		refuse(req, &fault);
		return;
	}
	body_settle(req);
	if (answer_body(req, NULL) != NULL) {
		compress_answer(req, code, content_type);
		head = put_head(req, code, content_type, code == 204 || code == 304 ? FRAMING_NONE : FRAMING_LENGTH,
		                answer_body_len(req));
	}
	req->code = head == NULL ? 503 : code;
	if (head == NULL) {
		mg_disable_connection_keep_alive(req->conn);
		send_bytes(req, nothing, sizeof nothing - 1);
		return;
	}
	const char *end = req->reply.data + (req->is_head || code == 304 ? REPLY_ROOM : req->reply.len);
	if (send_bytes(req, head, (size_t) (end - head)) && req->is_closing)
		body_drain(req);
}

/* -- streams ---------------------------------------------------------------------------------------------------------- */

/* Send what has gathered, compressed or not, as one chunk; its size line goes into the room before it. */
static bool send_piece(struct request *req, bool is_last)
{
	struct buf *out = &req->reply;
	char        size[24];

	if (req->is_head)
		return true;
	if (req->gzip != NULL) {
		if (!compress_piece(req, is_last))
			return false;
		out = &req->packed;
	}
	const size_t len = out->len - REPLY_ROOM;
	if (strcmp(req->info->http_version, "1.1") != 0)
		return send_bytes(req, out->data + REPLY_ROOM, len);
	if (buf_add_text(out, is_last ? "\r\n0\r\n\r\n" : "\r\n", NULL) != ST_OK)
		return false;
	const size_t size_len = (size_t) snprintf(size, sizeof size, "%zx\r\n", len);
	char *from = memcpy(out->data + REPLY_ROOM - size_len, size, size_len);
	return send_bytes(req, from, (size_t) (out->data + out->len - from));
}

enum status answer_stream(struct request *req, int code, const char *content_type, struct error *err)
{
	if (answer_body_len(req) < ANSWER_PIECE)
		return ST_OK;
	if (!req->is_streaming) {
		const bool is_chunked = strcmp(req->info->http_version, "1.1") == 0;
		const enum status st = check_slots(req, err);
		if (st != ST_OK)
			return st;
		if (buf_room(&req->reply, STREAM_ROOM, err) == NULL)
			return err->code;
		body_settle(req);
		req->is_closing |= !is_chunked;
		compress_stream(req, content_type);
		char *head = put_head(req, code, content_type, is_chunked ? FRAMING_CHUNKED : FRAMING_NONE, 0);
		if (head == NULL)
			return fail(err, ST_INTERNAL, "the head of the answer is too large");
		req->is_streaming = true;
		req->code = code;
		if (!send_bytes(req, head, (size_t) (req->reply.data + REPLY_ROOM - head)))
			return fail(err, ST_UNAVAILABLE, "the client has gone");
	}
	if (!send_piece(req, false))
		return fail(err, ST_UNAVAILABLE, "the client has gone");
	answer_drop_body(req);
	return ST_OK;
}

void answer_stream_end(struct request *req, int code, const char *content_type)
{
	if (!req->is_streaming)
		answer_send(req, code, content_type);
	else if (!send_piece(req, true))
		answer_stream_fail(req, NULL);
}

void answer_stream_fail(struct request *req, const struct error *err)
{
	if (!req->is_streaming) {
		answer_fail(req, err);
		return;
	}
	req->is_closing = true;
	mg_disable_connection_keep_alive(req->conn);
}
