/* Verbs and views: what host/resources answers itself, wrapped into HTTP. */
#include "host/api/accept.h"
#include "host/api/answer.h"
#include "host/api/body.h"
#include "host/api/condition.h"
#include "host/api/handlers.h"
#include "host/api/upload.h"

#include "lib/base/clock.h"

#include <inttypes.h>

enum { ASK_REPLY_MAX = 128 << 20 };

static void ask_init(struct ask *ask, struct request *req, struct buf *reply)
{
	*ask = (struct ask) {
		.orchestrator = req->api->orchestrator, .type = req->endpoint->type, .path = req->path, .arena = &req->arena,
		.deadline_ns = req->deadline_ns, .parameters = req->parameters, .parameter_count = req->parameter_count,
		.asker = { .client = view_of(req->info->remote_addr), .request = view_of(req->id) }, .reply = reply,
	};
}

/* Send what the handler wrote, as one line of JSON. */
static enum status send_reply(struct request *req, int code, struct buf *reply, struct error *err)
{
	if (reply->len == 0) {
		answer_send(req, code, NULL);
		return ST_OK;
	}
	struct buf *body = answer_body(req, err);
	if (body == NULL)
		return ST_NO_MEMORY;
	buf_leave_budget(reply);                             /* it is the copy that lasts, and counts */
	enum status st = buf_add_view(body, buf_view(reply), err);
	if (st == ST_OK && reply->data[reply->len - 1] != '\n')
		st = buf_add(body, "\n", 1, err);
	buf_done(reply);                                     /* the client may take his time */
	if (st == ST_OK)
		answer_send(req, code, TYPE_JSON);
	return st;
}

/* Empty when there is none, which is the same as one without a value. */
static struct view parameter_value(const struct request *req, const char *name)
{
	const struct ask_parameter *parameter = parameter_find(req->parameters, req->parameter_count, name);

	return parameter == NULL ? VIEW("") : parameter->value;
}

/* Paths need no escape in a URL, nor does a value that has found something; as it was sent, with some, it might be too long. */
void answer_next_page(struct request *req, const struct look *look, uint64_t limit, struct view next)
{
	const struct endpoint *endpoint = req->endpoint;
	const bool             is_chosen = look != NULL && look->by.name != NULL;
	const char            *segment = look != NULL && look->is_item ? look->segment : endpoint->type->row->segment;
	const struct view      value = is_chosen ? parameter_value(req, look->by.name) : VIEW("");

	answer_header(req, "Link: </v2/%.*s%s%s?%s%s%.*s%slimit=%" PRIu64 "&continue=%.*s>; rel=\"next\"", V(req->path),
	              req->path.len > 0 ? "/" : "", segment, is_chosen ? look->by.name : "", is_chosen ? "=" : "", V(value),
	              is_chosen ? "&" : "", limit, V(next));
}

/* Had the parameter a say in that this view answers: its own, or one that chose none of those before it? */
static bool has_say(const struct endpoint *endpoint, const struct look *look, struct view name)
{
	for (size_t i = 0; i < endpoint->look_count && endpoint->looks[i] != look; i++)
		if (endpoint->looks[i]->by.name != NULL && view_is(name, endpoint->looks[i]->by.name))
			return true;
	return look_takes(look, name);
}

/* What means something here, and nothing to this view. */
static void tell_unused(struct request *req, const struct look *look)
{
	size_t told = 0;

	for (size_t i = 0; i < req->parameter_count && told < IGNORED_TOLD_MAX; i++) {
		const struct view name = req->parameters[i].name;
		if (!endpoint_takes(req->endpoint, name) || has_say(req->endpoint, look, name))
			continue;
		answer_ignored(req, "parameter", name);
		told++;
	}
}

static enum status look_answer(struct request *req, const struct look *look, struct view value, bool *ret_answered,
                               struct error *err)
{
	struct ask ask;
	auto_buf   reply = BUF(ASK_REPLY_MAX);

	ask_init(&ask, req, &reply);
	reply.budget = req->reply.budget;
	ask.value = value;
	enum status st = look->handler(&ask, err);
	if (st == ST_OK && !ask.is_plain && ask.instead.len == 0)
		st = accept_takes(req, TYPE_JSON, err);
	if (st != ST_OK || ask.is_plain)
		return st;
	*ret_answered = true;
	if (ask.next.len > 0)
		answer_next_page(req, look, ask.next_limit, ask.next);
	tell_unused(req, look);
	if (ask.instead.len == 0)
		return send_reply(req, 200, &reply, err);

	struct type_path found;
	if (!type_path_parse(req->api->types, ask.instead, &found) || !found.is_item)
		return fail(err, ST_INTERNAL, "the view of \"%s\" names what is no resource", look->type);
	return resource_answer(req, found.type, ask.instead, err);
}

enum status views_answer(struct request *req, bool *ret_answered, struct error *err)
{
	const struct endpoint *endpoint = req->endpoint;
	bool is_answered = false;

