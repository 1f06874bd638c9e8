/* The whole path over a real store and the real Helm, without a synchroniser: what it would do is done by the tests. */
#include "tests/unit/orchestrator/scene.h"

#include "host/orchestrator/render.h"

#include <inttypes.h>

static void expect_instantiate(enum status want, const char *words)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_status(want, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_words(err.text, words);
}

static void status_text(struct buf *text, struct status_query query)
{
	struct error err;

	buf_clear(text);
	expect_ok(deployment_status(&o, VIEW(DIG), &query, soon(), text, &err));
}

/* A summary is counted by sums or by units, and all of it by objects: they say the same. */
static void expect_same_counts(struct status_query query)
{
	auto_buf text = BUF(1 << 20), summary = BUF(1 << 20);

	query.output = STATUS_ALL;
	status_text(&text, query);
	query.output = STATUS_SUMMARY;
	status_text(&summary, query);
	char *apps = strstr(text.data, ",\"apps\":[");
	if (apps != NULL)
		memcpy(apps, "}", 2);
	assert_string_equal(text.data, summary.data);
}

static void expect_status_words(struct status_query query, const char *words)
{
	auto_buf text = BUF(1 << 20);

	status_text(&text, query);
	if (query.form == STATUS_FULL)
		expect_same_counts(query);
	expect_words(text.data, words);
}

/* -- tests, in the order of a life ----------------------------------------------------------------------------------- */

static void test_a_deployment_must_be_approved_and_its_cloud_instantiated(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };

	expect_instantiate(ST_CONFLICT, "must be Approved");
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	expect_instantiate(ST_CONFLICT, "logical cloud \"lc\" has never been instantiated");
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM app_context"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM action WHERE state = 'Approved'"), 1);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED }, "\"instance\":\"\"");
}

static void test_a_cloud_of_level_0_is_what_it_should_be_at_once(void **state)
{
	struct error err = { 0 };
	auto_buf     text = BUF(1 << 20);

	(void) state;
	put(*state, "clusterReference", CLOUD "/cluster-references/none",
	    "{\"spec\":{\"clusterProvider\":\"p\",\"cluster\":\"none\"}}");
	expect_status(ST_CONFLICT, cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err), &err);
	expect_words(err.text, "refers to \"cluster-providers/p/clusters/none\", which does not exist");
	fixture_run(*state, "DELETE FROM resource WHERE path = '" CLOUD "/cluster-references/none'");

	expect_ok(cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err));
	expect_status(ST_CONFLICT, cloud_instantiate(&o, VIEW(CLOUD), NULL, soon(), &err), &err);
	expect_words(err.text, "logical cloud \"lc\" has already been instantiated");
	expect_ok(cloud_status(&o, VIEW(CLOUD), &(const struct status_query) { .mode = STATUS_READY }, soon(), &text, &err));
	expect_words(text.data, "{\"project\":\"x\",\"name\":\"lc\",\"states\":{\"statusctxid\":\"");
	expect_words(text.data, "\"deployedStatus\":\"Instantiated\",\"readyStatus\":\"Ready\"}");
	buf_clear(&text);
	expect_ok(cloud_status(&o, VIEW(CLOUD), &(const struct status_query) { .form = STATUS_CLUSTERS }, soon(), &text, &err));
	expect_words(text.data, "\"clustersByApp\":[{\"app\":\"logical-cloud\",\"clusters\":[{\"clusterProvider\":\"p\",\"cluster\":\"c1\"},");
}

static void test_instantiate_places_renders_and_moves_units(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(reply.revision, 1);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE is_wanted AND pending = 2"), 3);
	assert_int_equal(fixture_number(fixture, "SELECT count(DISTINCT set) FROM unit"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM manifest WHERE sealed"), 2);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .output = STATUS_SUMMARY },
	                    "\"deployedStatus\":\"Instantiating\",\"deployedCounts\":{\"Pending\":6}}");
	synchronise(fixture);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .output = STATUS_SUMMARY },
	                    "\"deployedStatus\":\"Instantiated\",\"deployedCounts\":{\"Applied\":6}}");
	expect_status(ST_CONFLICT, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_words(err.text, "already been instantiated");
}

