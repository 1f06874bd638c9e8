/* /v2/openapi.json: made once from the same rows that make the routes, plugin types included. */
#include "host/api/accept.h"
#include "host/api/answer.h"
#include "host/api/handlers.h"
#include "host/api/openapi.h"
#include "host/api/summary.h"

#include "lib/base/name.h"

#include <ctype.h>
#include <pthread.h>

enum { OPENAPI_MAX = 32 << 20, WORD_MAX = 160 };

static const char header_parameters[] =
	"{\"If-Match\":{\"name\":\"If-Match\",\"in\":\"header\",\"description\":\"Only one of these versions, or * for any.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"If-None-Match\":{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":\"None of these versions; * for none at all.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"Last-Event-ID\":{\"name\":\"Last-Event-ID\",\"in\":\"header\",\"description\":\"Of a stream: the id of the last event that was "
	"seen; nothing is sent until there is another.\",\"schema\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\"}},"
	"\"X-Request-Id\":{\"name\":\"X-Request-Id\",\"in\":\"header\",\"description\":\"An id of the client's own, to be logged and sent "
	"back.\",\"schema\":{\"type\":\"string\",\"maxLength\":64,\"pattern\":\"^[-_.A-Za-z0-9]+$\"}}}";

/* Which of them mean something where. */
static const struct { const char *name; unsigned operations; bool is_of_streams; } header_uses[] = {
	{ "If-Match",      1u << OPERATION_REPLACE | 1u << OPERATION_DELETE | 1u << OPERATION_VERB, false },
	{ "If-None-Match", 1u << OPERATION_READ | 1u << OPERATION_CREATE | 1u << OPERATION_REPLACE | 1u << OPERATION_DELETE, false },
	{ "Last-Event-ID", 1u << OPERATION_LOOK,                                                    true  },
	{ "X-Request-Id",  ~0u,                                                                     false },
};

static const char *const operation_words[OPERATION_COUNT] = {
	[OPERATION_LIST]   = "list",    [OPERATION_CREATE]  = "create",      [OPERATION_READ]      = "read",
	[OPERATION_REPLACE] = "replace", [OPERATION_DELETE] = "delete",      [OPERATION_VERB]      = "do",
	[OPERATION_LOOK]   = "view",    [OPERATION_HEALTH]  = "getHealth",   [OPERATION_READINESS] = "getReadiness",
	[OPERATION_METRICS] = "getMetrics", [OPERATION_OPENAPI] = "getOpenapi",
};

/* -- schemas ---------------------------------------------------------------------------------------------------------- */

/* A schema's references point into itself; in the document it lives below components. */
static json_t *relocated(const json_t *value, const char *type)
{
	const char *text = json_string_value(value), *name;
	json_t     *copy, *member;
	size_t      i;

	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach(value, i, member)
			json_array_append_new(copy, relocated(member, type));
		return copy;
	}
	if (!json_is_object(value))
		return text != NULL ? json_string(text) : json_copy(json_for_reading(value));
	copy = json_object();
	json_object_foreach(json_for_reading(value), name, member) {
		const char *target = json_string_value(member);
		if (strcmp(name, "$ref") == 0 && target != NULL && target[0] == '#')
			json_object_set_new(copy, name, json_sprintf("#/components/schemas/%s%s", type, target + 1));
		else if (strcmp(name, "$schema") != 0 && strcmp(name, "$id") != 0)
			json_object_set_new(copy, name, relocated(member, type));
	}
	return copy;
}

json_t *openapi_literal(const char *text)
{
	return json_loads(text, 0, NULL);
}

json_t *openapi_schema_of(const struct type *type)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", type->row->name));
}

/* "createProject", "instantiateDeploymentIntentGroup": unique in the document. */
static void operation_name(const struct endpoint *endpoint, char name[WORD_MAX])
{
	char type[WORD_MAX] = "";
	const char *word = operation_words[endpoint->operation], *more = "";

	if (endpoint->type != NULL) {
		snprintf(type, sizeof type, "%s", endpoint->type->row->name);
		type[0] = (char) toupper((unsigned char) type[0]);
	}
	if (endpoint->verb != NULL)
		word = endpoint->verb->name;
	else if (endpoint->operation == OPERATION_LOOK)
		more = endpoint->looks[0]->segment;
	snprintf(name, WORD_MAX, "%s%s%s%s", word, type, *more == '\0' ? "" : "-", more);
}

