#include "plugins/rsync/bell.h"
#include "plugins/rsync/work.h"

#include "lib/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 2000, NS_PER_MS = 1000000, MESSAGE_MAX = 1024 };

/* What each action asks of the server, and whether its answer's object is looked at. */
static const struct { enum { ASK_GET, ASK_APPLY, ASK_PATCH, ASK_DELETE } ask; bool has_object; } asks[ACTIONS] = {
	[ACTION_LOOK]        = { ASK_GET,    true  },
	[ACTION_APPLY]       = { ASK_APPLY,  true  },
	[ACTION_ESTABLISHED] = { ASK_GET,    true  },
	[ACTION_INHERIT]     = { ASK_PATCH,  false },
	[ACTION_RELEASE]     = { ASK_APPLY,  false },
	[ACTION_REPLACE]     = { ASK_DELETE, false },
	[ACTION_REPLACED]    = { ASK_GET,    true  },
	[ACTION_FIND]        = { ASK_GET,    true  },
	[ACTION_DELETE]      = { ASK_DELETE, false },
	[ACTION_GONE]        = { ASK_GET,    true  },
};

/* Only a guess that saves parsing: whoever looks closer decides. */
static bool is_ending(struct view object)
{
	static const char member[] = "\"deletionTimestamp\"";

	return memmem(object.ptr, object.len, member, sizeof member - 1) != NULL;
}

/* As above: does more than one of our managers own fields? */
static bool has_managers(struct view object)
{
	static const char manager[] = "\"" MANAGER_PREFIX;
	const char       *first = memmem(object.ptr, object.len, manager, sizeof manager - 1);

	return first != NULL && memmem(first + 1, (size_t) (object.ptr + object.len - first - 1), manager, sizeof manager - 1) != NULL;
}

/* On a loop of the client.  NOTE: once the item is among the answers, the pass and all of its memory may go any moment. */
static void answered(void *data, const struct kube_result *result)
{
	struct item *item = data;
	struct work *work = item->work;
	struct bell *bell = atomic_load(&work->pass->bell);
	const bool   is_looked_at = asks[item->action].has_object && result->object.len > 0 &&
	                          (item->action != ACTION_APPLY || !item->is_known || result->outcome == KUBE_CONFLICT ||
	                           is_ending(result->object) || has_managers(result->object));

	item->outcome = result->outcome;
	item->is_certain = result->is_certain;
	item->said = result->message != NULL && result->message[0] != '\0' ? strdup(result->message) : NULL;
	item->body = is_looked_at ? malloc(result->object.len) : NULL;
	item->body_len = item->body != NULL ? result->object.len : 0;
	if (item->body != NULL)
		memcpy(item->body, result->object.ptr, result->object.len);

	item->next = atomic_load(&work->answers);
	while (!atomic_compare_exchange_weak(&work->answers, &item->next, item))
		continue;
	bell_ring(bell);
}

void item_forget_answer(struct item *item)
{
	free(item->said);
	free(item->body);
	item->said = item->body = NULL;
	item->body_len = 0;
}

const char *item_manager(const struct item *item)
{
	return item->piece->wave == WAVE_CRD ? SHARED_MANAGER : item->work->manager;
}

static void apply_as(struct item *item, struct view text, const char *manager, bool is_forced, int64_t deadline_ns)
{
	const struct kube_apply apply = {
		.object = text, .id = item->piece->id, .manager = manager, .force = is_forced, .deadline_ns = deadline_ns,
	};

	kube_apply(item->work->cluster, &apply, answered, item);
}

void item_send(struct item *item)
{
	struct work  *work = item->work;
	const int64_t now = now_ns(), end_ns = pass_end_ns(work->pass);
	const int64_t answer_ns = now + work->pass->config->remote_timeout_ms * NS_PER_MS;
	const int64_t deadline_ns = answer_ns < end_ns ? answer_ns : end_ns;
	struct view   bare = VIEW("");

	if (work->is_cut || now >= end_ns) {
		work->is_cut = true;
		item_end(item, ITEM_LATER, "not done in time");
		return;
	}
	if (item->action == ACTION_RELEASE) {
		bare = piece_bare(work->pass, &item->piece->id);
		if (bare.len == 0) {
			item_end(item, ITEM_LATER, "out of memory");
			return;
		}
	}
	item_forget_answer(item);
	item->state = ITEM_AWAY;
	work->away++;
	work->was_tried = true;
	switch (item->action) {
	case ACTION_APPLY:
		apply_as(item, item->text, item_manager(item), item->is_forced, deadline_ns);
		break;
	case ACTION_INHERIT:
		kube_patch(work->cluster, &item->piece->id, item->inheritance, deadline_ns, answered, item);
		break;
	case ACTION_RELEASE:
		apply_as(item, bare, item_manager(item), true, deadline_ns);
		break;
	case ACTION_REPLACE:
	case ACTION_DELETE:
		kube_delete(work->cluster, &item->piece->id, view_of(item->uid), deadline_ns, answered, item);
		break;
	default:
		kube_get(work->cluster, &item->piece->id, deadline_ns, answered, item);
	}
}

