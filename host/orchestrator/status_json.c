/*
 * status_json.c - the answer: its head, its counters, and its forms.
 */
#include "host/orchestrator/status_place.h"

#include "host/orchestrator/deployment.h"
#include "lib/base/clock.h"

#include <inttypes.h>

/* -- all of them ------------------------------------------------------------------------------------------------- */

static void walk_app(struct out *out, struct report *report, size_t app, each_place *each)
{
	const struct status_query *query = report->query;
	struct here                here = { .app = plan_app(report->plan, app) };

	for (size_t i = 0; out->st == ST_OK && i < plan_slot_count(report->plan, app); i++) {
		here.slot = plan_slot(report->plan, app, i);
		if (here.slot == NULL)
			continue;
		here.cluster = plan_slot_cluster(here.slot);
		here.unit = report_unit(report, here.app, here.cluster);
		if (name_is_among(query->clusters, query->cluster_count, here.cluster))
			each(out, report, &here);
	}
}

static bool is_app_shown(const struct report *report, size_t app)
{
	return name_is_among(report->query->apps, report->query->app_count, plan_app(report->plan, app));
}

void walk_places(struct out *out, struct report *report, each_place *each)
{
	for (size_t app = 0; report->plan != NULL && app < plan_app_count(report->plan); app++)
		if (is_app_shown(report, app))
			walk_app(out, report, app, each);
}

/* An app without anything to show is left out. */
static void put_app(struct out *out, struct report *report, size_t app)
{
	const size_t before = out->buf->len;

	out_comma(out);
	out_raw(out, "{");
	out_key(out, "name");
	out_text(out, plan_app(report->plan, app));
	out_key(out, "clusters");
	out_raw(out, "[");
	const size_t empty = out->buf->len;
	walk_app(out, report, app, put_place);
	if (out->buf->len == empty) {
		buf_cut(out->buf, before);
		return;
	}
	out_raw(out, "]}");
}

/* A deployment's apps, or the one app of a logical cloud, whose clusters stand alone. */
static void put_places(struct out *out, struct report *report)
{
	for (size_t app = 0; report->plan != NULL && app < plan_app_count(report->plan); app++) {
		if (!is_app_shown(report, app))
			continue;
		if (report->is_cloud)
			walk_app(out, report, app, put_place);
		else
			put_app(out, report, app);
	}
}

/* -- counting without reading objects ---------------------------------------------------------------------------- */

static uint64_t known_objects(const struct unit_status *unit)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < OBJECT_STATES; i++)
		sum += unit->counts[i];
	return sum;
}

/* The unit's counters speak of this context only while its set is this context's. */
static bool counts_by_unit(struct report *report, struct here *here)
{
	const struct digest set = plan_slot_set(report->plan, here->slot);

	return here->unit != NULL && digest_equal(&here->unit->set, &set) &&
	       (report_is_about_ready(report) || known_objects(here->unit) > 0);
}

/* How many objects of the set count for readiness.  Clusters share sets, so the last answer is mostly the next one. */
static uint64_t tracked_in(struct out *out, struct report *report, struct here *here)
{
	const struct digest set = plan_slot_set(report->plan, here->slot);

	if (report->has_counted && digest_equal(&report->counted, &set))
		return report->counted_tracked;
	out->st = place_look(report, here, &report->arena, false, out->err);
	report->counted_tracked = 0;
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++)
		report->counted_tracked += entry_is_tracked(&here->entries[i]);
	report->counted = set;
	report->has_counted = out->st == ST_OK;
	return report->counted_tracked;
}

static void count_ready(struct out *out, struct report *report, struct here *here)
{
	const struct unit_status *unit = here->unit;
	const uint64_t            wanted = tracked_in(out, report, here);

	report->ready[READY_READY] += unit->is_lost ? 0 : unit->ready;
	report->ready[READY_NOT_READY] += unit->not_ready + (unit->is_lost ? unit->ready : 0);
	report->ready[READY_NOT_PRESENT] += wanted > unit->members ? wanted - unit->members : 0;
}

