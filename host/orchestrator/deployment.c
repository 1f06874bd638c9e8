#include "host/orchestrator/deployment_priv.h"

#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/placement.h"
#include "host/orchestrator/render.h"

enum { DEPLOYMENT_BYTES_MAX = 1 << 30 };

void deployment_init(struct deployment *deployment)
{
	memset(deployment, 0, sizeof *deployment);
	arena_init(&deployment->arena, DEPLOYMENT_BYTES_MAX);
}

void deployment_done(struct deployment *deployment)
{
	arena_done(&deployment->arena);
}

static enum status no_memory(struct error *err)
{
	return fail(err, ST_NO_MEMORY, "out of memory");
}

struct view path_part(struct view path, unsigned part)
{
	for (size_t at = 0; at < path.len; part--) {
		const char  *slash = memchr(path.ptr + at, '/', path.len - at);
		const size_t end = slash != NULL ? (size_t) (slash - path.ptr) : path.len;
		if (part == 0)
			return (struct view) { path.ptr + at, end - at };
		at = end + 1;
	}
	return VIEW("");
}

/* Parse a document that lives as long as the deployment. */
static enum status keep_json(struct deployment *d, struct view text, json_t **ret_value, struct error *err)
{
	json_t     *value;
	enum status st = json_read(text, &value, err);

	if (st == ST_OK)
		st = json_own(&d->arena, value, err);
	if (st == ST_OK)
		*ret_value = value;
	return st;
}

static enum status read_doc(struct deployment *d, struct orchestrator *o, struct db *db, struct view path,
                            json_t **ret_doc, int64_t *ret_id, struct error *err)
{
	auto_buf doc = BUF(RESOURCE_DOC_MAX);

	const enum status st = resource_read(o->store, db, path, &doc, NULL, ret_id, err);
	return st == ST_OK ? keep_json(d, buf_view(&doc), ret_doc, err) : st;
}

/* -- lists ------------------------------------------------------------------------------------------------------- */

static enum status list_add(void *data, const struct resource_item *from, struct error *err)
{
	struct deployment_list *list = data;
	struct deployment_item *item = arena_alloc(&list->d->arena, 1, sizeof *item);
	size_t       at;
	enum status  st;

	if (item == NULL)
		return no_memory(err);
	st = arena_keep(&list->d->arena, from->path, &item->path, err);
	if (st == ST_OK)
		st = keep_json(list->d, from->doc, &item->doc, err);
	if (st != ST_OK)
		return st;
	for (at = item->path.len; at > 0 && item->path.ptr[at - 1] != '/'; at--)
		continue;
	item->name = (struct view) { item->path.ptr + at, item->path.len - at };
	*list->last = item;
	list->last = &item->next;
	list->count++;
	return ST_OK;
}

enum status deployment_list(struct deployment_list *list, struct deployment *d, struct orchestrator *o, struct db *db,
                            const char *type, struct view parent, struct error *err)
{
	*list = (struct deployment_list) { .d = d, .last = &list->first };
	return resource_list(o->store, db, view_of(type), parent, VIEW(""), 0, list_add, list, err);
}

enum status deployment_list_by_age(struct deployment_list *list, struct deployment *d, struct orchestrator *o, struct db *db,
                                   const char *type, struct view parent, struct error *err)
{
	*list = (struct deployment_list) { .d = d, .last = &list->first };
	return resource_list_by_age(o->store, db, view_of(type), parent, list_add, list, err);
}

/* -- the head ---------------------------------------------------------------------------------------------------- */

enum status deployment_load_head(struct deployment *d, struct orchestrator *o, struct db *db, struct view path,
                                 struct error *err)
{
	json_t     *doc;
	enum status st = arena_keep(&d->arena, path, &d->path, err);

