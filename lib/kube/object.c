/*
 * object.c - one operation on one object: find its kind, make its path, ask, say what came of it.
 *
 * apply.c, patch.c, delete.c and the reading here differ in the request and in what they make of the outcome: struct op has both.
 */
#include "lib/kube/op.h"

enum { PATH_MAX_BYTES = 4096 };

enum status kube_id_of(const json_t *object, struct kube_id *ret_id, struct error *err)
{
	const struct kube_id id = {
		.api_version = json_text_at(object, "apiVersion"),
		.kind        = json_text_at(object, "kind"),
		.namespace_  = json_text_at(object, "metadata.namespace"),
		.name        = json_text_at(object, "metadata.name"),
	};

	if (!json_is_object(object))
		return fail(err, ST_INVALID, "a Kubernetes object must be a JSON object");
	if (id.kind.len == 0)
		return fail_at(err, ST_INVALID, "/kind", "the object has no \"kind\"");
	if (id.api_version.len == 0)
		return fail_at(err, ST_INVALID, "/apiVersion", "the object has no \"apiVersion\"");
	if (id.name.len == 0)
		return fail_at(err, ST_INVALID, "/metadata/name", "the object has no \"metadata.name\"");
	*ret_id = id;
	return ST_OK;
}

static struct view copy_view(char **room, struct view text)
{
	char *at = *room;

	if (text.len > 0)
		memcpy(at, text.ptr, text.len);
	at[text.len] = '\0';
	*room += text.len + 1;
	return (struct view) { at, text.len };
}

struct op *op_new(struct kube_cluster *cluster, const struct kube_id *id, struct view body, int64_t deadline_ns,
                  kube_applied *done, void *data)
{
	struct op *op = calloc(1, sizeof *op + id->api_version.len + id->kind.len + id->namespace_.len + id->name.len +
	                          body.len + 5);
	char      *room = (char *) (op + 1);

	if (op == NULL) {
		done(data, &(struct kube_result) { .outcome = KUBE_LATER, .object = VIEW(""), .message = "out of memory" });
		return NULL;
	}
	op->id.api_version = copy_view(&room, id->api_version);
	op->id.kind = copy_view(&room, id->kind);
	op->id.namespace_ = copy_view(&room, id->namespace_);
	op->id.name = copy_view(&room, id->name);
	op->body = copy_view(&room, body);
	op->deadline_ns = deadline_ns;
	op->done = done;
	op->data = data;
	op->cluster = cluster;
	cluster_keep(cluster);
	return op;
}

static void op_end(struct op *op, enum kube_outcome outcome, struct view object, const char *message)
{
	op->done(op->data, &(struct kube_result) { .outcome = outcome, .object = object, .message = message,
	                                           .is_certain = op->is_certain });
	kube_cluster_unref(op->cluster);
	free(op);
}

static void op_fail(struct op *op, enum kube_outcome outcome, const struct error *err)
{
	char line[LINE_SIZE];

	error_line(err, line);
	op_end(op, outcome, VIEW(""), line);
}

static void found(void *data, enum status st, const struct kube_kind *kind, const struct error *err);

/* NOTE: what is not found where it was known to be may have gone with its kind, or with the whole server: discovery tells. */
static void answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct op           *op = data;
	struct answer_status status;

	if (st != ST_OK) {
		op_fail(op, outcome_of_failure(st), err);
		return;
	}
	if (answer->code < 200 || answer->code > 299) {
		answer_read(answer, &status);
		enum kube_outcome outcome = answer_outcome(&status);
		op->is_certain = status.is_status;
		if (outcome == KUBE_UNKNOWN_KIND)
			discovery_forget(op->cluster, op->id.api_version);
		if (outcome == KUBE_UNKNOWN_KIND && !op->is_certain && !op->is_second) {
			op->is_second = true;
			kube_find_kind(op->cluster, op->id.api_version, op->id.kind, op->deadline_ns, found, op);
			return;
		}
		outcome = op->refused(op, outcome, &status);
		op_end(op, outcome, outcome == KUBE_CONFLICT ? answer->body : VIEW(""), outcome == KUBE_GONE || outcome == KUBE_DELETED ? "" : status.message);
		return;
	}
	if (answer->body.len < 2 || answer->body.ptr[0] != '{' || memmem(answer->body.ptr, answer->body.len, "\"kind\"", 6) == NULL) {
		op_end(op, KUBE_LATER, VIEW(""), "the server's answer is no Kubernetes object: check \"server\" of the kubeconfig");
		return;
	}
	op_end(op, op->accepted(op, answer), answer->body, "");
}

