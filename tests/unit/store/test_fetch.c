/* Reads that share statements: each gets its own, nobody what was before he asked, and nobody another's fault or delay. */
#include "tests/unit/store/fixture.h"

#include "host/store/resource.h"
#include "host/store/db_priv.h"
#include "host/store/store_priv.h"

#include <pthread.h>

enum { THREADS = 12, ROUNDS = 300, RESOURCES = 40, MS = 1000000 };

static void use_rules(struct fixture *fixture, struct fetch_rules rules)
{
	struct error err;

	fetcher_close(fixture->store.fetcher);
	fixture->store.fetcher = NULL;
	assert_ok(fetcher_open(&rules, &fixture->store.fetcher, &err));
}

/* One at a time, so that all that come meanwhile share the next; and some, each of which soon has lost its turn. */
static const struct fetch_rules patient = { .at_once = 1, .late_ns = 10000LL * MS, .shared_ns = 10000LL * MS };
static const struct fetch_rules hasty = { .at_once = 3, .late_ns = MS / 10, .shared_ns = 10000LL * MS };

static void together(struct fixture *fixture, const char *(*turn)(struct worker *, unsigned))
{
	fixture_together(fixture, THREADS, ROUNDS, turn, NULL);
}

static enum status write_doc(struct fixture *fixture, const char *path, const char *doc, bool is_secret, struct resource_written *ret_written)
{
	struct db   *db = NULL;
	struct error err;
	const struct resource_write write = { .path = view_of(path), .type = VIEW("thing"), .name = VIEW("n"), .doc = view_of(doc),
	                                      .is_secret = is_secret };

	enum status st = db_borrow(fixture->store.pool, deadline_in_ms(30000), &db, &err);
	if (st == ST_OK)
		st = resource_write(&fixture->store, db, &write, RESOURCE_CREATE_OR_REPLACE, ret_written, &err);
	db_return(db);
	return st;
}

static enum status fetch(struct fixture *fixture, struct view path, int64_t deadline_ns, struct buf *doc, struct resource_seen *ret_seen,
                         struct error *err)
{
	*err = (struct error) { .text = "" };
	return resource_fetch(&fixture->store, path, deadline_ns, doc, ret_seen, err);
}

/* -- each its own -- */

static const char *read_any(struct worker *reader, unsigned round)
{
	const unsigned       number = (round * 7 + reader->number * 13) % RESOURCES;
	char                 path[64], want[128];
	struct resource_seen seen = { .id = 0 };
	struct error         err;
	auto_buf             doc = BUF(4096);

	snprintf(path, sizeof path, "things/f%u", number);
	enum status st = fetch(reader->fixture, view_of(path), deadline_in_ms(30000), &doc, &seen, &err);
	if (number % 5 == 4) {
		snprintf(want, sizeof want, "\"%s\" does not exist", path);
		return st == ST_NOT_FOUND && strcmp(err.text, want) == 0 && doc.len == 0 && seen.id == 0 ? NULL : "what is not there was found";
	}
	snprintf(want, sizeof want, "{\"number\":%u}", number);
	if (st != ST_OK)
		print_error("%s: %s: %s\n", path, status_name(st), err.text);
	return st == ST_OK && view_is(buf_view(&doc), want) && seen.id > 0 && seen.version == 1 + number % 2 ? NULL
	     : "a reader got what is not his";
}

static void test_everybody_gets_his_own_and_statements_are_shared(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;

	for (unsigned i = 0; i < RESOURCES; i++) {
		char path[64], doc[64];
		snprintf(path, sizeof path, "things/f%u", i);
		snprintf(doc, sizeof doc, "{\"number\":%u}", i);
		for (unsigned times = 0; i % 5 != 4 && times <= i % 2; times++)         /* each fifth is sealed */
			assert_int_equal(write_doc(fixture, path, doc, i % 5 == 0, &written), ST_OK);
	}
	const uint64_t before = pool_state(fixture->store.pool).statements;
	use_rules(fixture, patient);
	together(fixture, read_any);
	assert_in_range(pool_state(fixture->store.pool).statements - before, 1, THREADS * ROUNDS / 2);
	use_rules(fixture, hasty);
	together(fixture, read_any);
}

/* -- nothing from before: one writes what all read -- */

static _Atomic uint64_t told;             /* the version that is there at least */

