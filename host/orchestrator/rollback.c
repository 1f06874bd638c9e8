/*
 * rollback.c - back to an earlier revision: its context is still there, and the units move to it.
 *
 * Nothing is rendered, placed or decided again, so no controller is asked; those that the deployment names now are told
 * afterwards.  What is equal moves nowhere, as in an update.
 */
#include "host/orchestrator/deployment.h"
#include "host/orchestrator/dry_run.h"
#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/making.h"
#include "lib/base/log.h"

#include <inttypes.h>

enum { REVISIONS_SHOWN = 16, CONTEXT_BYTES_MAX = 4 << 20 };

struct returning {
	struct operation *operation;
	struct deployment deployment;
	struct chain      chain;
	struct action     last;              /* the state it started from                 */
	struct action     target;            /* what has the revision; instance 0: none   */
	int64_t           seq, newest;       /* of the last action; its revision          */
	bool              is_cut;            /* the life is longer than its actions tell  */
	const int64_t    *kept;              /* contexts, in order                        */
	size_t            kept_count;
	int64_t           revisions[REVISIONS_SHOWN];    /* the last ones kept, as a ring */
	size_t            revision_count;
	char              context[24], from[24];
};

static void returning_done(struct returning *returning)
{
	deployment_done(&returning->deployment);
}

/* -- which context ----------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *) a, right = *(const int64_t *) b;

	return (left > right) - (left < right);
}

static bool is_kept(const struct returning *returning, int64_t context)
{
	return bsearch(&context, returning->kept, returning->kept_count, sizeof context, by_id) != NULL;
}

/* In the order of the life: another instantiation begins where the deployment was not instantiated. */
static enum status note_action(void *data, const struct action *action, struct error *err)
{
	struct returning *returning = data;
	enum life         life;

	(void) err;
	if (!life_of(action->state, &life))
		return ST_OK;
	const bool is_start = life == LIFE_CREATED || life == LIFE_APPROVED || life == LIFE_TERMINATED;
	if (is_start) {
		returning->target.instance = 0;
		returning->revision_count = 0;
	}
	returning->is_cut = !is_start && (returning->is_cut || action->seq != returning->seq + 1);
	returning->seq = action->seq;
	if (life != LIFE_INSTANTIATED)
		return ST_OK;
	returning->newest = action->revision;
	if (is_kept(returning, action->instance))
		returning->revisions[returning->revision_count++ % REVISIONS_SHOWN] = action->revision;
	if (action->revision == returning->operation->input.revision)
		returning->target = *action;
	return ST_OK;
}

/* It never was, or it is too old.  One of a long life's middle, or before, is too old as far as can be told. */
static enum status no_revision(const struct returning *returning, struct error *err)
{
	const struct view name = path_part(returning->operation->path, PART_DEPLOYMENT);
	const size_t      count = returning->revision_count, first = count > REVISIONS_SHOWN ? count - REVISIONS_SHOWN : 0;
	auto_buf          list = BUF(1024);
	enum status       st = buf_add_text(&list, first > 0 ? "..., " : "", err);

	for (size_t i = first; st == ST_OK && i < count; i++)
		st = buf_printf(&list, err, "%s%" PRId64, i > first ? ", " : "", returning->revisions[i % REVISIONS_SHOWN]);
	if (st != ST_OK)
		return st;
	const int64_t asked = returning->operation->input.revision;
	const bool    was = returning->target.instance != 0 || (returning->is_cut && asked > 0 && asked < returning->newest);
	return fail_at(err, was ? ST_CONFLICT : ST_NOT_FOUND, "/spec/revision", "\"%.*s\" %s revision %" PRId64 " %s; there is %s",
	               (int) name.len, name.ptr, was ? "does not keep" : "has no", asked,
	               was ? "any more" : "since it was instantiated", list.data);
}

static enum status find_target(struct returning *returning, struct db *db, struct error *err)
{
	const int64_t owner = returning->operation->owner;
	int64_t      *kept;
	enum status   st = context_list(db, owner, &returning->deployment.arena, &kept, &returning->kept_count, err);

	if (st != ST_OK)
		return st;
	returning->kept = kept;
	if ((st = action_list(db, owner, note_action, returning, err)) != ST_OK)
		return st;
	if (!is_kept(returning, returning->target.instance))
		return no_revision(returning, err);
	snprintf(returning->context, sizeof returning->context, "%" PRId64, returning->target.instance);
	snprintf(returning->from, sizeof returning->from, "%" PRId64, returning->last.instance);
	return ST_OK;
}

/* Again once the deployment is locked: units must not move to a context that somebody has removed meanwhile. */
static enum status check_kept(const struct returning *returning, struct db *db, struct error *err)
{
	auto_arena         arena = ARENA(CONTEXT_BYTES_MAX);
	struct context_row row;
	const enum status  st = context_read(db, returning->target.instance, &arena, &row, err);

