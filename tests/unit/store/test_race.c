/* Writers against each other: whatever the order, no orphan is left, and what is needed stays. */
#include "tests/unit/store/scene.h"

enum { THREADS = 4, ROUNDS = 150 };

struct racer {
	struct fixture *fixture;
	unsigned        number;
	unsigned        done, refused;
	bool          (*turn)(struct racer *racer, struct db *db, unsigned round);
};

static const char *take_turn(struct worker *worker, unsigned round)
{
	struct racer *racer = (struct racer *) worker->data + worker->number;
	struct db    *db = NULL;
	struct error  err;

	if (db_borrow(racer->fixture->store.pool, deadline_in_ms(60000), &db, &err) != ST_OK)
		return "no connection";
	const bool is_expected = racer->turn(racer, db, round);
	db_return(db);
	return is_expected ? NULL : "an answer nobody expects";
}

static void race(struct fixture *fixture, bool (*turn)(struct racer *, struct db *, unsigned), struct racer racers[THREADS])
{
	for (unsigned i = 0; i < THREADS; i++)
		racers[i] = (struct racer) { .fixture = fixture, .number = i, .turn = turn };
	fixture_together(fixture, THREADS, ROUNDS, take_turn, racers);
}

static enum status put(struct racer *racer, struct db *db, const char *path, const char *parent, enum resource_mode mode,
                       const struct view *references, size_t count)
{
	struct resource_written written;
	struct error            err = { .text = "" };
	const struct resource_write write = { .path = view_of(path), .parent = view_of(parent), .type = VIEW("thing"),
		.name = VIEW("n"), .doc = VIEW("{}"), .references = references, .reference_count = count };

	enum status st = resource_write(&racer->fixture->store, db, &write, mode, &written, &err);
	if (st != ST_OK && st != ST_EXISTS && st != ST_NOT_FOUND)
		print_error("write %s: %s: %s\n", path, status_name(st), err.text);
	st == ST_OK ? racer->done++ : racer->refused++;
	return st;
}

static enum status drop(struct racer *racer, struct db *db, const char *path)
{
	struct error err = { .text = "" };

	enum status st = resource_delete(&racer->fixture->store, db, view_of(path), false, &err);
	if (st != ST_OK && st != ST_CONFLICT && st != ST_NOT_FOUND)
		print_error("delete %s: %s: %s\n", path, status_name(st), err.text);
	st == ST_OK ? racer->done++ : racer->refused++;
	return st;
}

static bool one_of(enum status st, enum status a, enum status b, enum status c)
{
	return st == a || st == b || st == c;
}

/* Everybody creates and deletes one parent and children below it. */
static bool parent_turn(struct racer *racer, struct db *db, unsigned round)
{
	char child[64];

	snprintf(child, sizeof child, "things/p/things/c%u", racer->number);
	switch ((round + racer->number) % 4) {
	case 0:  return one_of(put(racer, db, "things/p", "", RESOURCE_CREATE, NULL, 0), ST_OK, ST_EXISTS, ST_EXISTS);
	case 1:  return one_of(put(racer, db, child, "things/p", RESOURCE_CREATE_OR_REPLACE, NULL, 0), ST_OK, ST_NOT_FOUND, ST_NOT_FOUND);
	case 2:  return one_of(drop(racer, db, child), ST_OK, ST_NOT_FOUND, ST_CONFLICT);
	default: return one_of(drop(racer, db, "things/p"), ST_OK, ST_NOT_FOUND, ST_CONFLICT);
	}
}

static void test_children_and_parents_leave_no_orphan(void **state)
{
	struct racer racers[THREADS];

	race(*state, parent_turn, racers);
	assert_true(racers[0].done > 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource c WHERE c.path LIKE 'things/p/%' AND NOT EXISTS"
	                 " (SELECT FROM resource p WHERE p.id = c.parent AND p.path = 'things/p' AND p.doc IS NOT NULL)"), 0);
}

