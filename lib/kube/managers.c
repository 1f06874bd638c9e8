#include "lib/kube/managers.h"

enum { DEEPEST = 64 };

/* Members that are in both are joined, at any depth. */
static enum status join(json_t *into, json_t *from, int depth, struct error *err)
{
	enum status st = ST_OK;
	const char *key;
	json_t     *child;

	if (depth > DEEPEST)
		return fail(err, ST_TOO_LARGE, "managedFields are nested deeper than %d levels", DEEPEST);
	json_object_foreach(from, key, child) {
		json_t *there = json_object_get(into, key);

		if (there == NULL && json_object_set(into, key, child) != 0)
			return fail(err, ST_NO_MEMORY, "out of memory");
		if (there != NULL && (st = join(there, child, depth + 1, err)) != ST_OK)
			return st;
	}
	return ST_OK;
}

/* What is not there reads as "". */
static bool text_is(const json_t *entry, const char *member, const char *text)
{
	return strcmp(json_string_at(entry, member), text) == 0;
}

/* NOTE: what is applied to a subresource is an entry of its own, and stays with who has applied it. */
static bool is_apply(const json_t *entry)
{
	return text_is(entry, "operation", "Apply") && text_is(entry, "subresource", "") && json_is_object(json_object_get(entry, "fieldsV1"));
}

static bool is_picked(const json_t *entry, const char *heir, managers_pick *pick, void *data)
{
	const char *name = json_string_value(json_object_get(entry, "manager"));

	return name != NULL && strcmp(name, heir) != 0 && is_apply(entry) && pick(data, name);
}

/*
 * A manager has one entry for what it applies, so the entries of several become one.  Names of fields mean something in the
 * version of their entry only, and API servers would take two entries of one manager for the same: what was applied in
 * another version than the heir's stays where it is.
 */
static enum status give(json_t *fields, const char *heir, managers_pick *pick, void *data, bool *ret_has_given, struct error *err)
{
	enum status st = ST_OK;
	json_t     *ours = NULL, *entry;
	size_t      i;

	json_array_foreach(fields, i, entry)
		if (text_is(entry, "manager", heir) && is_apply(entry))
			ours = entry;
	for (i = json_array_size(fields); i > 0 && st == ST_OK; i--) {
		entry = json_array_get(fields, i - 1);
		if (!is_picked(entry, heir, pick, data) ||
		    (ours != NULL && !text_is(entry, "apiVersion", json_string_at(ours, "apiVersion"))))
			continue;
		*ret_has_given = true;
		if (ours == NULL) {              /* the latest, as API servers have them in order of time */
			ours = entry;
			if (json_object_set_new(entry, "manager", json_string(heir)) != 0)
				return fail(err, ST_NO_MEMORY, "out of memory");
			continue;
		}
		st = join(json_object_get(ours, "fieldsV1"), json_object_get(entry, "fieldsV1"), 0, err);
		if (st == ST_OK && json_array_remove(fields, i - 1) != 0)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	return st;
}

enum status managers_inherit(const json_t *object, const char *heir, managers_pick *pick, void *data, json_t **ret_patch,
                             struct error *err)
{
	const json_t *metadata = json_object_get(object, "metadata"), *theirs = json_object_get(metadata, "managedFields");
	json_t       *version = json_object_get(metadata, "resourceVersion");
	auto_json    *fields = json_deep_copy(theirs);
	json_t       *patch = NULL;
	bool          has_given = false;

	if (theirs != NULL && fields == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const enum status st = give(fields, heir, pick, data, &has_given, err);
	if (st != ST_OK)
		return st;
	if (has_given && version != NULL) {
		patch = json_pack("{s:{s:O, s:O}}", "metadata", "resourceVersion", version, "managedFields", fields);
		if (patch == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	*ret_patch = patch;
	return ST_OK;
}
