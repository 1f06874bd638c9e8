/*
 * target_kubernetes.c - the target "kubernetes": each unit by itself, all of them at once.
 *
 * A unit sends nothing for what is there already.  What goes out goes in waves; a refused object fails alone, an API server
 * that does not answer ends the try.  Only when everything is there does anything go.
 */
#include "plugins/rsync/work_hook.h"

#include <string.h>

enum { MANAGER_MAX = 128, NS_PER_MS = 1000000, AWAY_MAX = KUBE_IN_FLIGHT };

static bool takes(const emco_cluster_access *access)
{
	return access->kubeconfig.len > 0;
}

/* Level 1 clouds have a kubeconfig of their own for each namespace.  NULL: no memory. */
static const char *name_of(struct pass *pass, const emco_unit *unit)
{
	const bool is_shared = str_is(unit->level, "0");

	return pass_printf(pass, "%.*s%s%.*s", STR_ARG(unit->cluster), is_shared ? "" : "/", is_shared ? 0 : (int) unit->namespace_.len,
	                   is_shared ? "" : unit->namespace_.ptr);
}

static bool knows(struct pass *pass, struct job *job)
{
	const uint64_t access = unit_access(job->unit);
	const char    *name = access != 0 ? name_of(pass, job->unit) : NULL;

	job->place = name != NULL ? kube_cluster_known(pass->kube, view_of(name), access) : NULL;
	return job->place != NULL;
}

static emco_status find(struct pass *pass, struct job *job)
{
	const emco_unit     *unit = job->unit;
	const char          *name = name_of(pass, unit);
	const struct view    kubeconfig = { job->access.kubeconfig.ptr, job->access.kubeconfig.len };
	struct kube_cluster *cluster = NULL;
	struct error         err = { 0 };

	if (name == NULL)
		return fault_say(&job->fault, EMCO_E_NO_MEMORY, "out of memory");
	const enum status st = kube_cluster_ref_tagged(pass->kube, view_of(name), kubeconfig, unit_access(unit), &cluster, &err);
	if (st != ST_OK)
		return fault_say(&job->fault, status_of(st), "cluster \"%.*s\": %s", STR_ARG(unit->cluster), err.text);
	job->place = cluster;
	return EMCO_OK;
}

static void drop(struct job *job)
{
	for (struct item *item = job->work != NULL ? work_answers(job->work) : NULL; item != NULL; item = item->next)
		item_forget_answer(item);
	kube_cluster_unref(job->place);
	job->place = NULL;
}

/* -- begin -- */

static emco_status names_make(struct pass *pass, struct work *work, struct fault *fault)
{
	const emco_unit *unit = work->job->unit;
	const emco_str   old = unit_old_context(unit);
	emco_status      status = object_label(pass, unit, &work->label, fault);

	if (status != EMCO_OK)
		return status;
	work->manager = pass_printf(pass, "emco-%s", work->label);
	if (old.len > 0)
		work->old_label = pass_printf(pass, "%.*s-%.*s", STR_ARG(old), STR_ARG(unit->app));
	if (work->manager == NULL || (old.len > 0 && work->old_label == NULL))
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	return EMCO_OK;
}

static void step_begin(struct work *work, enum step step)
{
	work->step = step;
	work->at = 0;
	work->wave = step == STEP_DEFINE ? (int) WAVE_CRD : step == STEP_PRUNE ? (int) WAVES : -1;
}

static void begin(struct pass *pass, struct job *job)
{
	struct work *work = pass_alloc(pass, 1, sizeof *work);

	if (work == NULL) {
		fault_say(&job->fault, EMCO_E_NO_MEMORY, "out of memory");
		return;
	}
	work->pass = pass;
	work->job = job;
	work->cluster = job->place;
	if (names_make(pass, work, &job->fault) != EMCO_OK || work_plan(work, &job->fault) != EMCO_OK)
		return;
	step_begin(work, hooks_are_left(&work->hooks, false) ? STEP_DEFINE : STEP_BRING);
	job->work = work;
}

