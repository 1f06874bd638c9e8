/*
 * plan_store.c - plans as rows: a context, its placements, and the sets and objects that they share.
 */
#include "host/orchestrator/plan_priv.h"
#include "host/orchestrator/status_priv.h"

#include <inttypes.h>

enum { BODY_MAX = 16 << 20 };

/* -- writing ----------------------------------------------------------------------------------------------------- */

/* Everything that live slots need, each once. */
struct needs {
	struct manifest_row  *manifests;
	struct set_row       *sets;
	struct placement_row *placements;
	struct plan_size      count;
};

static void need_set(struct needs *needs, struct set *set)
{
	if (set->is_marked)
		return;
	set->is_marked = true;
	struct set_row *row = &needs->sets[needs->count.sets++];
	*row = (struct set_row) {
		.digest = set->node.digest, .text = set->text, .manifests = set->manifests, .manifest_count = set->count,
	};
	for (size_t i = 0; set->entries != NULL && i < set->count; i++) {
		const struct set_entry *entry = &set->entries[i];
		if (entry->phase == EMCO_PHASE_HOOK)
			row->hidden++;
		else if (entry_is_tracked(entry))
			row->tracked++;
	}
	for (size_t i = 0; i < set->count; i++) {
		struct body *body = set->bodies[i];
		if (body == NULL || body->is_marked)
			continue;
		body->is_marked = true;
		needs->manifests[needs->count.manifests++] = (struct manifest_row) {
			.digest = body->node.digest, .body = body->text, .is_secret = body->is_secret,
		};
	}
}

static void clear_marks(struct plan *plan)
{
	for (size_t i = 0; i < plan->sets.size; i++)
		for (struct node *node = plan->sets.buckets[i]; node != NULL; node = node->next)
			((struct set *) node)->is_marked = false;
	for (size_t i = 0; i < plan->bodies.size; i++)
		for (struct node *node = plan->bodies.buckets[i]; node != NULL; node = node->next)
			((struct body *) node)->is_marked = false;
}

/* NOTE: a draft has no digest yet, so every slot is settled first. */
static enum status gather_needs(struct plan *plan, struct arena *arena, struct needs *needs, struct error *err)
{
	size_t slots = 0;

	for (size_t i = 0; i < plan->app_count; i++)
		slots += plan->apps[i].count;
	for (size_t i = 0; i < plan->app_count; i++)
		for (size_t k = 0; k < plan->apps[i].count; k++) {
			const enum status st = plan_settle(plan, &plan->apps[i].slots[k], err);
			if (st != ST_OK)
				return st;
		}
	needs->placements = arena_alloc(arena, slots + 1, sizeof *needs->placements);
	needs->sets = arena_alloc(arena, plan->sets.count + 1, sizeof *needs->sets);
	needs->manifests = arena_alloc(arena, plan->bodies.count + 1, sizeof *needs->manifests);
	if (needs->placements == NULL || needs->sets == NULL || needs->manifests == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	for (size_t i = 0; i < plan->app_count; i++)
		for (size_t k = 0; k < plan->apps[i].count; k++) {
			struct plan_slot *slot = &plan->apps[i].slots[k];
			if (slot->is_dropped)
				continue;
			needs->placements[needs->count.slots++] = (struct placement_row) {
				.app = plan->apps[i].name, .cluster = slot->cluster, .group = slot->group, .set = slot->set->node.digest,
			};
			need_set(needs, slot->set);
		}
	clear_marks(plan);
	return ST_OK;
}

struct plan_size plan_size(struct plan *plan)
{
	auto_arena   arena = ARENA(PLAN_BYTES_MAX);
	struct needs needs = { .count = { 0, 0, 0 } };

	IGNORE(gather_needs(plan, &arena, &needs, NULL));
	return needs.count;
}

/* Of the tree: what it says of itself, and of each place the set.  Its id is no part of it. */
static enum status find_root(const struct needs *needs, struct arena *arena, struct context_row *row, struct error *err)
{
	const size_t slots = needs->count.slots;
	struct view *parts = arena_alloc(arena, 2 + 4 * slots, sizeof *parts), *part = parts;

	if (parts == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	*part++ = row->meta;
	*part++ = row->plan;
	for (size_t i = 0; i < slots; i++) {
		const struct placement_row *at = &needs->placements[i];
		*part++ = at->app;
		*part++ = at->cluster;
		*part++ = at->group;
		*part++ = (struct view) { (const char *) at->set.bytes, DIGEST_SIZE };
	}
	row->root = digest_of_parts(parts, (size_t) (part - parts));
	return ST_OK;
}

static void take_id(struct plan *plan, int64_t id)
{
	plan->id = id;
	snprintf(plan->id_text, sizeof plan->id_text, "%" PRId64, id);
}

enum status plan_flush(struct plan *plan, struct store *store, struct db *db, int64_t owner, struct error *err)
{
	auto_arena   arena = ARENA(PLAN_BYTES_MAX);
	auto_buf     meta = BUF(PLAN_META_MAX), apps = BUF(PLAN_APPS_MAX);
	struct needs needs = { .count = { 0, 0, 0 } };
	enum status  st;

