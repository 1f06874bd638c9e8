#include "host/orchestrator/live.h"

#include "host/orchestrator/object.h"
#include "host/registry/guard.h"
#include "host/registry/instance.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/log.h"

#include <inttypes.h>
#include <stdlib.h>

struct live_object { struct view name, api_version, namespace_, body; };

struct live_place {
	struct view         app, cluster, label;
	emco_str           *kinds;
	size_t              kind_count, kind_room;
	struct live_object *objects;             /* in order, once all were told     */
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
	const struct view *names;                /* of objects that are shown        */
	size_t             name_count;           /* 0: all                           */
	bool               is_overfull;
};

static void unref(void *data)
{
	struct live *live = data;

	if (__atomic_sub_fetch(&live->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	arena_done(&live->arena);
	free(live);
}

void live_unref(struct live *live)
{
	if (live != NULL)
		unref(live);
}

struct instance *live_synchroniser(const struct plugins *plugins)
{
	for (size_t i = 0; plugins != NULL && i < plugins_count(plugins); i++) {
		struct instance *instance = plugins_at(plugins, i);
		if ((instance->plugin->roles & EMCO_ROLE_SYNCHRONISER) != 0 && EMCO_HAS(instance->plugin, read_objects))
			return instance;
	}
	return NULL;
}

struct live *live_new(struct instance *instance, struct store *store, const struct view *names, size_t count)
{
	struct live *live = calloc(1, sizeof *live);
	struct view *copies;

	if (live == NULL)
		return NULL;
	live->refs = 1;
	live->instance = instance;
	live->store = store;
	arena_init(&live->arena, LIVE_MAX);
	copies = arena_alloc(&live->arena, count + 1, sizeof *copies);
	live->names = copies;
	live->name_count = count;
	for (size_t i = 0; i < count; i++)
		if (copies == NULL || arena_keep(&live->arena, names[i], &copies[i], NULL) != ST_OK) {
			live_unref(live);
			return NULL;
		}
	return live;
}

/* -- what is asked for ------------------------------------------------------------------------------------------- */

bool live_is_shown(const struct live *live, struct view name)
{
	const struct view plain = object_plain_name(name);

	for (size_t i = 0; i < live->name_count; i++)
		if (view_order(&live->names[i], &plain) == 0)
			return true;
	return live->name_count == 0;
}

static bool is_kind(struct view text, struct view api_version, struct view kind)
{
	return text.len == api_version.len + 1 + kind.len && memcmp(text.ptr, api_version.ptr, api_version.len) == 0 &&
	       text.ptr[api_version.len] == '|' && memcmp(text.ptr + api_version.len + 1, kind.ptr, kind.len) == 0;
}

static bool is_secret(struct view api_version, struct view kind)
{
	return view_is(api_version, "v1") && view_is(kind, "Secret");
}

enum status live_add_kind(struct live *live, struct live_place *place, struct view api_version, struct view kind, struct error *err)
{
	if (is_secret(api_version, kind))
		return ST_OK;
	for (size_t i = 0; i < place->kind_count; i++)
		if (is_kind(view_from_abi(place->kinds[i]), api_version, kind))
			return ST_OK;
	const char *text = arena_printf(&live->arena, "%.*s|%.*s", V(api_version), V(kind));
	if (text == NULL || !arena_grow(&live->arena, &place->kinds, place->kind_count, 1, &place->kind_room, sizeof *place->kinds))
		return fail(err, ST_NO_MEMORY, "out of memory");
	place->kinds[place->kind_count++] = view_to_abi(view_of(text));
	return ST_OK;
}

enum status live_add(struct live *live, struct view app, struct view cluster, int64_t status_context, struct live_place **ret_place,
                     struct error *err)
{
	const char       *label = arena_printf(&live->arena, "%" PRId64 "-%.*s", status_context, V(app));
	struct live_place place = { .kind_count = 0 };

	enum status st = arena_keep(&live->arena, app, &place.app, err);
	if (st == ST_OK)
		st = arena_keep(&live->arena, cluster, &place.cluster, err);
	if (st == ST_OK && (label == NULL || !arena_grow(&live->arena, &live->places, live->count, 1, &live->room, sizeof *live->places)))
		st = fail(err, ST_NO_MEMORY, "out of memory");
	if (st != ST_OK)
		return st;
	place.label = view_of(label);
	live->places[live->count] = place;
	*ret_place = &live->places[live->count++];
	return ST_OK;
}

/* -- asking ------------------------------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
	const struct live_place *one = a, *other = b;
	const int                order = view_order(&one->cluster, &other->cluster);

	return order != 0 ? order : view_order(&one->app, &other->app);
}

static int by_entry(const void *a, const void *b)
{
	const struct live_object *one = a, *other = b;
	const int                 order = view_order(&one->name, &other->name);

	return order != 0 ? order : view_order(&one->api_version, &other->api_version);
}

/* What several have in common is not enough for an order that is always the same. */
static int by_all(const void *a, const void *b)
{
	const struct live_object *one = a, *other = b;
	const int                 order = by_entry(a, b);

	return order != 0 ? order : view_order(&one->namespace_, &other->namespace_);
}

static enum status keep(struct live *live, struct live_place *place, struct view name, const json_t *value, struct view body)
{
	struct live_object kept;

	enum status st = arena_keep(&live->arena, name, &kept.name, NULL);
	if (st == ST_OK)
		st = arena_keep(&live->arena, json_text_at(value, "apiVersion"), &kept.api_version, NULL);
	if (st == ST_OK)
		st = arena_keep(&live->arena, json_text_at(value, "metadata.namespace"), &kept.namespace_, NULL);
	if (st == ST_OK)
		st = arena_keep(&live->arena, body, &kept.body, NULL);
	if (st != ST_OK || !arena_grow(&live->arena, &place->objects, place->object_count, 1, &place->object_room, sizeof *place->objects))
		return ST_NO_MEMORY;
	place->objects[place->object_count++] = kept;
	return ST_OK;
}

/* A plugin's words: what is no object, or nobody asked for, is passed over. */
static emco_status take(void *data, uint64_t query, emco_str name, emco_str body)
{
	struct live *live = data;
	auto_json   *value = NULL;

	if (query >= live->count)
		return EMCO_E_INVALID;
	if (deadline_past(live->deadline_ns))
		return EMCO_E_DEADLINE;
	if (live->is_overfull)
		return EMCO_E_TOO_LARGE;
	if (!live_is_shown(live, view_from_abi(name)) || json_read(view_from_abi(body), &value, NULL) != ST_OK || !json_is_object(value) ||
	    is_secret(json_text_at(value, "apiVersion"), json_text_at(value, "kind")))
		return EMCO_OK;
	live->is_overfull = keep(live, &live->places[query], view_from_abi(name), value, view_from_abi(body)) != ST_OK;
	return live->is_overfull ? EMCO_E_TOO_LARGE : EMCO_OK;
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

/* The guarded thread is done with it, even if its call came back as a failure: what was told by then can be used. */
static bool has_ended(struct live *live)
{
	return __atomic_load_n(&live->refs, __ATOMIC_ACQUIRE) == 1;
}

enum status live_ask(struct live *live, struct view path, int64_t deadline_ns, struct error *err)
{
	struct error fault = { .code = ST_OK };
	enum status  st = live->count > 0 ? make_queries(live, err) : ST_OK;

	if (st != ST_OK || live->count == 0)
		return st;
	live->deadline_ns = deadline_ns;
	__atomic_add_fetch(&live->refs, 1, __ATOMIC_RELAXED);
	st = guard_run(ask, live, unref, deadline_ns, &fault);
	if (st != ST_OK)
		log_warning("status.clusters_not_read", "path", path.ptr, "error", fault.text);
	if (!has_ended(live)) {
		if (err != NULL)
			*err = fault;
		return ST_DEADLINE;
	}
	if (live->is_overfull || st == ST_TOO_LARGE) {
		IGNORE(fail(err, ST_TOO_LARGE, "the objects on the clusters are more than %d MB", LIVE_MAX >> 20));
		return fail_hint(err, "Ask for a part of them, by \"app\", \"cluster\" or \"resource\".");
	}
	for (size_t i = 0; i < live->count; i++)
		if (live->places[i].object_count > 0)
			qsort(live->places[i].objects, live->places[i].object_count, sizeof(struct live_object), by_all);
	return ST_OK;
}

/* -- what was told ----------------------------------------------------------------------------------------------- */

/*
 * The object in the wanted namespace, or one that is in no namespace.  Where the wanted namespace is not known, as of what
 * controllers have made on the cluster, the first of that name.  NULL: none was told.
 */
static const struct live_object *find(const struct live_place *place, const struct live_object *wanted)
{
	const struct live_object *end = place->objects + place->object_count;
	const struct live_object *first = bsearch(wanted, place->objects, place->object_count, sizeof *wanted, by_entry);

	while (first != NULL && first > place->objects && by_entry(first - 1, wanted) == 0)
		first--;
	for (const struct live_object *at = first; at != NULL && at < end && by_entry(at, wanted) == 0; at++)
		if (wanted->namespace_.len == 0 || at->namespace_.len == 0 || view_order(&at->namespace_, &wanted->namespace_) == 0)
			return at;
	return NULL;
}

struct view live_body(const struct live *live, struct view app, struct view cluster, const struct set_entry *entry,
                      struct view namespace_)
{
	const struct live_place   at = { .app = app, .cluster = cluster }, *place = NULL;
	const struct live_object  wanted = { .name = entry->name, .api_version = entry->api_version, .namespace_ = namespace_ };
	const struct live_object *found = NULL;

	if (live->count > 0)
		place = bsearch(&at, live->places, live->count, sizeof at, by_place);
	if (place != NULL && place->object_count > 0)
		found = find(place, &wanted);
	return found != NULL ? found->body : VIEW("");
}
