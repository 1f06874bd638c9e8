/* The store as a whole: migrations, wake-ups between processes, operations and events. */
#include "host/store/history.h"
#include "tests/unit/store/fixture.h"

#include "host/store/migrate.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_migrating_again_changes_nothing(void **state)
{
	struct error err;
	int          applied = -1;
	struct db   *db = fixture_db(*state);

	assert_ok(migrate(db, &applied, &err));
	assert_int_equal(applied, 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM schema_version"), migration_count);
	db_return(db);
	for (size_t i = 0; i < migration_count; i++)
		assert_int_equal(migrations[i].number, i + 1);
}

static void test_a_newer_schema_is_refused(void **state)
{
	struct error err;
	int          applied = -1;
	struct db   *db = fixture_db(*state);

	fixture_run(*state, "INSERT INTO schema_version VALUES (1000, 'from the future')");
	assert_status(ST_CONFLICT, migrate(db, &applied, &err), &err);
	assert_non_null(strstr(err.text, "the database has schema 1000, this program knows up to"));
	assert_int_equal(applied, -1);
	fixture_run(*state, "DELETE FROM schema_version WHERE number = 1000");
	db_return(db);
}

/* A child of ours that opens the store on an empty database, and tells how many migrations were left for it. */
static pid_t start_process(const struct fixture *fixture, const char *dsn)
{
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	struct store store;
	struct error err;
	const struct store_options options = { .pool = { .conninfo = dsn, .size = 2, .statement_ns = 20000000000 },
	                                       .seal_key_file = fixture->key_file };
	const enum status st = store_open(&options, deadline_in_ms(30000), &store, &err);
	if (st != ST_OK)
		fprintf(stderr, "%s\n", err.text);
	_exit(st == ST_OK ? 0 : 1);
}

static void test_two_processes_may_migrate_at_once(void **state)
{
	struct fixture *fixture = *state;
	char            sql[128], dsn[600];
	int             status;
	pid_t           pids[3];

	snprintf(sql, sizeof sql, "CREATE DATABASE %s_empty", fixture->name);
	fixture_admin(sql);
	snprintf(dsn, sizeof dsn, "%s_empty", fixture->dsn);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		pids[i] = start_process(fixture, dsn);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	snprintf(sql, sizeof sql, "DROP DATABASE %s_empty WITH (FORCE)", fixture->name);
	fixture_admin(sql);
}

static void *notify_soon(void *data)
{
	nanosleep(&(struct timespec) { 0, 20000000 }, NULL);
	store_notify(data, CHANNEL_OUTBOX);
	return NULL;
}

static void test_a_notification_wakes_here_and_elsewhere_once(void **state)
{
	struct fixture *fixture = *state;
	struct store    other;
	uint64_t        here = 0, there = 0, units = 0;
	pthread_t       thread;

	fixture_store(fixture, &other);
	(void) store_wait(&fixture->store, CHANNEL_OUTBOX, &here, clock_ns());
	(void) store_wait(&other, CHANNEL_OUTBOX, &there, clock_ns());
	(void) store_wait(&other, CHANNEL_UNITS, &units, clock_ns());
	assert_int_equal(pthread_create(&thread, NULL, notify_soon, &fixture->store), 0);
	assert_true(store_wait(&fixture->store, CHANNEL_OUTBOX, &here, deadline_in_ms(10000)));
	assert_true(store_wait(&other, CHANNEL_OUTBOX, &there, deadline_in_ms(10000)));
	pthread_join(thread, NULL);
	assert_false(store_wait(&fixture->store, CHANNEL_OUTBOX, &here, deadline_in_ms(50)));
	assert_false(store_wait(&other, CHANNEL_UNITS, &units, deadline_in_ms(1)));
	store_close(&other);
}

static void test_a_lost_listener_comes_back_and_wakes_everybody(void **state)
{
	struct fixture *fixture = *state;
	uint64_t        seen = 0;

	(void) store_wait(&fixture->store, CHANNEL_STATUS, &seen, clock_ns());
	fixture_run(fixture, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
	assert_true(store_wait(&fixture->store, CHANNEL_STATUS, &seen, deadline_in_ms(10000)));

	struct store other;
	uint64_t     there = 0;
	fixture_store(fixture, &other);
	store_notify(&fixture->store, CHANNEL_STATUS);
	assert_true(store_wait(&other, CHANNEL_STATUS, &there, deadline_in_ms(10000)));
	store_close(&other);
}

#define MINUTE_NS  60000000000

static void test_one_operation_runs_on_an_owner(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	struct store    other;
	const int64_t   owner = fixture_create(fixture, "projects/o");
	struct db      *db = fixture_db(fixture);

	int64_t         token, other_token = 0;

	fixture_store(fixture, &other);
	assert_ok(operation_begin(&fixture->store, db, owner, "instantiate", NULL, VIEW(""), MINUTE_NS, false, &token, &err));
	assert_status(ST_CONFLICT, operation_begin(&fixture->store, db, owner, "update", NULL, VIEW(""), MINUTE_NS, false, &other_token, &err), &err);
	assert_non_null(strstr(err.text, "\"projects/o\": instantiate has been running since 2"));
	assert_status(ST_CONFLICT, operation_begin(&other, db, owner, "update", NULL, VIEW(""), MINUTE_NS, true, &other_token, &err), &err);
	assert_status(ST_CONFLICT, operation_end(db, owner, other_token, 3, NULL, &err), &err);
	assert_ok(operation_end(db, owner, token, 3, NULL, &err));
	assert_status(ST_CONFLICT, operation_end(db, owner, token, 3, NULL, &err), &err);
	assert_status(ST_NOT_FOUND, operation_begin(&other, db, 987654321, "update", NULL, VIEW(""), MINUTE_NS, false, &token, &err), &err);

	/* Its lease ended. */
	assert_ok(operation_begin(&fixture->store, db, owner, "instantiate", NULL, VIEW(""), 1000, false, &token, &err));
	nanosleep(&(struct timespec) { 0, 5000000 }, NULL);
	assert_ok(operation_begin(&other, db, owner, "terminate", NULL, VIEW(""), MINUTE_NS, false, &other_token, &err));
	assert_status(ST_CONFLICT, operation_end(db, owner, token, 3, NULL, &err), &err);

	/* Its process is gone. */
	store_close(&other);
	const int64_t until_ns = deadline_in_ms(5000);
	while (operation_begin(&fixture->store, db, owner, "update", NULL, VIEW(""), MINUTE_NS, false, &token, &err) != ST_OK)
		assert_false(deadline_past(until_ns));

	/* It is ours, and nobody's: the one that left it behind must not end its successor. */
	assert_ok(operation_begin(&fixture->store, db, owner, "update", NULL, VIEW(""), MINUTE_NS, true, &other_token, &err));
	assert_status(ST_CONFLICT, operation_end(db, owner, token, 3, NULL, &err), &err);
	assert_ok(operation_end(db, owner, other_token, 0, "it rained", &err));
	db_return(db);

	/* All of that is in the history, each once. */
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM history WHERE outcome = 'done' AND revision = 3 AND error = ''"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM history WHERE outcome = 'lost'"), 3);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM history WHERE outcome = 'failed' AND error = 'it rained'"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM history"), 5);
}

