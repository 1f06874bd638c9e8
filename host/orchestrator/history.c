/* The history of a deployment as JSON. */
#include "host/orchestrator/deployment.h"

#include "host/orchestrator/json_out.h"

static void member(struct out *out, const char *key, struct view value)
{
	out_key(out, key);
	out_text(out, value);
}

struct writing { struct out out; struct history_page *page; uint64_t count; int64_t last; };

/* One more than the page holds tells that there is another. */
static enum status add_row(void *data, const struct history_row *row, struct error *err)
{
	struct writing *writing = data;
	struct out     *out = &writing->out;

	if (writing->count++ == writing->page->limit) {
		writing->page->next = writing->last;
		return ST_OK;
	}
	writing->last = row->seq;
	out->err = err;
	out_comma(out);
	out_raw(out, "{");
	member(out, "operation", row->operation);
	member(out, "user", VIEW(""));
	member(out, "client", row->client);
	member(out, "request", row->request);
	member(out, "began", row->began);
	member(out, "ended", row->ended);
	member(out, "outcome", row->outcome);
	out_member(out, "peer", row->peer);
	out_member(out, "error", row->error);
	out_member(out, "warning", row->warning);
	out_key(out, "revision");
	out_number(out, row->revision);
	out_key(out, "sequence");
	out_number(out, row->seq);
	out_raw(out, "}");
	return out->st;
}

enum status deployment_history(struct orchestrator *o, struct view path, struct history_page *page, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	struct writing writing = { .out = { reply, err, ST_OK }, .page = page };
	auto_buf       doc = BUF(RESOURCE_DOC_MAX);
	auto_db       *db = NULL;
	int64_t        id;
	enum status    st;

	page->next = 0;
	if ((st = db_borrow(o->store->pool, deadline_ns, &db, err)) != ST_OK ||
	    (st = resource_read(o->store, db, path, &doc, NULL, &id, err)) != ST_OK ||
	    (st = buf_add_text(reply, "[", err)) != ST_OK ||
	    (st = history_list(db, id, page->before, page->limit + 1, add_row, &writing, err)) != ST_OK)
		return st;
	return buf_add_text(reply, "]", err);
}