static void test_status_has_the_shapes_that_clients_read(void **state)
{
	static const struct view apps[] = { { "db", 2 } }, clusters[] = { { "p+c2", 4 } }, unknown[] = { { "nope", 4 } };
	static const struct view resources[] = { { "r1-web", 6 } };
	auto_buf     text = BUF(1 << 20);
	auto_json   *value = NULL;
	struct error err = { 0 };

	(void) state;
	status_text(&text, (struct status_query) { .mode = STATUS_DEPLOYED, .output = STATUS_DETAIL });
	expect_ok(json_read(buf_view(&text), &value, &err));
	expect_words(text.data, "{\"project\":\"x\",\"compositeApp\":\"ca\",\"compositeAppVersion\":\"v1\",\"compositeProfile\":\"cp\","
	             "\"name\":\"dig\",\"states\":{\"statusctxid\":\"");
	expect_words(text.data, "\"apps\":[{\"name\":\"db\",\"clusters\":[{\"clusterProvider\":\"p\",\"cluster\":\"c1\","
	             "\"connectivity\":\"Available\",\"placement\":{\"intent\":\"db\",\"because\":\"label \\\"edge\\\" of provider \\\"p\\\"\",\"mandatory\":false,\"group\":\"1\"},"
	             "\"resources\":[{\"GVK\":{\"Group\":\"\",\"Version\":\"v1\",\"Kind\":\"Secret\"},"
	             "\"name\":\"s-db\",\"deployedStatus\":\"Applied\"},{\"GVK\":{\"Group\":\"\",\"Version\":\"v1\",\"Kind\":\"ConfigMap\"},"
	             "\"name\":\"r1-db\",\"detail\":{\"apiVersion\":\"v1\"");
	expect_words(text.data, "\"data\":{\"text\":\"override\"}");
	if (strstr(text.data, "hunter2") != NULL)
		fail_msg("a secret is shown");

	expect_status_words((struct status_query) { .mode = STATUS_RSYNC }, "\"status\":\"Instantiated\",\"rsyncStatus\":{\"Applied\":6}");
	expect_status_words((struct status_query) { .mode = STATUS_READY, .output = STATUS_SUMMARY },
	                    "\"deployedStatus\":\"Instantiated\",\"readyStatus\":\"NotReady\",\"readyCounts\":{\"NotPresent\":3}}");
	expect_status_words((struct status_query) { .mode = STATUS_CLUSTER }, "\"readyStatus\":\"NotReady\",\"clusterStatus\":{\"NotPresent\":3}");
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .apps = apps, .app_count = 1, .output = STATUS_SUMMARY },
	                    "\"deployedCounts\":{\"Applied\":2}}");
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .clusters = clusters, .cluster_count = 1 },
	                    "\"deployedCounts\":{\"Applied\":2},\"apps\":[{\"name\":\"web\"");
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .resources = resources, .resource_count = 1 },
	                    "\"deployedCounts\":{\"Applied\":2},\"apps\":[{\"name\":\"web\"");
	expect_status_words((struct status_query) { .form = STATUS_APPS }, "\"name\":\"dig\",\"apps\":[\"db\",\"web\"]}");
	expect_status_words((struct status_query) { .form = STATUS_RESOURCES, .apps = apps, .app_count = 1 },
	                    "\"resourcesByApp\":[{\"app\":\"db\",\"clusterProvider\":\"p\",\"cluster\":\"c1\",\"resources\":"
	                    "[{\"name\":\"s-db\",\"GVK\":{\"Group\":\"\",\"Version\":\"v1\",\"Kind\":\"Secret\"}}");

	expect_status_words((struct status_query) { .form = STATUS_CLUSTERS, .clusters = clusters, .cluster_count = 1 },
	                    "\"clustersByApp\":[{\"app\":\"web\",\"clusters\":[{\"clusterProvider\":\"p\",\"cluster\":\"c2\"}]}]}");
	expect_status_words((struct status_query) { .form = STATUS_RESOURCES, .clusters = unknown, .cluster_count = 1 },
	                    "\"resourcesByApp\":[]}");
	expect_status_words((struct status_query) { .mode = STATUS_CLUSTER, .apps = apps, .app_count = 1, .output = STATUS_DETAIL },
	                    "\"name\":\"r1-db\",\"detail\":{\"apiVersion\":\"v1\"");

	expect_status(ST_INVALID, deployment_status(&o, VIEW(DIG), &(const struct status_query) { .apps = unknown, .app_count = 1 },
	                                            soon(), &text, &err), &err);
	expect_words(err.text, "got \"nope\"");
	expect_status(ST_INVALID, deployment_status(&o, VIEW(DIG), &(const struct status_query) { .instance = 7 }, soon(), &text,
	                                            &err), &err);
	expect_words(err.text, "got 7");
	expect_status(ST_NOT_FOUND, deployment_status(&o, VIEW(DIG "x"), &(const struct status_query) { .instance = 0 }, soon(),
	                                              &text, &err), &err);
}

