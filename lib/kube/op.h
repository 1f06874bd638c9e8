/*
 * op.h - one operation on one object, while it is under way.
 */
#ifndef LIB_KUBE_OP_H
#define LIB_KUBE_OP_H

#include "lib/kube/kube_priv.h"

struct op {
	struct kube_cluster *cluster;         /* a reference */
	struct kube_id       id;
	struct view          body;
	const char          *method, *content_type;
	char                 query[160];
	char                 known_version[64];
	int64_t              deadline_ns;
	kube_applied        *done;
	void                *data;
	char                 why[256];
	bool                 is_certain;      /* of its result                         */
	bool                 is_second;       /* its kind was looked for a second time */

	/* What a success means, and what an answer that is none. */
	enum kube_outcome  (*accepted)(const struct op *op, const struct kube_answer *answer);
	enum kube_outcome  (*refused)(const struct op *op, enum kube_outcome outcome, const struct answer_status *status);
};

/* NULL when out of memory: done was called then. */
struct op *op_new(struct kube_cluster *cluster, const struct kube_id *id, struct view body, int64_t deadline_ns,
                  kube_applied *done, void *data);
void op_run(struct op *op);

#endif
