/* The tree of paths: made of the rows, walked for each request. */
#include "host/api/route_priv.h"

#include "host/api/summary.h"

#include <assert.h>

enum { ROUTES_ARENA_MAX = 16 << 20, ENDPOINTS_MAX = 4096 };

static const char *const method_names[METHOD_COUNT] = { "GET", "POST", "PUT", "DELETE" };

static const struct system_route {
	const char     *path;
	enum operation  operation;
	const char     *about;
} system_routes[] = {
	{ "/healthz",         OPERATION_HEALTH,    "The process lives."                                   },
	{ "/readyz",          OPERATION_READINESS, "The database answers and every controller has begun." },
	{ "/metrics",         OPERATION_METRICS,   "Counters, in Prometheus' text format."                },
	{ "/v2/openapi.json", OPERATION_OPENAPI,   "This description."                                    },
};

const char *method_name(enum method method)
{
	return method < METHOD_COUNT ? method_names[method] : "";
}

int method_of(const char *word)
{
	if (strcmp(word, "HEAD") == 0)
		return METHOD_GET;
	for (int i = 0; i < METHOD_COUNT; i++)
		if (strcmp(word, method_names[i]) == 0)
			return i;
	return METHOD_COUNT;
}

static enum status no_memory(struct error *err)
{
	return fail(err, ST_NO_MEMORY, "no memory for the routes");
}

/* -- building --------------------------------------------------------------------------------------------------------- */

/* The child of that segment (NULL: a name), made when it is not there.  NULL: out of memory. */
static struct node *node_under(struct routes *routes, struct node *node, struct view segment, bool is_name)
{
	struct node **at = &node->child;

	for (; *at != NULL; at = &(*at)->next) {
		if ((*at)->segment == NULL ? is_name : !is_name && view_is(segment, (*at)->segment))
			return *at;
		if ((*at)->segment == NULL)
			break;                                          /* a new literal goes before the name */
	}

	struct node *made = arena_alloc(&routes->arena, 1, sizeof *made);
	if (made == NULL)
		return NULL;
	if (!is_name && (made->segment = arena_copy(&routes->arena, segment.ptr, segment.len)) == NULL)
		return NULL;
	made->next = *at;
	*at = made;
	return made;
}

static enum status add_endpoint(struct routes *routes, struct node *node, enum method method, const struct endpoint *like,
                                struct endpoint **ret_endpoint, struct error *err)
{
	if (node->at[method] != NULL)
		return fail(err, ST_INVALID, "two answers to %s %s", method_name(method), like->pattern);
	if (routes->count == ENDPOINTS_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d routes", ENDPOINTS_MAX);
	struct endpoint *made = arena_alloc(&routes->arena, 1, sizeof *made);
	if (made == NULL)
		return no_memory(err);
	*made = *like;
	made->method = method;
	node->at[method] = made;
	routes->endpoints[routes->count++] = made;
	if (ret_endpoint != NULL)
		*ret_endpoint = made;
	return ST_OK;
}

static enum status add_system(struct routes *routes, const struct system_route *route, struct error *err)
{
	struct node *node = &routes->root;

	for (const char *at = route->path; node != NULL && *at != '\0';) {
		const size_t len = strcspn(++at, "/");
		node = node_under(routes, node, (struct view) { at, len }, false);
		at += len;
	}
	if (node == NULL)
		return no_memory(err);
	return add_endpoint(routes, node, METHOD_GET,
	                    &(struct endpoint) { .pattern = route->path, .operation = route->operation,
	                                         .about = route->about }, NULL, err);
}

static struct place *place_of(struct routes *routes, const struct type *type)
{
	for (size_t i = 0; i < types_count(routes->types); i++)
		if (types_at(routes->types, i) == type)
			return &routes->places[i];
	assert(!"every parent is a type of the set");
	return NULL;
}

/* The nodes and patterns of a type, below its parent's item. */
static enum status add_place(struct routes *routes, const struct type *type, struct place *place, struct error *err)
{
	const struct place *parent = type->parent == NULL ? NULL : place_of(routes, type->parent);
	struct node *node = parent != NULL ? parent->item : node_under(routes, &routes->root, VIEW("v2"), false);

