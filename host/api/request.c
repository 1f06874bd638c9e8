/* What is decoded of a request before anybody acts on it. */
#include "host/api/request.h"

#include "lib/base/clock.h"
#include "lib/base/gzip.h"
#include "lib/base/hex.h"
#include "lib/base/random.h"
#include "lib/base/utf8.h"

#include <ctype.h>
#include <inttypes.h>

/* Decode one escape or take one byte; -1: a bad escape. */
static int take_byte(const char **at, const char *end)
{
	if (**at != '%')
		return (unsigned char) *(*at)++;
	if (end - *at < 3 || hex_value((*at)[1]) < 0 || hex_value((*at)[2]) < 0)
		return -1;
	const int value = hex_value((*at)[1]) * 16 + hex_value((*at)[2]);
	*at += 3;
	return value;
}

static bool segment_decode(const char *at, const char *end, char *out, size_t *len)
{
	const size_t from = *len;

	while (at < end) {
		const int c = take_byte(&at, end);
		if (c < ' ' || c == 0x7f || c == '/')
			return false;
		out[(*len)++] = (char) c;
	}
	const struct view segment = { out + from, *len - from };
	return segment.len > 0 && !view_is(segment, ".") && !view_is(segment, "..") && utf8_is_valid(segment);
}

bool path_decode(const char *raw, struct arena *arena, struct view *ret_path)
{
	size_t len = 0, raw_len = raw == NULL ? 0 : strlen(raw);

	if (raw_len < 2 || raw[0] != '/')
		return false;
	if (raw[raw_len - 1] == '/')
		raw_len--;
	char *out = arena_alloc(arena, raw_len + 1, 1);
	if (out == NULL)
		return false;
	for (const char *at = raw + 1, *end = raw + raw_len;; ) {
		const char *slash = memchr(at, '/', (size_t) (end - at));
		if (!segment_decode(at, slash == NULL ? end : slash, out, &len))
			return false;
		if (slash == NULL)
			break;
		out[len++] = '/';
		at = slash + 1;
	}
	*ret_path = (struct view) { out, len };
	return true;
}

static bool value_decode(const char *at, const char *end, struct arena *arena, struct view *ret)
{
	char  *out = arena_alloc(arena, (size_t) (end - at) + 1, 1);
	size_t len = 0;

	while (out != NULL && at < end) {
		const int c = *at == '+' ? (at++, ' ') : take_byte(&at, end);
		if (c <= 0)
			return false;
		out[len++] = (char) c;
	}
	*ret = (struct view) { out, len };
	return out != NULL && utf8_is_valid(*ret);
}

enum status query_decode(const char *query, struct arena *arena, struct ask_parameter **ret_parameters,
                         size_t *ret_count, struct error *err)
{
	size_t count = 0;

	if (query == NULL || *query == '\0') {
		*ret_parameters = NULL;
		*ret_count = 0;
		return ST_OK;
	}
	struct ask_parameter *parameters = arena_alloc(arena, PARAMETERS_MAX, sizeof *parameters);
	if (parameters == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the query");
	for (const char *at = query; *at != '\0';) {
		const char *end = at + strcspn(at, "&"), *equals = memchr(at, '=', (size_t) (end - at));
		if (memchr(at, ';', (size_t) (end - at)) != NULL)
			return fail(err, ST_INVALID, "the query has a semicolon: parameters are separated by \"&\", or write \"%%3B\"");
		if (end > at && count == PARAMETERS_MAX)
			return fail(err, ST_INVALID, "the query must have at most %d parameters", PARAMETERS_MAX);
		if (end > at) {
			struct ask_parameter *parameter = &parameters[count++];
			if (!value_decode(at, equals == NULL ? end : equals, arena, &parameter->name)
			    || !value_decode(equals == NULL ? end : equals + 1, end, arena, &parameter->value))
				return fail(err, ST_INVALID, "parameter %zu of the query must be UTF-8 without NUL, with escapes such as %%2B", count);
		}
		at = *end == '\0' ? end : end + 1;
	}
	*ret_parameters = parameters;
	*ret_count = count;
	return ST_OK;
}

enum status query_watches(const struct endpoint *endpoint, const struct ask_parameter *parameters, size_t count,
                          bool *ret_watches, struct error *err)
{
	const struct ask_parameter *watch = endpoint_takes(endpoint, VIEW("watch")) ? parameter_find(parameters, count, "watch") : NULL;
	const struct view           value = watch == NULL ? VIEW("") : watch->value;

	if (value.len > 0 && !view_is(value, "true") && !view_is(value, "false"))
		return fail_at(err, ST_INVALID, "watch", "\"watch\" must be true or false, got \"%.*s\"", (int) value.len, value.ptr);
	*ret_watches = view_is(value, "true");
	return ST_OK;
}

/* -- the request ------------------------------------------------------------------------------------------------------ */

/* A system call per request would cost more than it gives. */
static uint64_t random_64(void)
{
	static _Thread_local uint64_t state;

	if (state == 0)
		random_fill(&state, sizeof state);
	uint64_t z = state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

void request_make_id(char id[REQUEST_ID_SIZE])
{
	snprintf(id, REQUEST_ID_SIZE, "%016" PRIx64, random_64());
}

/* Text of at most so many bytes that can be no part of a head, a log line or a document but a word. */
static bool is_request_id(const char *id)
{
	const size_t len = id == NULL ? 0 : strlen(id);

	if (len == 0 || len >= REQUEST_ID_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char) id[i]) && strchr("-_.", id[i]) == NULL)
			return false;
	return true;
}

