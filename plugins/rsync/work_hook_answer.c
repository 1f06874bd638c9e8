#include "plugins/rsync/work_hook_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NS_PER_MS = 1000000, LOOK_MIN_MS = 250, LOOK_MAX_MS = 15000 };

#define HOOK_POLICY  "helm.sh/hook-delete-policy"

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

/* -- what it is -- */

static bool kind_is(const struct piece *piece, const char *version, const char *kind)
{
	return view_is(piece->id.api_version, version) && view_is(piece->id.kind, kind);
}

/* What runs once and never again by itself. */
static bool runs_once(const struct piece *piece)
{
	return kind_is(piece, "batch/v1", "Job") || kind_is(piece, "v1", "Pod");
}

static bool is_awaited_kind(const struct piece *piece)
{
	return runs_once(piece) || kind_is(piece, "apps/v1", "Deployment") || kind_is(piece, "apps/v1", "DaemonSet") ||
	       kind_is(piece, "apps/v1", "StatefulSet");
}

static const char *annotation_of(const json_t *object, const char *key)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char   *text = json_string_value(json_object_get(annotations, key));

	return text != NULL ? text : "";
}

static const char *metadata_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(object, "metadata"), key));

	return text != NULL ? text : "";
}

bool hook_has_policy(const struct piece *piece, const char *policy)
{
	json_t     *object = json_loadb(piece->text.ptr, piece->text.len, 0, NULL);
	const char *text = annotation_of(object, HOOK_POLICY);
	bool        is_there = text[0] == '\0' && strcmp(policy, "before-hook-creation") == 0;

	for (const size_t len = strlen(policy); *text != '\0' && !is_there;) {
		text += strspn(text, ", \t");
		is_there = strcspn(text, ", \t") == len && strncmp(text, policy, len) == 0;
		text += strcspn(text, ", \t");
	}
	json_decref(object);
	return is_there;
}

/* -- its ends -- */

/* NOTE: those that go when they have succeeded go when all of their stage have: an account that a later Job runs as, say. */
static void hook_done(struct item *item)
{
	struct hooks *hooks = &item->work->hooks;

	hooks->done++;
	hooks->state = hooks->done == hooks->before || hooks->done == hooks->count ? HOOK_SUCCEEDED : HOOK_NEW;
	hooks->cleaning = hooks->done;
	hooks->uid[0] = '\0';
	item_end(item, ITEM_DONE, NULL);
}

static void hook_cleaned(struct item *item)
{
	item->work->hooks.cleaning--;
	item_end(item, ITEM_DONE, NULL);
}

static void hook_delete(struct item *item, const char *uid, unsigned after)
{
	struct hooks *hooks = &item->work->hooks;

	hooks->after = after;
	snprintf(item->uid, sizeof item->uid, "%s", uid);
	item_next(item, ACTION_DELETE);
}

static void hook_failed(struct item *item, const char *why)
{
	struct hooks *hooks = &item->work->hooks;

	hooks->why = pass_text(item->work->pass, str_of(why));
	hooks->state = HOOK_HAS_FAILED;
	if (hooks->uid[0] != '\0' && hook_has_policy(item->piece, "hook-failed"))
		hook_delete(item, hooks->uid, AFTER_FAILURE);
	else
		item_end(item, ITEM_FAILED, "%s", why);
}

/* The server will have none of it. */
static void refused(struct item *item)
{
	if (item->work->hooks.state == HOOK_SUCCEEDED)
		item_end(item, ITEM_LATER, "%s", item_said(item));
	else
		hook_failed(item, item_said(item));
}

