#include "host/orchestrator/drift.h"

enum { FIELDS_MAX = 64 << 10, BODY_MAX = 8 << 20 };

static bool concerns(const json_t *rule, const struct object *object)
{
	const struct view kind = json_text_at(rule, "kind"), name = json_text_at(rule, "name");

	return (kind.len == 0 || view_compare(kind, object->kind) == 0) &&
	       (name.len == 0 || view_compare(name, object_plain_name(object->name)) == 0);
}

/* The names that concern an object, after those that its chart has written. */
static enum status fields_of(const json_t *drift, const struct object *object, struct buf *fields, struct error *err)
{
	const json_t *rule, *field;
	enum status   st = ST_OK;
	size_t        i, k;

	json_array_foreach(json_object_get(drift, "ignoreFields"), i, rule) {
		if (!concerns(rule, object))
			continue;
		json_array_foreach(json_object_get(rule, "fields"), k, field) {
			if (st == ST_OK && fields->len > 0)
				st = buf_add(fields, " ", 1, err);
			if (st == ST_OK)
				st = buf_add(fields, json_string_value(field), json_string_length(field), err);
		}
	}
	return st;
}

/* The object at a member, made when it is missing or null.  Borrowed. */
static enum status object_within(json_t *parent, const char *member, json_t **ret_object, struct error *err)
{
	json_t *value = json_object_get(parent, member);

	if (value != NULL && !json_is_null(value) && !json_is_object(value))
		return fail(err, ST_INVALID, "metadata.%s must be an object", member);
	if (!json_is_object(value)) {
		value = json_object();
		if (json_object_set_new(parent, member, value) != 0)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	*ret_object = value;
	return ST_OK;
}

static enum status annotate(const json_t *drift, struct object *object, struct arena *arena, struct error *err)
{
	const struct view policy = json_text_at(drift, "policy");
	auto_json        *document = NULL;
	auto_buf          fields = BUF(FIELDS_MAX), body = BUF(BODY_MAX);
	json_t           *annotations = NULL;
	enum status       st = json_read(object->body, &document, err);

	if (st == ST_OK)
		st = object_within(json_object_get(document, "metadata"), "annotations", &annotations, err);
	if (st != ST_OK)
		return st;
	const struct view written = json_text_at(annotations, IGNORE_ANNOTATION);
	if (written.len > 0)
		st = buf_add(&fields, written.ptr, written.len, err);
	if (st == ST_OK)
		st = fields_of(drift, object, &fields, err);
	if (st == ST_OK && policy.len > 0 &&
	    json_object_set_new(annotations, DRIFT_ANNOTATION, json_stringn(policy.ptr, policy.len)) != 0)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK && fields.len > 0 &&
	    json_object_set_new(annotations, IGNORE_ANNOTATION, json_stringn(fields.data, fields.len)) != 0)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK)
		st = json_write(&body, document, err);
	return st == ST_OK ? arena_keep(arena, buf_view(&body), &object->body, err) : st;
}

enum status drift_annotate(const json_t *drift, struct objects *objects, struct arena *arena, struct error *err)
{
	for (size_t i = 0; drift != NULL && i < objects->count; i++) {
		struct object *object = &objects->at[i];

		if (annotate(drift, object, arena, err) != ST_OK)
			return fail_within(err, "object \"%.*s\"", (int) object->name.len, object->name.ptr);
	}
	return ST_OK;
}