static json_t *components(const struct routes *routes, const struct types *types)
{
	json_t *schemas = json_object();
	size_t  count;
	char    name[WORD_MAX];

	for (size_t i = 0; i < types_count(types); i++) {
		const struct type *type = types_at(types, i);
		json_object_set_new(schemas, type->row->name, relocated(schema_document(type->schema), type->row->name));
	}
	for (size_t i = 0; i < routes_count(routes); i++) {
		const struct endpoint *endpoint = routes_at(routes, i);
		if (endpoint->body == NULL)
			continue;
		operation_name(endpoint, name);
		json_object_set_new(schemas, name, relocated(schema_document(endpoint->body), name));
	}
	const struct family *families = resources_families(&count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < families[i].answer_count; k++) {
			const struct named_schema *answer = &families[i].answers[k];
			auto_json                 *schema = openapi_literal(answer->schema);
			json_object_set_new(schemas, answer->name, relocated(schema, answer->name));
		}
	json_t *all = json_pack("{s:o, s:o}", "schemas", schemas, "parameters", openapi_literal(header_parameters));
	openapi_add_answers(all);
	return all;
}

/* -- operations ------------------------------------------------------------------------------------------------------- */

static json_t *path_parameters(const char *pattern)
{
	json_t *parameters = json_array();

	for (const char *at = strchr(pattern, '{'); at != NULL; at = strchr(at + 1, '{')) {
		const int len = (int) strcspn(at + 1, "}");
		json_array_append_new(parameters, json_pack("{s:o, s:s, s:b, s:{s:s, s:s, s:i}}", "name",
		                                            json_stringn(at + 1, (size_t) len), "in", "path", "required", 1,
		                                            "schema", "type", "string", "pattern", NAME_PATTERN, "maxLength",
		                                            NAME_LEN_MAX));
	}
	return parameters;
}

static bool has_parameter(const json_t *parameters, const char *name)
{
	const json_t *parameter;
	size_t        i;

	json_array_foreach(parameters, i, parameter)
		if (strcmp(json_string_at(parameter, "name"), name) == 0)
			return true;
	return false;
}

/* What a list and a view of it both take is one parameter. */
static void add_parameter(json_t *parameters, const struct query_option *option)
{
	const char *schema = option->schema != NULL ? option->schema : "{\"type\":\"string\"}";

	if (has_parameter(parameters, option->name))
		return;
	json_array_append_new(parameters, json_pack("{s:s, s:s, s:s, s:o}", "name", option->name, "in", "query", "description",
	                                            option->summary, "schema", openapi_literal(schema)));
}

static void add_options(json_t *parameters, const struct query_option *option)
{
	for (; option != NULL && option->name != NULL; option++)
		add_parameter(parameters, option);
}

static json_t *parameters_of(const struct endpoint *endpoint)
{
	json_t *parameters = json_array();

	for (size_t i = 0; i < endpoint->look_count; i++) {
		const struct look *look = endpoint->looks[i];
		if (look->by.name != NULL && look->by.summary != NULL)
			add_parameter(parameters, &look->by);
		add_options(parameters, look->options);
	}
	add_options(parameters, endpoint->verb != NULL ? endpoint->verb->options : NULL);
	add_options(parameters, endpoint->options);
	for (size_t i = 0; i < ARRAY_LEN(header_uses); i++)
		if ((header_uses[i].operations & 1u << endpoint->operation) != 0
		    && (!header_uses[i].is_of_streams || endpoint_takes(endpoint, VIEW("watch"))))
			json_array_append_new(parameters, json_pack("{s:o}", "$ref", json_sprintf("#/components/parameters/%s",
			                                                                          header_uses[i].name)));
	return parameters;
}

