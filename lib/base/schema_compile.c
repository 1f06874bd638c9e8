/* Compile a schema: every keyword is a row of one table; what is no row is refused, so that no rule is silently ignored. */
#include "lib/base/schema_priv.h"

enum { DEFS_MAX = 256 };

struct compiler {
	struct schema *schema;
	json_t        *defs;            /* name → schema, or NULL    */
	struct node   *def_nodes;       /* by position in defs       */
	struct error  *err;
};

struct keyword {
	const char *name;
	enum status (*read)(struct compiler *c, const struct keyword *keyword, struct node *node, const json_t *value,
	                    const struct place *place);
	size_t      offset;             /* of the field that a generic reader fills */
};
static const struct keyword *keyword_of(const char *name);      /* the table is the last thing in this file */

static PRINTF(3, 4) enum status refuse(struct compiler *c, const struct place *place, const char *fmt, ...)
{
	const char *pointer = place_text(&c->schema->arena, place);
	char        text[sizeof((struct error *) NULL)->text];
	va_list     args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return fail_at(c->err, ST_INVALID, pointer != NULL ? pointer : "", "%s", text);
}

static enum status no_memory(const struct compiler *c)
{
	return fail(c->err, ST_NO_MEMORY, "out of memory");
}

static struct place step(const struct place *up, const char *name)
{
	return (struct place) { up, view_of(name), NO_INDEX };
}

static void free_pattern(void *pattern)
{
	pcre2_code_free(pattern);
}

static void begin_node(struct compiler *c, struct node *node)
{
	*node = (struct node) { .items_max = SIZE_MAX, .length_max = SIZE_MAX, .next = c->schema->nodes };
	c->schema->nodes = node;
}

/* Rules that need two keywords, whatever order they came in. */
static enum status finish_node(struct compiler *c, struct node *node, const struct place *place)
{
	PCRE2_SIZE at = 0;
	int        code = 0;

	for (size_t i = 0; i < node->property_count; i++)
		for (size_t r = 0; r < json_array_size(node->required); r++)
			if (strcmp(node->properties[i].name, json_string_value(json_array_get(node->required, r))) == 0)
				node->properties[i].is_required = true;
	if (node->length_min > node->length_max || node->items_min > node->items_max)
		return refuse(c, place, "a minimum is above its maximum");
	if (node->dflt != NULL)
		node->where = place_text(&c->schema->arena, place);
	if (node->pattern_text == NULL)
		return ST_OK;

	const struct place pattern = step(place, "pattern");
	node->pattern = pcre2_compile((PCRE2_SPTR) node->pattern_text, PCRE2_ZERO_TERMINATED,
	                              PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C
	                              | (node->ignore_case ? PCRE2_CASELESS : 0), &code, &at, NULL);
	if (node->pattern == NULL) {
		PCRE2_UCHAR why[120] = "";
		pcre2_get_error_message(code, why, sizeof why);
		return refuse(c, &pattern, "pattern: %s, at offset %zu", (char *) why, at);
	}
	return arena_own(&c->schema->arena, free_pattern, node->pattern, c->err);
}

static enum status compile_into(struct compiler *c, struct node *node, const json_t *value, const struct place *place)
{
	json_t *object = json_for_reading(value);

	begin_node(c, node);
	if (json_is_true(value))
		return ST_OK;                            /* anything */
	if (!json_is_object(value))
		return refuse(c, place, "a schema must be an object");

	for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
		const char           *name = json_object_iter_key(it);
		const struct place    here = step(place, name);
		const struct keyword *keyword = keyword_of(name);
		if (keyword == NULL)
			return refuse(c, &here, "unknown keyword \"%s\"", name);
		const enum status st = keyword->read(c, keyword, node, json_object_iter_value(it), &here);
		if (st != ST_OK)
			return st;
	}
	return finish_node(c, node, place);
}

static enum status compile(struct compiler *c, const json_t *value, const struct place *place, struct node **ret_node)
{
	struct node *node = arena_alloc(&c->schema->arena, 1, sizeof *node);

	if (node == NULL)
		return no_memory(c);
	*ret_node = node;
	return compile_into(c, node, value, place);
}

static void *field_of(struct node *node, const struct keyword *keyword)
{
	return (char *) node + keyword->offset;
}

#define READER(fn) static enum status fn(struct compiler *c, const struct keyword *keyword, struct node *node, \
                                         const json_t *value, const struct place *place)

