/*
 * abandon.c - give up a cluster that is gone, and say what is left behind on it.
 */
#include "host/orchestrator/deployment.h"
#include "host/orchestrator/operation.h"
#include "host/store/unit.h"
#include "lib/base/log.h"

enum { SETS_MAX = 256 << 20, SET_MAX = 64 << 20 };

struct abandoning {
	struct view          path, cluster;          /* "cluster-providers/edge/clusters/one", "edge+one" */
	struct resource_seen seen;
	bool                 is_forced;
	struct arena         arena;
	struct unit_row     *units;
	size_t               unit_count;
	json_t              *left;                   /* of the report */
};

static void abandoning_done(struct abandoning *abandoning)
{
	json_decref(abandoning->left);
	arena_done(&abandoning->arena);
}

/* Names of a set that are not among the names yet. */
static enum status names_add(struct db *db, const struct digest *set, json_t *names, struct error *err)
{
	struct set_entry *entries = NULL;
	auto_arena        arena = ARENA(SET_MAX);
	auto_buf          text = BUF(SET_MAX);
	size_t            count = 0;
	enum status       st = set_read(db, set, &text, err);

	if (st == ST_OK)
		st = set_decode(buf_view(&text), &arena, &entries, &count, err);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (json_object_setn_new(names, entries[i].name.ptr, entries[i].name.len, json_true()) != 0)
			st = fail(err, ST_NO_MEMORY, "out of memory");
	return st;
}

static enum status unit_report_left(struct db *db, const struct unit_row *unit, json_t *left, struct error *err)
{
	auto_json  *names = json_object();           /* as a set */
	json_t     *objects = json_array(), *row, *value;
	const char *name;
	enum status st = unit->has_applied ? names_add(db, &unit->applied, names, err) : ST_OK;

	for (size_t i = 0; st == ST_OK && i < unit->tried_count; i++)
		st = names_add(db, &unit->tried[i], names, err);
	json_object_foreach(names, name, value)
		json_array_append_new(objects, json_string(name));
	row = json_pack("{s:s%, s:s%, s:b, s:o}", "owner", unit->owner_path.ptr, unit->owner_path.len, "app", unit->app.ptr,
	                unit->app.len, "wanted", (int) unit->has_desired, "objects", objects);
	if (json_array_append_new(left, row) != 0 && st == ST_OK)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	return st;
}

static enum status check_gone(struct db *db, const struct abandoning *abandoning, struct error *err)
{
	bool        answers = false;
	enum status st = abandoning->is_forced ? ST_OK : unit_cluster_answers(db, abandoning->cluster, &answers, err);

	if (st != ST_OK || !answers)
		return st;
	fail(err, ST_CONFLICT, "cluster \"%.*s\" is not known to be gone: it has answered the last who asked", (int) abandoning->cluster.len,
	     abandoning->cluster.ptr);
	return fail_hint(err, "Take its deployments away; or wait until its connectivity is Retrying; or add ?force=true to leave everything on it"
	                 " behind.");
}

static enum status abandon(struct db *db, void *data, struct error *err)
{
	struct abandoning *abandoning = data;
	int64_t            id;
	enum status        st = resource_lock(db, abandoning->path, &id, err);

	if (st == ST_OK)
		st = resource_check_seen(db, abandoning->path, &abandoning->seen, err);
	if (st == ST_OK)
		st = check_gone(db, abandoning, err);
	if (st == ST_OK)
		st = unit_abandon(db, abandoning->cluster, &abandoning->arena, &abandoning->units, &abandoning->unit_count, err);
	json_array_clear(abandoning->left);          /* a transaction may be run again */
	for (size_t i = 0; st == ST_OK && i < abandoning->unit_count; i++)
		st = unit_report_left(db, &abandoning->units[i], abandoning->left, err);
	return st;
}

enum status cluster_abandon(struct orchestrator *o, struct view path, const struct asker *asker, bool is_forced,
                            int64_t deadline_ns, struct buf *reply, struct error *err)
{
	CLEANUP(abandoning_done) struct abandoning abandoning = {
		.path = path, .seen = asker_of(asker).seen, .is_forced = is_forced, .arena = ARENA(SETS_MAX), .left = json_array(),
	};
	const struct view provider = path_part(path, 1), cluster = path_part(path, 3);
	const char       *name = arena_printf(&abandoning.arena, "%.*s+%.*s", (int) provider.len, provider.ptr, (int) cluster.len,
	                                      cluster.ptr);

	if (name == NULL || abandoning.left == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	abandoning.cluster = view_of(name);

	enum status st = db_transaction(o->store->pool, deadline_ns, abandon, &abandoning, err);
	if (st != ST_OK)
		return st;
	store_notify(o->store, CHANNEL_UNITS);
	store_notify(o->store, CHANNEL_STATUS);
	log_warning("cluster.abandoned", "cluster", name, "units", log_num((int64_t) abandoning.unit_count));
	auto_json *report = json_pack("{s:s, s:O}", "cluster", name, "leftBehind", abandoning.left);
	return report != NULL ? json_write(reply, report, err) : fail(err, ST_NO_MEMORY, "out of memory");
}
