/*
 * extension_units.c - "emco.units/1": the work of a synchroniser, on the store's units.
 *
 * A unit that is handed out lives in the memory of the call it was claimed with, with its row and lease token around it.
 * renew and report find the row through the pointer, so they may come on another call of the same plugin, as long as the
 * claiming call has not ended: a synchroniser waits for work on one call and does it on another, with its own deadline.
 */
#include "host/orchestrator/extension_units_priv.h"

#include "lib/base/clock.h"
#include "lib/base/json.h"

enum {
	POLL_MS = 5000,                 /* the safety net under notifications                    */
	SLICE_MS = 250,                 /* how soon a cancelled wait ends                        */
	PAUSE_MS = 20,                  /* least wait after an empty claim                       */
	LEAST_MS = 100,                 /* what is claimed too late to be told waits for a lease */
};
#define CLAIMED_MAGIC  0xC1A13EDu

struct claimed {
	emco_unit       abi;            /* first: the plugin holds a pointer to it               */
	uint32_t        magic;
	struct unit_row row;
};

const struct unit_row *units_row_of(const emco_unit *unit)
{
	const struct claimed *claimed = (const struct claimed *) (const void *) unit;

	return claimed != NULL && claimed->magic == CLAIMED_MAGIC ? &claimed->row : NULL;
}

enum status units_enter(struct call *call, struct db **ret_db, struct error *err)
{
	if ((call->roles & EMCO_ROLE_SYNCHRONISER) == 0)
		return fail(err, ST_FORBIDDEN, "\"%s\" is no synchroniser: it may not use \"%s\"", call->who,
		            EMCO_UNITS_1);
	return call_db(call, ret_db, err);
}

/* -- claim -- */

static enum status text_of(struct arena *arena, const json_t *meta, const char *member, const char *missing,
                           emco_str *ret_text, struct error *err)
{
	const char *text = json_string_at(meta, member);

	if (text[0] == '\0')
		text = missing;
	*ret_text = (emco_str) { arena_text(arena, text), strlen(text) };
	return ret_text->ptr != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");
}

/* Owners without a meta object (cluster networks) get what EMCO assumes: namespace "default", level "0". */
static enum status meta_to_abi(struct arena *arena, struct view text, emco_unit *unit, struct error *err)
{
	auto_json *meta = NULL;
	enum status st = text.len > 0 ? json_read(text, &meta, err) : ST_OK;

	if (st == ST_OK)
		st = text_of(arena, meta, "Namespace", "default", &unit->namespace_, err);
	if (st == ST_OK)
		st = text_of(arena, meta, "Level", "0", &unit->level, err);
	if (st == ST_OK)
		st = text_of(arena, meta, "LogicalCloud", "", &unit->logical_cloud, err);
	return st;
}

/* What may be there besides applied: sets that were begun, and objects under another context's label. */
static enum status traces_to_abi(struct arena *arena, const struct unit_row *row, emco_unit *unit, struct error *err)
{
	emco_str *tried = arena_alloc(arena, row->tried_count + 1, sizeof *tried);

	if (tried == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < row->tried_count; i++) {
		enum status st = units_digest(arena, true, &row->tried[i], &tried[i], err);

		if (st != ST_OK)
			return st;
	}
	unit->tried = tried;
	unit->tried_count = row->tried_count;
	unit->applied_context = EMCO_STR("");
	if (row->label == 0 || row->label == row->status_context)
		return ST_OK;

	const char *label = arena_printf(arena, "%lld", (long long) row->label);
	if (label == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	unit->applied_context = (emco_str) { label, strlen(label) };
	return ST_OK;
}

static enum status unit_to_abi(struct arena *arena, const struct unit_row *row, struct claimed **ret_claimed,
                               struct error *err)
{
	struct claimed *claimed = arena_alloc(arena, 1, sizeof *claimed);
	const char     *id = arena_printf(arena, "%lld", (long long) row->status_context);

	if (claimed == NULL || id == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	claimed->magic = CLAIMED_MAGIC;
	claimed->row = *row;
	claimed->abi = (emco_unit) {
		.size = sizeof(emco_unit),
		.attempts = row->attempts > UINT32_MAX ? UINT32_MAX : (uint32_t) row->attempts,
		.id = (uint64_t) row->id,
		.generation = (uint64_t) row->generation,
		.owner = view_to_abi(row->owner_path),
		.app = view_to_abi(row->app),
		.cluster = view_to_abi(row->cluster),
		.status_context = { id, strlen(id) },
		.event = view_to_abi(row->event),
		.unsure = row->is_unsure,
		.begun = row->is_begun,
		.move = (uint64_t) row->move,
		.progress = view_to_abi(row->progress),
	};

	enum status st = meta_to_abi(arena, row->meta, &claimed->abi, err);
	/* Of other levels the record is the cloud's, and changes with that. */
	claimed->abi.access = st == ST_OK && view_is(view_from_abi(claimed->abi.level), "0") ? row->access : 0;
	if (st == ST_OK)
		st = units_digest(arena, row->has_desired, &row->desired, &claimed->abi.desired, err);
	if (st == ST_OK)
		st = units_digest(arena, row->has_applied, &row->applied, &claimed->abi.applied, err);
	if (st == ST_OK)
		st = traces_to_abi(arena, row, &claimed->abi, err);
	if (st == ST_OK)
		*ret_claimed = claimed;
	return st;
}

/* Until something may have changed: a notification, the next due unit, the poll. */
static void wait_for_work(struct call *call, uint64_t *seen, int64_t next_ns)
{
	int64_t until_ns = deadline_in_ms(POLL_MS);

	if (next_ns >= 0 && next_ns < (int64_t) POLL_MS * 1000000)
		until_ns = clock_ns() + next_ns;
	if (until_ns < deadline_in_ms(PAUSE_MS))
		until_ns = deadline_in_ms(PAUSE_MS);
	if (until_ns > call->deadline_ns)
		until_ns = call->deadline_ns;
	while (!deadline_past(until_ns) && !call->abi.cancelled(&call->abi)) {
		const int64_t slice_ns = deadline_in_ms(SLICE_MS);

		if (store_wait(call->store, CHANNEL_UNITS, seen, slice_ns < until_ns ? slice_ns : until_ns))
			return;
	}
}

static bool wait_for_turn(struct call *call)
{
	while (!call->abi.cancelled(&call->abi)) {
		const int64_t slice_ns = deadline_in_ms(SLICE_MS);

		if (unit_claim_enter(call->store, slice_ns < call->deadline_ns ? slice_ns : call->deadline_ns))
			return true;
	}
	return false;
}

/* With the turn.  *ret_count 0: the call's time is over. */
static enum status find_work(struct call *call, uint64_t limit, int64_t lease_ns, struct unit_row **ret_rows, size_t *ret_count,
                             struct error *err)
{
	struct db *db = NULL;
	uint64_t   seen = 0;