struct seen { int64_t first, last; uint64_t count; };

static enum status see_history(void *data, const struct history_row *row, struct error *err)
{
	struct seen *seen = data;

	(void) err;
	if (seen->count++ == 0)
		seen->first = row->seq;
	seen->last = row->seq;
	return ST_OK;
}

static void test_history_is_bounded_and_read_backwards(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	const int64_t   owner = fixture_create(fixture, "projects/h");
	struct db      *db = fixture_db(fixture);
	struct seen     all = { 0, 0, 0 }, page = { 0, 0, 0 };
	char            statement[256];
	int64_t         token;

	snprintf(statement, sizeof statement, "INSERT INTO history (owner, token, kind, client, request, began, ended, outcome, revision,"
	         " error) SELECT %lld, n, 'update', '', '', now(), now(), 'done', 0, '' FROM generate_series(1, 1200) n", (long long) owner);
	fixture_run(fixture, statement);
	assert_ok(operation_begin(&fixture->store, db, owner, "update", &(const struct asker) { .client = VIEW("here"), .request = VIEW("r") }, VIEW(""), MINUTE_NS, false,
	                          &token, &err));
	assert_ok(operation_end(db, owner, token, 0, NULL, &err));
	assert_ok(history_list(db, owner, 0, 5000, see_history, &all, &err));
	assert_int_equal(all.count, 1000);
	assert_true(all.first > all.last);

	/* A step that is one transaction takes a place of an older one, too. */
	const int64_t oldest = all.last;
	assert_ok(history_add(db, owner, "approve", NULL, &err));
	all = (struct seen) { 0, 0, 0 };
	assert_ok(history_list(db, owner, 0, 5000, see_history, &all, &err));
	assert_int_equal(all.count, 1000);
	assert_true(all.last > oldest);
	assert_ok(history_list(db, owner, all.first, 10, see_history, &page, &err));
	assert_int_equal(page.count, 10);
	assert_true(page.first < all.first && page.last >= all.last);
	db_return(db);
}

