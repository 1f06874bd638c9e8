/*
 * status_live.c - objects as their clusters have them now, for a status in detail that speaks of clusters.
 *
 * The report holds no connection while it waits for them, and does not wait for long; what was not told in time is shown as it was
 * rendered.  Nothing that goes wrong with a cluster or a plugin takes the status away; more than an answer can hold does.
 */
#include "host/orchestrator/live.h"
#include "host/orchestrator/status_place.h"

#include "lib/base/clock.h"

enum { READINGS_MAX = 8, NS_PER_MS = 1000000 };

static const int64_t most_ns = INT64_C(5000) * NS_PER_MS, least_ns = INT64_C(1000) * NS_PER_MS;

/* The kinds of what was seen there and will be shown: of the app's objects, and of what others made of them. */
static enum status add_kinds(struct live *live, const struct here *here, struct live_place *place, struct error *err)
{
	struct set_entry made;
	enum status      st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < here->count; i++) {
		const struct set_entry *entry = &here->entries[i];
		if (place_seen(here, entry->name) != NULL && !entry->is_secret && live_is_shown(live, entry->name))
			st = live_add_kind(live, place, entry->api_version, entry->kind, err);
	}
	for (size_t i = 0; st == ST_OK && i < here->seen_count; i++)
		if (!here->is_entry[i] && place_made(&here->seen[i], &made) && live_is_shown(live, made.name))
			st = live_add_kind(live, place, made.api_version, made.kind, err);
	return st;
}

/* A cluster that nobody sees is not asked either: it would only be waited for. */
static void gather(struct out *out, struct report *report, struct here *here)
{
	auto_arena         arena = ARENA(64 << 20);
	struct live_place *place;

	if (out->st != ST_OK || here->unit == NULL || here->unit->is_lost)
		return;
	out->st = place_look(report, here, &arena, true, out->err);
	if (out->st == ST_OK && here->seen_count > 0)
		out->st = live_add(report->live, here->app, here->cluster, plan_meta(report->plan)->status_context, &place, out->err);
	if (out->st == ST_OK && here->seen_count > 0)
		out->st = add_kinds(report->live, here, place, out->err);
}

static void forget(struct report *report)
{
	live_unref(report->live);
	report->live = NULL;
}

/* The store is not held meanwhile. */
static enum status ask(struct report *report, int64_t deadline_ns, struct error *err)
{
	const int64_t now = clock_ns(), half_ns = (deadline_ns - now) / 2;

	db_return(report->db);
	report->db = NULL;
	plan_use(report->plan, NULL);
	enum status st = live_ask(report->live, report->path, now + (half_ns < most_ns ? half_ns : most_ns), err);
	if (st != ST_OK)
		forget(report);
	if (st != ST_TOO_LARGE)
		st = db_borrow(report->o->store->pool, deadline_ns, &report->db, err);
	if (st == ST_OK)
		plan_use(report->plan, report->db);
	return st;
}

static enum status gather_and_ask(struct report *report, struct instance *instance, int64_t deadline_ns, struct error *err)
{
	const struct status_query *query = report->query;
	auto_buf                   nothing = BUF(4096);
	struct error               fault = { .code = ST_OK };
	struct out                 out = { &nothing, &fault, ST_OK };

	report->live = live_new(instance, report->o->store, query->resources, query->resource_count);
	if (report->live == NULL)
		return ST_OK;
	walk_places(&out, report, gather);
	if (out.st == ST_OK && deadline_ns - clock_ns() >= 2 * least_ns)
		return ask(report, deadline_ns, err);
	forget(report);                          /* what is wrong with the store is met again, and told then */
	return ST_OK;
}

static bool is_asked_for(const struct report *report)
{
	const struct status_query *query = report->query;

	return report->plan != NULL && !report->is_elsewhere && report_is_about_ready(report) && query->asks_clusters &&
	       query->output == STATUS_DETAIL && query->form == STATUS_FULL;
}

/* Few at a time, so that threads are left for other requests: one that is too many shows what was rendered, without asking. */
enum status report_ask_clusters(struct report *report, int64_t deadline_ns, struct error *err)
{
	struct instance *instance = is_asked_for(report) ? live_synchroniser(report->o->plugins) : NULL;
	unsigned        *readings = &report->o->readings;
	enum status      st = ST_OK;

	if (instance == NULL || deadline_ns - clock_ns() < 2 * least_ns)
		return ST_OK;
	if (__atomic_fetch_add(readings, 1, __ATOMIC_RELAXED) < READINGS_MAX)
		st = gather_and_ask(report, instance, deadline_ns, err);
	__atomic_sub_fetch(readings, 1, __ATOMIC_RELAXED);
	return st;
}

struct view report_live_body(const struct report *report, const struct here *here, const struct set_entry *entry, bool is_ours)
{
	const struct view own = entry->namespace_.len > 0 ? entry->namespace_ : plan_meta(report->plan)->namespace_;
	const struct view namespace_ = is_ours ? own : VIEW("");

	return report->live != NULL ? live_body(report->live, here->app, here->cluster, entry, namespace_) : VIEW("");
}
