/* Events to values: scalars by their dialect, anchors by copy, merges at the end of their mapping, everything counted. */
#include "lib/base/yaml_priv.h"

/* A copied node costs one, and one more for each so many bytes of text in it: a long string is no cheap node. */
enum { BYTES_PER_NODE = 128 };

static void frame_done(struct frame *frame)
{
	json_decref(frame->value);
	json_decref(frame->key);
	json_decref(frame->merges);
	free(frame->anchor);
	*frame = (struct frame) { .value = NULL };
}

void builder_reset(struct builder *b)
{
	while (b->depth > 0)
		frame_done(&b->frame[--b->depth]);
	json_decref(b->document);
	json_decref(b->anchors);
	b->document = b->anchors = NULL;
	b->is_blank = false;
}

PRINTF(2, 3) enum status builder_malformed(const struct builder *b, const char *fmt, ...)
{
	char    text[sizeof((struct error *) NULL)->text];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return fail(b->err, ST_MALFORMED, "line %zu: %s", b->line, text);
}

static enum status no_memory(const struct builder *b)
{
	return fail(b->err, ST_NO_MEMORY, "out of memory");
}

/* Add what copying value costs, and find its depth.  Stops as soon as a bound is passed. */
static bool measure(const json_t *value, size_t depth, size_t *cost)
{
	json_t *walked = json_for_reading(value);

	*cost += 1 + (json_is_string(value) ? json_string_length(value) / BYTES_PER_NODE : 0);
	if (*cost > YAML_ALIAS_NODES_MAX || (depth > YAML_DEPTH_MAX && (json_is_object(value) || json_is_array(value))))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!measure(json_array_get(value, i), depth + 1, cost))
			return false;
	for (void *it = json_object_iter(walked); it != NULL; it = json_object_iter_next(walked, it)) {
		*cost += json_object_iter_key_len(it) / BYTES_PER_NODE;
		if (!measure(json_object_iter_value(it), depth + 1, cost))
			return false;
	}
	return true;
}

/* depth: of the copy's place, from 1. */
static enum status copy(struct builder *b, const json_t *value, size_t depth, json_t **ret_copy)
{
	if (!measure(value, depth, &b->alias_nodes)) {
		if (b->alias_nodes > YAML_ALIAS_NODES_MAX)
			return fail(b->err, ST_TOO_LARGE, "line %zu: aliases make more than %d nodes", b->line,
			            YAML_ALIAS_NODES_MAX);
		return fail(b->err, ST_TOO_LARGE, "line %zu: nested deeper than %d", b->line, YAML_DEPTH_MAX);
	}
	*ret_copy = json_deep_copy(value);
	return *ret_copy != NULL ? ST_OK : no_memory(b);
}

static enum status note_anchor(struct builder *b, const char *anchor, json_t *value)
{
	if (anchor == NULL)
		return ST_OK;
	if (b->anchors == NULL)
		b->anchors = json_object();
	if (b->anchors == NULL || json_object_set(b->anchors, anchor, value) != 0)
		return no_memory(b);
	return ST_OK;
}

/* A key as JSON wants it.  Takes value. */
static enum status take_key(struct builder *b, struct frame *frame, json_t *value)
{
	auto_json *scalar = value;
	auto_buf   text = BUF(64);

	if (json_is_object(value) || json_is_array(value) || json_is_null(value))
		return builder_malformed(b, "a key must be a string, a number or a boolean");
	if (json_is_string(value)) {
		frame->key = json_incref(scalar);
	} else {
		const enum status st = json_write(&text, value, b->err);
		if (st != ST_OK)
			return st;
		frame->key = json_stringn(text.data, text.len);
		if (frame->key == NULL)
			return no_memory(b);
	}
	if (json_object_get(frame->value, json_string_value(frame->key)) != NULL)
		return builder_malformed(b, "key \"%s\" appears twice", json_string_value(frame->key));
	return ST_OK;
}

/* What << names: a mapping, or a list of them.  Takes value. */
static enum status take_merge(struct builder *b, struct frame *frame, json_t *value)
{
	auto_json *merge = value;
	bool       is_mappings = json_is_array(merge);

