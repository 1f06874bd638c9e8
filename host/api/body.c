/* Reading a body from a peer who may be slow, silent or endless. */
#include "host/api/body.h"

#include "host/api/answer.h"
#include "host/api/slot.h"
#include "host/api/usher.h"
#include "lib/base/clock.h"

#include <strings.h>

enum {
	CHUNK_MAX      = 1 << 16,
	SETTLE_BYTES   = 1 << 16,       /* an unread body up to this size does not cost the connection  */
	DRAIN_BYTES    = 4 << 20,
	DRAIN_MS       = 2000,
	RESERVE_BYTES  = 1 << 16,       /* bodies up to this size are not counted against the whole     */
};

static enum slot_use slot_use(const struct request *req)
{
	return req->info->content_length < 0 ? SLOT_CHUNKS : SLOT_BODY;
}

static enum status too_large(struct request *req, size_t limit, struct error *err)
{
	if (req->info->content_length > 0)
		return fail(err, ST_TOO_LARGE, "the request body must be at most %zu bytes, got %lld", limit,
		            req->info->content_length);
	return fail(err, ST_TOO_LARGE, "the request body must be at most %zu bytes", limit);
}

/* Bodies in memory together stay below the server's bound. */
static enum status reserve(struct request *req, size_t limit, struct error *err)
{
	const size_t bytes = req->info->content_length < 0 ? limit : (size_t) req->info->content_length;

	if (bytes <= RESERVE_BYTES)
		return ST_OK;
	if (atomic_fetch_add(&req->api->body_bytes, bytes) + bytes > req->api->options.upload_limit_bytes) {
		atomic_fetch_sub(&req->api->body_bytes, bytes);
		return fail(err, ST_UNAVAILABLE, "too many uploads at once");
	}
	req->reserved_bytes = bytes;
	return ST_OK;
}

/*
 * NOTE: mg_read waits until it has all that was asked for, however slowly it comes.  So each read asks for no more than
 * has come already: a client that sends a byte now and then is met again in time, at most twice as late as it has been.
 */
static size_t next_read(size_t have, size_t left)
{
	const size_t want = have + 1 < CHUNK_MAX ? have + 1 : CHUNK_MAX;

	return want < left ? want : left;
}

static enum status ends_early(struct request *req, struct error *err)
{
	req->is_body_broken = true;
	if (req->info->content_length < 0)
		return fail(err, ST_INVALID, "the request body ends early, or is not chunked as it should be, after %zu bytes", req->body.len);
	return fail(err, ST_INVALID, "the request body ends early, after %zu of %lld bytes", req->body.len, req->info->content_length);
}

static enum status comes_slowly(struct request *req, struct error *err)
{
	req->is_body_broken = req->is_body_late = true;
	return fail(err, ST_DEADLINE, "the request body comes too slowly: %zu bytes so far", req->body.len);
}

/* The usher had his thread in mind just as his head came: what follows is not heard any more. */
static enum status is_full(struct request *req, struct error *err)
{
	req->is_body_broken = true;
	return fail(err, ST_UNAVAILABLE, "all threads were held by others as the request came");
}

/* NOTE: of a chunked body that stalls mg_read says the same as of one that was cut: what counts is how long it has waited. */
static bool has_stalled(int64_t since_ns, int stall_ms)
{
	return (clock_ns() - since_ns) / 1000000 >= stall_ms * 9 / 10;
}

static enum status read_all(struct request *req, size_t limit, int64_t deadline_ns, struct error *err)
{
	const long long announced = req->info->content_length;         /* -1: chunked */
	struct buf *body = &req->body;

	for (;;) {
		const size_t left = announced >= 0 ? (size_t) announced - body->len : limit + 1 - body->len;
		if (left == 0)
			break;
		const size_t want = next_read(body->len, left);
		char *room = buf_room(body, want, err);
		if (room == NULL)
			return err != NULL ? err->code : ST_NO_MEMORY;
		const int64_t since_ns = clock_ns();
		const int n = mg_read(req->conn, room, want);
		if (n > 0)
			body->len += (size_t) n;
		body->data[body->len] = '\0';
		if (n == 0 && announced < 0)
			break;
		if (n <= 0 && seat_is_sent_away(req->seat))
			return is_full(req, err);
		if (n > 0 ? deadline_past(deadline_ns) : n == 0 || has_stalled(since_ns, req->api->stall_ms))
			return comes_slowly(req, err);
		if (n < 0)
			return ends_early(req, err);
	}
	return body->len > limit ? too_large(req, limit, err) : ST_OK;
}

static bool expects_continue(const struct request *req)
{
	const char *expect = request_header(req, "Expect");

	return expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

/* Too much: what the head alone tells. */
static enum status check_head(struct request *req, size_t limit, struct error *err)
{
	if (req->info->content_length > 0 && (unsigned long long) req->info->content_length > limit)
		return too_large(req, limit, err);
	return reserve(req, limit, err);
}

enum status body_read(struct request *req, size_t limit, struct error *err)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!request_has_body(req)) {
		req->is_body_read = true;
		return ST_OK;
	}
	enum status st = check_head(req, limit, err);
	if (st != ST_OK)
		return st;
	if (!slot_take(req->api, slot_use(req)))
		return fail(err, ST_UNAVAILABLE, "too many slow uploads at once");
	if (expects_continue(req))
		mg_write(req->conn, go_on, sizeof go_on - 1);
	req->body.max = limit + 1 + CHUNK_MAX;
	st = read_all(req, limit, req->deadline_ns, err);
	slot_give(req->api, slot_use(req));
	req->is_body_read = st == ST_OK;
	return st;
}

enum status body_is_plain(struct request *req, struct error *err)
{
	const char *coding = request_header(req, "Content-Encoding");

	if (coding == NULL || *coding == '\0' || strcasecmp(coding, "identity") == 0)
		return ST_OK;
	answer_header(req, "Accept-Encoding: identity");
	IGNORE(fail(err, ST_UNSUPPORTED_MEDIA, "the request body has Content-Encoding \"%s\", and is read only without", coding));
	return fail_hint(err, "Send it as it is.");
}

void body_settle(struct request *req)
{
	if (req->is_body_read || !request_has_body(req))
		return;
	if (req->info->content_length > 0 && req->info->content_length <= SETTLE_BYTES && req->body.len == 0
	    && !expects_continue(req) && body_read(req, SETTLE_BYTES, NULL) == ST_OK)
		return;
	req->is_closing = true;
}

void body_drain(struct request *req)
{
	const int64_t deadline_ns = deadline_in_ms(DRAIN_MS);
	char   chunk[8192];
	size_t have = 0;
	int    n;

	if (req->is_body_read || req->is_body_broken || !request_has_body(req) || expects_continue(req)
	    || !slot_take(req->api, slot_use(req)))
		return;
	while (have < DRAIN_BYTES && !deadline_past(deadline_ns)) {
		n = mg_read(req->conn, chunk, next_read(have, sizeof chunk));
		if (n <= 0)
			break;
		have += (size_t) n;
	}
	slot_give(req->api, slot_use(req));
}
