#include "plugins/rsync/work_hook.h"

#include <stdlib.h>
#include <string.h>

/* The sets that tell what may be on the cluster. */
struct past {
	const struct object_set  *applied;   /* NULL: nothing                                   */
	const struct object_set **tried;     /* without the desired one                         */
	size_t                    tried_count;
};

static emco_status names_read(struct work *work, emco_str digest, const struct object_set **ret_set, struct fault *fault)
{
	struct object_set *set = NULL;
	const emco_status  status = object_set_read(work->pass, digest, &target_kubernetes, work->label,
	                                           work->job->unit->namespace_, &set, fault);

	*ret_set = set;
	return status;
}

/* A tried set that is not known any more was collected because nothing of it can be there. */
static emco_status past_read(struct work *work, struct past *past, struct fault *fault)
{
	const emco_unit *unit = work->job->unit;
	emco_status      status = EMCO_OK;

	past->tried = pass_alloc(work->pass, unit->tried_count + 1, sizeof(struct object_set *));
	if (past->tried == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	if (unit->applied.len > 0)
		status = names_read(work, unit->applied, &past->applied, fault);
	for (uint64_t i = 0; status == EMCO_OK && i < unit->tried_count; i++) {
		if (str_equal(unit->tried[i], unit->desired))
			continue;
		status = names_read(work, unit->tried[i], &past->tried[past->tried_count], fault);
		if (status == EMCO_OK)
			past->tried_count++;
	}
	return status;
}

static bool has_equal(const struct object_set *set, const struct object *object)
{
	const struct object *other = object_find(set, object->name);

	return other != NULL && str_equal(other->digest, object->digest);
}

/* Is it known to be there just as it shall be?  Then it is not sent. */
static bool is_there(const struct work *work, const struct past *past, const struct object *object)
{
	const emco_unit *unit = work->job->unit;

	if (EMCO_HAS_MEMBER(unit, unsure) && unit->unsure != 0)
		return false;
	if (work->old_label != NULL || past->applied == NULL || !has_equal(past->applied, object))
		return false;
	for (size_t i = 0; i < past->tried_count; i++)
		if (!has_equal(past->tried[i], object))
			return false;
	return true;
}

/* -- who an entry is -- */

static bool is_list(const struct object *object)
{
	return object->kind.len >= 4 && memcmp(object->kind.ptr + object->kind.len - 4, "List", 4) == 0;
}

/* Only its body says which objects are in a List, and how one is called that shares its name with others. */
static bool is_told_by_body(const struct object *object)
{
	return is_list(object) || object_is_numbered(object->name);
}

static struct view view_from(emco_str text)
{
	return (struct view) { text.ptr, text.len };
}

/* Who an entry is, without its body. */
static emco_status entry_piece(struct work *work, struct object *object, struct fault *fault)
{
	const char   *plus = object->name.len > 0 ? memrchr(object->name.ptr, '+', object->name.len) : NULL;
	struct piece *piece = pass_alloc(work->pass, 1, sizeof *piece);

	if (piece == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	piece->id = (struct kube_id) {
		.api_version = view_from(object->api_version),
		.kind = view_from(object->kind),
		.namespace_ = view_from(object->namespace_.len > 0 ? object->namespace_ : work->job->unit->namespace_),
		.name = { object->name.ptr, plus != NULL ? (size_t) (plus - object->name.ptr) : object->name.len },
	};
	piece->wave = wave_of(piece->id.api_version, piece->id.kind);
	object->pieces = piece;
	object->piece_count = 1;
	return EMCO_OK;
}

/* -- what goes out -- */

/* An earlier try whose end nobody knows may have made it, and controllers may have set something in it since. */
static bool may_be_ours(const struct work *work, const struct past *past, const struct object *object)
{
	const emco_unit *unit = work->job->unit;

	if (EMCO_HAS_MEMBER(unit, begun) && unit->begun != 0)
		return true;
	for (size_t i = 0; i < past->tried_count; i++)
		if (object_find(past->tried[i], object->name) != NULL)
			return true;
	return false;
}

static void items_add(struct work *work, const struct past *past, const struct object *object)
{
	const bool is_known = object_find(past->applied, object->name) != NULL;
	const bool is_unclear = is_known ? work->old_label != NULL : may_be_ours(work, past, object);

	for (size_t i = 0; object->message == NULL && i < object->piece_count; i++) {
		const struct piece *piece = &object->pieces[i];
		struct item        *item = &work->items[work->item_count++];

		work->has_crd = work->has_crd || piece->wave == WAVE_CRD;
		work->has_namespace = work->has_namespace || piece->wave == WAVE_NAMESPACE;
		*item = (struct item) { .work = work, .object = object, .piece = piece, .is_known = is_known,
		                        .action = is_unclear ? ACTION_LOOK : ACTION_APPLY };
		if (piece->text.len > 0)
			item_fill(item, piece);
	}
}

/* An entry tells the wave of its object; the bodies of those it tells too little of are read at once. */
static emco_status pieces_make(struct work *work, struct object **missing, size_t count, struct fault *fault)
{
	struct object **bodies = pass_alloc(work->pass, count + 1, sizeof(struct object *));
	size_t          body_count = 0;
	emco_status     status = EMCO_OK;

	if (bodies == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; status == EMCO_OK && i < count; i++) {
		if (is_told_by_body(missing[i]))
			bodies[body_count++] = missing[i];
		else if (!missing[i]->is_ready)
			status = entry_piece(work, missing[i], fault);
	}
	return status == EMCO_OK ? objects_ready(work->pass, work->job->desired, bodies, body_count, fault) : status;
}

static emco_status plan_items(struct work *work, const struct past *past, struct fault *fault)
{
	struct object_set *desired = work->job->desired;
	const size_t       count = desired != NULL ? desired->count : 0;
	struct object    **missing = pass_alloc(work->pass, count + 1, sizeof(struct object *));
	size_t             missing_count = 0, most = 0;

	if (missing == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!object_is_hook(&desired->objects[i]) && !is_there(work, past, &desired->objects[i]))
			missing[missing_count++] = &desired->objects[i];

	const emco_status status = pieces_make(work, missing, missing_count, fault);
	if (status != EMCO_OK)
		return status;
	for (size_t i = 0; i < missing_count; i++)
		most += missing[i]->piece_count;
	work->items = pass_alloc(work->pass, most + 1, sizeof *work->items);
	if (work->items == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < missing_count; i++)
		items_add(work, past, missing[i]);
	return EMCO_OK;
}

/* -- what has to go -- */

/* NOTE: an entry does not tell whether its kind lives in a namespace; the desired piece of a kind that does not has none. */
static bool is_desired_piece(const struct object *desired, const struct kube_id *id)
{
	for (size_t i = 0; desired != NULL && i < desired->piece_count; i++) {
		struct kube_id same_place = *id;

		if (desired->pieces[i].id.namespace_.len == 0)
			same_place.namespace_ = VIEW("");
		if (piece_is_same(&desired->pieces[i].id, &same_place))
			return true;
	}
	return false;
}

/* Is it one object in another state?  Then neither body need be read. */
static bool is_same_entry(const struct object *a, const struct object *b)
{
	return !is_list(a) && !is_list(b) && str_equal(a->api_version, b->api_version) && str_equal(a->kind, b->kind) &&
	       str_equal(a->namespace_, b->namespace_);
}

/* The desired entry of that name, or another of its name and kind: which is which follows from their order. */
static emco_status is_desired(struct work *work, const struct object *object, const struct kube_id *id, bool *ret_is_desired, struct fault *fault)
{
	const emco_str name = object->name;
	const char    *plus = name.len > 0 ? memrchr(name.ptr, '+', name.len) : NULL;
	const size_t   end = plus != NULL ? (size_t) (plus - name.ptr) : name.len;
	const char    *mark = object_is_numbered(name) ? memrchr(name.ptr, '~', end) : NULL;
	const size_t   plain = mark != NULL ? (size_t) (mark - name.ptr) : end;
	emco_status    status = EMCO_OK;

	*ret_is_desired = false;
	for (size_t number = 1; status == EMCO_OK && !*ret_is_desired; number++) {
		const char *wanted_name = number == 1
			? pass_printf(work->pass, "%.*s%.*s", (int) plain, name.ptr, (int) (name.len - end), name.ptr + end)
			: pass_printf(work->pass, "%.*s~%zu%.*s", (int) plain, name.ptr, number, (int) (name.len - end), name.ptr + end);
		if (wanted_name == NULL)
			return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
		struct object *wanted = object_find(work->job->desired, str_of(wanted_name));
		if (wanted == NULL)
			return EMCO_OK;
		if (!wanted->is_ready)
			status = objects_ready(work->pass, work->job->desired, &wanted, 1, fault);
		*ret_is_desired = is_desired_piece(wanted, id);
	}
	return status;
}

static emco_status removals_add(struct work *work, const struct object_set *set, struct object *object, size_t *room,
                                struct fault *fault)
{
	struct object *wanted = object_find(work->job->desired, object->name);
	emco_status    status = EMCO_OK;

	if (object_is_hook(object) || (wanted != NULL && (str_equal(wanted->digest, object->digest) || object_is_hook(wanted) ||
	                                                  is_same_entry(wanted, object))))
		return EMCO_OK;
	if (object->pieces == NULL)
		status = is_told_by_body(object) ? objects_ready(work->pass, set, &object, 1, fault)
		                                 : entry_piece(work, object, fault);
	for (size_t i = 0; status == EMCO_OK && i < object->piece_count; i++) {
		const struct piece *piece = &object->pieces[i];
		const bool          stays = piece->wave == WAVE_CRD && work->pass->config->keep_crds;
		bool                is_wanted;

		status = is_desired(work, object, &piece->id, &is_wanted, fault);
		if (status != EMCO_OK)
			return status;
		if (is_wanted)
			continue;
		if (work->removal_count == *room) {
			const size_t more = *room > 0 ? 2 * *room : 64;
			struct item *items = pass_alloc(work->pass, more, sizeof *items);

			if (items == NULL)
				return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
			if (work->removal_count > 0)
				memcpy(items, work->removals, work->removal_count * sizeof *items);
			work->removals = items;
			*room = more;
		}
		work->removals[work->removal_count++] = (struct item) {
			.work = work, .object = object, .piece = piece, .action = ACTION_FIND, .is_known = true,
			.state = stays ? ITEM_DONE : ITEM_WAITS,
			.stays = stays ? "it is left alone: every resource of its kind would go with it (the option keep_crds)" : NULL,
		};
	}
	return status;
}

static emco_status plan_removals(struct work *work, const struct past *past, struct fault *fault)
{
	size_t room = 0;

	for (size_t s = 0; s <= past->tried_count; s++) {
		const struct object_set *set = s == 0 ? past->applied : past->tried[s - 1];

		for (size_t i = 0; set != NULL && i < set->count; i++) {
			const emco_status status = removals_add(work, set, &set->objects[i], &room, fault);

			if (status != EMCO_OK)
				return status;
		}
	}
	return EMCO_OK;
}

/* The same object may stand in several sets. */
static int compare_ids(const void *a, const void *b)
{
	const struct kube_id *x = &((const struct item *) a)->piece->id, *y = &((const struct item *) b)->piece->id;
	const struct view     left[] = { x->kind, x->name, x->namespace_, x->api_version };
	const struct view     right[] = { y->kind, y->name, y->namespace_, y->api_version };

	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		const size_t len = left[i].len < right[i].len ? left[i].len : right[i].len;
		int          order = len > 0 ? memcmp(left[i].ptr, right[i].ptr, len) : 0;

		if (order == 0)
			order = (left[i].len > right[i].len) - (left[i].len < right[i].len);
		if (order != 0)
			return order;
	}
	return 0;
}

static void removals_once(struct work *work)
{
	size_t kept = 0;

	if (work->removal_count == 0)
		return;
	qsort(work->removals, work->removal_count, sizeof *work->removals, compare_ids);
	for (size_t i = 0; i < work->removal_count; i++)
		if (kept == 0 || !piece_is_same(&work->removals[kept - 1].piece->id, &work->removals[i].piece->id))
			work->removals[kept++] = work->removals[i];
	work->removal_count = kept;
}

/* Only hooks are left: all else is there already, as whoever went before us has noted. */
static bool hooks_are_all(const struct work *work)
{
	const struct hooks *hooks = &work->hooks;

	return hooks_are_left(hooks, true) && hooks->done >= hooks->before && hooks->main_generation != 0 &&
	       hooks->main_generation == work->job->unit->generation;
}

emco_status work_plan(struct work *work, struct fault *fault)
{
	struct past past = { .applied = NULL };
	emco_status status = past_read(work, &past, fault);

	if (status == EMCO_OK)
		status = hooks_plan(work, past.applied, past.tried_count > 0, fault);
	if (status == EMCO_OK && hooks_are_all(work))
		return EMCO_OK;
	if (status == EMCO_OK)
		status = plan_items(work, &past, fault);
	if (status == EMCO_OK)
		status = plan_removals(work, &past, fault);
	removals_once(work);
	return status;
}
