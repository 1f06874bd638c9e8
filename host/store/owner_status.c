/*
 * owner_status.c - what became of all that an owner has, from sums that the database keeps.
 *
 * The sums are those of migration steps 8 and 9: rows of what is more or less since, written by triggers on unit.  Their sum
 * is what a walk over the units would have found.  The triggers fold them now and then; what they leave, as of owners that
 * only their clusters tell something of, is folded with the rest of the collecting.
 */
#include "host/store/db_priv.h"
#include "host/store/unit_priv.h"

#include <stdlib.h>

/* $1 owner  $2 whether clusters that cannot be seen count */
static const struct query read_query = { "owner_status_read",
	"SELECT coalesce(sum(changes), 0)::bigint, coalesce(sum(pending), 0)::bigint, coalesce(sum(applied), 0)::bigint,"
	" coalesce(sum(failed), 0)::bigint, coalesce(sum(retrying), 0)::bigint, coalesce(sum(deleted), 0)::bigint,"
	" coalesce(sum(ready), 0)::bigint, coalesce(sum(not_ready), 0)::bigint, coalesce(sum(absent), 0)::bigint,"
	" coalesce(sum(odd), 0)::bigint, coalesce(sum(busy), 0)::bigint, coalesce(sum(refused), 0)::bigint,"
	" coalesce(sum(left_busy), 0)::bigint, coalesce(sum(left_refused), 0)::bigint,"
	" CASE WHEN $2::bigint <> 0 THEN coalesce((SELECT sum(u.ready_count) FROM cluster_watch w JOIN unit u ON u.cluster = w.cluster"
	" WHERE u.owner = $1 AND u.is_placed AND w.seen_at IS NOT NULL"
	" AND (w.is_lost OR w.until < statement_timestamp() - " SQL_STALE ")), 0) ELSE 0 END::bigint"
	" FROM owner_status WHERE owner = $1" };

static const struct query versions_query = { "owner_status_versions",
	"SELECT coalesce((SELECT sum(changes) FROM owner_status s WHERE s.owner = o.id), 0)::bigint"
	" FROM unnest($1::bigint[]) WITH ORDINALITY AS o (id, at) ORDER BY o.at" };

static const struct query fold_query = { "owner_status_fold_all",
	"SELECT count(owner_status_fold(o.owner))::bigint FROM (SELECT owner FROM owner_status GROUP BY owner HAVING count(*)"
	" > $1 LIMIT $2) AS o" };

enum { VERSION, FIRST_COUNT, READY = FIRST_COUNT + OBJECT_STATES, NOT_READY, ABSENT, ODD, BUSY, REFUSED, LEFT_BUSY, LEFT_REFUSED,
       LOST };

enum status owner_status_fold(struct db *db, uint64_t more_than, uint64_t limit, struct error *err)
{
	auto_rows *rows = NULL;

	return db_query(db, &fold_query, PARAMS(P_INT((int64_t) more_than), P_INT((int64_t) limit)), EXPECT_ROW, &rows, err);
}

enum status owner_status_read(struct db *db, int64_t owner, bool with_lost, struct owner_status *ret_status, struct error *err)
{
	auto_rows *rows = NULL;

	const enum status st = db_query(db, &read_query, PARAMS(P_INT(owner), P_INT(with_lost)), EXPECT_ROW, &rows, err);
	if (st != ST_OK)
		return st;
	const uint64_t lost = (uint64_t) rows_int(rows, 0, LOST);
	*ret_status = (struct owner_status) {
		.version = rows_int(rows, 0, VERSION), .absent = (uint64_t) rows_int(rows, 0, ABSENT),
		.ready = (uint64_t) rows_int(rows, 0, READY) - lost, .not_ready = (uint64_t) rows_int(rows, 0, NOT_READY) + lost,
		.odd = (uint64_t) rows_int(rows, 0, ODD), .busy = (uint64_t) rows_int(rows, 0, BUSY),
		.refused = (uint64_t) rows_int(rows, 0, REFUSED), .left_busy = (uint64_t) rows_int(rows, 0, LEFT_BUSY),
		.left_refused = (uint64_t) rows_int(rows, 0, LEFT_REFUSED),
	};
	for (size_t state = 0; state < OBJECT_STATES; state++)
		ret_status->counts[state] = (uint64_t) rows_int(rows, 0, FIRST_COUNT + state);
	return ST_OK;
}

enum status owner_status_versions(struct db *db, const int64_t *owners, size_t count, int64_t *ret_versions, struct error *err)
{
	auto_buf   numbers = BUF(64 << 20);
	auto_rows *rows = NULL;

	enum status st = param_ints(&numbers, owners, count, err);
	if (st == ST_OK)
		st = db_query(db, &versions_query, PARAMS(P_BYTES(buf_view(&numbers))), EXPECT_ROWS, &rows, err);
	for (size_t i = 0; st == ST_OK && i < rows_count(rows); i++)
		ret_versions[i] = rows_int(rows, i, 0);
	return st;
}