	place->parent_segments = parent == NULL ? 0 : parent->item_segments;
	place->item_segments = place->parent_segments + 1 + type->variable_count;
	place->collection_pattern = arena_printf(&routes->arena, "%s/%s", parent == NULL ? "/v2" : parent->item_pattern,
	                                         type->row->segment);
	if (node == NULL || place->collection_pattern == NULL)
		return no_memory(err);
	if (place->item_segments > DEPTH_SEGMENTS_MAX)
		return fail(err, ST_TOO_LARGE, "\"%s\" has more than %d segments", place->collection_pattern, DEPTH_SEGMENTS_MAX);
	place->collection = node = node_under(routes, node, view_of(type->row->segment), false);
	place->item_pattern = place->collection_pattern;
	for (size_t i = 0; i < type->variable_count && node != NULL; i++) {
		node = node_under(routes, node, VIEW(""), true);
		place->item_pattern = arena_printf(&routes->arena, "%s/{%s}", place->item_pattern, type->variables[i]);
		if (place->item_pattern == NULL)
			return no_memory(err);
	}
	place->item = node;
	return node == NULL ? no_memory(err) : ST_OK;
}

static enum status add_type(struct routes *routes, const struct type *type, struct place *place, struct error *err)
{
	enum status st = add_place(routes, type, place, err);
	struct endpoint like = {
		.type = type, .pattern = place->collection_pattern, .about = type->row->summary,
		.path_segments = place->parent_segments, .parent_segments = place->parent_segments,
	};
	static const struct { enum method method; enum operation operation; bool is_item; } rows[] = {
		{ METHOD_GET,    OPERATION_LIST,    false },
		{ METHOD_POST,   OPERATION_CREATE,  false },
		{ METHOD_GET,    OPERATION_READ,    true  },
		{ METHOD_PUT,    OPERATION_REPLACE, true  },
		{ METHOD_DELETE, OPERATION_DELETE,  true  },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows) && st == ST_OK; i++) {
		if (rows[i].operation == OPERATION_REPLACE && (type->row->flags & EMCO_RESOURCE_NO_PUT) != 0)
			continue;
		if (rows[i].is_item) {
			like.pattern = place->item_pattern;
			like.path_segments = place->item_segments;
		}
		like.operation = rows[i].operation;
		like.options = rows[i].operation == OPERATION_LIST ? page_options : NULL;
		st = add_endpoint(routes, rows[i].is_item ? place->item : place->collection, rows[i].method, &like, NULL, err);
	}
	return st;
}

/* A path of its own below an item or a collection. */
static enum status add_below(struct routes *routes, const struct place *place, bool is_item, const char *segment,
                             enum method method, struct endpoint *like, struct error *err)
{
	struct endpoint *made;
	const struct look **looks = NULL;
	struct node *node = node_under(routes, is_item ? place->item : place->collection, view_of(segment), false);

	like->pattern = arena_printf(&routes->arena, "%s/%s", is_item ? place->item_pattern : place->collection_pattern,
	                             segment);
	like->path_segments = is_item ? place->item_segments : place->parent_segments;
	like->parent_segments = place->parent_segments;
	if (like->looks != NULL && (looks = arena_alloc(&routes->arena, 1, sizeof *looks)) != NULL) {
		*looks = *like->looks;
		like->looks = looks;
	}
	if (node == NULL || like->pattern == NULL || (like->looks != NULL && looks == NULL))
		return no_memory(err);
	return add_endpoint(routes, node, method, like, &made, err);
}

/* Views without a path of their own stand before the plain answer, in the order of their tables. */
static enum status add_view(struct routes *routes, const struct place *place, const struct look *look, struct error *err)
{
	struct endpoint *plain = (look->is_item ? place->item : place->collection)->at[METHOD_GET];
	const struct look **looks = arena_alloc(&routes->arena, plain->look_count + 1, sizeof *looks);

	if (looks == NULL)
		return no_memory(err);
	for (size_t i = 0; i < plain->look_count; i++)
		looks[i] = plain->looks[i];
	looks[plain->look_count++] = look;
	plain->looks = looks;
	if (look->by.name == NULL)               /* it stands for the plain answer always: there are no pages */
		plain->options = NULL;
	return ST_OK;
}

static void free_schema(void *schema)
{
	schema_free(schema);
}

static enum status add_verb(struct routes *routes, const struct verb *verb, struct error *err)
{
	const struct type *type = types_find(routes->types, view_of(verb->type));
	struct schema     *body = NULL;

