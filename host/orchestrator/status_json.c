#include "host/orchestrator/status_priv.h"

#include "host/orchestrator/deployment.h"
#include "host/orchestrator/json_out.h"
#include "host/orchestrator/placement.h"
#include "lib/base/clock.h"

#include <inttypes.h>

/* -- words ------------------------------------------------------------------------------------------------------- */

/* In byte order, as Go writes a map. */
static const struct { enum object_state state; const char *name; } deployed_words[] = {
	{ OBJECT_APPLIED,  "Applied"  }, { OBJECT_DELETED,  "Deleted"  }, { OBJECT_FAILED, "Failed" },
	{ OBJECT_PENDING,  "Pending"  }, { OBJECT_RETRYING, "Retrying" },
};

static const struct { enum ready state; const char *name; } ready_words[] = {
	{ READY_NOT_PRESENT, "NotPresent" }, { READY_NOT_READY, "NotReady" }, { READY_READY, "Ready" },
};

/* Kinds whose state the monitor reports; the others are listed without one. */
static const struct { const char *group, *version, *kind; } tracked[] = {
	{ "",     "v1", "ConfigMap" },   { "",     "v1", "Service" },     { "",      "v1", "Pod" },
	{ "apps", "v1", "Deployment" },  { "apps", "v1", "DaemonSet" },   { "apps",  "v1", "StatefulSet" },
	{ "batch", "v1", "Job" },        { "certificates.k8s.io", "v1", "CertificateSigningRequest" },
};

/* What a mode calls things. */
static const struct { const char *status, *counts, *resource, *connectivity; } mode_words[] = {
	[STATUS_RSYNC]    = { "status",         "rsyncStatus",    "rsyncStatus",    "readyStatus"  },
	[STATUS_CLUSTER]  = { "status",         "clusterStatus",  "clusterStatus",  "readyStatus"  },
	[STATUS_DEPLOYED] = { "deployedStatus", "deployedCounts", "deployedStatus", "connectivity" },
	[STATUS_READY]    = { "deployedStatus", "readyCounts",    "readyStatus",    "connectivity" },
};

static const char *ready_word(enum ready state)
{
	for (size_t i = 0; i < ARRAY_LEN(ready_words); i++)
		if (ready_words[i].state == state)
			return ready_words[i].name;
	return "NotPresent";
}

static const char *deployed_word(enum object_state state)
{
	for (size_t i = 0; i < ARRAY_LEN(deployed_words); i++)
		if (deployed_words[i].state == state)
			return deployed_words[i].name;
	return "Pending";
}

bool status_tracks(struct view api_version, struct view kind)
{
	const struct view group = object_group(api_version), version = object_version(api_version);

	for (size_t i = 0; i < ARRAY_LEN(tracked); i++)
		if (view_is(group, tracked[i].group) && view_is(version, tracked[i].version) && view_is(kind, tracked[i].kind))
			return true;
	return false;
}

/* -- pieces ---------------------------------------------------------------------------------------------------------- */

static void put_cluster(struct out *out, struct view cluster)
{
	const char  *plus = memchr(cluster.ptr, '+', cluster.len);
	const size_t len = plus != NULL ? (size_t) (plus - cluster.ptr) : cluster.len;

	out_key(out, "clusterProvider");
	out_text(out, (struct view) { cluster.ptr, len });
	out_key(out, "cluster");
	out_text(out, plus != NULL ? (struct view) { plus + 1, cluster.len - len - 1 } : VIEW(""));
}

static void put_gvk(struct out *out, const struct set_entry *entry)
{
	out_key(out, "GVK");
	out_raw(out, "{");
	out_key(out, "Group");
	out_text(out, object_group(entry->api_version));
	out_key(out, "Version");
	out_text(out, object_version(entry->api_version));
	out_key(out, "Kind");
	out_text(out, entry->kind);
	out_raw(out, "}");
}

