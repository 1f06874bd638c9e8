/*
 * Names of fields: lists of them, what they cover, and what they mean beside an object and in managedFields.
 */
#include "tests/unit/base/test.h"

#include "lib/kube/fields.h"

/* JSON with ' for ". */
static json_t *read(const char *text)
{
	char *copy = strdup(text);

	for (char *quote = copy; (quote = strchr(quote, '\'')) != NULL;)
		*quote = '"';
	json_t *value = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(value);
	return value;
}

static void assert_json(json_t *got, const char *want)
{
	json_t *wanted = read(want);
	char   *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

	if (!json_equal(got, wanted))
		print_error("expected %s, got %s\n", want, text);
	assert_true(json_equal(got, wanted));
	free(text);
	json_decref(wanted);
	json_decref(got);
}

static void test_lists(void **state)
{
	static const struct { const char *list, *names[4]; } rows[] = {
		{ "",                                    { NULL } },
		{ " \n, ",                               { NULL } },
		{ ".spec.replicas",                      { ".spec.replicas" } },
		{ ".a, .b\n.c",                          { ".a", ".b", ".c" } },
		{ ".p[port=80,protocol=\"TCP\"].x,.y",   { ".p[port=80,protocol=\"TCP\"].x", ".y" } },
		{ ".c[name=\"a ] b\"] .d",               { ".c[name=\"a ] b\"]", ".d" } },
		{ ".c[name=\"a\\\"] b\"].e",             { ".c[name=\"a\\\"] b\"].e" } },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct view rest = view_of(rows[i].list), name;
		size_t      n = 0;

		for (; field_next(&rest, &name); n++)
			assert_true(n < 4 && rows[i].names[n] != NULL && view_is(name, rows[i].names[n]));
		assert_true(n == 4 || rows[i].names[n] == NULL);
	}
}

static void test_what_is_a_name_and_what_it_covers(void **state)
{
	static const struct { const char *name, *other; bool is_name, covers; } rows[] = {
		{ ".spec.replicas", ".spec.replicas",    true,  true  },
		{ ".spec",          ".spec.replicas",    true,  true  },
		{ ".spec.ports",    ".spec.ports[port=80]", true, true },
		{ ".spec.rep",      ".spec.replicas",    true,  false },
		{ ".spec.replicas", ".spec",             true,  false },
		{ "spec",           ".spec",             false, false },
		{ "",               ".spec",             false, false },
		{ ".",              ".spec",             false, false },
		{ "..a",            ".a",                false, false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(field_is_name(view_of(rows[i].name)), rows[i].is_name);
		assert_int_equal(field_covers(view_of(rows[i].name), view_of(rows[i].other)), rows[i].covers);
	}
}

static void test_removing(void **state)
{
	static const struct { const char *object, *name; bool is_there; const char *left; } rows[] = {
		{ "{'spec':{'replicas':1,'x':2}}", ".spec.replicas",  true,  "{'spec':{'x':2}}" },
		{ "{'spec':{'x':2}}",              ".spec.replicas",  false, "{'spec':{'x':2}}" },
		{ "{'spec':{'x':2}}",              ".spec.x.y",       false, "{'spec':{'x':2}}" },
		{ "{'m':{'a.b/c':'1','a':{}}}",    ".m.a.b/c",        true,  "{'m':{'a':{}}}" },
		{ "{'m':{'a':{},'a.b/c':'1'}}",    ".m.a.b/c",        true,  "{'m':{'a':{}}}" },
		{ "{'c':[{'name':'x','i':1},{'name':'y','i':2}]}", ".c[name=\"y\"].i", true,
		  "{'c':[{'name':'x','i':1},{'name':'y'}]}" },
		{ "{'c':[{'name':'x'},{'name':'y'}]}", ".c[name=\"x\"]", true, "{'c':[{'name':'y'}]}" },
		{ "{'p':[{'port':80,'protocol':'TCP','n':1}]}", ".p[port=80,protocol=\"TCP\"].n", true,
		  "{'p':[{'port':80,'protocol':'TCP'}]}" },
		{ "{'p':[{'port':80,'protocol':'UDP','n':1}]}", ".p[port=80,protocol=\"TCP\"].n", false,
		  "{'p':[{'port':80,'protocol':'UDP','n':1}]}" },
		{ "{'p':[{'port':800,'n':1}]}",    ".p[port=80].n",   false, "{'p':[{'port':800,'n':1}]}" },
		{ "{'f':['a','b']}",               ".f[=\"b\"]",      true,  "{'f':['a']}" },
		{ "{'f':['a','b']}",               ".f[",             false, "{'f':['a','b']}" },
		{ "{'f':['a','b']}",               ".f[x].y",         false, "{'f':['a','b']}" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *object = read(rows[i].object);

		assert_int_equal(field_is_set(object, view_of(rows[i].name)), rows[i].is_there);
		assert_int_equal(field_remove(object, view_of(rows[i].name)), rows[i].is_there);
		assert_json(object, rows[i].left);
	}
}

static void test_disowning(void **state)
{
	static const struct { const char *owned, *name; bool is_there; const char *left; } rows[] = {
		{ "{'f:spec':{'f:replicas':{},'f:x':{}}}",  ".spec.replicas", true,  "{'f:spec':{'f:x':{}}}" },
		{ "{'f:spec':{'f:replicas':{}},'f:d':{}}",  ".spec.replicas", true,  "{'f:d':{}}" },
		{ "{'f:m':{'.':{},'f:a.b/c':{}}}",          ".m.a.b/c",       true,  "{}" },
		{ "{'f:spec':{'f:x':{}}}",                  ".spec.replicas", false, "{'f:spec':{'f:x':{}}}" },
		{ "{'f:c':{'k:{\\'name\\':\\'w\\'}':{'.':{},'f:i':{},'f:n':{}}}}", ".c[name=\"w\"].i", true,
		  "{'f:c':{'k:{\\'name\\':\\'w\\'}':{'.':{},'f:n':{}}}}" },
		{ "{'f:p':{'k:{\\'port\\':80,\\'protocol\\':\\'TCP\\'}':{'f:n':{}},'f:o':{}}}",
		  ".p[port=80,protocol=\"TCP\"]", true, "{'f:p':{'f:o':{}}}" },
		{ "{'f:f':{'v:\\'a\\'':{},'v:\\'b\\'':{}}}", ".f[=\"b\"]",    true,  "{'f:f':{'v:\\'a\\'':{}}}" },
		{ "{'f:f':{'k:nonsense':{}}}",              ".f[x=1]",        false, "{'f:f':{'k:nonsense':{}}}" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *owned = read(rows[i].owned);

		assert_int_equal(field_disown(owned, view_of(rows[i].name)), rows[i].is_there);
		assert_json(owned, rows[i].left);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists), cmocka_unit_test(test_what_is_a_name_and_what_it_covers),
		cmocka_unit_test(test_removing), cmocka_unit_test(test_disowning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
