#include <emco_testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char world[] =
	"{'resources':{"
	"'projects/p/annotation-intents/all':{'spec':{'annotations':{'team':'blue'}}},"
	"'projects/p/annotation-intents/web':{'spec':{'app':'web','kinds':['Service'],'annotations':{'team':'red','x/y':'1'}}}},"
	"'contexts':{'7':{'meta':{'owner':'projects/p'},'apps':{"
	"'web':{'e+1':{'objects':["
	"{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','annotations':{'team':'old','keep':'me'}}},"
	"{'apiVersion':'v1','kind':'Service','metadata':{'name':'web'}}]}},"
	"'db':{'e+1':{'objects':[{'apiVersion':'v1','kind':'Service','metadata':{'name':'db'}}]}}}}}}";

struct row {
	const char *title, *options, *intent;
	const char *want_deployment, *want_service, *want_db;      /* metadata.annotations */
};

static const struct row rows[] = {
	{ "sets on every object", "{}", "all",
	  "{\"keep\":\"me\",\"team\":\"blue\"}", "{\"team\":\"blue\"}", "{\"team\":\"blue\"}" },
	{ "keeps to app and kinds", "{}", "web",
	  "{\"keep\":\"me\",\"team\":\"old\"}", "{\"team\":\"red\",\"x/y\":\"1\"}", NULL },
	{ "appends to what is there", "{\"append\":true}", "all",
	  "{\"keep\":\"me\",\"team\":\"old,blue\"}", "{\"team\":\"blue\"}", "{\"team\":\"blue\"}" },
	{ "leaves its name", "{\"trace\":\"emco/trace\"}", "all",
	  "{\"emco/trace\":\"testing\",\"keep\":\"me\",\"team\":\"blue\"}", "{\"emco/trace\":\"testing\",\"team\":\"blue\"}",
	  "{\"emco/trace\":\"testing\",\"team\":\"blue\"}" },
};

static emco_testing *open_world(const char *options)
{
	static char json[sizeof world];

	for (size_t i = 0; i < sizeof world; i++)
		json[i] = world[i] == '\'' ? '"' : world[i];
	emco_testing *testing = emco_testing_new(json);
	assert_int_equal(EMCO_OK, emco_testing_open(testing, emco_testing_load(PLUGIN_FOLDER "/action-annotate.so"), options));
	return testing;
}

static void check_value(emco_testing *testing, const char *app, const char *object, const char *want)
{
	const char *value = emco_testing_value(testing, "7", app, "e+1", object, "/metadata/annotations");

	if (want == NULL)
		assert_null(value);
	else
		assert_string_equal(want, value);
}

static void test_matching_objects_get_the_annotations(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		emco_testing     *testing = open_world(row->options);
		print_message("%s\n", row->title);
		assert_int_equal(EMCO_OK, emco_testing_update_app_context(testing, "7", row->intent, ""));
		check_value(testing, "web", "web+Deployment", row->want_deployment);
		check_value(testing, "web", "web+Service", row->want_service);
		check_value(testing, "db", "db+Service", row->want_db);
		assert_string_equal("web+Deployment web+Service", emco_testing_objects(testing, "7", "web", "e+1"));
		emco_testing_free(testing);
	}
}

static void test_marks_are_left_in_the_order_of_the_calls(void **state)
{
	emco_testing *testing = open_world("{\"append\":true,\"trace\":\"emco/trace\"}");

	(void) state;
	assert_int_equal(EMCO_OK, emco_testing_update_app_context(testing, "7", "web", ""));
	assert_int_equal(EMCO_OK, emco_testing_update_app_context(testing, "7", "all", ""));
	assert_string_equal("red,blue",
	                    emco_testing_value(testing, "7", "web", "e+1", "web+Service", "/metadata/annotations/team"));
	assert_string_equal("testing,testing",
	                    emco_testing_value(testing, "7", "web", "e+1", "web+Service", "/metadata/annotations/emco~1trace"));
	emco_testing_free(testing);
}

static void test_without_an_intent_it_declines(void **state)
{
	emco_testing *testing = open_world(NULL);

	(void) state;
	assert_int_equal(EMCO_DECLINED, emco_testing_update_app_context(testing, "7", "", ""));
	assert_int_equal(EMCO_E_UNIMPLEMENTED, emco_testing_terminate_app_context(testing, "7"));
	assert_int_equal(EMCO_E_UNIMPLEMENTED, emco_testing_filter_clusters(testing, "7", "all"));
	emco_testing_free(testing);
}

static void test_every_failing_service_leaves_nothing(void **state)
{
	int n = 0;

	(void) state;
	for (int has_failed = 1; has_failed; n++) {
		emco_testing *testing = open_world("{\"trace\":\"emco/trace\"}");
		emco_testing_fail_nth(testing, n + 1, EMCO_E_UNAVAILABLE);
		const emco_status status = emco_testing_update_app_context(testing, "7", "all", "");
		has_failed = emco_testing_has_failed(testing);
		if (has_failed) {
			assert_true(status == EMCO_E_UNAVAILABLE || status == EMCO_E_NO_MEMORY);
			check_value(testing, "web", "web+Deployment", "{\"keep\":\"me\",\"team\":\"old\"}");
		} else {
			assert_int_equal(EMCO_OK, status);
		}
		emco_testing_free(testing);
	}
	assert_true(n > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matching_objects_get_the_annotations),
		cmocka_unit_test(test_marks_are_left_in_the_order_of_the_calls),
		cmocka_unit_test(test_without_an_intent_it_declines),
		cmocka_unit_test(test_every_failing_service_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
