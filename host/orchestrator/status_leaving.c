/*
 * status_leaving.c - what is still on clusters that a deployment has left: an update took the app elsewhere, or its life has ended
 * and another was approved.  No context tells of it, so it stands beside what one shows.
 */
#include "host/orchestrator/status_place.h"

enum { LEAVING_SHOWN = 100 };

enum status report_find_leaving(struct report *report, struct unit_status *units, size_t count, bool is_ended, struct error *err)
{
	const enum status st = units == NULL ? unit_list_leaving(report->db, report->owner, &report->arena, &units, &count, err) : ST_OK;

	if (st != ST_OK)
		return st;
	report->leaving = arena_alloc(&report->arena, count + 1, sizeof(struct unit_status *));
	if (report->leaving == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!units[i].is_wanted && !units[i].is_done && (is_ended || !units[i].is_placed))
			report->leaving[report->leaving_count++] = &units[i];
	return ST_OK;
}

static void put_unit(struct out *out, const struct report *report, const struct unit_status *unit)
{
	out_comma(out);
	out_raw(out, "{");
	if (!report->is_cloud) {
		out_key(out, "app");
		out_text(out, unit->app);
	}
	put_cluster(out, unit->cluster);
	put_connectivity(out, report, unit);
	put_trouble(out, unit);
	out_raw(out, "}");
}

void put_leaving(struct out *out, const struct report *report)
{
	const struct status_query *query = report->query;
	const size_t               before = out->buf->len;
	size_t                     shown = 0, more = 0;

	out_key(out, "leaving");
	out_raw(out, "[");
	for (size_t i = 0; out->st == ST_OK && i < report->leaving_count; i++) {
		const struct unit_status *unit = report->leaving[i];
		if (!name_is_among(query->apps, query->app_count, unit->app) ||
		    !name_is_among(query->clusters, query->cluster_count, unit->cluster))
			continue;
		if (shown == LEAVING_SHOWN) {
			more++;
			continue;
		}
		put_unit(out, report, unit);
		shown++;
	}
	out_raw(out, "]");
	if (shown == 0)
		buf_cut(out->buf, before);
	if (more > 0) {
		out_key(out, "leavingMore");
		out_number(out, (int64_t) more);
	}
}
