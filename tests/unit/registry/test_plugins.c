#include "tests/unit/registry/controllers_setup.h"

#include "host/registry/instance.h"

#define RECORDER(rest)  rest "options = { journal = \"%JOURNAL%\"; };"

/* -- what is refused, and in which words ----------------------------------------------------------------------------- */

static const struct refusal {
	const char *plugin, *rest;
	enum status want;
	const char *want_text, *want_hint;      /* the end of the text */
} refusals[] = {
	{ "test-major", "", ST_INVALID, "plugin \"test-major\": built for ABI 2.0, this server speaks 1.0",
	  "Install the build of the plugin for ABI 1." },
	{ "test-minor", "", ST_INVALID, "plugin \"test-minor\": needs ABI 1.3, this server offers 1.0",
	  "Install a newer server, or an older build of the plugin." },
	{ "test-no-entry", "", ST_INVALID, "plugin \"test-no-entry\": exports no \"emco_plugin_entry\"",
	  "A plugin ends with EMCO_PLUGIN(...) of emco/plugin.h." },
	{ "test-no-descriptor", "", ST_INVALID, "plugin \"test-no-descriptor\": emco_plugin_entry returned no descriptor", "" },
	{ "test-bad-role", "", ST_INVALID,
	  "plugin \"test-bad-role\": role placement needs the slot filter_clusters, which is NULL", "" },
	{ "test-bad-option", "", ST_INVALID, "the default of option \"limit\" must be 1 to 10, got 100", "" },
	{ "test-recorder", "options = {\n\tjurnal = \"x\"; };", ST_INVALID, "a.conf:3: unknown option \"jurnal\"",
	  "Did you mean \"journal\"?" },
	{ "test-recorder", "options = {\n\tstatus = \"x\"; };", ST_INVALID,
	  "a.conf:3: \"status\" must be a whole number, got a text", "" },
	{ "test-recorder", "priorty = 3;", ST_INVALID, "a.conf:2: unknown option \"priorty\"", "Did you mean \"priority\"?" },
	{ "test-recorder", "priority = 1000001;", ST_INVALID, "a.conf:2: \"priority\" must be 0 to 1000000, got 1000001", "" },
	{ "test-recorder", "call_timeout_ms = 0;", ST_INVALID,
	  "a.conf:2: \"call_timeout_ms\" must be 1 to 3600000, got 0", "" },
	{ "test-recorder", "name = \"no/slash\";", ST_INVALID, "\"no/slash\" cannot be the name of a controller", "" },
	{ "test-recorder", "bind = 3;", ST_INVALID, "a.conf:2: \"bind\" must be a list of texts, got a whole number", "" },
	{ "test-hangs", "", ST_INVALID, "a.conf: option \"until\" must be given", "" },
	{ "test-recorder", "options = {", ST_MALFORMED, "a.conf:2: syntax error", "" },
};

static void test_a_bad_plugin_or_file_is_refused_with_expected_and_found(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct error err = { 0 };
		struct setup setup;
		setup_begin(&setup);
		setup_conf(&setup, "a.conf", refusals[i].plugin, refusals[i].rest);
		assert_int_equal(refusals[i].want, setup_load(&setup, &err));
		const size_t len = strlen(err.text), want = strlen(refusals[i].want_text);
		assert_true(len >= want);
		assert_string_equal(refusals[i].want_text, err.text + len - want);
		assert_string_equal(refusals[i].want_hint, err.hint);
		assert_null(setup.plugins);
		setup_end(&setup);
	}
}

static void test_a_file_or_plugin_that_others_can_write_is_refused(void **state)
{
	struct error err = { 0 };
	struct setup setup;
	char         path[2 * PATH_MAX];

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "a.conf", "test-recorder", "");
	snprintf(path, sizeof path, "%s/test-recorder.so", setup.plugin_dir);
	assert_int_equal(0, chmod(path, 0620));
	assert_int_equal(ST_FORBIDDEN, setup_load(&setup, &err));
	assert_non_null(strstr(err.text, "must not be writable by group or others, got mode 0620"));
	assert_non_null(strstr(err.text, "a.conf: plugin \"test-recorder\""));
	assert_int_equal(0, chmod(path, 0600));
	assert_int_equal(0, chmod(setup.controllers_dir, 0777));
	assert_int_equal(ST_FORBIDDEN, setup_load(&setup, &err));
	assert_non_null(strstr(err.text, "conf\" must not be writable by group or others, got mode 0777"));
	assert_int_equal(0, chmod(setup.controllers_dir, 0700));
	assert_int_equal(ST_OK, setup_load(&setup, &err));
	setup_end(&setup);
}

static void test_a_missing_plugin_is_told(void **state)
{
	struct error err = { 0 };
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_file(setup.controllers_dir, "a.conf", "plugin = \"nothing\";", 0600);
	assert_int_equal(ST_NOT_FOUND, setup_load(&setup, &err));
	assert_non_null(strstr(err.text, "a.conf: plugin \"nothing\": "));
	setup_end(&setup);
}