/* -- filters ----------------------------------------------------------------------------------------------------- */

static bool is_among(const struct view *names, size_t count, struct view name)
{
	for (size_t i = 0; i < count; i++)
		if (view_order(&names[i], &name) == 0)
			return true;
	return count == 0;
}

/* -- one app on one cluster -------------------------------------------------------------------------------------- */

struct here {
	struct plan_slot         *slot;
	struct view               app, cluster;
	const struct unit_status *unit;              /* NULL: none                          */
	const struct set_entry   *entries;
	size_t                    count;
	struct object_row        *objects;           /* what is known of them               */
	size_t                    object_count;
	struct seen_row          *seen;              /* what is seen of them, by name       */
	size_t                    seen_count;
	bool                     *is_entry;          /* for each                            */
};

/* States of objects, when the mode shows them. */
static enum status
look_at(struct report *report, struct here *here, struct arena *arena, bool with_states, struct error *err)
{
	enum status st = plan_entries(report->plan, here->slot, &here->entries, &here->count, err);

	here->objects = NULL;
	here->seen = NULL;
	here->object_count = here->seen_count = 0;
	if (st != ST_OK || !with_states || here->unit == NULL)
		return st;
	if (report_is_about_ready(report)) {
		st = unit_seen_list(report->db, report->owner, here->app, here->cluster, arena, &here->seen, &here->seen_count,
		                    err);
		here->is_entry = st == ST_OK ? arena_alloc(arena, here->seen_count + 1, sizeof(bool)) : NULL;
		return st == ST_OK && here->is_entry == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : st;
	}
	return unit_objects(report->db, report->owner, here->app, here->cluster, arena, &here->objects, &here->object_count,
	                    err);
}

/* Rows come in the order of the set, so the one at the same place is mostly it. */
static const struct object_row *object_of(const struct here *here, size_t at)
{
	const struct view name = here->entries[at].name;

	if (at < here->object_count && view_order(&here->objects[at].name, &name) == 0)
		return &here->objects[at];
	for (size_t i = 0; i < here->object_count; i++)
		if (view_order(&here->objects[i].name, &name) == 0)
			return &here->objects[i];
	return NULL;
}

/* An object that nobody speaks of is as its unit is. */
static enum object_state state_of(const struct here *here, const struct object_row *object)
{
	if (object != NULL)
		return object->state;
	if (here->unit == NULL || !here->unit->is_done)
		return OBJECT_PENDING;
	return here->unit->is_wanted ? OBJECT_APPLIED : OBJECT_DELETED;
}

/* NOTE: a Secret's body stays where it is; status is read by more people than secrets are. */
static void put_detail(struct out *out, struct report *report, const struct here *here, const struct set_entry *entry)
{
	struct view body;

	if (report->query->output != STATUS_DETAIL || report_is_about_ready(report) || entry->is_secret || out->st != ST_OK)
		return;
	out->st = plan_body(report->plan, here->slot, entry->name, &body, out->err);
	out_key(out, "detail");
	if (out->st == ST_OK)
		out_bytes(out, body);
}

