#include "host/registry/type.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const char plain[] = "{\"type\": \"object\", \"properties\": {\"metadata\": {\"type\": \"object\"}}}";

#define ROW(name_, parent_, segment_) .name = name_, .parent = parent_, .segment = segment_, .schema = plain

static enum status add(struct types *types, const emco_resource_type *rows, size_t count, const char *origin,
                       struct error *err)
{
	return types_add(types, rows, sizeof rows[0], count, origin, err);
}

static void test_parents_come_first_whatever_the_order_of_the_rows(void **state)
{
	static const emco_resource_type rows[] = {
		{ ROW("leaf", "middle", "leaves") }, { ROW("middle", "top", "middles") }, { ROW("top", NULL, "tops") },
		{ ROW("other", NULL, "others") },
	};
	static const char *const order[] = { "top", "other", "middle", "leaf" };
	struct types *types = types_new();
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(add(types, rows, ARRAY_LEN(rows), "emcod", &err), ST_OK);
	assert_int_equal(types_seal(types, &err), ST_OK);
	assert_int_equal(types_count(types), ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		assert_string_equal(types_at(types, i)->row->name, order[i]);
	assert_ptr_equal(types_find(types, VIEW("leaf"))->parent, types_find(types, VIEW("middle")));
	assert_null(types_find(types, VIEW("leaves")));
	assert_null(types_find(types, VIEW("")));
	assert_int_equal(err.code, ST_OK);
	types_free(types);
}

static void test_a_row_without_variables_and_names_has_the_usual_ones(void **state)
{
	static const emco_resource_type rows[] = {
		{ ROW("plain", NULL, "plains") },
		{ ROW("twin", NULL, "twins"), .variables = "one two", .names = "metadata.name spec.version" },
	};
	struct types *types = types_new();

	(void) state;
	assert_int_equal(add(types, rows, ARRAY_LEN(rows), "nearest", NULL), ST_OK);
	assert_int_equal(types_seal(types, NULL), ST_OK);
	const struct type *type = types_find(types, VIEW("plain"));
	assert_string_equal(type->origin, "nearest");
	assert_int_equal(type->variable_count, 1);
	assert_string_equal(type->variables[0], "plain");
	assert_string_equal(type->names[0], "metadata.name");
	assert_non_null(type->schema);
	type = types_find(types, VIEW("twin"));
	assert_int_equal(type->variable_count, 2);
	assert_string_equal(type->variables[1], "two");
	assert_string_equal(type->names[1], "spec.version");
	types_free(types);
}

static void test_rows_of_an_older_plugin_end_in_zeros(void **state)
{
	/* The struct as it was before flags and all that follows. */
	struct old_row { const char *name, *parent, *segment, *variables, *names, *schema; };
	static const struct old_row rows[] = {
		{ "one", NULL, "ones", NULL, NULL, plain }, { "two", "one", "twos", NULL, NULL, plain },
	};
	struct types *types = types_new();

	(void) state;
	assert_int_equal(types_add(types, (const emco_resource_type *) (const void *) rows, sizeof rows[0], 2, "old", NULL),
	                 ST_OK);
	assert_int_equal(types_seal(types, NULL), ST_OK);
	const struct type *two = types_find(types, VIEW("two"));
	assert_string_equal(two->row->segment, "twos");
	assert_int_equal(two->row->flags, 0);
	assert_null(two->row->references);
	assert_null(two->row->before_change);
	types_free(types);
}

static void test_rows_of_a_newer_plugin_are_cut(void **state)
{
	struct new_file { emco_file file; const char *more; };
	struct new_reference { emco_reference reference; const char *more; };
	struct new_row { emco_resource_type row; const char *more; };
	static const struct new_file files[] = {
		{ { .part = "a", .limit_bytes = 1 }, "x" }, { { .part = "b", .limit_bytes = 2 }, "x" },
	};
	static const struct new_reference references[] = {
		{ { "spec", "tops/{.a}", NULL }, "x" }, { { "spec", "tops/{.b}", NULL }, "x" },
	};
	static const struct new_row rows[] = {
		{ { ROW("one", NULL, "ones"), .files = &files[0].file, .file_count = 2, .file_size = sizeof files[0],
		    .references = &references[0].reference, .reference_count = 2, .reference_size = sizeof references[0] }, "x" },
		{ { ROW("two", NULL, "twos"), .summary = "The second." }, "x" },
	};
	struct types *types = types_new();

	(void) state;
	assert_int_equal(types_add(types, &rows[0].row, sizeof rows[0], 2, "new", NULL), ST_OK);
	assert_int_equal(types_seal(types, NULL), ST_OK);
	assert_string_equal(types_find(types, VIEW("two"))->row->summary, "The second.");
	const emco_resource_type *one = types_find(types, VIEW("one"))->row;
	assert_string_equal(one->files[1].part, "b");
	assert_int_equal(one->files[1].limit_bytes, 2);
	assert_string_equal(one->references[1].target, "tops/{.b}");
	types_free(types);
}

static void test_a_row_shorter_than_any_server_made_is_refused(void **state)
{
	static const emco_resource_type row = { ROW("one", NULL, "ones") };
	struct types *types = types_new();
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(types_add(types, &row, 8, 1, "odd", &err), ST_INVALID);
	assert_string_equal(err.text, "resource types of \"odd\": a row has 8 bytes, expected at least 48");
	types_free(types);
}

static const emco_reference unclosed[] = { { "spec", "ones/{.a", NULL } };
static const emco_reference unknown_variable[] = { { "spec", "ones/{two}", NULL } };
static const emco_reference star_without_names[] = { { "spec", "ones/{*}", NULL } };
static const emco_reference member_of_names[] = { { "spec.*", "ones/{.a}", NULL } };
static const emco_reference no_target[] = { { "spec", NULL, NULL } };

static const struct bad {
	const char *title;
	emco_resource_type rows[2];
	const char *want;
} bad[] = {
	{ "no name", { { .segment = "xs", .schema = plain } }, "a resource type of \"p\": has no name" },
	{ "a name that is none", { { ROW("a b", NULL, "xs") } },
	  "a resource type of \"p\": name must be letters, digits, \"-\", \"_\" and \".\", got \"a b\"" },
	{ "no segment", { { ROW("x", NULL, NULL) } }, "resource type \"x\" of \"p\": has no segment" },
	{ "a segment of two", { { ROW("x", NULL, "a/b") } },
	  "resource type \"x\" of \"p\": segment must be letters, digits, \"-\", \"_\" and \".\", got \"a/b\"" },
	{ "gauge", { { ROW("x", NULL, "xs"), .gauge = "emco-x" } },
	  "resource type \"x\" of \"p\": gauge must be lower-case letters, digits and \"_\", got \"emco-x\"" },
	{ "no schema", { { .name = "x", .segment = "xs" } }, "resource type \"x\" of \"p\": has no schema" },
	{ "a schema that is none", { { .name = "x", .segment = "xs", .schema = "{" } }, NULL },
	{ "a keyword nobody knows", { { .name = "x", .segment = "xs", .schema = "{\"minimun\": 1}" } }, NULL },
	{ "three variables", { { ROW("x", NULL, "xs"), .variables = "a b c", .names = "a b c" } },
	  "resource type \"x\" of \"p\": must have 1 to 2 variables, got \"a b c\"" },
	{ "names for one of two", { { ROW("x", NULL, "xs"), .variables = "a b", .names = "metadata.name" } },
	  "resource type \"x\" of \"p\": names must say where 2 variables are, got \"metadata.name\"" },
	{ "a flag of the future", { { ROW("x", NULL, "xs"), .flags = 1u << 20 } },
	  "resource type \"x\" of \"p\": flags 0x100000 are not known to this server" },
	{ "references without size", { { ROW("x", NULL, "xs"), .references = unclosed, .reference_count = 1 } },
	  "resource type \"x\" of \"p\": references have no size, expected EMCO_REFERENCES(table)" },
	{ "two of one name", { { ROW("x", NULL, "xs") }, { ROW("x", NULL, "ys") } },
	  "resource type \"x\" of \"p\": \"p\" already has a type of that name" },
	{ "two of one route", { { ROW("x", NULL, "xs") }, { ROW("y", NULL, "xs") } },
	  "resource type \"y\" of \"p\": route \"xs\" below \"/v2\" is that of \"x\" of \"p\" already" },
	{ "a route of the host", { { ROW("x", "one", "twos") } },
	  "resource type \"x\" of \"p\": route \"twos\" below \"one\" is that of \"two\" of \"emcod\" already" },
	{ "a parent that is none", { { ROW("x", "y", "xs") } }, "resource type \"x\" of \"p\": its parent \"y\" is no type" },
	{ "a circle", { { ROW("x", "y", "xs") }, { ROW("y", "x", "ys") } },
	  "resource type \"x\" of \"p\": is its own ancestor" },
	{ "a variable twice", { { ROW("x", "one", "xs"), .variables = "one" } },
	  "resource type \"x\" of \"p\": variable \"one\" is that of its ancestor \"one\" too" },
	{ "an open brace", { { ROW("x", NULL, "xs"), EMCO_REFERENCES(unclosed) } },
	  "resource type \"x\" of \"p\": reference \"ones/{.a\": a \"{\" without its \"}\"" },
	{ "a variable that is none", { { ROW("x", "one", "xs"), EMCO_REFERENCES(unknown_variable) } },
	  "resource type \"x\" of \"p\": reference \"ones/{two}\": {two} is no variable of its path" },
	{ "{*} without names", { { ROW("x", NULL, "xs"), EMCO_REFERENCES(star_without_names) } },
	  "resource type \"x\" of \"p\": reference \"ones/{*}\": {*} needs a place that ends in \".*\"" },
	{ "a member of names", { { ROW("x", NULL, "xs"), EMCO_REFERENCES(member_of_names) } },
	  "resource type \"x\" of \"p\": reference \"ones/{.a}\": {.a} needs an object, and \".*\" finds names" },
	{ "no target", { { ROW("x", NULL, "xs"), EMCO_REFERENCES(no_target) } },
	  "resource type \"x\" of \"p\": reference \"\": a reference without a target" },
};

static void test_a_bad_row_is_refused_by_name(void **state)
{
	static const emco_resource_type host[] = { { ROW("one", NULL, "ones") }, { ROW("two", "one", "twos") } };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const bool    is_two = bad[i].rows[1].name != NULL;
		struct types *types = types_new();
		struct error  err = { 0 };
		assert_int_equal(add(types, host, 2, "emcod", &err), ST_OK);
		enum status st = add(types, bad[i].rows, is_two ? 2 : 1, "p", &err);
		if (st == ST_OK)
			st = types_seal(types, &err);
		types_free(types);
		if (st == ST_OK || (bad[i].want != NULL && strcmp(err.text, bad[i].want) != 0))
			fail_msg("%s: %s", bad[i].title, err.text);
		assert_memory_equal(err.text, bad[i].want != NULL ? bad[i].want : "resource type \"x\"", 17);
	}
}

