/* Contexts, sets and manifests: shared by content, sealed where secret, collected when nobody needs them. */
#include "tests/unit/store/fixture.h"

enum { CLUSTERS = 6 };

struct plan {
	struct set_entry     entries[2];
	struct manifest_row  manifests[2];
	struct digest        members[2];
	struct set_row       set;
	struct buf           text;
	struct placement_row placements[CLUSTERS];
	char                 names[CLUSTERS][24];
};

/* One set of a public and a secret object, on a number of clusters. */
static void plan_init(struct plan *plan, struct store *store, const char *body, const char *secret)
{
	struct error err;

	memset(plan, 0, sizeof *plan);
	buf_init(&plan->text, 65536);
	plan->manifests[0] = (struct manifest_row) { digest_of(view_of(body)), view_of(body), false };
	plan->manifests[1] = (struct manifest_row) { seal_digest(store->sealer, view_of(secret)), view_of(secret), true };
	plan->entries[0] = (struct set_entry) { .name = VIEW("web+Deployment"), .api_version = VIEW("apps/v1"), .kind = VIEW("Deployment"),
		.namespace_ = VIEW("default"), .events = VIEW(""), .manifest = plan->manifests[0].digest };
	plan->entries[1] = (struct set_entry) { .name = VIEW("key+Secret"), .api_version = VIEW("v1"), .kind = VIEW("Secret"),
		.namespace_ = VIEW("default"), .events = VIEW(""), .is_secret = true, .manifest = plan->manifests[1].digest };
	assert_ok(set_encode(plan->entries, 2, &plan->text, &err));
	plan->members[0] = plan->manifests[0].digest;
	plan->members[1] = plan->manifests[1].digest;
	plan->set = (struct set_row) { digest_of(buf_view(&plan->text)), buf_view(&plan->text), plan->members, 2, 0, 0 };
	for (int i = 0; i < CLUSTERS; i++) {
		snprintf(plan->names[i], sizeof plan->names[i], "edge+c%d", i);
		plan->placements[i] = (struct placement_row) { VIEW("web"), view_of(plan->names[i]), VIEW("1"), plan->set.digest };
	}
}

static enum status write_plan(struct fixture *fixture, struct plan *plan, struct context_row *context, size_t clusters,
                              struct error *err)
{
	struct db *db = fixture_db(fixture);

	enum status st = db_begin(db, err);
	if (st == ST_OK)
		st = context_write(&fixture->store, db, context, plan->manifests, 2, &plan->set, 1, plan->placements, clusters, err);
	if (st == ST_OK)
		st = db_commit(db, err);
	db_return(db);
	return st;
}

static void test_a_set_is_decoded_as_it_was_encoded(void **state)
{
	const struct set_entry entries[] = {
		{ .name = VIEW("a\tb\\n\nc+K"), .api_version = VIEW("v1"), .kind = VIEW("K"), .namespace_ = VIEW(""),
		  .events = VIEW("pre-install"), .phase = 2, .is_secret = true, .manifest = digest_of(VIEW("x")) },
		{ .name = VIEW("d"), .api_version = VIEW(""), .kind = VIEW(""), .namespace_ = VIEW(""), .events = VIEW("") },
	};
	struct set_entry *read = NULL;
	struct error      err;
	size_t            count = 0;
	auto_buf          text;
	auto_arena        arena;

	(void) state;
	buf_init(&text, 4096);
	arena_init(&arena, 65536);
	assert_ok(set_encode(entries, 2, &text, &err));
	assert_ok(set_decode(buf_view(&text), &arena, &read, &count, &err));
	assert_int_equal(count, 2);
	assert_true(view_is(read[0].name, "a\tb\\n\nc+K") && view_is(read[0].events, "pre-install"));
	assert_true(read[0].phase == 2 && read[0].is_secret && digest_equal(&read[0].manifest, &entries[0].manifest));
	assert_true(view_is(read[1].name, "d") && read[1].kind.len == 0 && !read[1].is_secret);
	assert_status(ST_INTERNAL, set_decode(VIEW("a\tb\n"), &arena, &read, &count, &err), &err);
	assert_string_equal(err.text, "entry 1 of a resource set does not parse");
}