/* What is seen of an object; NULL: it is not there. */
static const struct seen_row *seen_of(const struct here *here, struct view name)
{
	size_t low = 0, high = here->seen_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int    order = view_order(&name, &here->seen[middle].name);
		if (order == 0) {
			here->is_entry[middle] = true;
			return &here->seen[middle];
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* NOTE: what cannot be seen is never ready, however it was when it was seen last. */
static enum ready ready_of(const struct here *here, const struct seen_row *seen)
{
	if (seen == NULL)
		return READY_NOT_PRESENT;
	return seen->state == SEEN_READY && !here->unit->is_lost ? READY_READY : READY_NOT_READY;
}

static struct view reason_of(const struct here *here, const struct seen_row *seen)
{
	return here->unit != NULL && here->unit->is_lost ? here->unit->lost_why : seen != NULL ? seen->reason : VIEW("");
}

/* Count the object, and write it when there is somewhere to. */
static void put_object(struct out *out, struct report *report, const struct here *here, size_t at)
{
	const struct set_entry *entry = &here->entries[at];
	const char             *word = NULL, *member = mode_words[report->query->mode].resource;
	struct view             message = VIEW("");

	if (!report_is_about_ready(report)) {
		const struct object_row *object = object_of(here, at);
		const enum object_state  state = state_of(here, object);
		report->deployed[state]++;
		word = deployed_word(state);
		if (object != NULL)
			message = object->message;
	} else {
		/* Nobody watches a cluster behind Git: its objects are not known to be there. */
		const struct seen_row *seen = seen_of(here, entry->name);
		if (status_tracks(entry->api_version, entry->kind)) {
			const enum ready ready = ready_of(here, seen);
			report->ready[ready]++;
			word = ready_word(ready);
		}
		message = reason_of(here, seen);
	}
	if (report->query->output == STATUS_SUMMARY)
		return;
	out_comma(out);
	out_raw(out, "{");
	put_gvk(out, entry);
	out_key(out, "name");
	out_text(out, object_plain_name(entry->name));
	put_detail(out, report, here, entry);
	if (word != NULL)
		out_member(out, member, view_of(word));
	out_member(out, "message", message);
	out_raw(out, "}");
}

static void put_unit(struct out *out, const struct report *report, const struct here *here)
{
	const struct unit_status *unit = here->unit;
	const int                 reachable = unit == NULL ? -1 : unit->is_lost ? 0 : unit->reachable;
	char                      time[WALL_TEXT_SIZE];

	put_cluster(out, here->cluster);
	out_member(out, mode_words[report->query->mode].connectivity,
	           view_of(reachable > 0 ? "Available" : reachable == 0 ? "Retrying" : "Unknown"));
	if (unit != NULL && unit->observed_ms != 0 && report_is_about_ready(report)) {
		wall_text(unit->observed_ms, time);
		out_member(out, "observedAt", view_of(time));
	}
	if (unit != NULL && unit->drifts > 0) {
		out_key(out, "drifts");
		out_number(out, (int64_t) unit->drifts);
	}
	if (unit == NULL || unit->is_done)
		return;
	out_member(out, "error", unit->error);
	if (unit->attempts > 0) {
		out_key(out, "attempts");
		out_number(out, unit->attempts);
	}
}

/* What controllers have made of the app's objects: pods above all. */
static void put_made_there(struct out *out, struct report *report, const struct here *here, const struct seen_row *seen)
{
	struct set_entry entry = { .name = seen->name, .api_version = seen->api_version };
	const char      *plus = memrchr(seen->name.ptr, '+', seen->name.len);

	if (plus == NULL)
		return;
	entry.kind = (struct view) { plus + 1, seen->name.len - (size_t) (plus + 1 - seen->name.ptr) };
	const bool       is_counted = status_tracks(entry.api_version, entry.kind);
	const enum ready ready = ready_of(here, seen);
	if (is_counted)
		report->ready[ready]++;
	if (report->query->output == STATUS_SUMMARY)
		return;
	out_comma(out);
	out_raw(out, "{");
	put_gvk(out, &entry);
	out_key(out, "name");
	out_text(out, object_plain_name(seen->name));
	if (is_counted)
		out_member(out, mode_words[report->query->mode].resource, view_of(ready_word(ready)));
	out_member(out, "message", reason_of(here, seen));
	out_raw(out, "}");
}

/* Nothing is written for a cluster without a matching object. */
static void put_place(struct out *out, struct report *report, struct here *here)
{
	const size_t before = out->buf->len;
	auto_arena   arena = ARENA(64 << 20);
	size_t       matching = 0;

	if (out->st == ST_OK)
		out->st = look_at(report, here, &arena, true, out->err);
	out_comma(out);
	out_raw(out, "{");
	put_unit(out, report, here);
	out_key(out, "resources");
	out_raw(out, "[");
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++) {
		if (!is_among(report->query->resources, report->query->resource_count, object_plain_name(here->entries[i].name)))
			continue;
		put_object(out, report, here, i);
		matching++;
	}
	for (size_t i = 0; out->st == ST_OK && i < here->seen_count; i++) {
		if (here->is_entry[i] || !is_among(report->query->resources, report->query->resource_count,
		                                   object_plain_name(here->seen[i].name)))
			continue;
		put_made_there(out, report, here, &here->seen[i]);
		matching++;
	}
	out_raw(out, "]}");
	if (matching == 0 || report->query->output == STATUS_SUMMARY)
		buf_cut(out->buf, before);
}

/* -- all of them ------------------------------------------------------------------------------------------------- */

typedef void each_place(struct out *out, struct report *report, struct here *here);

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
		if (is_among(query->clusters, query->cluster_count, here.cluster))
			each(out, report, &here);
	}
}

