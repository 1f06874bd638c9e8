/*
 * apply.c - server-side apply: one PATCH an object.
 *
 * 201 tells that the object is new.  200 does not tell whether anything changed, so the caller says which resourceVersion
 * it saw last; without it every 200 counts as a change.
 */
#include "lib/kube/op.h"

/*
 * metadata.resourceVersion without reading the whole object: API servers write metadata before data, spec and status.
 * A copy of an object inside an annotation has its quotes escaped and is not taken for it.
 */
static struct view version_of(struct view object)
{
	static const char member[] = "\"resourceVersion\":\"";
	const char       *at = memmem(object.ptr, object.len, member, sizeof member - 1);

	if (at == NULL)
		return VIEW("");
	at += sizeof member - 1;
	const char *end = memchr(at, '"', (size_t) (object.ptr + object.len - at));
	return end != NULL ? (struct view) { at, (size_t) (end - at) } : VIEW("");
}

static enum kube_outcome was_applied(const struct op *op, const struct kube_answer *answer)
{
	if (answer->code == 201)
		return KUBE_CREATED;
	return op->known_version[0] != '\0' && view_is(version_of(answer->body), op->known_version) ? KUBE_UNCHANGED
	                                                                                           : KUBE_CHANGED;
}

static enum kube_outcome was_not_applied(const struct op *op, enum kube_outcome outcome,
                                         const struct answer_status *status)
{
	(void) op, (void) status;
	return outcome == KUBE_GONE ? KUBE_LATER : outcome;      /* it vanished while it was patched */
}

void kube_apply(struct kube_cluster *cluster, const struct kube_apply *apply, kube_applied *done, void *data)
{
	struct op *op = op_new(cluster, &apply->id, apply->object, apply->deadline_ns, done, data);
	auto_buf   manager = BUF(100);

	if (op == NULL)
		return;
	if (path_add_escaped(&manager, view_of(apply->manager), NULL) != ST_OK)
		buf_clear(&manager);
	op->method = "PATCH";
	op->content_type = "application/apply-patch+yaml";
	snprintf(op->query, sizeof op->query, "?fieldManager=%s&force=%s%s", manager.data, apply->force ? "true" : "false",
	         apply->dry_run ? "&dryRun=All" : "");
	if (apply->known_version.len < sizeof op->known_version && apply->known_version.len > 0)
		memcpy(op->known_version, apply->known_version.ptr, apply->known_version.len);
	op->accepted = was_applied;
	op->refused = was_not_applied;
	op_run(op);
}
