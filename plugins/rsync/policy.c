#include "plugins/rsync/policy.h"

#include <string.h>

/* An autoscaler's, of whatever has replicas. */
#define ALWAYS_IGNORED  ".spec.replicas"

static struct view annotation_of(const json_t *object, const char *key)
{
	const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
	const char   *text = json_string_value(json_object_get(annotations, key));

	return view_of(text != NULL ? text : "");
}

static emco_status ignored_check(struct view names, struct fault *fault)
{
	struct view name;

	while (field_next(&names, &name))
		if (!field_is_name(name))
			return fault_say(fault, EMCO_E_INVALID,
			                 "annotation \"emco/ignore-fields\": expected names of fields as API servers write them, "
			                 "such as \".spec.replicas\", got \"%.*s\"",
			                 (int) (name.len > 128 ? 128 : name.len), name.ptr);
	return EMCO_OK;
}

emco_status policy_read(const json_t *object, struct policy *ret_policy, struct fault *fault)
{
	const struct view drift = annotation_of(object, "emco/drift");

	*ret_policy = (struct policy) {
		.ignored = annotation_of(object, "emco/ignore-fields"),
		.drift = view_is(drift, "heal") ? DRIFT_HEAL : view_is(drift, "report") ? DRIFT_REPORT : DRIFT_AS_OPTION,
		.may_take_over = view_is(annotation_of(object, "emco/takeover"), "true"),
	};
	if (drift.len > 0 && ret_policy->drift == DRIFT_AS_OPTION)
		return fault_say(fault, EMCO_E_INVALID, "annotation \"emco/drift\": expected \"heal\" or \"report\", got \"%.*s\"",
		                 (int) (drift.len > 128 ? 128 : drift.len), drift.ptr);
	return ignored_check(ret_policy->ignored, fault);
}

/* *rest: begun with policy->ignored; the name that is always there comes last. */
static bool next_ignored(struct view *rest, bool *is_at_end, struct view *ret_name)
{
	if (*is_at_end)
		return false;
	if (field_next(rest, ret_name))
		return true;
	*is_at_end = true;
	*ret_name = VIEW(ALWAYS_IGNORED);
	return true;
}

bool policy_ignores(const struct policy *policy, struct view field)
{
	struct view rest = policy->ignored, name;

	for (bool is_at_end = false; next_ignored(&rest, &is_at_end, &name);)
		if (field_covers(name, field))
			return true;
	return false;
}

bool policy_has_ignored(const struct policy *policy, const json_t *object)
{
	struct view rest = policy->ignored, name;

	for (bool is_at_end = false; next_ignored(&rest, &is_at_end, &name);)
		if (field_is_set(object, name))
			return true;
	return false;
}

void policy_disown(const struct policy *policy, json_t *owned)
{
	struct view rest = policy->ignored, name;

	for (bool is_at_end = false; next_ignored(&rest, &is_at_end, &name);)
		(void) field_disown(owned, name);
}
