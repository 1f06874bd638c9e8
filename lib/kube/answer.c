/*
 * answer.c - what an API server means by an answer that is no success.
 *
 * The HTTP code alone does not say: 404 is a missing object, namespace or kind; 403 is a lack of rights or a namespace that
 * ends; older servers answer 500 to an object with duplicate names.  So the table reads the cause and the message too.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/utf8.h"

enum { BODY_READ_MAX = 1 << 20 };

struct rule {
	enum kube_outcome outcome;
	int               code;              /* 0: any                */
	const char       *cause;             /* NULL: any             */
	const char       *message;           /* part of it; NULL: any */
};

/* The first that fits.  Of a missing object only the API server itself can tell, not what stands before it. */
static const struct rule rules[] = {
	/* what never passes, whatever code an old server gives it */
	{ KUBE_REFUSED,      0,   NULL,                   "failed to create typed patch" },
	{ KUBE_REFUSED,      0,   NULL,                   "duplicate entries for key" },
	{ KUBE_REFUSED,      0,   NULL,                   "field not declared in schema" },
	{ KUBE_REFUSED,      0,   NULL,                   "request is too large" },
	{ KUBE_REFUSED,      0,   NULL,                   "denied the request" },
	{ KUBE_UNKNOWN_KIND, 0,   NULL,                   "no matches for kind" },

	{ KUBE_UNKNOWN_KIND, 404, NULL,                   "could not find the requested resource" },
	{ KUBE_UNKNOWN_KIND, 404, NULL,                   "page not found" },
	{ KUBE_NO_NAMESPACE, 404, NULL,                   "namespaces \"" },
	{ KUBE_GONE,         404, NULL,                   NULL },

	{ KUBE_NO_NAMESPACE, 403, "NamespaceTerminating", NULL },
	{ KUBE_NO_NAMESPACE, 403, NULL,                   "because it is being terminated" },
	{ KUBE_LATER,        403, NULL,                   "status unknown for quota" },
	{ KUBE_LATER,        403, NULL,                   "not yet ready to handle request" },
	{ KUBE_LATER,        403, NULL,                   "error looking up service account" },

	{ KUBE_CONFLICT,     409, "FieldManagerConflict", NULL },
	{ KUBE_CONFLICT,     409, NULL,                   "Apply failed with" },
	{ KUBE_LATER,        409, NULL,                   NULL },

	{ KUBE_IMMUTABLE,    422, NULL,                   "field is immutable" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "is immutable" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "Forbidden: updates to" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "updates may not change fields" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "may not be changed in an update" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "may not change once set" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "cannot change roleRef" },
	{ KUBE_IMMUTABLE,    422, NULL,                   "primary clusterIP can not be" },

	{ KUBE_LATER,        408, NULL,                   NULL },
	{ KUBE_LATER,        410, NULL,                   NULL },
	{ KUBE_LATER,        421, NULL,                   NULL },
	{ KUBE_LATER,        425, NULL,                   NULL },
	{ KUBE_LATER,        429, NULL,                   NULL },
};

static bool has(const char *text, const char *part)
{
	return part == NULL || strstr(text, part) != NULL;
}

static bool is_missing(enum kube_outcome outcome)
{
	return outcome == KUBE_GONE || outcome == KUBE_NO_NAMESPACE;
}

enum kube_outcome answer_outcome(const struct answer_status *status)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *rule = &rules[i];
		if ((rule->code == 0 || rule->code == status->code) && has(status->message, rule->message) &&
		    (rule->cause == NULL || strcmp(rule->cause, status->cause) == 0))
			return is_missing(rule->outcome) && !status->is_status ? KUBE_LATER : rule->outcome;
	}
	return status->code >= 300 && status->code < 500 ? KUBE_REFUSED : KUBE_LATER;
}

enum kube_outcome outcome_of_failure(enum status st)
{
	return st == ST_TOO_LARGE ? KUBE_REFUSED : KUBE_LATER;
}

void error_line(const struct error *err, char line[LINE_SIZE])
{
	const size_t len = strlen(err->hint);

	snprintf(line, LINE_SIZE, "%s%s%.*s", err->text, len > 0 ? ". " : "",
	         (int) (len > 0 && err->hint[len - 1] == '.' ? len - 1 : len), err->hint);
}

static void describe_other(const struct kube_answer *answer, struct answer_status *status)
{
	const struct view text = { answer->body.ptr, answer->body.len > 200 ? 200 : answer->body.len };

	if (answer->code >= 300 && answer->code < 400 && answer->location.len > 0) {
		char place[256];

		utf8_line(place, sizeof place, answer->location);
		snprintf(status->message, sizeof status->message,
		         "the server redirects to %s, which is not followed: check \"server\" of the kubeconfig", place);
		return;
	}
	if (text.len > 0 && text.ptr[0] != '<')
		utf8_line(status->message, sizeof status->message, text);
	if (status->message[0] == '\0')
		snprintf(status->message, sizeof status->message, "the server answers HTTP %d without a word of Kubernetes",
		         answer->code);
}

/* An API server says "Unauthorized" and no more. */
static void describe_stranger(struct answer_status *status)
{
	char said[100];

	utf8_line(said, sizeof said, view_of(status->message));
	snprintf(status->message, sizeof status->message,
	         "the server does not accept the client certificate or token of the kubeconfig: it may have expired; it says: %s", said);
}

void answer_read(const struct kube_answer *answer, struct answer_status *ret_status)
{
	json_t      *body = NULL;
	struct error err;

	*ret_status = (struct answer_status) { .code = answer->code };
	if (answer->body.len > 0 && answer->body.len <= BODY_READ_MAX && json_read(answer->body, &body, &err) == ST_OK) {
		ret_status->is_status = view_is(json_text_at(body, "kind"), "Status");
		utf8_line(ret_status->reason, sizeof ret_status->reason, json_text_at(body, "reason"));
		utf8_line(ret_status->message, sizeof ret_status->message, json_text_at(body, "message"));
		const json_t *causes = json_at(body, "details.causes");
		utf8_line(ret_status->cause, sizeof ret_status->cause, json_text_at(json_array_get(causes, 0), "reason"));
	}
	json_decref(body);
	if (ret_status->message[0] == '\0')
		describe_other(answer, ret_status);
	if (answer->code == 401)
		describe_stranger(ret_status);
}

static enum status status_of(const struct answer_status *status)
{
	switch (answer_outcome(status)) {
	case KUBE_GONE:
	case KUBE_NO_NAMESPACE:
	case KUBE_UNKNOWN_KIND:
		return ST_NOT_FOUND;
	case KUBE_CONFLICT:
		return ST_CONFLICT;
	case KUBE_LATER:
		return ST_UNAVAILABLE;
	default:
		return status->code == 401 ? ST_UNAUTHENTICATED : status->code == 403 ? ST_FORBIDDEN : ST_UPSTREAM;
	}
}

enum status kube_answer_fail(const struct kube_answer *answer, const char *what, struct error *err)
{
	struct answer_status status;

	answer_read(answer, &status);
	return fail(err, status_of(&status), "%s: %s", what, status.message);
}
