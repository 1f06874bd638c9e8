#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/drift.h"

static struct arena arena;

static int set_up(void **state)
{
	(void) state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	arena_done(&arena);
	return 0;
}

#define WEB(rest)   "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"" rest "}}"
#define NOTES(text) ",\"annotations\":{" text "}"

static const struct { const char *title, *drift, *before, *after; } rows[] = {
	{ "a policy", "{\"policy\":\"report\"}", WEB(""), WEB(NOTES("\"emco/drift\":\"report\"")) },
	{ "nothing said", "{}", WEB(""), WEB(",\"annotations\":{}") },
	{ "the deployment's word counts", "{\"policy\":\"report\"}", WEB(NOTES("\"emco/drift\":\"heal\"")),
	  WEB(NOTES("\"emco/drift\":\"report\"")) },
	{ "fields of all", "{\"ignoreFields\":[{\"fields\":[\".a\",\".b\"]}]}", WEB(""), WEB(NOTES("\"emco/ignore-fields\":\".a .b\"")) },
	{ "fields beside the chart's", "{\"ignoreFields\":[{\"fields\":[\".a\"]}]}", WEB(NOTES("\"emco/ignore-fields\":\".c\"")),
	  WEB(NOTES("\"emco/ignore-fields\":\".c .a\"")) },
	{ "fields of a kind and a name",
	  "{\"ignoreFields\":[{\"kind\":\"Service\",\"fields\":[\".a\"]},{\"kind\":\"Deployment\",\"name\":\"web\",\"fields\":[\".b\"]},"
	  "{\"name\":\"other\",\"fields\":[\".c\"]}]}", WEB(""), WEB(NOTES("\"emco/ignore-fields\":\".b\"")) },
};

static void test_annotations(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object  object = { .name = VIEW("web+Deployment"), .kind = VIEW("Deployment"), .body = view_of(rows[i].before) };
		struct objects objects = { &object, 1 };
		auto_json     *drift = json_loads(rows[i].drift, 0, NULL);
		struct error   err;

		expect_ok(drift_annotate(drift, &objects, &arena, &err));
		if (!view_is(object.body, rows[i].after))
			print_error("%s: got %.*s\n", rows[i].title, (int) object.body.len, object.body.ptr);
		assert_true(view_is(object.body, rows[i].after));
	}
}

static void test_objects_stay_as_they_are_without_a_word(void **state)
{
	struct object  object = { .name = VIEW("web+Deployment"), .body = VIEW("not even JSON") };
	struct objects objects = { &object, 1 };
	struct error   err;

	(void) state;
	expect_ok(drift_annotate(NULL, &objects, &arena, &err));
	assert_true(view_is(object.body, "not even JSON"));
}

static void test_odd_annotations_are_named(void **state)
{
	struct object  object = { .name = VIEW("web+Deployment"), .body = VIEW(WEB(",\"annotations\":[]")) };
	struct objects objects = { &object, 1 };
	auto_json     *drift = json_loads("{\"policy\":\"heal\"}", 0, NULL);
	struct error   err;

	(void) state;
	assert_int_equal(drift_annotate(drift, &objects, &arena, &err), ST_INVALID);
	assert_string_equal(err.text, "object \"web+Deployment\": metadata.annotations must be an object");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_annotations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_objects_stay_as_they_are_without_a_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_odd_annotations_are_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
