/*
 * dry_run.h - what an operation would do, told instead of done.
 *
 * A dry run goes the way of the operation up to its commit: it loads, renders, places and asks the controllers, and is
 * refused by what would refuse the operation.  Then it compares what there would be with what is wanted now.  It takes
 * nobody's turn and writes nothing but Helm's output into the cache.
 */
#ifndef HOST_ORCHESTRATOR_DRY_RUN_H
#define HOST_ORCHESTRATOR_DRY_RUN_H

#include "host/orchestrator/operation.h"
#include "host/orchestrator/plan.h"

struct dry_run {
	struct operation *operation;             /* its report is written                                       */
	struct plan      *plan;                  /* what there would be                                         */
	const struct placement *placements;      /* in the order of the plan's apps; NULL: nothing was decided  */
	int64_t           units;                 /* owner of what is there now                                  */
	int64_t           revision;              /* owner of the revision that there would be                   */
};

enum status MUST_CHECK dry_run_report(const struct dry_run *dry_run, struct error *err);

/* Run the step, and note which controller dropped which cluster.  Texts live in arena. */
enum status MUST_CHECK dry_run_step(struct operation *operation, const struct chain *chain, struct plan *plan,
                                    const struct chain_call *call, struct arena *arena, struct error *err);

/* Most bytes of a report. */
#define DRY_RUN_MAX  ((size_t) 128 << 20)

#endif