/* References to targets that come and go, some of them never there. */
static bool reference_turn(struct racer *racer, struct db *db, unsigned round)
{
	char              source[64];
	const struct view targets[] = { VIEW("things/t"), VIEW("things/never"), VIEW("things/u") };

	snprintf(source, sizeof source, "things/s%u", racer->number % 2);
	switch ((round * 7 + racer->number) % 6) {
	case 0:  return one_of(put(racer, db, "things/t", "", RESOURCE_CREATE, NULL, 0), ST_OK, ST_EXISTS, ST_EXISTS);
	case 1:  return one_of(put(racer, db, source, "", RESOURCE_CREATE_OR_REPLACE, targets, 3), ST_OK, ST_OK, ST_OK);
	case 2:  return one_of(put(racer, db, source, "", RESOURCE_CREATE_OR_REPLACE, targets, 1), ST_OK, ST_OK, ST_OK);
	case 3:  return one_of(put(racer, db, source, "", RESOURCE_CREATE, targets, 3), ST_OK, ST_EXISTS, ST_EXISTS);
	case 4:  return one_of(drop(racer, db, source), ST_OK, ST_NOT_FOUND, ST_NOT_FOUND);
	default: return one_of(drop(racer, db, "things/t"), ST_OK, ST_NOT_FOUND, ST_CONFLICT);
	}
}

static void test_references_and_targets_leave_nothing_dangling(void **state)
{
	struct fixture *fixture = *state;
	struct racer    racers[THREADS];
	struct error    err;
	uint64_t        removed = 0;

	race(fixture, reference_turn, racers);
	/* A source that is there refers to its targets, by rows of these very paths. */
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM resource s WHERE s.path LIKE 'things/s_' AND s.doc IS NOT NULL"
	                 " AND NOT EXISTS (SELECT FROM resource_ref x JOIN resource t ON t.id = x.dst WHERE x.src = s.id AND t.path = 'things/t')"), 0);
	struct db *db = fixture_db(fixture);
	assert_ok(content_collect(&fixture->store, db, 1000, &removed, &err));
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM resource r WHERE r.doc IS NULL AND NOT EXISTS"
	                 " (SELECT FROM resource_ref x WHERE x.dst = r.id)"), 0);
}

/* All replace one resource: each version is given once. */
static bool replace_turn(struct racer *racer, struct db *db, unsigned round)
{
	const struct view targets[] = { VIEW("things/x"), VIEW("things/y"), VIEW("things/z") };

	return put(racer, db, "things/one", "", RESOURCE_CREATE_OR_REPLACE, targets + round % 3, 1) == ST_OK;
}

static void test_replacements_at_once_lose_no_version_and_keep_the_last_references(void **state)
{
	struct racer racers[THREADS];

	race(*state, replace_turn, racers);
	assert_int_equal(fixture_number(*state, "SELECT version FROM resource WHERE path = 'things/one'"), THREADS * ROUNDS);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource_ref x JOIN resource r ON r.id = x.src WHERE r.path = 'things/one'"), 1);
}

/* Contexts of shared content are written and removed while the collector runs. */
struct writing {
	struct store *store;
	unsigned      kind;
	int64_t       owner;
};

static enum status write_context(struct db *db, void *data, struct error *err)
{
	const struct writing *writing = data;
	struct context_row    context = { .owner = writing->owner, .meta = VIEW("{}"), .plan = VIEW("{}") };
	struct set_entry      entry = { .name = VIEW("a+B"), .api_version = VIEW("v1"), .kind = VIEW("B"), .namespace_ = VIEW(""), .events = VIEW("") };
	char                  body[32];
	auto_buf              text;