	for (size_t i = 0; i < endpoint->look_count && !is_answered; i++) {
		const struct look *look = endpoint->looks[i];
		const struct view  value = look->by.name == NULL ? VIEW("") : parameter_value(req, look->by.name);
		if (look->by.name != NULL && value.len == 0)
			continue;
		enum status st = look_answer(req, look, value, &is_answered, err);
		if (st != ST_OK)
			return st;
	}
	*ret_answered = is_answered;
	return ST_OK;
}

/* Where the streams are: the host as the client called it, and the port of that listener. */
static enum status redirect(struct request *req, struct error *err)
{
	const char *listen = req->api->options.events_listen, *host = request_header(req, "Host");
	char        location[REQUEST_HEADERS_MAX / 2];

	if (listen == NULL)
		return fail_at(err, ST_INVALID, "watch", "this server offers no event streams");
	const enum status st = accept_takes(req, TYPE_EVENTS, err);
	if (st != ST_OK)
		return st;
	if (host == NULL || host[strspn(host, "[]:.-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] != '\0')
		host = listen;
	const char *end = strrchr(host, ':');
	if (end == NULL || strchr(end, ']') != NULL)
		end = host + strlen(host);
	const int len = snprintf(location, sizeof location, "http://%.*s%s%s?%s", (int) (end - host), host, strrchr(listen, ':'),
	                         req->target, req->query);
	if (len < 0 || (size_t) len >= sizeof location)
		return fail_at(err, ST_TOO_LARGE, "watch", "the address to watch at must be at most %zu bytes, got %d", sizeof location - 1, len);
	answer_header(req, "Location: %s", location);
	answer_send(req, 307, NULL);
	return ST_OK;
}

enum status handle_look(struct request *req, struct error *err)
{
	bool is_answered = false, watches;

	enum status st = query_watches(req->endpoint, req->parameters, req->parameter_count, &watches, err);
	if (st == ST_OK && watches)
		return redirect(req, err);
	if (st == ST_OK)
		st = views_answer(req, &is_answered, err);
	if (st != ST_OK || is_answered)
		return st;
	return fail(err, ST_NOT_FOUND, "\"%.*s\" has no such view", (int) req->path.len, req->path.ptr);
}

/*
 * What the verb is asked of must be what the client has seen of it.  Another may change it before the verb has it locked, so
 * the handler compares once more.
 */
static enum status check_match(struct request *req, struct resource_seen *ret_seen, struct error *err)
{
	const char *if_match = request_header(req, "If-Match");
	auto_buf    document = BUF(ASK_REPLY_MAX);
	auto_db    *db = NULL;
	uint64_t    version = 0;
	int64_t     id = 0;

	if (if_match == NULL)
		return ST_OK;
	enum status st = db_borrow(req->api->store->pool, req->deadline_ns, &db, err);
	if (st == ST_OK)
		st = resource_read(req->api->store, db, req->path, &document, &version, &id, err);
	if (st == ST_NOT_FOUND) {                    /* as of PUT and DELETE */
		err->code = ST_PRECONDITION;
		return ST_PRECONDITION;
	}
	if (st != ST_OK)
		return st;
	if (condition_is_any(if_match))
		return ST_OK;
	if (condition_names(if_match, id, version, false)) {
		*ret_seen = (struct resource_seen) { id, version };
		return ST_OK;
	}
	return condition_fails(if_match, req->path, id, version, err);
}

/* Clients send bodies to verbs that take none: those are read, so that the connection stays, and nothing is made of them. */
enum status handle_verb(struct request *req, struct error *err)
{
	const struct verb *verb = req->endpoint->verb;
	json_t    *document = NULL;
	struct ask ask;
	auto_buf   reply = BUF(ASK_REPLY_MAX);
	struct resource_seen seen = { .id = 0 };

	enum status st = req->endpoint->body == NULL ? ST_OK : body_is_plain(req, err);
	if (st == ST_OK)
		st = body_read(req, req->api->options.body_limit_bytes, err);
	if (st == ST_OK && req->endpoint->body != NULL)
		st = document_read(req, req->endpoint->body, buf_view(&req->body), &document, err);
	if (st != ST_OK || (st = check_match(req, &seen, err)) != ST_OK)
		return st;
	req->deadline_ns = clock_ns() + req->api->options.operation_limit_ns;
	ask_init(&ask, req, &reply);
	if (view_is(parameter_value(req, "dryRun"), "true"))
		request_count_answer(req);
	reply.budget = req->reply.budget;
	ask.asker.seen = seen;
	ask.document = document;
	ask.success = verb->success;
	st = verb->handler(&ask, err);
	if (st != ST_OK)
		return st;
	store_notify(req->api->store, CHANNEL_STATUS);          /* approve and stop, say, are no operations that tell it */
	return send_reply(req, (int) ask.success, &reply, err);
}
