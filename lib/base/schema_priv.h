/*
 * schema_priv.h - a compiled schema from inside: what schema.c makes, schema_shape.c and schema_check.c walk.
 */
#ifndef LIB_BASE_SCHEMA_PRIV_H
#define LIB_BASE_SCHEMA_PRIV_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "lib/base/schema.h"

#include <pcre2.h>

enum {
	TYPE_NULL = 1, TYPE_BOOLEAN = 2, TYPE_INTEGER = 4, TYPE_NUMBER = 8, TYPE_STRING = 16, TYPE_ARRAY = 32,
	TYPE_OBJECT = 64,
};

struct type_word {
	const char *name;       /* in a schema             */
	unsigned    bit;
	const char *phrase;     /* in a sentence           */
};
extern const struct type_word type_words[];
extern const size_t           type_word_count;

/* What happens to a member that has no property of its name. */
enum extra { EXTRA_BY_PROPERTIES, EXTRA_REFUSED, EXTRA_KEPT, EXTRA_CHECKED };

struct node;

struct property {
	const char  *name;
	size_t       len;
	struct node *node;
	bool         is_required;
};

struct branches {
	struct node **node;
	size_t        count;
};

typedef bool format_check(struct view text);
struct format {
	const char   *name;
	format_check *is_valid;
	const char   *phrase;
};

/* All pointers live in the schema's arena or in its document. */
struct node {
	unsigned             types;               /* 0: any                                           */
	struct node         *ref;                 /* what $ref means; checked too                     */
	struct property     *properties;
	size_t               property_count;
	const json_t        *required;            /* array of strings, or NULL                        */
	enum extra           extra;
	struct node         *extra_node;          /* for EXTRA_CHECKED                                */
	struct node         *names;               /* propertyNames                                    */
	struct node         *items;
	size_t               items_min, items_max, length_min, length_max;
	const json_t        *minimum, *maximum;
	pcre2_code          *pattern;
	const char          *pattern_text;
	const struct format *format;
	const json_t        *choices, *fixed;     /* enum, const                                      */
	struct branches      any_of, one_of, all_of;
	struct node         *none;                /* not                                              */
	const json_t        *dflt;
	const char          *where;               /* pointer of a node with a default                 */
	const char          *title, *description;
	bool                 omit_empty, ignore_case, is_secret, read_only, write_only;
	bool                 is_open, is_walked;  /* while looking for a schema that contains itself  */
	struct node         *next;                /* all nodes of a schema                            */
};

struct schema {
	struct arena         arena;
	json_t              *document;
	struct node         *root, *nodes;
	pcre2_match_context *limits;
};

/* Where we are in a value, as a chain on the stack; becomes text only when there is something to say. */
struct place {
	const struct place *up;        /* NULL: the root    */
	struct view         name;      /* of a member       */
	size_t              index;     /* of an item, else NO_INDEX */
};
#define NO_INDEX SIZE_MAX
#define ROOT_PLACE ((struct place) { NULL, { "", 0 }, NO_INDEX })

/* One run of schema_check. */
struct checking {
	const struct schema *schema;
	struct arena        *arena;
	struct verdict      *verdict;      /* NULL while a branch is only tried          */
	size_t               faults;
	unsigned             depth, steps;
	bool                 is_hidden;    /* below a secret: no value in any text       */
	enum status          st;           /* ST_NO_MEMORY ends everything               */
	pcre2_match_data    *match;        /* made when the first pattern is met         */
};

/* schema_compile.c: fill root and nodes from the document. */
enum status MUST_CHECK schema_compile(struct schema *schema, struct error *err);

/* schema_text.c.  Texts live in the arena; NULL when it is full, and add_fault then sets at->st. */
const char *place_text(struct arena *arena, const struct place *place);
void        add_fault(struct checking *at, const struct place *place, const char *fmt, ...) PRINTF(3, 4);

/* Pieces of a sentence, appended; what does not fit is cut. */
void say_value(struct buf *text, const json_t *value);                     /* "a b", 7, an object    */
void say_kind(struct buf *text, const json_t *value);                      /* a string, null         */
void say_types(struct buf *text, unsigned types);                          /* a string or null       */
void say_choices(struct buf *text, const json_t *choices);                 /* "a", "b"               */
void say_alternatives(struct buf *text, const struct branches *branches);  /* a string; a port       */

/* schema_shape.c: a new value in the schema's shape, or NULL with at->st set. */
json_t *shape_value(struct checking *at, const struct node *node, const json_t *value, const struct place *place);

/* schema_shape.c: what x-emco-omit-empty is about. */
bool omits_empty(const struct node *node);
bool value_is_empty(const json_t *value);

/* schema_check.c */
unsigned type_of(const json_t *value);                /* an integer is a number, too */
void check_value(struct checking *at, const struct node *node, const json_t *value, const struct place *place);

/* schema_format.c: by name, or NULL. */
const struct format *format_of(const char *name);

/* The node that says what shape a value has: the end of a chain of $ref, unless one on the way says it itself. */
static inline const struct node *shape_node(const struct node *node)
{
	while (node->ref != NULL && node->property_count == 0 && node->items == NULL && node->extra == EXTRA_BY_PROPERTIES)
		node = node->ref;
	return node;
}

static inline const json_t *node_default(const struct node *node)
{
	while (node->dflt == NULL && node->ref != NULL)
		node = node->ref;
	return node->dflt;
}

static inline unsigned node_types(const struct node *node)
{
	while (node->types == 0 && node->ref != NULL)
		node = node->ref;
	return node->types;
}

#endif
