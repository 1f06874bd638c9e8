/*
 * resources.h - the host's own resource rows, their verbs and their views, a file per family.
 *
 * A row (emco_resource_type) gives create, read, list, replace and delete.  A verb is a POST below one resource
 * (".../instantiate").  A view is another answer to GET, chosen by a query parameter or replacing the plain one.
 */
#ifndef HOST_RESOURCES_RESOURCES_H
#define HOST_RESOURCES_RESOURCES_H

#include "host/orchestrator/orchestrator.h"

/* A query parameter, decoded; they are kept in the order of the query. */
struct ask_parameter { struct view name, value; };

/* The first of that name; NULL: none. */
const struct ask_parameter *parameter_find(const struct ask_parameter *parameters, size_t count, const char *name);

/* A request for a verb or a view, already authorised and parsed.  Everything is borrowed for the call. */
struct ask {
	struct orchestrator *orchestrator;
	const struct type   *type;
	struct view          path;                  /* of the resource, or of the collection's parent for a collection view */
	struct arena        *arena;
	int64_t              deadline_ns;
	const json_t        *document;              /* the body, checked and in its schema's shape; NULL: the verb takes none */
	struct asker         asker;                 /* who asks; a verb: and what it has seen of the resource    */
	const struct ask_parameter *parameters;
	size_t               parameter_count;
	struct view          value;                 /* of the parameter that chose a view: never empty; else empty */
	struct buf          *reply;                 /* JSON to send; stays empty for none                        */
	unsigned             success;               /* the code to send: the verb's own, or what its handler puts here */
	/* A view may answer with a resource instead, negotiated as a read of it is (JSON, file, multipart). */
	struct view          instead;               /* its path, in arena; empty: no                             */
	uint64_t             next_limit;            /* a view in pages whose page is full: its Link header names ... */
	struct view          next;                  /* ... the page that continues here, in arena; empty: this is the last */
	bool                 is_stream;             /* rendered again at each change, by one thread for all: nothing is waited for */
	bool                 is_plain;              /* set by a view that was not meant: send the plain answer   */
};

const struct ask_parameter *ask_find(const struct ask *ask, const char *name);        /* parameter_find in ask's */

typedef enum status ask_handler(struct ask *ask, struct error *err);

/* A query parameter, and its JSON Schema, NULL: a string; the last one of a list has no name. */
struct query_option { const char *name, *summary, *schema; };

#define SCHEMA_BOOLEAN   "{\"type\":\"boolean\"}"
#define SCHEMA_LIMIT     "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}"
#define SCHEMA_SEQUENCE  "{\"type\":\"integer\",\"minimum\":1}"

/* -- pages -- */

struct page {
	uint64_t    limit;                          /* 0: all                                                    */
	struct view after;                          /* path of the last one that was seen; empty: from the start */
};

/* limit and continue, of every list and of the views that come in pages. */
extern const struct query_option page_options[];

/*
 * The page of a collection below parent that these parameters ask for.  after: in arena.  ST_INVALID: limit is no number of 1
 * to 1000, or continue is no name.
 */
enum status MUST_CHECK page_read(const struct type *type, struct view parent, const struct ask_parameter *parameters, size_t count,
                                 struct arena *arena, struct page *ret_page, struct error *err);

/* A parameter that is a number of 1 to most; *ret_value stays when there is none, or one without a value.  ST_INVALID. */
enum status MUST_CHECK parameter_number(const struct ask_parameter *parameters, size_t count, const char *name, uint64_t most,
                                        uint64_t *ret_value, struct error *err);

struct named_schema { const char *name, *schema; };     /* of an answer, at "#/components/schemas/NAME"          */

struct verb {
	const char  *type, *name;                   /* "deploymentIntentGroup", "instantiate"                    */
	unsigned     success;                       /* 202                                                       */
	ask_handler *handler;
	const char  *summary;
	const struct query_option *options;         /* that it takes; NULL: none                                 */
	const char  *body_schema;                   /* JSON Schema of the body; NULL: whatever comes is ignored  */
	const char  *answer_schema;                 /* of what it answers, for OpenAPI; NULL: nothing            */
	const char  *trial_schema;                  /* of what it answers, with 200, to who only asks what it would do; NULL: no such */
};

struct look {                                   /* a view                                                    */
	const char  *type;
	bool         is_item;                       /* of one resource; else of the collection                   */
	const char  *segment;                       /* ".../status": a path of its own; NULL: the plain path     */
	/* Its summary, and what chooses it: this parameter with a value; no name: always.  No summary: it only says why not. */
	struct query_option by;
	ask_handler *handler;
	const struct query_option *options;         /* that it takes besides; NULL: none                         */
	/* Of its answer, for OpenAPI; "#/components/schemas/TYPE", or NAME of an answer, is there.  NULL only where by.summary is. */
	const char  *answer_schema;
};

/* A parameter that must be true or false; absent it is false.  ST_INVALID: it is neither. */
enum status MUST_CHECK ask_flag(const struct ask *ask, const char *name, bool *ret_is, struct error *err);

struct family {
	const emco_resource_type *types;    size_t type_count;
	const struct verb        *verbs;    size_t verb_count;
	const struct look        *looks;    size_t look_count;
	const struct named_schema *answers; size_t answer_count;
};

/* All families of the host. */
const struct family *resources_families(size_t *ret_count);

/* Add the rows to the set. */
enum status MUST_CHECK resources_types(struct types *types, struct error *err);

#endif
