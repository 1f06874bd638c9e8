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
#include "lib/base/utf8.h"

enum {
	POLL_MS = 5000,                 /* the safety net under notifications                    */
	SLICE_MS = 250,                 /* how soon a cancelled wait ends                        */
	PAUSE_MS = 20,                  /* least wait after an empty claim                       */
	TEXT_LIMIT = 16 << 20,          /* bytes of one set or one object                        */
	PROGRESS_LIMIT = 256,
	OBJECTS_LIMIT = 100000,         /* in one report                                         */
};
#define CLAIMED_MAGIC  0xC1A13EDu

struct claimed {
	emco_unit       abi;            /* first: the plugin holds a pointer to it               */
	uint32_t        magic;
	struct unit_row row;
};

static const struct unit_row *row_of(const emco_unit *unit)
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

static enum status digest_to_abi(struct arena *arena, bool is_there, const struct digest *digest, emco_str *ret_text,
                                 struct error *err)
{
	char hex[DIGEST_HEX_SIZE] = "";

	if (is_there)
		digest_hex(digest, hex);
	*ret_text = (emco_str) { arena_text(arena, hex), strlen(hex) };
	return ret_text->ptr != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");
}

/* What may be there besides applied: sets that were begun, and objects under another context's label. */
static enum status traces_to_abi(struct arena *arena, const struct unit_row *row, emco_unit *unit, struct error *err)
{
	emco_str *tried = arena_alloc(arena, row->tried_count + 1, sizeof *tried);

