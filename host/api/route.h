/*
 * route.h - every path the server answers, compiled once from types, verbs and views.
 *
 * A type gives a collection and an item; a verb or a view with a segment of its own gives a path below one of them; the
 * system's own paths come from a table.  What is not in here does not exist: 404 for a path, 405 for a method.  A literal
 * segment wins over a name.  Immutable: any thread.
 */
#ifndef HOST_API_ROUTE_H
#define HOST_API_ROUTE_H

#include "host/resources/resources.h"

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_COUNT };

enum operation {
	OPERATION_LIST, OPERATION_CREATE,                          /* of a collection */
	OPERATION_READ, OPERATION_REPLACE, OPERATION_DELETE,       /* of an item      */
	OPERATION_VERB, OPERATION_LOOK,
	OPERATION_HEALTH, OPERATION_READINESS, OPERATION_METRICS, OPERATION_OPENAPI,
	OPERATION_COUNT
};

struct endpoint {
	enum method          method;
	enum operation       operation;
	size_t               index;           /* dense: for counters                                     */
	const char          *pattern;         /* "/v2/projects/{project}"                                */
	const struct type   *type;            /* NULL: the system's own                                  */
	const struct verb   *verb;
	const struct schema *body;            /* of a verb that takes a document; NULL: none             */
	const struct look  **looks;           /* on LIST and READ: views chosen before the plain answer;
	                                         on LOOK: the one                                        */
	size_t               look_count;
	const struct query_option *options;   /* besides those of the verb and the looks; NULL: none      */
	const char          *about;           /* a sentence of its row; summary.h makes the line of its own */
	size_t               path_segments, parent_segments;      /* of a match's path and parent        */
};

struct match {
	const struct endpoint *endpoint;      /* NULL: the path exists, the method does not              */
	unsigned               allowed;       /* bit per method                                          */
	struct view            path;          /* below /v2/: of the item; for a collection, its parent's */
	struct view            parent;        /* of the item or collection                               */
};

struct routes;

/* ST_INVALID: two things at one path.  types, families: borrowed for the life of the routes. */
enum status MUST_CHECK routes_new(const struct types *types, const struct family *families, size_t family_count,
                                  struct routes **ret_routes, struct error *err);
void routes_free(struct routes *routes);

/* path: decoded, "v2/projects/p1", no slash at either end.  False: no such path, or a segment that no name may be. */
bool routes_match(const struct routes *routes, enum method method, struct view path, struct match *ret_match);

size_t                 routes_count(const struct routes *routes);
const struct endpoint *routes_at(const struct routes *routes, size_t index);      /* in byte order of pattern, method */

/* Does a query parameter of that name mean anything here; to this view of it? */
bool endpoint_takes(const struct endpoint *endpoint, struct view parameter);
bool look_takes(const struct look *look, struct view parameter);

const char *method_name(enum method method);
int         method_of(const char *word);             /* METHOD_COUNT: none we know; HEAD is GET */

/* Append one line for each endpoint: for people, and for the manuals. */
enum status MUST_CHECK routes_print(const struct routes *routes, struct buf *out, struct error *err);

#endif