	if (st == ST_OK)
		st = read_doc(d, o, db, path, &doc, &d->id, err);
	if (st != ST_OK)
		return st;
	d->doc = doc;
	d->project = path_part(d->path, PART_PROJECT);
	d->composite_app = path_part(d->path, PART_COMPOSITE_APP);
	d->version = path_part(d->path, PART_VERSION);
	d->name = path_part(d->path, PART_DEPLOYMENT);
	if (d->name.len == 0)
		return fail(err, ST_NOT_FOUND, "\"%.*s\" is no deployment intent group", V(path));
	d->composite_app_path = (struct view) {
		d->path.ptr, (size_t) (d->version.ptr + d->version.len - d->path.ptr),
	};
	d->release = json_text_at(doc, "spec.version");
	d->profile_name = json_text_at(doc, "spec.compositeProfile");
	d->cloud = json_text_at(doc, "spec.logicalCloud");
	return ST_OK;
}

enum status deployment_load_intents(struct deployment *d, struct orchestrator *o, struct db *db, struct error *err)
{
	struct deployment_list list;
	enum status st = deployment_list_by_age(&list, d, o, db, "groupIntent", d->path, err);

	if (st != ST_OK)
		return st;
	d->intents = json_array();
	if (d->intents == NULL)
		return no_memory(err);
	st = json_own(&d->arena, d->intents, err);
	for (const struct deployment_item *item = list.first; st == ST_OK && item != NULL; item = item->next) {
		json_t *map = json_at(item->doc, "spec.intent");
		if (json_is_object(map) && json_array_append(d->intents, map) != 0)
			st = no_memory(err);
	}
	return st;
}

/* -- the logical cloud ------------------------------------------------------------------------------------------- */

enum status deployment_check_cloud(const struct deployment *d, struct db *db, int64_t cloud_id, struct error *err)
{
	auto_arena          arena = ARENA(256 << 20);
	struct action       last;
	struct unit_status *units;
	size_t              count;
	enum status         st;

	st = action_last(db, cloud_id, &last, err);
	if (st == ST_OK)
		st = unit_list(db, cloud_id, &arena, &units, &count, err);
	return st == ST_OK ? cloud_gate(outcome_of(last.state, units, count, false), CLOUD_USE, d->cloud, err) : st;
}

enum status deployment_load_cloud(struct deployment *d, struct orchestrator *o, struct db *db, struct error *err)
{
	json_t     *doc;
	const char *path = arena_printf(&d->arena, "projects/%.*s/logical-clouds/%.*s", V(d->project), V(d->cloud));
	enum status st;

	if (path == NULL)
		return no_memory(err);
	d->cloud_path = view_of(path);
	st = read_doc(d, o, db, d->cloud_path, &doc, &d->cloud_id, err);
	if (st == ST_NOT_FOUND) {
		fail(err, ST_NOT_FOUND, "deployment intent group \"%.*s\" needs \"%.*s\", which does not exist", V(d->name),
		     V(d->cloud_path));
		return fail_hint(err, "Create and instantiate the logical cloud first.");
	}
	if (st == ST_OK)
		st = deployment_check_cloud(d, db, d->cloud_id, err);
	if (st != ST_OK)
		return st;
	d->level = json_text_at(doc, "spec.level");
	if (!view_is(d->level, "0"))
		return fail(err, ST_INVALID, "logical clouds of level 1 are not supported yet");
	d->namespace_ = json_text_at(doc, "spec.namespace");
	if (d->namespace_.len == 0)
		d->namespace_ = VIEW("default");
	return ST_OK;
}

static enum status load_clusters(struct deployment *d, struct orchestrator *o, struct db *db, struct error *err)
{
	struct deployment_list list;
	enum status st = deployment_list(&list, d, o, db, "clusterReference", d->cloud_path, err);

	if (st != ST_OK)
		return st;
	d->clusters = arena_alloc(&d->arena, list.count + 1, sizeof *d->clusters);
	if (d->clusters == NULL)
		return no_memory(err);
	for (const struct deployment_item *item = list.first; item != NULL; item = item->next) {
		const struct view provider = json_text_at(item->doc, "spec.clusterProvider");
		const struct view cluster = json_text_at(item->doc, "spec.cluster");
		const char *name = arena_printf(&d->arena, "%.*s+%.*s", V(provider), V(cluster));
		if (name == NULL)
			return no_memory(err);
		d->clusters[d->cluster_count++] = view_of(name);
	}
	qsort(d->clusters, d->cluster_count, sizeof *d->clusters, view_order);
	return ST_OK;
}