static void test_an_update_of_nothing_moves_nothing_and_starts_no_helm(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };
	const size_t           runs = helm_runs();

	const int64_t begun = clock_ns();
	expect_ok(deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	print_message("update of nothing: %.1f ms\n", (double) (clock_ns() - begun) / 1e6);
	assert_int_equal(reply.revision, 2);
	assert_true(runs > 0);
	assert_int_equal(helm_runs(), runs);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL"), 0);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE generation > 1"), 0);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .output = STATUS_SUMMARY }, "\"deployedStatus\":\"Instantiated\"");
}

static int64_t instance_of(struct fixture *fixture, int revision)
{
	char query[256];

	snprintf(query, sizeof query, "SELECT min(instance) FROM action WHERE state = 'Instantiated' AND revision = %d AND owner ="
	         " (SELECT id FROM resource WHERE path = '" DIG "')", revision);
	return fixture_number(fixture, query);
}

static void test_an_update_moves_what_changed_and_keeps_the_status_context(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };
	char                   old[256];

	const int64_t first = instance_of(fixture, 1);
	assert_int_equal(first, instance_of(fixture, 2));       /* it changed nothing */
	put_profile(fixture, "web", "text: changed\n");
	expect_ok(deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(reply.revision, 3);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL AND app = 'web'"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE due_at IS NOT NULL"), 2);
	assert_int_equal(fixture_number(fixture, "SELECT count(DISTINCT status_context) FROM unit"), 1);
	assert_int_equal(fixture_number(fixture, "SELECT max(status_context) FROM unit"), first);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .instance = first }, "\"deployedStatus\":\"Updating\"");
	const int64_t third = instance_of(fixture, 3);
	assert_true(third != first);
	put_profile(fixture, "web", "text: changed again\n");
	expect_ok(deployment_update(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .instance = third }, "\"deployedStatus\":\"Updating\"");
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .instance = first }, "\"deployedStatus\":\"Updated\"");
	synchronise(fixture);
	snprintf(old, sizeof old, "{\"state\":\"Updated\",\"instance\":\"%" PRId64 "\"", first);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED }, old);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .instance = first }, "\"deployedStatus\":\"Updated\"");
}

static void test_a_cloud_that_is_used_cannot_be_terminated(void **state)
{
	struct error err = { 0 };

	fixture_run(*state, "INSERT INTO resource_ref SELECT d.id, c.id FROM resource d, resource c WHERE d.path = '" DIG "' AND c.path = '" CLOUD "'");
	expect_status(ST_CONFLICT, cloud_terminate(&o, VIEW(CLOUD), NULL, soon(), &err), &err);
	expect_words(err.text, "is used by \"projects/");
	expect_words(err.text, DIG);
}

static enum status check_change(bool is_delete, struct error *err)
{
	auto_db    *db = NULL;
	enum status st = db_borrow(o.store->pool, soon(), &db, err);

	if (st == ST_OK)
		st = db_begin(db, err);
	return st == ST_OK ? deployment_check_change(db, VIEW(DIG), is_delete, err) : st;
}

static void test_terminate_empties_the_units_and_then_it_may_be_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct error    err = { 0 };

	expect_status(ST_CONFLICT, check_change(false, &err), &err);
	expect_status(ST_CONFLICT, check_change(true, &err), &err);
	expect_words(err.text, "must be terminated before it can be deleted");
	expect_ok(deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE is_wanted"), 0);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED, .output = STATUS_SUMMARY },
	                    "\"deployedStatus\":\"Terminating\",\"deployedCounts\":{\"Applied\":6}}");
	expect_status(ST_CONFLICT, check_change(true, &err), &err);
	expect_words(err.text, "has not completed terminating");
	synchronise(fixture);
	expect_status_words((struct status_query) { .mode = STATUS_DEPLOYED }, "\"deployedStatus\":\"Terminated\",\"deployedCounts\":{\"Deleted\":6}");
	expect_status(ST_CONFLICT, deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err), &err);
	expect_words(err.text, "is not instantiated");
	expect_ok(check_change(true, &err));
}