	if (type == NULL)
		return fail(err, ST_INVALID, "verb \"%s\" is for type \"%s\", which does not exist", verb->name, verb->type);
	if (verb->body_schema != NULL) {
		enum status st = schema_new(view_of(verb->body_schema), &body, err);
		if (st != ST_OK)
			return fail_within(err, "the body of verb \"%s\"", verb->name);
		st = arena_own(&routes->arena, free_schema, body, err);
		if (st != ST_OK)
			return st;
	}
	return add_below(routes, place_of(routes, type), true, verb->name, METHOD_POST,
	                 &(struct endpoint) { .operation = OPERATION_VERB, .type = type, .verb = verb, .body = body,
	                                      .about = verb->summary }, err);
}

static enum status add_family(struct routes *routes, const struct family *family, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < family->verb_count && st == ST_OK; i++)
		st = add_verb(routes, &family->verbs[i], err);
	for (size_t i = 0; i < family->look_count && st == ST_OK; i++) {
		const struct look *look = &family->looks[i];
		const struct type *type = types_find(routes->types, view_of(look->type));
		if (type == NULL)
			return fail(err, ST_INVALID, "a view is for type \"%s\", which does not exist", look->type);
		if (look->segment == NULL)
			st = add_view(routes, place_of(routes, type), look, err);
		else
			st = add_below(routes, place_of(routes, type), look->is_item, look->segment, METHOD_GET,
			               &(struct endpoint) { .operation = OPERATION_LOOK, .type = type, .looks = &look,
			                                    .look_count = 1, .about = look->by.summary }, err);
	}
	return st;
}

static int compare_endpoints(const void *a, const void *b)
{
	const struct endpoint *const *left = a, *const *right = b;
	const int order = strcmp((*left)->pattern, (*right)->pattern);

	return order != 0 ? order : (int) (*left)->method - (int) (*right)->method;
}

enum status routes_new(const struct types *types, const struct family *families, size_t family_count,
                       struct routes **ret_routes, struct error *err)
{
	struct routes *routes = calloc(1, sizeof *routes);
	enum status st = ST_OK;

	if (routes == NULL)
		return no_memory(err);
	arena_init(&routes->arena, ROUTES_ARENA_MAX);
	routes->types = types;
	routes->places = arena_alloc(&routes->arena, types_count(types) + 1, sizeof *routes->places);
	routes->endpoints = arena_alloc(&routes->arena, ENDPOINTS_MAX, sizeof(struct endpoint *));
	if (routes->places == NULL || routes->endpoints == NULL)
		st = no_memory(err);
	for (size_t i = 0; i < ARRAY_LEN(system_routes) && st == ST_OK; i++)
		st = add_system(routes, &system_routes[i], err);
	for (size_t i = 0; i < types_count(types) && st == ST_OK; i++)
		st = add_type(routes, types_at(types, i), &routes->places[i], err);
	for (size_t i = 0; i < family_count && st == ST_OK; i++)
		st = add_family(routes, &families[i], err);
	if (st != ST_OK) {
		routes_free(routes);
		return st;
	}
	qsort(routes->endpoints, routes->count, sizeof(struct endpoint *), compare_endpoints);
	for (size_t i = 0; i < routes->count; i++)
		routes->endpoints[i]->index = i;
	*ret_routes = routes;
	return ST_OK;
}

void routes_free(struct routes *routes)
{
	if (routes == NULL)
		return;
	arena_done(&routes->arena);
	free(routes);
}

/* -- telling ---------------------------------------------------------------------------------------------------------- */

size_t routes_count(const struct routes *routes)
{
	return routes->count;
}

const struct endpoint *routes_at(const struct routes *routes, size_t index)
{
	assert(index < routes->count);
	return routes->endpoints[index];
}

enum status routes_print(const struct routes *routes, struct buf *out, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < routes->count && st == ST_OK; i++) {
		const struct endpoint *endpoint = routes->endpoints[i];
		char                   summary[SUMMARY_SIZE];
		summary_of(endpoint, summary);
		st = buf_printf(out, err, "%-6s %s", method_name(endpoint->method), endpoint->pattern);
		bool has_any = false;
		for (size_t j = 0; j < endpoint->look_count && st == ST_OK; j++)
			if (endpoint->looks[j]->by.name != NULL && endpoint->looks[j]->by.summary != NULL) {
				st = buf_printf(out, err, "%s%s=", has_any ? "|" : "[?", endpoint->looks[j]->by.name);
				has_any = true;
			}
		if (st == ST_OK && has_any)
			st = buf_add_text(out, "]", err);
		if (st == ST_OK)
			st = buf_printf(out, err, "  %s\n", summary);
	}
	return st;
}
