/*
 * placement-nearest - of alternative clusters, keep those that carry a label.
 *
 * An app that may run on any of several clusters (one group) loses the alternatives without the label its intent names.
 * A cluster without alternatives stays: it was asked for by name.  Declines a deployment without an intent.
 */
#include <emco/plugin.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- options --------------------------------------------------------------------------------------------------------- */

struct config { int32_t strict; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, strict, .dflt = "false",
	            .help = "Fail when none of an app's alternatives carries the label; else they are left alone."),
	EMCO_OPTION_END,
};

/* -- the intent ------------------------------------------------------------------------------------------------------ */

#define NAME_SCHEMA  "{\"type\":\"string\",\"maxLength\":128,\"pattern\":\"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$\"}"
#define TEXT_SCHEMA(limit)  "{\"type\":\"string\",\"maxLength\":" limit ",\"default\":\"\"}"

static const char intent_schema[] =
	"{\"description\":\"Which label the alternatives of an app must carry.\",\"examples\":[{\"metadata\":{\"name\":\"near\"},\"spec\":{"
	"\"app\":\"web\",\"clusterLabel\":\"south\"}}],\"type\":\"object\",\"properties\":{"
	"\"metadata\":{\"type\":\"object\",\"properties\":{\"name\":" NAME_SCHEMA ",\"description\":" TEXT_SCHEMA("1024")
	",\"userData1\":" TEXT_SCHEMA("512") ",\"userData2\":" TEXT_SCHEMA("512") "},\"required\":[\"name\"]},"
	"\"spec\":{\"type\":\"object\",\"properties\":{"
	"\"app\":{\"description\":\"The app; empty: every app.\",\"type\":\"string\",\"maxLength\":128,"
	"\"x-emco-omit-empty\":true},"
	"\"clusterLabel\":" NAME_SCHEMA "},\"required\":[\"clusterLabel\"]}},\"required\":[\"metadata\",\"spec\"]}";

static const emco_reference intent_references[] = {
	{ .at = "spec", .target = "projects/{project}/composite-apps/{compositeApp}/{compositeAppVersion}/apps/{.app}" },
};

static const emco_resource_type types[] = {
	{
		.name = "nearestIntent", .parent = "deploymentIntentGroup", .segment = "nearest-intents",
		.schema = intent_schema, EMCO_REFERENCES(intent_references),
		.summary = "Of alternative clusters, keep those that carry a label.",
	},
};

/* -- the instance ---------------------------------------------------------------------------------------------------- */

struct emco_instance {
	const struct config      *config;
	const emco_app_context_1 *contexts;
	const emco_resources_1   *resources;
	const emco_clusters_1    *clusters;
};

static emco_str text_of(const char *text)
{
	return (emco_str) { text, strlen(text) };
}

static bool equal(emco_str a, emco_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->config = config;
	self->contexts = host->extension(host, EMCO_APP_CONTEXT_1);
	self->resources = host->extension(host, EMCO_RESOURCES_1);
	self->clusters = host->extension(host, EMCO_CLUSTERS_1);
	if (self->contexts == NULL || self->resources == NULL || self->clusters == NULL) {
		free(self);
		return call->fail(call, EMCO_E_UNAVAILABLE, EMCO_STR(""),
		                  EMCO_STR("needs " EMCO_APP_CONTEXT_1 ", " EMCO_RESOURCES_1 " and " EMCO_CLUSTERS_1),
		                  EMCO_STR("Install a server that offers them."));
	}
	*ret_instance = self;
	return EMCO_OK;
}

static void destroy(emco_instance *self)
{
	free(self);
}

/* -- the work -------------------------------------------------------------------------------------------------------- */

/* One app on one cluster.  The texts live as long as the call. */
struct place {
	emco_str app, cluster, group;
	size_t   app_order;
	int32_t  has_label;
};

struct work {
	emco_instance *self;
	emco_call     *call;
	emco_str       context, app, label;
	struct place  *places;
	size_t         count, room, apps;
};

static emco_status gather(void *data, emco_str app, emco_str cluster, emco_str group)
{
	struct work *work = data;

	if (work->app.len > 0 && !equal(work->app, app))
		return EMCO_OK;
	if (work->count == work->room) {
		const size_t  room = work->room == 0 ? 64 : 2 * work->room;
		struct place *more = realloc(work->places, room * sizeof *more);
		if (more == NULL)
			return EMCO_E_NO_MEMORY;
		work->places = more;
		work->room = room;
	}
	if (work->count == 0 || !equal(work->places[work->count - 1].app, app))
		work->apps++;
	work->places[work->count++] = (struct place) { app, cluster, group, work->apps, 0 };
	return EMCO_OK;
}