READER(read_type)
{
	const size_t count = json_is_array(value) ? json_array_size(value) : 1;

	(void) keyword;
	for (size_t i = 0; i < count; i++) {
		const char *word = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
		size_t      w = 0;
		while (w < type_word_count && (word == NULL || strcmp(type_words[w].name, word) != 0))
			w++;
		if (w == type_word_count)
			return refuse(c, place, "unknown type \"%s\"", word != NULL ? word : "");
		node->types |= type_words[w].bit;
	}
	return count > 0 ? ST_OK : refuse(c, place, "type must name at least one");
}

READER(read_properties)
{
	json_t *object = json_for_reading(value);
	size_t  i = 0;

	(void) keyword;
	if (!json_is_object(value))
		return refuse(c, place, "properties must be an object");
	node->property_count = json_object_size(value);
	node->properties = arena_alloc(&c->schema->arena, node->property_count + 1, sizeof *node->properties);
	if (node->properties == NULL)
		return no_memory(c);
	for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it), i++) {
		struct property   *property = &node->properties[i];
		const struct place here = step(place, json_object_iter_key(it));
		property->name = json_object_iter_key(it);
		property->len = json_object_iter_key_len(it);
		const enum status st = compile(c, json_object_iter_value(it), &here, &property->node);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

READER(read_extra)
{
	(void) keyword;
	node->extra = json_is_true(value) ? EXTRA_KEPT : json_is_false(value) ? EXTRA_REFUSED : EXTRA_CHECKED;
	return node->extra == EXTRA_CHECKED ? compile(c, value, place, &node->extra_node) : ST_OK;
}

READER(read_schema)
{
	return compile(c, value, place, field_of(node, keyword));
}

READER(read_schemas)
{
	struct branches *branches = field_of(node, keyword);

	branches->count = json_array_size(value);
	if (branches->count == 0)
		return refuse(c, place, "%s must be a list of at least one schema", keyword->name);
	branches->node = arena_alloc(&c->schema->arena, branches->count, sizeof(struct node *));
	if (branches->node == NULL)
		return no_memory(c);
	for (size_t i = 0; i < branches->count; i++) {
		const struct place here = { place, { "", 0 }, i };
		const enum status  st = compile(c, json_array_get(value, i), &here, &branches->node[i]);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

READER(read_size)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return refuse(c, place, "%s must be an integer from 0", keyword->name);
	*(size_t *) field_of(node, keyword) = (size_t) json_integer_value(value);
	return ST_OK;
}

READER(read_number)
{
	if (!json_is_number(value))
		return refuse(c, place, "%s must be a number", keyword->name);
	*(const json_t **) field_of(node, keyword) = value;
	return ST_OK;
}

READER(read_any)
{
	(void) c;
	(void) place;
	*(const json_t **) field_of(node, keyword) = value;
	return ST_OK;
}

READER(read_choices)
{
	if (json_array_size(value) == 0)
		return refuse(c, place, "%s must be a list of at least one value", keyword->name);
	*(const json_t **) field_of(node, keyword) = value;
	return ST_OK;
}

READER(read_required)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!json_is_string(json_array_get(value, i)))
			return refuse(c, place, "required must be a list of names");
	if (!json_is_array(value))
		return refuse(c, place, "required must be a list of names");
	return read_any(c, keyword, node, value, place);
}

READER(read_text)
{
	if (!json_is_string(value))
		return refuse(c, place, "%s must be a string", keyword->name);
	*(const char **) field_of(node, keyword) = json_string_value(value);
	return ST_OK;
}

READER(read_flag)
{
	if (!json_is_boolean(value))
		return refuse(c, place, "%s must be true or false", keyword->name);
	*(bool *) field_of(node, keyword) = json_is_true(value);
	return ST_OK;
}

READER(read_format)
{
	(void) keyword;
	node->format = json_is_string(value) ? format_of(json_string_value(value)) : NULL;
	if (node->format == NULL)
		return refuse(c, place, "unknown format \"%s\"", json_is_string(value) ? json_string_value(value) : "");
	return ST_OK;
}

READER(read_ref)
{
	static const char prefix[] = "#/$defs/";
	const char       *target = json_is_string(value) ? json_string_value(value) : "";
	json_t           *defs = c->defs;
	size_t            i = 0;

	(void) keyword;
	if (strncmp(target, prefix, sizeof prefix - 1) == 0)
		for (void *it = json_object_iter(defs); it != NULL; it = json_object_iter_next(defs, it), i++) {
			if (strcmp(json_object_iter_key(it), target + sizeof prefix - 1) != 0)
				continue;
			node->ref = &c->def_nodes[i];
			return ST_OK;
		}
	return refuse(c, place, "\"%s\" is no schema in #/$defs", target);
}