/* -- go on -- */

static bool is_pruning(const struct work *work)
{
	return work->step == STEP_PRUNE;
}

static bool is_at_hooks(const struct work *work)
{
	return work->step == STEP_BEFORE || work->step == STEP_AFTER;
}

static struct item *items_now(struct work *work, size_t *ret_count)
{
	if (is_at_hooks(work)) {
		*ret_count = 1;
		return &work->hooks.item;
	}
	*ret_count = is_pruning(work) ? work->removal_count : work->item_count;
	return is_pruning(work) ? work->removals : work->items;
}

static void answers_take(struct work *work)
{
	for (struct item *item = work_answers(work), *next; item != NULL; item = next) {
		next = item->next;
		work->away--;
		if (item->is_hook)
			hook_answered(item);
		else if (is_pruning(work))
			item_removed(item);
		else
			item_applied(item);
		if (item->state == ITEM_PAUSES && (work->next_ns == 0 || item->again_ns < work->next_ns))
			work->next_ns = item->again_ns;
		if (item->state != ITEM_AWAY)    /* else its next answer may be there already */
			item_forget_answer(item);
	}
}

/* Those whose pause is over are sent again. */
static void pauses_end(struct work *work)
{
	const int64_t now = now_ns();
	size_t        count;
	struct item  *items = items_now(work, &count);

	if (work->next_ns == 0 || now < work->next_ns)
		return;
	work->next_ns = 0;
	for (size_t i = 0; i < count; i++) {
		if (items[i].state != ITEM_PAUSES)
			continue;
		if (items[i].again_ns <= now)
			item_send(&items[i]);
		else if (work->next_ns == 0 || items[i].again_ns < work->next_ns)
			work->next_ns = items[i].again_ns;
	}
}

static bool all_are(const struct item *items, size_t count, enum item_state state)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].state != state)
			return false;
	return true;
}

static bool has_unready(const struct work *work)
{
	const struct object_set *desired = work->job->desired;

	for (size_t i = 0; desired != NULL && i < desired->count; i++)
		if (desired->objects[i].message != NULL && !object_is_hook(&desired->objects[i]))
			return true;
	return false;
}

static bool any_is(const struct item *items, size_t count, enum item_state state)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].state == state)
			return true;
	return false;
}

/* While anything else is missing, gates stay away: tried again when that is. */
static void gates_hold(struct work *work)
{
	const bool is_later = any_is(work->items, work->item_count, ITEM_LATER);

	if (!is_later && !has_unready(work) && !any_is(work->items, work->item_count, ITEM_FAILED))
		return;
	for (size_t i = 0; i < work->item_count; i++)
		if (work->items[i].state == ITEM_WAITS && work->items[i].piece->wave == WAVE_GATE)
			item_end(&work->items[i], is_later ? ITEM_LATER : ITEM_FAILED, "it comes when everything else is there");
}

/*
 * A few of a wave are under way at a time: what waits for its turn here has all its time left when it goes out, and does
 * not go out at all once the unit is somebody else's.
 */
static bool wave_send(struct work *work)
{
	size_t       count;
	struct item *items = items_now(work, &count);
	bool         is_sent = false;

	for (; work->at < count && !work->is_cut; work->at++) {
		struct item *item = &items[work->at];

		if (item->state != ITEM_WAITS || (int) item->piece->wave != work->wave)
			continue;
		if (!is_pruning(work) && !item_ready(item)) {    /* before its turn: others are under way meanwhile */
			work->is_cut = true;
			break;
		}
		if (item->state != ITEM_WAITS)
			continue;
		if (work->away >= AWAY_MAX)
			break;
		item_send(item);
		is_sent = true;
	}
	return is_sent;
}