static const char *write_or_read(struct worker *reader, unsigned round)
{
	char                    doc[64];
	struct resource_written written;
	struct resource_seen    seen = { .id = 0 };
	struct error            err;
	auto_buf                found = BUF(4096);

	if (reader->number == 0) {
		snprintf(doc, sizeof doc, "{\"round\":%u}", round);
		if (write_doc(reader->fixture, "things/shared", doc, false, &written) != ST_OK)
			return "it was not written";
		told = written.version;
	}
	const uint64_t least = told;
	if (fetch(reader->fixture, VIEW("things/shared"), deadline_in_ms(30000), &found, &seen, &err) != ST_OK)
		return "it was not read";
	return seen.version >= least ? NULL : "what was read is from before";
}

static void test_nobody_gets_what_was_read_before_he_asked(void **state)
{
	struct resource_written written;

	assert_int_equal(write_doc(*state, "things/shared", "{}", false, &written), ST_OK);
	told = written.version;
	use_rules(*state, patient);
	together(*state, write_or_read);
	use_rules(*state, hasty);
	together(*state, write_or_read);
}

/* -- nobody another's fault, nor his delay -- */

static const char *read_good_or_bad(struct worker *reader, unsigned round)
{
	const struct { struct view path; enum status want; } reads[] = {
		{ VIEW("things/good"), ST_OK }, { VIEW("things/\xff"), ST_INVALID },
		{ VIEW("things/good"), ST_OK }, { VIEW("things/moved"), ST_FORBIDDEN },
	};
	const size_t         at = (reader->number + round) % ARRAY_LEN(reads);
	struct resource_seen seen;
	struct error         err;
	auto_buf             doc = BUF(4096);

	const enum status st = fetch(reader->fixture, reads[at].path, deadline_in_ms(30000), &doc, &seen, &err);
	if (st != reads[at].want)
		print_error("%.*s: %s: %s\n", V(reads[at].path), status_name(st), err.text);
	return st == reads[at].want && (st == ST_OK) == view_is(buf_view(&doc), "{\"good\":1}") ? NULL : "a reader got another's fault";
}

static void test_a_fault_is_only_his_who_made_it(void **state)
{
	struct resource_written written;

	assert_int_equal(write_doc(*state, "things/good", "{\"good\":1}", false, &written), ST_OK);
	assert_int_equal(write_doc(*state, "things/sealed", "{\"good\":0}", true, &written), ST_OK);
	fixture_run(*state, "UPDATE resource SET path = 'things/moved' WHERE path = 'things/sealed'");     /* so it does not open */
	use_rules(*state, patient);
	together(*state, read_good_or_bad);
}

struct late { struct fixture *fixture; int64_t deadline_ns, ended_ns; enum status status; pthread_t thread; };

static void *read_late(void *data)
{
	struct late         *late = data;
	struct resource_seen seen;
	struct error         err;
	auto_buf             doc = BUF(4096);

	late->status = fetch(late->fixture, VIEW("things/slow"), late->deadline_ns, &doc, &seen, &err);
	late->ended_ns = clock_ns();
	return NULL;
}

static void begin_late(struct late *late, struct fixture *fixture, int64_t deadline_ns)
{
	*late = (struct late) { .fixture = fixture, .deadline_ns = deadline_ns };
	assert_int_equal(pthread_create(&late->thread, NULL, read_late, late), 0);
}

/* In a transaction of its own. */
static struct db *stop_reads(struct fixture *fixture)
{
	static const struct query lock = { "test_lock", "LOCK TABLE resource IN ACCESS EXCLUSIVE MODE" };
	struct error              err;

	struct db *db = fixture_db(fixture);
	assert_ok(db_begin(db, &err));
	assert_ok(db_query(db, &lock, NULL, 0, EXPECT_NONE, NULL, &err));
	return db;
}

/* How many alone, or together, stand still. */
#define STANDING(which)  "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()" \
	" AND query LIKE '%FROM resource WHERE " which "%'"
#define ALONE     STANDING("path = $1")
#define TOGETHER  STANDING("doc IS NOT NULL AND path = ANY")

/* Until so many do. */
static void await_reads(struct fixture *fixture, const char *standing, int64_t count)
{
	int64_t found = 0;

	for (const int64_t until_ns = deadline_in_ms(20000); found != count && clock_ns() < until_ns; )
		found = fixture_number(fixture, standing);
	assert_int_equal(found, count);
}

/*
 * The first reads alone and stands still.  Those who come then wait until he is late; one of them takes the others along, and
 * gives up after a while; then each reads alone.  Who has no time for that reads alone at once, and ends by his deadline.
 */