READER(read_defs)
{
	(void) keyword;
	(void) node;
	if (place->up->up != NULL)
		return refuse(c, place, "$defs may stand at the root only");
	return json_is_object(value) ? ST_OK : refuse(c, place, "$defs must be an object");
}

READER(read_note)
{
	(void) node;
	return json_is_array(value) ? ST_OK : refuse(c, place, "%s must be a list", keyword->name);
}

/* A schema that contains itself, with no step into the value between, would never be done. */
static bool contains_itself(struct node *node);

static bool any_contains_itself(const struct branches *branches)
{
	for (size_t i = 0; i < branches->count; i++)
		if (contains_itself(branches->node[i]))
			return true;
	return false;
}

static bool contains_itself(struct node *node)
{
	if (node == NULL || node->is_walked)
		return false;
	if (node->is_open)
		return true;
	node->is_open = true;
	if (contains_itself(node->ref) || contains_itself(node->none) || any_contains_itself(&node->all_of)
	    || any_contains_itself(&node->any_of) || any_contains_itself(&node->one_of))
		return true;
	node->is_open = false;
	node->is_walked = true;
	return false;
}

static enum status compile_defs(struct compiler *c, const struct place *root)
{
	const struct place place = step(root, "$defs");
	size_t             i = 0;

	if (json_object_size(c->defs) > DEFS_MAX)
		return refuse(c, &place, "$defs must hold at most %d schemas, got %zu", DEFS_MAX, json_object_size(c->defs));
	c->def_nodes = arena_alloc(&c->schema->arena, json_object_size(c->defs) + 1, sizeof *c->def_nodes);
	if (c->def_nodes == NULL)
		return no_memory(c);
	for (void *it = json_object_iter(c->defs); it != NULL; it = json_object_iter_next(c->defs, it), i++) {
		const struct place here = step(&place, json_object_iter_key(it));
		const enum status  st = compile_into(c, &c->def_nodes[i], json_object_iter_value(it), &here);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status schema_compile(struct schema *schema, struct error *err)
{
	const struct place root = ROOT_PLACE;
	struct compiler    c = { .schema = schema, .defs = json_object_get(schema->document, "$defs"), .err = err };
	enum status        st = compile_defs(&c, &root);

	if (st == ST_OK)
		st = compile(&c, schema->document, &root, &schema->root);
	if (st != ST_OK)
		return st;
	for (struct node *node = schema->nodes; node != NULL; node = node->next)
		if (contains_itself(node))
			return refuse(&c, &root, "a schema of the document contains itself");
	return ST_OK;
}

#define FIELD(name) offsetof(struct node, name)

static const struct keyword keywords[] = {
	{ "type",                 read_type,       0                  },
	{ "properties",           read_properties, 0                  },
	{ "required",             read_required,   FIELD(required)    },
	{ "additionalProperties", read_extra,      0                  },
	{ "propertyNames",        read_schema,     FIELD(names)       },
	{ "items",                read_schema,     FIELD(items)       },
	{ "minItems",             read_size,       FIELD(items_min)   },
	{ "maxItems",             read_size,       FIELD(items_max)   },
	{ "minLength",            read_size,       FIELD(length_min)  },
	{ "maxLength",            read_size,       FIELD(length_max)  },
	{ "minimum",              read_number,     FIELD(minimum)     },
	{ "maximum",              read_number,     FIELD(maximum)     },
	{ "pattern",              read_text,       FIELD(pattern_text) },
	{ "format",               read_format,     0                  },
	{ "enum",                 read_choices,    FIELD(choices)     },
	{ "const",                read_any,        FIELD(fixed)       },
	{ "anyOf",                read_schemas,    FIELD(any_of)      },
	{ "oneOf",                read_schemas,    FIELD(one_of)      },
	{ "allOf",                read_schemas,    FIELD(all_of)      },
	{ "not",                  read_schema,     FIELD(none)        },
	{ "default",              read_any,        FIELD(dflt)        },
	{ "$ref",                 read_ref,        0                  },
	{ "$defs",                read_defs,       0                  },
	{ "title",                read_text,       FIELD(title)       },
	{ "description",          read_text,       FIELD(description) },
	{ "examples",             read_note,       0                  },
	{ "readOnly",             read_flag,       FIELD(read_only)   },
	{ "writeOnly",            read_flag,       FIELD(write_only)  },
	{ "x-emco-omit-empty",    read_flag,       FIELD(omit_empty)  },
	{ "x-emco-ignore-case",   read_flag,       FIELD(ignore_case) },
	{ "x-emco-secret",        read_flag,       FIELD(is_secret)   },
};

static const struct keyword *keyword_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strcmp(keywords[i].name, name) == 0)
			return &keywords[i];
	return NULL;
}
