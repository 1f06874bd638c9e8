#include <emco_testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* app web: group 1 has three alternatives, group 2 one cluster; app db: two alternatives, none of them in the east. */
static const char world[] =
	"{'resources':{"
	"'projects/p/nearest-intents/all':{'spec':{'clusterLabel':'east'}},"
	"'projects/p/nearest-intents/web':{'spec':{'app':'web','clusterLabel':'east'}},"
	"'projects/p/nearest-intents/none':{'spec':{'clusterLabel':'moon'}}},"
	"'clusters':{'e+1':{'labels':['west']},'e+2':{'labels':['east','gpu']},'e+3':{'labels':['east']},'e+4':{}},"
	"'contexts':{'7':{'meta':{'owner':'projects/p'},'apps':{"
	"'web':{'e+1':{'group':'1'},'e+2':{'group':'1'},'e+3':{'group':'1'},'e+4':{'group':'2'}},"
	"'db':{'e+1':{'group':'1'},'e+4':{'group':'1'}}}}}}";

struct row {
	const char *title, *options, *intent;
	emco_status want;
	const char *want_web, *want_db, *want_text;
};

static const struct row rows[] = {
	{ "drops alternatives without the label",     "{}", "all",  EMCO_OK, "e+2 e+3 e+4", "e+1 e+4", "" },
	{ "looks at one app only",                    "{\"strict\":true}", "web", EMCO_OK, "e+2 e+3 e+4", "e+1 e+4", "" },
	{ "leaves alone when nothing carries it",     "{}", "none", EMCO_OK, "e+1 e+2 e+3 e+4", "e+1 e+4", "" },
	{ "strict: fails and leaves nothing behind",  "{\"strict\":true}", "all", EMCO_E_CONFLICT, "e+1 e+2 e+3 e+4", "e+1 e+4",
	  "app \"db\": none of its alternative clusters carries label \"east\"" },
	{ "a missing intent is told",                 "{}", "gone", EMCO_E_NOT_FOUND, "e+1 e+2 e+3 e+4", "e+1 e+4",
	  "\"projects/p/nearest-intents/gone\" does not exist" },
	{ "declines without an intent",               "{}", "", EMCO_DECLINED, "e+1 e+2 e+3 e+4", "e+1 e+4", "" },
};

/* The table above is readable with ' for ". */
static emco_testing *open_world(const char *options)
{
	static char json[sizeof world];

	for (size_t i = 0; i < sizeof world; i++)
		json[i] = world[i] == '\'' ? '"' : world[i];
	emco_testing *testing = emco_testing_new(json);
	assert_int_equal(EMCO_OK, emco_testing_open(testing, emco_testing_load(PLUGIN_FOLDER "/placement-nearest.so"), options));
	return testing;
}

static void test_alternatives_without_the_label_are_dropped(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		emco_testing     *testing = open_world(row->options);
		print_message("%s\n", row->title);
		assert_int_equal(row->want, emco_testing_filter_clusters(testing, "7", row->intent));
		assert_string_equal(row->want_web, emco_testing_clusters(testing, "7", "web"));
		assert_string_equal(row->want_db, emco_testing_clusters(testing, "7", "db"));
		assert_string_equal(row->want_text, emco_testing_text(testing));
		emco_testing_free(testing);
	}
}

static void test_a_cancelled_call_ends_and_leaves_nothing(void **state)
{
	emco_testing *testing = open_world(NULL);

	(void) state;
	emco_testing_cancel_after(testing, 2);
	assert_int_equal(EMCO_E_DEADLINE, emco_testing_filter_clusters(testing, "7", "all"));
	assert_string_equal("e+1 e+2 e+3 e+4", emco_testing_clusters(testing, "7", "web"));
	emco_testing_free(testing);
}

static void test_every_failing_service_ends_the_call(void **state)
{
	int n = 0;

	(void) state;
	for (int has_failed = 1; has_failed; n++) {
		emco_testing *testing = open_world(NULL);
		emco_testing_fail_nth(testing, n + 1, EMCO_E_UNAVAILABLE);
		const emco_status status = emco_testing_filter_clusters(testing, "7", "all");
		has_failed = emco_testing_has_failed(testing);
		assert_true(has_failed ? status == EMCO_E_UNAVAILABLE || status == EMCO_E_NO_MEMORY : status == EMCO_OK);
		emco_testing_free(testing);
	}
	assert_true(n > 8);
}

static void test_an_option_of_the_wrong_type_is_refused(void **state)
{
	emco_testing *testing = emco_testing_new(NULL);

	(void) state;
	assert_int_equal(EMCO_E_INVALID, emco_testing_open(testing, emco_testing_load(PLUGIN_FOLDER "/placement-nearest.so"),
	                                                   "{\"strict\":\"yes\"}"));
	assert_string_equal("strict", emco_testing_field(testing));
	emco_testing_free(testing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alternatives_without_the_label_are_dropped),
		cmocka_unit_test(test_a_cancelled_call_ends_and_leaves_nothing),
		cmocka_unit_test(test_every_failing_service_ends_the_call),
		cmocka_unit_test(test_an_option_of_the_wrong_type_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
