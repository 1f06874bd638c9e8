#include "host/orchestrator/dry_run.h"

#include "host/orchestrator/making.h"
#include "host/orchestrator/plan_priv.h"

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
	return chain_run(chain, operation->o->store, &explained, operation->deadline_ns, err);
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
