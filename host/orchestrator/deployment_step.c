/* A step of a deployment's life, in the transaction that carries it: lock, see that nothing has changed, record. */
#include "host/orchestrator/deployment.h"

#include "host/orchestrator/lifecycle.h"

enum { PATH_BYTES_MAX = 64 << 10 };

enum status deployment_check_life(struct db *db, struct view path, int64_t owner, const struct action *last, enum life_event on,
                                  enum life *ret_to, struct error *err)
{
	auto_arena  arena = ARENA(PATH_BYTES_MAX);
	struct view holder;
	enum status st = life_check(last->state, on, path_part(path, PART_DEPLOYMENT), ret_to, err);

	if (st != ST_CONFLICT || strcmp(last->state, life_name(LIFE_UPDATED)) != 0)
		return st;
	if (unit_holder(db, owner, last->status_context, &arena, &holder, NULL) == ST_OK && holder.len > 0)
		return fail_hint(err, "It has migrated to \"%.*s\".", (int) holder.len, holder.ptr);
	return st;
}

enum status deployment_lock(struct db *db, struct view path, int64_t owner, const struct action *since, struct error *err)
{
	struct action last;
	int64_t       id;
	enum status   st = resource_lock(db, path, &id, err);

	if (st == ST_OK)
		st = action_last(db, id, &last, err);
	if (st != ST_OK)
		return st;
	if (id != owner || strcmp(last.state, since->state) != 0 || last.instance != since->instance)
		return fail(err, ST_CONFLICT, "\"%.*s\" was changed by another meanwhile", (int) path.len, path.ptr);
	return ST_OK;
}

enum status deployment_lock_cloud(const struct deployment *d, struct db *db, struct error *err)
{
	int64_t     id;
	enum status st = resource_lock(db, d->cloud_path, &id, err);

	return st == ST_OK ? deployment_check_cloud(d, db, id, err) : st;
}

enum status deployment_check_clusters(struct deployment *d, struct db *db, int64_t context, struct error *err)
{
	struct view app, cluster;
	const enum status st = context_outside(db, context, d->cloud_id, &d->arena, &app, &cluster, err);

	if (st != ST_OK || cluster.len == 0)
		return st;
	fail(err, ST_CONFLICT, "app \"%.*s\" would run on cluster \"%.*s\", which is not in logical cloud \"%.*s\" any more", (int) app.len,
	     app.ptr, (int) cluster.len, cluster.ptr, (int) d->cloud.len, d->cloud.ptr);
	return fail_hint(err, "Add a reference to the cluster, or place the app elsewhere.");
}

enum status deployment_left(struct db *db, int64_t owner, const struct action *last, struct error *err)
{
	struct action updated = *last;

	snprintf(updated.state, sizeof updated.state, "%s", life_name(LIFE_UPDATED));
	updated.at_ms = 0;
	return action_add(db, owner, &updated, err);
}

/* Older contexts go with the step that makes a newer one: what is kept stays bounded, and nobody looks for it. */
enum status deployment_arrived(const struct orchestrator *o, struct db *db, int64_t owner, int64_t instance,
                               int64_t status_context, int64_t *ret_revision, struct error *err)
{
	struct action action = { .instance = instance, .status_context = status_context };
	enum status   st = action_max_revision(db, owner, &action.revision, err);

	if (st != ST_OK)
		return st;
	action.revision++;
	snprintf(action.state, sizeof action.state, "%s", life_name(LIFE_INSTANTIATED));
	if ((st = action_add(db, owner, &action, err)) != ST_OK || (st = context_retain(db, owner, o->options.revisions, err)) != ST_OK)
		return st;
	*ret_revision = action.revision;
	return ST_OK;
}
