/*
 * instantiate.c - instantiate and update, and the path they share with migrate: with or without a context that is replaced.
 *
 * Load, render each app once, place, let placement controllers filter, trim the groups, let action controllers edit;
 * then one transaction writes the context, moves the units and records the state.  Until that commit nothing has
 * happened.
 */
#include "host/orchestrator/drift.h"
#include "host/orchestrator/dry_run.h"
#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/making.h"
#include "host/orchestrator/overlay.h"
#include "host/orchestrator/placement.h"
#include "host/orchestrator/render.h"
#include "lib/base/log.h"

#include <inttypes.h>

static void making_done(struct making *making)
{
	plan_free(making->plan);
	deployment_done(&making->deployment);
}

/* -- before the controllers -------------------------------------------------------------------------------------- */

/* For charts that ask what they may use: the lowest version among the clusters an app may go to that tell theirs. */
static enum status find_kube_version(struct deployment *d, struct db *db, const struct placement *placement,
                                     struct view *ret_version, struct error *err)
{
	struct view *clusters = arena_alloc(&d->arena, placement->count + 1, sizeof *clusters), *versions = NULL;
	size_t       count = 0;

	if (clusters == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < placement->count; i++)
		clusters[i] = placement->at[i].cluster;

	enum status st = unit_versions(db, clusters, placement->count, &d->arena, &versions, &count, err);
	*ret_version = VIEW(KUBE_VERSION_DEFAULT);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (i == 0 || kube_version_compare(versions[i], *ret_version) < 0)
			*ret_version = versions[i];
	return st;
}

static enum status load(struct making *making, struct placement **ret_placements, struct error *err)
{
	struct operation  *operation = making->operation;
	struct deployment *d = &making->deployment;
	auto_db           *db = NULL;
	enum status        st = db_borrow(operation->o->store->pool, operation->deadline_ns, &db, err);

	if (st != ST_OK || (st = making->check(making, db, err)) != ST_OK ||
	    (st = deployment_load(d, operation->o, db, making->path, err)) != ST_OK)
		return st;
	if ((making->check_loaded != NULL && (st = making->check_loaded(making, db, err)) != ST_OK) ||
	    (st = chain_build(operation->o->plugins, operation->o->store, db, d->intents, &d->arena, &making->chain,
	                      err)) != ST_OK)
		return st;
	making->told = making->chain;
	if (making->tell_more != NULL && (st = making->tell_more(making, db, err)) != ST_OK)
		return st;
	*ret_placements = arena_alloc(&d->arena, d->app_count + 1, sizeof **ret_placements);
	if (*ret_placements == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	st = deployment_place(d, operation->o, db, operation->input.dry != DRY_NOT, *ret_placements, err);
	for (size_t i = 0; st == ST_OK && i < d->app_count; i++)
		st = find_kube_version(d, db, &(*ret_placements)[i], &d->apps[i].kube_version, err);
	return st;
}

static enum status render(struct making *making, struct render *renders, struct error *err)
{
	struct deployment *d = &making->deployment;

	for (size_t i = 0; i < d->app_count; i++) {
		const struct deployment_app *app = &d->apps[i];
		renders[i].app = app->name;
		renders[i].chart = app->chart;
		renders[i].profile = app->profile;
		renders[i].overrides = app->overrides;
		renders[i].release = d->release;
		renders[i].namespace_ = d->namespace_;
		renders[i].kube_version = app->kube_version;
	}
	enum status st = render_all(making->operation->o->renderer, making->operation->o->store, renders, d->app_count,
	                            making->operation->deadline_ns, err);
	for (size_t i = 0; st == ST_OK && i < d->app_count; i++)
		st = drift_annotate(json_at(d->doc, "spec.drift"), &renders[i].objects, &renders[i].arena, err);
	return st;
}

static enum status make_plan(struct making *making, const struct render *renders, const struct placement *placements,
                             struct error *err)
{
	struct deployment *d = &making->deployment;
	const struct plan_meta meta = {
		.owner = d->path, .project = d->project, .composite_app = d->composite_app, .version = d->version,
		.release = d->release, .deployment_intent_group = d->name, .namespace_ = d->namespace_, .level = d->level,
		.logical_cloud = d->cloud, .cloud_namespace = VIEW(""), .cloud_level = VIEW(""),
		.status_context = making_replaces(making) ? making->last.status_context : 0,
	};
	enum status st = ST_OK;

	making->plan = plan_new(making->operation->o->store->sealer, &meta);
	if (making->plan == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; st == ST_OK && i < d->app_count; i++) {
		st = plan_add_app(making->plan, d->apps[i].name, &renders[i].objects, &placements[i], err);
		if (st == ST_OK && d->apps[i].dependencies.len > 0)
			st = plan_add_dependencies(making->plan, d->apps[i].name, d->apps[i].dependencies, err);
	}
	return st;
}

/* -- controllers ------------------------------------------------------------------------------------------------- */

static struct chain_call step_of(const struct making *making, enum chain_step step)
{
	return (struct chain_call) {
		.step = step, .context = plan_id_text(making->plan), .from = view_of(making->from),
		.event = making_replaces(making) ? EMCO_EVENT_UPDATE : EMCO_EVENT_INSTANTIATE,
	};
}

static enum status run_step(struct making *making, enum chain_step step, struct error *err)
{
	struct chain_call call = step_of(making, step);
	struct overlay    overlay;

