/* Migration over a real store: what moves, what is refused, and that a refusal leaves both as they were. */
#include "tests/unit/orchestrator/scene.h"

#include "host/orchestrator/lifecycle.h"

#include <inttypes.h>

static int64_t id_of(struct fixture *fixture, const char *path)
{
	char query[256];

	snprintf(query, sizeof query, "SELECT id FROM resource WHERE path = '%s'", path);
	return fixture_number(fixture, query);
}

static int64_t count_of(struct fixture *fixture, const char *where, const char *path)
{
	char query[512];

	snprintf(query, sizeof query, "SELECT count(*) FROM unit WHERE owner = %" PRId64 " AND %s", id_of(fixture, path), where);
	return fixture_number(fixture, query);
}

static void refuse(const char *name, enum status want, const char *words)
{
	struct error err = { 0 };

	expect_status(want, deployment_migrate(&o, VIEW(DIG), NULL, VIEW("v1"), view_of(name), soon(), &err), &err);
	expect_words(err.text, words);
}

static void expect_last(struct fixture *fixture, const char *path, const char *want)
{
	auto_db      *db = fixture_db(fixture);
	struct action last;
	struct error  err = { 0 };

	expect_status(ST_OK, action_last(db, id_of(fixture, path), &last, &err), &err);
	assert_string_equal(last.state, want);
}

/* -- tests, in the order of a life ----------------------------------------------------------------------------------- */

static void test_the_source_is_checked_first_and_then_its_target(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };

	put_other(fixture, "r1", "lc");
	refuse("other", ST_CONFLICT, "\"dig\" is not instantiated");
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	expect_ok(cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err));
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	synchronise(fixture);
	refuse("nobody", ST_NOT_FOUND, "deployment-intent-groups/nobody\" does not exist");
	refuse("dig", ST_INVALID, "cannot migrate to itself");
	refuse("other", ST_CONFLICT, "\"other\" must be Approved before others migrate to it, and is Created");
	expect_status(ST_NOT_FOUND, deployment_migrate(&o, VIEW(DIG), NULL, VIEW("v2"), VIEW("other"), soon(), &err), &err);
	expect_ok(deployment_approve(&o, VIEW(OTHER), NULL, soon(), &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
}

static void test_a_busy_target_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct store    other;
	struct error    err = { 0 };
	int64_t         token;

	fixture_store(fixture, &other);
	{
		auto_db *db = fixture_db(fixture);
		expect_ok(operation_begin(&other, db, id_of(fixture, OTHER), "instantiate", NULL, VIEW(""), (int64_t) 60e9, false, &token, &err));
	}
	refuse("other", ST_CONFLICT, OTHER "\": instantiate has been running since");
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 1);
	fixture_run(fixture, "DELETE FROM operation");
	store_close(&other);
}

static void test_another_namespace_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };

	put(fixture, "logicalCloud", "projects/x/logical-clouds/far", "{\"spec\":{\"level\":\"0\",\"namespace\":\"far\"}}");
	put(fixture, "clusterReference", "projects/x/logical-clouds/far/cluster-references/c1",
	    "{\"spec\":{\"clusterProvider\":\"p\",\"cluster\":\"c1\"}}");
	put(fixture, "clusterReference", "projects/x/logical-clouds/far/cluster-references/c2",
	    "{\"spec\":{\"clusterProvider\":\"p\",\"cluster\":\"c2\"}}");
	expect_ok(cloud_instantiate(&o, VIEW("projects/x/logical-clouds/far"), NULL, soon(), &err));
	put_other(fixture, "r1", "far");
	refuse("other", ST_CONFLICT, "deploys into namespace \"far\" (level 0), and what is to migrate is in \"default\" (level 0)");
	put_other(fixture, "r1", "lc");
}

static void test_what_is_equal_goes_over_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };
	const int64_t   label = fixture_number(fixture, "SELECT max(status_context) FROM unit"), contexts =
		fixture_number(fixture, "SELECT count(*) FROM app_context");

	assert_int_equal(count_of(fixture, "true", DIG), 3);
	expect_ok(deployment_migrate(&o, VIEW(DIG), NULL, VIEW("v1"), VIEW("other"), soon(), &err));
	assert_int_equal(count_of(fixture, "true", DIG), 0);
	assert_int_equal(count_of(fixture, "is_wanted AND due_at IS NULL AND event = 'migrate'", OTHER), 3);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE generation > 1"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT min(status_context) FROM unit"), label);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM app_context"), contexts + 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
	expect_last(fixture, DIG, "Updated");
	expect_last(fixture, OTHER, "Instantiated");
}

