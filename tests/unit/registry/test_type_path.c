#include "host/registry/type.h"

#include "lib/base/name.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const char any[] = "{\"type\": \"object\"}";

static const emco_resource_type rows[] = {
	{ .name = "project", .segment = "projects", .schema = any },
	{ .name = "version", .parent = "project", .segment = "composite-apps", .schema = any,
	  .variables = "compositeApp compositeAppVersion", .names = "metadata.name spec.version" },
	{ .name = "app", .parent = "version", .segment = "apps", .schema = any },
	{ .name = "dependency", .parent = "app", .segment = "dependency", .schema = any },
	{ .name = "cluster", .segment = "clusters", .schema = any },
	{ .name = "label", .parent = "cluster", .segment = "labels", .schema = any, .names = "clusterLabel" },
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

static const struct good { const char *path, *type; bool is_item; const char *parent, *name; } good[] = {
	{ "projects",                                    "project",    false, "",                            ""     },
	{ "projects/p1",                                 "project",    true,  "",                            "p1"   },
	{ "projects/projects",                           "project",    true,  "",                            "projects" },
	{ "projects/p1/composite-apps",                  "version",    false, "projects/p1",                 ""     },
	{ "projects/p1/composite-apps/ca/v1",            "version",    true,  "projects/p1",                 "ca/v1" },
	{ "projects/p1/composite-apps/ca/v1/apps",       "app",        false, "projects/p1/composite-apps/ca/v1", "" },
	{ "projects/p1/composite-apps/ca/v1/apps/a",     "app",        true,  "projects/p1/composite-apps/ca/v1", "a" },
	{ "projects/p1/composite-apps/ca/v1/apps/a/dependency/d", "dependency", true,
	  "projects/p1/composite-apps/ca/v1/apps/a", "d" },
	{ "clusters/c/labels/l",                         "label",      true,  "clusters/c",                  "l"    },
};

static void test_a_path_names_its_type_parent_and_name(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct type_path found;
		assert_true(type_path_parse(types, view_of(good[i].path), &found));
		assert_string_equal(found.type->row->name, good[i].type);
		assert_int_equal(found.is_item, good[i].is_item);
		assert_true(view_is(found.parent, good[i].parent));
		assert_true(view_is(found.name, good[i].name));
	}
}

static const char *const bad[] = {
	"", "/", "projects/", "/projects", "projects//", "projects//composite-apps", "projects/p1/", "nothing", "apps",
	"projects/p1/apps", "projects/p1/composite-apps/ca", "projects/p1/composite-apps/ca/", "projects/p1/composite-apps//v1",
	"projects/p1/composite-apps/ca/v1/", "projects/p1/composite-apps/ca/v1/nothing", "Projects/p1", "project/p1",
	"projects/p1/project", "clusters/c/labels/l/more",
};

static void test_a_path_that_names_nothing_is_told_apart(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct type_path found = { .is_item = true };
		if (type_path_parse(types, view_of(bad[i]), &found))
			fail_msg("\"%s\" was taken for a %s", bad[i], found.type->row->name);
		assert_null(found.type);
		assert_true(found.is_item);
	}
}

static json_t *document_of(const char *text)
{
	json_t *document;

	assert_int_equal(json_read(view_of(text), &document, NULL), ST_OK);
	return document;
}

static const struct placed { const char *type, *parent, *document, *path, *name; } placed[] = {
	{ "project", "", "{\"metadata\":{\"name\":\"p1\"}}", "projects/p1", "p1" },
	{ "version", "projects/p1", "{\"metadata\":{\"name\":\"ca\"},\"spec\":{\"version\":\"v.1\"}}",
	  "projects/p1/composite-apps/ca/v.1", "ca/v.1" },
	{ "label", "clusters/c", "{\"clusterLabel\":\"east\"}", "clusters/c/labels/east", "east" },
};

static void test_a_document_says_where_it_belongs(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(placed); i++) {
		auto_arena  arena = { .max = 1 << 16 };
		auto_json  *document = document_of(placed[i].document);
		struct view path, name;
		assert_int_equal(type_item_path(types_find(types, view_of(placed[i].type)), view_of(placed[i].parent), document,
		                                &arena, &path, &name, NULL), ST_OK);
		assert_true(view_is(path, placed[i].path));
		assert_true(view_is(name, placed[i].name));
	}
}

static const struct misplaced { const char *type, *document, *field, *text; } misplaced[] = {
	{ "project", "{}", "/metadata/name", "\"metadata.name\" must be given" },
	{ "project", "{\"metadata\":{\"name\":7}}", "/metadata/name", "\"metadata.name\" must be given" },
	{ "project", "{\"metadata\":{\"name\":\"a/b\"}}", "/metadata/name",
	  "\"metadata.name\" must be letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends, got \"a/b\"" },
	{ "version", "{\"metadata\":{\"name\":\"ca\"},\"spec\":{\"version\":\"..\"}}", "/spec/version",
	  "\"spec.version\" must be letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends, got \"..\"" },
	{ "label", "{\"metadata\":{\"name\":\"x\"}}", "/clusterLabel", "\"clusterLabel\" must be given" },
};

static void test_a_document_without_a_usable_name_is_refused(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(misplaced); i++) {
		auto_arena   arena = { .max = 1 << 16 };
		auto_json   *document = document_of(misplaced[i].document);
		struct view  path = VIEW("untouched"), name = VIEW("untouched");
		struct error err = { 0 };
		assert_int_equal(type_item_path(types_find(types, view_of(misplaced[i].type)), VIEW("x/y"), document, &arena,
		                                &path, &name, &err), ST_INVALID);
		assert_string_equal(err.field, misplaced[i].field);
		assert_string_equal(err.text, misplaced[i].text);
		assert_true(view_is(path, "untouched") && view_is(name, "untouched"));
	}
}

static void test_a_name_of_the_maximum_fits_and_one_more_does_not(void **state)
{
	(void) state;
	for (int len = NAME_LEN_MAX; len <= NAME_LEN_MAX + 1; len++) {
		auto_arena   arena = { .max = 1 << 16 };
		auto_json   *document = NULL;
		char         text[200], name_text[150];
		struct view  path, name;
		struct error err = { 0 };
		memset(name_text, 'a', sizeof name_text);
		snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"%.*s\"}}", len, name_text);
		document = document_of(text);
		enum status st = type_item_path(types_find(types, VIEW("project")), VIEW(""), document, &arena, &path, &name, &err);
		assert_int_equal(st, len == NAME_LEN_MAX ? ST_OK : ST_INVALID);
		if (st != ST_OK)
			assert_string_equal(err.text, "\"metadata.name\" must be at most 128 characters, got 129");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_names_its_type_parent_and_name),
		cmocka_unit_test(test_a_path_that_names_nothing_is_told_apart),
		cmocka_unit_test(test_a_document_says_where_it_belongs),
		cmocka_unit_test(test_a_document_without_a_usable_name_is_refused),
		cmocka_unit_test(test_a_name_of_the_maximum_fits_and_one_more_does_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
