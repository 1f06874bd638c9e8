#include "plugins/rsync/work_hook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NS_PER_MS = 1000000, LOOK_MIN_MS = 250, LOOK_MAX_MS = 15000 };

#define HOOK_MARK    "emco/hook"                 /* annotation: "<move>-<stage>"                                  */
#define HOOK_POLICY  "helm.sh/hook-delete-policy"

static const char *const words[HOOK_EVENTS] = { "", "install", "upgrade", "rollback", "delete" };

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

/* -- which hooks -- */

enum hook_event hooks_event(const emco_unit *unit, bool has_others)
{
	const bool is_new = unit->applied.len == 0 || unit_old_context(unit).len > 0;

	if (unit->desired.len == 0)
		return unit->applied.len > 0 ? HOOKS_DELETE : HOOKS_NONE;
	if (is_new)
		return HOOKS_INSTALL;
	if (str_equal(unit->applied, unit->desired) && !has_others)
		return HOOKS_NONE;
	return str_is(unit->event, "rollback") ? HOOKS_ROLLBACK : HOOKS_UPGRADE;
}

static const char *stage_of(struct work *work, bool is_post)
{
	const char *text = pass_printf(work->pass, "%s-%s", is_post ? "post" : "pre", words[work->hooks.event]);

	return text != NULL ? text : "";
}

/* "pre-install,post-upgrade" */
static bool has_event(const struct object *object, const char *stage)
{
	const char  *at = object->events.ptr, *end = at + object->events.len;
	const size_t len = strlen(stage);

	while (object->events.len > 0 && at < end) {
		const char *comma = memchr(at, ',', (size_t) (end - at)), *stop = comma != NULL ? comma : end;

		if ((size_t) (stop - at) == len && memcmp(at, stage, len) == 0)
			return true;
		at = stop + 1;
	}
	return false;
}

static bool is_of_stage(const struct object *object, const char *stage)
{
	return object->phase == EMCO_PHASE_HOOK && has_event(object, stage);
}

/* "install 1 3 w 1764050000000 <uid>": event, how many are done, for which generation all else is, state, begin */
static void progress_read(struct hooks *hooks, struct pass *pass, emco_str text)
{
	char        word[16] = "", state = '-', uid[sizeof hooks->uid] = "";
	uint64_t    generation = 0;
	size_t      done = 0;
	int64_t     begun = 0;
	const char *copy = text.len > 0 ? pass_text(pass, text) : NULL;

	if (copy == NULL ||
	    sscanf(copy, "%15s %zu %" SCNu64 " %c %" SCNd64 " %63s", word, &done, &generation, &state, &begun, uid) < 5)
		return;
	for (enum hook_event event = HOOKS_INSTALL; event < HOOK_EVENTS; event++)
		if (strcmp(word, words[event]) == 0)
			hooks->event = event;
	hooks->done = done;
	hooks->main_generation = generation;
	hooks->state = (enum hook_state) state;
	hooks->begun_ms = begun;
	snprintf(hooks->uid, sizeof hooks->uid, "%s", uid);
}

static const char *progress_text(const struct work *work)
{
	const struct hooks *hooks = &work->hooks;

	return pass_printf(work->pass, "%s %zu %" PRIu64 " %c %" PRId64 " %s", words[hooks->event], hooks->done,
	                   hooks->main_generation, (int) hooks->state, hooks->begun_ms, hooks->uid);
}

static void hooks_add(struct hooks *hooks, const struct object_set *set, const char *stage, bool is_post)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t k = 0; is_of_stage(&set->objects[i], stage) && k < set->objects[i].piece_count; k++)
			hooks->all[hooks->count++] = (struct hook) { &set->objects[i], &set->objects[i].pieces[k], is_post };
}