static void test_a_context_is_read_back_and_equal_content_is_shared(void **state)
{
	struct fixture       *fixture = *state;
	struct plan           plan;
	struct error          err;
	struct context_row    first = { .meta = VIEW("{\"m\":1}"), .plan = VIEW("{}") }, second = first, read;
	struct placement_row *rows = NULL;
	size_t                count = 0;
	auto_arena            arena;
	auto_buf              body;

	arena_init(&arena, 1 << 20);
	buf_init(&body, 4096);
	plan_init(&plan, &fixture->store, "{\"kind\":\"Deployment\"}", "{\"kind\":\"Secret\",\"data\":\"s3cret\"}");
	first.owner = second.owner = fixture_create(fixture, "projects/a");
	assert_ok(write_plan(fixture, &plan, &first, CLUSTERS, &err));
	assert_ok(write_plan(fixture, &plan, &second, CLUSTERS, &err));
	assert_true(first.id > 0 && second.id > 0 && first.id != second.id && first.status_context == first.id);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM manifest"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM resource_set"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM manifest WHERE position('s3cret' IN encode(body, 'escape')) > 0"), 0);

	struct db *db = fixture_db(fixture);
	assert_ok(context_read(db, first.id, &arena, &read, &err));
	assert_true(view_is(read.meta, "{\"m\":1}") && read.owner == first.owner);
	assert_ok(context_placements(db, first.id, &arena, &rows, &count, &err));
	assert_int_equal(count, CLUSTERS);
	assert_true(view_is(rows[1].cluster, "edge+c1") && digest_equal(&rows[1].set, &plan.set.digest));
	assert_ok(manifest_read(&fixture->store, db, &plan.members[1], &body, &err));
	assert_string_equal(body.data, "{\"kind\":\"Secret\",\"data\":\"s3cret\"}");
	buf_clear(&body);
	assert_ok(set_read(db, &plan.set.digest, &body, &err));
	assert_string_equal(body.data, plan.text.data);
	assert_status(ST_NOT_FOUND, context_read(db, 1, &arena, &read, &err), &err);

	fixture_run(fixture, "UPDATE manifest SET body = set_byte(body, octet_length(body) - 1, 255 - get_byte(body, octet_length(body) - 1)) WHERE sealed");
	assert_status(ST_FORBIDDEN, manifest_read(&fixture->store, db, &plan.members[1], &body, &err), &err);
	db_return(db);
	buf_done(&plan.text);
}

static void test_a_context_written_again_has_the_new_placements_only(void **state)
{
	struct fixture    *fixture = *state;
	struct plan        plan;
	struct error       err;
	struct context_row context = { .meta = VIEW("{}"), .plan = VIEW("{}") };
	char               sql[200];

	plan_init(&plan, &fixture->store, "{\"again\":1}", "{\"again\":2}");
	context.owner = fixture_create(fixture, "projects/b");
	assert_ok(write_plan(fixture, &plan, &context, CLUSTERS, &err));
	plan.placements[1].group = VIEW("other");
	const int64_t id = context.id;
	assert_ok(write_plan(fixture, &plan, &context, 2, &err));
	assert_int_equal(context.id, id);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM app_context_cluster WHERE context = %lld", (long long) id);
	assert_int_equal(fixture_number(fixture, sql), 2);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM app_context_cluster WHERE context = %lld AND grp = 'other'", (long long) id);
	assert_int_equal(fixture_number(fixture, sql), 1);
	buf_done(&plan.text);
}

static void instantiated(struct db *db, const struct context_row *context, int64_t revision)
{
	struct action action = { .state = "Instantiated", .instance = context->id, .status_context = context->id, .revision = revision };
	struct error  err;

	assert_ok(action_add(db, context->owner, &action, &err));
}

static bool is_owned(struct db *db, int64_t owner, int64_t label)
{
	const struct unit_row unit = { .owner = owner };
	struct error          err;
	char                  text[24];
	bool                  owns = false;

	snprintf(text, sizeof text, "%lld", (long long) label);
	assert_ok(unit_owns(db, &unit, view_of(text), &owns, &err));
	return owns;
}