void request_choose_id(const char *wish, char id[REQUEST_ID_SIZE])
{
	if (is_request_id(wish))
		snprintf(id, REQUEST_ID_SIZE, "%s", wish);
	else
		request_make_id(id);
}

const char *request_header(const struct request *req, const char *name)
{
	return mg_get_header(req->conn, name);
}

/* NOTE: civetweb takes blanks before the colon, and leaves a NUL for each of them and one for the colon. */
static bool has_blank_before_colon(const struct mg_header *header)
{
	const char *end = header->name + strlen(header->name);

	return header->value > end + 1 && end[1] == '\0';
}

/* What the head says of the body's length.  NOTE: of more headers than there is room for, civetweb drops the last. */
static enum status check_framing(const struct request *req, struct error *err)
{
	size_t lengths = 0, codings = 0;
	bool   is_number = true, is_chunked = true;

	if (req->info->num_headers >= MG_MAX_HEADERS)
		return fail(err, ST_INVALID, "the request must have less than %d headers", MG_MAX_HEADERS);
	for (int i = 0; i < req->info->num_headers; i++) {
		const struct mg_header *header = &req->info->http_headers[i];
		if (has_blank_before_colon(header))
			return fail(err, ST_INVALID, "header \"%.60s\" must have no blank before its colon", header->name);
		if (strcasecmp(header->name, "Content-Length") == 0) {
			lengths++;
			is_number = is_number && header->value[0] != '\0' && header->value[strspn(header->value, "0123456789")] == '\0';
		}
		if (strcasecmp(header->name, "Transfer-Encoding") == 0) {
			codings++;
			is_chunked = is_chunked && strcasecmp(header->value, "chunked") == 0;
		}
	}
	if (lengths > 1 || !is_number)
		return fail(err, ST_INVALID, "the request must have one Content-Length, a number");
	if (codings > 1 || !is_chunked)
		return fail(err, ST_INVALID, "the request must have one Transfer-Encoding, \"chunked\"");
	if (codings > 0 && lengths > 0)
		return fail(err, ST_INVALID, "the request has both Content-Length and Transfer-Encoding");
	if (codings > 0 && strcmp(req->info->http_version, "1.1") != 0)
		return fail(err, ST_INVALID, "the request is of HTTP/%s, which has no Transfer-Encoding", req->info->http_version);
	return ST_OK;
}

enum status request_check_length(struct request *req, struct error *err)
{
	const enum status st = check_framing(req, err);

	if (st != ST_OK) {
		req->is_closing = true;
		mg_disable_connection_keep_alive(req->conn);
	}
	return st;
}

bool request_has_body(const struct request *req)
{
	return req->info->content_length > 0 || request_header(req, "Transfer-Encoding") != NULL;
}

/*
 * The path and query, also of a full URL, whatever host it names: that is the business of who sent it here.  What civetweb
 * routes it has split already, and there its query is to be had; of the rest it says nothing.
 */
static void read_target(struct request *req)
{
	const char  *uri = req->info->request_uri;
	const size_t scheme = strncasecmp(uri, "http://", 7) == 0 ? 7 : strncasecmp(uri, "https://", 8) == 0 ? 8 : 0;
	const char  *path = scheme == 0 ? uri : uri + scheme + strcspn(uri + scheme, "/?");
	const char  *mark = strchr(path, '?');

	req->target = mark == NULL ? path : arena_copy(&req->arena, path, (size_t) (mark - path));
	req->query = mark != NULL ? mark + 1 : req->info->local_uri != NULL ? req->info->query_string : NULL;
	if (req->target == NULL || (scheme > 0 && *req->target == '\0'))
		req->target = "/";
}

void request_count_answer(struct request *req)
{
	req->reply.budget = req->packed.budget = &req->api->answers;
}

void request_init(struct request *req, struct api *api, struct mg_connection *conn)
{
	memset(req, 0, sizeof *req);
	req->api = api;
	req->conn = conn;
	req->info = mg_get_request_info(conn);
	req->seat = mg_get_thread_pointer(conn);
	arena_init(&req->arena, REQUEST_ARENA_MAX);
	buf_init(&req->body, 0);
	buf_init(&req->reply, REPLY_MAX);
	buf_init(&req->packed, REPLY_MAX);
	buf_init(&req->headers, REQUEST_HEADERS_MAX);
	req->begin_ns = clock_ns();
	req->deadline_ns = req->begin_ns + api->options.request_limit_ns;
	req->is_head = strcmp(req->info->request_method, "HEAD") == 0;
	if (req->is_head || strcmp(req->info->request_method, "GET") == 0)
		request_count_answer(req);
	request_choose_id(request_header(req, "X-Request-Id"), req->id);
	read_target(req);
}

void request_done(struct request *req)
{
	if (req->reserved_bytes > 0)
		atomic_fetch_sub(&req->api->body_bytes, req->reserved_bytes);
	gzip_free(req->gzip);
	buf_done(&req->packed);
	buf_done(&req->headers);
	buf_done(&req->reply);
	buf_done(&req->body);
	arena_done(&req->arena);
}
