/* Writing, reading and deleting resources: each rule, and what the answer says. */
#include "tests/unit/store/fixture.h"

static enum status write_one(struct fixture *fixture, struct resource_write write, enum resource_mode mode,
                             struct resource_written *ret_written, struct error *err)
{
	struct db *db = fixture_db(fixture);

	enum status st = resource_write(&fixture->store, db, &write, mode, ret_written, err);
	db_return(db);
	return st;
}

static enum status delete_one(struct fixture *fixture, const char *path, struct error *err)
{
	struct db *db = fixture_db(fixture);

	enum status st = resource_delete(&fixture->store, db, view_of(path), false, err);
	db_return(db);
	return st;
}

static enum status read_one(struct fixture *fixture, const char *path, struct buf *doc, uint64_t *version, struct error *err)
{
	struct db *db = fixture_db(fixture);

	enum status st = resource_read(&fixture->store, db, view_of(path), doc, version, NULL, err);
	db_return(db);
	return st;
}

/* PROJECT(VIEW("projects/p"), .is_owner = true) */
#define PROJECT(...) \
	(struct resource_write) { .type = VIEW("project"), .name = VIEW("x"), .doc = VIEW("{\"a\":1}"), .path = __VA_ARGS__ }

static void test_a_created_resource_is_read_back_byte_for_byte(void **state)
{
	struct resource_written written;
	struct error            err;
	uint64_t                version = 0;
	auto_buf                doc;

	buf_init(&doc, 4096);
	assert_ok(write_one(*state, PROJECT(VIEW("projects/a1")), RESOURCE_CREATE, &written, &err));
	assert_true(written.is_new);
	assert_int_equal(written.version, 1);
	assert_ok(read_one(*state, "projects/a1", &doc, &version, &err));
	assert_string_equal(doc.data, "{\"a\":1}");
	assert_int_equal(version, 1);
}

static void test_a_second_creation_says_that_it_exists(void **state)
{
	struct resource_written written = { .id = -7 };
	struct error            err;

	assert_ok(write_one(*state, PROJECT(VIEW("projects/a2")), RESOURCE_CREATE, &written, &err));
	written.id = -7;
	assert_status(ST_EXISTS, write_one(*state, PROJECT(VIEW("projects/a2")), RESOURCE_CREATE, &written, &err), &err);
	assert_string_equal(err.text, "\"projects/a2\" already exists");
	assert_int_equal(written.id, -7);
}

static void test_a_missing_parent_is_named(void **state)
{
	struct resource_written written;
	struct error            err;
	const struct view       ref = VIEW("projects/left-over");

	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/p9/apps/a"), .parent = VIEW("projects/p9"),
	              .references = &ref, .reference_count = 1), RESOURCE_CREATE, &written, &err), &err);
	assert_string_equal(err.text, "parent \"projects/p9\" does not exist");
	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/p9/apps/a"), .parent = VIEW("projects/p9")),
	              RESOURCE_CREATE, &written, &err), &err);
	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/p9/apps/a"), .parent = VIEW("projects/p9")),
	              RESOURCE_CREATE_OR_REPLACE, &written, &err), &err);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE path = 'projects/left-over'"), 0);
}

