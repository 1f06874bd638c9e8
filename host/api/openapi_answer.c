/* The answers of /v2/openapi.json: codes, headers and schemas of every operation. */
#include "host/api/openapi.h"

#include "host/api/answer.h"
#include "host/api/status.h"

#define HEADER(name)  "\"" name "\":{\"$ref\":\"#/components/headers/" name "\"}"

static const char headers[] =
	"{\"X-Request-Id\":{\"description\":\"The request's own id, or one made for it; logged with it.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"ETag\":{\"description\":\"The version, for If-Match and If-None-Match.\",\"schema\":{\"type\":\"string\"}},"
	"\"Location\":{\"description\":\"Path of what was created.\",\"schema\":{\"type\":\"string\"}},"
	"\"Link\":{\"description\":\"With rel=\\\"next\\\": the next page.\",\"schema\":{\"type\":\"string\"}},"
	"\"Warning\":{\"description\":\"A member, part or parameter that nobody knows was ignored.\",\"schema\":{\"type\":\"string\"}},"
	"\"Allow\":{\"description\":\"The methods that are offered.\",\"schema\":{\"type\":\"string\"}},"
	"\"Accept-Encoding\":{\"description\":\"On 415: how a body may be coded.\",\"schema\":{\"type\":\"string\"}},"
	"\"Retry-After\":{\"description\":\"Seconds after which to come again.\",\"schema\":{\"type\":\"integer\"}}}";

#define FAULT_CONTENT  "\"content\":{\"text/plain\":{\"schema\":{\"type\":\"string\"}},\"application/problem+json\":" \
                       "{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}"

static const char responses[] =
	"{\"Fault\":{\"description\":\"A fault, as one line of text per fault, or as a problem document.\",\"headers\":{"
	HEADER("X-Request-Id") "," HEADER("Accept-Encoding") "}," FAULT_CONTENT "},"
	"\"Busy\":{\"description\":\"Not now: too busy, or a part is away.\","
	"\"headers\":{" HEADER("X-Request-Id") "," HEADER("Retry-After") "},"
	FAULT_CONTENT "}}";

static const char problem_schema[] =
	"{\"type\":\"object\",\"title\":\"RFC 9457\",\"examples\":[{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
	"\"detail\":\"/metadata/name: must be there\",\"kind\":\"invalid\",\"request\":\"9f86d081884c7d65\",\"errors\":[{\"field\":"
	"\"/metadata/name\",\"detail\":\"must be there\"}]}],\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
	"\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"},"
	"\"kind\":{\"type\":\"string\"},\"request\":{\"type\":\"string\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":"
	"\"object\",\"properties\":{\"field\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}},\"required\":[\"field\",\"detail\"]}}},"
	"\"required\":[\"type\",\"title\",\"status\",\"detail\",\"kind\",\"request\"]}";

static const char events_schema[] =
	"{\"type\":\"string\",\"title\":\"Server-sent events\",\"description\":\"status: the whole answer in its data, at once and whenever "
	"it differs; its id may come back in Last-Event-ID. end: the last one, with why in its data. Comments between them keep the "
	"connection.\",\"examples\":[\"event: status\\nid: 9f86d081884c7d659a2feaa0c55ad015\\ndata: {\\\"project\\\":\\\"shop\\\","
	"\\\"name\\\":\\\"friday\\\",\\\"deployedStatus\\\":\\\"Instantiated\\\"}\\n\\nevent: end\\ndata: the server stops\\n\\n\"]}";

