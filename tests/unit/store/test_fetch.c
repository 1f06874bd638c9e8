/* Reads that share statements: each gets its own, nobody what was before he asked, and nobody another's fault or delay. */
#include "tests/unit/store/fixture.h"

#include "host/store/resource.h"
#include "host/store/store_priv.h"

#include <pthread.h>

enum { THREADS = 12, ROUNDS = 300, RESOURCES = 40 };

/* One at a time, however long a statement takes, so that all that come meanwhile share the next. */
static void use_rules(struct fixture *fixture, int64_t near_ns, int64_t late_ns)
{
	const struct fetch_rules rules = { .at_once = 1, .near_ns = near_ns, .late_ns = late_ns };
	struct error             err;

	fetcher_close(fixture->store.fetcher);
	fixture->store.fetcher = NULL;
	assert_ok(fetcher_open(&rules, &fixture->store.fetcher, &err));
}

struct reader {
	struct fixture *fixture;
	unsigned        number;
	const char     *complaint;
	const char   *(*turn)(struct reader *reader, unsigned round);     /* what is wrong, or NULL */
};

static void *run(void *data)
{
	struct reader *reader = data;

	for (unsigned round = 0; round < ROUNDS && reader->complaint == NULL; round++)
		reader->complaint = reader->turn(reader, round);
	return NULL;
}

static void together(struct fixture *fixture, const char *(*turn)(struct reader *, unsigned))
{
	struct reader readers[THREADS];
	pthread_t     threads[THREADS];
	const char   *complaint = NULL;

	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader) { .fixture = fixture, .number = i, .turn = turn };
		assert_int_equal(pthread_create(&threads[i], NULL, run, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (readers[i].complaint != NULL)
			complaint = readers[i].complaint;
	}
	if (complaint != NULL)
		fail_msg("%s", complaint);
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

static const char *read_any(struct reader *reader, unsigned round)
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
	use_rules(fixture, INT64_MAX, 10000000000);
	together(fixture, read_any);
	assert_in_range(pool_state(fixture->store.pool).statements - before, 1, THREADS * ROUNDS / 2);
}

/* -- nothing from before: one writes what all read -- */

static _Atomic uint64_t told;             /* the version that is there at least */

static const char *write_or_read(struct reader *reader, unsigned round)
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
	use_rules(*state, INT64_MAX, 10000000000);
	together(*state, write_or_read);
}

/* -- nobody another's fault, nor his delay -- */

static const char *read_good_or_bad(struct reader *reader, unsigned round)
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
	use_rules(*state, INT64_MAX, 10000000000);
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

/*
 * The first reads alone and stands still.  Those who come then wait until it is late; one of them takes all others along, and
 * has half the time of the one with the least.  Then each reads alone: that one until his time is over, the rest until they can.
 */
static void test_who_has_little_time_ends_by_it_and_the_others_read_on(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct late             first, others[5];

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	use_rules(fixture, INT64_MAX, 200000000);
	const uint64_t before = pool_state(fixture->store.pool).statements;
	struct db     *db = stop_reads(fixture);
	begin_late(&first, fixture, deadline_in_ms(30000));
	fixture_await_lock(fixture);
	const int64_t hurried_ns = deadline_in_ms(1000);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		begin_late(&others[i], fixture, i == 2 ? hurried_ns : deadline_in_ms(30000));
	assert_int_equal(pthread_join(others[2].thread, NULL), 0);
	db_rollback(db);
	db_return(db);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(first.status, ST_OK);

	const int64_t now_ns = clock_ns();
	assert_int_equal(others[2].status, ST_DEADLINE);
	assert_in_range(others[2].ended_ns, hurried_ns, hurried_ns + 5000000000);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (i != 2) {
			assert_int_equal(pthread_join(others[i].thread, NULL), 0);
			assert_int_equal(others[i].status, ST_OK);
			assert_true(others[i].ended_ns < now_ns + 5000000000);
		}
	/* Beside the lock's three: the first, one for all others, and each of them alone. */
	assert_int_equal(pool_state(fixture->store.pool).statements - before, 3 + 1 + 1 + ARRAY_LEN(others));
}

/* Nobody waits where a database is far, nor behind one who stands still. */
static void test_where_nothing_is_saved_each_reads_for_himself(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct late             readers[6];

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	for (int is_late = 0; is_late < 2; is_late++) {
		use_rules(fixture, is_late ? INT64_MAX : 0, is_late ? 0 : INT64_MAX / 2);
		begin_late(&readers[0], fixture, deadline_in_ms(30000));             /* which tells how near it is */
		assert_int_equal(pthread_join(readers[0].thread, NULL), 0);
		struct db *db = stop_reads(fixture);
		for (size_t i = 0; i < ARRAY_LEN(readers); i++)
			begin_late(&readers[i], fixture, deadline_in_ms(30000));
		int64_t waiting = 0;
		for (const int64_t until_ns = deadline_in_ms(10000); waiting < (int64_t) ARRAY_LEN(readers) && clock_ns() < until_ns; )
			waiting = fixture_number(fixture, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
			                         " AND datname = current_database() AND query LIKE '%FROM resource WHERE path = $1%'");
		assert_int_equal(waiting, ARRAY_LEN(readers));
		db_rollback(db);
		db_return(db);
		for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
			assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
			assert_int_equal(readers[i].status, ST_OK);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_gets_his_own_and_statements_are_shared),
		cmocka_unit_test(test_nobody_gets_what_was_read_before_he_asked),
		cmocka_unit_test(test_a_fault_is_only_his_who_made_it),
		cmocka_unit_test(test_who_has_little_time_ends_by_it_and_the_others_read_on),
		cmocka_unit_test(test_where_nothing_is_saved_each_reads_for_himself),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
