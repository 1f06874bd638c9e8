/*
 * status_live.c - objects as their clusters have them now, for a status in detail that speaks of clusters.
 *
 * Nobody keeps them: they are asked of the synchroniser, of all places that are shown at once, while the report holds no
 * connection.  Who asks does not wait for long, and what was not told in time is shown as it was rendered.
 */
#include "host/orchestrator/status_place.h"

#include "host/registry/instance.h"
#include "host/store/db.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LIVE_MAX = 128 << 20, PLACES_MAX = 1000000, LIVE_MS = 5000 };

#define KIND_SECRET  VIEW("v1|Secret")

struct live_object { struct view name, body; };

struct live_place {
	struct view         app, cluster, label;
	emco_str           *kinds;
	size_t              kind_count;
	struct live_object *objects;             /* by name, once all were told      */
	size_t              object_count, object_room;
};

/* Outlives a report that does not wait for its plugin any more. */
struct live {
	unsigned           refs;                 /* the report, and the thread that asks; atomic */
	struct instance   *instance;
	struct store      *store;
	int64_t            deadline_ns;
	struct arena       arena;
	struct live_place *places;               /* by cluster, then app             */
	size_t             count, room;
	emco_object_query *queries;              /* of each place                    */
	bool               is_overfull;
};

static void live_unref(void *data)
{
	struct live *live = data;

	if (__atomic_sub_fetch(&live->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	arena_done(&live->arena);
	free(live);
}

void live_done(struct live *live)
{
	if (live != NULL)
		live_unref(live);
}

/* -- what is asked for ------------------------------------------------------------------------------------------- */

static enum status add_kind(struct live *live, struct live_place *place, struct view api_version, struct view kind,
                            struct error *err)
{
	const char *text = arena_printf(&live->arena, "%.*s|%.*s", V(api_version), V(kind));

	if (text == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const struct view name = view_of(text);
	for (size_t i = 0; i < place->kind_count; i++) {
		const struct view other = view_from_abi(place->kinds[i]);
		if (view_order(&other, &name) == 0)
			return ST_OK;
	}
	const struct view secret = KIND_SECRET;
	if (view_order(&secret, &name) != 0)
		place->kinds[place->kind_count++] = view_to_abi(name);
	return ST_OK;
}

static bool is_shown(const struct report *report, struct view name)
{
	return name_is_among(report->query->resources, report->query->resource_count, object_plain_name(name));
}

/* The kinds of what will be shown: of the app's objects, and of what others made of them. */
static enum status add_kinds(struct report *report, const struct here *here, struct live_place *place, struct error *err)
{
	struct set_entry made;
	enum status      st = ST_OK;

	place->kinds = arena_alloc(&report->live->arena, here->count + here->seen_count + 1, sizeof *place->kinds);
	if (place->kinds == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; st == ST_OK && i < here->count; i++) {
		place_seen(here, here->entries[i].name);
		if (!here->entries[i].is_secret && is_shown(report, here->entries[i].name))
			st = add_kind(report->live, place, here->entries[i].api_version, here->entries[i].kind, err);
	}
	for (size_t i = 0; st == ST_OK && i < here->seen_count; i++)
		if (!here->is_entry[i] && place_made(&here->seen[i], &made) && is_shown(report, made.name))
			st = add_kind(report->live, place, made.api_version, made.kind, err);
	return st;
}

static struct live_place *new_place(struct live *live)
{
	if (live->count == live->room) {
		const size_t       room = live->room > 0 ? 2 * live->room : 16;
		struct live_place *places = room <= PLACES_MAX ? arena_alloc(&live->arena, room, sizeof *places) : NULL;
		if (places == NULL)
			return NULL;
		if (live->count > 0)
			memcpy(places, live->places, live->count * sizeof *places);
		live->places = places;
		live->room = room;
	}
	return &live->places[live->count++];
}

/* A cluster that nobody sees is not asked either: it would only be waited for. */
static void gather(struct out *out, struct report *report, struct here *here)
{
	auto_arena         arena = ARENA(64 << 20);
	struct live       *live = report->live;
	struct live_place *place;
	const char        *label;

	if (out->st != ST_OK || here->unit == NULL || here->unit->is_lost)
		return;
	out->st = place_look(report, here, &arena, true, out->err);
	if (out->st != ST_OK)
		return;
	place = new_place(live);
	label = arena_printf(&live->arena, "%" PRId64 "-%.*s", plan_meta(report->plan)->status_context, V(here->app));
	if (place == NULL || label == NULL) {
		out->st = fail(out->err, ST_NO_MEMORY, "out of memory");
		return;
	}
	place->app = here->app;
	place->cluster = here->cluster;
	place->label = view_of(label);
	out->st = add_kinds(report, here, place, out->err);
}

/* -- asking ------------------------------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
	const struct live_place *one = a, *other = b;
	const int                order = view_order(&one->cluster, &other->cluster);

	return order != 0 ? order : view_order(&one->app, &other->app);
}

static int by_name(const void *a, const void *b)
{
	const struct live_object *one = a, *other = b;

	return view_order(&one->name, &other->name);
}

static emco_status take(void *data, uint64_t query, emco_str name, emco_str body)
{
	struct live       *live = data;
	struct live_place *place;

	if (query >= live->count)
		return EMCO_E_INVALID;
	place = &live->places[query];
	if (place->object_count == place->object_room) {
		const size_t        room = place->object_room > 0 ? 2 * place->object_room : 8;
		struct live_object *objects = arena_alloc(&live->arena, room, sizeof *objects);
		if (objects != NULL && place->object_count > 0)
			memcpy(objects, place->objects, place->object_count * sizeof *objects);
		place->objects = objects != NULL ? objects : place->objects;
		place->object_room = objects != NULL ? room : place->object_room;
	}
	const char *name_copy = arena_copy(&live->arena, name.ptr, (size_t) name.len);
	const char *body_copy = arena_copy(&live->arena, body.ptr, (size_t) body.len);
	live->is_overfull = name_copy == NULL || body_copy == NULL || place->object_count == place->object_room;
	if (live->is_overfull)
		return EMCO_E_TOO_LARGE;
	place->objects[place->object_count++] = (struct live_object) { { name_copy, name.len }, { body_copy, body.len } };
	return EMCO_OK;
}

static emco_status call_slot(const struct instance *instance, emco_call *call, void *data)
{
	struct live *live = data;

	return instance->plugin->read_objects(instance->self, call, live->queries, live->count, take, live);
}

static enum status ask(struct guard *guard, void *data, struct error *err)
{
	struct live *live = data;
	emco_status  answer;

	(void) guard;
	return instance_call(live->instance, live->store, call_slot, live, NULL, live->deadline_ns, &answer, err);
}

static enum status make_queries(struct live *live, struct error *err)
{
	live->queries = arena_alloc(&live->arena, live->count + 1, sizeof *live->queries);
	if (live->queries == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	qsort(live->places, live->count, sizeof *live->places, by_place);
	for (size_t i = 0; i < live->count; i++) {
		const struct live_place *place = &live->places[i];
		live->queries[i] = (emco_object_query) {
			.size = sizeof(emco_object_query), .cluster = view_to_abi(place->cluster), .label = view_to_abi(place->label),
			.kinds = place->kinds, .kind_count = place->kind_count,
		};
	}
	return ST_OK;
}

static struct instance *find_synchroniser(const struct plugins *plugins)
{
	for (size_t i = 0; plugins != NULL && i < plugins_count(plugins); i++) {
		struct instance *instance = plugins_at(plugins, i);
		if ((instance->plugin->roles & EMCO_ROLE_SYNCHRONISER) != 0 && EMCO_HAS(instance->plugin, read_objects))
			return instance;
	}
	return NULL;
}

static struct live *live_new(struct report *report, int64_t deadline_ns)
{
	struct instance *instance = find_synchroniser(report->o->plugins);
	struct live     *live = instance != NULL ? calloc(1, sizeof *live) : NULL;
	const int64_t    now = clock_ns(), soon_ns = now + LIVE_MS * INT64_C(1000000), half_ns = now + (deadline_ns - now) / 2;

	if (live == NULL)
		return NULL;
	live->refs = 1;
	live->instance = instance;
	live->store = report->o->store;
	live->deadline_ns = soon_ns < half_ns ? soon_ns : half_ns;
	arena_init(&live->arena, LIVE_MAX);
	return live;
}

/* Views of the places are the plan's, which does not outlive the report: copied, as the thread that asks may. */
static enum status keep_names(struct live *live, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < live->count; i++) {
		st = arena_keep(&live->arena, live->places[i].app, &live->places[i].app, err);
		if (st == ST_OK)
			st = arena_keep(&live->arena, live->places[i].cluster, &live->places[i].cluster, err);
	}
	return st;
}

static enum status run(struct report *report, int64_t deadline_ns, struct error *err)
{
	struct live *live = report->live;
	struct error fault = { .code = ST_OK };
	enum status  st;

	db_return(report->db);
	report->db = NULL;
	plan_use(report->plan, NULL);
	__atomic_add_fetch(&live->refs, 1, __ATOMIC_RELAXED);
	st = guard_run(ask, live, live_unref, live->deadline_ns, &fault);
	if (st == ST_DEADLINE) {                 /* it may still be writing */
		report->live = NULL;
		live_unref(live);
	} else if (live->is_overfull) {
		fail(err, ST_TOO_LARGE, "the objects on the clusters are more than %d MB", LIVE_MAX >> 20);
		return fail_hint(err, "Ask for a part of them, by \"app\", \"cluster\" or \"resource\".");
	}
	if (st != ST_OK)
		log_warning("status.clusters_not_read", "path", report->path.ptr, "error", fault.text);
	for (size_t i = 0; report->live != NULL && i < live->count; i++)
		if (live->places[i].object_count > 0)
			qsort(live->places[i].objects, live->places[i].object_count, sizeof(struct live_object), by_name);
	st = db_borrow(report->o->store->pool, deadline_ns, &report->db, err);
	if (st == ST_OK)
		plan_use(report->plan, report->db);
	return st;
}

enum status live_ask(struct report *report, int64_t deadline_ns, struct error *err)
{
	auto_buf   nothing = BUF(4096);
	struct out out = { &nothing, err, ST_OK };

	if (report->plan == NULL || report->is_elsewhere || !report_is_about_ready(report) || !report->query->asks_clusters ||
	    report->query->output != STATUS_DETAIL || report->query->form != STATUS_FULL ||
	    (report->live = live_new(report, deadline_ns)) == NULL)
		return ST_OK;
	walk_places(&out, report, gather);
	if (out.st == ST_OK && report->live->count == 0) {
		live_done(report->live);
		report->live = NULL;
		return ST_OK;
	}
	if (out.st == ST_OK)
		out.st = keep_names(report->live, err);
	if (out.st == ST_OK)
		out.st = make_queries(report->live, err);
	return out.st == ST_OK ? run(report, deadline_ns, err) : out.st;
}

/* -- what was told ----------------------------------------------------------------------------------------------- */

struct view live_body(const struct report *report, const struct here *here, struct view name)
{
	const struct live        *live = report->live;
	const struct live_place   wanted = { .app = here->app, .cluster = here->cluster };
	const struct live_object  object = { .name = name };
	const struct live_place  *place;
	const struct live_object *found = NULL;

	place = live != NULL ? bsearch(&wanted, live->places, live->count, sizeof wanted, by_place) : NULL;
	if (place != NULL && place->object_count > 0)
		found = bsearch(&object, place->objects, place->object_count, sizeof object, by_name);
	return found != NULL ? found->body : VIEW("");
}
