/*
 * cloud.c - the life of a logical cloud.
 *
 * Level 0 puts nothing on its clusters: deployments use the administrator's access in the namespace "default".  So its
 * context is a shell that lists the clusters, and it is what it should be at once.
 */
#include "host/orchestrator/deployment.h"
#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/operation.h"
#include "host/orchestrator/placement.h"
#include "host/orchestrator/plan.h"

#include <inttypes.h>

enum { CLUSTERS_MAX = 100000 };

static const struct query user_query = { "cloud_user",
	"SELECT src.path FROM resource_ref ref JOIN resource src ON src.id = ref.src"
	" WHERE ref.dst = $1 AND src.type = 'deploymentIntentGroup' AND src.doc IS NOT NULL ORDER BY src.path LIMIT 1" };

static enum status no_memory(struct error *err)
{
	return fail(err, ST_NO_MEMORY, "out of memory");
}

static struct view name_of(struct view path)
{
	return path_part(path, PART_CLOUD);
}

/* What became of the cloud, and its last action. */
static enum status read_outcome(struct db *db, int64_t id, struct action *ret_last, enum outcome *ret_outcome,
                                struct error *err)
{
	auto_arena          arena = ARENA(256 << 20);
	struct unit_status *units;
	size_t              count;
	enum status         st;

	st = action_last(db, id, ret_last, err);
	if (st == ST_OK)
		st = unit_list(db, id, &arena, &units, &count, err);
	if (st == ST_OK)
		*ret_outcome = outcome_of(ret_last->state, units, count, false);
	return st;
}

/* -- instantiate ------------------------------------------------------------------------------------------------- */

struct making {
	struct operation *operation;
	struct arena      arena;
	json_t           *doc;
	struct view      *names, *paths;         /* of the clusters */
	size_t            count, names_room, paths_room;
	struct plan      *plan;
};

static void making_done(struct making *making)
{
	plan_free(making->plan);
	json_decref(making->doc);
	arena_done(&making->arena);
}

static enum status add_reference(void *data, const struct resource_item *item, struct error *err)
{
	struct making *making = data;
	auto_json     *doc = NULL;
	enum status    st = json_read(item->doc, &doc, err);

	if (st != ST_OK)
		return st;
	if (making->count >= CLUSTERS_MAX)
		return fail(err, ST_TOO_LARGE, "a logical cloud has at most %d clusters", CLUSTERS_MAX);
	if (!arena_grow(&making->arena, &making->names, making->count, 1, &making->names_room, sizeof *making->names) ||
	    !arena_grow(&making->arena, &making->paths, making->count, 1, &making->paths_room, sizeof *making->paths))
		return no_memory(err);
	const struct view provider = json_text_at(doc, "spec.clusterProvider"), cluster = json_text_at(doc, "spec.cluster");
	const char *name = arena_printf(&making->arena, "%.*s+%.*s", V(provider), V(cluster));
	const char *path = arena_printf(&making->arena, "cluster-providers/%.*s/clusters/%.*s", V(provider), V(cluster));
	if (name == NULL || path == NULL)
		return no_memory(err);
	making->names[making->count] = view_of(name);
	making->paths[making->count++] = view_of(path);
	return ST_OK;
}

static enum status check_clusters(struct making *making, struct db *db, struct error *err)
{
	struct view *missing = arena_alloc(&making->arena, making->count + 1, sizeof *missing);
	size_t       count = 0;
	enum status  st;

	if (missing == NULL)
		return no_memory(err);
	if (making->count == 0)
		return fail(err, ST_INVALID, "logical cloud \"%.*s\" has no cluster reference",
		            V(name_of(making->operation->path)));
	st = resource_missing(db, making->paths, making->count, missing, &count, err);
	if (st == ST_OK && count > 0)
		return fail(err, ST_CONFLICT, "logical cloud \"%.*s\" refers to \"%.*s\", which does not exist",
		            V(name_of(making->operation->path)), V(missing[0]));
	return st;
}

static enum status load(struct making *making, struct error *err)
{
	struct operation *operation = making->operation;
	struct store     *store = operation->o->store;
	struct action     last;
	enum outcome      outcome;
	auto_db          *db = NULL;
	auto_buf          doc = BUF(RESOURCE_DOC_MAX);
	enum status       st = db_borrow(store->pool, operation->deadline_ns, &db, err);

	if (st != ST_OK || (st = resource_read(store, db, operation->path, &doc, NULL, NULL, err)) != ST_OK ||
	    (st = json_read(buf_view(&doc), &making->doc, err)) != ST_OK)
		return st;
	if (strcmp(json_string_at(making->doc, "spec.level"), "0") != 0)
		return fail(err, ST_INVALID, "logical clouds of level 1 are not supported yet");
	if ((st = read_outcome(db, operation->owner, &last, &outcome, err)) != ST_OK ||
	    (st = cloud_gate(outcome, CLOUD_INSTANTIATE, name_of(operation->path), err)) != ST_OK ||
	    (st = resource_list(store, db, VIEW("clusterReference"), operation->path, VIEW(""), 0, add_reference, making,
	                        err)) != ST_OK)
		return st;
	return check_clusters(making, db, err);
}