static void count_place(struct out *out, struct report *report, struct here *here)
{
	if (!counts_by_unit(report, here)) {
		put_place(out, report, here);
		return;
	}
	if (report_is_about_ready(report)) {
		if (out->st == ST_OK)
			count_ready(out, report, here);
		return;
	}
	for (size_t i = 0; i < OBJECT_STATES; i++)
		if (i != OBJECT_DELETED || !here->unit->is_wanted)
			report->deployed[i] += here->unit->counts[i];
}

/*
 * Units know how many of their objects are how, but not which: only a filter on objects reads those.  What is written on
 * the way is nobody's: a summary shows counts only.
 */
static void count_all(struct out *out, struct report *report)
{
	auto_buf   nothing = BUF(64 << 20);
	struct out beside = { &nothing, out->err, out->st };

	walk_places(&beside, report, report->query->resource_count > 0 ? put_place : count_place);
	out->st = beside.st;
}

/* -- the parts of the answer ------------------------------------------------------------------------------------- */

static void put_head(struct out *out, const struct report *report)
{
	out_member(out, "project", path_part(report->path, PART_PROJECT));
	if (!report->is_cloud) {
		out_member(out, "compositeApp", path_part(report->path, PART_COMPOSITE_APP));
		out_member(out, "compositeAppVersion", path_part(report->path, PART_VERSION));
		out_member(out, "compositeProfile", report->profile);
	}
	out_member(out, "name", path_part(report->path, report->is_cloud ? PART_CLOUD : PART_DEPLOYMENT));
}

static void put_states(struct out *out, const struct report *report)
{
	char time[WALL_TEXT_SIZE];

	out_key(out, "states");
	out_raw(out, "{");
	out_id(out, "statusctxid", report->actions[report->action_count - 1].status_context);
	out_key(out, "actions");
	out_raw(out, "[");
	for (size_t i = 0; i < report->action_count; i++) {
		const struct action *action = &report->actions[i];
		out_comma(out);
		out_raw(out, "{");
		out_key(out, "state");
		out_text(out, view_of(action->state));
		out_id(out, "instance", action->instance);
		wall_text(action->at_ms, time);
		out_key(out, "time");
		out_text(out, view_of(time));
		out_key(out, "revision");
		out_number(out, action->revision);
		out_raw(out, "}");
	}
	out_raw(out, "]}");
}

static void put_count(struct out *out, const char *name, uint64_t count)
{
	if (count == 0)
		return;
	out_key(out, name);
	out_number(out, (int64_t) count);
}

static void put_counts(struct out *out, const struct report *report)
{
	const size_t before = out->buf->len;

	out_key(out, mode_words[report->query->mode].counts);
	out_raw(out, "{");
	const size_t empty = out->buf->len;
	if (report_is_about_ready(report))
		for (size_t i = 0; i < ARRAY_LEN(ready_words); i++)
			put_count(out, ready_words[i].name, report->ready[ready_words[i].state]);
	else
		for (size_t i = 0; i < ARRAY_LEN(deployed_words); i++)
			put_count(out, deployed_words[i].name, report->deployed[deployed_words[i].state]);
	if (out->buf->len == empty)
		buf_cut(out->buf, before);
	else
		out_raw(out, "}");
}

/* The counts stand before the places they are of, so the places are written beside and put in afterwards. */
static void put_full(struct out *out, struct report *report)
{
	const bool is_summary = report->query->output == STATUS_SUMMARY;
	auto_buf   places = BUF(out->buf->max);
	struct out beside = { &places, out->err, out->st };

	put_states(out, report);
	out_member(out, "migratedTo", report->holder);
	if (report->plan == NULL && !report->is_summed) {
		put_leaving(out, report);
		return;
	}
	if (is_summary && !report->is_summed)
		count_all(&beside, report);
	else if (!is_summary)
		put_places(&beside, report);
	if (out->st == ST_OK)
		out->st = beside.st;

	out_member(out, mode_words[report->query->mode].status, view_of(outcome_name(report->outcome)));
	if (report_is_about_ready(report) && !report->is_elsewhere)
		out_member(out, "readyStatus",
		           view_of(report->ready[READY_NOT_PRESENT] + report->ready[READY_NOT_READY] > 0 ? "NotReady" : "Ready"));
	put_counts(out, report);
	put_leaving(out, report);
	if (!is_summary && places.len > 0) {
		out_key(out, report->is_cloud ? "clusters" : "apps");
		out_raw(out, "[");
		out_bytes(out, buf_view(&places));
		out_raw(out, "]");
	}
}

