/* The pool and the one function that runs queries: shapes, deadlines, transactions, bulk, and a database that goes away. */
#include "tests/unit/store/fixture.h"

#include <pthread.h>
#include <unistd.h>

static const struct query one_query = { "test_one", "SELECT $1::bigint, $2::text, $3::bytea, $4::boolean, NULL::text" };
static const struct query many_query = { "test_many", "SELECT n FROM generate_series(1, $1::bigint) n" };
static const struct query wrong_query = { "test_wrong", "SELECT nonsense" };
static const struct query insert_query = { "test_insert", "INSERT INTO item (id, text, bytes) VALUES ($1, $2, $3)" };

static void test_values_come_back_as_they_were_given(void **state)
{
	struct error err;
	auto_rows   *rows = NULL;
	struct db   *db = fixture_db(*state);

	for (int round = 0; round < 2; round++) {           /* prepared the first time, found the second */
		rows_free(rows);
		assert_ok(db_query(db, &one_query, PARAMS(P_INT(INT64_MIN), P_STR("\xc3\xa4'\\"), P_BYTES(VIEW("\0\xff\x01")), P_INT(1)),
		                   EXPECT_ROW, &rows, &err));
	}
	assert_true(rows_int(rows, 0, 0) == INT64_MIN && view_is(rows_view(rows, 0, 1), "\xc3\xa4'\\"));
	assert_int_equal(rows_view(rows, 0, 2).len, 3);
	assert_memory_equal(rows_view(rows, 0, 2).ptr, "\0\xff\x01", 3);
	assert_true(rows_bool(rows, 0, 3) && rows_is_null(rows, 0, 4) && !rows_is_null(rows, 0, 3));
	db_return(db);
}

static const struct { int64_t rows; enum expect expect; enum status want; } shapes[] = {
	{ 0, EXPECT_NONE,  ST_OK       }, { 1, EXPECT_NONE,  ST_INTERNAL },
	{ 0, EXPECT_ROW,   ST_NOT_FOUND }, { 1, EXPECT_ROW,   ST_OK      }, { 2, EXPECT_ROW,   ST_INTERNAL },
	{ 0, EXPECT_MAYBE, ST_OK       }, { 1, EXPECT_MAYBE, ST_OK       }, { 2, EXPECT_MAYBE, ST_INTERNAL },
	{ 0, EXPECT_ROWS,  ST_OK       }, { 9, EXPECT_ROWS,  ST_OK       },
};

static void test_an_answer_of_another_shape_is_a_fault(void **state)
{
	struct error err;
	struct db   *db = fixture_db(*state);

	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		assert_status(shapes[i].want, db_query(db, &many_query, PARAMS(P_INT(shapes[i].rows)), shapes[i].expect, NULL, &err), &err);
	assert_status(ST_INTERNAL, db_query(db, &wrong_query, NULL, 0, EXPECT_ROW, NULL, &err), &err);
	assert_string_equal(db_sqlstate(db), "42703");
	assert_status(ST_INVALID, db_query(db, &one_query, PARAMS(P_INT(1), P_STR("\xff"), P_NULL, P_NULL), EXPECT_ROW, NULL, &err), &err);
	assert_ok(db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err));
	db_return(db);
}

static void test_a_late_statement_ends_here_at_once_and_in_the_server_soon(void **state)
{
	/* What it does, and what it waits for. */
	static const struct query late[] = { { "test_late_sleep", "SELECT pg_sleep(20)" },
	                                     { "test_late_lock", "SELECT pg_advisory_lock(77, 77)" } };
	struct fixture *fixture = *state;
	struct error    err;
	struct db      *db = NULL, *holder = fixture_db(fixture);

	assert_ok(db_query(holder, &late[1], NULL, 0, EXPECT_ROW, NULL, &err));
	for (size_t i = 0; i < ARRAY_LEN(late); i++) {
		assert_ok(db_borrow(fixture->store.pool, deadline_in_ms(100), &db, &err));
		const int64_t from_ns = clock_ns();
		assert_status(ST_DEADLINE, db_query(db, &late[i], NULL, 0, EXPECT_ROW, NULL, &err), &err);
		assert_string_equal(err.text, "the database did not answer in time");
		assert_true(clock_ns() - from_ns < 1000000000);
		assert_status(ST_DEADLINE, db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err), &err);
		const unsigned open = pool_state(fixture->store.pool).open;
		db_return(db);
		assert_int_equal(pool_state(fixture->store.pool).open, open - 1);
	}
	const int64_t until_ns = deadline_in_ms(10000);
	while (fixture_number(fixture, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
	                               " AND query ~ 'pg_sleep\\(20|pg_advisory_lock\\(77' AND pid <> pg_backend_pid()") > 0)
		assert_false(deadline_past(until_ns));
	db = fixture_db(fixture);
	assert_ok(db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err));
	db_return(db);
	db_return(holder);
}

