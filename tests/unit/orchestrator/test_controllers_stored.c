/* Controllers in an operation: in order, and when one fails or does not come back nothing is left. */
#include "tests/unit/orchestrator/scene.h"

#include "host/orchestrator/placement.h"
#include "host/orchestrator/plan.h"
#include "lib/base/clock.h"
#include "tests/unit/registry/controllers_setup.h"

static struct setup        setup;

static int set_up(void **state)
{
	struct error err = { 0 };

	if (fixture_open(state) != 0)
		return -1;
	setup_begin(&setup);
	setup_conf(&setup, "placer.conf", "test-placer", "name = \"placer\"; options = { journal = \"%JOURNAL%\"; };");
	setup_conf(&setup, "actor.conf", "test-actor", "name = \"actor\"; options = { journal = \"%JOURNAL%\"; };");
	setup_conf(&setup, "fails.conf", "test-recorder",
	           "name = \"fails\"; options = { journal = \"%JOURNAL%\"; fail_at = \"update\"; };");
	setup_conf(&setup, "sulks.conf", "test-recorder",
	           "name = \"sulks\"; options = { journal = \"%JOURNAL%\"; fail_at = \"post\"; };");
	setup_conf(&setup, "hangs.conf", "test-hangs", "name = \"hangs\"; call_timeout_ms = 200; options = { until = \"%GATE%\"; };");
	setup_start(&setup);
	scene_open(*state, setup.plugins);
	expect_ok(cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err));
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	return 0;
}

static int tear_down(void **state)
{
	setup_file(setup.folder, "gate", "", 0600);
	assert_int_equal(guard_drain(soon()), 0);
	scene_close();
	setup_end(&setup);
	return fixture_close(state);
}

static void put_controllers_of(struct fixture *fixture, const char *path, const char *pairs)
{
	char doc[512];

	snprintf(doc, sizeof doc, "{\"spec\":{\"intent\":{\"genericPlacementIntent\":\"gpi\"%s}}}", pairs);
	put(fixture, "groupIntent", path, doc);
}

static void put_controllers(struct fixture *fixture, const char *pairs)
{
	put_controllers_of(fixture, DIG "/intents/all", pairs);
}

static void expect_nothing(struct fixture *fixture)
{
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM app_context"), 1);       /* the cloud's */
}

static void test_a_failing_controller_is_named_and_leaves_nothing(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	put_controllers(*state, ",\"placer\":\"p\",\"actor\":\"a\",\"fails\":\"f\"");
	expect_status(ST_INVALID, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_words(err.text, "controller \"fails\"");
	expect_words(err.text, "the test wants it so");
	expect_nothing(*state);
}

static void test_a_controller_that_does_not_come_back_is_left_behind(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	put_controllers(*state, ",\"hangs\":\"h\"");
	const int64_t begun = clock_ns();
	expect_status(ST_DEADLINE, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_words(err.text, "controller \"hangs\" did not answer within");
	assert_true(clock_ns() - begun < (int64_t) 15e9);
	expect_nothing(*state);
	assert_int_equal(o.running, 0);

	/* The thread that was left comes back while another operation runs, and takes nothing from it. */
	put_controllers(*state, ",\"placer\":\"p\",\"actor\":\"a\"");
	setup_file(setup.folder, "gate", "", 0600);
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(guard_drain(soon()), 0);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM app_context"), 2);
	assert_int_equal(fixture_number(*state, "SELECT count(*) FROM operation"), 0);
}

static void test_controllers_are_told_in_order_through_the_whole_life(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };
	static char            journal[4096];

	snprintf(journal, sizeof journal, "%s", setup_journal(&setup));
	const char *place = strstr(journal, "placer filter"), *act = strstr(journal, "actor update");
	const char *post = strstr(journal, "actor post");
	if (place == NULL || act == NULL || post == NULL || !(place < act && act < post))
		fail_msg("out of order: %s", journal);

	synchronise(*state);
	expect_ok(deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	expect_ok(deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err));
	snprintf(journal, sizeof journal, "%s", setup_journal(&setup));
	expect_words(journal, "actor terminate");
	if (strstr(journal, "placer terminate") != NULL)
		fail_msg("a placement controller was told to let go: %s", journal);
}

static size_t times(const char *text, const char *words)
{
	size_t count = 0;

	for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words))
		count++;
	return count;
}

static void test_who_fails_once_it_is_done_stands_in_the_history(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };
	auto_buf               history = BUF(1 << 16);
	auto_json             *list = NULL;
	struct history_page    page = { .limit = 2 };

	synchronise(fixture);
	put_controllers(fixture, ",\"sulks\":\"s\",\"actor\":\"a\"");
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	synchronise(fixture);
	expect_ok(deployment_history(&o, VIEW(DIG), &page, soon(), &history, &err));
	expect_ok(json_read(buf_view(&history), &list, &err));
	const json_t *newest = json_array_get(list, 0);
	assert_string_equal(json_string_at(newest, "operation"), "instantiate");
	assert_string_equal(json_string_at(newest, "outcome"), "done");
	assert_string_equal(json_string_at(newest, "error"), "");
	expect_words(json_string_at(newest, "warning"), "controller \"sulks\"");
	expect_words(json_string_at(newest, "warning"), "the test wants it so");
	assert_null(json_object_get(json_array_get(list, 1), "warning"));
}

