/*
 * dry_run_present.c - what is wanted now, read when it is compared.
 */
#include "host/orchestrator/dry_run_priv.h"

enum { SET_MAX = 64 << 20 };

/* A cluster that was looked at. */
struct target { struct node node; bool is_git; };

static int by_name(const void *a, const void *b)
{
	const struct set_entry *const *left = a, *const *right = b;

	return view_order(&(*left)->name, &(*right)->name);
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

enum status present_set(struct comparing *comparing, const struct digest *digest, struct old_set **ret_set, struct error *err)
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

const struct unit_status *present_unit(const struct comparing *comparing, struct view app, struct view cluster)
{
	const struct unit_status *unit = unit_find(comparing->units, comparing->unit_count, app, cluster);

	return unit != NULL && unit->is_wanted ? unit : NULL;
}

static enum status read_target(struct comparing *comparing, struct view cluster, bool *ret_is_git, struct error *err)
{
	const char  *plus = memchr(cluster.ptr, '+', cluster.len);
	const size_t provider = plus != NULL ? (size_t) (plus - cluster.ptr) : 0;
	const char  *path = arena_printf(&comparing->arena, "cluster-providers/%.*s/clusters/%.*s", (int) provider, cluster.ptr,
	                                 (int) (cluster.len - provider - (plus != NULL)), cluster.ptr + provider + (plus != NULL));
	auto_buf     text = BUF(RESOURCE_DOC_MAX);
	auto_json   *doc = NULL;

	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	enum status st = resource_read(comparing->dry_run->operation->o->store, comparing->db, view_of(path), &text, NULL, NULL, err);
	if (st == ST_OK)
		st = json_read(buf_view(&text), &doc, err);
	if (st == ST_OK)
		*ret_is_git = json_text_at(doc, "spec.gitOps.gitOpsType").len > 0;
	return st;
}

enum status present_target(struct comparing *comparing, struct view cluster, bool *ret_is_git, struct error *err)
{
	const struct digest digest = digest_of(cluster);
	struct target      *target = (struct target *) table_find(&comparing->targets, &digest);
	enum status         st = ST_OK;

	if (target == NULL) {
		target = arena_alloc(&comparing->arena, 1, sizeof *target);
		if (target == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		target->node.digest = digest;
		st = read_target(comparing, cluster, &target->is_git, err);
		if (st == ST_OK)
			st = table_add(&comparing->targets, &target->node, err);
	}
	if (st == ST_OK)
		*ret_is_git = target->is_git;
	return st;
}