static int by_group(const void *a, const void *b)
{
	const struct place *one = a, *other = b;
	const uint64_t      least = one->group.len < other->group.len ? one->group.len : other->group.len;

	if (one->app_order != other->app_order)
		return one->app_order < other->app_order ? -1 : 1;
	const int order = least == 0 ? 0 : memcmp(one->group.ptr, other->group.ptr, least);
	return order != 0 ? order : (one->group.len > other->group.len) - (one->group.len < other->group.len);
}

static emco_status none_left(const struct work *work, const struct place *place)
{
	char text[300];

	if (!work->self->config->strict)
		return EMCO_OK;
	snprintf(text, sizeof text, "app \"%.*s\": none of its alternative clusters carries label \"%.*s\"",
	         (int) place->app.len, place->app.ptr, (int) work->label.len, work->label.ptr);
	return work->call->fail(work->call, EMCO_E_CONFLICT, EMCO_STR("/spec/clusterLabel"), text_of(text),
	                        EMCO_STR("Label a cluster, or set strict = false."));
}

/* Alternatives: the places of one app in one group. */
static emco_status choose(const struct work *work, struct place *places, size_t count)
{
	const emco_clusters_1    *clusters = work->self->clusters;
	const emco_app_context_1 *contexts = work->self->contexts;
	size_t                    carrying = 0;

	if (count < 2)
		return EMCO_OK;
	for (size_t i = 0; i < count; i++) {
		if (work->call->cancelled(work->call))
			return EMCO_E_DEADLINE;
		const emco_status status = clusters->has_label(work->call, places[i].cluster, work->label, &places[i].has_label);
		if (status != EMCO_OK)
			return status;
		carrying += places[i].has_label != 0;
	}
	if (carrying == 0)
		return none_left(work, &places[0]);
	for (size_t i = 0; i < count; i++) {
		emco_status status = EMCO_OK;
		if (!places[i].has_label)
			status = contexts->drop_cluster(work->call, work->context, places[i].app, places[i].cluster);
		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

static emco_status choose_all(struct work *work)
{
	emco_status status = work->self->contexts->each_cluster(work->call, work->context, gather, work);

	if (status == EMCO_OK && work->count > 0)
		qsort(work->places, work->count, sizeof *work->places, by_group);
	for (size_t first = 0, next; first < work->count && status == EMCO_OK; first = next) {
		for (next = first + 1; next < work->count; next++)
			if (by_group(&work->places[first], &work->places[next]) != 0)
				break;
		status = choose(work, work->places + first, next - first);
	}
	free(work->places);
	return status;
}

/* Read the intent below the deployment that owns the context. */
static emco_status read_intent(emco_instance *self, emco_call *call, emco_str context, emco_str intent, json_t **ret_intent)
{
	static const char     segment[] = "/nearest-intents/";
	emco_app_context_meta meta = { .size = sizeof meta };
	emco_str              document;

	emco_status status = self->contexts->meta(call, context, &meta);
	if (status != EMCO_OK)
		return status;
	const size_t size = meta.owner.len + sizeof segment + intent.len;
	char        *path = call->alloc(call, 1, size);
	if (path == NULL)
		return EMCO_E_NO_MEMORY;
	const int len = snprintf(path, size, "%.*s%s%.*s", (int) meta.owner.len, meta.owner.ptr, segment, (int) intent.len,
	                         intent.ptr);
	status = self->resources->read(call, (emco_str) { path, (uint64_t) len }, &document);
	if (status != EMCO_OK)
		return status;
	*ret_intent = json_loadb(document.ptr, document.len, 0, NULL);
	return *ret_intent != NULL ? EMCO_OK : EMCO_E_INTERNAL;
}

static emco_str text_at(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (emco_str) { json_string_value(value), json_string_length(value) };
}

static emco_status filter_clusters(emco_instance *self, emco_call *call, emco_str context, emco_str intent)
{
	struct work work = { .self = self, .call = call, .context = context };
	json_t     *document;

	if (intent.len == 0)
		return EMCO_DECLINED;
	emco_status status = read_intent(self, call, context, intent, &document);
	if (status != EMCO_OK)
		return status;
	work.app = text_at(json_object_get(document, "spec"), "app");
	work.label = text_at(json_object_get(document, "spec"), "clusterLabel");
	status = choose_all(&work);
	json_decref(document);
	return status;
}

static const char *const aliases[] = { "nearest", NULL };

EMCO_PLUGIN(.name = "placement-nearest", .version = "1.0.0", .summary = "Keep the alternatives that carry a label.",
            .roles = EMCO_ROLE_PLACEMENT, .aliases = aliases, .priority = 100, .thread_model = EMCO_THREADS_PARALLEL,
            EMCO_OPTIONS(options, struct config), EMCO_TYPES(types),
            .create = create, .destroy = destroy, .filter_clusters = filter_clusters);
