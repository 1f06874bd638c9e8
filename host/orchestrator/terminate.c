/*
 * terminate.c - the other steps of a deployment's life: approve, stop, terminate, and whether it may be changed or deleted.
 */
#include "host/orchestrator/deployment.h"
#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/operation.h"
#include "host/orchestrator/overlay.h"
#include "lib/base/log.h"

#include <inttypes.h>

enum { UNITS_MAX = 256 << 20 };

static struct view name_of(struct view path)
{
	return path_part(path, PART_DEPLOYMENT);
}

/* -- terminate --------------------------------------------------------------------------------------------------- */

struct ending {
	struct operation *operation;
	struct deployment deployment;
	struct chain      chain;
	struct action     last;
	char              context[24];
};

static void ending_done(struct ending *ending)
{
	deployment_done(&ending->deployment);
}

static enum status load(struct ending *ending, struct error *err)
{
	struct operation    *operation = ending->operation;
	struct orchestrator *o = operation->o;
	struct deployment   *d = &ending->deployment;
	auto_db             *db = NULL;
	enum life            to;
	enum status          st = db_borrow(o->store->pool, operation->deadline_ns, &db, err);

	if (st != ST_OK || (st = action_last(db, operation->owner, &ending->last, err)) != ST_OK ||
	    (st = deployment_check_life(db, operation->path, operation->owner, &ending->last, ON_TERMINATE, &to, err)) != ST_OK ||
	    (st = deployment_load_head(d, o, db, operation->path, err)) != ST_OK ||
	    (st = deployment_load_intents(d, o, db, err)) != ST_OK)
		return st;
	snprintf(ending->context, sizeof ending->context, "%" PRId64, ending->last.instance);
	return chain_build(o->plugins, o->store, db, d->intents, &d->arena, &ending->chain, err);
}

/* Controllers read the context from the store: it is theirs no longer to edit. */
static struct chain_call step_of(const struct ending *ending, enum chain_step step)
{
	return (struct chain_call) {
		.step = step, .context = view_of(ending->context), .from = VIEW(""), .event = EMCO_EVENT_TERMINATE,
	};
}

static enum status ask(struct ending *ending, struct error *err)
{
	struct operation       *operation = ending->operation;
	const struct chain_call call = step_of(ending, CHAIN_TERMINATE);

	return chain_run(&ending->chain, operation->o->store, &call, operation->deadline_ns, err);
}

static void tell(struct ending *ending)
{
	const struct chain_call call = step_of(ending, CHAIN_POST);

	operation_tell(ending->operation, &ending->chain, &call);
}

static enum status write(struct db *db, void *data, struct error *err)
{
	struct ending *ending = data;
	struct action  terminated = ending->last;
	const int64_t  id = ending->operation->owner;
	enum status    st = deployment_lock(db, ending->operation->path, id, &ending->last, err);

	if (st != ST_OK)
		return st;
	snprintf(terminated.state, sizeof terminated.state, "%s", life_name(LIFE_TERMINATED));
	terminated.revision = 0;
	terminated.at_ms = 0;
	st = unit_move(db, id, 0, ending->last.status_context, "terminate", err);
	return st == ST_OK ? action_add(db, id, &terminated, err) : st;
}

static enum status terminate(struct operation *operation, struct error *err)
{
	CLEANUP(ending_done) struct ending ending = { .operation = operation };
	enum status st;

	deployment_init(&ending.deployment);
	if ((st = load(&ending, err)) != ST_OK || (st = ask(&ending, err)) != ST_OK ||
	    (st = operation_commit(operation, write, &ending, err)) != ST_OK)
		return st;
	tell(&ending);
	return ST_OK;
}

enum status deployment_terminate(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                                 struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .target = VIEW("") };

	return operation_run(o, path, "terminate", terminate, &input, deadline_ns, NULL, err);
}

/* What is one transaction, on data of this kind. */
struct step { struct view path; const struct asker *asker; };

static enum status lock(struct db *db, const struct step *step, int64_t *ret_id, struct error *err)
{
	const struct asker asker = asker_of(step->asker);
	enum status        st = resource_lock(db, step->path, ret_id, err);

	return st == ST_OK ? resource_check_seen(db, step->path, &asker.seen, err) : st;
}

/* -- approve ----------------------------------------------------------------------------------------------------- */

static enum status approve(struct db *db, void *data, struct error *err)
{
	const struct step *step = data;
	const struct view *path = &step->path;
	struct action      action;
	enum life          to;
	int64_t            id;
	enum status        st;

