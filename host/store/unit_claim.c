/*
 * Claiming work.  Owners take turns, so that one with a million units delays no other: from the owner after the last one
 * served, the first that has something due is found by one index probe for each owner that has work at all.
 */
#include "host/store/unit.h"

#include "host/store/db_priv.h"
#include "host/store/store_priv.h"
#include "host/store/unit_priv.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	SWEEP_MS    = 100,      /* how often the leases of dead processes are looked for                        */
	MOST_MS     = 2000,     /* when nothing is known to come                                                */
	WATCH_MS    = 200,      /* while other processes hold leases: a death is noticed by looking             */
	AGAIN_MS    = 10,       /* what is due is in another's hands at this moment                             */
	TRIED_MOST  = 8,        /* sets that were begun, before those that tell nothing are forgotten           */
	OWNERS_AT_ONCE = 16,    /* whose units all wait, before somebody else may use the connection            */
	IS_BEGUN = 19, TURN, ACCESS     /* columns behind those of a unit                                       */
};

/*
 * $1 host  $2 limit  $3 lease  $4 token  $5 owner to go on after  $6 how long a wait is no failure, in us
 *
 * Units whose app waits for another are put off, whatever has made them due; after some time they are failed, and still wait.
 *
 * What tells how a cluster is reached is its id and version: the id is another when one has been deleted and made anew.
 *
 * Only one claims from an owner at a time: two who lock its rows side by side would each get a part of what belongs into
 * one batch, and so into one commit.  Who finds an owner taken goes on to the next.
 */
#define SQL_IS_TURN(of)  of ".due_at <= statement_timestamp() AND pg_try_advisory_xact_lock(3, (" of ".owner % 2147483647)::int)"

#define SQL_ACCESS(of) \
	"(SELECT k.id # (k.version << 40) FROM resource k WHERE k.doc IS NOT NULL" \
	" AND k.path = 'cluster-providers/' || replace(" of ".cluster, '+', '/clusters/'))"

#define SQL_LOOK_AGAIN  "interval '2 seconds'"        /* when nobody has told that it is over         */