/* What may go wrong, by operation; a method that is not offered is no operation, so 405 is nowhere. */
static const struct { int codes[16]; } faults[OPERATION_COUNT] = {
	[OPERATION_LIST]      = { { 400, 404, 406, 503, 504 } },
	[OPERATION_CREATE]    = { { 400, 404, 408, 409, 412, 413, 415, 422, 503, 504 } },
	[OPERATION_READ]      = { { 400, 404, 406, 503, 504 } },
	[OPERATION_REPLACE]   = { { 400, 404, 408, 409, 412, 413, 415, 422, 503, 504 } },
	[OPERATION_DELETE]    = { { 400, 404, 409, 412, 503, 504 } },
	[OPERATION_VERB]      = { { 400, 404, 408, 409, 412, 413, 415, 422, 502, 503, 504 } },
	[OPERATION_LOOK]      = { { 400, 404, 406, 413, 503, 504 } },
	[OPERATION_READINESS] = { { 503 } },
	[OPERATION_OPENAPI]   = { { 406, 503 } },
};

static void add_faults(json_t *all, const struct endpoint *endpoint)
{
	const int *codes = faults[endpoint->operation].codes;
	char       code[16];

	for (size_t i = 0; codes[i] != 0; i++) {
		snprintf(code, sizeof code, "%d", codes[i]);
		json_object_set_new(all, code, json_pack("{s:s}", "$ref", codes[i] == 503 ? "#/components/responses/Busy"
		                                                                          : "#/components/responses/Fault"));
	}
	json_object_set_new(all, "default", openapi_literal("{\"$ref\":\"#/components/responses/Fault\"}"));
}

static void add_header(json_t *answer, const char *name)
{
	json_t *all = json_object_get(answer, "headers");

	if (all == NULL) {
		all = json_object();
		json_object_set_new(answer, "headers", all);
	}
	json_object_set_new(all, name, json_pack("{s:o}", "$ref", json_sprintf("#/components/headers/%s", name)));
}

/* An answer of that code, added to all; schema (may be NULL: no body) is taken. */
static json_t *add_answer(json_t *all, unsigned code, const char *what, const char *type, json_t *schema)
{
	json_t *answer = json_pack("{s:s}", "description", what);
	char    key[16];

	add_header(answer, "X-Request-Id");
	if (schema != NULL)
		json_object_set_new(answer, "content", json_pack("{s:{s:o}}", type, "schema", schema));
	snprintf(key, sizeof key, "%u", code);
	json_object_set_new(all, key, answer);
	return answer;
}

/* The plain answer, or what one of the views puts in its place. */
static json_t *any_of(const struct endpoint *endpoint, json_t *plain)
{
	json_t *choices = json_array();

	for (size_t i = 0; i < endpoint->look_count; i++) {
		const struct look *look = endpoint->looks[i];
		if (look->answer_schema == NULL)
			continue;
		if (look->by.name == NULL && plain != NULL) {       /* it always answers */
			json_decref(plain);
			plain = NULL;
		}
		json_array_append_new(choices, openapi_literal(look->answer_schema));
	}
	if (plain != NULL)
		json_array_insert_new(choices, 0, plain);
	if (json_array_size(choices) > 1)
		return json_pack("{s:o}", "anyOf", choices);
	json_t *only = json_incref(json_array_get(choices, 0));
	json_decref(choices);
	return only;
}

static json_t *list_of(const struct type *type)
{
	return json_pack("{s:s, s:o}", "type", "array", "items", openapi_schema_of(type));
}

static void add_read(json_t *all, const struct endpoint *endpoint)
{
	const struct type *type = endpoint->type;
	json_t            *answer = add_answer(all, 200, "Found.", TYPE_JSON, any_of(endpoint, openapi_schema_of(type)));

	if (type->row->file_count > 0) {
		json_t *content = json_object_get(answer, "content");
		json_object_set_new(content, TYPE_BYTES, openapi_literal("{\"schema\":{\"description\":\"The file alone.\"}}"));
		json_object_set_new(content, TYPE_FORM, json_pack("{s:o}", "schema", openapi_form_of(type)));
	}
	add_header(answer, "ETag");
	add_header(answer, "Warning");
	add_header(add_answer(all, 304, "If-None-Match names this version.", NULL, NULL), "ETag");
}

