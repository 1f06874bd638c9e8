/* The history of a deployment as JSON. */
#include "host/orchestrator/deployment.h"

#include "host/orchestrator/json_out.h"

#include <inttypes.h>

struct writing {
	struct buf *reply;
	uint64_t    count;
};

/* A string member, and the comma after it: a number is always last. */
static enum status member(struct buf *out, const char *name, struct view value, struct error *err)
{
	enum status st = buf_printf(out, err, "\"%s\":", name);

	if (st == ST_OK)
		st = buf_add_json(out, value, err);
	return st == ST_OK ? buf_add_text(out, ",", err) : st;
}

static enum status add_row(void *data, const struct history_row *row, struct error *err)
{
	struct writing *writing = data;
	struct buf     *out = writing->reply;
	enum status     st;

	if ((st = buf_add_text(out, writing->count++ > 0 ? ",{" : "{", err)) != ST_OK ||
	    (st = member(out, "operation", row->operation, err)) != ST_OK ||
	    (st = member(out, "user", VIEW(""), err)) != ST_OK ||
	    (st = member(out, "client", row->client, err)) != ST_OK ||
	    (st = member(out, "request", row->request, err)) != ST_OK ||
	    (st = member(out, "began", row->began, err)) != ST_OK ||
	    (st = member(out, "ended", row->ended, err)) != ST_OK ||
	    (st = member(out, "outcome", row->outcome, err)) != ST_OK)
		return st;
	if (row->error.len > 0)
		st = member(out, "error", row->error, err);
	return st == ST_OK
		? buf_printf(out, err, "\"revision\":%" PRId64 ",\"sequence\":%" PRId64 "}", row->revision, row->seq) : st;
}

enum status deployment_history(struct orchestrator *o, struct view path, int64_t before, uint64_t limit, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	struct writing writing = { .reply = reply };
	auto_buf       doc = BUF(4 << 20);
	auto_db       *db = NULL;
	int64_t        id;
	enum status    st;

	if ((st = db_borrow(o->store->pool, deadline_ns, &db, err)) != ST_OK ||
	    (st = resource_read(o->store, db, path, &doc, NULL, &id, err)) != ST_OK ||
	    (st = buf_add_text(reply, "[", err)) != ST_OK ||
	    (st = history_list(db, id, before, limit, add_row, &writing, err)) != ST_OK)
		return st;
	return buf_add_text(reply, "]", err);
}