	if ((st = plan_write_meta(&plan->meta, &meta, err)) != ST_OK || (st = plan_write_apps(plan, &apps, err)) != ST_OK ||
	    (st = gather_needs(plan, &arena, &needs, err)) != ST_OK)
		return st;
	struct context_row row = {
		.id = plan->id, .owner = owner, .meta = buf_view(&meta), .plan = buf_view(&apps),
		.status_context = plan->meta.status_context != 0 ? plan->meta.status_context : plan->id,
	};
	int64_t kept = 0;
	if ((st = find_root(&needs, &arena, &row, err)) != ST_OK ||
	    (st = context_find(db, owner, row.status_context, &row.root, &kept, err)) != ST_OK)
		return st;
	if (kept != 0) {
		take_id(plan, kept);
		return ST_OK;
	}
	return context_write(store, db, &row, needs.manifests, needs.count.manifests, needs.sets, needs.count.sets,
	                     needs.placements, needs.count.slots, err);
}

/* -- reading ----------------------------------------------------------------------------------------------------- */

static enum status stored_set(struct plan *plan, const struct digest *digest, struct set **ret_set, struct error *err)
{
	struct set *set = (struct set *) table_find(&plan->sets, digest);

	if (set == NULL) {
		set = arena_alloc(&plan->arena, 1, sizeof *set);
		if (set == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		set->node.digest = *digest;
		const enum status st = table_add(&plan->sets, &set->node, err);
		if (st != ST_OK)
			return st;
	}
	*ret_set = set;
	return ST_OK;
}

/* Rows of one app stand together once they are sorted by (place of the app in the order, cluster). */
struct ranked { const struct placement_row *row; size_t rank; };

static int by_rank(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	const int order = view_order(&left->row->app, &right->row->app);
	return order != 0 ? order : view_order(&left->row->cluster, &right->row->cluster);
}

static enum status
load_apps(struct plan *plan, const json_t *apps, const struct placement_row *rows, size_t count, struct error *err)
{
	struct ranked    *ranked = arena_alloc(&plan->arena, count + 1, sizeof *ranked);
	struct plan_slot *slots = arena_alloc(&plan->arena, count + 1, sizeof *slots);
	struct view       last = { NULL, 0 };

	plan->apps = arena_alloc(&plan->arena, count + 1, sizeof *plan->apps);
	if (ranked == NULL || slots == NULL || plan->apps == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked) { &rows[i], plan_app_rank(apps, rows[i].app) };
	qsort(ranked, count, sizeof *ranked, by_rank);

	for (size_t i = 0; i < count; i++) {
		const struct placement_row *row = ranked[i].row;
		if (last.ptr == NULL || view_order(&last, &row->app) != 0) {
			struct plan_app *begun = &plan->apps[plan->app_count++];
			*begun = (struct plan_app) { .name = row->app, .slots = &slots[i] };
			const enum status read = plan_read_whys(apps, &plan->arena, begun, err);
			if (read != ST_OK)
				return read;
		}
		last = row->app;
		struct plan_app *app = &plan->apps[plan->app_count - 1];
		slots[i] = (struct plan_slot) {
			.app = (unsigned) plan->app_count - 1, .cluster = row->cluster, .group = row->group,
		};
		app->count++;
		const enum status st = stored_set(plan, &row->set, &slots[i].set, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status plan_load(struct store *store, struct db *db, int64_t id, struct plan **ret_plan, struct error *err)
{
	static const struct plan_meta no_meta = { .status_context = 0 };
	auto_plan             *plan = plan_new(store->sealer, &no_meta);
	json_t                *apps;                        /* the plan's from the moment it is read */
	struct context_row     row;
	struct placement_row  *rows;
	size_t                 count;
	enum status            st;

	if (plan == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	take_id(plan, id);
	plan->store = store;
	plan->db = db;
	if ((st = context_read(db, id, &plan->arena, &row, err)) != ST_OK ||
	    (st = context_placements(db, id, &plan->arena, &rows, &count, err)) != ST_OK ||
	    (st = plan_read_meta(row.meta, &plan->arena, &plan->meta, err)) != ST_OK ||
	    (st = json_read(row.plan, &apps, err)) != ST_OK || (st = json_own(&plan->arena, apps, err)) != ST_OK ||
	    (st = load_apps(plan, apps, rows, count, err)) != ST_OK)
		return st;
	plan->meta.status_context = row.status_context;
	*ret_plan = plan;
	plan = NULL;
	return ST_OK;
}

enum status plan_fetch_set(struct plan *plan, struct set *set, struct error *err)
{
	auto_buf    text = BUF(64 << 20);
	enum status st;

	if (plan->db == NULL)
		return fail(err, ST_INTERNAL, "a stored context is read without a connection");
	st = set_read(plan->db, &set->node.digest, &text, err);
	if (st != ST_OK)
		return st;
	const char *copy = arena_copy(&plan->arena, text.data, text.len);
	if (copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	set->text = (struct view) { copy, text.len };

	struct set_entry *entries;
	st = set_decode(set->text, &plan->arena, &entries, &set->count, err);
	if (st != ST_OK)
		return st;
	set->bodies = arena_alloc(&plan->arena, set->count + 1, sizeof(struct body *));
	if (set->bodies == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	set->entries = entries;
	return ST_OK;
}

enum status plan_fetch_body(struct plan *plan, const struct set_entry *entry, struct body **ret_body, struct error *err)
{
	struct body *body = (struct body *) table_find(&plan->bodies, &entry->manifest);
	auto_buf     text = BUF(BODY_MAX);
	enum status  st;

	if (body != NULL) {
		*ret_body = body;
		return ST_OK;
	}
	if (plan->db == NULL)
		return fail(err, ST_INTERNAL, "a stored context is read without a connection");
	st = manifest_read(plan->store, plan->db, &entry->manifest, &text, err);
	if (st != ST_OK)
		return st;
	body = arena_alloc(&plan->arena, 1, sizeof *body);
	const char *copy = arena_copy(&plan->arena, text.data, text.len);
	if (body == NULL || copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	body->node.digest = entry->manifest;
	body->text = (struct view) { copy, text.len };
	body->is_secret = entry->is_secret;
	*ret_body = body;
	return table_add(&plan->bodies, &body->node, err);
}
