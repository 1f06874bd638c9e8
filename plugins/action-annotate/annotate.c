/*
 * action-annotate - set annotations on the objects of a deployment.
 *
 * The intent says which annotations, and on which app and kinds.  With append = true a value that is there is kept and the
 * new one added after a comma: two instances then leave both their marks, in the order of their priorities.  trace names an
 * annotation in which every object tells which instances it went through.
 */
#include <emco/plugin.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- options --------------------------------------------------------------------------------------------------------- */

struct config { int32_t append; emco_str trace; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, append, .dflt = "false",
	            .help = "Keep a value that is there and add the new one after a comma, instead of replacing it."),
	EMCO_OPTION(struct config, trace, .dflt = "", .max = 317,
	            .help = "An annotation to which the name of the instance is appended; empty: none."),
	EMCO_OPTION_END,
};

/* -- the intent ------------------------------------------------------------------------------------------------------ */

#define NAME_SCHEMA  "{\"type\":\"string\",\"maxLength\":128,\"pattern\":\"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$\"}"
#define TEXT_SCHEMA(limit)  "{\"type\":\"string\",\"maxLength\":" limit ",\"default\":\"\"}"

static const char intent_schema[] =
	"{\"description\":\"Annotations for the objects of a deployment.\",\"examples\":[{\"metadata\":{\"name\":\"marks\"},\"spec\":{"
	"\"kinds\":[\"Deployment\"],\"annotations\":{\"team\":\"store\"}}}],\"type\":\"object\",\"properties\":{"
	"\"metadata\":{\"type\":\"object\",\"properties\":{\"name\":" NAME_SCHEMA ",\"description\":" TEXT_SCHEMA("1024")
	",\"userData1\":" TEXT_SCHEMA("512") ",\"userData2\":" TEXT_SCHEMA("512") "},\"required\":[\"name\"]},"
	"\"spec\":{\"type\":\"object\",\"properties\":{"
	"\"app\":{\"description\":\"The app; empty: every app.\",\"type\":\"string\",\"maxLength\":128,"
	"\"x-emco-omit-empty\":true},"
	"\"kinds\":{\"description\":\"Kinds of objects; empty: all.\",\"type\":\"array\",\"maxItems\":64,"
	"\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128},\"x-emco-omit-empty\":true},"
	"\"annotations\":{\"description\":\"Name and value of each annotation.\",\"type\":\"object\","
	"\"additionalProperties\":{\"type\":\"string\",\"maxLength\":65536}}"
	"},\"required\":[\"annotations\"]}},\"required\":[\"metadata\",\"spec\"]}";

static const emco_reference intent_references[] = {
	{ .at = "spec", .target = "projects/{project}/composite-apps/{compositeApp}/{compositeAppVersion}/apps/{.app}" },
};

static const emco_resource_type types[] = {
	{
		.name = "annotationIntent", .parent = "deploymentIntentGroup", .segment = "annotation-intents",
		.schema = intent_schema, EMCO_REFERENCES(intent_references),
		.summary = "Set annotations on the objects of a deployment.",
	},
};

/* -- the instance ---------------------------------------------------------------------------------------------------- */

struct emco_instance {
	const struct config      *config;
	const emco_app_context_1 *contexts;
	const emco_resources_1   *resources;
	char                     *name, *trace;    /* trace: empty for none */
};

static void destroy(emco_instance *self)
{
	free(self->name);
	free(self->trace);
	free(self);
}

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->config = config;
	self->name = strndup(host->instance.ptr, host->instance.len);
	self->trace = strndup(self->config->trace.ptr, self->config->trace.len);
	self->contexts = host->extension(host, EMCO_APP_CONTEXT_1);
	self->resources = host->extension(host, EMCO_RESOURCES_1);
	if (self->name == NULL || self->trace == NULL) {
		destroy(self);
		return EMCO_E_NO_MEMORY;
	}
	if (self->contexts == NULL || self->resources == NULL) {
		destroy(self);
		return call->fail(call, EMCO_E_UNAVAILABLE, EMCO_STR(""),
		                  EMCO_STR("needs " EMCO_APP_CONTEXT_1 " and " EMCO_RESOURCES_1),
		                  EMCO_STR("Install a server that offers them."));
	}
	*ret_instance = self;
	return EMCO_OK;
}

/* -- the work -------------------------------------------------------------------------------------------------------- */

struct work {
	emco_instance *self;
	emco_call     *call;
	const json_t  *spec;
	emco_str       context, app, cluster;      /* where the walk is */
};

static bool is(emco_str text, const json_t *string)
{
	return json_string_length(string) == text.len && (text.len == 0 || memcmp(json_string_value(string), text.ptr, text.len) == 0);
}

