#include "tests/unit/store/fixture.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <unistd.h>

enum { WORKERS_MAX = 32 };

static PGconn *admin_open(const char *dsn)
{
	PGconn *conn = PQconnectdb(dsn);

	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("needs a PostgreSQL, EMCO_TEST_DSN=\"%s\": %s", dsn, PQerrorMessage(conn));
	return conn;
}

static const char *server_dsn(void)
{
	const char *dsn = getenv("EMCO_TEST_DSN");

	if (dsn == NULL)
		fail_msg("needs EMCO_TEST_DSN: run it through tests/unit/store/with-postgres");
	return dsn;
}

void fixture_admin(const char *sql)
{
	PGconn   *conn = admin_open(server_dsn());
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQresultErrorMessage(result));
	PQclear(result);
	PQfinish(conn);
}

int64_t fixture_number(struct fixture *fixture, const char *sql)
{
	PGconn   *conn = admin_open(fixture->dsn);
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQresultErrorMessage(result));
	const int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
	PQclear(result);
	PQfinish(conn);
	return number;
}

void fixture_run(struct fixture *fixture, const char *sql)
{
	(void) fixture_number(fixture, sql);
}

void fixture_await_lock(struct fixture *fixture)
{
	const int64_t end_ns = deadline_in_ms(10000);

	while (fixture_number(fixture, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
	                               " AND wait_event_type = 'Lock'") == 0)
		assert_false(deadline_past(end_ns));
}

void assert_status(enum status want, enum status got, const struct error *err)
{
	if (want != got)
		fail_msg("expected %s, got %s: %s", status_name(want), status_name(got), got != ST_OK ? err->text : "");
}

struct work { struct worker worker; unsigned rounds; const char *(*turn)(struct worker *worker, unsigned round); };

static void *work_run(void *data)
{
	struct work *work = data;

	for (unsigned round = 0; round < work->rounds && work->worker.complaint == NULL; round++)
		work->worker.complaint = work->turn(&work->worker, round);
	return NULL;
}

void fixture_together(struct fixture *fixture, unsigned workers, unsigned rounds, const char *(*turn)(struct worker *worker, unsigned round),
                      void *data)
{
	struct work works[WORKERS_MAX];
	pthread_t   threads[WORKERS_MAX];
	const char *complaint = NULL;

	assert_in_range(workers, 1, WORKERS_MAX);
	for (unsigned i = 0; i < workers; i++) {
		works[i] = (struct work) { { .fixture = fixture, .number = i, .data = data }, rounds, turn };
		assert_int_equal(pthread_create(&threads[i], NULL, work_run, &works[i]), 0);
	}
	for (unsigned i = 0; i < workers; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (works[i].worker.complaint != NULL)
			complaint = works[i].worker.complaint;
	}
	if (complaint != NULL)
		fail_msg("%s", complaint);
}

void fixture_store(struct fixture *fixture, struct store *store)
{
	struct error err;
	const struct store_options options = { .pool = { .conninfo = fixture->dsn, .size = 12, .statement_ns = 20000000000 },
	                                       .seal_key_file = fixture->key_file };

	assert_ok(store_open(&options, deadline_in_ms(60000), store, &err));
}

int fixture_open(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct error    err;
	char            sql[128];

	assert_non_null(fixture);
	snprintf(fixture->name, sizeof fixture->name, "test_%ld", (long) getpid());
	snprintf(fixture->dsn, sizeof fixture->dsn, "%s dbname=%s", server_dsn(), fixture->name);
	snprintf(fixture->key_file, sizeof fixture->key_file, "/tmp/%s.key", fixture->name);
	snprintf(sql, sizeof sql, "CREATE DATABASE %s", fixture->name);
	fixture_admin(sql);
	assert_ok(seal_key_make(fixture->key_file, &err));
	fixture_store(fixture, &fixture->store);
	*state = fixture;
	return 0;
}

int fixture_close(void **state)
{
	struct fixture *fixture = *state;
	char            sql[128];

	store_close(&fixture->store);
	snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", fixture->name);
	fixture_admin(sql);
	unlink(fixture->key_file);
	free(fixture);
	return 0;
}

struct db *fixture_db(struct fixture *fixture)
{
	struct db   *db = NULL;
	struct error err;

	assert_ok(db_borrow(fixture->store.pool, deadline_in_ms(30000), &db, &err));
	return db;
}

int64_t fixture_create(struct fixture *fixture, const char *path)
{
	struct db              *db = fixture_db(fixture);
	struct error            err;
	struct resource_written written = { 0 };
	const char             *end = path + strlen(path), *name = strrchr(path, '/') + 1, *type = name - 1;

	while (type > path && type[-1] != '/')
		type--;
	const struct view parent = { path, type > path ? (size_t) (type - path - 1) : 0 };
	const struct resource_write write = { .path = view_of(path), .parent = parent, .name = { name, (size_t) (end - name) },
		.type = { type, (size_t) (name - type - 1) }, .doc = VIEW("{\"metadata\":{}}") };
	assert_ok(resource_write(&fixture->store, db, &write, RESOURCE_CREATE, &written, &err));
	db_return(db);
	return written.id;
}
