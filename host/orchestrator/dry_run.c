#include "host/orchestrator/dry_run.h"

#include "host/orchestrator/making.h"
#include "host/orchestrator/placement_json.h"
#include "host/orchestrator/plan_priv.h"
#include "host/orchestrator/status_place.h"

#include <inttypes.h>

enum { MEMORY_MAX = 1 << 30, SET_MAX = 64 << 20, PASSED_SHOWN = 100 };

enum change { CHANGE_NONE, CHANGE_ADD, CHANGE_CHANGE, CHANGE_REMOVE, CHANGES };
static const char *const change_words[CHANGES] = { "none", "add", "change", "remove" };

/* A set that is wanted now, with its entries in order of name beside. */
struct old_set {
	struct node             node;
	const struct set_entry *entries;
	const struct set_entry **by_name;
	bool                   *is_met;          /* beside by_name: has the new set one of that name? */
	size_t                  count;
};

struct comparing {
	const struct dry_run *dry_run;
	bool                is_summary;
	struct db          *db;
	struct arena        arena;
	struct table        old_sets;
	struct unit_status *units;               /* by app, then cluster, in byte order */
	size_t              unit_count;
	uint64_t            clusters[CHANGES], resources[CHANGES];
};

static void comparing_done(struct comparing *comparing)
{
	table_done(&comparing->old_sets);
	arena_done(&comparing->arena);
	db_return(comparing->db);
}

/* -- what is wanted now ---------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct set_entry *const *left = a, *const *right = b;

	return view_order(&(*left)->name, &(*right)->name);
}

static int name_to_entry(const void *name, const void *entry)
{
	const struct set_entry *const *at = entry;

	return view_order(name, &(*at)->name);
}

static enum status read_set(struct comparing *comparing, struct old_set *set, struct error *err)
{
	auto_buf          text = BUF(SET_MAX);
	struct view       kept;
	struct set_entry *entries;
	enum status       st;

	if ((st = set_read(comparing->db, &set->node.digest, &text, err)) != ST_OK ||
	    (st = arena_keep(&comparing->arena, buf_view(&text), &kept, err)) != ST_OK ||
	    (st = set_decode(kept, &comparing->arena, &entries, &set->count, err)) != ST_OK)
		return st;
	set->entries = entries;
	set->by_name = arena_alloc(&comparing->arena, set->count + 1, sizeof *set->by_name);
	set->is_met = arena_alloc(&comparing->arena, set->count + 1, sizeof *set->is_met);
	if (set->by_name == NULL || set->is_met == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < set->count; i++)
		set->by_name[i] = &entries[i];
	qsort(set->by_name, set->count, sizeof *set->by_name, by_name);
	return ST_OK;
}

/* Clusters share sets: each is read once. */
static enum status find_set(struct comparing *comparing, const struct digest *digest, struct old_set **ret_set,
                            struct error *err)
{
	struct old_set *set = (struct old_set *) table_find(&comparing->old_sets, digest);
	enum status     st = ST_OK;

	if (set == NULL) {
		set = arena_alloc(&comparing->arena, 1, sizeof *set);
		if (set == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		set->node.digest = *digest;
		st = read_set(comparing, set, err);
		if (st == ST_OK)
			st = table_add(&comparing->old_sets, &set->node, err);
	}
	if (st == ST_OK)
		*ret_set = set;
	return st;
}

struct place_key { struct view app, cluster; };

static int by_place(const void *key, const void *unit)
{
	const struct place_key   *place = key;
	const struct unit_status *at = unit;
	const int                 order = view_order(&place->app, &at->app);

	return order != 0 ? order : view_order(&place->cluster, &at->cluster);
}

/* The unit, if something is wanted there now; else NULL. */
static const struct unit_status *wanted_now(const struct comparing *comparing, struct view app, struct view cluster)
{
	const struct place_key    key = { app, cluster };
	const struct unit_status *unit = comparing->unit_count > 0
		? bsearch(&key, comparing->units, comparing->unit_count, sizeof *comparing->units, by_place) : NULL;

	return unit != NULL && unit->is_wanted ? unit : NULL;
}

/* -- one app on one cluster ------------------------------------------------------------------------------------------ */

static void put_change(struct out *out, enum change change)
{
	out_key(out, "change");
	out_text(out, view_of(change_words[change]));
}

/* Never the object itself: who may see what would change may not see secrets. */
static void put_resource(struct out *out, struct comparing *comparing, const struct set_entry *entry, enum change change)
{
	if (!object_is_brought(entry->phase, entry->events))
		return;
	comparing->resources[change]++;
	if (comparing->is_summary)
		return;
	out_comma(out);
	out_raw(out, "{");
	put_gvk(out, entry);
	out_key(out, "name");
	out_text(out, object_plain_name(entry->name));
	out_member(out, "namespace", entry->namespace_);
	put_change(out, change);
	out_raw(out, "}");
}

static bool is_same(const struct set_entry *left, const struct set_entry *right)
{
	return digest_equal(&left->manifest, &right->manifest) && view_order(&left->namespace_, &right->namespace_) == 0;
}

/* old, new: what is and what would be wanted there; NULL: nothing. */
static enum status put_resources(struct out *out, struct comparing *comparing, const struct set_entry *entries, size_t count,
                                 struct old_set *old)
{
	const struct set_entry **end = old != NULL ? old->by_name + old->count : NULL;