static void test_who_asks_the_source_is_told_where_all_of_it_is(void **state)
{
	const struct status_query query = { .mode = STATUS_DEPLOYED, .output = STATUS_SUMMARY };
	struct history_page       page = { .limit = 1 };
	struct error              err = { 0 };
	auto_buf                  status = BUF(1 << 20), history = BUF(1 << 20), target = BUF(1 << 20);

	(void) state;
	expect_ok(deployment_status(&o, VIEW(DIG), &query, soon(), &status, &err));
	expect_words(status.data, "\"migratedTo\":\"" OTHER "\"");
	expect_ok(deployment_history(&o, VIEW(DIG), &page, soon(), &history, &err));
	expect_words(history.data, "\"operation\":\"migrate\"");
	expect_words(history.data, "\"peer\":\"" OTHER "\"");
	expect_ok(deployment_history(&o, VIEW(OTHER), &page, soon(), &target, &err));
	expect_words(target.data, "\"peer\":\"" DIG "\"");
	expect_status(ST_CONFLICT, deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err), &err);
	expect_words(err.hint, "has migrated to \"" OTHER "\"");
}

static void test_the_target_goes_on_and_the_source_may_live_again_or_go(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_status(ST_CONFLICT, deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_status(ST_CONFLICT, deployment_rollback(&o, VIEW(DIG), NULL, 1, soon(), &reply, &err), &err);
	put_profile(fixture, "web", "text: two\n");
	expect_ok(deployment_update(&o, VIEW(OTHER), NULL, soon(), &reply, &err));
	assert_int_equal(reply.revision, 2);
	synchronise(fixture);
	expect_ok(deployment_rollback(&o, VIEW(OTHER), NULL, 1, soon(), &reply, &err));
	assert_int_equal(reply.revision, 3);
	synchronise(fixture);
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
}

static void test_it_goes_back_the_same_way_and_what_differs_moves(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };

	/* The profile is the second one again, and the last rollback was to the first. */
	expect_ok(deployment_migrate(&o, VIEW(OTHER), NULL, VIEW("v1"), VIEW("dig"), soon(), &err));
	assert_int_equal(count_of(fixture, "due_at IS NOT NULL", DIG), 2);
	assert_int_equal(count_of(fixture, "due_at IS NOT NULL AND app = 'web'", DIG), 2);
	synchronise(fixture);
	expect_ok(deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err));
	synchronise(fixture);
	expect_last(fixture, OTHER, "Updated");
}

static void test_empty_units_of_an_earlier_life_make_room_and_full_ones_refuse(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_ok(deployment_approve(&o, VIEW(OTHER), NULL, soon(), &err));
	expect_ok(deployment_instantiate(&o, VIEW(OTHER), NULL, soon(), &reply, &err));
	synchronise(fixture);
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	assert_int_equal(count_of(fixture, "NOT is_wanted", DIG), 3);
	fixture_run(fixture, "UPDATE unit SET applied = set WHERE NOT is_wanted");
	expect_status(ST_CONFLICT, deployment_migrate(&o, VIEW(OTHER), NULL, VIEW("v1"), VIEW("dig"), soon(), &err), &err);
	expect_words(err.text, "still has objects on cluster");
	assert_int_equal(count_of(fixture, "is_wanted", OTHER), 3);
	fixture_run(fixture, "UPDATE unit SET applied = NULL WHERE NOT is_wanted");
	expect_ok(deployment_migrate(&o, VIEW(OTHER), NULL, VIEW("v1"), VIEW("dig"), soon(), &err));
	assert_int_equal(count_of(fixture, "is_wanted", DIG), 3);
	assert_int_equal(count_of(fixture, "true", OTHER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_source_is_checked_first_and_then_its_target),
		cmocka_unit_test(test_a_busy_target_is_named),
		cmocka_unit_test(test_another_namespace_is_refused),
		cmocka_unit_test(test_what_is_equal_goes_over_as_it_is),
		cmocka_unit_test(test_who_asks_the_source_is_told_where_all_of_it_is),
		cmocka_unit_test(test_the_target_goes_on_and_the_source_may_live_again_or_go),
		cmocka_unit_test(test_it_goes_back_the_same_way_and_what_differs_moves),
		cmocka_unit_test(test_empty_units_of_an_earlier_life_make_room_and_full_ones_refuse),
	};

	return cmocka_run_group_tests_name("migrate", tests, scene_set_up, scene_tear_down);
}