static void test_what_nobody_needs_is_collected_and_the_rest_stays(void **state)
{
	struct fixture    *fixture = *state;
	struct plan        kept, dropped;
	struct error       err;
	struct context_row first = { .meta = VIEW("{}"), .plan = VIEW("{}") }, second = first;
	auto_arena         arena = ARENA(1 << 20);
	struct context_row read;
	int64_t           *ids;
	size_t             count;
	uint64_t           removed = 0;
	auto_buf           text;

	buf_init(&text, 65536);
	plan_init(&kept, &fixture->store, "{\"kept\":1}", "{\"shared\":2}");
	plan_init(&dropped, &fixture->store, "{\"dropped\":1}", "{\"shared\":2}");
	first.owner = second.owner = fixture_create(fixture, "projects/c");
	assert_ok(write_plan(fixture, &kept, &first, CLUSTERS, &err));
	assert_ok(write_plan(fixture, &dropped, &second, CLUSTERS, &err));
	struct db *db = fixture_db(fixture);
	instantiated(db, &second, 1);
	instantiated(db, &first, 2);
	assert_ok(context_retain(db, first.owner, 2, &err));
	assert_ok(context_read(db, second.id, &arena, &read, &err));
	assert_ok(context_retain(db, first.owner, 1, &err));
	assert_status(ST_NOT_FOUND, context_read(db, second.id, &arena, &read, &err), &err);
	assert_ok(context_list(db, first.owner, &arena, &ids, &count, &err));
	assert_true(count == 1 && ids[0] == first.id);
	assert_ok(content_collect(&fixture->store, db, 1000, &removed, &err));
	assert_int_equal(removed, 2);
	assert_status(ST_NOT_FOUND, set_read(db, &dropped.set.digest, &text, &err), &err);
	assert_ok(set_read(db, &kept.set.digest, &text, &err));
	assert_ok(manifest_read(&fixture->store, db, &kept.members[1], &text, &err));

	assert_ok(unit_move(db, first.owner, first.id, first.id, "instantiate", &err));
	assert_ok(context_retain(db, first.owner, 0, &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM app_context a JOIN unit u ON u.context = a.id"), CLUSTERS);
	assert_ok(content_collect(&fixture->store, db, 1000, &removed, &err));
	assert_int_equal(removed, 0);

	/* A unit that is empty has nothing to tell, and holds no context; what it was labelled with stays its owner's. */
	assert_ok(unit_move(db, first.owner, 0, first.id, "terminate", &err));
	assert_ok(context_retain(db, first.owner, 0, &err));
	assert_ok(context_list(db, first.owner, &arena, &ids, &count, &err));
	assert_int_equal(count, 0);
	assert_true(is_owned(db, first.owner, first.id) && !is_owned(db, first.owner, 4711));
	db_return(db);
	buf_done(&kept.text);
	buf_done(&dropped.text);
}

static void test_a_long_past_goes_in_pieces_and_its_labels_stay(void **state)
{
	struct fixture *fixture = *state;
	struct plan     plan;
	struct error    err;
	int64_t         ids[40], *left;
	size_t          count;
	auto_arena      arena = ARENA(1 << 20);
	const int64_t   owner = fixture_create(fixture, "projects/long");
	char            sql[240];

	plan_init(&plan, &fixture->store, "{\"long\":1}", "{\"long\":2}");
	struct db *db = fixture_db(fixture);
	assert_ok(action_add(db, owner, &(struct action) { .state = "Created" }, &err));
	assert_ok(action_add(db, owner, &(struct action) { .state = "Approved" }, &err));
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct context_row context = { .owner = owner, .meta = VIEW("{}"), .plan = VIEW("{}") };
		assert_ok(write_plan(fixture, &plan, &context, 1, &err));
		instantiated(db, &context, (int64_t) i + 1);
		ids[i] = context.id;
	}
	snprintf(sql, sizeof sql, "INSERT INTO action (owner, seq, state, instance, revision) SELECT %lld, n, 'Instantiated', %lld, n"
	         " FROM generate_series(100, 2599) AS n", (long long) owner, (long long) ids[0]);
	fixture_run(fixture, sql);

	/* The oldest instance was the last one deployed, again and again, so it is kept, with the last one after it. */
	const struct { size_t contexts; int64_t actions; } steps[] = { { 24, 1542 }, { 8, 1003 }, { 2, 1003 }, { 2, 1003 } };
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_ok(context_retain(db, owner, 2, &err));
		assert_ok(context_list(db, owner, &arena, &left, &count, &err));
		assert_int_equal(count, steps[i].contexts);
		snprintf(sql, sizeof sql, "SELECT count(*) FROM action WHERE owner = %lld", (long long) owner);
		assert_int_equal(fixture_number(fixture, sql), steps[i].actions);
	}
	assert_true((left[0] == ids[0] || left[1] == ids[0]) && (left[0] == ids[39] || left[1] == ids[39]));
	snprintf(sql, sizeof sql, "SELECT count(*) FROM action WHERE owner = %lld AND (seq <= 2 OR instance = %lld OR seq > 1599)", (long long) owner,
	         (long long) ids[39]);
	assert_int_equal(fixture_number(fixture, sql), 1003);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_true(is_owned(db, owner, ids[i]));
	db_return(db);
	buf_done(&plan.text);
}

