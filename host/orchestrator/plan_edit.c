#include "host/orchestrator/plan_priv.h"

#include <assert.h>

/*
 * A draft is on the heap and belongs to its slot.  At most DRAFTS_MAX are kept, so that a controller that walks a
 * thousand clusters holds a few drafts and not a thousand.
 */

static void draft_free(struct set *draft)
{
	free(draft->entries);
	free(draft->bodies);
	free(draft);
}

static void forget_draft(struct plan *plan, const struct plan_slot *slot)
{
	for (size_t i = 0; i < DRAFTS_MAX; i++)
		if (plan->drafts[i] == slot)
			plan->drafts[i] = NULL;
}

enum status plan_settle(struct plan *plan, struct plan_slot *slot, struct error *err)
{
	struct set *draft = slot->set, *set;

	if (!draft->is_draft)
		return ST_OK;
	const enum status st = plan_intern_set(plan, draft->entries, draft->bodies, draft->count, &set, err);
	if (st != ST_OK)
		return st;
	slot->set = set;
	forget_draft(plan, slot);
	draft_free(draft);
	return ST_OK;
}

static enum status draft_new(const struct set *set, struct set **ret_draft, struct error *err)
{
	struct set *draft = calloc(1, sizeof *draft);

	if (draft == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	draft->is_draft = true;
	draft->count = set->count;
	draft->room = set->count + 8;
	draft->entries = calloc(draft->room, sizeof *draft->entries);
	draft->bodies = calloc(draft->room, sizeof(struct body *));
	if (draft->entries == NULL || draft->bodies == NULL) {
		draft_free(draft);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	if (set->count > 0) {
		memcpy(draft->entries, set->entries, set->count * sizeof *set->entries);
		memcpy(draft->bodies, set->bodies, set->count * sizeof(struct body *));
	}
	*ret_draft = draft;
	return ST_OK;
}

/* -- the overlay ------------------------------------------------------------------------------------------------- */

void plan_begin(struct plan *plan)
{
	assert(!plan->is_open);
	plan->is_open = true;
	plan->touched_count = 0;
}

/* Remember how the slot was when the overlay began. */
static enum status touch(struct plan *plan, struct plan_slot *slot, struct error *err)
{
	if (plan->store != NULL || !plan->is_open)
		return fail(err, ST_CONFLICT, "this context can only be read");
	if (slot->is_touched)
		return ST_OK;
	if (plan->touched_count == plan->touched_room) {
		const size_t       room = plan->touched_room == 0 ? 64 : 2 * plan->touched_room;
		struct plan_slot **touched = realloc(plan->touched, room * sizeof(struct plan_slot *));
		if (touched == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		plan->touched = touched;
		plan->touched_room = room;
	}
	plan->touched[plan->touched_count++] = slot;
	slot->is_touched = true;
	slot->was_dropped = slot->is_dropped;
	slot->before = slot->set;
	return ST_OK;
}

enum status plan_keep(struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->touched_count; i++) {
		const enum status st = plan_settle(plan, plan->touched[i], err);
		if (st != ST_OK) {
			plan_drop(plan);
			return st;
		}
	}
	for (size_t i = 0; i < plan->touched_count; i++)
		plan->touched[i]->is_touched = false;
	plan->is_open = false;
	return ST_OK;
}

void plan_drop(struct plan *plan)
{
	for (size_t i = 0; i < plan->touched_count; i++) {
		struct plan_slot *slot = plan->touched[i];
		if (slot->set->is_draft) {
			forget_draft(plan, slot);
			draft_free(slot->set);
		}
		slot->set = slot->before;
		slot->is_dropped = slot->was_dropped;
		slot->is_touched = false;
	}
	plan->touched_count = 0;
	plan->is_open = false;
}

/* -- edits ------------------------------------------------------------------------------------------------------- */

/* Make the slot's set a draft; the oldest draft of another slot makes place. */
static enum status edit(struct plan *plan, struct plan_slot *slot, struct error *err)
{
	struct set *draft;
	enum status st = touch(plan, slot, err);

	if (st != ST_OK || slot->set->is_draft)
		return st;
	struct plan_slot *oldest = plan->drafts[plan->draft_next];
	if (oldest != NULL)
		st = plan_settle(plan, oldest, err);
	if (st == ST_OK)
		st = draft_new(slot->set, &draft, err);
	if (st != ST_OK)
		return st;
	slot->set = draft;
	plan->drafts[plan->draft_next] = slot;
	plan->draft_next = (plan->draft_next + 1) % DRAFTS_MAX;
	return ST_OK;
}

enum status plan_drop_cluster(struct plan *plan, struct plan_slot *slot, struct error *err)
{
	const enum status st = touch(plan, slot, err);

	if (st == ST_OK)
		slot->is_dropped = true;
	return st;
}

static size_t find_entry(const struct set *set, struct view name)
{
	size_t i = 0;

	while (i < set->count && view_order(&set->entries[i].name, &name) != 0)
		i++;
	return i;
}

static enum status make_room(struct set *draft, struct error *err)
{
	if (draft->count < draft->room)
		return ST_OK;
	if (draft->count >= OBJECTS_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d objects", OBJECTS_MAX);

	const size_t      room = 2 * draft->room;
	struct set_entry *entries = realloc(draft->entries, room * sizeof *entries);
	if (entries != NULL)
		draft->entries = entries;
	struct body **bodies = realloc(draft->bodies, room * sizeof(struct body *));
	if (bodies != NULL)
		draft->bodies = bodies;
	if (entries == NULL || bodies == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	draft->room = room;
	return ST_OK;
}

/* The object's texts as an entry's.  Those of the entry it replaces are used again where they are equal. */
static enum status
copy_texts(struct plan *plan, const struct object *object, struct set_entry *entry, struct error *err)
{
	const struct view  from[] = { object->name, object->api_version, object->kind, object->namespace_, object->events };
	struct view *const to[] = { &entry->name, &entry->api_version, &entry->kind, &entry->namespace_, &entry->events };

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		if (to[i]->ptr != NULL && view_order(to[i], &from[i]) == 0)
			continue;
		const char *copy = arena_copy(&plan->arena, from[i].ptr, from[i].len);
		if (copy == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		*to[i] = (struct view) { copy, from[i].len };
	}
	return ST_OK;
}

enum status plan_write_object(struct plan *plan, struct plan_slot *slot, const struct object *object, struct error *err)
{
	struct body     *body;
	struct set_entry entry = { .phase = 0 };
	enum status      st = edit(plan, slot, err);

	if (st == ST_OK)
		st = plan_intern_body(plan, object->body, object->is_secret, false, &body, err);
	if (st == ST_OK)
		st = make_room(slot->set, err);
	if (st != ST_OK)
		return st;

	struct set  *draft = slot->set;
	const size_t at = find_entry(draft, object->name);
	if (at < draft->count)
		entry = draft->entries[at];
	st = copy_texts(plan, object, &entry, err);
	if (st != ST_OK)
		return st;
	entry.phase = object->phase;
	entry.is_secret = object->is_secret;
	entry.manifest = body->node.digest;
	draft->entries[at] = entry;
	draft->bodies[at] = body;
	if (at == draft->count)
		draft->count++;
	return ST_OK;
}

enum status plan_drop_object(struct plan *plan, struct plan_slot *slot, struct view name, struct error *err)
{
	size_t at = find_entry(slot->set, name);

	if (at == slot->set->count)
		return fail(err, ST_NOT_FOUND, "there is no object \"%.*s\" on cluster \"%.*s\"", (int) name.len, name.ptr,
		            (int) slot->cluster.len, slot->cluster.ptr);
	const enum status st = edit(plan, slot, err);
	if (st != ST_OK)
		return st;

	struct set  *draft = slot->set;
	const size_t behind = draft->count - at - 1;
	memmove(&draft->entries[at], &draft->entries[at + 1], behind * sizeof *draft->entries);
	memmove(&draft->bodies[at], &draft->bodies[at + 1], behind * sizeof(struct body *));
	draft->count--;
	return ST_OK;
}
