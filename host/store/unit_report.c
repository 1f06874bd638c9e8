#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

enum { ARRAYS_MAX = 64 << 20, MESSAGE_MAX = 1024 };

/*
 * $1 unit  $2 lease  $3 outcome  $4 delay  $5 reachable  $6 error  $7 generation  $8 set that was desired, or null
 * $9 its label  $10 names  $11 states  $12 messages  $13 the objects are all there are
 *
 * "same": desired has not moved since the claim, so the report is about what is shown.
 */
static const struct query report_query = { "unit_report",
	"WITH self AS MATERIALIZED (SELECT id, is_wanted, generation = $7 AS is_same FROM unit WHERE id = $1 AND lease = $2"
	" FOR UPDATE),"
	"news AS MATERIALIZED (SELECT DISTINCT ON (name) o.name COLLATE \"C\" AS name, o.state::smallint AS state, o.message,"
	" o.at::int AS at FROM self, unnest($10::text[], $11::bigint[], $12::text[]) WITH ORDINALITY AS o (name, state, message, at)"
	" WHERE self.is_same ORDER BY name, at),"
	"put AS (INSERT INTO unit_object AS o (unit, ordinal, name, state, message)"
	" SELECT self.id, n.at, n.name, n.state, n.message FROM self, news n"
	" ON CONFLICT (unit, name) DO UPDATE SET ordinal = excluded.ordinal, state = excluded.state, message = excluded.message"
	" WHERE (o.ordinal, o.state, o.message) IS DISTINCT FROM (excluded.ordinal, excluded.state, excluded.message)),"
	"cut AS (DELETE FROM unit_object o USING self WHERE o.unit = self.id AND self.is_same AND $13::boolean"
	" AND o.name NOT IN (SELECT name FROM news)),"
	"total AS MATERIALIZED (SELECT count(*) FILTER (WHERE state = 0) AS pending, count(*) FILTER (WHERE state = 2) AS failed,"
	" count(*) FILTER (WHERE state = 3) AS retrying, count(*) FILTER (WHERE state = 4) AS deleted,"
	" CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE state = 1)"
	" ELSE coalesce((SELECT size FROM resource_set WHERE digest = $8), 0) END AS applied FROM news)"
	"UPDATE unit u SET lease = NULL, lease_host = NULL,"
	" applied = CASE WHEN $3 = 1 THEN $8 ELSE u.applied END,"
	" label = CASE WHEN $3 = 1 THEN $9 ELSE u.label END,"
	" tried = CASE WHEN $3 = 1 THEN '{}' ELSE u.tried END,"
	" is_unsure = u.is_unsure AND $3 <> 1,"
	" attempts = CASE WHEN NOT self.is_same THEN u.attempts WHEN $3 = 1 THEN 0 ELSE u.attempts + 1 END,"
	" is_failed = self.is_same AND $3 = 3,"
	" error = CASE WHEN self.is_same THEN $6 ELSE u.error END,"
	" reachable = CASE WHEN $5::smallint < 0 THEN u.reachable ELSE $5 END,"
	" due_at = CASE WHEN u.is_stopped THEN NULL WHEN NOT self.is_same THEN statement_timestamp() WHEN $3 = 1 THEN NULL"
	" WHEN $3 = 3 AND $4::bigint = 0 THEN NULL ELSE " SQL_IN_US("$4") " END,"
	" pending = CASE WHEN self.is_same AND $13 THEN total.pending ELSE u.pending END,"
	" applied_count = CASE WHEN self.is_same AND $13 THEN total.applied ELSE u.applied_count END,"
	" failed_count = CASE WHEN self.is_same AND $13 THEN total.failed ELSE u.failed_count END,"
	" retrying_count = CASE WHEN self.is_same AND $13 THEN total.retrying ELSE u.retrying_count END,"
	" deleted_count = CASE WHEN self.is_same AND $13 THEN total.deleted ELSE u.deleted_count END"
	" FROM self, total WHERE u.id = self.id RETURNING u.id" };

/* The arrays of objects: names and messages come from a plugin and from foreign servers, so they are cut, not trusted. */
static enum status bind_objects(const struct object_row *objects, size_t count, struct buf *names, struct buf *states,
                                struct buf *messages, struct error *err)
{
	struct view *texts = calloc(count + 1, sizeof *texts);
	int64_t     *numbers = calloc(count + 1, sizeof *numbers);
	enum status  st = texts == NULL || numbers == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : ST_OK;

	for (size_t i = 0; i < count && st == ST_OK; i++) {
		texts[i] = objects[i].message;
		if (texts[i].len > MESSAGE_MAX) {
			texts[i].len = MESSAGE_MAX;
			while (texts[i].len > 0 && ((unsigned char) texts[i].ptr[texts[i].len] & 0xC0) == 0x80)
				texts[i].len--;
		}
		numbers[i] = objects[i].state;
		if ((unsigned) objects[i].state >= OBJECT_STATES)
			st = fail(err, ST_INVALID, "an object's state is 0 to %d, got %d", OBJECT_STATES - 1, (int) objects[i].state);
	}
	if (st == ST_OK)
		st = param_texts_at(names, count > 0 ? &objects->name : NULL, count, sizeof *objects, err);
	if (st == ST_OK)
		st = param_ints(states, numbers, count, err);
	if (st == ST_OK)
		st = param_texts(messages, texts, count, err);
	free(texts);
	free(numbers);
	return st;
}

enum status unit_report(struct store *store, struct db *db, const struct unit_row *unit, const struct unit_outcome *outcome,
                        struct error *err)
{
	auto_buf   names = BUF(ARRAYS_MAX), states = BUF(ARRAYS_MAX), messages = BUF(ARRAYS_MAX);
	auto_rows *rows = NULL;

	(void) store;                             /* the token tells claims apart, also those of one process */
	enum status st = bind_objects(outcome->objects, outcome->object_count, &names, &states, &messages, err);
	if (st == ST_OK)
		st = db_query(db, &report_query, PARAMS(P_INT(unit->id), P_INT(unit->lease), P_INT((int64_t) outcome->kind),
		              P_INT(outcome->retry_after_ns / 1000), P_INT(outcome->reachable), P_TEXT(outcome->error),
		              P_INT(unit->generation), unit->has_desired ? P_DIGEST(&unit->desired) : P_NULL,
		              P_INT(unit->status_context), P_BYTES(buf_view(&names)), P_BYTES(buf_view(&states)),
		              P_BYTES(buf_view(&messages)), P_INT(outcome->object_count > 0 || outcome->kind == UNIT_DONE)),
		              EXPECT_MAYBE, &rows, err);
	if (st == ST_OK && rows_count(rows) == 0)
		return fail(err, ST_CONFLICT, "the lease of app \"%.*s\" on cluster \"%.*s\" is lost", (int) unit->app.len,
		            unit->app.ptr, (int) unit->cluster.len, unit->cluster.ptr);
	return st;
}