static void test_each_replacement_counts_the_version(void **state)
{
	struct resource_written written;
	struct error            err;

	assert_ok(write_one(*state, PROJECT(VIEW("projects/a3")), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(*state, PROJECT(VIEW("projects/a3")), RESOURCE_REPLACE, &written, &err));
	assert_int_equal(written.version, 2);
	assert_false(written.is_new);
	assert_ok(write_one(*state, PROJECT(VIEW("projects/a3")), RESOURCE_CREATE_OR_REPLACE, &written, &err));
	assert_int_equal(written.version, 3);
	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/nix")), RESOURCE_REPLACE, &written, &err), &err);
	assert_string_equal(err.text, "\"projects/nix\" does not exist");
	assert_ok(write_one(*state, PROJECT(VIEW("projects/a4")), RESOURCE_CREATE_OR_REPLACE, &written, &err));
	assert_true(written.is_new);
	assert_ok(delete_one(*state, "projects/a4", &err));
	assert_status(ST_NOT_FOUND, delete_one(*state, "projects/a4", &err), &err);
}

static void test_what_has_children_or_is_referenced_stays(void **state)
{
	struct resource_written written;
	struct error            err;
	const struct view       ref = VIEW("projects/b1/composite-apps/ca");

	fixture_create(*state, "projects/b1");
	fixture_create(*state, "projects/b1/composite-apps/ca");
	assert_status(ST_CONFLICT, delete_one(*state, "projects/b1", &err), &err);
	assert_string_equal(err.text, "\"projects/b1\" still has \"projects/b1/composite-apps/ca\"");
	assert_string_equal(err.hint, "Delete what lies below it first.");

	assert_ok(write_one(*state, PROJECT(VIEW("projects/b2"), .references = &ref, .reference_count = 1), RESOURCE_CREATE,
	                    &written, &err));
	assert_status(ST_CONFLICT, delete_one(*state, "projects/b1/composite-apps/ca", &err), &err);
	assert_string_equal(err.text, "\"projects/b1/composite-apps/ca\" is still referenced by \"projects/b2\"");
	assert_ok(write_one(*state, PROJECT(VIEW("projects/b2")), RESOURCE_REPLACE, &written, &err));
	assert_ok(delete_one(*state, "projects/b1/composite-apps/ca", &err));
	assert_ok(delete_one(*state, "projects/b1", &err));
}

static void test_a_placeholder_is_taken_over_and_then_blocks_deletion(void **state)
{
	struct resource_written written;
	struct error            err;
	auto_buf                doc;
	const struct view       refs[] = { VIEW("projects/late"), VIEW("projects/late"), VIEW("projects/never"), VIEW("projects/c1") };

	buf_init(&doc, 4096);
	assert_ok(write_one(*state, PROJECT(VIEW("projects/c1"), .references = refs, .reference_count = 4), RESOURCE_CREATE,
	                    &written, &err));
	assert_status(ST_NOT_FOUND, read_one(*state, "projects/late", &doc, NULL, &err), &err);
	assert_status(ST_NOT_FOUND, delete_one(*state, "projects/late", &err), &err);
	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/late")), RESOURCE_REPLACE, &written, &err), &err);
	assert_status(ST_NOT_FOUND, write_one(*state, PROJECT(VIEW("projects/late/x/y"), .parent = VIEW("projects/late")),
	              RESOURCE_CREATE, &written, &err), &err);

	assert_ok(write_one(*state, PROJECT(VIEW("projects/late")), RESOURCE_CREATE, &written, &err));
	assert_true(written.is_new);
	assert_int_equal(written.version, 1);
	assert_status(ST_CONFLICT, delete_one(*state, "projects/late", &err), &err);
	assert_string_equal(err.text, "\"projects/late\" is still referenced by \"projects/c1\"");

	assert_ok(delete_one(*state, "projects/c1", &err));
	assert_ok(delete_one(*state, "projects/late", &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE doc IS NULL"), 0);
}

static void test_a_replacement_sweeps_placeholders_nobody_needs_any_more(void **state)
{
	struct resource_written written;
	struct error            err;
	const struct view       refs[] = { VIEW("projects/ghost-1"), VIEW("projects/ghost-2") };

	assert_ok(write_one(*state, PROJECT(VIEW("projects/d1"), .references = refs, .reference_count = 2), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(*state, PROJECT(VIEW("projects/d2"), .references = refs, .reference_count = 1), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(*state, PROJECT(VIEW("projects/d1"), .references = refs, .reference_count = 1), RESOURCE_REPLACE, &written, &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE doc IS NULL"), 1);
	assert_ok(write_one(*state, PROJECT(VIEW("projects/d1")), RESOURCE_CREATE_OR_REPLACE, &written, &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE doc IS NULL"), 1);
	assert_ok(delete_one(*state, "projects/d2", &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE doc IS NULL"), 0);
	assert_ok(delete_one(*state, "projects/d1", &err));
}

static void test_strict_references_must_exist(void **state)
{
	struct resource_written written;
	struct error            err;
	const struct view       refs[] = { VIEW("projects/m1"), VIEW("projects/m2"), VIEW("projects/m3"), VIEW("projects/m4"),
	                                   VIEW("projects/m5") };

	for (int mode = RESOURCE_CREATE; mode <= RESOURCE_CREATE_OR_REPLACE; mode += RESOURCE_CREATE_OR_REPLACE - RESOURCE_CREATE) {
		assert_status(ST_CONFLICT, write_one(*state, PROJECT(VIEW("projects/e1"), .musts = refs, .must_count = 1,
		              .references = refs, .reference_count = 2), mode, &written, &err), &err);
		assert_string_equal(err.text, "what it refers to does not exist: \"projects/m1\"");
		assert_status(ST_CONFLICT, write_one(*state, PROJECT(VIEW("projects/e1"), .musts = refs + 1, .must_count = 4,
		              .references = refs, .reference_count = 5), mode, &written, &err), &err);
		assert_string_equal(err.text, "what it refers to does not exist: \"projects/m2\", \"projects/m3\", \"projects/m4\""
		                              " and 1 more");
	}
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM resource WHERE path ~ '^projects/(e1|m.)$'"), 0);
	assert_ok(write_one(*state, PROJECT(VIEW("projects/e1"), .references = refs, .reference_count = 5), RESOURCE_CREATE, &written, &err));
	assert_ok(delete_one(*state, "projects/e1", &err));
}

static void test_missing_references_are_named_in_order(void **state)
{
	struct fixture   *fixture = *state;
	struct error      err;
	const struct view paths[] = { VIEW("projects/z"), VIEW("projects/f1"), VIEW("projects/y") };
	struct view       missing[3];
	size_t            count = 0;

	fixture_create(fixture, "projects/f1");
	struct db *db = fixture_db(fixture);
	assert_ok(resource_missing(db, paths, 3, missing, &count, &err));
	db_return(db);
	assert_int_equal(count, 2);
	assert_true(view_is(missing[0], "projects/z") && view_is(missing[1], "projects/y"));
}

static void test_a_unique_value_is_one_siblings_only(void **state)
{
	struct resource_written written;
	struct error            err;

	fixture_create(*state, "projects/g1");
	fixture_create(*state, "projects/g2");
	assert_ok(write_one(*state, PROJECT(VIEW("projects/g1/c/x"), .parent = VIEW("projects/g1"), .unique = VIEW("ns")), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(*state, PROJECT(VIEW("projects/g2/c/x"), .parent = VIEW("projects/g2"), .unique = VIEW("ns")), RESOURCE_CREATE, &written, &err));
	assert_status(ST_EXISTS, write_one(*state, PROJECT(VIEW("projects/g1/c/y"), .parent = VIEW("projects/g1"), .unique = VIEW("ns")),
	              RESOURCE_CREATE, &written, &err), &err);
	assert_string_equal(err.text, "\"ns\" is taken by \"projects/g1/c/x\"");
}

static void test_a_secret_is_sealed_at_rest_and_bound_to_its_path(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct error            err;
	auto_buf                doc;

	buf_init(&doc, 4096);
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/s1"), .is_secret = true), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/s2"), .is_secret = true), RESOURCE_CREATE, &written, &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM resource WHERE path LIKE 'projects/s_' AND doc LIKE 'sealed:%'"), 2);
	assert_ok(read_one(fixture, "projects/s1", &doc, NULL, &err));
	assert_string_equal(doc.data, "{\"a\":1}");

	fixture_run(fixture, "UPDATE resource SET doc = (SELECT doc FROM resource WHERE path = 'projects/s1') WHERE path = 'projects/s2'");
	assert_status(ST_FORBIDDEN, read_one(fixture, "projects/s2", &doc, NULL, &err), &err);
	assert_string_equal(err.text, "\"projects/s2\": a secret in the database is not as it was sealed");
}

static enum status collect_file(void *data, const struct resource_file_row *file, struct error *err)
{
	return buf_printf(data, err, "%.*s=%.*s(%.*s);", (int) file->field.len, file->field.ptr,
	                  (int) file->content.len, file->content.ptr, (int) file->media_type.len, file->media_type.ptr);
}

static void test_files_are_kept_replaced_and_sealed(void **state)
{
	struct fixture            *fixture = *state;
	struct resource_written    written;
	struct error               err;
	auto_buf                   seen;
	const struct resource_file files[] = {
		{ "file",   VIEW("chart.tgz"), VIEW("application/gzip"), VIEW("abc"), false },
		{ "config", VIEW("kube"),      VIEW("text/yaml"),        VIEW("key"), true  },
	};

	buf_init(&seen, 4096);
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/h1"), .files = files, .file_count = 2), RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/h1")), RESOURCE_REPLACE, &written, &err));
	struct db *db = fixture_db(fixture);
	assert_ok(resource_files(&fixture->store, db, VIEW("projects/h1"), collect_file, &seen, &err));
	assert_string_equal(seen.data, "file=abc(application/gzip);config=key(text/yaml);");
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM resource_file WHERE bytes = 'key'"), 0);

	buf_clear(&seen);
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/h1"), .files = files + 1, .file_count = 1, .is_replacing_files = true),
	                    RESOURCE_CREATE_OR_REPLACE, &written, &err));
	assert_ok(resource_files(&fixture->store, db, VIEW("projects/h1"), collect_file, &seen, &err));
	assert_string_equal(seen.data, "config=key(text/yaml);");

	buf_clear(&seen);
	assert_ok(write_one(fixture, PROJECT(VIEW("projects/h1"), .is_replacing_files = true), RESOURCE_REPLACE, &written, &err));
	assert_ok(resource_files(&fixture->store, db, VIEW("projects/h1"), collect_file, &seen, &err));
	assert_string_equal(seen.data, "");
	assert_status(ST_NOT_FOUND, resource_files(&fixture->store, db, VIEW("projects/hx"), collect_file, &seen, &err), &err);
	db_return(db);
}

static void test_a_document_and_its_files_are_read_of_one_moment(void **state)
{
	struct fixture            *fixture = *state;
	struct resource_written    written;
	struct error               err;
	const struct resource_file before = { "file", VIEW("f"), VIEW("text/plain"), VIEW("before"), false },
	                           after = { "file", VIEW("f"), VIEW("text/plain"), VIEW("after"), false };
	const struct view          path = VIEW("projects/moment");
	auto_buf                   doc = BUF(4096), seen = BUF(4096);
	uint64_t                   version = 0;

	assert_ok(write_one(fixture, PROJECT(path, .files = &before, .file_count = 1), RESOURCE_CREATE, &written, &err));
	struct db *db = fixture_db(fixture);
	assert_ok(db_begin_read(db, &err));
	assert_ok(resource_read(&fixture->store, db, path, &doc, &version, NULL, &err));
	assert_ok(write_one(fixture, PROJECT(path, .files = &after, .file_count = 1, .is_replacing_files = true), RESOURCE_REPLACE, &written,
	                    &err));
	assert_true(written.version != version);
	assert_ok(resource_files(&fixture->store, db, path, collect_file, &seen, &err));
	assert_string_equal(seen.data, "file=before(text/plain);");
	db_rollback(db);

	buf_clear(&seen);
	assert_ok(resource_files(&fixture->store, db, path, collect_file, &seen, &err));
	assert_string_equal(seen.data, "file=after(text/plain);");
	db_return(db);
}

static enum status collect_path(void *data, const struct resource_item *item, struct error *err)
{
	return buf_printf(data, err, "%.*s ", (int) item->path.len, item->path.ptr);
}

static enum status collect_parent(void *data, struct view path, struct error *err)
{
	return buf_printf(data, err, "%.*s ", (int) path.len, path.ptr);
}

static enum status stop_at_once(void *data, const struct resource_item *item, struct error *err)
{
	(void) data;
	(void) item;
	return fail(err, ST_TOO_LARGE, "enough");
}

static void test_lists_are_in_byte_order_and_paged_by_path(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	auto_buf        seen;

	buf_init(&seen, 4096);
	fixture_create(fixture, "projects/i");
	fixture_create(fixture, "projects/i/apps/b");
	fixture_create(fixture, "projects/i/apps/B");
	fixture_create(fixture, "projects/i/apps/a");
	fixture_create(fixture, "projects/i/other/c");
	struct db *db = fixture_db(fixture);
	assert_ok(resource_list(&fixture->store, db, VIEW("apps"), VIEW("projects/i"), VIEW(""), 0, collect_path, &seen, &err));
	assert_string_equal(seen.data, "projects/i/apps/B projects/i/apps/a projects/i/apps/b ");
	buf_clear(&seen);
	assert_ok(resource_list(&fixture->store, db, VIEW("apps"), VIEW("projects/i"), VIEW("projects/i/apps/B"), 1, collect_path, &seen, &err));
	assert_string_equal(seen.data, "projects/i/apps/a ");

	assert_status(ST_TOO_LARGE, resource_list(&fixture->store, db, VIEW("apps"), VIEW("projects/i"), VIEW(""), 0, stop_at_once, NULL, &err), &err);
	buf_clear(&seen);
	assert_ok(resource_list(&fixture->store, db, VIEW("none"), VIEW("projects/i"), VIEW(""), 0, collect_path, &seen, &err));
	assert_string_equal(seen.data, "");
	assert_status(ST_NOT_FOUND, resource_list(&fixture->store, db, VIEW("apps"), VIEW("projects/j"), VIEW(""), 0, collect_path, &seen, &err), &err);
	assert_string_equal(err.text, "\"projects/j\" does not exist");
	db_return(db);
}

static void test_clusters_are_found_by_label(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct error            err;
	auto_buf                seen;

	buf_init(&seen, 4096);
	fixture_create(fixture, "cluster-providers/p");
	fixture_create(fixture, "cluster-providers/p/clusters/c2");
	fixture_create(fixture, "cluster-providers/p/clusters/c1");
	fixture_create(fixture, "cluster-providers/p/clusters/c3");
	for (int i = 1; i <= 2; i++) {
		char path[128], parent[64];
		snprintf(parent, sizeof parent, "cluster-providers/p/clusters/c%d", i);
		snprintf(path, sizeof path, "%s/labels/east", parent);
		assert_ok(write_one(fixture, (struct resource_write) { .path = view_of(path), .parent = view_of(parent),
		          .type = VIEW("clusterLabel"), .name = VIEW("east"), .doc = VIEW("{}") }, RESOURCE_CREATE, &written, &err));
	}
	struct db *db = fixture_db(fixture);
	assert_ok(resource_list_parents(db, VIEW("clusterLabel"), VIEW("east"), VIEW("cluster-providers/p"), collect_parent, &seen, &err));
	assert_string_equal(seen.data, "cluster-providers/p/clusters/c1 cluster-providers/p/clusters/c2 ");
	db_return(db);
}

static const char *const with_children[] = {
	"projects/k", "projects/k/apps/c", "projects/k/apps/a", "projects/k/apps/b", "projects/k/apps/a/profiles/2",
	"projects/k/apps/c/profiles/1", "projects/k/apps/a/profiles/1", "projects/k/apps/b/others/1",
};

/* Each row: what is listed, and its child in brackets. */
static enum status collect_child(void *data, const struct resource_item *item, const struct resource_item *child, struct error *err)
{
	return buf_printf(data, err, "%.*s[%.*s] ", V(item->path), child == NULL ? 0 : (int) child->path.len,
	                  child == NULL ? "" : child->path.ptr);
}

static void test_a_list_comes_with_its_children_and_its_limit_is_none_of_theirs(void **state)
{
	struct fixture *fixture = *state;
	struct error    err;
	auto_buf        seen;

	buf_init(&seen, 4096);
	for (size_t i = 0; i < ARRAY_LEN(with_children); i++)
		fixture_create(fixture, with_children[i]);
	struct db *db = fixture_db(fixture);
	const struct view apps = VIEW("apps"), profiles = VIEW("profiles"), parent = VIEW("projects/k");
	assert_ok(resource_list_children(&fixture->store, db, apps, profiles, parent, VIEW(""), 0, collect_child, &seen, &err));
	assert_string_equal(seen.data, "projects/k/apps/a[projects/k/apps/a/profiles/1] projects/k/apps/a[projects/k/apps/a/profiles/2] "
	                    "projects/k/apps/b[] projects/k/apps/c[projects/k/apps/c/profiles/1] ");
	buf_clear(&seen);
	assert_ok(resource_list_children(&fixture->store, db, apps, profiles, parent, VIEW("projects/k/apps/a"), 1, collect_child, &seen, &err));
	assert_string_equal(seen.data, "projects/k/apps/b[] ");
	buf_clear(&seen);
	assert_ok(resource_list_children(&fixture->store, db, apps, profiles, parent, VIEW(""), 1, collect_child, &seen, &err));
	assert_string_equal(seen.data, "projects/k/apps/a[projects/k/apps/a/profiles/1] projects/k/apps/a[projects/k/apps/a/profiles/2] ");
	assert_status(ST_NOT_FOUND, resource_list_children(&fixture->store, db, apps, profiles, VIEW("projects/l"), VIEW(""), 0, collect_child,
	              &seen, &err), &err);
	db_return(db);
}

static void test_an_owner_begins_its_life_and_clusters_are_announced(void **state)
{
	struct fixture         *fixture = *state;
	struct resource_written written;
	struct error            err;
	struct action           action;

	fixture_create(fixture, "cluster-providers/q");
	const struct resource_write cluster = { .path = VIEW("cluster-providers/q/clusters/k"), .parent = VIEW("cluster-providers/q"),
		.type = VIEW("cluster"), .name = VIEW("k"), .doc = VIEW("{}"), .is_owner = true, .has_events = true };
	assert_ok(write_one(fixture, cluster, RESOURCE_CREATE, &written, &err));
	assert_ok(write_one(fixture, cluster, RESOURCE_REPLACE, &written, &err));
	struct db *db = fixture_db(fixture);
	assert_ok(action_last(db, written.id, &action, &err));
	assert_string_equal(action.state, "Created");
	assert_true(action.at_ms > 1000);
	assert_ok(resource_delete(&fixture->store, db, cluster.path, true, &err));
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM outbox WHERE subject = 'q+k'"), 3);
	assert_int_equal(fixture_number(fixture, "SELECT count(DISTINCT kind) FROM outbox WHERE subject = 'q+k'"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_created_resource_is_read_back_byte_for_byte),
		cmocka_unit_test(test_a_second_creation_says_that_it_exists),
		cmocka_unit_test(test_a_missing_parent_is_named),
		cmocka_unit_test(test_each_replacement_counts_the_version),
		cmocka_unit_test(test_what_has_children_or_is_referenced_stays),
		cmocka_unit_test(test_a_placeholder_is_taken_over_and_then_blocks_deletion),
		cmocka_unit_test(test_a_replacement_sweeps_placeholders_nobody_needs_any_more),
		cmocka_unit_test(test_strict_references_must_exist),
		cmocka_unit_test(test_missing_references_are_named_in_order),
		cmocka_unit_test(test_a_unique_value_is_one_siblings_only),
		cmocka_unit_test(test_a_secret_is_sealed_at_rest_and_bound_to_its_path),
		cmocka_unit_test(test_files_are_kept_replaced_and_sealed),
		cmocka_unit_test(test_a_document_and_its_files_are_read_of_one_moment),
		cmocka_unit_test(test_lists_are_in_byte_order_and_paged_by_path),
		cmocka_unit_test(test_clusters_are_found_by_label),
		cmocka_unit_test(test_a_list_comes_with_its_children_and_its_limit_is_none_of_theirs),
		cmocka_unit_test(test_an_owner_begins_its_life_and_clusters_are_announced),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
