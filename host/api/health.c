/* What tells machines how the server is: live, ready, and in numbers. */
#include "host/api/answer.h"
#include "host/api/handlers.h"
#include "host/api/metrics.h"

#include "lib/base/clock.h"

enum { READY_MS = 2000 };

static enum status answer_line(struct request *req, const char *line, struct error *err)
{
	struct buf *body = answer_body(req, err);

	if (body == NULL)
		return ST_NO_MEMORY;
	enum status st = buf_printf(body, err, "%s\n", line);
	if (st == ST_OK)
		answer_send(req, 200, TYPE_TEXT);
	return st;
}

enum status handle_health(struct request *req, struct error *err)
{
	return answer_line(req, "ok", err);
}

enum status handle_readiness(struct request *req, struct error *err)
{
	struct api *api = req->api;

	if (atomic_load(&api->is_draining))
		return fail(err, ST_UNAVAILABLE, "the server stops");
	if (!atomic_load(&api->is_ready))
		return fail(err, ST_UNAVAILABLE, "the server starts");
	enum status st = store_ready(api->store, deadline_in_ms(READY_MS), err);
	if (st == ST_DEADLINE)
		return fail(err, ST_UNAVAILABLE, "the database did not answer within %d ms", READY_MS);
	return st == ST_OK ? answer_line(req, "ready", err) : st;
}

enum status handle_metrics(struct request *req, struct error *err)
{
	struct buf *body = answer_body(req, err);

	if (body == NULL)
		return ST_NO_MEMORY;
	enum status st = metrics_print(req->api, body, err);
	if (st == ST_OK)
		answer_send(req, 200, "text/plain; version=0.0.4; charset=utf-8");
	return st;
}
