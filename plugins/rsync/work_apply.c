/*
 * work_apply.c - what the answers mean while objects go out.
 */
#include "plugins/rsync/work.h"

#include "lib/kube/managers.h"

#include <string.h>

enum { INHERITS_MAX = 3 };

/* What comes about by itself is waited for here when this unit brings it, and by trying the unit again when it does not. */
static void wait_or_later(struct item *item, bool is_brought)
{
	if (is_brought)
		item_again(item, "%s", item_said(item));
	else
		item_end(item, ITEM_LATER, "%s", item_said(item));
}

/* -- whose is it? -- */

static void refuse_foreign(struct item *item, const char *label, const char *words)
{
	if (label[0] != '\0')
		item_end(item, ITEM_FAILED, "it belongs to deployment \"%s\", which was first", label);
	else
		item_end(item, ITEM_FAILED,
		         "it is there already and was applied by others: annotate it with emco/takeover: \"true\", or "
		         "set the option \"takeover\", to take it over%s%s",
		         words[0] != '\0' ? "; the API server says: " : "", words);
}

static bool may_take_over(const struct item *item)
{
	return item->work->pass->config->takeover != 0 || item->piece->policy.may_take_over;
}

/* -- what earlier lives have left -- */

static bool is_of_earlier_life(void *data, const char *manager)
{
	const struct item *item = data;
	const size_t       prefix = sizeof MANAGER_PREFIX - 1;

	return strncmp(manager, MANAGER_PREFIX, prefix) == 0 && label_is_ours(item->work, manager + prefix);
}

/*
 * Managers of earlier lives never come back, and what they have set would stay, or stand in the way: two ports of one name.
 * Lives that were ended before all was there may have left several.  false: none.
 */
static bool inherits(struct item *item, const json_t *body)
{
	enum status  st = ST_OK;
	struct error err;
	json_t      *patch = NULL;
	const char  *text;

	if (item->piece->wave != WAVE_CRD)
		st = managers_inherit(body, item_manager(item), is_of_earlier_life, item, &patch, &err);
	if (!job_is_live(item->work->job)) {     /* whose they are could not be found out */
		json_decref(patch);
		item_end(item, ITEM_LATER, "%s", item->work->job->fault.text);
		return true;
	}
	if (st != ST_OK) {
		item_end(item, ITEM_LATER, "%s", err.text);
		return true;
	}
	if (patch == NULL)
		return false;
	if (item->inherited++ == INHERITS_MAX) {
		json_decref(patch);
		item_end(item, ITEM_LATER, "its managedFields name earlier field managers again and again");
		return true;
	}
	text = object_text(item->work->pass, patch);
	json_decref(patch);
	if (text == NULL) {
		item_end(item, ITEM_LATER, "out of memory");
		return true;
	}
	item->inheritance = view_of(text);
	item_next(item, ACTION_INHERIT);
	return true;
}

static void inherited(struct item *item)
{
	switch (item->outcome) {
	case KUBE_CHANGED:
		item->is_known = true;
		item->is_forced = !item->piece->has_ignored;
		item_next(item, ACTION_APPLY);
		break;
	case KUBE_CONFLICT:                      /* somebody was quicker */
		item_next(item, ACTION_LOOK);
		break;
	case KUBE_GONE:
		item_next(item, ACTION_APPLY);
		break;
	case KUBE_REFUSED:                       /* what is there may be invalid by now, and the apply mends it */
		if (item->was_applied)
			item_end(item, ITEM_FAILED, "%s", item_said(item));
		else
			item_next(item, ACTION_APPLY);
		break;
	default:
		item_end_later(item);
	}
}

/* words: of the conflict that made us look; "" none. */
static void take_or_refuse(struct item *item, const json_t *body)
{
	const char *label = body_label(body);
	const char *words = item->message != NULL ? item->message : "";

	if (!item->is_known && !body_is_ours(item->work, body) && (item->piece->wave != WAVE_CRD || label[0] == '\0') &&
	    (label[0] != '\0' || !may_take_over(item))) {
		refuse_foreign(item, label, words);
		return;
	}
	item->is_known = true;
	item->is_older = body_is_ours(item->work, body) && strcmp(label, item->work->label) != 0;
	item->is_forced = !item->piece->has_ignored;
	if (!inherits(item, body))
		item_next(item, ACTION_APPLY);
}