/* -- placement intents ------------------------------------------------------------------------------------------- */

static struct view placement_name(const struct deployment *d)
{
	size_t  i;
	json_t *map;

	json_array_foreach(d->intents, i, map) {
		const struct view name = json_text_at(map, "genericPlacementIntent");
		if (name.len > 0)
			return name;
	}
	return VIEW("");
}

/* The app intents of the generic placement intent; a missing one is named with all else that is missing. */
static enum status load_placement(struct deployment *d, struct orchestrator *o, struct db *db,
                                  struct deployment_list *ret_list, struct wanted *wanted, struct error *err)
{
	enum status st;

	*ret_list = (struct deployment_list) { .d = d };
	d->placement_name = placement_name(d);
	if (d->placement_name.len == 0)
		return ST_OK;
	const char *path = arena_printf(&d->arena, "%.*s/generic-placement-intents/%.*s", V(d->path), V(d->placement_name));
	if (path == NULL)
		return no_memory(err);
	st = wanted_add(wanted, view_of(path), err);
	if (st != ST_OK)
		return st;
	st = deployment_list_by_age(ret_list, d, o, db, "genericAppPlacementIntent", view_of(path), err);
	d->has_placement = st == ST_OK;
	if (st == ST_NOT_FOUND)
		return ST_OK;
	for (const struct deployment_item *item = ret_list->first; st == ST_OK && item != NULL; item = item->next)
		st = wanted_add_references(wanted, o->types, "genericAppPlacementIntent", item->path, item->doc, err);
	return st;
}

static void give_intents(struct deployment *d, const struct deployment_list *list)
{
	for (const struct deployment_item *item = list->first; item != NULL; item = item->next) {
		struct deployment_app *app = deployment_find_app(d, json_text_at(item->doc, "spec.app"));
		if (app != NULL && app->intent == NULL) {
			app->intent_name = item->name;
			app->intent = json_at(item->doc, "spec.intent");
		}
	}
}

/* -- all --------------------------------------------------------------------------------------------------------- */

static enum status check_head(const struct deployment *d, struct error *err)
{
	if (!release_is_valid(d->release))
		return fail_at(err, ST_INVALID, "/spec/version",
		               "\"version\" is the release name, and must be at most %d lower-case letters, digits and \"-\", "
		               "got \"%.*s\"", RELEASE_LEN_MAX, V(d->release));
	return ST_OK;
}

enum status deployment_load(struct deployment *d, struct orchestrator *o, struct db *db, struct view path,
                            struct error *err)
{
	enum status   st = deployment_load_head(d, o, db, path, err);
	struct wanted wanted = { .arena = &d->arena };
	struct deployment_list   intents;

	if (st == ST_OK)
		st = check_head(d, err);
	if (st != ST_OK)
		return st;
	const char *profile = arena_printf(&d->arena, "%.*s/composite-profiles/%.*s", V(d->composite_app_path),
	                                   V(d->profile_name));
	const char *cloud = arena_printf(&d->arena, "projects/%.*s/logical-clouds/%.*s", V(d->project), V(d->cloud));
	if (profile == NULL || cloud == NULL)
		return no_memory(err);

	if ((st = wanted_add(&wanted, view_of(cloud), err)) != ST_OK ||
	    (st = wanted_add(&wanted, view_of(profile), err)) != ST_OK ||
	    (st = deployment_load_intents(d, o, db, err)) != ST_OK ||
	    (st = load_placement(d, o, db, &intents, &wanted, err)) != ST_OK ||
	    (st = deployment_load_apps(d, o, db, view_of(profile), err)) != ST_OK)
		return st;
	give_intents(d, &intents);
	if ((st = deployment_lacks(d, &wanted, err)) != ST_OK ||
	    (st = wanted_check(&wanted, db, err)) != ST_OK ||
	    (st = deployment_check_dependencies(d, err)) != ST_OK ||
	    (st = deployment_load_cloud(d, o, db, err)) != ST_OK)
		return st;
	return load_clusters(d, o, db, err);
}