/* Waves go up while objects go out, and down while they are taken away.  false: there is none left. */
static bool wave_next(struct work *work)
{
	for (bool is_sent = false; !is_sent;) {
		work->wave += is_pruning(work) ? -1 : 1;
		if (work->wave < 0 || work->wave >= WAVES)
			return false;
		if (work->wave == WAVE_GATE && !is_pruning(work))
			gates_hold(work);
		work->at = 0;
		is_sent = wave_send(work);
		if (!is_sent && work->is_cut)
			return false;
	}
	return true;
}

/* Of the items of this step: is nothing under way, and nothing left?  *ret_is_cut: nor may be. */
static bool items_end(struct work *work, bool *ret_is_cut)
{
	size_t             count;
	const struct item *items = items_now(work, &count);

	*ret_is_cut = false;
	(void) wave_send(work);
	if (work->away > 0)
		return false;
	if (work->is_cut) {
		*ret_is_cut = true;
		return true;
	}
	if (any_is(items, count, ITEM_PAUSES))
		return false;
	return work->step == STEP_DEFINE || !wave_next(work);
}

static bool definitions_are_there(const struct work *work)
{
	for (size_t i = 0; i < work->item_count; i++)
		if (work->items[i].piece->wave == WAVE_CRD && work->items[i].state != ITEM_DONE)
			return false;
	return true;
}

/* false: the unit ends here.  What comes next does so only when all of this is there. */
static bool step_next(struct work *work)
{
	switch (work->step) {
	case STEP_DEFINE:
		if (!definitions_are_there(work))
			return false;
		step_begin(work, STEP_BEFORE);
		return true;
	case STEP_BEFORE:
		if (hooks_are_left(&work->hooks, false))
			return false;
		step_begin(work, STEP_BRING);
		return true;
	case STEP_BRING:
		if (has_unready(work) || !all_are(work->items, work->item_count, ITEM_DONE))
			return false;
		step_begin(work, STEP_PRUNE);
		return true;
	case STEP_PRUNE:
		if (!all_are(work->removals, work->removal_count, ITEM_DONE))
			return false;
		work->hooks.main_generation = work->job->unit->generation;
		step_begin(work, STEP_AFTER);
		return true;
	default:
		return false;
	}
}

/* true: nothing is left to be done, or may be. */
static bool is_over(struct work *work)
{
	for (;;) {
		bool       is_cut = work->is_cut;
		const bool has_ended = is_at_hooks(work) ? hooks_go_on(work, work->step == STEP_AFTER) : items_end(work, &is_cut);

		if (!has_ended)
			return false;
		if (is_cut || !step_next(work))
			return true;
	}
}

/* -- the end -- */

static int32_t state_of_item(const struct item *item)
{
	switch (item->state) {
	case ITEM_DONE:   return EMCO_OBJECT_APPLIED;
	case ITEM_FAILED: return EMCO_OBJECT_FAILED;
	case ITEM_WAITS:  return EMCO_OBJECT_PENDING;
	default:          return EMCO_OBJECT_RETRYING;
	}
}

/* The worst of an object's pieces tells its state. */
static void note_item(struct note *note, const struct item *item)
{
	static const int rank[] = {
		[EMCO_OBJECT_APPLIED] = 0, [EMCO_OBJECT_DELETED] = 0, [EMCO_OBJECT_PENDING] = 1,
		[EMCO_OBJECT_RETRYING] = 2, [EMCO_OBJECT_FAILED] = 3,
	};
	const int32_t state = state_of_item(item);

	if (rank[state] <= rank[note->state])
		return;
	note->state = state;
	note->message = item->message;
}

static struct note *notes_desired(struct work *work, struct note *note)
{
	const struct object_set *desired = work->job->desired;
	size_t                   at = 0;

	for (size_t i = 0; desired != NULL && i < desired->count; i++) {
		const struct object *object = &desired->objects[i];

		if (object_is_hook(object))
			continue;
		*note = (struct note) { .name = object->name, .state = EMCO_OBJECT_APPLIED };
		if (object->message != NULL)
			*note = (struct note) { object->name, EMCO_OBJECT_FAILED, object->message };
		for (; at < work->item_count && work->items[at].object == object; at++)
			note_item(note, &work->items[at]);
		note++;
	}
	return note;
}

