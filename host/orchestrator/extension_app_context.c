/*
 * extension_app_context.c - "emco.app-context/1": plans and stored contexts for plugins.
 *
 * A context that is not the one being made is loaded once per call, and its sets and objects when they are asked for.
 */
#include "host/orchestrator/extensions.h"

#include "host/orchestrator/manifest.h"
#include "host/orchestrator/overlay.h"
#include "host/registry/call.h"
#include "lib/base/yaml.h"

enum { BODY_MAX = 8 << 20 };

/* -- finding ----------------------------------------------------------------------------------------------------- */

static bool read_id(struct view text, int64_t *ret_id)
{
	int64_t id = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || id > (INT64_MAX - 9) / 10)
			return false;
		id = id * 10 + (text.ptr[i] - '0');
	}
	*ret_id = id;
	return id > 0;
}

static void free_plan(void *plan)
{
	plan_free(plan);
}

static enum status load_stored(struct call *call, struct overlay *overlay, int64_t id, struct error *err)
{
	struct plan *plan;
	struct db   *db;
	enum status  st = call_db(call, &db, err);

	if (st == ST_OK && overlay->stored != NULL && plan_id(overlay->stored) == id) {
		plan_use(overlay->stored, db);
		return ST_OK;
	}
	if (st == ST_OK)
		st = plan_load(call->store, db, id, &plan, err);
	if (st == ST_OK)
		st = arena_own(&call->arena, free_plan, plan, err);
	if (st == ST_OK)
		overlay->stored = plan;
	return st;
}

static enum status plan_of(struct call *call, emco_str context, struct plan **ret_plan, struct error *err)
{
	const struct view text = view_from_abi(context);
	struct overlay   *overlay = call->overlay;
	int64_t           id;

	if (!read_id(text, &id))
		return fail(err, ST_NOT_FOUND, "there is no context \"%.*s\"", (int) text.len, text.ptr);
	if (overlay == NULL) {
		overlay = call->overlay = arena_alloc(&call->arena, 1, sizeof *overlay);
		if (overlay == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	if (overlay->plan != NULL && plan_id(overlay->plan) == id) {
		*ret_plan = overlay->plan;
		struct db *db;
		if (!plan_is_stored(overlay->plan))
			return ST_OK;
		const enum status st = call_db(call, &db, err);
		if (st == ST_OK)
			plan_use(overlay->plan, db);
		return st;
	}
	const enum status st = load_stored(call, overlay, id, err);
	if (st == ST_OK)
		*ret_plan = overlay->stored;
	return st;
}

static enum status
slot_of(struct call *call, emco_str context, emco_str app, emco_str cluster, struct plan **ret_plan,
        struct plan_slot **ret_slot, struct error *err)
{
	const enum status st = plan_of(call, context, ret_plan, err);

	if (st != ST_OK)
		return st;
	*ret_slot = plan_find(*ret_plan, view_from_abi(app), view_from_abi(cluster));
	if (*ret_slot == NULL)
		return fail(err, ST_NOT_FOUND, "app \"%.*s\" is not on cluster \"%.*s\"", (int) app.len, app.ptr,
		            (int) cluster.len, cluster.ptr);
	return ST_OK;
}

static emco_status answer(struct call *call, enum status st, const struct error *err)
{
	return st == ST_OK ? EMCO_OK : call_failed(call, err);
}

/* -- reading ----------------------------------------------------------------------------------------------------- */

static emco_status meta(emco_call *abi, emco_str context, emco_app_context_meta *ret_meta)
{
	struct call *call = call_of(abi);
	struct plan *plan;
	struct error err;
	enum status  st = plan_of(call, context, &plan, &err);

	if (st != ST_OK)
		return call_failed(call, &err);
	const struct plan_meta *from = plan_meta(plan);
	const char *id = from->status_context == 0
		? arena_text(&call->arena, plan_id_text(plan).ptr)
		: arena_printf(&call->arena, "%lld", (long long) from->status_context);
	if (id == NULL) {
		fail(&err, ST_NO_MEMORY, "out of memory");
		return call_failed(call, &err);
	}

	const emco_app_context_meta full = {
		.size = ret_meta->size, .owner = view_to_abi(from->owner), .project = view_to_abi(from->project),
		.composite_app = view_to_abi(from->composite_app), .version = view_to_abi(from->version),
		.release = view_to_abi(from->release),
		.deployment_intent_group = view_to_abi(from->deployment_intent_group),
		.namespace_ = view_to_abi(from->namespace_), .level = view_to_abi(from->level),
		.logical_cloud = view_to_abi(from->logical_cloud), .status_context = { id, strlen(id) },
	};
	/* A plugin that is older than this struct gets as much as it knows. */
	memcpy(ret_meta, &full, ret_meta->size < sizeof full ? ret_meta->size : sizeof full);
	return EMCO_OK;
}

static emco_status each_cluster(emco_call *abi, emco_str context, emco_app_context_each_cluster *each, void *data)
{
	struct call *call = call_of(abi);
	struct plan *plan;
	struct error err;
	emco_status  status = EMCO_OK;

	if (plan_of(call, context, &plan, &err) != ST_OK)
		return call_failed(call, &err);
	for (size_t app = 0; app < plan_app_count(plan); app++)
		for (size_t i = 0; status == EMCO_OK && i < plan_slot_count(plan, app); i++) {
			const struct plan_slot *slot = plan_slot(plan, app, i);
			if (slot != NULL)
				status = each(data, view_to_abi(plan_app(plan, app)), view_to_abi(plan_slot_cluster(slot)),
				              view_to_abi(plan_slot_group(slot)));
		}
	return status;
}

static emco_status each_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster,
                               emco_app_context_each_object *each, void *data)
{
	struct call            *call = call_of(abi);
	const struct set_entry *entries;
	struct plan_slot       *slot;
	struct plan            *plan;
	struct error            err;
	size_t                  count;
	emco_status             status = EMCO_OK;

	enum status st = slot_of(call, context, app, cluster, &plan, &slot, &err);
	if (st == ST_OK)
		st = plan_entries(plan, slot, &entries, &count, &err);
	if (st != ST_OK)
		return call_failed(call, &err);
	for (size_t i = 0; status == EMCO_OK && i < count; i++) {
		const emco_object object = {
			.size = sizeof object, .phase = entries[i].phase, .name = view_to_abi(entries[i].name),
			.api_version = view_to_abi(entries[i].api_version), .kind = view_to_abi(entries[i].kind),
			.namespace_ = view_to_abi(entries[i].namespace_), .events = view_to_abi(entries[i].events),
		};
		status = each(data, &object);
	}
	return status;
}

static emco_status read_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str object,
                               emco_str *ret_body)
{
	struct call      *call = call_of(abi);
	struct plan_slot *slot;
	struct plan      *plan;
	struct error      err;
	struct view       body;

	enum status st = slot_of(call, context, app, cluster, &plan, &slot, &err);
	if (st == ST_OK)
		st = plan_body(plan, slot, view_from_abi(object), &body, &err);
	if (st == ST_OK)
		*ret_body = view_to_abi(body);
	return answer(call, st, &err);
}

