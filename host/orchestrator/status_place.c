/*
 * status_place.c - what is shown of one app on one cluster.
 */
#include "host/orchestrator/status_place.h"

#include "host/orchestrator/object.h"
#include "host/orchestrator/placement_json.h"
#include "lib/base/clock.h"

/* -- pieces ---------------------------------------------------------------------------------------------------------- */

void put_cluster(struct out *out, struct view cluster)
{
	const char  *plus = memchr(cluster.ptr, '+', cluster.len);
	const size_t len = plus != NULL ? (size_t) (plus - cluster.ptr) : cluster.len;

	out_key(out, "clusterProvider");
	out_text(out, (struct view) { cluster.ptr, len });
	out_key(out, "cluster");
	out_text(out, plus != NULL ? (struct view) { plus + 1, cluster.len - len - 1 } : VIEW(""));
}

void put_gvk(struct out *out, const struct set_entry *entry)
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

void open_object(struct out *out, const struct set_entry *entry)
{
	out_comma(out);
	out_raw(out, "{");
	put_gvk(out, entry);
	out_key(out, "name");
	out_text(out, object_plain_name(entry->name));
}

bool name_is_among(const struct view *names, size_t count, struct view name)
{
	for (size_t i = 0; i < count; i++)
		if (view_order(&names[i], &name) == 0)
			return true;
	return count == 0;
}

/* -- one app on one cluster -------------------------------------------------------------------------------------- */

/* Hooks are no part of what is there: those are shown that a synchroniser has told of, whatever else the mode shows. */
static enum status entries_shown(const struct report *report, struct here *here, struct arena *arena, struct error *err)
{
	const struct set_entry *all = here->entries;
	struct set_entry       *kept = arena_alloc(arena, here->count + 1, sizeof *kept);
	size_t                  count = 0;
	enum status             st = kept != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");

	if (st == ST_OK && here->unit != NULL && here->objects == NULL)
		st = unit_objects(report->db, report->owner, here->app, here->cluster, arena, &here->objects, &here->object_count, err);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < here->count; i++) {
		bool is_shown = all[i].phase != EMCO_PHASE_HOOK;
		for (size_t k = 0; !is_shown && k < here->object_count; k++)
			is_shown = here->objects[k].is_told && view_order(&here->objects[k].name, &all[i].name) == 0;
		if (is_shown)
			kept[count++] = all[i];
	}
	here->entries = kept;
	here->count = count;
	return ST_OK;
}

static bool has_hooks(const struct here *here)
{
	for (size_t i = 0; i < here->count; i++)
		if (here->entries[i].phase == EMCO_PHASE_HOOK)
			return true;
	return false;
}