json_t *openapi_form_of(const struct type *type)
{
	json_t *properties = json_pack("{s:o}", "metadata", openapi_schema_of(type)), *required = json_pack("[s]", "metadata");

	for (size_t i = 0; i < type->row->file_count; i++) {
		const emco_file *file = &type->row->files[i];
		json_object_set_new(properties, file->part, (file->flags & EMCO_FILE_MANY) != 0
			? openapi_literal("{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"binary\"}}")
			: openapi_literal("{\"type\":\"string\",\"format\":\"binary\"}"));
		if ((file->flags & EMCO_FILE_REQUIRED) != 0)
			json_array_append_new(required, json_string(file->part));
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required", required);
}

static json_t *request_body(const struct type *type)
{
	json_t *content = json_object();

	if (!type_needs_form(type))
		json_object_set_new(content, TYPE_JSON, json_pack("{s:o}", "schema", openapi_schema_of(type)));
	if (type->row->file_count > 0)
		json_object_set_new(content, TYPE_FORM, json_pack("{s:o}", "schema", openapi_form_of(type)));
	return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

static json_t *verb_body(const struct endpoint *endpoint)
{
	char name[WORD_MAX];

	operation_name(endpoint, name);
	return json_pack("{s:b, s:{s:{s:{s:o}}}}", "required", 1, "content", TYPE_JSON, "schema", "$ref",
	                 json_sprintf("#/components/schemas/%s", name));
}

static json_t *operation_of(const struct endpoint *endpoint)
{
	char    name[WORD_MAX], summary[SUMMARY_SIZE];

	operation_name(endpoint, name);
	summary_of(endpoint, summary);
	json_t *operation = json_pack("{s:s, s:s, s:[s]}", "operationId", name, "summary", summary, "tags",
	                              endpoint->type == NULL ? "system" : endpoint->type->row->name);

	if (endpoint->type != NULL && endpoint->about != NULL)
		json_object_set_new(operation, "description", json_string(endpoint->about));
	json_object_set_new(operation, "parameters", parameters_of(endpoint));
	if (endpoint->operation == OPERATION_CREATE || endpoint->operation == OPERATION_REPLACE)
		json_object_set_new(operation, "requestBody", request_body(endpoint->type));
	else if (endpoint->body != NULL)
		json_object_set_new(operation, "requestBody", verb_body(endpoint));
	json_object_set_new(operation, "responses", openapi_answers(endpoint));
	return operation;
}

static json_t *paths(const struct routes *routes)
{
	json_t *all = json_object();

	for (size_t i = 0; i < routes_count(routes); i++) {
		const struct endpoint *endpoint = routes_at(routes, i);
		json_t *path = json_object_get(all, endpoint->pattern);
		char    method[8];

		if (path == NULL) {
			path = json_object();
			json_object_set_new(all, endpoint->pattern, path);
			json_t *parameters = path_parameters(endpoint->pattern);
			if (json_array_size(parameters) > 0)
				json_object_set(path, "parameters", parameters);
			json_decref(parameters);
		}
		snprintf(method, sizeof method, "%s", method_name(endpoint->method));
		for (char *c = method; *c != '\0'; c++)
			*c = (char) tolower((unsigned char) *c);
		json_object_set_new(path, method, operation_of(endpoint));
	}
	return all;
}

enum status openapi_make(const struct routes *routes, const struct types *types, struct buf *out, struct error *err)
{
	auto_json *document = json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:[], s:o, s:o}", "openapi", "3.1.0",
	                                "info", "title", "emcod", "version", EMCO_VERSION, "description",
	                                "Composite applications, deployed to many clusters. Operators say who may reach it: it "
	                                "asks nobody who he is.", "license", "name", "Apache-2.0", "identifier", "Apache-2.0",
	                                "servers", "url", "/", "security", "paths", paths(routes), "components",
	                                components(routes, types));

	if (document == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the description of the API");
	return json_write(out, document, err);
}

/* -- the handler ------------------------------------------------------------------------------------------------------ */

static pthread_mutex_t document_lock = PTHREAD_MUTEX_INITIALIZER;   /* guards document_text while it is made */
static char           *document_text;                               /* for ever: the routes do not change   */

enum status handle_openapi(struct request *req, struct error *err)
{
	struct buf *body;
	enum status st = accept_takes(req, TYPE_JSON, err);

	if (st != ST_OK)
		return st;
	if ((body = answer_body(req, err)) == NULL)
		return ST_NO_MEMORY;
	pthread_mutex_lock(&document_lock);
	if (document_text == NULL) {
		auto_buf text = BUF(OPENAPI_MAX);
		st = openapi_make(req->api->routes, req->api->types, &text, err);
		if (st == ST_OK)
			document_text = buf_take(&text);
	}
	const char *document = document_text;
	pthread_mutex_unlock(&document_lock);
	if (st == ST_OK && document == NULL)
		st = fail(err, ST_NO_MEMORY, "no memory for the description of the API");
	if (st == ST_OK)
		st = buf_printf(body, err, "%s\n", document);
	if (st == ST_OK)
		answer_send(req, 200, TYPE_JSON);
	return st;
}
