/*
 * extension_report.c - "emco.units/1": what a synchroniser tells of its units.
 */
#include "host/orchestrator/extension_units_priv.h"

#include "lib/base/utf8.h"

enum {
	PROGRESS_LIMIT = 256,
	OBJECTS_LIMIT = 100000,         /* in one report                                         */
};

/* What the database takes. */
bool units_is_text(struct view text)
{
	return utf8_is_valid(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

/* A plugin's words are often those of others: what the database would not take is mended, never a reason to lose the rest. */
enum status units_words(struct call *call, emco_str text, struct view *ret_words, struct error *err)
{
	const struct view words = view_from_abi(text);

	*ret_words = words;
	if (units_is_text(words))
		return ST_OK;
	char *line = arena_alloc(&call->arena, words.len + 1, 1);
	if (line == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	utf8_line(line, words.len + 1, words);
	*ret_words = view_of(line);
	return ST_OK;
}

static const enum object_state object_states[] = {
	[EMCO_OBJECT_PENDING]  = OBJECT_PENDING,
	[EMCO_OBJECT_APPLIED]  = OBJECT_APPLIED,
	[EMCO_OBJECT_FAILED]   = OBJECT_FAILED,
	[EMCO_OBJECT_RETRYING] = OBJECT_RETRYING,
	[EMCO_OBJECT_DELETED]  = OBJECT_DELETED,
};

static enum status objects_from_abi(struct call *call, const emco_unit_report *report, struct object_row **ret_rows,
                                    struct error *err)
{
	struct object_row *rows = arena_alloc(&call->arena, report->object_count + 1u, sizeof *rows);
	if (rows == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (uint32_t i = 0; i < report->object_count; i++) {
		const emco_object_state *state = units_at(report->objects, report->objects[0].size, i);

		if (state->state < 0 || (size_t) state->state >= ARRAY_LEN(object_states))
			return fail(err, ST_INVALID, "unknown object state %d", (int) state->state);
		rows[i].state = object_states[state->state];
		enum status st = units_words(call, state->name, &rows[i].name, err);
		if (st == ST_OK)
			st = units_words(call, state->message, &rows[i].message, err);
		if (st != ST_OK)
			return st;
	}
	*ret_rows = rows;
	return ST_OK;
}

/* What a report says of hooks; a synchroniser that is older says nothing. */
static enum status hooks_from_abi(struct call *call, const emco_unit_report *report, struct unit_outcome *outcome, struct error *err)
{
	if (report->size < SIZE_THROUGH(emco_unit_report, stage))
		return ST_OK;
	if (report->progress.len > PROGRESS_LIMIT)
		return fail(err, ST_TOO_LARGE, "a progress has at most %d bytes, got %zu", PROGRESS_LIMIT, (size_t) report->progress.len);
	enum status st = units_words(call, report->progress, &outcome->progress, err);
	if (st == ST_OK)
		st = units_words(call, report->awaits, &outcome->awaits, err);
	if (st == ST_OK)
		st = units_words(call, report->stage, &outcome->stage, err);
	return st;
}

static enum status outcome_from_abi(struct call *call, const emco_unit_report *report, struct unit_outcome *ret_outcome,
                                    struct error *err)
{
	struct object_row *rows = NULL;

	if (report->outcome < EMCO_UNIT_DONE || report->outcome > EMCO_UNIT_WAITS)
		return fail(err, ST_INVALID, "unknown outcome %d", (int) report->outcome);
	if (report->object_count > 0 && report->objects[0].size < SIZE_THROUGH(emco_object_state, message))
		return fail(err, ST_INVALID, "an object state has at least %zu bytes, got %u",
		            SIZE_THROUGH(emco_object_state, message), (unsigned) report->objects[0].size);

	struct view words = VIEW("");
	enum status st = objects_from_abi(call, report, &rows, err);
	if (st == ST_OK)
		st = units_words(call, report->error, &words, err);
	if (st != ST_OK)
		return st;
	*ret_outcome = (struct unit_outcome) {
		.retry_after_ns = report->retry_after_ns > 0 ? report->retry_after_ns : 0,
		.reachable = report->reachable > 0 ? 1 : report->reachable < 0 ? -1 : 0,
		.error = words,
		.objects = rows, .object_count = report->object_count,
	};
	switch (report->outcome) {
	case EMCO_UNIT_DONE:  ret_outcome->kind = UNIT_DONE;   break;
	case EMCO_UNIT_RETRY: ret_outcome->kind = UNIT_RETRY;  break;
	case EMCO_UNIT_WAITS: ret_outcome->kind = UNIT_WAITS;  break;
	default:              ret_outcome->kind = UNIT_FAILED; break;
	}
	return hooks_from_abi(call, report, ret_outcome, err);
}

static enum status outcomes_from_abi(struct call *call, const emco_unit_report *reports, uint64_t count,
                                     struct unit_outcome **ret_outcomes, struct error *err)
{
	struct unit_outcome *outcomes = arena_alloc(&call->arena, (size_t) count + 1, sizeof *outcomes);
	uint64_t             objects = 0;

	if (outcomes == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (count > 0 && reports[0].size < SIZE_THROUGH(emco_unit_report, unit))
		return fail(err, ST_INVALID, "a report has at least %zu bytes, got %u", SIZE_THROUGH(emco_unit_report, unit),
		            (unsigned) reports[0].size);
	for (uint64_t i = 0; i < count; i++)
		objects += ((const emco_unit_report *) units_at(reports, reports[0].size, i))->object_count;
	if (objects > OBJECTS_LIMIT)
		return fail(err, ST_TOO_LARGE, "at most %d objects in a report, got %llu", OBJECTS_LIMIT, (unsigned long long) objects);
	for (uint64_t i = 0; i < count; i++) {
		const emco_unit_report *report = units_at(reports, reports[0].size, i);
		const struct unit_row  *row = units_row_of(report->unit);

		if (row == NULL)
			return fail(err, ST_INVALID, "the unit is a copy: pass the one that was given out");
		const enum status st = outcome_from_abi(call, report, &outcomes[i], err);
		if (st != ST_OK)
			return st;
		outcomes[i].unit = row;
		for (uint64_t k = 0; k < i; k++)
			if (outcomes[k].unit == row)
				return fail(err, ST_INVALID, "a report names app \"%.*s\" on cluster \"%.*s\" twice", (int) row->app.len,
				            row->app.ptr, (int) row->cluster.len, row->cluster.ptr);
	}
	*ret_outcomes = outcomes;
	return ST_OK;
}

emco_status units_report(emco_call *abi, const emco_unit_report *reports, uint64_t count, uint64_t *ret_lost)
{
	struct call         *call = call_of(abi);
	struct unit_outcome *outcomes = NULL;
	struct error         err = { 0 };
	struct db           *db = NULL;
	size_t               stored = 0;
	bool                 wakes = false;
	enum status          st = outcomes_from_abi(call, reports, count, &outcomes, &err);

	if (st == ST_OK)
		st = units_enter(call, &db, &err);
	if (st == ST_OK)
		st = unit_report(db, outcomes, (size_t) count, &stored, &wakes, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	store_notify(call->store, CHANNEL_STATUS);
	if (wakes)
		store_notify(call->store, CHANNEL_UNITS);
	else
		store_ring(call->store, CHANNEL_UNITS);      /* who waits for work may not know how soon one of these is due again */
	if (ret_lost != NULL)
		*ret_lost = count - stored;
	return EMCO_OK;
}
