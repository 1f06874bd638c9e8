#include "lib/kube/managers.h"

enum { DEEPEST = 64 };

/* Members that are in both are joined, at any depth. */
static bool join(json_t *into, json_t *from, int depth)
{
	const char *key;
	json_t     *child;

	if (depth > DEEPEST)
		return false;
	json_object_foreach(from, key, child) {
		json_t *there = json_object_get(into, key);

		if (there != NULL ? !join(there, child, depth + 1) : json_object_set(into, key, child) != 0)
			return false;
	}
	return true;
}

static bool text_is(const json_t *entry, const char *member, const char *text)
{
	const char *is = json_string_value(json_object_get(entry, member));

	return is != NULL && strcmp(is, text) == 0;
}

static bool is_picked(const json_t *entry, const char *heir, managers_pick *pick, void *data)
{
	const char *name = json_string_value(json_object_get(entry, "manager"));

	return name != NULL && strcmp(name, heir) != 0 && text_is(entry, "operation", "Apply") && pick(data, name);
}

/* NOTE: a manager has one entry for what it applies, so the entries of several become one. */
static bool give(json_t *fields, const char *heir, managers_pick *pick, void *data, bool *ret_has_given)
{
	json_t *ours = NULL, *entry;
	size_t  i;

	json_array_foreach(fields, i, entry)
		if (text_is(entry, "manager", heir) && text_is(entry, "operation", "Apply"))
			ours = entry;
	for (i = json_array_size(fields); i > 0; i--) {
		entry = json_array_get(fields, i - 1);
		if (!is_picked(entry, heir, pick, data))
			continue;
		*ret_has_given = true;
		if (ours == NULL) {
			ours = entry;
			if (json_object_set_new(entry, "manager", json_string(heir)) != 0)
				return false;
			continue;
		}
		if (!join(json_object_get(ours, "fieldsV1"), json_object_get(entry, "fieldsV1"), 0) || json_array_remove(fields, i - 1) != 0)
			return false;
	}
	return true;
}

json_t *managers_inherit(const json_t *object, const char *heir, managers_pick *pick, void *data)
{
	const json_t *metadata = json_object_get(object, "metadata");
	json_t       *fields = json_deep_copy(json_object_get(metadata, "managedFields"));
	json_t       *patch = NULL;
	bool          has_given = false;

	if (give(fields, heir, pick, data, &has_given) && has_given)
		patch = json_pack("{s:{s:O, s:O}}", "metadata", "resourceVersion", json_object_get(metadata, "resourceVersion"),
		                  "managedFields", fields);
	json_decref(fields);
	return patch;
}