	buf_init(&text, 4096);
	snprintf(body, sizeof body, "{\"kind\":%u}", writing->kind);
	const struct manifest_row manifest = { digest_of(view_of(body)), view_of(body), false };
	entry.manifest = manifest.digest;
	enum status st = set_encode(&entry, 1, &text, err);
	if (st != ST_OK)
		return st;
	const struct set_row       set = { digest_of(buf_view(&text)), buf_view(&text), &manifest.digest, 1, 0, 0 };
	const struct placement_row placement = { VIEW("app"), VIEW("p+c"), VIEW(""), set.digest };
	return context_write(writing->store, db, &context, &manifest, 1, &set, 1, &placement, 1, err);
}

static bool content_turn(struct racer *racer, struct db *db, unsigned round)
{
	struct error   err = { .text = "" };
	uint64_t       removed = 0;
	char           path[32];
	int64_t        owner = 0;
	auto_buf       doc;

	buf_init(&doc, 4096);
	snprintf(path, sizeof path, "things/o%u", racer->number);
	enum status st = resource_read(&racer->fixture->store, db, view_of(path), &doc, NULL, &owner, &err);
	if (racer->number == 0) {
		st = content_collect(&racer->fixture->store, db, 100, &removed, &err);
		racer->done += (unsigned) removed;
	} else if (st == ST_OK && round % 3 == 2) {
		st = context_retain(db, owner, 0, &err);
	} else if (st == ST_OK) {
		struct writing writing = { &racer->fixture->store, round % 5, owner };
		st = db_transaction(racer->fixture->store.pool, deadline_in_ms(30000), write_context, &writing, &err);
	}
	if (st != ST_OK)
		print_error("%s: %s\n", status_name(st), err.text);
	return st == ST_OK;
}

static void test_the_collector_takes_nothing_a_writer_needs(void **state)
{
	struct racer racers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		char path[32];
		snprintf(path, sizeof path, "things/o%d", i);
		fixture_create(*state, path);
	}
	race(*state, content_turn, racers);
	assert_true(racers[0].done > 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM app_context_cluster p WHERE NOT EXISTS"
	                 " (SELECT FROM resource_set s WHERE s.digest = p.set)"), 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource_set s, unnest(s.manifests) m WHERE NOT EXISTS"
	                 " (SELECT FROM manifest f WHERE f.digest = m)"), 0);
}

/* -- the sums of owners: every statement tells what it has changed, and nobody waits -- */

static int64_t owners[2];

/* Each turn changes units of both owners, in another order than the next racer, and now and then puts the sums together. */
static bool turn_units(struct racer *racer, struct db *db, unsigned round)
{
	struct error err = { .text = "" };
	int64_t      versions[2];
	const int64_t owner = owners[(racer->number + round) % 2];
	enum status  st = round % 2 == 0 ? unit_stop(db, owner, &err)
	                : unit_retry_cluster(db, racer->number % 2 != 0 ? VIEW("p+c1") : VIEW("p+c2"), &err);

	if (st == ST_OK)
		st = owner_status_versions(db, owners, 2, versions, &err);
	if (st != ST_OK)
		print_error("%s: %s\n", status_name(st), err.text);
	return st == ST_OK;
}

static void test_sums_are_right_whoever_writes_at_once(void **state)
{
	struct racer racers[THREADS];

	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		owners[i] = fixture_create(*state, i == 0 ? "projects/sum1" : "projects/sum2");
		const int64_t context = scene_context(*state, owners[i], "sum", scene_c12);
		scene_move(*state, owners[i], context, context);
	}
	race(*state, turn_units, racers);
	scene_check_sums(*state);
	fixture_run(*state, "SELECT owner_status_fold(owner) FROM (SELECT DISTINCT owner FROM owner_status) AS o");
	scene_check_sums(*state);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM owner_status"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_and_parents_leave_no_orphan),
		cmocka_unit_test(test_references_and_targets_leave_nothing_dangling),
		cmocka_unit_test(test_replacements_at_once_lose_no_version_and_keep_the_last_references),
		cmocka_unit_test(test_the_collector_takes_nothing_a_writer_needs),
		cmocka_unit_test(test_sums_are_right_whoever_writes_at_once),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