static void hook_waits(struct item *item, const char *reason)
{
	struct hooks *hooks = &item->work->hooks;
	const int64_t limit_ms = item->work->pass->config->hook_timeout_ms;
	const int64_t passed_ms = wall_ms() - hooks->begun_ms, left_ms = limit_ms - passed_ms;
	char          text[512];

	if (left_ms <= 0) {
		snprintf(text, sizeof text, "it was not done within %" PRId64 " ms: %s", limit_ms, reason);
		hook_failed(item, text);
		return;
	}
	hooks->is_waiting = true;
	hooks->state = HOOK_AWAITED;
	hooks->why = pass_text(item->work->pass, str_of(reason));
	hooks->again_ms = passed_ms / 2 < LOOK_MIN_MS ? LOOK_MIN_MS : passed_ms / 2 > LOOK_MAX_MS ? LOOK_MAX_MS : passed_ms / 2;
	if (hooks->again_ms > left_ms)
		hooks->again_ms = left_ms;
	item_end(item, ITEM_WAITS, "%s", reason);
}

/* An older template's pods may be ready where a Deployment is changed: they count for what is there, and not for the hook. */
static bool is_rolled_out(const json_t *body)
{
	const json_t    *spec = json_object_get(body, "spec"), *status = json_object_get(body, "status");
	const json_int_t updated = json_integer_value(json_object_get(status, "updatedReplicas"));

	if (json_is_true(json_object_get(spec, "paused")))
		return true;                     /* nothing would change until somebody goes on with it */
	return updated >= json_integer_value(json_object_get(spec, "replicas")) &&
	       updated >= json_integer_value(json_object_get(status, "replicas"));
}

/* It is there and made for this move: how is it? */
static void judge(struct item *item, const json_t *body)
{
	struct hooks   *hooks = &item->work->hooks;
	const char     *phase = json_string_value(json_object_get(json_object_get(body, "status"), "phase"));
	char            reason[256] = "";
	enum kube_ready ready = KUBE_READY;

	if (strcmp(hooks->uid, metadata_of(body, "uid")) != 0) {
		snprintf(hooks->uid, sizeof hooks->uid, "%s", metadata_of(body, "uid"));
		hooks->begun_ms = wall_ms();
	}
	if (is_awaited_kind(item->piece))
		ready = kube_object_ready(body, reason, sizeof reason);
	if (kind_is(item->piece, "v1", "Pod") && ready == KUBE_READY && (phase == NULL || strcmp(phase, "Succeeded") != 0)) {
		ready = KUBE_NOT_READY;
		snprintf(reason, sizeof reason, "the pod runs and has not done its work yet");
	} else if (kind_is(item->piece, "apps/v1", "Deployment") && ready == KUBE_READY && !is_rolled_out(body)) {
		ready = KUBE_NOT_READY;
		snprintf(reason, sizeof reason, "pods of the template before are still there");
	}
	if (ready == KUBE_READY)
		hook_done(item);
	else if (ready == KUBE_FAILED)
		hook_failed(item, reason);
	else
		hook_waits(item, reason);
}

/* -- answers -- */

static void hook_missing(struct item *item)
{
	struct hooks *hooks = &item->work->hooks;

	if (hooks->state == HOOK_SUCCEEDED) {
		hook_cleaned(item);
	} else if (hooks->state == HOOK_AWAITED) {
		hooks->uid[0] = '\0';
		hook_failed(item, "somebody has deleted it before it was done");
	} else {
		item_next(item, ACTION_APPLY);
	}
}

static void hook_is_foreign(struct item *item, const char *label)
{
	char why[512];

	if (label[0] != '\0')
		snprintf(why, sizeof why, "it belongs to deployment \"%s\", which was first", label);
	else
		snprintf(why, sizeof why, "it is there already and was applied by others: annotate it with emco/takeover: \"true\", or "
		                          "set the option \"takeover\", to take it over");
	hook_failed(item, why);
}

