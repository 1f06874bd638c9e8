/* Back to earlier revisions over a real store; what a synchroniser would do is done by the tests. */
#include "tests/unit/orchestrator/scene.h"

#include "host/orchestrator/lifecycle.h"

#include <inttypes.h>

static void rollback(int64_t revision, int64_t want)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_status(ST_OK, deployment_rollback(&o, VIEW(DIG), NULL, revision, soon(), &reply, &err), &err);
	assert_int_equal(reply.revision, want);
}

static void refuse(int64_t revision, enum status want, const char *words)
{
	struct operation_reply reply = { 0 };
	struct error           err = { 0 };

	expect_status(want, deployment_rollback(&o, VIEW(DIG), NULL, revision, soon(), &reply, &err), &err);
	expect_words(err.text, words);
	assert_int_equal(reply.revision, 0);
}

static int64_t instance_of(struct fixture *fixture, int64_t revision)
{
	char query[256];

	snprintf(query, sizeof query, "SELECT instance FROM action WHERE state = 'Instantiated' AND revision = %" PRId64 " AND owner ="
	         " (SELECT id FROM resource WHERE path = '" DIG "')", revision);
	return fixture_number(fixture, query);
}

static void update(struct fixture *fixture, const char *values, int64_t want)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	put_profile(fixture, "web", values);
	expect_status(ST_OK, deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	assert_int_equal(reply.revision, want);
	synchronise(fixture);
}

/* -- tests, in the order of a life ----------------------------------------------------------------------------------- */

static void test_what_was_never_instantiated_has_nothing_to_go_back_to(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	refuse(1, ST_CONFLICT, "is not instantiated");
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	refuse(1, ST_CONFLICT, "is not instantiated");
	expect_ok(cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err));
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	synchronise(*state);
	update(*state, "text: two\n", 2);
	update(*state, "text: three\n", 3);
}

static void test_going_back_moves_what_differs_and_renders_nothing(void **state)
{
	struct fixture *fixture = *state;
	const size_t    runs = helm_runs();

	rollback(1, 4);
	assert_int_equal(helm_runs(), runs);
	assert_int_equal(instance_of(fixture, 4), instance_of(fixture, 1));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL AND app = 'web' AND event = 'rollback'"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(DISTINCT status_context) FROM unit"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit u JOIN app_context_cluster p ON p.context = u.context"
	                 " AND p.app = u.app AND p.cluster = u.cluster AND p.set = u.set"), 3);
	assert_int_equal(fixture_number(fixture, "SELECT max(context) FROM unit"), instance_of(fixture, 1));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
	synchronise(fixture);
}

static void test_the_same_again_moves_nothing(void **state)
{
	rollback(4, 5);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL"), 0);
	rollback(1, 6);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL"), 0);
}

static void test_a_revision_that_is_not_there_is_told_with_those_that_are(void **state)
{
	const char *const words = "\"dig\" has no revision 0 since it was instantiated; there is 1, 2, 3, 4, 5, 6";

	refuse(0, ST_NOT_FOUND, words);
	refuse(7, ST_NOT_FOUND, "has no revision 7");
	refuse(INT64_MAX, ST_NOT_FOUND, "9223372036854775807");
	refuse(-1, ST_NOT_FOUND, "has no revision -1");
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM operation"), 0);
}

static void test_a_stop_ends_with_it_and_it_goes_forward_too(void **state)
{
	struct error err = { 0 };

	rollback(3, 7);
	expect_ok(deployment_stop(&o, VIEW(DIG), NULL, soon(), &err));
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM unit WHERE is_stopped"), 2);
	rollback(2, 8);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM unit WHERE is_stopped"), 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL AND app = 'web'"), 2);
	synchronise(*state);
}

