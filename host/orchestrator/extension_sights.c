/*
 * extension_sights.c - the part of "emco.units/1" in which watchers tell what is on clusters.
 */
#include "host/orchestrator/extension_units_priv.h"

#include "host/orchestrator/status_priv.h"

emco_status sights_watch(emco_call *abi, const emco_str *names, uint64_t count, int64_t lease_ns, emco_cluster_each *each,
                         void *data)
{
	struct call *call = call_of(abi);
	struct view *clusters = arena_alloc(&call->arena, (size_t) count + 1, sizeof *clusters), *mine = NULL;
	struct error err = { 0 };
	struct db   *db = NULL;
	size_t       mine_count = 0;
	enum status  st = clusters != NULL ? units_enter(call, &db, &err) : fail(&err, ST_NO_MEMORY, "out of memory");

	for (uint64_t i = 0; st == ST_OK && i < count; i++)
		clusters[i] = view_from_abi(names[i]);
	if (st == ST_OK)
		st = unit_watch(call->store, db, clusters, (size_t) count, lease_ns, &call->arena, &mine, &mine_count, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	for (size_t i = 0; i < mine_count; i++) {
		const emco_status status = each(data, view_to_abi(mine[i]));

		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

/* "4711-web" and "web+Deployment"; false: no unit's. */
static bool seen_from_abi(const emco_seen *seen, struct seen_row *row)
{
	const struct view label = view_from_abi(seen->label), name = view_from_abi(seen->name);
	const struct view version = view_from_abi(seen->api_version);
	const char       *plus = name.len > 0 ? memrchr(name.ptr, '+', name.len) : NULL;
	uint64_t          context = 0;
	size_t            i = 0;

	for (; i < label.len && label.ptr[i] >= '0' && label.ptr[i] <= '9' && context < INT64_MAX / 10; i++)
		context = context * 10 + (uint64_t) (label.ptr[i] - '0');
	if (i == 0 || i + 1 >= label.len || label.ptr[i] != '-' || plus == NULL || context > INT64_MAX || !units_is_text(label) ||
	    !units_is_text(name) || !units_is_text(version))
		return false;
	*row = (struct seen_row) {
		.status_context = (int64_t) context, .app = { label.ptr + i + 1, label.len - i - 1 }, .name = name,
		.api_version = version,
		.state = seen->state == EMCO_SEEN_READY ? SEEN_READY : seen->state == EMCO_SEEN_GONE ? SEEN_GONE : SEEN_NOT_READY,
		.fields = (int64_t) (seen->fields & INT64_MAX), .since = (int64_t) (seen->since & INT64_MAX),
		.flags = ((seen->flags & EMCO_SEEN_MEMBER) != 0 ? SEEN_MEMBER : 0u) |
		         ((seen->flags & EMCO_SEEN_DRIFTED) != 0 ? SEEN_DRIFTED : 0u) |
		         ((seen->flags & EMCO_SEEN_HEAL) != 0 ? SEEN_HEAL : 0u),
	};
	if ((seen->flags & EMCO_SEEN_HOOK) != 0)
		row->flags &= ~(unsigned) SEEN_MEMBER;
	else if (status_tracks(row->api_version, (struct view) { plus + 1, name.len - (size_t) (plus + 1 - name.ptr) }))
		row->flags |= SEEN_TRACKED;
	return true;
}

static const emco_sight *sight_at(const emco_sight *sights, uint64_t index)
{
	return units_at(sights, sights[0].size, index);
}

static int64_t session_of(const emco_sight *sight)
{
	return (int64_t) (sight->session & INT64_MAX);
}

static enum status check_sights(const emco_sight *sights, uint64_t count, size_t *ret_rows, struct error *err)
{
	*ret_rows = 0;
	if (count > 0 && sights[0].size < SIZE_THROUGH(emco_sight, kind_count))
		return fail(err, ST_INVALID, "a sight has at least %zu bytes, got %u", SIZE_THROUGH(emco_sight, kind_count),
		            (unsigned) sights[0].size);
	for (uint64_t i = 0; i < count; i++) {
		const emco_sight *sight = sight_at(sights, i);

		if (sight->seen_count > 0 && sight->seen[0].size < SIZE_THROUGH(emco_seen, since))
			return fail(err, ST_INVALID, "what is seen has at least %zu bytes, got %u", SIZE_THROUGH(emco_seen, since),
			            (unsigned) sight->seen[0].size);
		*ret_rows += (size_t) sight->seen_count;
	}
	return ST_OK;
}

static enum status rows_from_abi(struct call *call, const emco_sight *sight, struct seen_row *rows, size_t *count, struct error *err)
{
	for (uint64_t i = 0; i < sight->seen_count; i++) {
		const emco_seen *seen = units_at(sight->seen, sight->seen[0].size, i);
		struct seen_row *row = &rows[*count];

		if (!seen_from_abi(seen, row))
			continue;
		row->cluster = view_from_abi(sight->cluster);
		row->session = session_of(sight);
		++*count;
		const enum status st = units_words(call, seen->reason, &row->reason, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status observe_rows(struct call *call, struct db *db, const emco_sight *sights, uint64_t count, bool *ret_heals,
                                struct error *err)
{
	size_t           room = 0, row_count = 0;
	enum status      st = check_sights(sights, count, &room, err);
	struct seen_row *rows = st == ST_OK ? arena_alloc(&call->arena, room + 1, sizeof *rows) : NULL;

	if (st == ST_OK && rows == NULL)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	for (uint64_t i = 0; st == ST_OK && i < count; i++)
		st = rows_from_abi(call, sight_at(sights, i), rows, &row_count, err);
	return st == ST_OK ? unit_observe(call->store, db, rows, row_count, ret_heals, err) : st;
}

static enum status observe_whole(struct call *call, struct db *db, const emco_sight *sight, struct error *err)
{
	struct view *kinds = arena_alloc(&call->arena, (size_t) sight->kind_count + 1, sizeof *kinds);

	if (kinds == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (uint64_t i = 0; i < sight->kind_count; i++)
		kinds[i] = view_from_abi(sight->kinds[i]);
	return unit_observe_whole(call->store, db, view_from_abi(sight->cluster), session_of(sight), kinds,
	                          (size_t) sight->kind_count, err);
}

/* What is said of a cluster besides its objects. */
static enum status observe_cluster(struct call *call, struct db *db, const emco_sight *sight, struct error *err)
{
	const struct view cluster = view_from_abi(sight->cluster);
	struct view       why = VIEW(""), version = VIEW("");
	enum status       st = units_words(call, sight->error, &why, err);

	if (st == ST_OK)
		st = units_words(call, sight->version, &version, err);
	if (st == ST_OK && sight->event == EMCO_SIGHT_WHOLE)
		st = observe_whole(call, db, sight, err);
	if (st == ST_OK && sight->event == EMCO_SIGHT_LOST)
		st = unit_observe_lost(call->store, db, cluster, why, err);
	if (st == ST_OK && version.len > 0)
		st = unit_know_version(db, cluster, version, err);
	return st;
}

/*
 * NOTE: no transaction goes around the statements: a process that stands still in the middle of one keeps everybody's units
 * locked.  When a later one fails everything is told again, and changes nothing but the count of drifts that nobody heals.
 */
static enum status observe_all(struct call *call, struct db *db, const emco_sight *sights, uint64_t count, bool *ret_wakes,
                               struct error *err)
{
	enum status st = observe_rows(call, db, sights, count, ret_wakes, err);

	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		st = observe_cluster(call, db, sight_at(sights, i), err);
		*ret_wakes = *ret_wakes || sight_at(sights, i)->event == EMCO_SIGHT_WHOLE;
	}
	return st;
}

emco_status sights_observe(emco_call *abi, const emco_sight *sights, uint64_t count)
{
	struct call *call = call_of(abi);
	struct error err = { 0 };
	struct db   *db = NULL;
	bool         wakes = false;
	size_t       rows = 0;
	enum status  st = check_sights(sights, count, &rows, &err);

	if (st == ST_OK)
		st = units_enter(call, &db, &err);
	if (st == ST_OK)
		st = observe_all(call, db, sights, count, &wakes, &err);
	call_db_done(call);
	store_notify(call->store, CHANNEL_STATUS);
	if (wakes)                               /* also when it failed: units may be due by now */
		store_notify(call->store, CHANNEL_UNITS);
	if (st != ST_OK)
		return call_failed(call, &err);
	return EMCO_OK;
}