#define NAME43  "a23456789b23456789c23456789d23456789e234567"
#define NAME36  "f23456789g23456789h23456789i23456789"

static void test_what_is_missing_or_wrong_is_named_and_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	const int64_t   contexts = fixture_number(fixture, "SELECT count(*) FROM app_context");
	const int64_t   actions = fixture_number(fixture, "SELECT count(*) FROM action");

	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c9\"}]}");
	expect_instantiate(ST_NOT_FOUND, "\"cluster-providers/p/clusters/c9\"");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"nowhere\"}]}");
	expect_instantiate(ST_CONFLICT, "app \"web\": placement intent \"web\": no cluster carries label \"nowhere\"");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"edge\"}]}");
	put_file(fixture, "app", VERSION "/apps/extra", "{\"metadata\":{\"name\":\"extra\"}}", VIEW("x"));
	expect_instantiate(ST_CONFLICT, "app \"extra\" has no profile in composite profile \"cp\"; app \"extra\" has no placement intent in \"gpi\"");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c9\"}]}");
	expect_instantiate(ST_NOT_FOUND, "what it refers to does not exist: \"cluster-providers/p/clusters/c9\"; app \"extra\" has no profile in "
	                                 "composite profile \"cp\"; app \"extra\" has no placement intent in \"gpi\"");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"edge\"}]}");
	put_profile(fixture, "extra", "{}");
	expect_instantiate(ST_CONFLICT, "app \"extra\" has no placement intent");
	put_intent(fixture, "extra", "{\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c1\"}]}");
	expect_instantiate(ST_MALFORMED, "app \"extra\": chart: ");
	fixture_run(fixture, "DELETE FROM resource WHERE path = '" VERSION "/apps/extra'");
	expect_instantiate(ST_NOT_FOUND, "/apps/extra\"");
	fixture_run(fixture, "DELETE FROM resource WHERE path LIKE '" DIG "/generic-placement-intents/gpi/app-intents/extra'");
	put_file(fixture, "app", VERSION "/apps/" NAME43 "x", "{\"metadata\":{\"name\":\"x\"}}", VIEW("x"));
	expect_instantiate(ST_CONFLICT, "the name of app \"" NAME43 "x\" is too long for the label that its objects carry: 44 characters, 43 at most");
	fixture_run(fixture, "DELETE FROM resource WHERE path = '" VERSION "/apps/" NAME43 "x'");
	/* What does not fit is cut with a mark, or counted. */
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"" NAME43 NAME43 "\",\"cluster\":\"" NAME43 NAME43 NAME36 "\"}]}");
	expect_instantiate(ST_NOT_FOUND, "what it refers to does not exist: \"cluster-providers/" NAME43 NAME43 "/clusters/" NAME43 NAME43);
	expect_instantiate(ST_NOT_FOUND, "\u2026\"");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"edge\"}]}");
	put_file(fixture, "app", VERSION "/apps/" NAME43 NAME43 NAME43, "{\"metadata\":{\"name\":\"x\"}}", VIEW("x"));
	expect_instantiate(ST_CONFLICT, NAME43 "\" is too long for the label that its obj");
	expect_instantiate(ST_CONFLICT, "129 characters, 43 at most and 2 more");
	fixture_run(fixture, "DELETE FROM resource WHERE path = '" VERSION "/apps/" NAME43 NAME43 NAME43 "'");
	put_file(fixture, "app", VERSION "/apps/" NAME43, "{\"metadata\":{\"name\":\"x\"}}", VIEW("x"));
	expect_instantiate(ST_CONFLICT, "has no profile");
	fixture_run(fixture, "DELETE FROM resource WHERE path = '" VERSION "/apps/" NAME43 "'");

	put(fixture, "appDependency", VERSION "/apps/web/dependency/d", "{\"spec\":{\"app\":\"db\",\"opStatus\":\"Ready\"}}");
	put(fixture, "appDependency", VERSION "/apps/db/dependency/d", "{\"spec\":{\"app\":\"web\",\"opStatus\":\"Ready\"}}");
	expect_instantiate(ST_CONFLICT, "apps wait for each other in a circle: \"db\" for \"web\" for \"db\"");
	fixture_run(fixture, "DELETE FROM resource WHERE path = '" VERSION "/apps/db/dependency/d'");

	put(fixture, "groupIntent", DIG "/intents/all", "{\"spec\":{\"intent\":{}}}");
	expect_instantiate(ST_NOT_FOUND, "names a genericPlacementIntent");
	put(fixture, "groupIntent", DIG "/intents/all", "{\"spec\":{\"intent\":{\"genericPlacementIntent\":\"gone\"}}}");
	expect_instantiate(ST_NOT_FOUND, "generic-placement-intents/gone");
	put(fixture, "groupIntent", DIG "/intents/all", "{\"spec\":{\"intent\":{\"genericPlacementIntent\":\"gpi\"}}}");

	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM app_context"), contexts);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM action"), actions);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
}

