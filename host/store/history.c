#include "host/store/history.h"

#include "host/store/db_priv.h"
#include "lib/base/random.h"

#define SQL_TIME(column)  "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

static const struct query add_query = { "history_add",
	"WITH old AS (" SQL_HISTORY_TRIM ")"
	" INSERT INTO history (owner, token, kind, client, request, began, ended, outcome, revision, error)"
	" VALUES ($1, $2, $3, $4, $5, statement_timestamp(), statement_timestamp(), 'done', 0, '')" };

static const struct query list_query = { "history_list",
	"SELECT seq, kind, client, request, " SQL_TIME("began") ", " SQL_TIME("ended") ", outcome, revision, error, warning,"
	" peer FROM history"
	" WHERE owner = $1 AND ($2::bigint = 0 OR seq < $2) ORDER BY seq DESC LIMIT $3" };

static const struct query warn_query = { "history_warn", "UPDATE history SET warning = $3 WHERE owner = $1 AND token = $2" };

enum status history_add(struct db *db, int64_t owner, const char *kind, const struct asker *asker, struct error *err)
{
	return db_query(db, &add_query, PARAMS(P_INT(owner), P_INT(random_id()), P_STR(kind),
	                P_TEXT(asker != NULL ? asker->client : VIEW("")), P_TEXT(asker != NULL ? asker->request : VIEW(""))),
	                EXPECT_NONE, NULL, err);
}

enum status history_warn(struct db *db, int64_t owner, int64_t token, struct view warning, struct error *err)
{
	return db_query(db, &warn_query, PARAMS(P_INT(owner), P_INT(token), P_TEXT(warning)), EXPECT_NONE, NULL, err);
}

struct listing {
	history_each *each;
	void         *data;
};

static enum status history_row(void *data, const struct rows *row, struct error *err)
{
	const struct listing    *listing = data;
	const struct history_row history = {
		.seq = rows_int(row, 0, 0), .operation = rows_view(row, 0, 1), .client = rows_view(row, 0, 2),
		.request = rows_view(row, 0, 3), .began = rows_view(row, 0, 4), .ended = rows_view(row, 0, 5),
		.outcome = rows_view(row, 0, 6), .revision = rows_int(row, 0, 7), .error = rows_view(row, 0, 8),
		.warning = rows_view(row, 0, 9), .peer = rows_view(row, 0, 10),
	};

	return listing->each(listing->data, &history, err);
}

enum status history_list(struct db *db, int64_t owner, int64_t before, uint64_t limit, history_each *each, void *data,
                         struct error *err)
{
	struct listing listing = { each, data };

	return db_stream(db, &list_query, PARAMS(P_INT(owner), P_INT(before), P_INT((int64_t) limit)), history_row, &listing, err);
}