	if (old != NULL)
		memset(old->is_met, 0, old->count * sizeof *old->is_met);
	for (size_t i = 0; i < count && out->st == ST_OK; i++) {
		const struct set_entry **found = old == NULL || old->count == 0 ? NULL
			: bsearch(&entries[i].name, old->by_name, old->count, sizeof *old->by_name, name_to_entry);
		if (found != NULL)
			old->is_met[found - old->by_name] = true;
		put_resource(out, comparing, &entries[i],
		             found == NULL ? CHANGE_ADD : is_same(*found, &entries[i]) ? CHANGE_NONE : CHANGE_CHANGE);
	}
	for (const struct set_entry **at = old != NULL ? old->by_name : NULL; at < end && out->st == ST_OK; at++)
		if (!old->is_met[at - old->by_name])
			put_resource(out, comparing, *at, CHANGE_REMOVE);
	return out->st;
}

static enum change change_of(const struct comparing *comparing, struct plan_slot *slot, const struct unit_status *unit)
{
	if (slot == NULL || unit == NULL)
		return slot == NULL ? CHANGE_REMOVE : CHANGE_ADD;
	const struct digest set = plan_slot_set(comparing->dry_run->plan, slot);
	return digest_equal(&set, &unit->set) ? CHANGE_NONE : CHANGE_CHANGE;
}

/* slot: what would be there, NULL: nothing; unit: what is wanted there, NULL: nothing.  Never both. */
static void compare_place(struct out *out, struct comparing *comparing, struct plan_slot *slot, const struct unit_status *unit)
{
	const struct set_entry *entries = NULL;
	struct old_set         *old = NULL;
	size_t                  count = 0;

	if (out->st == ST_OK && slot != NULL)
		out->st = plan_entries(comparing->dry_run->plan, slot, &entries, &count, out->err);
	if (out->st == ST_OK && unit != NULL)
		out->st = find_set(comparing, &unit->set, &old, out->err);
	if (out->st != ST_OK)
		return;
	const enum change change = change_of(comparing, slot, unit);
	comparing->clusters[change]++;
	if (comparing->is_summary) {
		out->st = put_resources(out, comparing, entries, count, old);
		return;
	}
	out_comma(out);
	out_raw(out, "{");
	put_cluster(out, slot != NULL ? plan_slot_cluster(slot) : unit->cluster);
	if (slot != NULL)
		put_placement(out, comparing->dry_run->plan, slot);
	put_change(out, change);
	out_key(out, "resources");
	out_raw(out, "[");
	out->st = put_resources(out, comparing, entries, count, old);
	out_raw(out, "]}");
}

/* -- an app ---------------------------------------------------------------------------------------------------------- */

static void put_passed(struct out *out, struct view cluster, struct view why, size_t at)
{
	if (at >= PASSED_SHOWN)
		return;
	out_comma(out);
	out_raw(out, "{");
	put_cluster(out, cluster);
	out_key(out, "why");
	out_text(out, why);
	out_raw(out, "}");
}

/* Candidates that did not become a place: a label may mean very many, so only the first are told. */
static void put_passed_over(struct out *out, const struct dry_run *dry_run, size_t app)
{
	const struct placement *placement = dry_run->placements != NULL ? &dry_run->placements[app] : NULL;
	struct view             cluster, why;
	size_t                  count = 0;

	out_key(out, "passedOver");
	out_raw(out, "[");
	for (size_t i = 0; i < plan_slot_count(dry_run->plan, app); i++)
		if (plan_dropped(dry_run->plan, app, i, &cluster, &why))
			put_passed(out, cluster, why, count++);
	for (size_t i = 0; placement != NULL && i < placement->passed_count; i++)
		put_passed(out, placement->passed[i].cluster, view_of(placement->passed[i].why), count++);
	out_raw(out, "]");
	if (count > PASSED_SHOWN) {
		out_key(out, "passedOverMore");
		out_number(out, (int64_t) (count - PASSED_SHOWN));
	}
}

/* Where the app is wanted, and would be no more. */
static void put_left(struct out *out, struct comparing *comparing, struct view app)
{
	for (size_t i = 0; i < comparing->unit_count && out->st == ST_OK; i++) {
		const struct unit_status *unit = &comparing->units[i];
		if (unit->is_wanted && view_order(&unit->app, &app) == 0 &&
		    plan_find(comparing->dry_run->plan, app, unit->cluster) == NULL)
			compare_place(out, comparing, NULL, unit);
	}
}

static void open_app(struct out *out, const struct comparing *comparing, struct view app)
{
	if (comparing->is_summary)
		return;
	out_comma(out);
	out_raw(out, "{");
	out_key(out, "name");
	out_text(out, app);
	out_key(out, "clusters");
	out_raw(out, "[");
}

static void put_app(struct out *out, struct comparing *comparing, size_t app)
{
	struct plan      *plan = comparing->dry_run->plan;
	const struct view name = plan_app(plan, app);

	open_app(out, comparing, name);
	for (size_t i = 0; i < plan_slot_count(plan, app) && out->st == ST_OK; i++) {
		struct plan_slot *slot = plan_slot(plan, app, i);
		if (slot != NULL)
			compare_place(out, comparing, slot, wanted_now(comparing, name, plan_slot_cluster(slot)));
	}
	put_left(out, comparing, name);
	if (comparing->is_summary)
		return;
	out_raw(out, "]");
	put_passed_over(out, comparing->dry_run, app);
	out_raw(out, "}");
}

static bool is_planned(const struct plan *plan, struct view app)
{
	for (size_t i = 0; i < plan_app_count(plan); i++) {
		const struct view name = plan_app(plan, i);
		if (view_order(&name, &app) == 0)
			return true;
	}
	return false;
}

/* Apps of which nothing would be left; units of one stand together. */
static void put_gone_apps(struct out *out, struct comparing *comparing)
{
	struct view last = VIEW("");

	for (size_t i = 0; i < comparing->unit_count && out->st == ST_OK; i++) {
		const struct unit_status *unit = &comparing->units[i];
		if (!unit->is_wanted || view_order(&unit->app, &last) == 0 || is_planned(comparing->dry_run->plan, unit->app))
			continue;
		last = unit->app;
		open_app(out, comparing, unit->app);
		put_left(out, comparing, unit->app);
		if (!comparing->is_summary)
			out_raw(out, "],\"passedOver\":[]}");
	}
}

/* -- the whole ------------------------------------------------------------------------------------------------------- */

static void put_counts(struct out *out, const char *key, const uint64_t counts[CHANGES])
{
	out_key(out, key);
	out_raw(out, "{");
	for (size_t i = 0; i < CHANGES; i++) {
		out_key(out, change_words[i]);
		out_number(out, (int64_t) counts[i]);
	}
	out_raw(out, "}");
}

enum status dry_run_report(const struct dry_run *dry_run, struct error *err)
{
	struct operation *operation = dry_run->operation;
	struct buf       *report = &operation->report;
	auto_buf          apps = BUF(DRY_RUN_MAX);
	struct out        beside = { &apps, err, ST_OK };
	int64_t           revision;
	CLEANUP(comparing_done) struct comparing comparing = {
		.dry_run = dry_run, .is_summary = operation->input.dry == DRY_SUMMARY,
	};
	enum status       st;

