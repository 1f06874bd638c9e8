#include "host/store/action.h"

#include "host/store/db_priv.h"

#define SQL_COLUMNS \
	"state, instance, status_context, revision, (extract(epoch FROM at) * 1000)::bigint, seq"

static const struct query list_query = { "action_list",
	"SELECT " SQL_COLUMNS " FROM action WHERE owner = $1 ORDER BY seq" };

static const struct query last_query = { "action_last",
	"SELECT " SQL_COLUMNS " FROM action WHERE owner = $1 ORDER BY seq DESC LIMIT 1" };

static const struct query last_of_query = { "action_last_of",
	"SELECT " SQL_COLUMNS " FROM unnest($1::bigint[]) WITH ORDINALITY AS o (id, at_place) LEFT JOIN LATERAL"
	" (SELECT * FROM action a WHERE a.owner = o.id ORDER BY a.seq DESC LIMIT 1) AS a ON true ORDER BY o.at_place" };

static const struct query add_query = { "action_add",
	"WITH labelled AS (INSERT INTO owner_label (owner, status_context) SELECT $1::bigint, $4::bigint"
	" WHERE $2::text = 'Instantiated' AND $4::bigint <> 0 ON CONFLICT DO NOTHING)"
	"INSERT INTO action (owner, seq, state, instance, status_context, revision, at)"
	" SELECT $1, coalesce((SELECT max(seq) FROM action WHERE owner = $1), 0) + 1, $2, $3, $4, $5,"
	" CASE WHEN $6::bigint = 0 THEN statement_timestamp() ELSE to_timestamp($6::bigint / 1000.0) END" };

static const struct query max_revision_query = { "action_max_revision",
	"SELECT coalesce(max(revision), 0) FROM action WHERE owner = $1" };

static void read_action(const struct rows *rows, size_t at, struct action *action)
{
	const struct view state = rows_view(rows, at, 0);

	*action = (struct action) { .instance = rows_int(rows, at, 1), .status_context = rows_int(rows, at, 2),
	                            .revision = rows_int(rows, at, 3), .at_ms = rows_int(rows, at, 4),
	                            .seq = rows_int(rows, at, 5) };
	snprintf(action->state, sizeof action->state, "%.*s", (int) state.len, state.ptr);
}

struct listing {
	action_each *each;
	void        *data;
};

static enum status action_row(void *data, const struct rows *row, struct error *err)
{
	const struct listing *listing = data;
	struct action         action;

	read_action(row, 0, &action);
	return listing->each(listing->data, &action, err);
}

enum status action_list(struct db *db, int64_t owner, action_each *each, void *data, struct error *err)
{
	struct listing listing = { each, data };

	return db_stream(db, &list_query, PARAMS(P_INT(owner)), action_row, &listing, err);
}

enum status action_last(struct db *db, int64_t owner, struct action *ret_action, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &last_query, PARAMS(P_INT(owner)), EXPECT_MAYBE, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) == 0)
		return fail(err, ST_NOT_FOUND, "there is no life cycle of this resource");
	read_action(rows, 0, ret_action);
	return ST_OK;
}

enum status action_last_of(struct db *db, const int64_t *owners, size_t count, struct action *ret_actions, struct error *err)
{
	auto_buf   numbers = BUF(64 << 20);
	auto_rows *rows = NULL;

	enum status st = param_ints(&numbers, owners, count, err);
	if (st == ST_OK)
		st = db_query(db, &last_of_query, PARAMS(P_BYTES(buf_view(&numbers))), EXPECT_ROWS, &rows, err);
	for (size_t i = 0; st == ST_OK && i < rows_count(rows); i++)
		read_action(rows, i, &ret_actions[i]);
	return st;
}

enum status action_add(struct db *db, int64_t owner, const struct action *action, struct error *err)
{
	return db_query(db, &add_query, PARAMS(P_INT(owner), P_STR(action->state), P_INT(action->instance),
	                P_INT(action->status_context), P_INT(action->revision), P_INT(action->at_ms)), EXPECT_NONE, NULL, err);
}

enum status action_max_revision(struct db *db, int64_t owner, int64_t *ret_revision, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &max_revision_query, PARAMS(P_INT(owner)), EXPECT_ROW, &rows, err);
	if (st == ST_OK)
		*ret_revision = rows_int(rows, 0, 0);
	return st;
}
