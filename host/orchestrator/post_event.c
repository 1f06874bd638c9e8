/*
 * post_event.c - what controllers are told once an operation is done.
 *
 * Nothing that one says then changes the outcome: it is kept as a warning in the history of the deployment.
 */
#include "host/orchestrator/operation.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { NOTE_MS = 10000 };

/* The time of the operation may have gone by, with a controller that did not answer. */
static enum status note(const struct operation *operation, struct view warning, struct error *err)
{
	auto_db    *db = NULL;
	enum status st = db_borrow(operation->o->store->pool, deadline_in_ms(NOTE_MS), &db, err);

	return st == ST_OK ? history_warn(db, operation->owner, operation->token, warning, err) : st;
}

void operation_tell(const struct operation *operation, const struct chain *chain, const struct chain_call *call)
{
	struct error told, noted;

	if (chain_run(chain, operation->o->store, call, operation->deadline_ns, &told) == ST_OK)
		return;
	log_warning("operation.post_event_failed", "path", operation->path.ptr, "error", told.text);
	if (note(operation, view_of(told.text), &noted) != ST_OK)
		log_warning("operation.post_event_not_noted", "path", operation->path.ptr, "error", noted.text);
}
