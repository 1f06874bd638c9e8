/*
 * unit_report.c - what became of units, many in one statement.
 */
#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

enum { ARRAYS_MAX = 64 << 20, MESSAGE_MAX = 1024 };

/*
 * Of units: $1 ids  $2 leases  $3 outcomes  $4 delays  $5 reachable  $6 errors  $7 generations  $8 sets that were desired, in
 * hex, or empty  $9 their labels  $10 whether the objects are all there are.
 * Of objects: $11 their units  $12 places  $13 names  $14 states  $15 messages.
 * Of hooks: $17 for which move of what is desired  $18 how far they have come, or empty  $19 what is awaited  $20 at which stage.
 *
 * "is_same": since the claim desired has not moved and nobody has doubted what is there, so the report is about what is shown.
 * "is_sure": nobody has doubted; $16 are the doubts before the claim.  What was done under a doubt may be missing, or elsewhere:
 * it stays tried, and all is done again.
 *
 * A hook must not run again because its process has died, nor be passed over: how far they have come counts for this move of
 * what is desired, and for no other.  Whoever goes on reads it with his claim.  What is awaited is shown with its words.
 *
 * The objects are counted before units are joined with them: the planner takes both for few, and would walk all objects once for
 * each unit.
 *
 * "is_even": all that is wanted is there, nothing else is reported, and nobody has anything to say of any of it.  The unit says
 * as much, so no row is written: what is in order costs nothing for each of its objects.
 *
 * NOTE: whoever locks several units locks them in the order of their ids, or two wait for each other.
 */
static const struct query report_query = { "unit_report",
	"WITH self AS MATERIALIZED (SELECT u.id, u.generation = t.generation AS is_same, u.generation - u.move = t.doubts AS is_sure,"
	" t.progress <> '' AND u.move = t.move AS is_noted, t.progress, t.awaits, t.stage,"
	" t.outcome, u.is_wanted AND t.outcome = 1 AS is_brought, u.size, t.delay, t.reachable::smallint AS reachable, t.error,"
	" CASE WHEN t.set <> '' THEN decode(t.set, 'hex') END AS set, t.label, t.whole <> 0 AS is_whole"
	" FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[],"
	" $8::text[], $9::bigint[],"
	" $10::bigint[], $16::bigint[], $17::bigint[], $18::text[], $19::text[], $20::text[])"
	" AS t (unit, lease, outcome, delay, reachable, error, generation, set, label, whole, doubts, move, progress, awaits, stage)"
	" JOIN unit u ON u.id = t.unit AND u.lease = t.lease ORDER BY u.id FOR NO KEY UPDATE OF u),"
	"news AS MATERIALIZED (SELECT DISTINCT ON (s.id, o.name) s.id AS unit, o.name COLLATE \"C\" AS name, o.state::smallint"
	" AS state, o.message,"
	" o.at::int AS at, s.is_brought AND s.is_sure AND o.state = 1 AND o.message = '' AS is_plain, s.size"
	" FROM unnest($11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::text[]) AS o (unit, at, name, state, message)"
	" JOIN self s ON s.id = o.unit AND s.is_same ORDER BY s.id, o.name, o.at),"
	"total AS MATERIALIZED (SELECT unit, count(*) FILTER (WHERE state = 0) AS pending, count(*) FILTER (WHERE state = 1) AS applied,"
	" count(*) FILTER (WHERE state = 2) AS failed, count(*) FILTER (WHERE state = 3) AS retrying, count(*) FILTER (WHERE"
	" state = 4) AS deleted,"
	" bool_and(is_plain) AND count(*) = max(size) AS is_even FROM news GROUP BY unit),"
	"told AS MATERIALIZED (SELECT * FROM news WHERE unit NOT IN (SELECT unit FROM total WHERE is_even)),"
	"put AS (INSERT INTO unit_object AS o (unit, ordinal, name, state, message)"
	" SELECT n.unit, n.at, n.name, n.state, n.message FROM told n"
	" ON CONFLICT (unit, name) DO UPDATE SET ordinal = excluded.ordinal, state = excluded.state, message = excluded.message"
	" WHERE (o.ordinal, o.state, o.message) IS DISTINCT FROM (excluded.ordinal, excluded.state, excluded.message)),"
	"cut AS (DELETE FROM unit_object o USING self s WHERE o.unit = s.id AND s.is_same AND s.is_whole"
	" AND NOT EXISTS (SELECT FROM told n WHERE n.unit = o.unit AND n.name = o.name))"
	"UPDATE unit u SET lease = NULL, lease_host = NULL,"
	" applied = CASE WHEN s.outcome = 1 AND s.is_sure THEN s.set ELSE u.applied END,"
	" label = CASE WHEN s.outcome = 1 AND s.is_sure THEN s.label ELSE u.label END,"
	" tried = CASE WHEN s.outcome = 1 AND s.is_sure THEN '{}' ELSE u.tried END,"
	" is_unsure = u.is_unsure AND NOT (s.outcome = 1 AND s.is_sure),"
	" attempts = CASE WHEN NOT s.is_same OR s.outcome = 4 THEN u.attempts WHEN s.outcome = 1 THEN 0 ELSE u.attempts + 1 END,"
	" progress = CASE WHEN s.is_noted THEN s.progress ELSE u.progress END,"
	" awaits = CASE WHEN s.is_noted THEN s.awaits ELSE u.awaits END,"
	" stage = CASE WHEN s.is_noted THEN s.stage ELSE u.stage END,"
	" is_failed = s.is_same AND s.outcome = 3,"
	" error = CASE WHEN s.is_same OR s.is_noted THEN s.error ELSE u.error END,"
	" reachable = CASE WHEN s.reachable < 0 THEN u.reachable ELSE s.reachable END,"
	" due_at = CASE WHEN u.is_stopped THEN NULL WHEN NOT s.is_same THEN statement_timestamp() WHEN s.outcome = 1 THEN NULL"
	" WHEN s.outcome = 3 AND s.delay = 0 THEN NULL ELSE " SQL_IN_US("s.delay") " END,"
	" pending = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.pending, 0) ELSE u.pending END,"
	" applied_count = CASE WHEN s.is_same AND s.is_whole"
	" THEN coalesce(t.applied, (SELECT size FROM resource_set WHERE digest = s.set), 0) ELSE u.applied_count END,"
	" failed_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.failed, 0) ELSE u.failed_count END,"
	" retrying_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.retrying, 0) ELSE u.retrying_count END,"
	" deleted_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.deleted, 0) ELSE u.deleted_count END,"
	" is_even = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.is_even, s.is_brought) ELSE u.is_even END"
	" FROM self s LEFT JOIN total t ON t.unit = s.id WHERE u.id = s.id"
	" RETURNING u.id, EXISTS (SELECT FROM unit_wait w WHERE w.owner = u.owner AND w.on_app = u.app)" };