	overlay_for(&overlay, making->plan, &call);
	if (making->operation->input.dry != DRY_NOT)
		return dry_run_step(making->operation, &making->chain, making->plan, &call, &making->deployment.arena, err);
	return chain_run(&making->chain, making->operation->o->store, &call, making->operation->deadline_ns, err);
}

static void tell(struct making *making)
{
	const struct chain_call call = step_of(making, CHAIN_POST);

	operation_tell(making->operation, &making->told, &call);
}

/* -- both -------------------------------------------------------------------------------------------------------- */

static enum status report(const struct making *making, const struct placement *placements, struct error *err)
{
	struct operation    *operation = making->operation;
	const struct dry_run dry_run = {
		.operation = operation, .plan = making->plan, .placements = placements, .units = operation->owner,
		.revision = operation->also != NULL ? operation->also->owner : operation->owner,
	};

	return dry_run_report(&dry_run, err);
}

static enum status trim(struct making *making, struct error *err)
{
	const enum status st = plan_trim(making->plan, err);

	if (st == ST_OK && making->operation->input.dry != DRY_NOT)
		plan_explain_drops(making->plan, VIEW("another cluster of its group comes first"));
	return st;
}

static enum status plan_and_commit(struct making *making, struct render *renders, const struct placement *placements,
                                   struct error *err)
{
	enum status st;

	if ((st = render(making, renders, err)) != ST_OK ||
	    (st = make_plan(making, renders, placements, err)) != ST_OK ||
	    (st = run_step(making, CHAIN_PLACE, err)) != ST_OK ||
	    (st = trim(making, err)) != ST_OK ||
	    (st = run_step(making, CHAIN_ACT, err)) != ST_OK)
		return st;
	if (making->operation->input.dry != DRY_NOT)
		return report(making, placements, err);
	st = operation_commit(making->operation, making->write, making, err);
	if (st != ST_OK)
		return st;
	tell(making);
	return ST_OK;
}

enum status making_run(struct making *making, struct error *err)
{
	struct placement *placements;
	enum status       st;

	deployment_init(&making->deployment);
	st = load(making, &placements, err);
	if (st != ST_OK) {
		making_done(making);
		return st;
	}
	const size_t   count = making->deployment.app_count;
	struct render *renders = calloc(count + 1, sizeof *renders);
	st = renders != NULL ? plan_and_commit(making, renders, placements, err) : fail(err, ST_NO_MEMORY, "out of memory");
	plan_free(making->plan);                 /* it borrows from the renders */
	making->plan = NULL;
	for (size_t i = 0; renders != NULL && i < count; i++)
		arena_done(&renders[i].arena);
	free(renders);
	making_done(making);
	return st;
}

/* -- instantiate and update -------------------------------------------------------------------------------------- */

static enum status check_state(struct making *making, struct db *db, enum life_event on, struct error *err)
{
	enum life   to;
	enum status st = action_last(db, making->operation->owner, &making->last, err);

	return st == ST_OK ? deployment_check_life(db, making->path, making->operation->owner, &making->last, on, &to, err) : st;
}

static enum status check_instantiate(struct making *making, struct db *db, struct error *err)
{
	return check_state(making, db, ON_INSTANTIATE, err);
}

static enum status check_update(struct making *making, struct db *db, struct error *err)
{
	const enum status st = check_state(making, db, ON_UPDATE, err);

	if (st == ST_OK)
		snprintf(making->from, sizeof making->from, "%" PRId64, making->last.instance);
	return st;
}

static enum status write(struct db *db, void *data, struct error *err)
{
	struct making    *making = data;
	struct operation *operation = making->operation;
	const int64_t     owner = operation->owner;
	enum status       st;

	if ((st = deployment_lock(db, making->path, owner, &making->last, err)) != ST_OK ||
	    (st = deployment_lock_cloud(&making->deployment, db, err)) != ST_OK ||
	    (st = plan_flush(making->plan, operation->o->store, db, owner, err)) != ST_OK)
		return st;
	const int64_t id = plan_id(making->plan), status_context = making_replaces(making) ? making->last.status_context : id;
	if ((st = deployment_check_clusters(&making->deployment, db, id, err)) != ST_OK ||
	    (st = unit_move(db, owner, id, status_context, operation->kind, err)) != ST_OK)
		return st;
	if (making_replaces(making) && (st = deployment_left(db, owner, &making->last, err)) != ST_OK)
		return st;
	return deployment_arrived(operation->o, db, owner, id, status_context, &operation->revision, err);
}

enum status deployment_instantiating(struct operation *operation, struct error *err)
{
	struct making making = { .operation = operation, .path = operation->path, .check = check_instantiate, .write = write };

	return making_run(&making, err);
}

enum status deployment_updating(struct operation *operation, struct error *err)
{
	struct making making = { .operation = operation, .path = operation->path, .check = check_update, .write = write };

	return making_run(&making, err);
}

enum status deployment_instantiate(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                                   struct operation_reply *ret_reply, struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .target = VIEW("") };

	return operation_run(o, path, "instantiate", deployment_instantiating, &input, deadline_ns, &ret_reply->revision, err);
}

enum status deployment_update(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                              struct operation_reply *ret_reply, struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .target = VIEW("") };

	return operation_run(o, path, "update", deployment_updating, &input, deadline_ns, &ret_reply->revision, err);
}