static void test_another_life_goes_on_counting_revisions(void **state)
{
	struct operation_reply reply;
	struct error           err = { 0 };

	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(reply.revision, 5);
	synchronise(*state);
	expect_ok(deployment_terminate(&o, VIEW(DIG), NULL, soon(), &err));
	synchronise(*state);
}

static void test_an_operation_that_is_running_keeps_others_off(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };
	int64_t                id;

	struct store           other;
	int64_t                token;

	id = fixture_number(fixture, "SELECT id FROM resource WHERE path = '" DIG "'");
	fixture_store(fixture, &other);
	{
		auto_db *db = fixture_db(fixture);
		expect_ok(operation_begin(&other, db, id, "instantiate", NULL, VIEW(""), (int64_t) 60e9, false, &token, &err));
	}
	expect_status(ST_CONFLICT, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	expect_words(err.text, "instantiate has been running since");
	expect_status(ST_CONFLICT, deployment_approve(&o, VIEW(DIG), NULL, soon(), &err), &err);
	expect_words(err.text, DIG "\": instantiate has been running since");
	expect_status(ST_CONFLICT, deployment_stop(&o, VIEW(DIG), NULL, soon(), &err), &err);
	expect_words(err.text, "instantiate has been running since");
	for (int is_delete = 0; is_delete < 2; is_delete++) {
		expect_status(ST_CONFLICT, check_change(is_delete, &err), &err);
		expect_words(err.text, "instantiate has been running since");
	}
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 1);
	store_close(&other);             /* its process is dead: what it was at runs no more, as soon as the server has seen it */
	const int64_t until = deadline_in_ms(10000);
	while (deployment_approve(&o, VIEW(DIG), NULL, soon(), &err) != ST_OK && clock_ns() < until)
		nanosleep(&(struct timespec) { 0, 5000000 }, NULL);
	expect_ok(deployment_approve(&o, VIEW(DIG), NULL, soon(), &err));
	fixture_run(fixture, "DELETE FROM operation");

	o.running = o.options.operations;
	expect_status(ST_UNAVAILABLE, deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err), &err);
	o.running = 0;
}

static void test_a_row_that_could_not_be_removed_holds_nobody_up(void **state)
{
	struct fixture        *fixture = *state;
	struct operation_reply reply;
	struct error           err = { 0 };
	int64_t                token;
	const int64_t          id = fixture_number(fixture, "SELECT id FROM resource WHERE path = '" DIG "'");
	{
		auto_db *db = fixture_db(fixture);
		expect_ok(operation_begin(&fixture->store, db, id, "instantiate", NULL, VIEW(""), (int64_t) 60e9, false, &token, &err));
	}
	expect_ok(deployment_instantiate(&o, VIEW(DIG), NULL, soon(), &reply, &err));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM operation"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_deployment_must_be_approved_and_its_cloud_instantiated),
		cmocka_unit_test(test_a_cloud_of_level_0_is_what_it_should_be_at_once),
		cmocka_unit_test(test_instantiate_places_renders_and_moves_units),
		cmocka_unit_test(test_status_has_the_shapes_that_clients_read),
		cmocka_unit_test(test_an_update_of_nothing_moves_nothing_and_starts_no_helm),
		cmocka_unit_test(test_an_update_moves_what_changed_and_keeps_the_status_context),
		cmocka_unit_test(test_a_cloud_that_is_used_cannot_be_terminated),
		cmocka_unit_test(test_terminate_empties_the_units_and_then_it_may_be_deleted),
		cmocka_unit_test(test_what_is_missing_or_wrong_is_named_and_leaves_nothing),
		cmocka_unit_test(test_another_life_goes_on_counting_revisions),
		cmocka_unit_test(test_an_operation_that_is_running_keeps_others_off),
		cmocka_unit_test(test_a_row_that_could_not_be_removed_holds_nobody_up),
	};

	return cmocka_run_group_tests_name("deployment", tests, scene_set_up, scene_tear_down);
}