static void test_a_statement_that_stands_still_holds_nobody_for_long(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct late             first, hurried, others[4];

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	use_rules(fixture, (struct fetch_rules) { .at_once = 1, .late_ns = 3000LL * MS, .shared_ns = 1000LL * MS });
	begin_late(&first, fixture, deadline_in_ms(30000));           /* it tells how near the database is */
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	struct db *db = stop_reads(fixture);
	begin_late(&first, fixture, deadline_in_ms(30000));
	await_reads(fixture, ALONE, 1);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		begin_late(&others[i], fixture, deadline_in_ms(30000));
	begin_late(&hurried, fixture, deadline_in_ms(1900));
	await_reads(fixture, ALONE, 2);
	assert_int_equal(pthread_join(hurried.thread, NULL), 0);
	assert_int_equal(hurried.status, ST_DEADLINE);
	assert_in_range(hurried.ended_ns, hurried.deadline_ns, hurried.deadline_ns + 5000LL * MS);

	await_reads(fixture, TOGETHER, 1);
	await_reads(fixture, ALONE, 1 + ARRAY_LEN(others));
	db_rollback(db);
	db_return(db);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(first.status, ST_OK);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(pthread_join(others[i].thread, NULL), 0);
		assert_int_equal(others[i].status, ST_OK);
	}
}

/* -- a turn that was lost is another's -- */

/*
 * The first stands still until its deadline.  The second takes its turn when it is late, and stands still as well.  When the first
 * ends, the turn is the second's, and the third waits on, until the second is late.
 */
static void test_who_has_lost_his_turn_gives_it_to_nobody(void **state)
{
	enum { LATE_MS = 3000, FIRST_MS = 4000 };
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct late             first, second, third;

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	use_rules(fixture, (struct fetch_rules) { .at_once = 1, .late_ns = (int64_t) LATE_MS * MS, .shared_ns = 500LL * MS });
	begin_late(&first, fixture, deadline_in_ms(30000));           /* it tells how near the database is */
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	struct db    *db = stop_reads(fixture);
	const int64_t begun_ns = clock_ns();
	begin_late(&first, fixture, deadline_in_ms(FIRST_MS));
	await_reads(fixture, ALONE, 1);
	begin_late(&second, fixture, deadline_in_ms(30000));
	await_reads(fixture, ALONE, 2);
	begin_late(&third, fixture, deadline_in_ms(30000));
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(first.status, ST_DEADLINE);

	await_reads(fixture, ALONE, 1);           /* the second, which has had the turn since LATE_MS at the earliest */
	assert_true(clock_ns() < begun_ns + 2LL * LATE_MS * MS);
	await_reads(fixture, ALONE, 2);
	assert_true(clock_ns() >= begun_ns + 2LL * LATE_MS * MS);
	db_rollback(db);
	db_return(db);
	assert_int_equal(pthread_join(second.thread, NULL), 0);
	assert_int_equal(pthread_join(third.thread, NULL), 0);
	assert_int_equal(second.status, ST_OK);
	assert_int_equal(third.status, ST_OK);
}

/* -- a far database: to wait for another's statement would only make the way longer -- */

static bool is_far;

bool __real_conn_is_near(const PGconn *conn);
bool __wrap_conn_is_near(const PGconn *conn);
bool __wrap_conn_is_near(const PGconn *conn)
{
	return !is_far && __real_conn_is_near(conn);
}

static void test_nobody_waits_for_others_where_the_database_is_far(void **state)
{
	struct fixture         *fixture = *state;
	struct fixture          far = *fixture;
	struct resource_written written;
	struct late             reads[4];

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	is_far = true;                        /* for connections that are made from now on */
	fixture_store(fixture, &far.store);
	use_rules(&far, (struct fetch_rules) { .at_once = 1, .late_ns = 20000LL * MS, .shared_ns = 500LL * MS });
	begin_late(&reads[0], &far, deadline_in_ms(30000));
	assert_int_equal(pthread_join(reads[0].thread, NULL), 0);
	struct db *db = stop_reads(fixture);
	for (size_t i = 0; i < ARRAY_LEN(reads); i++)
		begin_late(&reads[i], &far, deadline_in_ms(30000));
	await_reads(fixture, ALONE, ARRAY_LEN(reads));
	db_rollback(db);
	db_return(db);
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		assert_int_equal(pthread_join(reads[i].thread, NULL), 0);
		assert_int_equal(reads[i].status, ST_OK);
	}
	store_close(&far.store);
	is_far = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_gets_his_own_and_statements_are_shared),
		cmocka_unit_test(test_nobody_gets_what_was_read_before_he_asked),
		cmocka_unit_test(test_a_fault_is_only_his_who_made_it),
		cmocka_unit_test(test_a_statement_that_stands_still_holds_nobody_for_long),
		cmocka_unit_test(test_who_has_lost_his_turn_gives_it_to_nobody),
		cmocka_unit_test(test_nobody_waits_for_others_where_the_database_is_far),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