	arena_init(&comparing.arena, MEMORY_MAX);
	if ((st = db_borrow(operation->o->store->pool, operation->deadline_ns, &comparing.db, err)) != ST_OK ||
	    (st = action_max_revision(comparing.db, dry_run->revision, &revision, err)) != ST_OK ||
	    (st = unit_list(comparing.db, dry_run->units, &comparing.arena, &comparing.units, &comparing.unit_count, err)) != ST_OK)
		return st;
	if (plan_is_stored(dry_run->plan))
		plan_use(dry_run->plan, comparing.db);
	for (size_t i = 0; i < plan_app_count(dry_run->plan) && beside.st == ST_OK; i++)
		put_app(&beside, &comparing, i);
	put_gone_apps(&beside, &comparing);

	struct out out = { report, err, beside.st };
	out_raw(&out, "{");
	out_member(&out, "operation", view_of(operation->kind));
	out_key(&out, "revision");
	out_number(&out, revision + 1);
	put_counts(&out, "clusters", comparing.clusters);
	put_counts(&out, "resources", comparing.resources);
	if (!comparing.is_summary) {
		out_key(&out, "apps");
		out_raw(&out, "[");
		out_bytes(&out, buf_view(&apps));
		out_raw(&out, "]");
	}
	out_raw(&out, "}");
	return out.st;
}

/* -- controllers ----------------------------------------------------------------------------------------------------- */

/* Around the plan's own begin and end: links with a part in the step come in order. */
struct explaining {
	const struct chain_call *call;
	const struct chain      *chain;
	struct plan             *plan;
	struct arena            *arena;
	size_t                   next;
};

static void *begin(void *data)
{
	const struct explaining *explaining = data;

	return explaining->call->begin(explaining->call->data);
}

static enum status end(void *data, void *overlay, bool ok, struct error *err)
{
	struct explaining *explaining = data;
	const enum status  st = explaining->call->end(explaining->call->data, overlay, ok, err);
	const struct link *links = explaining->chain->links, *link;