static void test_two_files_cannot_share_a_name(void **state)
{
	struct error err = { 0 };
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "a.conf", "test-recorder", "name = \"same\";");
	setup_conf(&setup, "b.conf", "test-recorder", "name = \"same\";");
	assert_int_equal(ST_EXISTS, setup_load(&setup, &err));
	assert_non_null(strstr(err.text, "b.conf: controller \"same\" is configured already, in "));
	setup_end(&setup);
}

static void test_an_empty_or_missing_folder_is_no_fault(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_plugin(&setup, "test-recorder");
	setup_start(&setup);
	assert_int_equal(0, plugins_count(setup.plugins));
	plugins_stop(setup.plugins);
	assert_int_equal(0, rmdir(setup.controllers_dir));
	setup_start(&setup);
	assert_int_equal(0, plugins_count(setup.plugins));
	setup_end(&setup);
}

/* -- descriptors of another size ------------------------------------------------------------------------------------- */

static void test_a_newer_plugin_that_needs_no_more_than_we_offer_loads(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "a.conf", "test-newer", "");
	setup_start(&setup);
	assert_int_equal(sizeof(emco_plugin), plugins_at(setup.plugins, 0)->plugin->size);
	setup_end(&setup);
}

static void test_slots_behind_an_older_descriptor_are_not_there(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "a.conf", "test-older", "");
	setup_start(&setup);
	const emco_plugin *plugin = plugins_at(setup.plugins, 0)->plugin;
	assert_int_equal(offsetof(emco_plugin, health), plugin->size);
	assert_true(plugin->health == NULL);
	assert_int_equal(ST_OK, instance_health(plugins_at(setup.plugins, 0), NULL, NULL));
	setup_end(&setup);
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

static void test_instances_start_in_the_order_of_their_files_and_stop_in_reverse(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "10-z.conf", "test-recorder", RECORDER("name = \"z\"; "));
	setup_conf(&setup, "20-a.conf", "test-actor", RECORDER("name = \"a\"; priority = 7; call_timeout_ms = 50; "));
	setup_file(setup.controllers_dir, "ignored.conf~", "rubbish", 0600);
	setup_start(&setup);
	assert_string_equal("z check; z create; z start; a check; a create; a start", setup_journal(&setup));

	assert_int_equal(2, plugins_count(setup.plugins));
	const struct instance *a = plugins_at(setup.plugins, 0), *z = plugins_at(setup.plugins, 1);
	assert_string_equal("a", a->name);
	assert_int_equal(7, a->priority);
	assert_int_equal(50000000, a->call_limit_ns);
	assert_int_equal(500, z->priority);
	assert_int_equal(10000000000, z->call_limit_ns);

	char data[2 * PATH_MAX];
	struct stat st;
	snprintf(data, sizeof data, "%s/controllers/z", setup.folder);
	assert_int_equal(0, stat(data, &st));
	assert_int_equal(0700, st.st_mode & 07777);

	plugins_stop(setup.plugins);
	setup.plugins = NULL;
	assert_string_equal("a stop; a destroy; z stop; z destroy", setup_journal(&setup));
	setup_end(&setup);
}

static const struct { const char *slot, *journal; } failing[] = {
	{ "check",  "good check; good create; good start; bad check; good stop; good destroy" },
	{ "create", "good check; good create; good start; bad check; bad create; good stop; good destroy" },
	{ "start",  "good check; good create; good start; bad check; bad create; bad start; bad destroy; good stop; "
	            "good destroy" },
};

static void test_when_one_does_not_start_those_before_it_are_stopped(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
		struct error err = { 0 };
		struct setup setup;
		char         rest[200], want[100];
		setup_begin(&setup);
		setup_conf(&setup, "1.conf", "test-actor", RECORDER("name = \"good\"; "));
		snprintf(rest, sizeof rest, "name = \"bad\"; options = { journal = \"%%JOURNAL%%\"; fail_at = \"%s\"; };",
		         failing[i].slot);
		setup_conf(&setup, "2.conf", "test-recorder", rest);
		assert_int_equal(ST_OK, setup_load(&setup, &err));
		assert_int_equal(ST_INVALID, plugins_start(setup.plugins, NULL, &err));
		snprintf(want, sizeof want, "2.conf: %s: controller \"bad\": the test wants it so", failing[i].slot);
		assert_non_null(strstr(err.text, want));
		assert_string_equal("/spec", err.field);
		assert_string_equal("Change the test.", err.hint);
		assert_string_equal(failing[i].journal, setup_journal(&setup));
		setup_end(&setup);
		assert_string_equal("", setup_journal(&setup));
	}
}

