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
 *
 * "is_same": desired has not moved since the claim, so the report is about what is shown.  The objects are counted before
 * units are joined with them: the planner takes both for few, and would walk all objects once for each unit.
 *
 * NOTE: whoever locks several units locks them in the order of their ids, or two wait for each other.
 */
static const struct query report_query = { "unit_report",
	"WITH self AS MATERIALIZED (SELECT u.id, u.generation = t.generation AS is_same, t.outcome, t.delay, t.reachable::smallint AS reachable,"
	" t.error, CASE WHEN t.set <> '' THEN decode(t.set, 'hex') END AS set, t.label, t.whole <> 0 AS is_whole"
	" FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::bigint[],"
	" $10::bigint[]) AS t (unit, lease, outcome, delay, reachable, error, generation, set, label, whole)"
	" JOIN unit u ON u.id = t.unit AND u.lease = t.lease ORDER BY u.id FOR NO KEY UPDATE OF u),"
	"news AS MATERIALIZED (SELECT DISTINCT ON (s.id, o.name) s.id AS unit, o.name COLLATE \"C\" AS name, o.state::smallint AS state, o.message,"
	" o.at::int AS at FROM unnest($11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::text[]) AS o (unit, at, name, state, message)"
	" JOIN self s ON s.id = o.unit AND s.is_same ORDER BY s.id, o.name, o.at),"
	"put AS (INSERT INTO unit_object AS o (unit, ordinal, name, state, message)"
	" SELECT n.unit, n.at, n.name, n.state, n.message FROM news n"
	" ON CONFLICT (unit, name) DO UPDATE SET ordinal = excluded.ordinal, state = excluded.state, message = excluded.message"
	" WHERE (o.ordinal, o.state, o.message) IS DISTINCT FROM (excluded.ordinal, excluded.state, excluded.message)),"
	"cut AS (DELETE FROM unit_object o USING self s WHERE o.unit = s.id AND s.is_same AND s.is_whole"
	" AND NOT EXISTS (SELECT FROM news n WHERE n.unit = o.unit AND n.name = o.name)),"
	"total AS MATERIALIZED (SELECT unit, count(*) FILTER (WHERE state = 0) AS pending, count(*) FILTER (WHERE state = 1) AS applied,"
	" count(*) FILTER (WHERE state = 2) AS failed, count(*) FILTER (WHERE state = 3) AS retrying, count(*) FILTER (WHERE state = 4) AS deleted"
	" FROM news GROUP BY unit)"
	"UPDATE unit u SET lease = NULL, lease_host = NULL,"
	" applied = CASE WHEN s.outcome = 1 THEN s.set ELSE u.applied END,"
	" label = CASE WHEN s.outcome = 1 THEN s.label ELSE u.label END,"
	" tried = CASE WHEN s.outcome = 1 THEN '{}' ELSE u.tried END,"
	" is_unsure = u.is_unsure AND s.outcome <> 1,"
	" attempts = CASE WHEN NOT s.is_same OR s.outcome = 4 THEN u.attempts WHEN s.outcome = 1 THEN 0 ELSE u.attempts + 1 END,"
	" is_failed = s.is_same AND s.outcome = 3,"
	" error = CASE WHEN s.is_same THEN s.error ELSE u.error END,"
	" reachable = CASE WHEN s.reachable < 0 THEN u.reachable ELSE s.reachable END,"
	" due_at = CASE WHEN u.is_stopped THEN NULL WHEN NOT s.is_same THEN statement_timestamp() WHEN s.outcome = 1 THEN NULL"
	" WHEN s.outcome = 3 AND s.delay = 0 THEN NULL ELSE " SQL_IN_US("s.delay") " END,"
	" pending = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.pending, 0) ELSE u.pending END,"
	" applied_count = CASE WHEN s.is_same AND s.is_whole"
	" THEN coalesce(t.applied, (SELECT size FROM resource_set WHERE digest = s.set), 0) ELSE u.applied_count END,"
	" failed_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.failed, 0) ELSE u.failed_count END,"
	" retrying_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.retrying, 0) ELSE u.retrying_count END,"
	" deleted_count = CASE WHEN s.is_same AND s.is_whole THEN coalesce(t.deleted, 0) ELSE u.deleted_count END"
	" FROM self s LEFT JOIN total t ON t.unit = s.id WHERE u.id = s.id"
	" RETURNING u.id, EXISTS (SELECT FROM unit_wait w WHERE w.owner = u.owner AND w.on_app = u.app)" };