static const struct query claim_query = { "unit_claim",
	"WITH RECURSIVE turn (owner, is_mine) AS ("
	"(SELECT f.owner, " SQL_IS_TURN("f") " FROM (SELECT owner, due_at FROM unit WHERE due_at IS NOT NULL AND owner > $5"
	" ORDER BY owner, due_at LIMIT 1) AS f)"
	" UNION ALL "
	"SELECT n.owner, " SQL_IS_TURN("n") " FROM turn t, LATERAL (SELECT u.owner, u.due_at FROM unit u WHERE u.due_at IS NOT NULL"
	" AND u.owner > t.owner ORDER BY u.owner, u.due_at LIMIT 1) AS n WHERE NOT t.is_mine),"
	"waits AS MATERIALIZED (SELECT w.*, " SQL_IS_BROUGHT " AND w.unseen = 0 AS is_met FROM (SELECT w.owner, w.app,"
	" w.on_app, w.is_ready, w.wait_s,"
	" w.since, w.met_at, CASE WHEN w.is_ready THEN " SQL_UNSEEN " ELSE 0 END AS unseen"
	" FROM unit_wait w WHERE w.owner = (SELECT owner FROM turn WHERE is_mine LIMIT 1)) AS w),"
	"noted AS (UPDATE unit_wait w SET met_at = CASE WHEN s.is_met THEN statement_timestamp() END FROM waits s"
	" WHERE w.owner = s.owner AND w.app = s.app AND w.on_app = s.on_app AND (s.met_at IS NULL) = s.is_met),"
	"open AS MATERIALIZED (SELECT app, bool_or(" SQL_AFTER_US("since", "$6") " < statement_timestamp()) AS is_late,"
	" max(CASE WHEN is_met THEN coalesce(met_at, statement_timestamp()) + wait_s * interval '1 second'"
	" ELSE statement_timestamp() + " SQL_LOOK_AGAIN " END) AS until,"
	" string_agg(CASE WHEN is_met THEN format('waits %s s after app \"%s\" is ', wait_s, on_app) ELSE format('waits until"
	" app \"%s\" is ', on_app) END ||"
	" CASE WHEN is_ready THEN 'ready' ELSE 'deployed' END || CASE WHEN is_ready AND unseen > 0 THEN"
	" format(', and nobody sees %s of its clusters: one behind Git, or one that is lost, tells no readiness', unseen) ELSE"
	" '' END, '; ' ORDER BY on_app)"
	" AS words FROM waits WHERE NOT (is_met AND coalesce(met_at, statement_timestamp()) + wait_s * interval '1 second'"
	" <= statement_timestamp()) GROUP BY app),"
	"mine AS MATERIALIZED (SELECT id, app, is_wanted AND set = ANY (tried) AS is_begun, " SQL_IS_UNBEGUN("unit") " AS is_unbegun"
	" FROM unit WHERE owner = (SELECT owner FROM turn WHERE is_mine LIMIT 1)"
	" AND due_at <= statement_timestamp() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),"
	"held AS (UPDATE unit u SET due_at = o.until, error = o.words, is_failed = o.is_late FROM mine m JOIN open o ON o.app = m.app"
	" WHERE u.id = m.id AND m.is_unbegun),"
	"claimed AS (UPDATE unit u SET lease = $4, lease_host = $1, due_at = " SQL_IN_US("$3") ", lease_until = " SQL_IN_US("$3") ","
	" tried = CASE WHEN u.is_wanted AND u.set IS DISTINCT FROM u.applied AND u.set <> ALL (u.tried)"
	" THEN array_append(u.tried, u.set) ELSE u.tried END,"
	" is_unsure = u.is_unsure OR (NOT u.is_wanted AND u.applied IS NOT NULL), live_xid = pg_current_xact_id()::text::bigint"
	" FROM mine WHERE u.id = mine.id AND NOT (mine.is_unbegun AND EXISTS (SELECT FROM open o WHERE o.app = mine.app))"
	" RETURNING u.*, mine.is_begun)"
	" SELECT " SQL_UNIT_ROW("c") ", c.is_begun, t.owner, coalesce(" SQL_ACCESS("c") ", 0)"
	" FROM (SELECT owner FROM turn WHERE is_mine LIMIT 1) AS t LEFT JOIN (claimed c"
	" JOIN resource r ON r.id = c.owner LEFT JOIN app_context x ON x.id = c.context) ON true ORDER BY c.id" };

/* Each process that holds leases is one index probe; those whose advisory lock is free are dead. */
static const struct query sweep_query = { "unit_sweep",
	"WITH RECURSIVE holder (host) AS ((SELECT min(lease_host) FROM unit WHERE lease_host IS NOT NULL) UNION ALL"
	" SELECT (SELECT min(lease_host) FROM unit WHERE lease_host > h.host) FROM holder h WHERE h.host IS NOT NULL),"
	"dead AS MATERIALIZED (SELECT host FROM holder WHERE host IS NOT NULL AND host <> $1"
	" AND pg_try_advisory_xact_lock_shared(1, host::int)),"
	"held AS MATERIALIZED (SELECT u.id FROM unit u JOIN dead d ON u.lease_host = d.host ORDER BY u.id FOR NO KEY UPDATE OF u)"
	"UPDATE unit u SET lease = NULL, lease_host = NULL,"
	" due_at = CASE WHEN u.is_stopped THEN NULL ELSE statement_timestamp() END FROM held h WHERE u.id = h.id" };

static const struct query next_query = { "unit_next",
	"SELECT (extract(epoch FROM (SELECT due_at FROM unit WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1)"
	" - statement_timestamp()) * 1000000)::bigint,"
	" coalesce((SELECT max(lease_host) FROM unit WHERE lease_host IS NOT NULL) <> $1"
	" OR (SELECT min(lease_host) FROM unit WHERE lease_host IS NOT NULL) <> $1, false)" };