static void test_health_is_the_plugins_own_word(void **state)
{
	struct error err = { 0 };
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-actor", "options = { fail_at = \"health\"; status = 8; };");
	setup_conf(&setup, "2.conf", "test-recorder", "");
	setup_start(&setup);
	assert_int_equal(ST_UNAVAILABLE, instance_health(plugins_at(setup.plugins, 0), NULL, &err));
	assert_string_equal("controller \"test-actor\": the test wants it so", err.text);
	assert_int_equal(ST_OK, instance_health(plugins_at(setup.plugins, 1), NULL, &err));
	setup_end(&setup);
}

static void *ask_often(void *instance)
{
	size_t refused = 0;

	for (int i = 0; i < 100; i++)
		refused += instance_health(instance, NULL, NULL) != ST_OK;
	return (void *) refused;
}

static void test_many_may_ask_at_once_how_a_plugin_is(void **state)
{
	struct setup setup;
	pthread_t    threads[8];
	void        *refused;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-actor", "");
	setup_start(&setup);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(0, pthread_create(&threads[i], NULL, ask_often, plugins_at(setup.plugins, 0)));
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(0, pthread_join(threads[i], &refused));
		assert_null(refused);
	}
	setup_end(&setup);
}

static void test_own_calls_are_cancelled_when_the_server_stops(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-own-calls", "");
	setup_start(&setup);
	const int64_t begin_ns = clock_ns();
	setup_end(&setup);                                    /* the forgotten call is freed: the sanitizer would tell */
	assert_true(clock_ns() - begin_ns < INT64_C(5000000000));
}

/* -- binding --------------------------------------------------------------------------------------------------------- */

static const struct { const char *name, *host, *want; } bindings[] = {
	{ "one",            "",               "one"  },     /* its own name                             */
	{ "two",            "somewhere",      "two"  },
	{ "dtc",            "",               "two"  },     /* the file says so                         */
	{ "test-recorder",  "",               "one"  },     /* the plugin's name: the first by name     */
	{ "recorder-alias", "",               "one"  },
	{ "unknown",        "dtc",            "two"  },     /* by host                                  */
	{ "unknown",        "recorder-alias", "one"  },
	{ "unknown",        "10.0.0.1",       NULL   },
	{ "",               "",               NULL   },
};

static void test_a_record_binds_by_name_then_by_host(void **state)
{
	struct setup setup;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-recorder", "name = \"two\"; bind = [\"dtc\"];");
	setup_conf(&setup, "2.conf", "test-recorder", "name = \"one\";");
	setup_start(&setup);
	for (size_t i = 0; i < ARRAY_LEN(bindings); i++) {
		const struct instance *bound = plugins_bind(setup.plugins, view_of(bindings[i].name), view_of(bindings[i].host));
		if (bindings[i].want == NULL)
			assert_null(bound);
		else
			assert_string_equal(bindings[i].want, bound->name);
	}
	setup_end(&setup);
}

static void test_the_types_of_a_plugin_are_added_once(void **state)
{
	struct error  err = { 0 };
	struct setup  setup;
	struct types *types = types_new();
	static const emco_resource_type group = {
		.name = "deploymentIntentGroup", .segment = "groups", .schema = "{\"type\":\"object\"}", .summary = "A parent.",
	};

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-recorder", "name = \"two\";");
	setup_conf(&setup, "2.conf", "test-recorder", "name = \"one\";");
	assert_int_equal(ST_OK, setup_load(&setup, &err));
	assert_int_equal(ST_OK, types_add(types, &group, sizeof group, 1, "test", &err));
	assert_int_equal(ST_OK, plugins_types(setup.plugins, types, &err));
	assert_int_equal(ST_OK, types_seal(types, &err));
	assert_non_null(types_find(types, VIEW("testIntent")));
	assert_int_equal(2, types_count(types));
	setup_end(&setup);
	types_free(types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bad_plugin_or_file_is_refused_with_expected_and_found),
		cmocka_unit_test(test_a_file_or_plugin_that_others_can_write_is_refused),
		cmocka_unit_test(test_a_missing_plugin_is_told),
		cmocka_unit_test(test_two_files_cannot_share_a_name),
		cmocka_unit_test(test_an_empty_or_missing_folder_is_no_fault),
		cmocka_unit_test(test_a_newer_plugin_that_needs_no_more_than_we_offer_loads),
		cmocka_unit_test(test_slots_behind_an_older_descriptor_are_not_there),
		cmocka_unit_test(test_instances_start_in_the_order_of_their_files_and_stop_in_reverse),
		cmocka_unit_test(test_when_one_does_not_start_those_before_it_are_stopped),
		cmocka_unit_test(test_health_is_the_plugins_own_word),
		cmocka_unit_test(test_many_may_ask_at_once_how_a_plugin_is),
		cmocka_unit_test(test_own_calls_are_cancelled_when_the_server_stops),
		cmocka_unit_test(test_a_record_binds_by_name_then_by_host),
		cmocka_unit_test(test_the_types_of_a_plugin_are_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
