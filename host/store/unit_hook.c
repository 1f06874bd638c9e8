/*
 * unit_hook.c - how far the hooks of units have come.
 *
 * A hook must not run again because its process has died, nor be passed over: what was noted counts for this move of what is
 * desired, and for no other.  Whoever goes on reads it with his claim.
 */
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

#include <stdlib.h>

enum { ARRAYS_MAX = 64 << 20 };

/* $1 ids  $2 leases  $3 moves  $4 progress  $5 awaits  $6 stages */
static const struct query note_query = { "unit_hook_note",
	"WITH held AS MATERIALIZED (SELECT u.id, t.progress, t.awaits, t.stage"
	" FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[]) AS t (id, lease, move, progress, awaits, stage)"
	" JOIN unit u ON u.id = t.id AND u.lease = t.lease AND u.move = t.move ORDER BY u.id FOR NO KEY UPDATE OF u)"
	"UPDATE unit u SET progress = h.progress, awaits = h.awaits, stage = h.stage FROM held h WHERE u.id = h.id"
	" AND (u.progress, u.awaits, u.stage) IS DISTINCT FROM (h.progress, h.awaits, h.stage)" };

struct columns {
	int64_t     *numbers;            /* ids, leases, moves                                        */
	struct view *texts;              /* progress, awaits, stages                                  */
	struct buf   bound[6];
};

static void columns_done(struct columns *c)
{
	free(c->numbers);
	free(c->texts);
	for (size_t i = 0; i < ARRAY_LEN(c->bound); i++)
		buf_done(&c->bound[i]);
}

static enum status columns_bind(struct columns *c, const struct unit_outcome *outcomes, size_t count, size_t noted, struct error *err)
{
	enum status st = ST_OK;
	size_t      at = 0;

	for (size_t i = 0; i < ARRAY_LEN(c->bound); i++)
		buf_init(&c->bound[i], ARRAYS_MAX);
	c->numbers = calloc(3 * noted, sizeof *c->numbers);
	c->texts = calloc(3 * noted, sizeof *c->texts);
	if (c->numbers == NULL || c->texts == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const struct unit_outcome *outcome = &outcomes[i];

		if (outcome->progress.len == 0)
			continue;
		c->numbers[at] = outcome->unit->id;
		c->numbers[noted + at] = outcome->unit->lease;
		c->numbers[2 * noted + at] = outcome->unit->move;
		c->texts[at] = outcome->progress;
		c->texts[noted + at] = outcome->awaits;
		c->texts[2 * noted + at] = outcome->stage;
		at++;
	}
	for (size_t i = 0; st == ST_OK && i < 3; i++)
		st = param_ints(&c->bound[i], c->numbers + i * noted, noted, err);
	for (size_t i = 0; st == ST_OK && i < 3; i++)
		st = param_texts(&c->bound[3 + i], c->texts + i * noted, noted, err);
	return st;
}

enum status unit_hook_note(struct db *db, const struct unit_outcome *outcomes, size_t count, struct error *err)
{
	CLEANUP(columns_done) struct columns c = { .numbers = NULL };
	size_t noted = 0;

	for (size_t i = 0; i < count; i++)
		noted += outcomes[i].progress.len > 0;
	if (noted == 0)
		return ST_OK;
	const enum status st = columns_bind(&c, outcomes, count, noted, err);
	return st != ST_OK ? st : db_query(db, &note_query, PARAMS(P_BYTES(buf_view(&c.bound[0])), P_BYTES(buf_view(&c.bound[1])),
	                                   P_BYTES(buf_view(&c.bound[2])), P_BYTES(buf_view(&c.bound[3])), P_BYTES(buf_view(&c.bound[4])),
	                                   P_BYTES(buf_view(&c.bound[5]))), EXPECT_NONE, NULL, err);
}