emco_status hooks_plan(struct work *work, const struct object_set *applied, bool has_others, struct fault *fault)
{
	struct hooks            *hooks = &work->hooks;
	const emco_unit         *unit = work->job->unit;
	const struct object_set *set = unit->desired.len > 0 ? work->job->desired : applied;
	size_t                   count = 0, most = 0;

	hooks->state = HOOK_NEW;
	if (!EMCO_HAS_MEMBER(unit, progress) || set == NULL)
		return EMCO_OK;
	hooks->event = hooks_event(unit, has_others);
	progress_read(hooks, work->pass, unit->progress);
	if (hooks->event == HOOKS_NONE)
		return EMCO_OK;

	const char     *pre = stage_of(work, false), *post = stage_of(work, true);
	struct object **objects = pass_alloc(work->pass, set->count + 1, sizeof(struct object *));
	if (objects == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < set->count; i++)
		if (is_of_stage(&set->objects[i], pre) || is_of_stage(&set->objects[i], post))
			objects[count++] = &set->objects[i];
	const emco_status status = objects_ready(work->pass, set, objects, count, fault);
	if (status != EMCO_OK)
		return status;
	for (size_t i = 0; i < count; i++) {
		if (objects[i]->message != NULL)
			return fault_say(fault, EMCO_E_INVALID, "hook \"%.*s\": %s", STR_ARG(objects[i]->name), objects[i]->message);
		most += 2 * objects[i]->piece_count;
	}
	hooks->all = pass_alloc(work->pass, most + 1, sizeof *hooks->all);
	if (hooks->all == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	hooks_add(hooks, set, pre, false);
	hooks->before = hooks->count;
	hooks_add(hooks, set, post, true);
	if (hooks->done > hooks->count)
		hooks->done = hooks->count;
	hooks->cleaning = hooks->done;
	return EMCO_OK;
}

/* -- one hook -- */

static const struct hook *hook_now(const struct work *work)
{
	const struct hooks *hooks = &work->hooks;

	return &hooks->all[hooks->state == HOOK_SUCCEEDED ? hooks->cleaning - 1 : hooks->done];
}

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

/* Without a policy, as Helm has it: the one before is deleted. */
static bool has_policy(const struct piece *piece, const char *policy)
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

static const char *mark_of(struct work *work)
{
	return pass_printf(work->pass, "%" PRIu64 "-%s", work->job->unit->move, stage_of(work, hook_now(work)->is_post));
}

/* The hook with its mark; empty: no memory. */
static struct view marked(struct work *work)
{
	const struct piece *piece = hook_now(work)->piece;
	json_t             *object = json_loadb(piece->text.ptr, piece->text.len, 0, NULL);
	json_t             *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char         *mark = mark_of(work), *text = NULL;

	if (mark != NULL && json_object_set_new(annotations, HOOK_MARK, json_string(mark)) == 0)
		text = object_text(work->pass, object);
	json_decref(object);
	return text != NULL ? view_of(text) : VIEW("");
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
	if (hooks->uid[0] != '\0' && has_policy(item->piece, "hook-failed"))
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
	/* A pod that is ready runs, and has not done its work. */
	if (kind_is(item->piece, "v1", "Pod") && ready == KUBE_READY && (phase == NULL || strcmp(phase, "Succeeded") != 0))
		ready = KUBE_NOT_READY;
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

static void hook_found(struct item *item, const json_t *body)
{
	struct work  *work = item->work;
	struct hooks *hooks = &work->hooks;
	const char   *uid = metadata_of(body, "uid"), *mark = mark_of(work), *label = body_label(body);
	const bool    is_same = strcmp(uid, hooks->uid) == 0, is_ours = body_is_ours(work, body);
	const bool    is_marked = is_ours && mark != NULL && strcmp(annotation_of(body, HOOK_MARK), mark) == 0;

	if (!job_is_live(work->job)) {           /* whose it is could not be found out */
		item_end(item, ITEM_LATER, "%s", work->job->fault.text);
	} else if (hooks->state == HOOK_SUCCEEDED && is_marked) {
		hook_delete(item, uid, AFTER_SUCCESS);
	} else if (hooks->state == HOOK_SUCCEEDED) {
		hook_cleaned(item);
	} else if (!is_ours && (label[0] != '\0' || (work->pass->config->takeover == 0 && !item->piece->policy.may_take_over))) {
		hook_failed(item, label[0] != '\0' ? "it belongs to another deployment, which was first"
		                                   : "it is there already and was applied by others: annotate it with emco/takeover: \"true\", or "
		                                     "set the option \"takeover\", to take it over");
	} else if (is_marked && metadata_of(body, "deletionTimestamp")[0] == '\0' && !(hooks->state == HOOK_HAS_FAILED && is_same)) {
		judge(item, body);
	} else if (runs_once(item->piece) || has_policy(item->piece, "before-hook-creation")) {
		hook_delete(item, uid, AFTER_APPLY);
	} else {
		item->is_forced = is_ours;
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
		body = item_body(item);
		if (body != NULL)
			hook_found(item, body);
		else
			item_end(item, ITEM_LATER, "the API server's answer does not parse");
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
		body = item_body(item);
		if (body != NULL) {
			item->work->hooks.state = HOOK_NEW;
			judge(item, body);
		} else {
			item_end(item, ITEM_LATER, "the API server's answer does not parse");
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

/* -- one after another -- */

/* Pass over those that stay. */
static void cleaning_next(struct hooks *hooks, bool is_post)
{
	const size_t first = is_post ? hooks->before : 0;

	while (hooks->cleaning > first && !has_policy(hooks->all[hooks->cleaning - 1].piece, "hook-succeeded"))
		hooks->cleaning--;
	if (hooks->cleaning <= first)
		hooks->state = HOOK_NEW;
}

bool hooks_go_on(struct work *work, bool is_post)
{
	struct hooks *hooks = &work->hooks;

	for (;;) {
		if (work->away > 0 || hooks->item.state == ITEM_PAUSES)
			return work->is_cut && work->away == 0;
		if (hooks->item.state == ITEM_FAILED || hooks->item.state == ITEM_LATER) {
			hooks->is_stuck = true;
			return true;
		}
		if (hooks->state == HOOK_SUCCEEDED)
			cleaning_next(hooks, is_post);
		if (work->is_cut || hooks->is_waiting || !hooks_are_left(hooks, is_post))
			return true;
		hooks->item = (struct item) {
			.work = work, .object = hook_now(work)->object, .piece = hook_now(work)->piece, .is_hook = true,
		};
		hooks->item.text = marked(work);
		if (hooks->item.text.len == 0)
			item_end(&hooks->item, ITEM_LATER, "out of memory");
		else
			item_next(&hooks->item, ACTION_LOOK);
	}
}

/* -- the end -- */

static void note_one(const struct work *work, const struct object *object, struct note *note)
{
	const struct hooks *hooks = &work->hooks;

	*note = (struct note) { .name = object->name, .state = EMCO_OBJECT_APPLIED };
	for (size_t i = hooks->done; i < hooks->count; i++) {
		const bool is_now = i == hooks->done && hooks->all[i].object == object;

		if (hooks->all[i].object != object || note->state == EMCO_OBJECT_FAILED)
			continue;
		note->state = is_now && hooks->item.state == ITEM_FAILED ? EMCO_OBJECT_FAILED : EMCO_OBJECT_PENDING;
		if (is_now)
			note->message = hooks->item.message;
	}
	/* Of what is to go it is the last that is told. */
	if (hooks->event == HOOKS_DELETE && note->state == EMCO_OBJECT_APPLIED && work->job->fault.code == EMCO_OK &&
	    hooks->done == hooks->count)
		note->state = EMCO_OBJECT_DELETED;
}

struct note *hooks_note(const struct work *work, struct note *note)
{
	const struct hooks *hooks = &work->hooks;

	for (size_t i = 0; i < hooks->count; i++) {
		bool is_told = false;

		for (size_t k = 0; k < i && !is_told; k++)
			is_told = hooks->all[k].object == hooks->all[i].object;
		if (!is_told)
			note_one(work, hooks->all[i].object, note++);
	}
	return note;
}

void hooks_tell(struct work *work)
{
	struct hooks *hooks = &work->hooks;
	struct job   *job = work->job;

	if (hooks->count == 0)
		return;
	job->progress = progress_text(work);
	if (job->fault.code != EMCO_OK || !(hooks->is_waiting || hooks->is_stuck))
		return;
	const struct hook *hook = hook_now(work);
	const char        *stage = stage_of(work, hook->is_post), *why = hooks->item.message != NULL ? hooks->item.message : "not done";
	if (hooks->is_waiting) {
		job->is_waiting = true;
		job->again_ms = hooks->again_ms;
		job->awaits = hook->object->name;
		job->stage = stage;
		fault_say(&job->fault, EMCO_E_UNAVAILABLE, "waits for %s hook \"%.*s\": %s", stage, STR_ARG(hook->object->name), why);
	} else if (hooks->item.state == ITEM_FAILED) {
		fault_say(&job->fault, EMCO_E_INVALID, "%s hook \"%.*s\" has failed: %s", stage, STR_ARG(hook->object->name), why);
	} else {
		fault_say(&job->fault, EMCO_E_UNAVAILABLE, "%s hook \"%.*s\": %s", stage, STR_ARG(hook->object->name), why);
	}
}
