#include "host/resources/resources_priv.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { PARAMETERS_MAX = 6 };

struct words { const char *name, *value; };

static enum status read_query(const struct words *words, enum status_owner owner, struct arena *arena,
                              struct status_query *ret_query, struct error *err)
{
	struct ask_parameter parameters[PARAMETERS_MAX];
	struct ask           ask = { .arena = arena, .parameters = parameters };

	for (; ask.parameter_count < PARAMETERS_MAX && words->name != NULL; words++)
		parameters[ask.parameter_count++] = (struct ask_parameter) { view_of(words->name), view_of(words->value) };
	return status_query_read(&ask, owner, ret_query, err);
}

static const struct good {
	enum status_owner  owner;
	struct words       words[PARAMETERS_MAX];
	enum status_mode   mode;
	enum status_output output;
	enum status_form   form;
} good[] = {
	{ STATUS_OF_DEPLOYMENT, { { NULL, NULL } },                                   STATUS_RSYNC,    STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_CLOUD,      { { NULL, NULL } },                                   STATUS_READY,    STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "type", "cluster" } },                            STATUS_CLUSTER,  STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "type", "rsync" }, { "output", "detail" } },      STATUS_RSYNC,    STATUS_DETAIL,  STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "status", "ready" }, { "type", "cluster" } },     STATUS_READY,    STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "status", "deployed" }, { "status", "x" } },      STATUS_DEPLOYED, STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "output", "summary" }, { "Type", "x" } },         STATUS_RSYNC,    STATUS_SUMMARY, STATUS_FULL },
	{ STATUS_OF_DEPLOYMENT, { { "resources", "" }, { "clusters", "false" } },     STATUS_RSYNC,    STATUS_ALL,     STATUS_CLUSTERS },
	{ STATUS_OF_DEPLOYMENT, { { "clusters", "" }, { "apps", "" } },               STATUS_RSYNC,    STATUS_ALL,     STATUS_APPS },
	{ STATUS_OF_DEPLOYMENT, { { "resources", "1" } },                             STATUS_RSYNC,    STATUS_ALL,     STATUS_RESOURCES },
	{ STATUS_OF_CLOUD,      { { "type", "any" }, { "status", "deployed" } },      STATUS_DEPLOYED, STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_CLOUD,      { { "apps", "" }, { "app", "//" } },                  STATUS_READY,    STATUS_ALL,     STATUS_FULL },
	{ STATUS_OF_CLOUD,      { { "apps", "" }, { "resources", "" } },              STATUS_READY,    STATUS_ALL,     STATUS_RESOURCES },
};

static void test_modes_outputs_and_forms_are_read(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		auto_arena          arena = { .max = 1 << 16 };
		struct status_query query;
		struct error        err = { 0 };
		if (read_query(good[i].words, good[i].owner, &arena, &query, &err) != ST_OK)
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(query.mode, good[i].mode);
		assert_int_equal(query.output, good[i].output);
		assert_int_equal(query.form, good[i].form);
		assert_int_equal(query.instance, 0);
		assert_int_equal(query.app_count + query.cluster_count + query.resource_count, 0);
	}
}

static void test_filters_may_be_repeated_and_keep_their_order(void **state)
{
	static const struct words words[PARAMETERS_MAX] = {
		{ "app", "web" }, { "cluster", "p1+c1" }, { "app", "db" }, { "resource", "r.1" }, { "instance", "9223372036854775807" },
		{ "cluster", "p1+c2" },
	};
	auto_arena          arena = { .max = 1 << 16 };
	struct status_query query;

	(void) state;
	assert_int_equal(read_query(words, STATUS_OF_DEPLOYMENT, &arena, &query, NULL), ST_OK);
	assert_int_equal(query.app_count, 2);
	assert_true(view_is(query.apps[0], "web") && view_is(query.apps[1], "db"));
	assert_int_equal(query.cluster_count, 2);
	assert_true(view_is(query.clusters[0], "p1+c1") && view_is(query.clusters[1], "p1+c2"));
	assert_int_equal(query.resource_count, 1);
	assert_true(view_is(query.resources[0], "r.1"));
	assert_true(query.instance == INT64_MAX);
}

#define TYPE_WORDS    "query parameter \"type\" must be \"rsync\" or \"cluster\", got "
#define STATUS_WORDS  "query parameter \"status\" must be \"ready\" or \"deployed\", got "
#define OUTPUT_WORDS  "query parameter \"output\" must be \"all\", \"summary\" or \"detail\", got "
#define INSTANCE      "query parameter \"instance\" must be a number out of the \"actions\" in the status, got "
#define CLUSTER       "query parameter \"cluster\" must be provider+cluster, got "

static const struct bad { enum status_owner owner; const char *name, *value, *said; } bad[] = {
	{ STATUS_OF_DEPLOYMENT, "type",     "",        TYPE_WORDS "\"\"" },
	{ STATUS_OF_DEPLOYMENT, "type",     "Rsync",   TYPE_WORDS "\"Rsync\"" },
	{ STATUS_OF_DEPLOYMENT, "status",   "up",      STATUS_WORDS "\"up\"" },
	{ STATUS_OF_CLOUD,      "status",   "",        STATUS_WORDS "\"\"" },
	{ STATUS_OF_CLOUD,      "output",   "more",    OUTPUT_WORDS "\"more\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "",        INSTANCE "\"\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "0",       INSTANCE "\"0\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "-1",      INSTANCE "\"-1\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "12a",     INSTANCE "\"12a\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "9223372036854775808", INSTANCE "\"9223372036854775808\"" },
	{ STATUS_OF_DEPLOYMENT, "instance", "99999999999999999999", INSTANCE "\"99999999999999999999\"" },
	{ STATUS_OF_DEPLOYMENT, "app",      "",        "query parameter \"app\" must be a name, got \"\"" },
	{ STATUS_OF_DEPLOYMENT, "app",      "a b",     "query parameter \"app\" must be a name, got \"a b\"" },
	{ STATUS_OF_CLOUD,      "resource", "a/b",     "query parameter \"resource\" must be a name, got \"a/b\"" },
	{ STATUS_OF_CLOUD,      "cluster",  "p1 c1",   CLUSTER "\"p1 c1\"" },
	{ STATUS_OF_DEPLOYMENT, "cluster",  "p1+",     CLUSTER "\"p1+\"" },
	{ STATUS_OF_DEPLOYMENT, "cluster",  "+c1",     CLUSTER "\"+c1\"" },
	{ STATUS_OF_DEPLOYMENT, "cluster",  "p1+c+1",  CLUSTER "\"p1+c+1\"" },
};

static void test_a_bad_parameter_is_named_with_what_it_may_be(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct words  words[PARAMETERS_MAX] = { { "output", "all" }, { bad[i].name, bad[i].value } };
		const struct words *used = strcmp(bad[i].name, "output") == 0 ? words + 1 : words;
		auto_arena          arena = { .max = 1 << 16 };
		struct status_query query = { .instance = 77 };
		struct error        err = { 0 };
		assert_int_equal(read_query(used, bad[i].owner, &arena, &query, &err), ST_INVALID);
		assert_string_equal(err.text, bad[i].said);
		assert_string_equal(err.field, bad[i].name);
		assert_string_equal(err.hint, strcmp(bad[i].name, "cluster") == 0 ? "In a URL the \"+\" is written %2B." : "");
		assert_int_equal(query.instance, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes_outputs_and_forms_are_read),
		cmocka_unit_test(test_filters_may_be_repeated_and_keep_their_order),
		cmocka_unit_test(test_a_bad_parameter_is_named_with_what_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