	if ((st = lock(db, step, &id, err)) != ST_OK || (st = operation_check_none(db, id, err)) != ST_OK ||
	    (st = action_last(db, id, &action, err)) != ST_OK ||
	    (st = deployment_check_life(db, *path, id, &action, ON_APPROVE, &to, err)) != ST_OK || to == LIFE_SAME)
		return st;
	snprintf(action.state, sizeof action.state, "%s", life_name(to));
	action.instance = 0;
	action.revision = 0;
	action.at_ms = 0;
	st = action_add(db, id, &action, err);
	return st == ST_OK ? history_add(db, id, "approve", step->asker, err) : st;
}

enum status deployment_approve(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                             struct error *err)
{
	struct step step = { path, asker };

	return db_transaction(o->store->pool, deadline_ns, approve, &step, err);
}

/* -- stop -------------------------------------------------------------------------------------------------------- */

/* Whatever is not done, also what an update has left on a cluster that does not answer. */
static enum status check_busy(struct db *db, int64_t id, const struct action *last, struct view name, struct error *err)
{
	auto_arena          arena = ARENA(UNITS_MAX);
	struct unit_status *units;
	size_t              count;
	enum status         st = unit_list(db, id, &arena, &units, &count, err);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < count; i++)
		if (!units[i].is_done)
			return ST_OK;
	return fail(err, ST_CONFLICT, "deployment intent group \"%.*s\" is %s, and there is nothing to stop", (int) name.len,
	            name.ptr, last->state);
}

/*
 * Whoever works on a unit finds at the next renewal that its lease is gone.  Until the lease's end nobody else begins, so that
 * he cannot write after the next operation.
 */
static enum status stop(struct db *db, void *data, struct error *err)
{
	const struct step *step = data;
	const struct view *path = &step->path;
	const struct view  name = name_of(*path);
	struct action      action;
	enum life          to;
	int64_t            id;
	enum status        st;

	if ((st = lock(db, step, &id, err)) != ST_OK || (st = operation_check_none(db, id, err)) != ST_OK ||
	    (st = action_last(db, id, &action, err)) != ST_OK ||
	    (st = deployment_check_life(db, *path, id, &action, ON_STOP, &to, err)) != ST_OK ||
	    (st = check_busy(db, id, &action, name, err)) != ST_OK || (st = unit_stop(db, id, err)) != ST_OK)
		return st;
	snprintf(action.state, sizeof action.state, "%s", life_name(to));
	action.revision = 0;
	action.at_ms = 0;
	st = action_add(db, id, &action, err);
	return st == ST_OK ? history_add(db, id, "stop", step->asker, err) : st;
}

enum status deployment_stop(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                             struct error *err)
{
	struct step step = { path, asker };

	return db_transaction(o->store->pool, deadline_ns, stop, &step, err);
}

/* -- change and delete ------------------------------------------------------------------------------------------- */

/* What its reader can do depends on the state: only the last hint is always true. */
static const char *how_to_empty(const char *state)
{
	if (strcmp(state, life_name(LIFE_TERMINATE_STOPPED)) == 0)
		return "It was stopped: terminate it again. If the cluster is gone for good, abandon that.";
	return strcmp(state, life_name(LIFE_TERMINATED)) == 0
		? "Wait until its status is Terminated. If the cluster is gone for good, abandon that."
		: "Wait until its status shows nothing as leaving. If the cluster is gone for good, abandon that.";
}

static enum status check_empty(struct db *db, int64_t id, const char *state, struct view name, struct error *err)
{
	auto_arena          arena = ARENA(UNITS_MAX);
	struct unit_status *units;
	size_t              count;

	const enum status st = unit_list(db, id, &arena, &units, &count, err);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (units[i].is_wanted || !units[i].is_done) {
			fail(err, ST_CONFLICT, "deployment intent group \"%.*s\" has not completed terminating: app \"%.*s\" is still "
			     "on cluster \"%.*s\"", (int) name.len, name.ptr, (int) units[i].app.len, units[i].app.ptr,
			     (int) units[i].cluster.len, units[i].cluster.ptr);
			return fail_hint(err, "%s", how_to_empty(state));
		}
	return st == ST_OK ? unit_forget(db, id, err) : st;
}

enum status deployment_check_change(struct db *db, struct view path, bool is_delete, struct error *err)
{
	struct action last;
	enum life     to;
	int64_t       id;
	enum status   st = resource_lock(db, path, &id, err);

	if (st == ST_OK)
		st = operation_check_none(db, id, err);
	if (st == ST_OK)
		st = action_last(db, id, &last, err);
	if (st == ST_OK)
		st = deployment_check_life(db, path, id, &last, is_delete ? ON_DELETE : ON_REPLACE, &to, err);
	return st == ST_OK && is_delete ? check_empty(db, id, last.state, name_of(path), err) : st;
}