	for (size_t i = 0; i < json_array_size(merge); i++)
		is_mappings = is_mappings && json_is_object(json_array_get(merge, i));
	if (!json_is_object(merge) && !is_mappings)
		return builder_malformed(b, "<< must name a mapping or a list of mappings");
	if (frame->merges != NULL)
		return builder_malformed(b, "key \"<<\" appears twice");
	frame->is_merge = false;
	frame->merges = json_is_array(merge) ? json_incref(merge) : json_pack("[O]", merge);
	return frame->merges != NULL ? ST_OK : no_memory(b);
}

/* Put a finished value where it belongs.  Takes value. */
static enum status take_value(struct builder *b, json_t *value, enum scalar_kind kind)
{
	struct frame *frame = b->depth > 0 ? &b->frame[b->depth - 1] : NULL;
	int           code;

	if (frame == NULL) {
		b->document = value;
		return ST_OK;
	}
	if (json_is_object(frame->value) && frame->is_merge)
		return take_merge(b, frame, value);
	if (json_is_object(frame->value) && frame->key == NULL) {
		frame->is_merge = kind == SCALAR_MERGE;
		if (!frame->is_merge)
			return take_key(b, frame, value);
		json_decref(value);
		return ST_OK;
	}
	if (json_is_array(frame->value)) {
		code = json_array_append_new(frame->value, value);
	} else {
		code = json_object_setn_new(frame->value, json_string_value(frame->key), json_string_length(frame->key), value);
		json_decref(frame->key);
		frame->key = NULL;
	}
	return code == 0 ? ST_OK : no_memory(b);
}

static enum status count_node(struct builder *b)
{
	if (++b->nodes > YAML_NODES_MAX)
		return fail(b->err, ST_TOO_LARGE, "line %zu: more than %d nodes", b->line, YAML_NODES_MAX);
	return ST_OK;
}

static json_t *json_of(const struct scalar *scalar, struct view text)
{
	switch (scalar->kind) {
	case SCALAR_NULL:    return json_null();
	case SCALAR_BOOLEAN: return json_boolean(scalar->truth);
	case SCALAR_INTEGER: return json_integer(scalar->integer);
	case SCALAR_REAL:    return json_real(scalar->real);
	case SCALAR_STRING:
	case SCALAR_MERGE:
	case SCALAR_NO_JSON: break;
	}
	return json_stringn(text.ptr, text.len);
}

struct tag {
	const char *name;
	unsigned    kinds;      /* bits of scalar_kind that it may resolve to; 0: a string as it stands */
	const char *phrase;
};

static const struct tag tags[] = {
	{ "!",                       0,                                            NULL          },
	{ "tag:yaml.org,2002:str",    0,                                            NULL          },
	{ "tag:yaml.org,2002:binary", 0,                                            NULL          },
	{ "tag:yaml.org,2002:int",    1u << SCALAR_INTEGER,                         "an integer"  },
	{ "tag:yaml.org,2002:float",  1u << SCALAR_INTEGER | 1u << SCALAR_REAL,     "a number"    },
	{ "tag:yaml.org,2002:bool",   1u << SCALAR_BOOLEAN,                         "a boolean"   },
	{ "tag:yaml.org,2002:null",   1u << SCALAR_NULL,                            "null"        },
};

/* What the scalar of an event means: by its tag, its quotes, or its look. */
static enum status resolve(struct builder *b, const yaml_event_t *event, struct view text, struct scalar *ret_scalar)
{
	const char       *name = (const char *) event->data.scalar.tag;
	const struct tag *tag = NULL;