static bool is_app_shown(const struct report *report, size_t app)
{
	return is_among(report->query->apps, report->query->app_count, plan_app(report->plan, app));
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
	out->st = look_at(report, here, &report->arena, false, out->err);
	report->counted_tracked = 0;
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++)
		report->counted_tracked += status_tracks(here->entries[i].api_version, here->entries[i].kind);
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

static bool has_filter(const struct status_query *query)
{
	return query->app_count > 0 || query->cluster_count > 0 || query->resource_count > 0;
}

/* What is written on the way is nobody's: a summary shows counts only. */
static void count_all(struct out *out, struct report *report)
{
	auto_buf   nothing = BUF(64 << 20);
	struct out beside = { &nothing, out->err, out->st };

	if (has_filter(report->query)) {
		put_places(&beside, report);
	} else {
		for (size_t app = 0; report->plan != NULL && app < plan_app_count(report->plan); app++)
			walk_app(&beside, report, app, count_place);
	}
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
	if (report->plan == NULL)
		return;
	if (is_summary)
		count_all(&beside, report);
	else
		put_places(&beside, report);
	if (out->st == ST_OK)
		out->st = beside.st;

	out_member(out, mode_words[report->query->mode].status, view_of(outcome_name(report->outcome)));
	if (report_is_about_ready(report))
		out_member(out, "readyStatus",
		           view_of(report->ready[READY_NOT_PRESENT] + report->ready[READY_NOT_READY] > 0 ? "NotReady" : "Ready"));
	put_counts(out, report);
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

static void put_resources_item(struct out *out, struct report *report, struct here *here)
{
	if (out->st == ST_OK)
		out->st = look_at(report, here, &report->arena, false, out->err);
	out_comma(out);
	out_raw(out, "{");
	out_key(out, "app");
	out_text(out, here->app);
	put_cluster(out, here->cluster);
	out_key(out, "resources");
	out_raw(out, "[");
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++) {
		out_comma(out);
		out_raw(out, "{");
		out_key(out, "name");
		out_text(out, object_plain_name(here->entries[i].name));
		put_gvk(out, &here->entries[i]);
		out_raw(out, "}");
	}
	out_raw(out, "]}");
}

static void put_app_item(struct out *out, struct report *report, size_t app)
{
	switch (report->query->form) {
	case STATUS_APPS:
		out_comma(out);
		out_text(out, plan_app(report->plan, app));
		return;
	case STATUS_CLUSTERS:
		out_comma(out);
		out_raw(out, "{");
		out_key(out, "app");
		out_text(out, plan_app(report->plan, app));
		out_key(out, "clusters");
		out_raw(out, "[");
		walk_app(out, report, app, put_cluster_item);
		out_raw(out, "]}");
		return;
	default:
		walk_app(out, report, app, put_resources_item);
	}
}

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
