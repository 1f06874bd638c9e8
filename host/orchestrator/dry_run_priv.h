/*
 * dry_run_priv.h - what there would be and what is wanted now, side by side.
 */
#ifndef HOST_ORCHESTRATOR_DRY_RUN_PRIV_H
#define HOST_ORCHESTRATOR_DRY_RUN_PRIV_H

#include "host/orchestrator/dry_run.h"
#include "host/orchestrator/plan_priv.h"
#include "host/store/unit.h"

enum change { CHANGE_NONE, CHANGE_ADD, CHANGE_CHANGE, CHANGE_REMOVE, CHANGES, NOT_SHOWN = CHANGES };

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
	struct table        old_sets, targets;
	struct unit_status *units;               /* by app, then cluster, in byte order */
	size_t              unit_count;
	uint64_t            clusters[CHANGES], resources[CHANGES];
};

/* What was wanted: clusters share sets, and each is read once. */
enum status MUST_CHECK present_set(struct comparing *comparing, const struct digest *digest, struct old_set **ret_set, struct error *err);

/* The unit, if something is wanted there now; else NULL. */
const struct unit_status *present_unit(const struct comparing *comparing, struct view app, struct view cluster);

/* Is the cluster behind Git?  Apps share clusters, and only sets with hooks ask: each is read once. */
enum status MUST_CHECK present_target(struct comparing *comparing, struct view cluster, bool *ret_is_git, struct error *err);

#endif