/* What is left alone where nothing is desired any more is shown; while something is, only that is. */
static struct note *notes_removed(struct work *work, struct note *note)
{
	const bool is_end = work->job->desired == NULL || work->job->desired->count == 0;

	for (size_t i = 0; i < work->removal_count; i++) {
		const struct item *item = &work->removals[i];

		if (object_find(work->job->desired, item->object->name) != NULL || (item->stays != NULL && !is_end))
			continue;
		*note = (struct note) { .name = item->object->name, .state = EMCO_OBJECT_DELETED };
		if (work->step < STEP_PRUNE)
			note->state = EMCO_OBJECT_APPLIED;
		else
			note_item(note, item);
		if (item->stays != NULL)
			*note = (struct note) { item->object->name, EMCO_OBJECT_APPLIED, item->stays };
		note++;
	}
	return note;
}

static void notes_make(struct work *work)
{
	const struct object_set *desired = work->job->desired;
	const size_t             most = (desired != NULL ? desired->count : 0) + work->removal_count + work->hooks.count;
	struct note             *notes = pass_alloc(work->pass, most + 1, sizeof *notes);

	if (notes == NULL)
		return;
	work->job->notes = notes;
	work->job->note_count = (size_t) (hooks_note(work, notes_removed(work, notes_desired(work, notes))) - notes);
}

/* What waits is tried again soon; only when nothing waits does a refusal decide. */
static void fault_find(struct work *work)
{
	const struct note *first = NULL;
	struct job        *job = work->job;
	size_t             more = 0;
	int32_t            worst = EMCO_OBJECT_FAILED;

	for (size_t i = 0; i < job->note_count; i++)
		if (job->notes[i].state == EMCO_OBJECT_RETRYING || job->notes[i].state == EMCO_OBJECT_PENDING)
			worst = EMCO_OBJECT_RETRYING;
	for (size_t i = 0; i < job->note_count; i++) {
		const struct note *note = &job->notes[i];

		if (note->state != EMCO_OBJECT_FAILED && note->state != EMCO_OBJECT_RETRYING)
			continue;
		more++;
		if (first == NULL || (first->state != worst && note->state == worst))
			first = note;
	}
	if (first == NULL)
		return;
	const char *message = first->message != NULL ? first->message : "not done";
	const emco_status code = worst == EMCO_OBJECT_FAILED ? EMCO_E_INVALID : EMCO_E_UNAVAILABLE;
	if (more > 1)
		fault_say(&job->fault, code, "object \"%.*s\": %s; and %zu more", STR_ARG(first->name), message, more - 1);
	else
		fault_say(&job->fault, code, "object \"%.*s\": %s", STR_ARG(first->name), message);
}

static bool go_on(struct pass *pass, struct job *job, int64_t *ret_next_ns)
{
	struct work *work = job->work;

	if (work == NULL)                        /* begin has failed */
		return true;
	if (!job_is_live(job) || pass->call->cancelled(pass->call))
		work->is_cut = true;
	answers_take(work);
	if (!work->is_cut)
		pauses_end(work);
	if (!is_over(work)) {
		*ret_next_ns = work->next_ns;
		return false;
	}
	if (job->is_lost)
		return true;

	const int32_t reachable = !work->was_tried ? -1 : kube_cluster_state(work->cluster).is_reachable ? 1 : 0;
	hooks_tell(work);
	notes_make(work);
	if (job->fault.code == EMCO_OK)
		job->fault = work->fault;
	if (job->fault.code == EMCO_OK)
		fault_find(work);
	if (job->fault.code == EMCO_OK && work->is_cut)
		fault_say(&job->fault, EMCO_E_DEADLINE, "not done in time");
	job->fault.reachable = reachable;
	return true;
}

const struct target target_kubernetes = {
	.name = "kubernetes", .tag = TAG_KUBE, .takes = takes, .knows = knows, .find = find, .begin = begin, .go_on = go_on, .drop = drop,
};