static bool is_wanted_kind(const json_t *spec, emco_str kind)
{
	const json_t *kinds = json_object_get(spec, "kinds");

	for (size_t i = 0; i < json_array_size(kinds); i++)
		if (is(kind, json_array_get(kinds, i)))
			return true;
	return json_array_size(kinds) == 0;
}

/* member of an object, made when it is missing; NULL when it is something else. */
static json_t *object_at(json_t *object, const char *member)
{
	json_t *value = json_object_get(object, member);

	if (json_is_object(value))
		return value;
	if ((value != NULL && !json_is_null(value)) || json_object_set_new(object, member, json_object()) != 0)
		return NULL;
	return json_object_get(object, member);
}

/* 1: changed; 0: it is so already; -1: out of memory. */
static int annotate(json_t *annotations, const char *name, const char *value, bool keeps_old)
{
	const json_t *old = json_object_get(annotations, name);
	const char   *text = json_string_value(old);

	if (keeps_old && text != NULL && text[0] != '\0')
		return json_object_set_new(annotations, name, json_sprintf("%s,%s", text, value)) == 0 ? 1 : -1;
	if (text != NULL && strcmp(text, value) == 0)
		return 0;
	return json_object_set_new(annotations, name, json_string(value)) == 0 ? 1 : -1;
}

static int annotate_all(const struct work *work, json_t *annotations)
{
	json_t     *wanted = json_object_get(work->spec, "annotations"), *value;
	const char *name;
	int         changes = 0;

	json_object_foreach(wanted, name, value) {
		const int change = annotate(annotations, name, json_string_value(value), work->self->config->append);
		if (change < 0)
			return -1;
		changes += change;
	}
	if (work->self->trace[0] != '\0') {
		const int change = annotate(annotations, work->self->trace, work->self->name, true);
		if (change < 0)
			return -1;
		changes += change;
	}
	return changes;
}

static emco_status edit(const struct work *work, emco_str name, json_t *object)
{
	json_t   *annotations = object_at(object_at(object, "metadata"), "annotations");
	const int changes = annotations == NULL ? 0 : annotate_all(work, annotations);

	if (changes <= 0)
		return changes == 0 ? EMCO_OK : EMCO_E_NO_MEMORY;
	char *body = json_dumps(object, JSON_COMPACT);
	if (body == NULL)
		return EMCO_E_NO_MEMORY;
	const emco_status status = work->self->contexts->write_object(work->call, work->context, work->app, work->cluster, name,
	                                                              (emco_str) { body, strlen(body) });
	free(body);
	return status;
}

static emco_status visit_object(void *data, const emco_object *found)
{
	const struct work *work = data;
	emco_str           body;

	if (!is_wanted_kind(work->spec, found->kind))
		return EMCO_OK;
	if (work->call->cancelled(work->call))
		return EMCO_E_DEADLINE;
	emco_status status = work->self->contexts->read_object(work->call, work->context, work->app, work->cluster, found->name,
	                                                       &body);
	if (status != EMCO_OK)
		return status;
	json_t *object = json_loadb(body.ptr, body.len, 0, NULL);
	status = object == NULL ? EMCO_E_INTERNAL : edit(work, found->name, object);
	json_decref(object);
	return status;
}

static emco_status visit_cluster(void *data, emco_str app, emco_str cluster, emco_str group)
{
	struct work  *work = data;
	const json_t *wanted = json_object_get(work->spec, "app");

	(void) group;
	if (json_string_length(wanted) > 0 && !is(app, wanted))
		return EMCO_OK;
	work->app = app;
	work->cluster = cluster;
	return work->self->contexts->each_object(work->call, work->context, app, cluster, visit_object, work);
}

/* Read the intent below the deployment that owns the context. */
static emco_status read_intent(emco_instance *self, emco_call *call, emco_str context, emco_str intent, json_t **ret_intent)
{
	static const char     segment[] = "/annotation-intents/";
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

static emco_status update_app_context(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	struct work work = { .self = self, .call = call, .context = context };
	json_t     *document;

	(void) from;
	if (intent.len == 0)
		return EMCO_DECLINED;
	emco_status status = read_intent(self, call, context, intent, &document);
	if (status != EMCO_OK)
		return status;
	work.spec = json_object_get(document, "spec");
	status = self->contexts->each_cluster(call, context, visit_cluster, &work);
	json_decref(document);
	return status;
}

static const char *const aliases[] = { "annotate", NULL };

EMCO_PLUGIN(.name = "action-annotate", .version = "1.0.0", .summary = "Set annotations on objects.",
            .roles = EMCO_ROLE_ACTION, .aliases = aliases, .priority = 200, .thread_model = EMCO_THREADS_PARALLEL,
            EMCO_OPTIONS(options, struct config), EMCO_TYPES(types),
            .create = create, .destroy = destroy, .update_app_context = update_app_context);
