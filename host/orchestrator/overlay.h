/*
 * overlay.h - what a call of a controller sees of contexts: the plan that is being made, and stored ones.
 *
 * struct call carries one in `overlay`.  Whoever runs a chain makes it around each call; where nobody did (status,
 * synchronisers), the extension makes one of its own, in which everything can only be read.
 */
#ifndef HOST_ORCHESTRATOR_OVERLAY_H
#define HOST_ORCHESTRATOR_OVERLAY_H

#include "host/orchestrator/plan.h"
#include "host/registry/chain.h"

struct overlay {
	struct plan *plan;              /* open for edits; NULL: none                              */
	struct plan *stored;            /* the last one that was read; owned by the call's arena   */
};

/* Fill the chain call's begin, end and data, so that each controller edits plan in an overlay of its own. */
void overlay_for(struct overlay *overlay, struct plan *plan, struct chain_call *call);

#endif