struct item *work_answers(struct work *work)
{
	struct item *newest = atomic_exchange(&work->answers, NULL), *oldest = NULL;

	while (newest != NULL) {
		struct item *item = newest;

		newest = item->next;
		item->next = oldest;
		oldest = item;
	}
	return oldest;
}

const char *item_said(const struct item *item)
{
	return item->said != NULL ? item->said : "no reason given";
}

json_t *item_body(const struct item *item)
{
	return item->body != NULL ? json_loadb(item->body, item->body_len, 0, NULL) : NULL;
}

json_t *item_body_or_end(struct item *item)
{
	json_t *body = item_body(item);

	if (body == NULL)
		item_end(item, ITEM_LATER, "the API server's answer does not parse");
	return body;
}

const char *body_label(const json_t *body)
{
	const json_t *labels = json_object_get(json_object_get(body, "metadata"), "labels");
	const char   *label = json_string_value(json_object_get(labels, DEPLOYMENT_LABEL));

	return label != NULL ? label : "";
}

/* "<status context>-<app>" */
bool label_is_ours(struct work *work, const char *label)
{
	const emco_unit    *unit = work->job->unit;
	const emco_units_1 *units = work->pass->units;
	const size_t        digits = strspn(label, "0123456789");
	int32_t             owns = 0;

	if (strcmp(label, work->label) == 0 || (work->old_label != NULL && strcmp(label, work->old_label) == 0))
		return true;
	if (digits == 0 || label[digits] != '-' || !str_is(unit->app, label + digits + 1) || !EMCO_HAS_MEMBER(units, owns))
		return false;

	const emco_status status = units->owns(work->pass->call, unit, (emco_str) { label, digits }, &owns);
	if (status != EMCO_OK)
		fault_say(&work->job->fault, status, "whose \"%s\" is cannot be found out now", label);
	return status == EMCO_OK && owns != 0;
}

bool body_is_ours(struct work *work, const json_t *body)
{
	return label_is_ours(work, body_label(body));
}

/* -- what becomes of an item -- */

static RSYNC_PRINTF(2, 0) const char *message_of(struct item *item, const char *fmt, va_list args)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof text, fmt, args);
	utf8_line(text, sizeof text, view_of(text));
	return pass_text(item->work->pass, str_of(text));
}

void item_end(struct item *item, enum item_state state, const char *fmt, ...)
{
	va_list args;

	item->state = state;
	item->message = NULL;
	if (fmt == NULL)
		return;
	va_start(args, fmt);
	item->message = message_of(item, fmt, args);
	va_end(args);
}

void item_end_later(struct item *item)
{
	item_end(item, ITEM_LATER, "%s", item_said(item));
	if (!kube_cluster_state(item->work->cluster).is_reachable)
		item->work->is_cut = true;
}

void item_again(struct item *item, const char *fmt, ...)
{
	const int64_t now = now_ns();
	va_list       args;

	if (item->until_ns == 0) {
		item->until_ns = now + item->work->pass->config->wait_limit_ms * NS_PER_MS;
		item->pause_ns = PAUSE_MIN_MS * NS_PER_MS;
	}
	item->state = now < item->until_ns ? ITEM_PAUSES : ITEM_LATER;
	item->again_ns = now + item->pause_ns;
	if (item->pause_ns < (int64_t) PAUSE_MAX_MS * NS_PER_MS)
		item->pause_ns += item->pause_ns / 2;
	va_start(args, fmt);
	if (item->message == NULL || item->state == ITEM_LATER)
		item->message = message_of(item, fmt, args);
	va_end(args);
}

void item_next(struct item *item, enum action action)
{
	item->action = action;
	item->until_ns = 0;
	item->message = NULL;
	item_send(item);
}
