/*
 * status.c - what became of a deployment or a logical cloud.
 *
 * Objects are those of one context, the last or a named one; their states are the units'.  A summary without filters
 * reads the sums of its owner, and neither units nor objects; one with filters reads counters of units.
 */
#include "host/orchestrator/deployment.h"
#include "host/orchestrator/live.h"
#include "host/orchestrator/placement.h"
#include "host/orchestrator/status_place.h"

#include <inttypes.h>

enum { STATUS_BYTES_MAX = 512 << 20 };

static void report_done(struct report *report)
{
	live_unref(report->live);
	plan_free(report->plan);
	db_return(report->db);
	arena_done(&report->arena);
}

bool report_is_about_ready(const struct report *report)
{
	return report->query->mode == STATUS_READY || report->query->mode == STATUS_CLUSTER;
}

bool report_has_filter(const struct report *report)
{
	return report->query->app_count > 0 || report->query->cluster_count > 0 || report->query->resource_count > 0;
}

const struct unit_status *report_unit(const struct report *report, struct view app, struct view cluster)
{
	return unit_find(report->units, report->unit_count, app, cluster);
}

/* -- the context that is shown ----------------------------------------------------------------------------------- */

static enum status add_action(void *data, const struct action *action, struct error *err)
{
	struct report *report = data;

	if (!arena_grow(&report->arena, &report->actions, report->action_count, 1, &report->action_room, sizeof *report->actions))
		return fail(err, ST_NO_MEMORY, "out of memory");
	report->actions[report->action_count++] = *action;
	return ST_OK;
}

/* The last action that has a context: what is on the clusters is of it.  NULL: there never was one. */
static const struct action *last_of_life(const struct report *report)
{
	for (size_t i = report->action_count; i > 0; i--)
		if (report->actions[i - 1].instance != 0)
			return &report->actions[i - 1];
	return NULL;
}

/* The last action that speaks of the context; NULL: none. */
static const struct action *find_action(const struct report *report, int64_t instance)
{
	for (size_t i = report->action_count; i > 0; i--)
		if (report->actions[i - 1].instance == instance)
			return &report->actions[i - 1];
	return NULL;
}

static bool is_in_state(const struct action *action, enum life wanted)
{
	enum life life;

	return life_of(action->state, &life) && life == wanted;
}

/* An earlier life than the last one: its units are no more, and those of the last one say nothing of it. */
static bool is_over(const struct report *report, const struct action *action)
{
	const struct action *last = last_of_life(report);

	return action->status_context != 0 && action->status_context != last->status_context;
}

/* Did the life of the context end by terminate?  Else its objects went on to another deployment. */
static bool was_terminated(const struct report *report, const struct action *action)
{
	for (size_t i = 0; i < report->action_count; i++)
		if (report->actions[i].status_context == action->status_context && is_in_state(&report->actions[i], LIFE_TERMINATED))
			return true;
	return false;
}

/* What became of an older context: it was replaced or ended.  Only the last one that was replaced still is being replaced. */
static enum outcome outcome_now(const struct report *report, const struct action *action)
{
	const struct action *last = last_of_life(report), *taker = last;

	if (is_over(report, action))
		return is_in_state(action, LIFE_UPDATED) || !was_terminated(report, action) ? OUTCOME_UPDATED : OUTCOME_TERMINATED;
	if (action->instance == last->instance)
		return outcome_of(last->state, report->units, report->unit_count, false);
	if (!is_in_state(action, LIFE_UPDATED))
		return OUTCOME_TERMINATED;
	if (is_in_state(last, LIFE_INSTANTIATE_STOPPED))
		taker--;
	return is_in_state(taker, LIFE_INSTANTIATED) && action + 1 == taker
		? outcome_of(last->state, report->units, report->unit_count, true) : OUTCOME_UPDATED;
}

/* A unit of each kind that there is says of the whole what all of them would. */
static enum outcome outcome_of_sums(const char *state, const struct owner_status *sums)
{
	const struct { uint64_t count; struct unit_status unit; } kinds[] = {
		{ sums->busy,         { .is_wanted = true } },
		{ sums->refused,      { .is_wanted = true, .is_failed = true } },
		{ sums->left_busy,    { .is_wanted = false } },
		{ sums->left_refused, { .is_wanted = false, .is_failed = true } },
	};
	struct unit_status units[ARRAY_LEN(kinds)];
	size_t             count = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].count > 0)
			units[count++] = kinds[i].unit;
	return outcome_of(state, units, count, false);
}

/* The sums are of the last context, and say all of it while something is known of each unit's objects. */
static enum status take_sums(struct report *report, const struct action *action, struct error *err)
{
	const struct status_query *query = report->query;
	const struct action       *last = last_of_life(report);
	struct owner_status        sums;

	if (query->form != STATUS_FULL || query->output != STATUS_SUMMARY || report_has_filter(report) ||
	    action->instance != last->instance || is_in_state(last, LIFE_UPDATED))       /* its units are another's now */
		return ST_OK;
	const enum status st = owner_status_read(report->db, report->owner, report_is_about_ready(report), &sums, err);
	if (st != ST_OK || (sums.odd > 0 && !report_is_about_ready(report)))
		return st;
	report->is_summed = true;
	report->outcome = outcome_of_sums(last->state, &sums);
	memcpy(report->deployed, sums.counts, sizeof sums.counts);
	report->ready[READY_READY] = sums.ready;
	report->ready[READY_NOT_READY] = sums.not_ready;
	report->ready[READY_NOT_PRESENT] = sums.absent;
	return sums.left_busy + sums.left_refused > 0 ? report_find_leaving(report, NULL, 0, false, err) : ST_OK;
}