	(void) store_wait(call->store, CHANNEL_UNITS, &seen, 0);      /* what is told from here on is waited for */
	while (!call->abi.cancelled(&call->abi) && call->deadline_ns > deadline_in_ms(LEAST_MS)) {
		int64_t     next_ns = -1;
		enum status st = units_enter(call, &db, err);

		if (st == ST_OK)
			st = unit_claim(call->store, db, limit, lease_ns, &call->arena, ret_rows, ret_count, &next_ns, err);
		call_db_done(call);
		if (st != ST_OK || *ret_count > 0)
			return st;
		wait_for_work(call, &seen, next_ns);
	}
	return ST_OK;
}

static emco_status claim(emco_call *abi, uint64_t limit, int64_t lease_ns, emco_units_each *each, void *data)
{
	struct call     *call = call_of(abi);
	struct unit_row *rows = NULL;
	struct error     err = { 0 };
	size_t           count = 0;

	call_db_done(call);              /* whoever waits holds no connection */
	if (!wait_for_turn(call))
		return EMCO_E_DEADLINE;
	const enum status st = find_work(call, limit, lease_ns, &rows, &count, &err);
	unit_claim_leave(call->store);
	if (st != ST_OK)
		return call_failed(call, &err);
	if (count == 0)
		return EMCO_E_DEADLINE;

	for (size_t i = 0; i < count; i++) {
		struct claimed *claimed = NULL;

		if (unit_to_abi(&call->arena, &rows[i], &claimed, &err) != ST_OK)
			return call_failed(call, &err);

		const emco_status status = each(data, &claimed->abi);
		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

static emco_status renew(emco_call *abi, const emco_unit *unit, int64_t lease_ns)
{
	struct call           *call = call_of(abi);
	const struct unit_row *row = units_row_of(unit);
	struct error           err = { 0 };
	struct db             *db = NULL;
	enum status            st = units_enter(call, &db, &err);

	if (st == ST_OK && row == NULL)
		st = fail(&err, ST_INVALID, "the unit is a copy: pass the one that was given out");
	if (st == ST_OK)
		st = unit_renew(call->store, db, row, lease_ns, &err);
	call_db_done(call);
	return st == ST_OK ? EMCO_OK : call_failed(call, &err);
}

static emco_status owns(emco_call *abi, const emco_unit *unit, emco_str status_context, int32_t *ret_owns)
{
	struct call           *call = call_of(abi);
	const struct unit_row *row = units_row_of(unit);
	struct error           err = { 0 };
	struct db             *db = NULL;
	bool                   is_owner = false;
	enum status            st = units_enter(call, &db, &err);

	if (st == ST_OK && row == NULL)
		st = fail(&err, ST_INVALID, "the unit is a copy: pass the one that was given out");
	if (st == ST_OK)
		st = unit_owns(db, row, view_from_abi(status_context), &is_owner, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_owns = is_owner;
	return EMCO_OK;
}

/* -- what is seen -- */

static emco_status each_live(emco_call *abi, uint64_t since, uint64_t *ret_next, emco_units_each *each, void *data)
{
	struct call     *call = call_of(abi);
	struct unit_row *rows = NULL;
	struct error     err = { 0 };
	struct db       *db = NULL;
	size_t           count = 0;
	int64_t          next = 0;
	enum status      st = units_enter(call, &db, &err);

	if (st == ST_OK)
		st = unit_live(db, since > INT64_MAX ? INT64_MAX : (int64_t) since, &call->arena, &rows, &count, &next, &err);
	call_db_done(call);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		struct claimed *claimed = NULL;

		st = unit_to_abi(&call->arena, &rows[i], &claimed, &err);
		if (st != ST_OK)
			break;
		const emco_status status = each(data, &claimed->abi);
		if (status != EMCO_OK)
			return status;
	}
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_next = (uint64_t) next;
	return EMCO_OK;
}

const emco_units_1 extension_units = {
	.size = sizeof extension_units,
	.claim = claim, .renew = renew, .report = units_report, .each_entry = units_each_entry, .bodies = units_bodies,
	.each_live = each_live, .watch = sights_watch, .observe = sights_observe, .owns = owns,
};