static void test_a_full_pool_says_so_at_the_deadline(void **state)
{
	struct fixture *fixture = *state;
	struct pool    *pool = NULL;
	struct db      *db = NULL, *second = NULL;
	struct error    err;
	const struct pool_options options = { .conninfo = fixture->dsn, .size = 1, .statement_ns = 5000000000 };

	assert_ok(pool_open(&options, &pool, &err));
	assert_ok(db_borrow(pool, deadline_in_ms(5000), &db, &err));
	assert_status(ST_UNAVAILABLE, db_borrow(pool, deadline_in_ms(50), &second, &err), &err);
	assert_string_equal(err.text, "all 1 database connections are busy");
	assert_null(second);
	db_return(db);
	assert_ok(db_borrow(pool, deadline_in_ms(50), &db, &err));
	db_return(db);
	assert_int_equal(pool_state(pool).busy, 0);
	pool_close(pool);
}

static void test_an_open_transaction_is_rolled_back_when_returned(void **state)
{
	struct error err;
	struct db   *db = fixture_db(*state);

	assert_ok(db_begin(db, &err));
	assert_ok(db_query(db, &insert_query, PARAMS(P_INT(1), P_STR("gone"), P_NULL), EXPECT_NONE, NULL, &err));
	db_return(db);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM item WHERE text = 'gone'"), 0);

	db = fixture_db(*state);
	assert_ok(db_begin(db, &err));
	assert_ok(db_query(db, &insert_query, PARAMS(P_INT(2), P_STR("twice"), P_NULL), EXPECT_NONE, NULL, &err));
	assert_status(ST_EXISTS, db_query(db, &insert_query, PARAMS(P_INT(2), P_STR("twice"), P_NULL), EXPECT_NONE, NULL, &err), &err);
	assert_string_equal(db_constraint(db), "item_pkey");
	assert_status(ST_INTERNAL, db_commit(db, &err), &err);
	db_return(db);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM item WHERE text = 'twice'"), 0);
}

static void test_queued_statements_stand_or_fall_together(void **state)
{
	struct error err;
	struct db   *db = fixture_db(*state);

	for (int i = 0; i < 500; i++)
		assert_ok(db_send(db, &insert_query, PARAMS(P_INT(3000 + i), P_STR("queued"), P_NULL), &err));
	assert_ok(db_flush(db, &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM item WHERE text = 'queued'"), 500);
	assert_ok(db_send(db, &insert_query, PARAMS(P_INT(4000), P_STR("first"), P_NULL), &err));
	assert_ok(db_send(db, &insert_query, PARAMS(P_INT(3000), P_STR("double"), P_NULL), &err));
	assert_ok(db_send(db, &insert_query, PARAMS(P_INT(4001), P_STR("last"), P_NULL), &err));
	assert_status(ST_EXISTS, db_flush(db, &err), &err);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM item WHERE id IN (4000, 4001)"), 0);
	assert_ok(db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err));
	db_return(db);
}

/* Two transactions that take two rows in opposite order. */
struct crossing {
	struct fixture   *fixture;
	int64_t           first, second;
	pthread_barrier_t *meet;
	int               tries;
	enum status       st;
};

static const struct query touch_query = { "test_touch", "UPDATE item SET text = text || '+' WHERE id = $1" };

static enum status cross(struct db *db, void *data, struct error *err)
{
	struct crossing *crossing = data;

	enum status st = db_query(db, &touch_query, PARAMS(P_INT(crossing->first)), EXPECT_NONE, NULL, err);
	if (crossing->tries++ == 0)
		pthread_barrier_wait(crossing->meet);
	return st == ST_OK ? db_query(db, &touch_query, PARAMS(P_INT(crossing->second)), EXPECT_NONE, NULL, err) : st;
}

static void *run_cross(void *data)
{
	struct crossing *crossing = data;
	struct error     err;

	crossing->st = db_transaction(crossing->fixture->store.pool, deadline_in_ms(20000), cross, crossing, &err);
	return NULL;
}

static void test_a_deadlock_is_tried_again(void **state)
{
	pthread_barrier_t meet;
	pthread_t         thread;
	struct crossing   a = { *state, 5001, 5002, &meet, 0, ST_OK }, b = { *state, 5002, 5001, &meet, 0, ST_OK };

	fixture_run(*state, "INSERT INTO item VALUES (5001, '', NULL), (5002, '', NULL)");
	pthread_barrier_init(&meet, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, run_cross, &a), 0);
	run_cross(&b);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&meet);
	assert_true(a.st == ST_OK && b.st == ST_OK && a.tries + b.tries >= 3);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM item WHERE text = '++'"), 2);
}