static void test_types_lie_at_most_eight_levels_deep(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
	emco_resource_type       rows[ARRAY_LEN(names)] = { 0 };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		rows[i] = (emco_resource_type) { ROW(names[i], i > 0 ? names[i - 1] : NULL, names[i]) };
	for (size_t count = TYPE_DEPTH_MAX; count <= TYPE_DEPTH_MAX + 1; count++) {
		struct types *types = types_new();
		struct error  err = { 0 };
		assert_int_equal(add(types, rows, count, "p", &err), ST_OK);
		assert_int_equal(types_seal(types, &err), count == TYPE_DEPTH_MAX ? ST_OK : ST_INVALID);
		if (count > TYPE_DEPTH_MAX)
			assert_string_equal(err.text, "resource type \"i\" of \"p\": lies deeper than 8 levels");
		types_free(types);
	}
}

static void test_an_empty_set_seals_and_finds_nothing(void **state)
{
	struct types *types = types_new();

	(void) state;
	assert_int_equal(types_seal(types, NULL), ST_OK);
	assert_int_equal(types_count(types), 0);
	assert_null(types_find(types, VIEW("app")));
	types_free(types);
	types_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parents_come_first_whatever_the_order_of_the_rows),
		cmocka_unit_test(test_a_row_without_variables_and_names_has_the_usual_ones),
		cmocka_unit_test(test_rows_of_an_older_plugin_end_in_zeros),
		cmocka_unit_test(test_rows_of_a_newer_plugin_are_cut),
		cmocka_unit_test(test_a_row_shorter_than_any_server_made_is_refused),
		cmocka_unit_test(test_a_bad_row_is_refused_by_name),
		cmocka_unit_test(test_types_lie_at_most_eight_levels_deep),
		cmocka_unit_test(test_an_empty_set_seals_and_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
