#include "host/orchestrator/deployment.h"

#include "host/orchestrator/placement.h"
#include "host/store/resource.h"

/* One label of one provider, looked up once for all apps. */
struct looked {
	struct view    provider, label;
	struct view   *clusters;
	size_t         count, room;
	struct looked *next;
};

struct looking {
	struct deployment *d;
	struct db         *db;
	struct looked     *done;
};

static enum status add_cluster(struct looking *looking, struct looked *looked, struct view path, struct error *err)
{
	struct arena *arena = &looking->d->arena;
	size_t        at = path.len;

	if (!arena_grow(arena, &looked->clusters, looked->count, 1, &looked->room, sizeof *looked->clusters))
		return fail(err, ST_NO_MEMORY, "out of memory");
	while (at > 0 && path.ptr[at - 1] != '/')
		at--;
	const char *name = arena_copy(arena, path.ptr + at, path.len - at);
	if (name == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	looked->clusters[looked->count++] = (struct view) { name, path.len - at };
	return ST_OK;
}

struct adding { struct looking *looking; struct looked *looked; };

static enum status each_parent(void *data, struct view path, struct error *err)
{
	struct adding *adding = data;

	return add_cluster(adding->looking, adding->looked, path, err);
}

static enum status labelled(void *data, struct view provider, struct view label, const struct view **ret_clusters,
                            size_t *ret_count, struct error *err)
{
	struct looking *looking = data;
	struct looked  *looked = looking->done;
	enum status     st = ST_OK;

	while (looked != NULL && (view_order(&looked->provider, &provider) != 0 || view_order(&looked->label, &label) != 0))
		looked = looked->next;
	if (looked == NULL) {
		const char *path = arena_printf(&looking->d->arena, "cluster-providers/%.*s", V(provider));
		looked = arena_alloc(&looking->d->arena, 1, sizeof *looked);
		if (path == NULL || looked == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		*looked = (struct looked) { .provider = provider, .label = label, .next = looking->done };
		looking->done = looked;

		struct adding adding = { looking, looked };
		st = resource_list_parents(looking->db, VIEW("clusterLabel"), label, view_of(path), each_parent, &adding, err);
		const struct view paths[] = { view_of(path) };
		struct view       missing[1];
		size_t            count = 0;
		if (st == ST_OK && looked->count == 0)
			st = resource_missing(looking->db, paths, 1, missing, &count, err);
		if (st == ST_OK && count > 0)
			return fail(err, ST_NOT_FOUND, "there is no cluster provider \"%.*s\"", V(provider));
	}
	*ret_clusters = looked->clusters;
	*ret_count = looked->count;
	return st;
}

enum status deployment_place(struct deployment *d, struct orchestrator *o, struct db *db, bool explains,
                             struct placement *ret_placements, struct error *err)
{
	struct looking looking = { .d = d, .db = db };
	enum status    st = ST_OK;

	(void) o;
	for (size_t i = 0; st == ST_OK && i < d->app_count; i++) {
		const struct placement_ask ask = {
			.app = d->apps[i].name, .intent_name = d->apps[i].intent_name, .intent = d->apps[i].intent,
			.cloud_name = d->cloud, .cloud = d->clusters, .cloud_count = d->cluster_count, .explains = explains, .labelled = labelled, .data = &looking,
		};
		st = placement_resolve(&ask, &d->arena, &ret_placements[i], err);
	}
	return st;
}