/* Of POST and PUT: the document as it is stored. */
static void add_echo(json_t *all, unsigned code, const char *what, const struct type *type)
{
	json_t *answer = add_answer(all, code, what, TYPE_JSON, openapi_schema_of(type));

	add_header(answer, "ETag");
	add_header(answer, "Warning");
	if (code == 201)
		add_header(answer, "Location");
}

static void add_replaced(json_t *all, const struct type *type)
{
	const uint32_t flags = type->row->flags;

	if ((flags & EMCO_RESOURCE_PUT_201) == 0)
		add_echo(all, 200, "Replaced.", type);
	if ((flags & EMCO_RESOURCE_PUT_201) != 0)
		add_echo(all, 201, "Stored.", type);
	else if ((flags & (EMCO_RESOURCE_PUT_200 | EMCO_RESOURCE_PUT_OLD)) == 0)
		add_echo(all, 201, "Created.", type);
}

static void add_done(json_t *all, const struct verb *verb)
{
	json_t *schema = verb->answer_schema == NULL ? NULL : openapi_literal(verb->answer_schema);

	add_header(add_answer(all, verb->success, verb->success == 202 ? "Done, and durable; clusters follow." : "Done.", TYPE_JSON,
	                      schema), "Warning");
	if (verb->trial_schema != NULL)
		add_header(add_answer(all, 200, "What it would do; nothing is done.", TYPE_JSON, openapi_literal(verb->trial_schema)),
		           "Warning");
}

/* With watch=true: the same path elsewhere, where it answers 200 with events. */
static void add_stream(json_t *all, json_t *answer)
{
	json_object_set_new(json_object_get(answer, "content"), TYPE_EVENTS,
	                    openapi_literal("{\"schema\":{\"$ref\":\"#/components/schemas/Events\"}}"));
	add_header(add_answer(all, 307, "With watch=true: Location is where its events are streamed.", NULL, NULL), "Location");
}

json_t *openapi_answers(const struct endpoint *endpoint)
{
	const struct type *type = endpoint->type;
	json_t            *all = json_object(), *answer;

	switch (endpoint->operation) {
	case OPERATION_LIST:
		answer = add_answer(all, 200, "All of them, a page, or the view that was asked for.", TYPE_JSON,
		                    any_of(endpoint, list_of(type)));
		add_header(answer, "Link");
		add_header(answer, "Warning");
		break;
	case OPERATION_CREATE:  add_echo(all, 201, "Created.", type);                    break;
	case OPERATION_READ:    add_read(all, endpoint);                                 break;
	case OPERATION_REPLACE: add_replaced(all, type);                                 break;
	case OPERATION_DELETE:  add_answer(all, 204, "Deleted.", NULL, NULL);            break;
	case OPERATION_VERB:    add_done(all, endpoint->verb);                           break;
	case OPERATION_LOOK:
		answer = add_answer(all, 200, "As asked.", TYPE_JSON, any_of(endpoint, NULL));
		if (endpoint_takes(endpoint, VIEW("continue")))
			add_header(answer, "Link");
		if (endpoint_takes(endpoint, VIEW("watch")))
			add_stream(all, answer);
		break;
	case OPERATION_OPENAPI: add_answer(all, 200, "This document.", TYPE_JSON, openapi_literal("{\"type\":\"object\"}")); break;
	default:
		add_answer(all, 200, "As asked.", "text/plain", openapi_literal("{\"type\":\"string\"}"));
		break;
	}
	add_faults(all, endpoint);
	return all;
}

void openapi_add_answers(json_t *components)
{
	json_object_set_new(components, "headers", openapi_literal(headers));
	json_object_set_new(components, "responses", openapi_literal(responses));
	json_t *schemas = json_object_get(components, "schemas");
	json_object_set_new(schemas, "Problem", openapi_literal(problem_schema));
	json_object_set_new(schemas, "Events", openapi_literal(events_schema));
}