static const struct query renew_query = { "unit_renew",
	"UPDATE unit SET due_at = " SQL_IN_US("$3") ", lease_until = " SQL_IN_US("$3") " WHERE id = $1 AND lease = $2 AND"
	" due_at IS NOT NULL RETURNING id" };

static enum status sweep(struct store *store, struct db *db, struct error *err)
{
	const int64_t now_ns = clock_ns();
	int64_t       last_ns = store->swept_ns;

	if (now_ns - last_ns < SWEEP_MS * 1000000LL || !atomic_compare_exchange_strong(&store->swept_ns, &last_ns, now_ns))
		return ST_OK;
	return db_query(db, &sweep_query, PARAMS(P_INT(store->host)), EXPECT_NONE, NULL, err);
}

static struct unit_row unit_row_of(const struct rows *rows, size_t i, int64_t lease)
{
	const struct view tried = rows_view(rows, i, 15);

	return (struct unit_row) {
		.id = rows_int(rows, i, 0), .owner = rows_int(rows, i, 1), .generation = rows_int(rows, i, 2),
		.status_context = rows_int(rows, i, 3), .context = rows_int(rows, i, 4),
		.owner_path = rows_view(rows, i, 5), .app = rows_view(rows, i, 6), .cluster = rows_view(rows, i, 7),
		.event = rows_view(rows, i, 8), .meta = rows_view(rows, i, 9),
		.has_desired = rows_bool(rows, i, 10), .has_applied = !rows_is_null(rows, i, 12),
		.desired = rows_digest(rows, i, 11), .applied = rows_digest(rows, i, 12),
		.attempts = rows_int(rows, i, 13), .lease = lease, .label = rows_int(rows, i, 14),
		.tried = (const struct digest *) (const void *) tried.ptr, .tried_count = tried.len / DIGEST_SIZE,
		.is_unsure = rows_bool(rows, i, 16), .move = rows_int(rows, i, 17), .progress = rows_view(rows, i, 18),
	};
}

enum status unit_rows_take(struct rows *rows, int64_t lease, struct arena *arena, struct unit_row **ret_units,
                           size_t *ret_count, struct error *err)
{
	const enum status st = rows_give(rows, arena, err);

	if (st != ST_OK)
		return st;
	const size_t     count = rows_count(rows);
	struct unit_row *units = arena_alloc(arena, count, sizeof *units);
	if (units == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		units[i] = unit_row_of(rows, i, lease);
	*ret_units = units;
	*ret_count = count;
	return ST_OK;
}

struct claim {
	struct store *store;
	uint64_t      limit;
	int64_t       lease_ns, token;
};

/* *ret_turn: whose turn it was, also when all that was due of him waits; 0: nobody's. */
static enum status claim_after(struct db *db, const struct claim *claim, int64_t after, struct arena *arena, struct unit_row **ret_units,
                               size_t *ret_count, int64_t *ret_turn, struct error *err)
{
	struct rows *rows = NULL;

	*ret_turn = 0;
	enum status st = db_query(db, &claim_query, PARAMS(P_INT(claim->store->host), P_INT((int64_t) claim->limit),
	                          P_INT(claim->lease_ns / 1000), P_INT(claim->token), P_INT(after),
	                          P_INT(claim->store->dependency_ns / 1000)), EXPECT_ROWS, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_count(rows) > 0)
		*ret_turn = rows_int(rows, 0, TURN);
	if (*ret_turn != 0 && rows_is_null(rows, 0, 0)) {
		rows_free(rows);
		return ST_OK;
	}
	st = unit_rows_take(rows, claim->token, arena, ret_units, ret_count, err);
	for (size_t i = 0; st == ST_OK && i < *ret_count; i++) {
		(*ret_units)[i].is_begun = rows_bool(rows, i, IS_BEGUN);
		(*ret_units)[i].access = (uint64_t) rows_int(rows, i, ACCESS);
	}
	return st;
}

static enum status read_next(struct store *store, struct db *db, int64_t *ret_next_ns, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &next_query, PARAMS(P_INT(store->host)), EXPECT_ROW, &rows, err);
	if (st != ST_OK)
		return st;
	int64_t next_ns = (rows_bool(rows, 0, 1) ? WATCH_MS : MOST_MS) * 1000000LL;
	if (!rows_is_null(rows, 0, 0) && rows_int(rows, 0, 0) * 1000 < next_ns)
		next_ns = rows_int(rows, 0, 0) * 1000;
	*ret_next_ns = next_ns > AGAIN_MS * 1000000LL ? next_ns : AGAIN_MS * 1000000LL;
	return ST_OK;
}

