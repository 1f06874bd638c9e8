/*
 * patch.c - JSON merge patch of one object.
 */
#include "lib/kube/op.h"

static enum kube_outcome was_patched(const struct op *op, const struct kube_answer *answer)
{
	(void) op, (void) answer;
	return KUBE_CHANGED;
}

/* NOTE: of a patch every conflict is one of versions, whatever its reason. */
static enum kube_outcome was_not_patched(const struct op *op, enum kube_outcome outcome, const struct answer_status *status)
{
	(void) op;
	return status->code == 409 ? KUBE_CONFLICT : outcome;
}

void kube_patch(struct kube_cluster *cluster, const struct kube_id *id, struct view patch, int64_t deadline_ns,
                kube_applied *done, void *data)
{
	struct op *op = op_new(cluster, id, patch, deadline_ns, done, data);

	if (op == NULL)
		return;
	op->method = "PATCH";
	op->content_type = "application/merge-patch+json";
	op->accepted = was_patched;
	op->refused = was_not_patched;
	op_run(op);
}