static void test_labels_go_with_the_units_and_with_nobody_else(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	const int64_t   from = fixture_create(fixture, "projects/from"), to = fixture_create(fixture, "projects/to");
	struct db      *db = fixture_db(fixture);
	struct action   last = { .state = "Instantiated", .instance = 71, .status_context = 71 };

	assert_ok(action_add(db, from, &last, &err));
	last.instance = last.status_context = 72;
	assert_ok(action_add(db, from, &last, &err));
	assert_true(is_owned(db, from, 71) && is_owned(db, from, 72) && !is_owned(db, to, 71));

	assert_ok(unit_reown(db, from, to, &err));
	snprintf(last.state, sizeof last.state, "Updated");
	assert_ok(action_add(db, from, &last, &err));
	assert_true(is_owned(db, to, 71) && is_owned(db, to, 72));
	assert_true(!is_owned(db, from, 71) && !is_owned(db, from, 72));
	assert_ok(unit_reown(db, to, from, &err));
	assert_true(is_owned(db, from, 71) && is_owned(db, from, 72) && !is_owned(db, to, 72));
	db_return(db);
}

static void test_the_cache_forgets_what_was_altered(void **state)
{
	struct fixture     *fixture = *state;
	struct error        err;
	const struct digest key = digest_of(VIEW("chart"));
	auto_buf            value;

	buf_init(&value, 4096);
	struct db *db = fixture_db(fixture);
	assert_status(ST_NOT_FOUND, cache_read(&fixture->store, db, &key, &value, &err), &err);
	assert_ok(cache_write(&fixture->store, db, &key, VIEW("rendered"), &err));
	assert_ok(cache_write(&fixture->store, db, &key, VIEW("rendered again"), &err));
	fixture_run(fixture, "UPDATE cache SET used_at = now() - interval '2 hours'");
	assert_ok(cache_read(&fixture->store, db, &key, &value, &err));
	assert_string_equal(value.data, "rendered again");
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM cache WHERE used_at > now() - interval '1 minute'"), 1);
	fixture_run(fixture, "UPDATE cache SET value = value || 'x'");
	assert_status(ST_NOT_FOUND, cache_read(&fixture->store, db, &key, &value, &err), &err);

	fixture_run(fixture, "INSERT INTO cache (key, value, used_at) SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), 'v',"
	                     " now() - interval '1 day' FROM generate_series(1, 1100) n");
	assert_ok(cache_write(&fixture->store, db, &key, VIEW("new"), &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM cache"), 1000);
	value.len = 0;
	assert_ok(cache_read(&fixture->store, db, &key, &value, &err));
	db_return(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_set_is_decoded_as_it_was_encoded),
		cmocka_unit_test(test_a_context_is_read_back_and_equal_content_is_shared),
		cmocka_unit_test(test_a_context_written_again_has_the_new_placements_only),
		cmocka_unit_test(test_what_nobody_needs_is_collected_and_the_rest_stays),
		cmocka_unit_test(test_a_long_past_goes_in_pieces_and_its_labels_stay),
		cmocka_unit_test(test_labels_go_with_the_units_and_with_nobody_else),
		cmocka_unit_test(test_the_cache_forgets_what_was_altered),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