/* -- editing ----------------------------------------------------------------------------------------------------- */

static emco_status drop_cluster(emco_call *abi, emco_str context, emco_str app, emco_str cluster)
{
	struct call      *call = call_of(abi);
	struct plan_slot *slot;
	struct plan      *plan;
	struct error      err;

	enum status st = slot_of(call, context, app, cluster, &plan, &slot, &err);
	if (st == ST_OK)
		st = plan_drop_cluster(plan, slot, &err);
	return answer(call, st, &err);
}

static enum status read_body(emco_str text, json_t **ret_document, struct error *err)
{
	const struct view body = view_from_abi(text);
	size_t            at = 0;

	if (body.len > BODY_MAX)
		return fail(err, ST_TOO_LARGE, "an object must be at most %d bytes", BODY_MAX);
	while (at < body.len && strchr(" \t\r\n", body.ptr[at]) != NULL && body.ptr[at] != '\0')
		at++;
	return at < body.len && body.ptr[at] == '{' ? json_read(body, ret_document, err)
	                                            : yaml_read(body, YAML_KUBERNETES, ret_document, err);
}

/* Name and kind say the same as the object's outside name, but for the suffix of a second holder. */
static enum status check_name(const struct object *object, struct view name, struct error *err)
{
	const struct view plain = object_plain_name(name), own = object_plain_name(object->name), kind = object->kind;

	if (view_order(&plain, &own) == 0 && name.len > kind.len && name.ptr[name.len - kind.len - 1] == '+' &&
	    memcmp(name.ptr + name.len - kind.len, kind.ptr, kind.len) == 0)
		return ST_OK;
	return fail(err, ST_INVALID, "object \"%.*s\" is called \"%.*s\" in its body", (int) name.len, name.ptr,
	            (int) object->name.len, object->name.ptr);
}

static emco_status write_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str name,
                                emco_str body)
{
	struct call      *call = call_of(abi);
	auto_json        *document = NULL;
	struct object     object;
	struct plan_slot *slot;
	struct plan      *plan;
	struct error      err;

	enum status st = slot_of(call, context, app, cluster, &plan, &slot, &err);
	if (st == ST_OK)
		st = read_body(body, &document, &err);
	if (st == ST_OK)
		st = manifest_object(document, &call->arena, &object, &err);
	if (st == ST_OK)
		st = check_name(&object, view_from_abi(name), &err);
	if (st == ST_OK) {
		object.name = view_from_abi(name);
		st = plan_write_object(plan, slot, &object, &err);
	}
	return answer(call, st, &err);
}

static emco_status drop_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str object)
{
	struct call      *call = call_of(abi);
	struct plan_slot *slot;
	struct plan      *plan;
	struct error      err;

	enum status st = slot_of(call, context, app, cluster, &plan, &slot, &err);
	if (st == ST_OK)
		st = plan_drop_object(plan, slot, view_from_abi(object), &err);
	return answer(call, st, &err);
}

const emco_app_context_1 extension_app_context = {
	.size = sizeof extension_app_context,
	.meta = meta, .each_cluster = each_cluster, .drop_cluster = drop_cluster,
	.each_object = each_object, .read_object = read_object, .write_object = write_object, .drop_object = drop_object,
};