enum status unit_claim(struct store *store, struct db *db, uint64_t limit, int64_t lease_ns, struct arena *arena,
                       struct unit_row **ret_units, size_t *ret_count, int64_t *ret_next_ns, struct error *err)
{
	struct claim     claim = { .store = store, .limit = limit, .lease_ns = lease_ns, .token = random_id() };
	struct unit_row *units = NULL;
	size_t           count = 0;
	int64_t          next_ns = 0, after = store->claimed, turn = 0;
	bool             is_round = after == 0;
	struct error     unfolded;

	*ret_count = 0;
	*ret_next_ns = WATCH_MS * 1000000LL;
	if (!liveness_is_held(store->liveness))               /* others take us for dead, and would take what we claim */
		return ST_OK;
	enum status st = sweep(store, db, err);
	/* Who has only what waits has had his turn as well: he keeps nobody behind him from theirs. */
	for (int i = 0; st == ST_OK && count == 0 && i < OWNERS_AT_ONCE; i++) {
		st = claim_after(db, &claim, after, arena, &units, &count, &turn, err);
		if (turn == 0 && is_round)
			break;
		is_round = is_round || turn == 0;
		after = turn;
		if (turn != 0)
			store->claimed = turn;
	}
	if (st == ST_OK && count == 0)
		st = read_next(store, db, &next_ns, err);
	/* What cannot be folded is worked on as it is. */
	for (size_t i = 0; st == ST_OK && i < count; i++)
		if (units[i].tried_count > TRIED_MOST && unit_fold(db, arena, &units[i], &unfolded) != ST_OK)
			log_warning("unit.not_folded", "unit", log_num(units[i].id), "error", unfolded.text);
	if (st != ST_OK)
		return st;
	*ret_units = units;
	*ret_count = count;
	*ret_next_ns = next_ns;
	return ST_OK;
}

void unit_claim_init(struct store *store)
{
	condition_init(&store->turn_over);
	pthread_mutex_init(&store->turn_lock, NULL);
}

void unit_claim_done(struct store *store)
{
	pthread_cond_destroy(&store->turn_over);
	pthread_mutex_destroy(&store->turn_lock);
}

bool unit_claim_enter(struct store *store, int64_t until_ns)
{
	const struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };

	pthread_mutex_lock(&store->turn_lock);
	while (store->is_claiming)
		if (pthread_cond_timedwait(&store->turn_over, &store->turn_lock, &until) != 0)
			break;
	const bool is_mine = !store->is_claiming;
	store->is_claiming = true;
	pthread_mutex_unlock(&store->turn_lock);
	return is_mine;
}

void unit_claim_leave(struct store *store)
{
	pthread_mutex_lock(&store->turn_lock);
	store->is_claiming = false;
	pthread_cond_signal(&store->turn_over);
	pthread_mutex_unlock(&store->turn_lock);
}

enum status unit_renew(struct store *store, struct db *db, const struct unit_row *unit, int64_t lease_ns, struct error *err)
{
	auto_rows *rows = NULL;

	(void) store;                             /* the token tells claims apart, also those of one process */
	enum status st = db_query(db, &renew_query, PARAMS(P_INT(unit->id), P_INT(unit->lease), P_INT(lease_ns / 1000)),
	                          EXPECT_MAYBE, &rows, err);
	if (st == ST_OK && rows_count(rows) == 0)
		return fail(err, ST_CONFLICT, "the lease of app \"%.*s\" on cluster \"%.*s\" is lost", (int) unit->app.len,
		            unit->app.ptr, (int) unit->cluster.len, unit->cluster.ptr);
	return st;
}