	if (st != ST_NOT_FOUND)
		return st;
	return fail_at(err, ST_CONFLICT, "/spec/revision", "what revision %" PRId64 " deployed is not kept any more",
	               returning->target.revision);
}

/* -- the operation ----------------------------------------------------------------------------------------------- */

/* No controller decides: one that is missing now keeps nobody from going back. */
static void find_chain(struct returning *returning, struct db *db)
{
	struct operation    *operation = returning->operation;
	struct orchestrator *o = operation->o;
	struct deployment   *d = &returning->deployment;
	struct error         err;

	if (chain_build(o->plugins, o->store, db, d->intents, &d->arena, &returning->chain, &err) == ST_OK)
		return;
	returning->chain.count = 0;
	log_warning("operation.nobody_is_told", "path", operation->path.ptr, "error", err.text);
}

static enum status load(struct returning *returning, struct error *err)
{
	struct operation    *operation = returning->operation;
	struct orchestrator *o = operation->o;
	struct deployment   *d = &returning->deployment;
	auto_db             *db = NULL;
	enum life            to;
	enum status          st = db_borrow(o->store->pool, operation->deadline_ns, &db, err);

	if (st != ST_OK || (st = action_last(db, operation->owner, &returning->last, err)) != ST_OK ||
	    (st = deployment_check_life(db, operation->path, operation->owner, &returning->last, ON_ROLLBACK, &to, err)) != ST_OK ||
	    (st = find_target(returning, db, err)) != ST_OK ||
	    (st = deployment_load_head(d, o, db, operation->path, err)) != ST_OK ||
	    (st = deployment_load_cloud(d, o, db, err)) != ST_OK ||
	    (st = deployment_load_intents(d, o, db, err)) != ST_OK)
		return st;
	find_chain(returning, db);
	return ST_OK;
}

static enum status write(struct db *db, void *data, struct error *err)
{
	struct returning *returning = data;
	struct operation *operation = returning->operation;
	const int64_t     owner = operation->owner, instance = returning->target.instance;
	const int64_t     status_context = returning->last.status_context;
	enum status       st;

	if ((st = deployment_lock(db, operation->path, owner, &returning->last, err)) != ST_OK ||
	    (st = deployment_lock_cloud(&returning->deployment, db, err)) != ST_OK ||
	    (st = check_kept(returning, db, err)) != ST_OK ||
	    (st = deployment_check_clusters(&returning->deployment, db, instance, err)) != ST_OK ||
	    (st = unit_move(db, owner, instance, status_context, "rollback", err)) != ST_OK ||
	    (st = deployment_left(db, owner, &returning->last, err)) != ST_OK)
		return st;
	return deployment_arrived(operation->o, db, owner, instance, status_context, &operation->revision, err);
}

static void tell(struct returning *returning)
{
	const struct chain_call call = {
		.step = CHAIN_POST, .context = view_of(returning->context), .from = view_of(returning->from),
		.event = EMCO_EVENT_UPDATE,
	};

	operation_tell(returning->operation, &returning->chain, &call);
}

/* The report reads on a connection of its own: none is held while another is waited for. */
static enum status load_plan(const struct returning *returning, struct plan **ret_plan, struct error *err)
{
	const struct operation *operation = returning->operation;
	auto_db                *db = NULL;
	const enum status       st = db_borrow(operation->o->store->pool, operation->deadline_ns, &db, err);

	return st == ST_OK ? plan_load(operation->o->store, db, returning->target.instance, ret_plan, err) : st;
}

static enum status report(const struct returning *returning, struct error *err)
{
	struct operation *operation = returning->operation;
	auto_plan        *plan = NULL;
	const enum status st = load_plan(returning, &plan, err);

	if (st != ST_OK)
		return st;
	return dry_run_report(&(struct dry_run) {
		.operation = operation, .plan = plan, .units = operation->owner, .revision = operation->owner,
	}, err);
}

enum status deployment_rolling_back(struct operation *operation, struct error *err)
{
	CLEANUP(returning_done) struct returning returning = { .operation = operation };
	enum status st;

	deployment_init(&returning.deployment);
	st = load(&returning, err);
	if (st == ST_OK && operation->input.dry != DRY_NOT)
		return report(&returning, err);
	if (st != ST_OK || (st = operation_commit(operation, write, &returning, err)) != ST_OK)
		return st;
	tell(&returning);
	return ST_OK;
}

enum status deployment_rollback(struct orchestrator *o, struct view path, const struct asker *asker, int64_t revision,
                                int64_t deadline_ns, struct operation_reply *ret_reply, struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .revision = revision, .target = VIEW("") };

	return operation_run(o, path, "rollback", deployment_rolling_back, &input, deadline_ns, &ret_reply->revision, err);
}
