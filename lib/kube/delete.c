#include "lib/kube/op.h"

enum { STATUS_MAX = 16 << 10 };

/* An object that waits for its end is answered as it is then; one that has gone, by a Status in most kinds. */
static enum kube_outcome was_deleted(const struct op *op, const struct kube_answer *answer)
{
	auto_json *body = NULL;

	(void) op;
	if (answer->body.len <= STATUS_MAX && json_read(answer->body, &body, NULL) == ST_OK &&
	    view_is(json_text_at(body, "kind"), "Status") && view_is(json_text_at(body, "status"), "Success"))
		return KUBE_GONE;
	return KUBE_DELETED;
}

static enum kube_outcome was_not_deleted(const struct op *op, enum kube_outcome outcome,
                                         const struct answer_status *status)
{
	(void) op;
	if (outcome == KUBE_NO_NAMESPACE)
		return status->code == 404 ? KUBE_GONE : KUBE_DELETED;        /* a namespace that ends takes it along */
	if (status->code == 409 && strstr(status->message, "UID in precondition") != NULL)
		return KUBE_GONE;                                              /* another object has its name now       */
	if (status->code == 409 && strstr(status->message, "removed from this namespace") != NULL)
		return KUBE_DELETED;                                           /* asked for once more                   */
	return outcome;
}

void kube_delete(struct kube_cluster *cluster, const struct kube_id *id, struct view uid, int64_t deadline_ns,
                 kube_applied *done, void *data)
{
	auto_buf    body = BUF(4096);
	enum status st = buf_add_text(&body, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
	                                     "\"propagationPolicy\":\"Background\"", NULL);

	if (st == ST_OK && uid.len > 0) {
		st = buf_add_text(&body, ",\"preconditions\":{\"uid\":", NULL);
		if (st == ST_OK)
			st = buf_add_json(&body, uid, NULL);
		if (st == ST_OK)
			st = buf_add_text(&body, "}", NULL);
	}
	if (st == ST_OK)
		st = buf_add_text(&body, "}", NULL);
	if (st != ST_OK) {
		done(data, &(struct kube_result) { .outcome = KUBE_LATER, .object = VIEW(""), .message = "out of memory" });
		return;
	}
	struct op *op = op_new(cluster, id, buf_view(&body), deadline_ns, done, data);
	if (op == NULL)
		return;
	op->method = "DELETE";
	op->content_type = "application/json";
	op->accepted = was_deleted;
	op->refused = was_not_deleted;
	op_run(op);
}
