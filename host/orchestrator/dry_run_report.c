/*
 * dry_run_report.c - where each app would run and why, and what would change there.
 */
#include "host/orchestrator/dry_run_priv.h"

#include "host/orchestrator/placement_json.h"
#include "host/orchestrator/status_place.h"

enum { MEMORY_MAX = 1 << 30, PASSED_SHOWN = 100 };

static const char *const change_words[CHANGES] = { "none", "add", "change", "remove" };

/* One app on one cluster, while it is compared.  event: of the hooks that would run there; NULL: none would. */
struct compared { struct view cluster; const char *event; };

static void comparing_done(struct comparing *comparing)
{
	table_done(&comparing->old_sets);
	table_done(&comparing->targets);
	arena_done(&comparing->arena);
	db_return(comparing->db);
}

/* -- hooks ----------------------------------------------------------------------------------------------------------- */

/* "install", "upgrade", ...: as on the cluster it follows from what was there and what would be there. */
static const char *event_of(const struct comparing *comparing, enum change change)
{
	if (change == CHANGE_ADD)
		return "install";
	if (change == CHANGE_REMOVE)
		return "delete";
	if (change == CHANGE_NONE)
		return NULL;
	return strcmp(comparing->dry_run->operation->kind, "rollback") == 0 ? "rollback" : "upgrade";
}

/*
 * What a change of a hook is shown as; NOT_SHOWN.
 *
 * NOTE: behind Git hooks that install or upgrade are files like others.  On Kubernetes those of the event run, and none is
 * removed; those of a delete are brought when all else goes.
 */
static enum change hook_change(struct out *out, struct comparing *comparing, const struct compared *place,
                               const struct set_entry *hook, enum change change)
{
	bool is_git = false;

	out->st = present_target(comparing, place->cluster, &is_git, out->err);
	if (out->st != ST_OK)
		return NOT_SHOWN;
	if (is_git)
		return object_is_brought(hook->phase, hook->events) ? change : NOT_SHOWN;
	if (place->event == NULL || !object_hook_is_of(hook->events, place->event))
		return NOT_SHOWN;
	if (change != CHANGE_REMOVE)
		return change;
	return strcmp(place->event, "delete") == 0 ? CHANGE_ADD : NOT_SHOWN;
}

static int name_to_entry(const void *name, const void *entry)
{
	const struct set_entry *const *at = entry;

	return view_order(name, &(*at)->name);
}

/* -- one app on one cluster ------------------------------------------------------------------------------------------ */

static void put_change(struct out *out, enum change change)
{
	out_key(out, "change");
	out_text(out, view_of(change_words[change]));
}

/* Never the object itself: who may see what would change may not see secrets. */
static void put_resource(struct out *out, struct comparing *comparing, const struct compared *place, const struct set_entry *entry,
                         enum change change)
{
	if (entry->phase == EMCO_PHASE_HOOK)
		change = hook_change(out, comparing, place, entry, change);
	if (change == NOT_SHOWN)
		return;
	comparing->resources[change]++;
	if (comparing->is_summary)
		return;
	open_object(out, entry);
	out_member(out, "namespace", entry->namespace_);
	put_change(out, change);
	out_raw(out, "}");
}

static bool is_same(const struct set_entry *left, const struct set_entry *right)
{
	return digest_equal(&left->manifest, &right->manifest) && view_order(&left->namespace_, &right->namespace_) == 0;
}

/* old, new: what is and what would be wanted there; NULL: nothing. */
static enum status put_resources(struct out *out, struct comparing *comparing, const struct compared *place,
                                 const struct set_entry *entries, size_t count, struct old_set *old)
{
	const struct set_entry **end = old != NULL ? old->by_name + old->count : NULL;

	if (old != NULL)
		memset(old->is_met, 0, old->count * sizeof *old->is_met);
	for (size_t i = 0; i < count && out->st == ST_OK; i++) {
		const struct set_entry **found = old == NULL || old->count == 0 ? NULL
			: bsearch(&entries[i].name, old->by_name, old->count, sizeof *old->by_name, name_to_entry);
		if (found != NULL)
			old->is_met[found - old->by_name] = true;
		put_resource(out, comparing, place, &entries[i],
		             found == NULL ? CHANGE_ADD : is_same(*found, &entries[i]) ? CHANGE_NONE : CHANGE_CHANGE);
	}
	for (const struct set_entry **at = old != NULL ? old->by_name : NULL; at < end && out->st == ST_OK; at++)
		if (!old->is_met[at - old->by_name])
			put_resource(out, comparing, place, *at, CHANGE_REMOVE);
	return out->st;
}

static enum change change_of(const struct comparing *comparing, struct plan_slot *slot, const struct unit_status *unit)
{
	if (slot == NULL || unit == NULL)
		return slot == NULL ? CHANGE_REMOVE : CHANGE_ADD;
	const struct digest set = plan_slot_set(comparing->dry_run->plan, slot);
	return digest_equal(&set, &unit->set) ? CHANGE_NONE : CHANGE_CHANGE;
}

/* slot: what would be there, NULL: nothing; unit: what is wanted there, NULL: nothing.  Never both NULL. */
static void compare_place(struct out *out, struct comparing *comparing, struct plan_slot *slot, const struct unit_status *unit)
{
	const struct set_entry *entries = NULL;
	struct old_set         *old = NULL;
	size_t                  count = 0;

	if (out->st == ST_OK && slot != NULL)
		out->st = plan_entries(comparing->dry_run->plan, slot, &entries, &count, out->err);
	if (out->st == ST_OK && unit != NULL)
		out->st = present_set(comparing, &unit->set, &old, out->err);
	if (out->st != ST_OK)
		return;
	const enum change     change = change_of(comparing, slot, unit);
	const struct compared place = { slot != NULL ? plan_slot_cluster(slot) : unit->cluster, event_of(comparing, change) };
	comparing->clusters[change]++;
	if (comparing->is_summary) {
		out->st = put_resources(out, comparing, &place, entries, count, old);
		return;
	}
	out_comma(out);
	out_raw(out, "{");
	put_cluster(out, place.cluster);
	if (slot != NULL)
		put_placement(out, comparing->dry_run->plan, slot);
	put_change(out, change);
	out_key(out, "resources");
	out_raw(out, "[");
	out->st = put_resources(out, comparing, &place, entries, count, old);
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
			compare_place(out, comparing, slot, present_unit(comparing, name, plan_slot_cluster(slot)));
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
