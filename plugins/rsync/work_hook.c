#include "plugins/rsync/work_hook_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const words[HOOK_EVENTS] = { "", "install", "upgrade", "rollback", "delete" };

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

const char *hooks_stage(struct work *work, bool is_post)
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

	const char     *pre = hooks_stage(work, false), *post = hooks_stage(work, true);
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

/* -- one after another -- */

const struct hook *hook_now(const struct work *work)
{
	const struct hooks *hooks = &work->hooks;

	return &hooks->all[hooks->state == HOOK_SUCCEEDED ? hooks->cleaning - 1 : hooks->done];
}

const char *hook_mark(struct work *work)
{
	return pass_printf(work->pass, "%" PRIu64 "-%s", work->job->unit->move, hooks_stage(work, hook_now(work)->is_post));
}

/* The hook with its mark; empty: no memory. */
static struct view marked(struct work *work)
{
	const struct piece *piece = hook_now(work)->piece;
	json_t             *object = json_loadb(piece->text.ptr, piece->text.len, 0, NULL);
	json_t             *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char         *mark = hook_mark(work), *text = NULL;

	if (mark != NULL && json_object_set_new(annotations, HOOK_MARK, json_string(mark)) == 0)
		text = object_text(work->pass, object);
	json_decref(object);
	return text != NULL ? view_of(text) : VIEW("");
}

/* Pass over those that stay. */
static void cleaning_next(struct hooks *hooks, bool is_post)
{
	const size_t first = is_post ? hooks->before : 0;

	while (hooks->cleaning > first && !hook_has_policy(hooks->all[hooks->cleaning - 1].piece, "hook-succeeded"))
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
	const char        *stage = hooks_stage(work, hook->is_post), *why = hooks->item.message != NULL ? hooks->item.message : "not done";
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