static enum status collect_state(void *data, const struct action *action, struct error *err)
{
	return buf_printf(data, err, "%s/%lld/%lld ", action->state, (long long) action->instance, (long long) action->revision);
}

static void test_actions_are_listed_in_order_and_the_last_is_the_state(void **state)
{
	struct error  err;
	struct action last;
	int64_t       revision = 0;
	auto_buf      seen;
	const int64_t owner = fixture_create(*state, "projects/q");
	struct db    *db = fixture_db(*state);

	buf_init(&seen, 4096);
	assert_status(ST_NOT_FOUND, action_last(db, owner, &last, &err), &err);
	assert_ok(action_add(db, owner, &(struct action) { .state = "Approved" }, &err));
	assert_ok(action_add(db, owner, &(struct action) { .state = "Instantiated", .instance = 5, .revision = 3, .at_ms = 1700000000123 }, &err));
	assert_ok(action_add(db, owner, &(struct action) { .state = "Terminated", .instance = 5 }, &err));
	assert_ok(action_list(db, owner, collect_state, &seen, &err));
	assert_string_equal(seen.data, "Approved/0/0 Instantiated/5/3 Terminated/5/0 ");
	assert_ok(action_last(db, owner, &last, &err));
	assert_string_equal(last.state, "Terminated");
	assert_true(last.at_ms > wall_ms() - 60000);
	assert_ok(action_max_revision(db, owner, &revision, &err));
	assert_int_equal(revision, 3);
	assert_int_equal(fixture_number(*state, "SELECT (extract(epoch FROM at) * 1000)::bigint FROM action WHERE revision = 3"), 1700000000123);
	db_return(db);
}

static void test_events_are_delivered_until_done(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	struct store    other;
	struct event   *events = NULL;
	size_t          count = 0;
	auto_arena      arena;
	struct db      *db = fixture_db(fixture);

	arena_init(&arena, 65536);
	fixture_store(fixture, &other);
	assert_ok(outbox_add(db, VIEW("cluster.created"), VIEW("p+1"), &err));
	assert_ok(outbox_add(db, VIEW("cluster.deleted"), VIEW("p+1"), &err));
	assert_ok(outbox_claim(&other, db, 10, 60000000000, &arena, &events, &count, &err));
	assert_int_equal(count, 2);
	assert_true(view_is(events[0].kind, "cluster.created") && view_is(events[1].subject, "p+1") && events[0].attempts == 0);
	assert_ok(outbox_done(db, events[0].id, &err));
	assert_ok(outbox_retry(db, events[1].id, 0, &err));
	assert_ok(outbox_claim(&other, db, 10, 60000000000, &arena, &events, &count, &err));
	assert_true(count == 1 && events[0].attempts == 1);
	assert_ok(outbox_claim(&fixture->store, db, 10, 60000000000, &arena, &events, &count, &err));
	assert_int_equal(count, 0);
	store_close(&other);
	const int64_t until_ns = deadline_in_ms(5000);
	while (count == 0) {
		assert_ok(outbox_claim(&fixture->store, db, 10, 60000000000, &arena, &events, &count, &err));
		assert_false(deadline_past(until_ns));
	}
	assert_ok(outbox_done(db, events[0].id, &err));
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM outbox"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_migrating_again_changes_nothing),
		cmocka_unit_test(test_a_newer_schema_is_refused),
		cmocka_unit_test(test_two_processes_may_migrate_at_once),
		cmocka_unit_test(test_a_notification_wakes_here_and_elsewhere_once),
		cmocka_unit_test(test_a_lost_listener_comes_back_and_wakes_everybody),
		cmocka_unit_test(test_one_operation_runs_on_an_owner),
		cmocka_unit_test(test_history_is_bounded_and_read_backwards),
		cmocka_unit_test(test_actions_are_listed_in_order_and_the_last_is_the_state),
		cmocka_unit_test(test_events_are_delivered_until_done),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