static void test_a_migration_is_told_to_the_controllers_of_both(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };
	static char     journal[4096];

	put_other(fixture, "r1", "lc");
	put_controllers_of(fixture, OTHER "/intents/all", ",\"placer\":\"p\",\"actor\":\"a\"");
	put_controllers(fixture, ",\"fails\":\"f\",\"actor\":\"b\"");
	expect_ok(deployment_approve(&o, VIEW(OTHER), NULL, soon(), &err));
	setup_file(setup.folder, "journal", "", 0600);
	expect_ok(deployment_migrate(&o, VIEW(DIG), NULL, VIEW("v1"), VIEW("other"), soon(), &err));
	snprintf(journal, sizeof journal, "%s", setup_journal(&setup));
	if (times(journal, "fails post") != 1 || times(journal, "actor post") != 1 || times(journal, "placer post") != 1)
		fail_msg("not each once: %s", journal);
	if (strstr(journal, "fails update") != NULL)
		fail_msg("a controller of what is left decided: %s", journal);

	/* One that is gone keeps nobody from leaving. */
	synchronise(fixture);
	put_controllers_of(fixture, OTHER "/intents/all", ",\"nobody\":\"n\"");
	put_controllers(fixture, "");
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	expect_ok(deployment_migrate(&o, VIEW(OTHER), NULL, VIEW("v1"), VIEW("dig"), soon(), &err));
}

/* Plan and persist, without rendering: apps x clusters x objects. */
enum { APPS = 10, CLUSTERS = 100, OBJECTS = 100 };

static struct plan *big_plan(struct arena *arena, int round)
{
	const struct plan_meta meta = { .project = VIEW("x"), .deployment_intent_group = VIEW("dig") };
	struct plan           *plan = plan_new(o.store->sealer, &meta);
	struct placement       placement = { .at = arena_alloc(arena, CLUSTERS, sizeof(struct place)), .count = CLUSTERS };
	struct error           err;

	for (int c = 0; c < CLUSTERS; c++)
		placement.at[c] = (struct place) { view_of(arena_printf(arena, "p+c%03d", c)), (unsigned) c + 1, true };
	for (int a = 0; a < APPS; a++) {
		struct objects objects = { arena_alloc(arena, OBJECTS, sizeof(struct object)), OBJECTS };
		for (int i = 0; i < OBJECTS; i++)
			objects.at[i] = (struct object) {
				.name = view_of(arena_printf(arena, "o%03d+ConfigMap", i)), .api_version = VIEW("v1"), .kind = VIEW("ConfigMap"),
				.namespace_ = VIEW(""), .events = VIEW(""),
				.body = view_of(arena_printf(arena, "{\"kind\":\"ConfigMap\",\"round\":%d,\"app\":%d,\"n\":%d,\"text\":\"%0600d\"}", round, a, i, i)),
			};
		expect_ok(plan_add_app(plan, view_of(arena_printf(arena, "app%02d", a)), &objects, &placement, &err));
	}
	return plan;
}

static void test_a_hundred_thousand_tuples_are_written_once_per_content(void **state)
{
	struct fixture *fixture = *state;
	auto_arena      arena = ARENA(512 << 20);
	struct error    err;
	int64_t         id = fixture_number(fixture, "SELECT id FROM resource WHERE path = '" VERSION "'");

	for (int round = 0; round < 3; round++) {
		const int64_t begun = clock_ns();
		auto_plan    *plan = big_plan(&arena, round < 2 ? 0 : 1);
		auto_db      *db = fixture_db(fixture);
		const int64_t planned = clock_ns();
		expect_ok(db_begin(db, &err));
		expect_ok(plan_flush(plan, o.store, db, id, &err));
		expect_ok(unit_move(db, id, plan_id(plan), plan_id(plan), "instantiate", &err));
		expect_ok(db_commit(db, &err));
		print_message("%d x %d x %d: plan %.1f ms, persist %.1f ms\n", APPS, CLUSTERS, OBJECTS, (double) (planned - begun) / 1e6,
		              (double) (clock_ns() - planned) / 1e6);
		const struct plan_size size = plan_size(plan);
		assert_int_equal(size.manifests, APPS * OBJECTS);
		assert_int_equal(size.sets, APPS);
		assert_int_equal(size.slots, APPS * CLUSTERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failing_controller_is_named_and_leaves_nothing),
		cmocka_unit_test(test_a_controller_that_does_not_come_back_is_left_behind),
		cmocka_unit_test(test_controllers_are_told_in_order_through_the_whole_life),
		cmocka_unit_test(test_who_fails_once_it_is_done_stands_in_the_history),
		cmocka_unit_test(test_a_migration_is_told_to_the_controllers_of_both),
		cmocka_unit_test(test_a_hundred_thousand_tuples_are_written_once_per_content),
	};

	return cmocka_run_group_tests_name("controllers", tests, set_up, tear_down);
}
