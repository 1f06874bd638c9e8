/*
 * migrate.c - one deployment intent group takes over from another what is on the clusters.
 *
 * The target's context is made as by an update of the source: what is equal moves nowhere, what differs is replaced, and
 * the status context, by which objects are known on their clusters, stays.  Everything about the target is checked before
 * anything is rendered.  Until the commit nothing has happened to either.
 */
#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/making.h"
#include "lib/base/log.h"

#include <inttypes.h>

enum { CONTEXT_BYTES_MAX = 4 << 20, PATH_BYTES_MAX = 4096, UNITS_MAX = 256 << 20 };

struct migration {
	struct making     making;            /* first: making.path is the target's                                */
	struct action     target_last;
};

static struct migration *of(struct making *making)
{
	return (struct migration *) making;
}

/* -- checks ------------------------------------------------------------------------------------------------------ */

/* What the commit finds too, when units of an earlier life are not empty: said before anything is rendered. */
static enum status check_room(int64_t target, struct db *db, struct error *err)
{
	auto_arena          arena = ARENA(UNITS_MAX);
	struct unit_status *units;
	size_t              count;
	const enum status   st = unit_list(db, target, &arena, &units, &count, err);

	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (units[i].is_wanted || !units[i].is_done)
			return fail(err, ST_CONFLICT, "app \"%.*s\" still has objects on cluster \"%.*s\"", V(units[i].app),
			            V(units[i].cluster));
	return st;
}

static enum status check_target(struct migration *migration, struct db *db, struct error *err)
{
	struct operation *operation = migration->making.operation;
	const struct view path = migration->making.path, name = path_part(path, PART_DEPLOYMENT);
	enum status       st;

	if (view_is(path, operation->path.ptr))
		return fail_at(err, ST_INVALID, "/spec/targetDeploymentIntentGroup",
		               "a deployment intent group cannot migrate to itself, got \"%.*s\"", V(name));
	if ((st = operation_also(operation, db, path, err)) != ST_OK ||
	    (st = action_last(db, operation->also->owner, &migration->target_last, err)) != ST_OK)
		return st;
	if (strcmp(migration->target_last.state, life_name(LIFE_APPROVED)) == 0)
		return check_room(operation->also->owner, db, err);
	fail(err, ST_CONFLICT, "deployment intent group \"%.*s\" must be Approved before others migrate to it, and is %s", V(name),
	     migration->target_last.state);
	return fail_hint(err, "Approve the target first.");
}

static enum status check(struct making *making, struct db *db, struct error *err)
{
	struct operation *operation = making->operation;
	enum life         to;
	enum status       st;

	if ((st = action_last(db, operation->owner, &making->last, err)) != ST_OK ||
	    (st = deployment_check_life(db, operation->path, operation->owner, &making->last, ON_MIGRATE, &to, err)) != ST_OK)
		return st;
	snprintf(making->from, sizeof making->from, "%" PRId64, making->last.instance);
	return check_target(of(making), db, err);
}

/*
 * Where objects stand is not in them but in the context.  Units of the same set move nowhere, so they would stay in the
 * namespace they are in.
 */
static enum status check_place(struct making *making, struct db *db, struct error *err)
{
	const struct deployment *d = &making->deployment;
	auto_arena               arena = ARENA(CONTEXT_BYTES_MAX);
	auto_json               *meta = NULL;
	struct context_row       row;
	enum status              st = context_read(db, making->last.instance, &arena, &row, err);

	if (st == ST_OK)
		st = json_read(row.meta, &meta, err);
	if (st != ST_OK)
		return st;
	const struct view namespace_ = json_text_at(meta, "Namespace"), level = json_text_at(meta, "Level");
	if (view_compare(namespace_, d->namespace_) == 0 && view_compare(level, d->level) == 0)
		return ST_OK;
	return fail(err, ST_CONFLICT, "\"%.*s\" deploys into namespace \"%.*s\" (level %.*s), and what is to migrate is in \"%.*s\" "
	            "(level %.*s)", V(d->path), V(d->namespace_), V(d->level), V(namespace_), V(level));
}