static void hook_found(struct item *item, const json_t *body)
{
	struct work  *work = item->work;
	struct hooks *hooks = &work->hooks;
	const char   *uid = metadata_of(body, "uid"), *mark = hook_mark(work), *label = body_label(body);
	const bool    is_same = strcmp(uid, hooks->uid) == 0, is_ours = body_is_ours(work, body);
	const bool    is_marked = is_ours && mark != NULL && strcmp(annotation_of(body, HOOK_MARK), mark) == 0;

	if (!job_is_live(work->job)) {           /* whose it is could not be found out */
		item_end(item, ITEM_LATER, "%s", work->job->fault.text);
	} else if (hooks->state == HOOK_SUCCEEDED && is_marked) {
		hook_delete(item, uid, AFTER_SUCCESS);
	} else if (hooks->state == HOOK_SUCCEEDED) {
		hook_cleaned(item);
	} else if (!is_ours && (label[0] != '\0' || (work->pass->config->takeover == 0 && !item->piece->policy.may_take_over))) {
		hook_is_foreign(item, label);
	} else if (is_marked && metadata_of(body, "deletionTimestamp")[0] == '\0' && !(hooks->state == HOOK_HAS_FAILED && is_same)) {
		judge(item, body);
	} else if (runs_once(item->piece) || hook_has_policy(item->piece, "before-hook-creation")) {
		hook_delete(item, uid, AFTER_APPLY);
	} else {
		item->is_forced = true;          /* ours, or to be taken over */
		item_next(item, ACTION_APPLY);
	}
}

static void looked(struct item *item)
{
	json_t *body;

	switch (item->outcome) {
	case KUBE_GONE:
	case KUBE_NO_NAMESPACE:
	case KUBE_UNKNOWN_KIND:
		hook_missing(item);
		return;
	case KUBE_UNCHANGED:
		body = item_body_or_end(item);
		if (body != NULL)
			hook_found(item, body);
		json_decref(body);
		return;
	case KUBE_LATER:
		item_end_later(item);
		return;
	default:
		refused(item);
	}
}

static void applied(struct item *item)
{
	json_t *body;

	switch (item->outcome) {
	case KUBE_CREATED:
	case KUBE_CHANGED:
	case KUBE_UNCHANGED:
		body = item_body_or_end(item);
		if (body != NULL) {
			item->work->hooks.state = HOOK_NEW;
			judge(item, body);
		}
		json_decref(body);
		return;
	case KUBE_UNKNOWN_KIND:
	case KUBE_NO_NAMESPACE:
		item_end(item, ITEM_LATER, "%s", item_said(item));
		return;
	case KUBE_LATER:
		item_end_later(item);
		return;
	default:
		hook_failed(item, item_said(item));
	}
}

static void deleted(struct item *item)
{
	struct hooks *hooks = &item->work->hooks;

	if (hooks->after == AFTER_APPLY)
		item_next(item, ACTION_APPLY);
	else if (hooks->after == AFTER_SUCCESS)
		hook_cleaned(item);
	else
		item_end(item, ITEM_FAILED, "%s", hooks->why != NULL ? hooks->why : "out of memory");
}

static void gone(struct item *item)
{
	json_t *body;

	if (item->outcome == KUBE_GONE || item->outcome == KUBE_NO_NAMESPACE) {
		deleted(item);
		return;
	}
	if (item->outcome != KUBE_UNCHANGED) {
		item_end_later(item);
		return;
	}
	body = item_body(item);
	if (body != NULL && strcmp(metadata_of(body, "uid"), item->uid) != 0)
		deleted(item);                   /* another one of that name */
	else
		item_again(item, "it is deleted and still there");
	json_decref(body);
}

void hook_answered(struct item *item)
{
	switch (item->action) {
	case ACTION_LOOK:  looked(item);  break;
	case ACTION_APPLY: applied(item); break;
	case ACTION_GONE:  gone(item);    break;
	default:
		if (item->outcome == KUBE_DELETED)
			item_next(item, ACTION_GONE);
		else if (item->outcome == KUBE_GONE || item->outcome == KUBE_CONFLICT)
			deleted(item);
		else if (item->outcome == KUBE_LATER)
			item_end_later(item);
		else
			refused(item);
	}
}
