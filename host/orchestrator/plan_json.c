/*
 * plan_json.c - what a context says of itself as JSON: its meta object, and of its apps the order, what they wait for, and
 * which intent placed them why.
 */
#include "host/orchestrator/json_out.h"
#include "host/orchestrator/plan_priv.h"

/* -- the meta object, as the contract has it: all members, always ------------------------------------------------ */

/* An offset of 0, the owner's, stands for null: no member of the object is the owner. */
static const struct { const char *member; size_t offset; } meta_members[] = {
	{ "Project",               offsetof(struct plan_meta, project)                 },
	{ "CompositeApp",          offsetof(struct plan_meta, composite_app)           },
	{ "Version",               offsetof(struct plan_meta, version)                 },
	{ "Release",               offsetof(struct plan_meta, release)                 },
	{ "DeploymentIntentGroup", offsetof(struct plan_meta, deployment_intent_group) },
	{ "Namespace",             offsetof(struct plan_meta, namespace_)              },
	{ "Level",                 offsetof(struct plan_meta, level)                   },
	{ "ChildContextIDs",       0                                                   },
	{ "LogicalCloud",          offsetof(struct plan_meta, logical_cloud)           },
	{ "LogicalCloudNamespace", offsetof(struct plan_meta, cloud_namespace)         },
	{ "LogicalCloudLevel",     offsetof(struct plan_meta, cloud_level)             },
};

static struct view *meta_view(struct plan_meta *meta, size_t row)
{
	return (struct view *) (void *) ((char *) meta + meta_members[row].offset);
}

enum status plan_write_meta(struct plan_meta *meta, struct buf *out, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(meta_members); i++) {
		st = buf_printf(out, err, "%s\"%s\":", i == 0 ? "{" : ",", meta_members[i].member);
		if (st == ST_OK)
			st = meta_members[i].offset == 0 ? buf_add_text(out, "null", err)
			                                 : buf_add_json(out, *meta_view(meta, i), err);
	}
	return st == ST_OK ? buf_add_text(out, "}", err) : st;
}

/* The owner's path is not stored a second time: the meta object says it. */
static enum status name_owner(struct plan_meta *meta, struct arena *arena, struct error *err)
{
	const char *path = meta->deployment_intent_group.len > 0
		? arena_printf(arena, "projects/%.*s/composite-apps/%.*s/%.*s/deployment-intent-groups/%.*s", V(meta->project),
		               V(meta->composite_app), V(meta->version), V(meta->deployment_intent_group))
		: arena_printf(arena, "projects/%.*s/logical-clouds/%.*s", V(meta->project), V(meta->logical_cloud));

	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	meta->owner = view_of(path);
	return ST_OK;
}

enum status plan_read_meta(struct view text, struct arena *arena, struct plan_meta *meta, struct error *err)
{
	auto_json  *value = NULL;
	enum status st = json_read(text, &value, err);

	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(meta_members); i++) {
		const struct view member = json_text_at(value, meta_members[i].member);
		if (meta_members[i].offset == 0)
			continue;
		const char *copy = arena_copy(arena, member.ptr, member.len);
		if (copy == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		*meta_view(meta, i) = (struct view) { copy, member.len };
	}
	return st == ST_OK ? name_owner(meta, arena, err) : st;
}

/* -- apps --------------------------------------------------------------------------------------------------------- */

static void put_dependencies(struct out *out, const struct plan *plan)
{
	out_key(out, "dependencies");
	out_raw(out, "{");
	for (size_t i = 0; i < plan->app_count; i++) {
		const struct plan_app *app = &plan->apps[i];
		if (app->dependencies.len == 0)
			continue;
		out_comma(out);
		out_text(out, app->name);
		out_raw(out, ":");
		out_bytes(out, app->dependencies);
	}
	out_raw(out, "}");
}

/* Reasons stand once for all the groups that share one, as they do in memory: a slot finds its own by its group. */
static void put_why(struct out *out, const struct place_why *why)
{
	out_comma(out);
	out_raw(out, "{");
	out_key(out, "lastGroup");
	out_number(out, why->last_group);
	if (why->is_mandatory) {
		out_key(out, "mandatory");
		out_raw(out, "true");
	}
	out_member(out, "because", why->because);
	out_raw(out, "}");
}

static void put_placements(struct out *out, const struct plan *plan)
{
	out_key(out, "placement");
	out_raw(out, "{");
	for (size_t i = 0; i < plan->app_count; i++) {
		const struct plan_app *app = &plan->apps[i];
		if (app->why_count == 0)
			continue;
		out_comma(out);
		out_text(out, app->name);
		out_raw(out, ":{");
		out_key(out, "intent");
		out_text(out, app->intent);
		out_key(out, "why");
		out_raw(out, "[");
		for (size_t k = 0; k < app->why_count; k++)
			put_why(out, &app->whys[k]);
		out_raw(out, "]}");
	}
	out_raw(out, "}");
}

enum status plan_write_apps(const struct plan *plan, struct buf *buf, struct error *err)
{
	struct out out = { .buf = buf, .err = err };

	out_raw(&out, "{\"apporder\":[");
	for (size_t i = 0; i < plan->app_count; i++) {
		out_comma(&out);
		out_text(&out, plan->apps[i].name);
	}
	out_raw(&out, "]");
	put_dependencies(&out, plan);
	put_placements(&out, plan);
	out_raw(&out, "}");
	return out.st;
}

size_t plan_app_rank(const json_t *apps, struct view app)
{
	const json_t *order = json_object_get(apps, "apporder");
	size_t        i;
	json_t       *name;

	json_array_foreach(json_for_reading(order), i, name)
		if (json_string_length(name) == app.len && memcmp(json_string_value(name), app.ptr, app.len) == 0)
			return i;
	return json_array_size(order);
}

/* NOTE: contexts of before say nothing of placement; nothing is shown of it then. */
enum status plan_read_whys(const json_t *apps, struct arena *arena, struct plan_app *app, struct error *err)
{
	const json_t     *placement = json_object_getn(json_object_get(apps, "placement"), app->name.ptr, app->name.len);
	const json_t     *list = json_object_get(placement, "why");
	struct place_why *whys = arena_alloc(arena, json_array_size(list) + 1, sizeof *whys);
	size_t            i;
	json_t           *why;

	if (whys == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	json_array_foreach(json_for_reading(list), i, why)
		whys[i] = (struct place_why) {
			.last_group = (unsigned) json_int_at(why, "lastGroup", 0),
			.is_mandatory = json_is_true(json_object_get(why, "mandatory")), .because = json_text_at(why, "because"),
		};
	app->intent = json_text_at(placement, "intent");
	app->whys = whys;
	app->why_count = json_array_size(list);
	return ST_OK;
}