/* -- the list forms ---------------------------------------------------------------------------------------------- */

static void put_cluster_item(struct out *out, struct report *report, struct here *here)
{
	(void) report;
	out_comma(out);
	out_raw(out, "{");
	put_cluster(out, here->cluster);
	out_raw(out, "}");
}

static void put_resource(struct out *out, const struct report *report, const struct set_entry *entry)
{
	const struct view name = object_plain_name(entry->name);

	if (!name_is_among(report->query->resources, report->query->resource_count, name))
		return;
	out_comma(out);
	out_raw(out, "{");
	out_key(out, "name");
	out_text(out, name);
	put_gvk(out, entry);
	out_raw(out, "}");
}

/* What only the cluster knows, pods above all, is told by those modes that speak of clusters. */
static void put_resources_item(struct out *out, struct report *report, struct here *here)
{
	const size_t     before = out->buf->len;
	struct set_entry made;

	if (out->st == ST_OK)
		out->st = place_look(report, here, &report->arena, report_is_about_ready(report), out->err);
	out_comma(out);
	out_raw(out, "{");
	out_key(out, "app");
	out_text(out, here->app);
	put_cluster(out, here->cluster);
	out_key(out, "resources");
	out_raw(out, "[");
	const size_t empty = out->buf->len;
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++) {
		place_seen(here, here->entries[i].name);
		put_resource(out, report, &here->entries[i]);
	}
	for (size_t i = 0; out->st == ST_OK && i < here->seen_count; i++)
		if (!here->is_entry[i] && place_made(&here->seen[i], &made))
			put_resource(out, report, &made);
	if (out->buf->len == empty)
		buf_cut(out->buf, before);
	else
		out_raw(out, "]}");
}

static void put_app_item(struct out *out, struct report *report, size_t app)
{
	const size_t before = out->buf->len;

	switch (report->query->form) {
	case STATUS_APPS:
		out_comma(out);
		out_text(out, plan_app(report->plan, app));
		return;
	case STATUS_CLUSTERS: {
		out_comma(out);
		out_raw(out, "{");
		out_key(out, "app");
		out_text(out, plan_app(report->plan, app));
		out_key(out, "clusters");
		out_raw(out, "[");
		const size_t empty = out->buf->len;
		walk_app(out, report, app, put_cluster_item);
		if (out->buf->len == empty)
			buf_cut(out->buf, before);
		else
			out_raw(out, "]}");
		return;
	}
	default:
		walk_app(out, report, app, put_resources_item);
	}
}

/* An app without a cluster, and a cluster without an object, are left out. */
static void put_list(struct out *out, struct report *report)
{
	const enum status_form form = report->query->form;

	out_key(out, form == STATUS_APPS ? "apps" : form == STATUS_CLUSTERS ? "clustersByApp" : "resourcesByApp");
	out_raw(out, "[");
	for (size_t app = 0; report->plan != NULL && app < plan_app_count(report->plan); app++)
		if (form == STATUS_APPS || is_app_shown(report, app))
			put_app_item(out, report, app);
	out_raw(out, "]");
}

enum status report_write(struct report *report, struct buf *reply, struct error *err)
{
	struct out out = { reply, err, ST_OK };

	out_raw(&out, "{");
	put_head(&out, report);
	if (report->query->form == STATUS_FULL)
		put_full(&out, report);
	else
		put_list(&out, report);
	out_raw(&out, "}");
	return out.st;
}