/* A shell: every cluster, and nothing on it. */
static enum status make_plan(struct making *making, struct error *err)
{
	const struct plan_meta meta = {
		.owner = making->operation->path, .project = path_part(making->operation->path, PART_PROJECT),
		.logical_cloud = path_part(making->operation->path, PART_CLOUD),
		.composite_app = VIEW(""), .version = VIEW(""), .release = VIEW(""), .deployment_intent_group = VIEW(""),
		.namespace_ = VIEW(""), .level = VIEW(""), .cloud_namespace = VIEW(""), .cloud_level = VIEW(""),
	};
	struct objects   none = { NULL, 0 };
	struct placement placement = { .at = arena_alloc(&making->arena, making->count + 1, sizeof *placement.at) };

	making->plan = plan_new(making->operation->o->store->sealer, &meta);
	if (making->plan == NULL || placement.at == NULL)
		return no_memory(err);
	qsort(making->names, making->count, sizeof *making->names, view_order);
	for (size_t i = 0; i < making->count; i++)
		if (i == 0 || view_order(&making->names[i - 1], &making->names[i]) != 0) {
			placement.at[placement.count] = (struct place) {
				.cluster = making->names[i], .group = (unsigned) placement.count + 1, .is_mandatory = true,
			};
			placement.count++;
		}
	return plan_add_app(making->plan, VIEW("logical-cloud"), &none, &placement, err);
}

static enum status write_instantiated(struct db *db, void *data, struct error *err)
{
	struct making *making = data;
	struct operation *operation = making->operation;
	const int64_t  context = plan_id(making->plan);
	struct action  last;
	enum outcome   outcome;
	int64_t        id;
	enum status    st;

	if ((st = resource_lock(db, operation->path, &id, err)) != ST_OK ||
	    (st = read_outcome(db, id, &last, &outcome, err)) != ST_OK ||
	    (st = cloud_gate(outcome, CLOUD_INSTANTIATE, name_of(operation->path), err)) != ST_OK ||
	    (st = plan_flush(making->plan, operation->o->store, db, id, err)) != ST_OK)
		return st;
	return deployment_arrived(operation->o, db, id, context, context, &operation->revision, err);
}

static enum status instantiate(struct operation *operation, struct error *err)
{
	CLEANUP(making_done) struct making making = { .operation = operation };
	enum status st;

	arena_init(&making.arena, 256 << 20);
	if ((st = load(&making, err)) != ST_OK || (st = make_plan(&making, err)) != ST_OK)
		return st;
	return operation_commit(operation, write_instantiated, &making, err);
}

enum status cloud_instantiate(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                              struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .target = VIEW("") };

	return operation_run(o, path, "instantiate", instantiate, &input, deadline_ns, NULL, err);
}

/* -- terminate --------------------------------------------------------------------------------------------------- */

static enum status check_unused(struct db *db, int64_t id, struct view name, struct error *err)
{
	auto_rows  *rows = NULL;
	enum status st = db_query(db, &user_query, PARAMS(P_INT(id)), EXPECT_MAYBE, &rows, err);

	if (st != ST_OK || rows_count(rows) == 0)
		return st;
	const struct view user = rows_view(rows, 0, 0);
	fail(err, ST_CONFLICT, "logical cloud \"%.*s\" is used by \"%.*s\"", V(name), V(user));
	return fail_hint(err, "Terminate and delete the deployment intent groups of the logical cloud first.");
}

/* A cloud that was never instantiated is as good as terminated. */
static enum status write_terminated(struct db *db, void *data, struct error *err)
{
	struct operation *operation = data;
	struct action     last;
	enum outcome      outcome;
	int64_t           id, revision;
	enum status       st;

	if ((st = resource_lock(db, operation->path, &id, err)) != ST_OK ||
	    (st = check_unused(db, id, name_of(operation->path), err)) != ST_OK ||
	    (st = read_outcome(db, id, &last, &outcome, err)) != ST_OK ||
	    (st = cloud_gate(outcome, CLOUD_TERMINATE, name_of(operation->path), err)) != ST_OK || outcome == OUTCOME_NONE ||
	    (st = unit_move(db, id, 0, last.status_context, "terminate", err)) != ST_OK ||
	    (st = action_max_revision(db, id, &revision, err)) != ST_OK)
		return st;
	snprintf(last.state, sizeof last.state, "%s", life_name(LIFE_TERMINATED));
	last.revision = revision + 1;
	last.at_ms = 0;
	return action_add(db, id, &last, err);
}

static enum status terminate(struct operation *operation, struct error *err)
{
	return operation_commit(operation, write_terminated, operation, err);
}

enum status cloud_terminate(struct orchestrator *o, struct view path, const struct asker *asker, int64_t deadline_ns,
                            struct error *err)
{
	const struct operation_input input = { .asker = asker_of(asker), .target = VIEW("") };

	return operation_run(o, path, "terminate", terminate, &input, deadline_ns, NULL, err);
}

/* -- change and delete ------------------------------------------------------------------------------------------- */

/* A replacement is always allowed, as in EMCO; a level that cannot be used is refused where it would be used. */
enum status cloud_check_change(struct db *db, struct view path, bool is_delete, struct error *err)
{
	struct action last;
	enum outcome  outcome;
	int64_t       id;
	enum status   st = resource_lock(db, path, &id, err);

	if (st != ST_OK || !is_delete)
		return st;
	if ((st = read_outcome(db, id, &last, &outcome, err)) != ST_OK ||
	    (st = cloud_gate(outcome, CLOUD_DELETE, name_of(path), err)) != ST_OK)
		return st;
	return unit_forget(db, id, err);
}
