#include "host/store/store.h"

#include "host/store/db_priv.h"
#include "host/store/migrate.h"
#include "host/store/store_priv.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <inttypes.h>

enum { KNOCK_MS = 100 };

static const struct query ready_query = { "store_ready",
	"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1 AND objid = $1::bigint::oid"
	" AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))" };

/* At boot the database may start after us: knock until it answers. */
static enum status wait_for_database(struct pool *pool, int64_t deadline_ns, struct db **ret_db, struct error *err)
{
	bool is_said = false;

	for (;;) {
		enum status st = db_borrow(pool, deadline_ns, ret_db, err);
		if (st != ST_UNAVAILABLE || deadline_left_ms(deadline_ns) <= KNOCK_MS)
			return st;
		if (!is_said)
			log_info("store.waiting_for_database");
		is_said = true;
		nanosleep(&(struct timespec) { 0, KNOCK_MS * 1000000L }, NULL);
	}
}

static enum status prepare_database(struct pool *pool, int64_t deadline_ns, struct error *err)
{
	auto_db *db = NULL;
	int applied = 0;

	enum status st = wait_for_database(pool, deadline_ns, &db, err);
	return st == ST_OK ? migrate(db, &applied, err) : st;
}

#define DEPENDENCY_NS  (30 * 60 * 1000000000LL)

enum status store_open(const struct store_options *options, int64_t deadline_ns, struct store *ret_store,
                       struct error *err)
{
	const struct fetch_rules rules = fetch_rules_of_machine();
	struct store             store = { .dependency_ns = options->dependency_ns > 0 ? options->dependency_ns : DEPENDENCY_NS };

	enum status st = sealer_open(options->seal_key_file, &store.sealer, err);
	if (st == ST_OK)
		st = pool_open(&options->pool, &store.pool, err);
	if (st == ST_OK)
		st = fetcher_open(&rules, &store.fetcher, err);
	if (st == ST_OK)
		st = prepare_database(store.pool, deadline_ns, err);
	if (st == ST_OK)
		st = liveness_open(options->pool.conninfo, deadline_ns, &store.liveness, &store.host, err);
	if (st == ST_OK)
		st = notifier_open(options->pool.conninfo, deadline_ns, &store.notifier, err);
	if (st != ST_OK) {
		store_close(&store);
		return st;
	}
	memcpy(ret_store, &store, sizeof store);
	unit_claim_init(ret_store);
	return ST_OK;
}

void store_close(struct store *store)
{
	if (store->notifier != NULL)             /* the last that is opened: all of it is there */
		unit_claim_done(store);
	notifier_close(store->notifier);
	liveness_close(store->liveness);
	fetcher_close(store->fetcher);
	pool_close(store->pool);
	sealer_close(store->sealer);
	memset(store, 0, sizeof *store);
}

enum status store_ready(struct store *store, int64_t deadline_ns, struct error *err)
{
	auto_db   *db = NULL;
	auto_rows *rows = NULL;

	enum status st = db_borrow(store->pool, deadline_ns, &db, err);
	if (st == ST_OK)
		st = db_query(db, &ready_query, PARAMS(P_INT(store->host)), EXPECT_ROW, &rows, err);
	if (st != ST_OK)
		return st;
	if (rows_bool(rows, 0, 0) && liveness_is_held(store->liveness))
		return ST_OK;
	fail(err, ST_UNAVAILABLE, "this server has lost its lock in the database");
	return fail_hint(err, "It takes it again by itself in a moment.");
}
