#include "host/registry/type.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const char any[] = "{\"type\": \"object\"}";

#define APPS "projects/{project}/composite-apps/{compositeApp}/{version}/apps/{.app}"

static const emco_reference plain[]   = { { "spec", APPS, NULL } };
static const emco_reference every[]   = { { "spec.intent.**", "providers/{.clusterProvider}/clusters/{.cluster}", NULL } };
static const emco_reference names[]   = { { "spec.intent.*", "controllers/{*}", "generic other" } };
static const emco_reference whole[]   = { { "", "things/{.thing}", NULL } };
static const emco_reference several[] = { { "spec", "b/{.x}", NULL }, { "spec", "a/{.x}", NULL }, { "spec", "b/{.y}", NULL } };

static const emco_resource_type rows[] = {
	{ .name = "project", .segment = "projects", .schema = any },
	{ .name = "ca", .parent = "project", .segment = "composite-apps", .schema = any, .variables = "compositeApp version",
	  .names = "metadata.name spec.version" },
	{ .name = "plain",   .parent = "ca", .segment = "plains",   .schema = any, EMCO_REFERENCES(plain)   },
	{ .name = "every",   .parent = "ca", .segment = "everies",  .schema = any, EMCO_REFERENCES(every)   },
	{ .name = "names",   .parent = "ca", .segment = "names",    .schema = any, EMCO_REFERENCES(names)   },
	{ .name = "whole",   .parent = "ca", .segment = "wholes",   .schema = any, EMCO_REFERENCES(whole)   },
	{ .name = "several", .parent = "ca", .segment = "severals", .schema = any, EMCO_REFERENCES(several) },
};

static struct types *types;

static int setup(void **state)
{
	(void) state;
	types = types_new();
	return types_add(types, rows, sizeof rows[0], ARRAY_LEN(rows), "emcod", NULL) == ST_OK
	               && types_seal(types, NULL) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void) state;
	types_free(types);
	return 0;
}

static enum status refer(const char *type, const char *text, struct arena *arena, struct view **ret_paths, size_t *ret_count,
                         struct error *err)
{
	auto_json *document = NULL;

	assert_int_equal(json_read(view_of(text), &document, NULL), ST_OK);
	return type_references(types, types_find(types, view_of(type)), VIEW("projects/p/composite-apps/c/v/xs/x"), document,
	                       arena, ret_paths, ret_count, err);
}

static const struct found { const char *title, *type, *document, *want; } found[] = {
	{ "one object",        "plain", "{\"spec\":{\"app\":\"a\"}}", "projects/p/composite-apps/c/v/apps/a" },
	{ "no such object",    "plain", "{}", "" },
	{ "no such member",    "plain", "{\"spec\":{\"App\":\"a\"}}", "" },
	{ "an empty member",   "plain", "{\"spec\":{\"app\":\"\"}}", "" },
	{ "a number",          "plain", "{\"spec\":{\"app\":7}}", "" },
	{ "a name that is none", "plain", "{\"spec\":{\"app\":\"../x\"}}", "" },
	{ "an array of objects", "plain", "{\"spec\":[{\"app\":\"b\"},7,{\"app\":\"a\"},[{\"app\":\"deep\"}]]}",
	  "projects/p/composite-apps/c/v/apps/a projects/p/composite-apps/c/v/apps/b" },
	{ "not below it",      "plain", "{\"spec\":{\"in\":{\"app\":\"a\"}}}", "" },
	{ "every object, at any depth", "every",
	  "{\"spec\":{\"intent\":{\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c2\"},{\"clusterProvider\":\"p\","
	  "\"clusterLabel\":\"l\"},{\"anyOf\":[{\"cluster\":\"c1\",\"clusterProvider\":\"p\"}]}],"
	  "\"anyOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c2\"}]}}}",
	  "providers/p/clusters/c1 providers/p/clusters/c2" },
	{ "the object itself", "every", "{\"spec\":{\"intent\":{\"clusterProvider\":\"p\",\"cluster\":\"c\"}}}",
	  "providers/p/clusters/c" },
	{ "an array inside an array", "every", "{\"spec\":{\"intent\":[[{\"clusterProvider\":\"p\",\"cluster\":\"c\"}]]}}",
	  "providers/p/clusters/c" },
	{ "one member of two", "every", "{\"spec\":{\"intent\":{\"cluster\":\"c\"}}}", "" },
	{ "names of members",  "names", "{\"spec\":{\"intent\":{\"hpa\":\"h\",\"generic\":\"g\",\"dtc\":7,\"other\":\"\"}}}",
	  "controllers/dtc controllers/hpa" },
	{ "names that are none", "names", "{\"spec\":{\"intent\":{\"a b\":\"h\"}}}", "" },
	{ "names of no object", "names", "{\"spec\":{\"intent\":[\"a\"]}}", "" },
	{ "the document itself", "whole", "{\"thing\":\"t\"}", "things/t" },
	{ "several references, sorted, each once", "several", "{\"spec\":{\"x\":\"1\",\"y\":\"1\"}}", "a/1 b/1" },
	{ "a type without any", "project", "{\"spec\":{\"app\":\"a\"}}", "" },
};