enum { ID, LEASE, OUTCOME, DELAY, REACHABLE, GENERATION, LABEL, WHOLE, UNIT_NUMBERS };
enum { OF_UNIT, AT, STATE, OBJECT_NUMBERS };

/* The arrays.  Numbers stand column by column. */
struct columns {
	size_t       units, objects;
	int64_t     *of_units, *of_objects;
	struct view *errors, *sets, *names, *messages;
	char       (*hex)[DIGEST_HEX_SIZE];
	struct buf   bound[UNIT_NUMBERS + OBJECT_NUMBERS + 4];
};

static void columns_done(struct columns *c)
{
	free(c->of_units);
	free(c->of_objects);
	free(c->errors);
	free(c->sets);
	free(c->names);
	free(c->messages);
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
	c->errors = calloc(count + 1, sizeof(struct view));
	c->sets = calloc(count + 1, sizeof(struct view));
	c->hex = calloc(count + 1, sizeof *c->hex);
	c->names = calloc(c->objects + 1, sizeof(struct view));
	c->messages = calloc(c->objects + 1, sizeof(struct view));
	for (size_t i = 0; i < ARRAY_LEN(c->bound); i++)
		buf_init(&c->bound[i], ARRAYS_MAX);
	if (c->of_units == NULL || c->of_objects == NULL || c->errors == NULL || c->sets == NULL || c->hex == NULL || c->names == NULL ||
	    c->messages == NULL)
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
		c->names[*at] = object->name;
		c->messages[*at] = cut(object->message);
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
		};

		for (size_t n = 0; n < UNIT_NUMBERS; n++)
			c->of_units[n * count + i] = numbers[n];
		if (unit->has_desired)
			digest_hex(&unit->desired, c->hex[i]);
		c->sets[i] = view_of(c->hex[i]);
		c->errors[i] = outcome->error;

		const enum status st = take_objects(c, outcome, &at, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status bind(struct columns *c, struct error *err)
{
	const struct { const struct view *texts; size_t count; } texts[] = {
		{ c->errors, c->units }, { c->sets, c->units }, { c->names, c->objects }, { c->messages, c->objects },
	};
	struct buf *to = c->bound;
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < UNIT_NUMBERS; i++)
		st = param_ints(to++, c->of_units + i * c->units, c->units, err);
	for (size_t i = 0; st == ST_OK && i < OBJECT_NUMBERS; i++)
		st = param_ints(to++, c->of_objects + i * c->objects, c->objects, err);
	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(texts); i++)
		st = param_texts(to++, texts[i].texts, texts[i].count, err);
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

	const struct buf *unit = c.bound, *object = unit + UNIT_NUMBERS, *text = object + OBJECT_NUMBERS;
	st = db_query(db, &report_query, PARAMS(P_BYTES(buf_view(&unit[ID])), P_BYTES(buf_view(&unit[LEASE])), P_BYTES(buf_view(&unit[OUTCOME])),
	              P_BYTES(buf_view(&unit[DELAY])), P_BYTES(buf_view(&unit[REACHABLE])), P_BYTES(buf_view(&text[0])),
	              P_BYTES(buf_view(&unit[GENERATION])), P_BYTES(buf_view(&text[1])), P_BYTES(buf_view(&unit[LABEL])),
	              P_BYTES(buf_view(&unit[WHOLE])), P_BYTES(buf_view(&object[OF_UNIT])), P_BYTES(buf_view(&object[AT])),
	              P_BYTES(buf_view(&text[2])), P_BYTES(buf_view(&object[STATE])), P_BYTES(buf_view(&text[3]))), EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;
	*ret_stored = rows_count(rows);
	return unit_wait_look(db, rows, 0, 1, ret_wakes, err);
}