enum { ID, LEASE, OUTCOME, DELAY, REACHABLE, GENERATION, LABEL, WHOLE, DOUBTS, MOVE, UNIT_NUMBERS };
enum { OF_UNIT, AT, STATE, OBJECT_NUMBERS };
enum { ERROR, SET, PROGRESS, AWAITS, STAGE, UNIT_TEXTS };
enum { NAME, MESSAGE, OBJECT_TEXTS };

/* The arrays: what stands in one column is together. */
struct columns {
	size_t       units, objects;
	int64_t     *of_units, *of_objects;
	struct view *unit_texts, *object_texts;
	char       (*hex)[DIGEST_HEX_SIZE];
	struct buf   bound[UNIT_NUMBERS + OBJECT_NUMBERS + UNIT_TEXTS + OBJECT_TEXTS];
};

static void columns_done(struct columns *c)
{
	free(c->of_units);
	free(c->of_objects);
	free(c->unit_texts);
	free(c->object_texts);
	free(c->hex);
	for (size_t i = 0; i < ARRAY_LEN(c->bound); i++)
		buf_done(&c->bound[i]);
}

static enum status columns_new(struct columns *c, const struct unit_outcome *outcomes, size_t count, struct error *err)
{
	c->units = count;
	for (size_t i = 0; i < count; i++)
		c->objects += outcomes[i].object_count;
	c->of_units = calloc(count * UNIT_NUMBERS + 1, sizeof(int64_t));
	c->of_objects = calloc(c->objects * OBJECT_NUMBERS + 1, sizeof(int64_t));
	c->unit_texts = calloc(count * UNIT_TEXTS + 1, sizeof(struct view));
	c->object_texts = calloc(c->objects * OBJECT_TEXTS + 1, sizeof(struct view));
	c->hex = calloc(count + 1, sizeof *c->hex);
	for (size_t i = 0; i < ARRAY_LEN(c->bound); i++)
		buf_init(&c->bound[i], ARRAYS_MAX);
	if (c->of_units == NULL || c->of_objects == NULL || c->unit_texts == NULL || c->object_texts == NULL || c->hex == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return ST_OK;
}

/* Messages come from foreign servers, so they are cut, between characters. */
static struct view cut(struct view message)
{
	if (message.len <= MESSAGE_MAX)
		return message;
	message.len = MESSAGE_MAX;
	while (message.len > 0 && ((unsigned char) message.ptr[message.len] & 0xC0) == 0x80)
		message.len--;
	return message;
}

static enum status take_objects(struct columns *c, const struct unit_outcome *outcome, size_t *at, struct error *err)
{
	for (size_t i = 0; i < outcome->object_count; i++, ++*at) {
		const struct object_row *object = &outcome->objects[i];

		if ((unsigned) object->state >= OBJECT_STATES)
			return fail(err, ST_INVALID, "an object's state is 0 to %d, got %d", OBJECT_STATES - 1, (int) object->state);
		c->of_objects[OF_UNIT * c->objects + *at] = outcome->unit->id;
		c->of_objects[AT * c->objects + *at] = (int64_t) i + 1;
		c->of_objects[STATE * c->objects + *at] = object->state;
		c->object_texts[NAME * c->objects + *at] = object->name;
		c->object_texts[MESSAGE * c->objects + *at] = cut(object->message);
	}
	return ST_OK;
}

static enum status take(struct columns *c, const struct unit_outcome *outcomes, size_t count, struct error *err)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const struct unit_outcome *outcome = &outcomes[i];
		const struct unit_row     *unit = outcome->unit;
		const int64_t numbers[UNIT_NUMBERS] = {
			[ID] = unit->id, [LEASE] = unit->lease, [OUTCOME] = outcome->kind, [DELAY] = outcome->retry_after_ns / 1000,
			[REACHABLE] = outcome->reachable, [GENERATION] = unit->generation, [LABEL] = unit->status_context,
			[WHOLE] = outcome->object_count > 0 || outcome->kind == UNIT_DONE,
			[DOUBTS] = unit->generation - unit->move, [MOVE] = unit->move,
		};