	if (tried == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < row->tried_count; i++) {
		enum status st = digest_to_abi(arena, true, &row->tried[i], &tried[i], err);

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
	if (st == ST_OK)
		st = digest_to_abi(arena, row->has_desired, &row->desired, &claimed->abi.desired, err);
	if (st == ST_OK)
		st = digest_to_abi(arena, row->has_applied, &row->applied, &claimed->abi.applied, err);
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

static emco_status claim(emco_call *abi, uint64_t limit, int64_t lease_ns, emco_units_each *each, void *data)
{
	struct call     *call = call_of(abi);
	struct unit_row *rows = NULL;
	struct error     err = { 0 };
	struct db       *db = NULL;
	uint64_t         seen = 0;
	size_t           count = 0;

	while (!call->abi.cancelled(&call->abi)) {
		int64_t     next_ns = -1;
		enum status st = units_enter(call, &db, &err);

		if (st == ST_OK)
			st = unit_claim(call->store, db, limit, lease_ns, &call->arena, &rows, &count, &next_ns, &err);
		call_db_done(call);
		if (st != ST_OK)
			return call_failed(call, &err);
		if (count > 0)
			break;
		wait_for_work(call, &seen, next_ns);
	}
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
	const struct unit_row *row = row_of(unit);
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
	const struct unit_row *row = row_of(unit);
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

/* -- report -- */

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
		const struct unit_row  *row = row_of(report->unit);

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

static emco_status report(emco_call *abi, const emco_unit_report *reports, uint64_t count, uint64_t *ret_lost)
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
		st = unit_hook_note(db, outcomes, (size_t) count, &err);
	if (st == ST_OK)
		st = unit_report(db, outcomes, (size_t) count, &stored, &wakes, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	store_notify(call->store, CHANNEL_STATUS);
	if (wakes)
		store_notify(call->store, CHANNEL_UNITS);
	if (ret_lost != NULL)
		*ret_lost = count - stored;
	return EMCO_OK;
}

/* -- sets and objects -- */

static enum status set_of(struct call *call, emco_str set, struct set_entry **ret_entries, size_t *ret_count,
                          struct error *err)
{
	struct digest digest;
	struct db    *db = NULL;
	auto_buf      text = { 0 };

	if (!digest_from_hex(view_from_abi(set), &digest))
		return fail(err, ST_INVALID, "a set is named by %d hex digits, got %zu bytes", 2 * DIGEST_SIZE,
		            (size_t) set.len);
	buf_init(&text, TEXT_LIMIT);

	enum status st = units_enter(call, &db, err);
	if (st == ST_OK)
		st = set_read(db, &digest, &text, err);
	call_db_done(call);
	if (st != ST_OK)
		return st;

	/* The entries point into the text, which must live as long as they do. */
	const char *kept = arena_copy(&call->arena, text.data, text.len);
	if (kept == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return set_decode((struct view) { kept, text.len }, &call->arena, ret_entries, ret_count, err);
}

static emco_status each_entry(emco_call *abi, emco_str set, emco_units_each_entry *each, void *data)
{
	struct call      *call = call_of(abi);
	struct set_entry *entries = NULL;
	struct error      err = { 0 };
	size_t            count = 0;

	if (set_of(call, set, &entries, &count, &err) != ST_OK)
		return call_failed(call, &err);
	for (size_t i = 0; i < count; i++) {
		const struct set_entry *entry = &entries[i];
		emco_object            *object = arena_alloc(&call->arena, 1, sizeof *object);
		emco_set_entry          out = { .size = sizeof out, .secret = entry->is_secret, .object = object };

		if (object == NULL)
			fail(&err, ST_NO_MEMORY, "out of memory");
		else
			*object = (emco_object) { .size = sizeof *object, .phase = entry->phase,
			                          .name = view_to_abi(entry->name),
			                          .api_version = view_to_abi(entry->api_version),
			                          .kind = view_to_abi(entry->kind),
			                          .namespace_ = view_to_abi(entry->namespace_),
			                          .events = view_to_abi(entry->events) };
		if (object == NULL || digest_to_abi(&call->arena, true, &entry->manifest, &out.digest, &err) != ST_OK)
			return call_failed(call, &err);

		const emco_status status = each(data, &out);
		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

struct bodies { emco_units_each_body *each; void *data; emco_status status; };

static enum status body_tell(void *data, size_t index, struct view body, struct error *err)
{
	struct bodies *bodies = data;

	bodies->status = bodies->each(bodies->data, index, view_to_abi(body));
	return bodies->status == EMCO_OK ? ST_OK : fail(err, ST_CONFLICT, "the call back ended it");
}

static emco_status read_bodies(emco_call *abi, const emco_str *hex, uint64_t count, emco_units_each_body *each, void *data)
{
	struct call   *call = call_of(abi);
	struct digest *digests = arena_alloc(&call->arena, (size_t) count + 1, sizeof *digests);
	struct bodies  bodies = { .each = each, .data = data, .status = EMCO_OK };
	struct error   err = { 0 };
	struct db     *db = NULL;
	enum status    st = units_enter(call, &db, &err);

	if (st == ST_OK && digests == NULL)
		st = fail(&err, ST_NO_MEMORY, "out of memory");
	for (uint64_t i = 0; st == ST_OK && i < count; i++)
		if (!digest_from_hex(view_from_abi(hex[i]), &digests[i]))
			st = fail(&err, ST_INVALID, "an object is named by %d hex digits, got %zu bytes", 2 * DIGEST_SIZE, (size_t) hex[i].len);
	if (st == ST_OK)
		st = manifests_read(call->store, db, digests, (size_t) count, body_tell, &bodies, &err);
	call_db_done(call);
	if (bodies.status != EMCO_OK)
		return bodies.status;
	return st == ST_OK ? EMCO_OK : call_failed(call, &err);
}

/* -- what is seen -- */

static emco_status each_live(emco_call *abi, uint64_t since, uint64_t *ret_now, emco_units_each *each, void *data)
{
	struct call     *call = call_of(abi);
	struct unit_row *rows = NULL;
	struct error     err = { 0 };
	struct db       *db = NULL;
	size_t           count = 0;
	int64_t          now_us = 0;
	enum status      st = units_enter(call, &db, &err);

	if (st == ST_OK)
		st = unit_live(db, since > INT64_MAX ? INT64_MAX : (int64_t) since, &call->arena, &rows, &count, &now_us, &err);
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
	*ret_now = now_us > 0 ? (uint64_t) now_us : 0;
	return EMCO_OK;
}

const emco_units_1 extension_units = {
	.size = sizeof extension_units,
	.claim = claim, .renew = renew, .report = report, .each_entry = each_entry, .bodies = read_bodies,
	.each_live = each_live, .watch = sights_watch, .observe = sights_observe, .owns = owns,
};