static enum status send_op(struct op *op, const struct kube_kind *kind, struct error *err)
{
	struct settings    *settings = cluster_settings(op->cluster);
	const char         *said = kube_config_access(settings->config)->namespace_;
	auto_buf            path = BUF(PATH_MAX_BYTES);
	struct kube_request request = {
		.method = op->method, .content_type = op->content_type, .body = op->body, .deadline_ns = op->deadline_ns,
	};
	enum status st = path_write(&path, &op->id, kind, said[0] != '\0' ? said : "default", err);

	settings_unref(settings);
	if (st == ST_OK)
		st = buf_add_text(&path, op->query, err);
	if (st != ST_OK)
		return st;
	request.path = path.data;
	kube_send(op->cluster, &request, answered, op);
	return ST_OK;
}

static void found(void *data, enum status st, const struct kube_kind *kind, const struct error *err)
{
	struct op   *op = data;
	struct error why;
	char         message[400];

	if (st == ST_INVALID || st == ST_FORBIDDEN || st == ST_UNAUTHENTICATED) {
		op_fail(op, KUBE_REFUSED, err);
	} else if (st != ST_OK) {
		op_fail(op, outcome_of_failure(st), err);
	} else if (kind->plural[0] == '\0') {
		op->is_certain = kind->is_certain;
		snprintf(message, sizeof message, "the cluster %s no kind \"%s\" in \"%s\": %s",
		         kind->is_certain ? "knows" : "shows", op->id.kind.ptr, op->id.api_version.ptr, kind->is_certain ?
		         "install its CustomResourceDefinition, or correct the object" :
		         "but what answers \"not found\" may stand before its API server, or that starts: "
		         "check \"server\" of the kubeconfig");
		op_end(op, KUBE_UNKNOWN_KIND, VIEW(""), message);
	} else if (send_op(op, kind, &why) != ST_OK) {
		op_end(op, KUBE_REFUSED, VIEW(""), why.text);
	}
}

/* What must not fail from the caller's own thread fails from the loop. */
static void refuse_later(void *data)
{
	struct op *op = data;

	op_end(op, KUBE_REFUSED, VIEW(""), op->why);
}

void op_run(struct op *op)
{
	struct kube_kind kind;
	struct error     err;

	if (!discovery_look(op->cluster, op->id.api_version, op->id.kind, &kind)) {
		kube_find_kind(op->cluster, op->id.api_version, op->id.kind, op->deadline_ns, found, op);
	} else if (send_op(op, &kind, &err) != ST_OK) {
		snprintf(op->why, sizeof op->why, "%s", err.text);
		if (!cluster_task(op->cluster, refuse_later, op))
			refuse_later(op);
	}
}

/* -- reading -- */

static enum kube_outcome was_read(const struct op *op, const struct kube_answer *answer)
{
	(void) op, (void) answer;
	return KUBE_UNCHANGED;
}

static enum kube_outcome was_not_read(const struct op *op, enum kube_outcome outcome, const struct answer_status *status)
{
	(void) op, (void) status;
	return outcome == KUBE_NO_NAMESPACE ? KUBE_GONE : outcome;
}

void kube_get(struct kube_cluster *cluster, const struct kube_id *id, int64_t deadline_ns, kube_applied *done, void *data)
{
	struct op *op = op_new(cluster, id, VIEW(""), deadline_ns, done, data);

	if (op == NULL)
		return;
	op->method = "GET";
	op->accepted = was_read;
	op->refused = was_not_read;
	op_run(op);
}