		if (unit->has_desired)
			digest_hex(&unit->desired, c->hex[i]);
		const struct view texts[UNIT_TEXTS] = {
			[ERROR] = outcome->error, [SET] = view_of(c->hex[i]), [PROGRESS] = outcome->progress, [AWAITS] = outcome->awaits,
			[STAGE] = outcome->stage,
		};
		for (size_t n = 0; n < UNIT_NUMBERS; n++)
			c->of_units[n * count + i] = numbers[n];
		for (size_t n = 0; n < UNIT_TEXTS; n++)
			c->unit_texts[n * count + i] = texts[n];

		const enum status st = take_objects(c, outcome, &at, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status bind(struct columns *c, struct error *err)
{
	struct buf *to = c->bound;
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < UNIT_NUMBERS; i++)
		st = param_ints(to++, c->of_units + i * c->units, c->units, err);
	for (size_t i = 0; st == ST_OK && i < OBJECT_NUMBERS; i++)
		st = param_ints(to++, c->of_objects + i * c->objects, c->objects, err);
	for (size_t i = 0; st == ST_OK && i < UNIT_TEXTS; i++)
		st = param_texts(to++, c->unit_texts + i * c->units, c->units, err);
	for (size_t i = 0; st == ST_OK && i < OBJECT_TEXTS; i++)
		st = param_texts(to++, c->object_texts + i * c->objects, c->objects, err);
	return st;
}

enum status unit_report(struct db *db, const struct unit_outcome *outcomes, size_t count, size_t *ret_stored, bool *ret_wakes,
                        struct error *err)
{
	CLEANUP(columns_done) struct columns c = { .units = 0 };
	auto_rows *rows = NULL;

	*ret_stored = 0;
	*ret_wakes = false;
	if (count == 0)
		return ST_OK;
	enum status st = columns_new(&c, outcomes, count, err);
	if (st == ST_OK)
		st = take(&c, outcomes, count, err);
	if (st == ST_OK)
		st = bind(&c, err);
	if (st != ST_OK)
		return st;

#define P_COLUMN(column)  P_BYTES(buf_view(&(column)))
	const struct buf *unit = c.bound, *object = unit + UNIT_NUMBERS, *text = object + OBJECT_NUMBERS, *object_text = text + UNIT_TEXTS;
	st = db_query(db, &report_query, PARAMS(P_COLUMN(unit[ID]), P_COLUMN(unit[LEASE]), P_COLUMN(unit[OUTCOME]), P_COLUMN(unit[DELAY]),
	              P_COLUMN(unit[REACHABLE]), P_COLUMN(text[ERROR]), P_COLUMN(unit[GENERATION]), P_COLUMN(text[SET]),
	              P_COLUMN(unit[LABEL]), P_COLUMN(unit[WHOLE]), P_COLUMN(object[OF_UNIT]), P_COLUMN(object[AT]),
	              P_COLUMN(object_text[NAME]), P_COLUMN(object[STATE]), P_COLUMN(object_text[MESSAGE]), P_COLUMN(unit[DOUBTS]),
	              P_COLUMN(unit[MOVE]), P_COLUMN(text[PROGRESS]), P_COLUMN(text[AWAITS]), P_COLUMN(text[STAGE])),
	              EXPECT_ROWS, &rows, err);
#undef P_COLUMN
	if (st != ST_OK)
		return st;
	*ret_stored = rows_count(rows);
	return unit_wait_look(db, rows, 0, 1, ret_wakes, err);
}
