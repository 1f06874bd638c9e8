#include "host/orchestrator/overlay.h"

static void *begin(void *data)
{
	struct overlay *overlay = data;

	overlay->stored = NULL;
	plan_begin(overlay->plan);
	return overlay;
}

static enum status end(void *data, void *unused, bool ok, struct error *err)
{
	struct overlay *overlay = data;

	(void) unused;
	if (ok)
		return plan_keep(overlay->plan, err);
	plan_drop(overlay->plan);
	return ST_OK;
}

void overlay_for(struct overlay *overlay, struct plan *plan, struct chain_call *call)
{
	*overlay = (struct overlay) { .plan = plan };
	call->begin = begin;
	call->end = end;
	call->data = overlay;
}