static void test_a_killed_connection_is_replaced_before_use(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;

	db_return(fixture_db(fixture));
	fixture_run(fixture, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
	for (int i = 0; i < 5; i++) {
		struct db *db = fixture_db(fixture);
		assert_ok(db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err));
		db_return(db);
	}

	struct db *db = fixture_db(fixture);
	fixture_run(fixture, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
	assert_status(ST_UNAVAILABLE, db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err), &err);
	assert_status(ST_UNAVAILABLE, db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err), &err);
	db_return(db);

	/* The background connections come back too. */
	const int64_t until_ns = deadline_in_ms(10000);
	while (store_ready(&fixture->store, deadline_in_ms(1000), &err) != ST_OK)
		assert_false(deadline_past(until_ns));
}

static void server(const char *command, const char *dir)
{
	char line[512];

	snprintf(line, sizeof line, "\"$EMCO_DEV_POSTGRES\" %s %s >/dev/null", command, dir);
	assert_int_equal(system(line), 0);
}

static void read_dsn(const char *dir, char *dsn, size_t size)
{
	char line[512];

	snprintf(line, sizeof line, "\"$EMCO_DEV_POSTGRES\" dsn %s", dir);
	FILE *pipe = popen(line, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(dsn, (int) size, pipe));
	pclose(pipe);
	dsn[strcspn(dsn, "\n")] = '\0';
}

static void test_a_database_that_stops_and_starts_is_survived(void **state)
{
	struct fixture *fixture = *state;
	struct store    store;
	struct error    err;
	struct db      *db = NULL;
	char            dir[64], dsn[512];

	snprintf(dir, sizeof dir, "/tmp/emcod-test-restart-%ld", (long) getpid());
	server("start", dir);
	read_dsn(dir, dsn, sizeof dsn);
	const struct store_options options = { .pool = { .conninfo = dsn, .size = 4, .statement_ns = 5000000000 },
	                                       .seal_key_file = fixture->key_file };
	assert_ok(store_open(&options, deadline_in_ms(30000), &store, &err));
	assert_ok(store_ready(&store, deadline_in_ms(5000), &err));

	server("stop", dir);
	for (int i = 0; i < 200; i++) {
		const int64_t from_ns = clock_ns();
		assert_status(ST_UNAVAILABLE, db_borrow(store.pool, deadline_in_ms(5000), &db, &err), &err);
		assert_true(clock_ns() - from_ns < 1000000000);
	}
	assert_string_equal(err.text, "the database does not answer");
	assert_true(pool_state(store.pool).failures < 20);          /* most callers did not even knock */

	server("start", dir);
	const int64_t until_ns = deadline_in_ms(10000);
	while (store_ready(&store, deadline_in_ms(1000), &err) != ST_OK) {
		assert_false(deadline_past(until_ns));
		nanosleep(&(struct timespec) { 0, 20000000 }, NULL);
	}
	assert_ok(db_borrow(store.pool, deadline_in_ms(5000), &db, &err));
	assert_ok(db_query(db, &many_query, PARAMS(P_INT(1)), EXPECT_ROW, NULL, &err));
	db_return(db);
	store_close(&store);
	server("remove", dir);
}

static int open_with_table(void **state)
{
	fixture_open(state);
	fixture_run(*state, "CREATE TABLE item (id bigint PRIMARY KEY, text text, bytes bytea)");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_back_as_they_were_given),
		cmocka_unit_test(test_an_answer_of_another_shape_is_a_fault),
		cmocka_unit_test(test_a_late_statement_ends_here_at_once_and_in_the_server_soon),
		cmocka_unit_test(test_a_full_pool_says_so_at_the_deadline),
		cmocka_unit_test(test_an_open_transaction_is_rolled_back_when_returned),
		cmocka_unit_test(test_queued_statements_stand_or_fall_together),
		cmocka_unit_test(test_a_deadlock_is_tried_again),
		cmocka_unit_test(test_a_killed_connection_is_replaced_before_use),
		cmocka_unit_test(test_a_database_that_stops_and_starts_is_survived),
	};

	return cmocka_run_group_tests(tests, open_with_table, fixture_close);
}
