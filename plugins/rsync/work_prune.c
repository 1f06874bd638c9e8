/*
 * work_prune.c - what the answers mean while objects are taken away.  Only what carries our label is.
 */
#include "plugins/rsync/work.h"

#include <stdio.h>
#include <string.h>

static const char *text_at(const json_t *body, const char *member)
{
	const char *text = json_string_value(json_object_get(json_object_get(body, "metadata"), member));

	return text != NULL ? text : "";
}

/* As with Helm: it stays, and belongs to whoever wants it next. */
static bool is_kept(const json_t *body)
{
	const json_t *annotations = json_object_get(json_object_get(body, "metadata"), "annotations");
	const char   *policy = json_string_value(json_object_get(annotations, "helm.sh/resource-policy"));

	return policy != NULL && strcmp(policy, "keep") == 0;
}

static void still_there(struct item *item, const json_t *body)
{
	const json_t *finalizers = json_object_get(json_object_get(body, "metadata"), "finalizers");
	const char   *first = json_string_value(json_array_get(finalizers, 0));

	if (first != NULL)
		item_again(item, "it is deleted and still there: it waits for the finalizer \"%s\"", first);
	else
		item_again(item, "it is deleted and still there");
}

/* NOTE: another's object keeps its place, also when the label was taken off ours: it is nobody's to delete then. */
static void found(struct item *item, const json_t *body)
{
	if (!body_is_ours(item->work, body)) {
		item_end(item, ITEM_DONE, NULL);
		return;
	}
	if (is_kept(body)) {
		item->stays = "it stays on the cluster: its annotation helm.sh/resource-policy is keep";
		item_end(item, ITEM_DONE, NULL);
		return;
	}
	snprintf(item->uid, sizeof item->uid, "%s", text_at(body, "uid"));
	item_next(item, text_at(body, "deletionTimestamp")[0] == '\0' ? ACTION_DELETE : ACTION_GONE);
}

static void still_found(struct item *item, const json_t *body)
{
	if (strcmp(text_at(body, "uid"), item->uid) != 0)
		item_end(item, ITEM_DONE, NULL);         /* another one of that name */
	else
		still_there(item, body);
}

/* What stands before an API server says "not found" of everything, and everything would be left behind. */
static void kind_unknown(struct item *item)
{
	if (item->is_certain)
		item_end(item, ITEM_DONE, NULL);
	else
		item_end_later(item);
}

/* What an answer means that is no object, whatever was asked. */
static void no_object(struct item *item)
{
	switch (item->outcome) {
	case KUBE_GONE:
	case KUBE_NO_NAMESPACE:
		item_end(item, ITEM_DONE, NULL);
		return;
	case KUBE_UNKNOWN_KIND:
		kind_unknown(item);
		return;
	case KUBE_LATER:
		item_end_later(item);
		return;
	default:
		item_end(item, ITEM_FAILED, "%s", item_said(item));
	}
}

static void got(struct item *item)
{
	json_t *body;

	if (item->outcome != KUBE_UNCHANGED) {
		no_object(item);
		return;
	}
	body = item_body_or_end(item);
	if (body != NULL && item->action == ACTION_FIND)
		found(item, body);
	else if (body != NULL)
		still_found(item, body);
	json_decref(body);
}

static void deleted(struct item *item)
{
	if (item->outcome == KUBE_DELETED)
		item_next(item, ACTION_GONE);
	else if (item->outcome == KUBE_CONFLICT)         /* another one of that name */
		item_end(item, ITEM_DONE, NULL);
	else
		no_object(item);
}

void item_removed(struct item *item)
{
	if (item->action == ACTION_DELETE)
		deleted(item);
	else
		got(item);
}