static void looked(struct item *item)
{
	json_t *body;

	item->is_looked_at = true;
	switch (item->outcome) {
	case KUBE_LATER:
		item_end_later(item);
		return;
	case KUBE_UNCHANGED:
		body = item_body_or_end(item);
		if (body != NULL)
			take_or_refuse(item, body);
		json_decref(body);
		return;
	case KUBE_REFUSED:
		if (item->message != NULL) {     /* after a conflict: its words say more */
			item_end(item, ITEM_FAILED, "%s", item->message);
			return;
		}
		break;
	default:
		break;
	}
	item_next(item, ACTION_APPLY);
}

static bool text_is(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/*
 * Somebody else who has set something of the object itself.  Controllers write status, annotations and finalizers, and
 * those who only do that own nothing.
 *
 * NOTE: a request whose connection breaks is sent once more by libcurl, so what we find may be what we have just made: then
 * its creation is the time of our own entry, and what a controller has added since is no field of ours.
 */
static const char *other_owner(const json_t *body, const char *manager)
{
	const json_t *metadata = json_object_get(body, "metadata"), *fields = json_object_get(metadata, "managedFields");
	const json_t *entry, *ours = NULL;
	size_t        i;

	json_array_foreach(fields, i, entry)
		if (text_is(json_object_get(entry, "manager"), manager) &&
		    json_equal(json_object_get(entry, "time"), json_object_get(metadata, "creationTimestamp")))
			ours = json_object_get(entry, "fieldsV1");
	json_array_foreach(fields, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "manager"));
		json_t     *owned = json_object_get(entry, "fieldsV1"), *value;
		const char *key;

		if (name == NULL || strcmp(name, manager) == 0)
			continue;
		json_object_foreach(owned, key, value) {
			const bool is_added = ours != NULL && json_object_get(ours, key) == NULL;

			if (strcmp(key, "f:metadata") != 0 && strcmp(key, "f:status") != 0 && !is_added)
				return name;
		}
	}
	return NULL;
}

/* -- after an apply -- */

/* NOTE: an object with a deletion timestamp takes changes and then goes all the same: it must be applied again afterwards. */
static bool is_ending(const json_t *body)
{
	return json_object_get(json_object_get(body, "metadata"), "deletionTimestamp") != NULL;
}

static void done_or_more(struct item *item, const json_t *body)
{
	if (inherits(item, body))
		return;
	if (item->piece->wave == WAVE_CRD)
		item_next(item, ACTION_ESTABLISHED);
	else
		item_end(item, ITEM_DONE, NULL);
}

static void took(struct item *item)
{
	json_t     *body = item_body(item);
	const char *other = NULL;

	item->was_applied = true;
	/* Without a conflict we may still have met an object that others made: nothing of theirs has changed then. */
	if (!item->is_known && !item->is_looked_at && item->outcome == KUBE_CHANGED && !may_take_over(item))
		other = other_owner(body, item_manager(item));
	if (other != NULL) {
		refuse_foreign(item, "", other);
		const char *message = item->message;
		item_next(item, ACTION_RELEASE);
		item->message = message;
	} else if (is_ending(body)) {
		item->is_known = item->is_looked_at = true;
		item_again(item, "the object of this name is still being deleted");
	} else {
		done_or_more(item, body);
	}
	json_decref(body);
}

/* What others have set since it was ours is set back, but for what they may set. */
static void conflicted(struct item *item)
{
	if (!item->is_known && !item->is_looked_at) {
		const char *words = pass_text(item->work->pass, str_of(item_said(item)));

		item_next(item, ACTION_LOOK);
		item->message = words;
		return;
	}
	if (!item->is_known || item->is_forced) {
		item_end(item, ITEM_FAILED, "%s", item_said(item));
		return;
	}
	if (item->piece->has_ignored) {
		json_t *conflict = item_body(item);

		item->text = piece_without_ignored(item->work->pass, item->piece, conflict);
		json_decref(conflict);
		if (item->text.len == 0) {
			item_end(item, ITEM_LATER, "out of memory");
			return;
		}
	}
	item->is_forced = true;
	item_next(item, ACTION_APPLY);
}

