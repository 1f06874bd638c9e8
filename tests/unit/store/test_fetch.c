/* Reads that share statements: each gets its own, nobody what was before he asked, and nobody another's fault or delay. */
#include "tests/unit/store/fixture.h"

#include "host/store/resource.h"

#include <pthread.h>

enum { THREADS = 12, ROUNDS = 300, RESOURCES = 40 };

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
		return st == ST_NOT_FOUND && strcmp(err.text, want) == 0 && doc.len == 0 ? NULL : "what is not there was found";
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
	together(fixture, read_any);
	assert_in_range(pool_state(fixture->store.pool).statements - before, 1, THREADS * ROUNDS * 9 / 10);
}

/* -- nothing from before -- */

static const char *write_and_read(struct reader *reader, unsigned round)
{
	char                    path[64], doc[64];
	struct resource_written written;
	struct resource_seen    seen = { .id = 0 };
	struct error            err;
	auto_buf                found = BUF(4096);

	snprintf(path, sizeof path, "things/own%u", reader->number);
	snprintf(doc, sizeof doc, "{\"round\":%u}", round);
	if (write_doc(reader->fixture, path, doc, false, &written) != ST_OK ||
	    fetch(reader->fixture, view_of(path), deadline_in_ms(30000), &found, &seen, &err) != ST_OK)
		return "it was neither written nor read";
	return seen.id == written.id && seen.version == written.version && view_is(buf_view(&found), doc) ? NULL
	     : "who wrote did not read what he wrote";
}

static void test_who_has_written_reads_it(void **state)
{
	together(*state, write_and_read);
}

/* -- nobody another's fault, nor his delay -- */

static const char *read_good_or_bad(struct reader *reader, unsigned round)
{
	const bool           is_bad = (reader->number + round) % 4 == 0;
	struct resource_seen seen;
	struct error         err;
	auto_buf             doc = BUF(4096);

	const enum status st = fetch(reader->fixture, is_bad ? VIEW("things/\xff") : VIEW("things/good"), deadline_in_ms(30000), &doc, &seen, &err);
	return is_bad ? st == ST_INVALID ? NULL : "what is no text was taken for a path"
	              : st == ST_OK && view_is(buf_view(&doc), "{\"good\":1}") ? NULL : "a reader got another's fault";
}

static void test_a_fault_is_only_his_who_made_it(void **state)
{
	struct resource_written written;

	assert_int_equal(write_doc(*state, "things/good", "{\"good\":1}", false, &written), ST_OK);
	together(*state, read_good_or_bad);
}

struct late { struct fixture *fixture; int64_t deadline_ns, ended_ns; enum status status; };

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

/* All of them meet a statement that stands still.  Those with a deadline end by it, whoever reads for whom. */
static void test_who_must_end_waits_for_no_other(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct late             first = { fixture, deadline_in_ms(30000), 0, ST_OK }, others[4];
	pthread_t               first_thread, threads[ARRAY_LEN(others)];
	struct error            err;

	assert_int_equal(write_doc(fixture, "things/slow", "{}", false, &written), ST_OK);
	struct db *db = fixture_db(fixture);
	static const struct query lock = { "test_lock", "LOCK TABLE resource IN ACCESS EXCLUSIVE MODE" };
	assert_ok(db_begin(db, &err));
	assert_ok(db_query(db, &lock, NULL, 0, EXPECT_NONE, NULL, &err));

	assert_int_equal(pthread_create(&first_thread, NULL, read_late, &first), 0);
	fixture_await_lock(fixture);
	const int64_t until_ns = deadline_in_ms(300);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		others[i] = (struct late) { fixture, until_ns, 0, ST_OK };
		assert_int_equal(pthread_create(&threads[i], NULL, read_late, &others[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	const int64_t ended_ns = clock_ns();
	db_rollback(db);
	db_return(db);
	assert_int_equal(pthread_join(first_thread, NULL), 0);

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(others[i].status, ST_DEADLINE);
	assert_in_range(ended_ns, until_ns, until_ns + 5000000000);
	assert_int_equal(first.status, ST_OK);
	assert_true(first.ended_ns > ended_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_gets_his_own_and_statements_are_shared),
		cmocka_unit_test(test_who_has_written_reads_it),
		cmocka_unit_test(test_a_fault_is_only_his_who_made_it),
		cmocka_unit_test(test_who_must_end_waits_for_no_other),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
