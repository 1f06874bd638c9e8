/* From a request to its handler, and the line in the log. */
#include "host/api/dispatch.h"

#include "host/api/answer.h"
#include "host/api/handlers.h"
#include "host/api/metrics.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/name.h"

#include <strings.h>

enum { WORDS_SIZE = 64, ALL_METHODS = (1u << METHOD_COUNT) - 1 };

static request_handler *const handlers[OPERATION_COUNT] = {
	[OPERATION_LIST]      = handle_list,
	[OPERATION_CREATE]    = handle_create,
	[OPERATION_READ]      = handle_read,
	[OPERATION_REPLACE]   = handle_replace,
	[OPERATION_DELETE]    = handle_delete,
	[OPERATION_VERB]      = handle_verb,
	[OPERATION_LOOK]      = handle_look,
	[OPERATION_HEALTH]    = handle_health,
	[OPERATION_READINESS] = handle_readiness,
	[OPERATION_METRICS]   = handle_metrics,
	[OPERATION_OPENAPI]   = handle_openapi,
};

static void allow(struct request *req, unsigned allowed, char words[WORDS_SIZE])
{
	size_t len = 0;

	words[0] = '\0';
	for (int i = 0; i < METHOD_COUNT; i++)
		if ((allowed & 1u << i) != 0)
			len += (size_t) snprintf(words + len, WORDS_SIZE - len, "%s%s%s", len == 0 ? "" : ", ",
			                         method_name((enum method) i), i == METHOD_GET ? ", HEAD" : "");
	answer_header(req, "Allow: %s", words);
}

static void answer_no_method(struct request *req, unsigned allowed, struct error *err)
{
	char words[WORDS_SIZE];

	allow(req, allowed, words);
	IGNORE(fail(err, ST_INVALID, "%.40s is not offered here", req->info->request_method));
	IGNORE(fail_hint(err, "Offered: %s.", words));
	answer_fail_code(req, 405, err);
}

/* It may be no name only because somebody has misspelt it: whoever wants to create it under that name should know. */
static enum status no_path(const struct request *req, struct view path, struct error *err)
{
	bool are_names = true;

	for (size_t at = 0, end; are_names && at < path.len; at = end + 1) {
		const char *slash = memchr(path.ptr + at, '/', path.len - at);
		end = slash == NULL ? path.len : (size_t) (slash - path.ptr);
		are_names = end == at || name_is_valid((struct view) { path.ptr + at, end - at });
	}
	fail(err, ST_NOT_FOUND, "there is no path \"%s\"", req->target);
	return are_names ? ST_NOT_FOUND : fail_hint(err, "Names are 1 to %d letters, digits, \"-\", \"_\", \".\", with a letter or digit at "
	                                           "both ends.", NAME_LEN_MAX);
}

/* Of the server as a whole one may ask what it can. */
static enum status answer_no_path(struct request *req, struct view path, struct error *err)
{
	char words[WORDS_SIZE];

	if (*req->target == '/')
		return no_path(req, path, err);
	if (strcmp(req->target, "*") != 0 || strcmp(req->info->request_method, "OPTIONS") != 0)
		return fail(err, ST_INVALID, "what is requested must be a path, or an URL with one, got \"%s\"", req->target);
	allow(req, ALL_METHODS, words);
	answer_send(req, 204, NULL);
	return ST_OK;
}

static bool is_system(const struct endpoint *endpoint)
{
	return endpoint->operation == OPERATION_HEALTH || endpoint->operation == OPERATION_READINESS
	       || endpoint->operation == OPERATION_METRICS;
}

/* Of the tables' paths; what a probe or a proxy adds to the system's own is nobody's business. */
static void tell_ignored(struct request *req)
{
	size_t told = 0;

	for (size_t i = 0; req->endpoint->type != NULL && i < req->parameter_count && told < IGNORED_TOLD_MAX; i++)
		if (!endpoint_takes(req->endpoint, req->parameters[i].name)) {
			answer_ignored(req, "parameter", req->parameters[i].name);
			told++;
		}
}

#define DRY_RUN  "dryRun"