/* What is there from before a terminate was to go anyway: its label alone, in a Job's template, could not be changed. */
/* NOTE: a definition takes every resource of its kind with it, whoever made them: only who keeps none may replace one. */
static bool may_replace(const struct item *item)
{
	const struct config *config = item->work->pass->config;
	const bool           is_asked = str_is(config->immutable, "replace");

	if (item->piece->wave == WAVE_CRD)
		return is_asked && !config->keep_crds;
	return is_asked || item->work->old_label != NULL || item->is_older;
}

static void cannot_change(struct item *item)
{
	if (item->is_known && may_replace(item)) {
		item->uid[0] = '\0';
		item_next(item, ACTION_REPLACE);
	} else if (item->piece->wave == WAVE_CRD) {
		item_end(item, ITEM_FAILED, "%s (a definition is not replaced: every resource of its kind would go with it)", item_said(item));
	} else {
		item_end(item, ITEM_FAILED, "%s (the option immutable = \"replace\" would delete and make it again)",
		         item_said(item));
	}
}

static void apply_answered(struct item *item)
{
	switch (item->outcome) {
	case KUBE_CREATED:
	case KUBE_CHANGED:
	case KUBE_UNCHANGED:    took(item);                                        break;
	case KUBE_CONFLICT:     conflicted(item);                                  break;
	case KUBE_IMMUTABLE:    cannot_change(item);                               break;
	case KUBE_UNKNOWN_KIND: wait_or_later(item, item->work->has_crd);          break;
	case KUBE_NO_NAMESPACE: wait_or_later(item, item->work->has_namespace);    break;
	case KUBE_LATER:        item_end_later(item);                              break;
	default:                item_end(item, ITEM_FAILED, "%s", item_said(item));
	}
}

/* -- waiting -- */

static bool has_condition(const json_t *body, const char *type, const char *status)
{
	const json_t *conditions = json_object_get(json_object_get(body, "status"), "conditions"), *condition;
	size_t        i;

	json_array_foreach(conditions, i, condition) {
		const char *is = json_string_value(json_object_get(condition, "type"));
		const char *so = json_string_value(json_object_get(condition, "status"));

		if (is != NULL && so != NULL && strcmp(is, type) == 0 && strcmp(so, status) == 0)
			return true;
	}
	return false;
}

static void established(struct item *item)
{
	json_t *body;

	if (item->outcome == KUBE_LATER) {
		item_end_later(item);
		return;
	}
	if (item->outcome == KUBE_GONE) {
		item_end(item, ITEM_LATER, "somebody has deleted it");
		return;
	}
	body = item_body(item);
	if (has_condition(body, "Established", "True"))
		item_end(item, ITEM_DONE, NULL);
	else if (has_condition(body, "NamesAccepted", "False"))
		item_end(item, ITEM_FAILED, "the API server does not accept its names: another definition has them");
	else
		item_again(item, "the API server does not serve it yet");
	json_decref(body);
}

static void replaced(struct item *item)
{
	if (item->outcome == KUBE_GONE)
		item_next(item, ACTION_APPLY);
	else if (item->outcome == KUBE_LATER)
		item_end_later(item);
	else
		item_again(item, "it is to be replaced and still there");
}

void item_applied(struct item *item)
{
	switch (item->action) {
	case ACTION_LOOK:        looked(item);         break;
	case ACTION_APPLY:       apply_answered(item); break;
	case ACTION_ESTABLISHED: established(item);    break;
	case ACTION_REPLACED:    replaced(item);       break;
	case ACTION_RELEASE:
		item->state = ITEM_FAILED;       /* the message is there; what is left of ours goes with the next try */
		break;
	case ACTION_INHERIT:     inherited(item);      break;
	case ACTION_REPLACE:
		if (item->outcome == KUBE_DELETED || item->outcome == KUBE_GONE)
			item_next(item, ACTION_REPLACED);
		else if (item->outcome == KUBE_LATER)
			item_end_later(item);
		else
			item_end(item, ITEM_FAILED, "%s", item_said(item));
		break;
	default:
		item_end(item, ITEM_LATER, "nothing to be done");
	}
}