/* States of objects, when the mode shows them. */
enum status
place_look(struct report *report, struct here *here, struct arena *arena, bool with_states, struct error *err)
{
	enum status st = plan_entries(report->plan, here->slot, &here->entries, &here->count, err);

	here->objects = NULL;
	here->seen = NULL;
	here->object_count = here->seen_count = 0;
	if (st == ST_OK && with_states && here->unit != NULL && report_is_about_ready(report)) {
		st = unit_seen_list(report->db, report->owner, here->app, here->cluster, arena, &here->seen, &here->seen_count,
		                    err);
		here->is_entry = st == ST_OK ? arena_alloc(arena, here->seen_count + 1, sizeof(bool)) : NULL;
		if (st == ST_OK && here->is_entry == NULL)
			st = fail(err, ST_NO_MEMORY, "out of memory");
	} else if (st == ST_OK && with_states && here->unit != NULL) {
		st = unit_objects(report->db, report->owner, here->app, here->cluster, arena, &here->objects, &here->object_count,
		                  err);
	}
	return st == ST_OK && has_hooks(here) ? entries_shown(report, here, arena, err) : st;
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

/* What is to go, was there as a whole, and is of this very set, still is there. */
static bool is_still_there(const struct report *report, const struct here *here)
{
	if (here->unit->is_wanted || here->object_count > 0 || here->unit->counts[OBJECT_APPLIED] == 0)
		return false;
	const struct digest set = plan_slot_set(report->plan, here->slot);
	return digest_equal(&here->unit->set, &set);
}

/* An object that nobody speaks of is as its unit is. */
static enum object_state state_of(const struct report *report, const struct here *here, const struct object_row *object)
{
	if (object != NULL)
		return object->state;
	if (here->unit == NULL)
		return report->is_gone ? OBJECT_DELETED : OBJECT_PENDING;
	if (!here->unit->is_done)
		return is_still_there(report, here) ? OBJECT_APPLIED : OBJECT_PENDING;
	return here->unit->is_wanted ? OBJECT_APPLIED : OBJECT_DELETED;
}

/*
 * The object as its cluster has it, else as it was rendered.
 *
 * NOTE: a Secret's body stays where it is; status is read by more people than secrets are.
 */
static void put_detail(struct out *out, struct report *report, const struct here *here, const struct set_entry *entry)
{
	struct view body;

	if (report->query->output != STATUS_DETAIL || entry->is_secret || out->st != ST_OK)
		return;
	body = report_live_body(report, here, entry, true);
	if (body.len == 0)
		out->st = plan_body(report->plan, here->slot, entry->name, &body, out->err);
	out_key(out, "detail");
	if (out->st == ST_OK)
		out_bytes(out, body);
}

const struct seen_row *place_seen(const struct here *here, struct view name)
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

/* Count the object, and say how it is; NULL: that is not known here, or does not count. */
static const char *count_object(struct report *report, const struct here *here, size_t at, struct view *ret_message)
{
	const struct set_entry *entry = &here->entries[at];

	if (report->is_elsewhere)
		return NULL;
	if (!report_is_about_ready(report)) {
		const struct object_row *object = object_of(here, at);
		const enum object_state  state = state_of(report, here, object);
		report->deployed[state]++;
		if (object != NULL)
			*ret_message = object->message;
		return deployed_word(state);
	}
	/* Nobody watches a cluster behind Git: its objects are not known to be there. */
	const struct seen_row *seen = place_seen(here, entry->name);
	*ret_message = reason_of(here, seen);
	if (!entry_is_tracked(entry))
		return NULL;
	const enum ready ready = ready_of(here, seen);
	report->ready[ready]++;
	return ready_word(ready);
}

static void put_object(struct out *out, struct report *report, const struct here *here, size_t at)
{
	const struct set_entry *entry = &here->entries[at];
	struct view             message = VIEW("");
	const char             *word = count_object(report, here, at, &message);

	if (report->query->output == STATUS_SUMMARY)
		return;
	open_object(out, entry);
	put_detail(out, report, here, entry);
	if (word != NULL)
		out_member(out, mode_words[report->query->mode].resource, view_of(word));
	out_member(out, "message", message);
	out_raw(out, "}");
}

/* The hook that it waits for. */
static void put_hook(struct out *out, const struct unit_status *unit)
{
	out_key(out, "blockedBy");
	out_raw(out, "[{");
	out_member(out, "hook", unit->awaits);
	out_member(out, "event", unit->stage);
	out_raw(out, "}]");
}

/* The apps that it waits for, and what they must be. */
static void put_waits(struct out *out, const struct report *report, const struct here *here)
{
	bool is_first = true;

	for (size_t i = 0; i < report->wait_count; i++) {
		const struct unit_wait *wait = &report->waits[i];
		if (view_order(&wait->app, &here->app) != 0)
			continue;
		if (is_first) {
			out_key(out, "blockedBy");
			out_raw(out, "[");
		}
		is_first = false;
		out_comma(out);
		out_raw(out, "{");
		out_member(out, "app", wait->on_app);
		out_member(out, "opStatus", wait->is_ready ? VIEW("ready") : VIEW("deployed"));
		if (wait->wait_s > 0) {
			out_key(out, "wait");
			out_number(out, wait->wait_s);
		}
		out_raw(out, "}");
	}
	if (!is_first)
		out_raw(out, "]");
}

void put_connectivity(struct out *out, const struct report *report, const struct unit_status *unit)
{
	const int reachable = unit == NULL ? -1 : unit->is_lost ? 0 : unit->reachable;

	out_member(out, mode_words[report->query->mode].connectivity,
	           view_of(reachable > 0 ? "Available" : reachable == 0 ? "Retrying" : "Unknown"));
}

void put_trouble(struct out *out, const struct unit_status *unit)
{
	if (!unit->is_unbegun && unit->awaits.len > 0)
		put_hook(out, unit);
	out_member(out, "error", unit->error);
	if (unit->attempts > 0) {
		out_key(out, "attempts");
		out_number(out, unit->attempts);
	}
}

static void put_unit(struct out *out, const struct report *report, const struct here *here)
{
	const struct unit_status *unit = here->unit;
	char                      time[WALL_TEXT_SIZE];

	put_cluster(out, here->cluster);
	put_connectivity(out, report, unit);
	put_placement(out, report->plan, here->slot);
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
	if (unit->is_unbegun)
		put_waits(out, report, here);
	put_trouble(out, unit);
}

bool place_made(const struct seen_row *seen, struct set_entry *ret_entry)
{
	const char *plus = memrchr(seen->name.ptr, '+', seen->name.len);

	if (plus == NULL)
		return false;
	*ret_entry = (struct set_entry) {
		.name = seen->name, .api_version = seen->api_version,
		.kind = { plus + 1, seen->name.len - (size_t) (plus + 1 - seen->name.ptr) },
	};
	return true;
}

/* What controllers have made of the app's objects: pods above all. */
static void put_made_there(struct out *out, struct report *report, const struct here *here, const struct seen_row *seen)
{
	struct set_entry entry;

	if (!place_made(seen, &entry))
		return;
	const bool       is_counted = (seen->flags & SEEN_TRACKED) != 0;       /* a hook is not */
	const enum ready ready = ready_of(here, seen);
	if (is_counted)
		report->ready[ready]++;
	if (report->query->output == STATUS_SUMMARY)
		return;
	open_object(out, &entry);
	const struct view body = report_live_body(report, here, &entry, false);
	if (body.len > 0) {
		out_key(out, "detail");
		out_bytes(out, body);
	}
	if (is_counted)
		out_member(out, mode_words[report->query->mode].resource, view_of(ready_word(ready)));
	out_member(out, "message", reason_of(here, seen));
	out_raw(out, "}");
}

/* Nothing is written for a cluster without a matching object. */
void put_place(struct out *out, struct report *report, struct here *here)
{
	const size_t before = out->buf->len;
	auto_arena   arena = ARENA(64 << 20);
	size_t       matching = 0;

	if (out->st == ST_OK)
		out->st = place_look(report, here, &arena, true, out->err);
	out_comma(out);
	out_raw(out, "{");
	put_unit(out, report, here);
	out_key(out, "resources");
	out_raw(out, "[");
	for (size_t i = 0; out->st == ST_OK && i < here->count; i++) {
		if (!name_is_among(report->query->resources, report->query->resource_count, object_plain_name(here->entries[i].name)))
			continue;
		put_object(out, report, here, i);
		matching++;
	}
	for (size_t i = 0; out->st == ST_OK && i < here->seen_count; i++) {
		if (here->is_entry[i] || !name_is_among(report->query->resources, report->query->resource_count,
		                                   object_plain_name(here->seen[i].name)))
			continue;
		put_made_there(out, report, here, &here->seen[i]);
		matching++;
	}
	out_raw(out, "]}");
	if (matching == 0 || report->query->output == STATUS_SUMMARY)
		buf_cut(out->buf, before);
}
