#include "host/store/migrate.h"

#include "host/store/db_priv.h"
#include "lib/base/log.h"

/* Advisory locks: class 1 is that of hosts, which live; class 2 is ours; class 3 is that of owners who are claimed from. */
static const char lock_sql[] = "SELECT pg_advisory_xact_lock(2, 0)";

static const char table_sql[] =
	"CREATE TABLE IF NOT EXISTS schema_version "
	"(number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";

static const struct query version_query = { "migrate_version", "SELECT coalesce(max(number), 0) FROM schema_version" };

static const struct query record_query = { "migrate_record",
	"INSERT INTO schema_version (number, name) VALUES ($1::int, $2)" };

static enum status read_version(struct db *db, int *ret_version, struct error *err)
{
	auto_rows *rows = NULL;

	enum status st = db_query(db, &version_query, NULL, 0, EXPECT_ROW, &rows, err);
	if (st == ST_OK)
		*ret_version = (int) rows_int(rows, 0, 0);
	return st;
}

static enum status apply(struct db *db, const struct migration *migration, struct error *err)
{
	enum status st = query_command(db, migration->sql, err);

	if (st != ST_OK)
		return fail_within(err, "migration %d, %s", migration->number, migration->name);
	log_info("db.migrated", "number", log_num(migration->number), "name", migration->name);
	return db_query(db, &record_query, PARAMS(P_INT(migration->number), P_STR(migration->name)), EXPECT_NONE, NULL, err);
}

static enum status apply_missing(struct db *db, void *data, struct error *err)
{
	int *applied = data, version = 0;

	*applied = 0;
	enum status st = query_command(db, lock_sql, err);
	if (st == ST_OK)
		st = query_command(db, table_sql, err);
	if (st == ST_OK)
		st = read_version(db, &version, err);
	if (st != ST_OK)
		return st;
	if (version > (int) migration_count) {
		fail(err, ST_CONFLICT, "the database has schema %d, this program knows up to %zu", version, migration_count);
		return fail_hint(err, "Install a newer emcod.");
	}
	for (size_t i = (size_t) version; i < migration_count && st == ST_OK; i++) {
		st = apply(db, &migrations[i], err);
		++*applied;
	}
	return st;
}

enum status migrate(struct db *db, int *ret_applied, struct error *err)
{
	int applied = 0;

	db->is_patient = true;
	enum status st = db_atomically(db, apply_missing, &applied, err);
	db->is_patient = false;
	if (st == ST_OK)
		*ret_applied = applied;
	return st;
}