static void test_what_is_not_kept_any_more_is_refused_and_nothing_moves(void **state)
{
	struct fixture *fixture = *state;
	char            statement[96];

	snprintf(statement, sizeof statement, "DELETE FROM app_context WHERE id = %" PRId64, instance_of(fixture, 3));
	fixture_run(fixture, statement);
	refuse(3, ST_CONFLICT, "\"dig\" does not keep revision 3 any more; there is 1, 2, 4, 5, 6, 8");
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE is_wanted AND due_at IS NULL"), 3);
}

static void test_the_cloud_must_be_usable(void **state)
{
	fixture_run(*state, "UPDATE action SET state = 'Terminated' WHERE state = 'Instantiated' AND owner ="
	                    " (SELECT id FROM resource WHERE path = '" CLOUD "')");
	refuse(1, ST_CONFLICT, "logical cloud \"lc\" has been terminated");
	fixture_run(*state, "UPDATE action SET state = 'Instantiated' WHERE state = 'Terminated' AND owner ="
	                    " (SELECT id FROM resource WHERE path = '" CLOUD "')");
}

static void test_another_life_does_not_go_back_into_the_one_before(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_ok(deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err));
	refuse(1, ST_CONFLICT, "is not instantiated");
	synchronise(*state);
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(reply.revision, 9);
	synchronise(*state);
	refuse(1, ST_NOT_FOUND, "has no revision 1 since it was instantiated; there is 9");
	rollback(9, 10);
	for (int64_t revision = 11; revision < 30; revision++)
		rollback(9, revision);
	refuse(8, ST_NOT_FOUND, "there is ..., 14, 15, ");
}

/* As if it had been rolled back 510 times more, with two actions each.  Of revision 9 only the context is left, which the last ones have too. */
static void test_a_long_life_forgets_its_middle_and_says_so(void **state)
{
	struct fixture *fixture = *state;
	char            query[400];

	snprintf(query, sizeof query, "INSERT INTO action (owner, seq, state, instance, status_context, revision) SELECT owner, seq + 2 * n, state,"
	         " instance, status_context, revision + n FROM (SELECT * FROM action WHERE owner = (SELECT id FROM resource WHERE path = '" DIG "')"
	         " ORDER BY seq DESC LIMIT 2) AS a, generate_series(1, 510) AS n");
	fixture_run(fixture, query);
	rollback(539, 540);
	refuse(9, ST_CONFLICT, "\"dig\" does not keep revision 9 any more; there is ..., 525, 526, ");
	refuse(541, ST_NOT_FOUND, "has no revision 541 since it was instantiated");
	refuse(0, ST_NOT_FOUND, "has no revision 0");
	snprintf(query, sizeof query, "SELECT count(*) FROM action WHERE owner = (SELECT id FROM resource WHERE path = '" DIG "')");
	assert_in_range(fixture_number(fixture, query), 1000, 1010);
	snprintf(query, sizeof query, "SELECT count(*) FROM action WHERE owner = (SELECT id FROM resource WHERE path = '" DIG "')"
	         " AND (state = 'Created' OR seq = (SELECT max(seq) FROM action WHERE state = 'Terminated'))");
	assert_int_equal(fixture_number(fixture, query), 2);
	rollback(40 + 1000 / 2, 541);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_never_instantiated_has_nothing_to_go_back_to),
		cmocka_unit_test(test_going_back_moves_what_differs_and_renders_nothing),
		cmocka_unit_test(test_the_same_again_moves_nothing),
		cmocka_unit_test(test_a_revision_that_is_not_there_is_told_with_those_that_are),
		cmocka_unit_test(test_a_stop_ends_with_it_and_it_goes_forward_too),
		cmocka_unit_test(test_what_is_not_kept_any_more_is_refused_and_nothing_moves),
		cmocka_unit_test(test_the_cloud_must_be_usable),
		cmocka_unit_test(test_another_life_does_not_go_back_into_the_one_before),
		cmocka_unit_test(test_a_long_life_forgets_its_middle_and_says_so),
	};

	return cmocka_run_group_tests_name("rollback", tests, scene_set_up, scene_tear_down);
}