static bool is_dry_run(struct view name)
{
	return name.len == sizeof DRY_RUN - 1 && strncasecmp(name.ptr, DRY_RUN, name.len) == 0;
}

/* Whoever asks what would be done must not find it done, also when he has not got the name quite right. */
static enum status check_dry_run(const struct request *req, struct error *err)
{
	if (strcmp(req->info->request_method, "GET") == 0 || req->is_head)
		return ST_OK;
	for (size_t i = 0; i < req->parameter_count; i++) {
		const struct ask_parameter *parameter = &req->parameters[i];

		if (!is_dry_run(parameter->name) || view_is(parameter->value, "false") || endpoint_takes(req->endpoint, parameter->name))
			continue;
		if (endpoint_takes(req->endpoint, VIEW(DRY_RUN)))
			return fail_at(err, ST_INVALID, DRY_RUN, "the parameter is called \"" DRY_RUN "\", got \"%.*s\"; nothing was done",
			               V(parameter->name));
		IGNORE(fail_at(err, ST_INVALID, DRY_RUN, "there is no dry run of this; nothing was done"));
		return fail_hint(err, "Leave the parameter out to have it done.");
	}
	return ST_OK;
}

static enum status dispatch(struct request *req, bool is_health, struct error *err)
{
	struct match match;
	struct view  path = VIEW("");

	enum status st = request_check_length(req, err);
	if (st != ST_OK)
		return st;
	const enum method method = (enum method) method_of(req->info->request_method);
	if (!path_decode(req->target, &req->arena, &path)
	    || !routes_match(req->api->routes, method, path, &match)
	    || (is_health && match.endpoint != NULL && !is_system(match.endpoint)))
		return answer_no_path(req, path, err);
	if (match.endpoint == NULL) {
		answer_no_method(req, match.allowed, err);
		return ST_OK;
	}
	req->endpoint = match.endpoint;
	req->path = match.path;
	req->parent = match.parent;
	if (atomic_load(&req->api->is_draining) && !is_system(match.endpoint))
		return fail(err, ST_UNAVAILABLE, "the server stops");
	st = query_decode(req->query, &req->arena, &req->parameters, &req->parameter_count, err);
	if (st == ST_OK)
		st = check_dry_run(req, err);
	if (st != ST_OK)
		return st;
	tell_ignored(req);
	return handlers[match.endpoint->operation](req, err);
}

/*
 * A fault of ours is worth a line; a fault of the client's is the client's to read.  Clients that are told to come again
 * come in swarms: of those, one line a second.
 */
static enum log_level level_of(const struct request *req)
{
	static _Atomic int64_t last_s;
	const int64_t          now_s = req->begin_ns / 1000000000;

	if (req->code < 500 || (req->code == 503 && atomic_exchange(&last_s, now_s) == now_s))
		return LOG_LEVEL_DEBUG;
	return req->code == 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
}

static void log_request(const struct request *req, const struct error *err, int64_t took_ns)
{
	const enum log_level level = level_of(req);

	log_event(level, level == LOG_LEVEL_DEBUG ? "request.answered" : "request.failed", "method", req->info->request_method,
	          "path", req->target, "code", log_num(req->code), "took_us", log_num(took_ns / 1000),
	          "client", req->info->remote_addr, "error", err->code == ST_OK ? NULL : err->text, NULL);
}

int request_serve(struct api *api, struct mg_connection *conn, bool is_health, bool is_last)
{
	struct request req;
	struct error   err = { .code = ST_OK };

	request_init(&req, api, conn);
	req.is_closing = is_last;
	log_set_request(req.id);
	atomic_fetch_add(&api->in_flight, 1);
	if (dispatch(&req, is_health, &err) != ST_OK)
		answer_fail(&req, &err);

	const int64_t took_ns = clock_ns() - req.begin_ns;
	metrics_count(api->metrics, req.endpoint, req.code, took_ns);
	log_request(&req, &err, took_ns);
	const int code = req.code == 0 ? 500 : req.code;
	request_done(&req);
	log_set_request(NULL);
	atomic_fetch_sub(&api->in_flight, 1);
	return code;
}