static void test_references_are_found_where_the_row_says(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(found); i++) {
		auto_arena   arena = { .max = 1 << 20 };
		auto_buf     text;
		struct view *paths = NULL;
		size_t       count = 0;
		assert_int_equal(refer(found[i].type, found[i].document, &arena, &paths, &count, NULL), ST_OK);
		buf_init(&text, 4096);
		for (size_t k = 0; k < count; k++)
			assert_int_equal(buf_printf(&text, NULL, "%s%.*s", k > 0 ? " " : "", (int) paths[k].len, paths[k].ptr), ST_OK);
		if (strcmp(text.data, found[i].want) != 0)
			fail_msg("%s: got \"%s\"", found[i].title, text.data);
	}
}

static void test_at_most_so_many_are_taken(void **state)
{
	(void) state;
	for (size_t wanted = REFERENCES_MAX; wanted <= REFERENCES_MAX + 1; wanted++) {
		auto_arena   arena = { .max = 1 << 20 };
		auto_buf     text;
		struct view *paths = NULL;
		size_t       count = 7;
		struct error err = { 0 };
		buf_init(&text, 1 << 20);
		assert_int_equal(buf_add_text(&text, "{\"spec\":{\"intent\":{\"x\":0", NULL), ST_OK);
		for (size_t i = 1; i < wanted; i++)
			assert_int_equal(buf_printf(&text, NULL, ",\"c%zu\":0", i), ST_OK);
		assert_int_equal(buf_add_text(&text, "}}}", NULL), ST_OK);
		enum status st = refer("names", text.data, &arena, &paths, &count, &err);
		assert_int_equal(st, wanted == REFERENCES_MAX ? ST_OK : ST_TOO_LARGE);
		if (st == ST_OK) {
			assert_int_equal(count, REFERENCES_MAX);
		} else {
			assert_string_equal(err.text, "refers to more than 10000 resources");
			assert_int_equal(count, 7);
			assert_null(paths);
		}
	}
}

static void test_memory_that_runs_out_is_said(void **state)
{
	struct view *paths = NULL;
	size_t       count;
	struct error err = { 0 };

	(void) state;
	for (size_t max = 0;; max += 16) {
		auto_arena arena = { .max = max };
		assert_true(max < 1 << 16);
		if (refer("plain", "{\"spec\":{\"app\":\"a\"}}", &arena, &paths, &count, &err) == ST_OK)
			break;
		assert_int_equal(err.code, ST_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references_are_found_where_the_row_says),
		cmocka_unit_test(test_at_most_so_many_are_taken),
		cmocka_unit_test(test_memory_that_runs_out_is_said),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