/* Of the context of the action: what it has planned, where that is now, and the units that have it. */
static enum status read_context(struct report *report, const struct action *action, struct error *err)
{
	const struct action *last = last_of_life(report);
	const bool           is_present = !is_over(report, action), is_moved = is_in_state(last, LIFE_UPDATED);

	enum status st = plan_load(report->o->store, report->db, action->instance, &report->plan, err);
	if (st == ST_NOT_FOUND)
		return fail_at(err, ST_NOT_FOUND, "instance", "what instance %" PRId64 " of \"%.*s\" deployed is not kept any more; the last"
		               " %u that differ are", action->instance, V(report->path), report->o->options.revisions);
	report->is_gone = !is_present && was_terminated(report, action);
	report->is_elsewhere = !report->is_gone && (!is_present || is_moved);
	if (st == ST_OK && report->is_elsewhere)
		st = unit_holder(report->db, report->owner, action->status_context, &report->arena, &report->holder, err);
	if (st == ST_OK && is_present)
		st = unit_list(report->db, report->owner, &report->arena, &report->units, &report->unit_count, err);
	if (st == ST_OK && is_present && report->query->output != STATUS_SUMMARY)
		st = unit_wait_list(report->db, report->owner, &report->arena, &report->waits, &report->wait_count, err);
	if (st == ST_OK && action->instance == last->instance && !report->is_elsewhere)
		st = report_find_leaving(report, report->units, report->unit_count, false, err);
	if (st == ST_OK)
		report->outcome = outcome_now(report, action);
	return st;
}

/* The one that is asked for, or the last; by its sums alone where they say all. */
static enum status choose_context(struct report *report, struct error *err)
{
	const int64_t        asked = report->query->instance;
	const struct action *action;
	enum status          st;

	if (report->action_count == 0)
		return fail(err, ST_NOT_FOUND, "\"%.*s\" has no life cycle", (int) report->path.len, report->path.ptr);
	const int64_t instance = asked != 0 ? asked : report->actions[report->action_count - 1].instance;
	if (instance == 0)
		return last_of_life(report) != NULL ? report_find_leaving(report, NULL, 0, true, err) : ST_OK;
	action = find_action(report, instance);
	if (action == NULL)
		return fail_at(err, ST_INVALID, "instance", "\"instance\" must be out of the \"actions\" in the status of \"%.*s\", got %" PRId64,
		               (int) report->path.len, report->path.ptr, instance);

	st = take_sums(report, action, err);
	if (st != ST_OK || report->is_summed)
		return st;
	return read_context(report, action, err);
}

/* A filter that names an unknown app is a mistake, but not in the list forms. */
static enum status check_filter(const struct report *report, struct error *err)
{
	const struct status_query *query = report->query;

	if (report->plan == NULL || query->form != STATUS_FULL)
		return ST_OK;
	for (size_t i = 0; i < query->app_count; i++) {
		bool is_known = false;
		for (size_t app = 0; app < plan_app_count(report->plan) && !is_known; app++) {
			const struct view name = plan_app(report->plan, app);
			is_known = view_order(&name, &query->apps[i]) == 0;
		}
		const struct view composite_app = path_part(report->path, PART_COMPOSITE_APP);
		if (!is_known)
			return fail_at(err, ST_INVALID, "app", "\"app\" must be an app of composite app \"%.*s\", got \"%.*s\"",
			               (int) composite_app.len, composite_app.ptr, (int) query->apps[i].len, query->apps[i].ptr);
	}
	return ST_OK;
}

/* -- both -------------------------------------------------------------------------------------------------------- */

static enum status read_head(struct report *report, struct error *err)
{
	auto_json  *value = NULL;
	auto_buf    doc = BUF(RESOURCE_DOC_MAX);
	enum status st;

	st = resource_read(report->o->store, report->db, report->path, &doc, NULL, &report->owner, err);
	if (st == ST_OK)
		st = json_read(buf_view(&doc), &value, err);
	if (st != ST_OK)
		return st;
	const struct view profile = json_text_at(value, "spec.compositeProfile");
	return arena_keep(&report->arena, profile, &report->profile, err);
}

static enum status read_and_write(struct report *report, int64_t deadline_ns, struct buf *reply, struct error *err)
{
	enum status st;

	if ((st = db_borrow(report->o->store->pool, deadline_ns, &report->db, err)) != ST_OK ||
	    (st = read_head(report, err)) != ST_OK ||
	    (st = action_list(report->db, report->owner, add_action, report, err)) != ST_OK ||
	    (st = choose_context(report, err)) != ST_OK ||
	    (st = check_filter(report, err)) != ST_OK ||
	    (st = report_ask_clusters(report, deadline_ns, err)) != ST_OK)
		return st;
	return report_write(report, reply, err);
}

enum status deployment_status(struct orchestrator *o, struct view path, const struct status_query *query,
                              int64_t deadline_ns, struct buf *reply, struct error *err)
{
	CLEANUP(report_done) struct report report = { .query = query, .o = o, .path = path };

	arena_init(&report.arena, STATUS_BYTES_MAX);
	return read_and_write(&report, deadline_ns, reply, err);
}

enum status cloud_status(struct orchestrator *o, struct view path, const struct status_query *query,
                         int64_t deadline_ns, struct buf *reply, struct error *err)
{
	CLEANUP(report_done) struct report report = { .query = query, .o = o, .path = path, .is_cloud = true };

	arena_init(&report.arena, STATUS_BYTES_MAX);
	return read_and_write(&report, deadline_ns, reply, err);
}