/* Controllers of what is left are told where it has gone.  That one of them is missing now keeps nobody from leaving. */
static enum status tell_source(struct making *making, struct db *db, struct error *err)
{
	struct operation *operation = making->operation;
	struct arena     *arena = &making->deployment.arena;
	CLEANUP(deployment_done) struct deployment source;
	struct chain      chain = { 0 };
	struct error      fault;
	enum status       st;

	deployment_init(&source);
	if ((st = deployment_load_head(&source, operation->o, db, operation->path, err)) != ST_OK ||
	    (st = deployment_load_intents(&source, operation->o, db, err)) != ST_OK)
		return st;
	if (chain_build(operation->o->plugins, operation->o->store, db, source.intents, arena, &chain, &fault) != ST_OK) {
		log_warning("operation.nobody_is_told", "path", operation->path.ptr, "error", fault.text);
		return ST_OK;
	}
	return chain_join(&making->chain, &chain, arena, &making->told, err);
}

/* -- the transaction --------------------------------------------------------------------------------------------- */

/* Both deployments in the order of their ids: whoever locks two does it so. */
static enum status lock_both(struct migration *migration, struct db *db, struct error *err)
{
	struct making          *making = &migration->making;
	const struct operation *source = making->operation, *target = source->also;
	const bool              is_source_first = source->owner < target->owner;
	enum status             st;

	st = is_source_first ? deployment_lock(db, source->path, source->owner, &making->last, err)
	                     : deployment_lock(db, target->path, target->owner, &migration->target_last, err);
	if (st != ST_OK)
		return st;
	st = is_source_first ? deployment_lock(db, target->path, target->owner, &migration->target_last, err)
	                     : deployment_lock(db, source->path, source->owner, &making->last, err);
	return st == ST_OK ? deployment_lock_cloud(&making->deployment, db, err) : st;
}

/* Empty units of an earlier life of the target make room; ones with objects refuse. */
static enum status write(struct db *db, void *data, struct error *err)
{
	struct migration *migration = data;
	struct making    *making = &migration->making;
	struct operation *operation = making->operation;
	const int64_t     source = operation->owner, target = operation->also->owner;
	const int64_t     status_context = making->last.status_context;
	enum status       st;

	if ((st = lock_both(migration, db, err)) != ST_OK ||
	    (st = unit_forget(db, target, err)) != ST_OK ||
	    (st = unit_reown(db, source, target, err)) != ST_OK ||
	    (st = plan_flush(making->plan, operation->o->store, db, target, err)) != ST_OK)
		return st;
	const int64_t id = plan_id(making->plan);
	if ((st = deployment_check_clusters(&making->deployment, db, id, err)) != ST_OK ||
	    (st = unit_move(db, target, id, status_context, operation->kind, err)) != ST_OK ||
	    (st = deployment_left(db, source, &making->last, err)) != ST_OK)
		return st;
	/* What the target got is its revision, and in its history. */
	return deployment_arrived(operation->o, db, target, id, status_context, &operation->also->revision, err);
}

/* -- both -------------------------------------------------------------------------------------------------------- */

enum status deployment_migrating(struct operation *operation, struct error *err)
{
	struct migration migration = {
		.making = { .operation = operation, .path = operation->input.target, .check = check, .check_loaded = check_place,
		            .tell_more = tell_source, .write = write },
	};

	return making_run(&migration.making, err);
}

enum status migration_target(struct view path, struct view version, struct view name, struct buf *ret_path, struct error *err)
{
	const struct view project = path_part(path, PART_PROJECT), app = path_part(path, PART_COMPOSITE_APP);

	return buf_printf(ret_path, err, "projects/%.*s/composite-apps/%.*s/%.*s/deployment-intent-groups/%.*s", V(project), V(app),
	                  V(version), V(name));
}

enum status deployment_migrate(struct orchestrator *o, struct view path, const struct asker *asker, struct view version,
                               struct view name, int64_t deadline_ns, struct error *err)
{
	auto_buf    target = BUF(PATH_BYTES_MAX);
	enum status st = migration_target(path, version, name, &target, err);

	if (st != ST_OK)
		return st;
	const struct operation_input input = { .asker = asker_of(asker), .target = buf_view(&target) };
	return operation_run(o, path, "migrate", deployment_migrating, &input, deadline_ns, NULL, err);
}