	if (name == NULL) {
		const bool is_plain = event->data.scalar.plain_implicit && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		*ret_scalar = is_plain ? yaml_resolve(text, b->dialect) : (struct scalar) { .kind = SCALAR_STRING };
		if (ret_scalar->kind == SCALAR_NO_JSON)
			return builder_malformed(b, "\"%.40s\" has no form in JSON", text.ptr);
		return ST_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (strcmp(tags[i].name, name) == 0)
			tag = &tags[i];
	if (tag == NULL)
		return builder_malformed(b, "unknown tag \"%s\"", name);
	*ret_scalar = tag->kinds != 0 ? yaml_resolve(text, b->dialect) : (struct scalar) { .kind = SCALAR_STRING };
	if (tag->kinds != 0 && (tag->kinds & 1u << ret_scalar->kind) == 0)
		return builder_malformed(b, "\"%.40s\" is not %s", text.ptr, tag->phrase);
	return ST_OK;
}

enum status builder_scalar(struct builder *b, const yaml_event_t *event)
{
	const struct view text = { (const char *) event->data.scalar.value, event->data.scalar.length };
	struct scalar     scalar = { .kind = SCALAR_STRING };
	enum status       st = count_node(b);

	if (st != ST_OK)
		return st;
	if (memchr(text.ptr, '\0', text.len) != NULL)
		return builder_malformed(b, "a string may not hold a NUL");
	st = resolve(b, event, text, &scalar);
	if (st != ST_OK)
		return st;
	json_t *value = json_of(&scalar, text);
	if (value == NULL)
		return no_memory(b);
	st = note_anchor(b, (const char *) event->data.scalar.anchor, value);
	if (st != ST_OK) {
		json_decref(value);
		return st;
	}
	if (b->depth == 0)
		b->is_blank = event->data.scalar.tag == NULL && text.len == 0 && scalar.kind == SCALAR_NULL;
	return take_value(b, value, scalar.kind);
}

enum status builder_alias(struct builder *b, const yaml_event_t *event)
{
	const char   *name = (const char *) event->data.alias.anchor;
	const json_t *value = json_object_get(b->anchors, name);
	json_t       *copied = NULL;

	if (value == NULL)
		return builder_malformed(b, "unknown anchor \"%s\"", name);
	const enum status st = copy(b, value, b->depth + 1, &copied);
	return st != ST_OK ? st : take_value(b, copied, SCALAR_STRING);
}

enum status builder_open(struct builder *b, const yaml_char_t *tag, const yaml_char_t *anchor, bool is_mapping)
{
	const char *name = (const char *) tag;
	enum status st = count_node(b);

	if (st != ST_OK)
		return st;
	if (name != NULL && strcmp(name, is_mapping ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
		return builder_malformed(b, "unknown tag \"%s\"", name);
	if (b->depth == YAML_DEPTH_MAX)
		return fail(b->err, ST_TOO_LARGE, "line %zu: nested deeper than %d", b->line, YAML_DEPTH_MAX);

	struct frame *frame = &b->frame[b->depth++];
	*frame = (struct frame) { .value = is_mapping ? json_object() : json_array(),
	                          .anchor = anchor != NULL ? strdup((const char *) anchor) : NULL };
	return frame->value != NULL && (anchor == NULL || frame->anchor != NULL) ? ST_OK : no_memory(b);
}

/* Members that << brings, where the mapping and the merges before have none of that name.  They are ours: no copy. */
static enum status merge(struct builder *b, struct frame *frame)
{
	for (size_t i = 0; i < json_array_size(frame->merges); i++) {
		json_t *from = json_array_get(frame->merges, i);
		for (void *it = json_object_iter(from); it != NULL; it = json_object_iter_next(from, it)) {
			const char *name = json_object_iter_key(it);
			if (json_object_get(frame->value, name) == NULL
			    && json_object_set(frame->value, name, json_object_iter_value(it)) != 0)
				return no_memory(b);
		}
	}
	return ST_OK;
}

enum status builder_close(struct builder *b)
{
	struct frame *frame = &b->frame[b->depth - 1];
	enum status   st = merge(b, frame);

	if (st == ST_OK)
		st = note_anchor(b, frame->anchor, frame->value);
	if (st != ST_OK)
		return st;
	json_t *value = json_incref(frame->value);
	frame_done(frame);
	b->depth--;
	return take_value(b, value, SCALAR_STRING);
}