	do
		link = &links[explaining->next++];
	while (explaining->call->step == CHAIN_PLACE ? !link->is_placement : !link->is_action);
	if (st != ST_OK || !ok)
		return st;
	const char *why = arena_printf(explaining->arena, "controller \"%.*s\" dropped it", (int) link->controller.len,
	                               link->controller.ptr);
	if (why == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	plan_explain_drops(explaining->plan, view_of(why));
	return ST_OK;
}

enum status dry_run_step(struct operation *operation, const struct chain *chain, struct plan *plan, const struct chain_call *call,
                         struct arena *arena, struct error *err)
{
	struct explaining explaining = { .call = call, .chain = chain, .plan = plan, .arena = arena };
	struct chain_call explained = *call;

	explained.begin = begin;
	explained.end = end;
	explained.data = &explaining;
	return chain_run(chain, operation->o->plugins, operation->o->store, &explained, operation->deadline_ns, err);
}

/* -- asking for one -------------------------------------------------------------------------------------------------- */

static const struct { const char *kind; operation_work *work; } kinds[] = {
	[DRY_INSTANTIATE] = { "instantiate", deployment_instantiating },
	[DRY_UPDATE]      = { "update",      deployment_updating      },
	[DRY_ROLLBACK]    = { "rollback",    deployment_rolling_back  },
	[DRY_MIGRATE]     = { "migrate",     deployment_migrating     },
};

enum status deployment_dry_run(struct orchestrator *o, struct view path, const struct dry_ask *ask, int64_t deadline_ns,
                               struct buf *reply, struct error *err)
{
	struct operation_input input = {
		.asker = asker_of(NULL), .revision = ask->revision, .target = VIEW(""), .dry = ask->is_summary ? DRY_SUMMARY : DRY_ALL,
		.reply = reply,
	};
	auto_buf    target = BUF(4096);
	enum status st = ST_OK;

	if (ask->kind == DRY_MIGRATE)
		st = migration_target(path, ask->version, ask->name, &target, err);
	if (st != ST_OK)
		return st;
	input.target = buf_view(&target);
	return operation_run(o, path, kinds[ask->kind].kind, kinds[ask->kind].work, &input, deadline_ns, NULL, err);
}
