#include "tests/unit/base/test.h"

#include "lib/base/schema.h"
#include "tests/unit/base/fail_alloc.h"

#define RESOURCE \
	"{'type':'object','required':['metadata','spec'],'properties':{" \
	"'metadata':{'type':'object','required':['name'],'properties':{" \
		"'name':{'type':'string','maxLength':128,'pattern':'^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$'}," \
		"'description':{'type':'string','default':''},'userData1':{'type':'string','x-emco-omit-empty':true}}}," \
	"'spec':{'type':'object','properties':{'priority':{'type':'integer','minimum':1,'maximum':1000000,'default':5}," \
		"'labels':{'type':'object','additionalProperties':{'type':'string'}}}}}}"

/* JSON with ' for ", so that the rows can be read; owned. */
static json_t *value_of(const char *text)
{
	char  *json = strdup(text);
	json_t *value = NULL;

	for (char *c = json; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	assert_ok(json_read(view_of(json), &value, NO_ERR));
	free(json);
	return value;
}

static enum status compile(const char *text, struct schema **ret_schema, struct error *err)
{
	char json[2000];

	assert_true(strlen(text) < sizeof json);
	for (size_t i = 0; i <= strlen(text); i++)
		json[i] = text[i] == '\'' ? '"' : text[i];
	return schema_new(view_of(json), ret_schema, err);
}

/* The verdict as text: the value, or "field text" for each fault; then " ?pointer" for each unknown member. */
static char *verdict_of(const char *schema_text, const char *input_text)
{
	struct schema *schema = NULL;
	struct verdict verdict;
	struct error   err = { .code = ST_OK };
	json_t        *value = NULL, *input = value_of(input_text);
	auto_arena     arena = ARENA(1 << 20);
	auto_buf       said = BUF(100000);

	assert_ok(compile(schema_text, &schema, NO_ERR));
	const enum status st = schema_check(schema, input, &arena, &verdict, &value, &err);
	assert_int_equal(err.code, st);
	if (st == ST_OK) {
		assert_ok(json_write(&said, value, NO_ERR));
		assert_int_equal(verdict.faults, 0);
	} else {
		assert_int_equal(st, ST_INVALID);
		assert_null(value);
		assert_string_equal(err.text, verdict.fault[0].text);
	}
	for (size_t i = 0; i < verdict.faults; i++)
		assert_ok(buf_printf(&said, NO_ERR, "%s%s %s", i > 0 ? "; " : "", verdict.fault[i].field, verdict.fault[i].text));
	for (size_t i = 0; i < verdict.unknowns; i++)
		assert_ok(buf_printf(&said, NO_ERR, " ?%s", verdict.unknown[i]));
	for (char *c = said.data; *c != '\0'; c++)
		if (*c == '"')
			*c = '\'';
	json_decref(value);
	json_decref(input);
	schema_free(schema);
	return buf_take(&said);
}

struct row { const char *schema, *input, *want; };

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *said = verdict_of(rows[i].schema, rows[i].input);
		if (strcmp(said, rows[i].want) != 0)
			print_error("row %zu: %s with %s\n", i, rows[i].schema, rows[i].input);
		assert_string_equal(said, rows[i].want);
		free(said);
	}
}

static void test_a_value_comes_out_in_its_schemas_shape(void **state)
{
	static const struct row rows[] = {
		{ RESOURCE, "{'spec':{},'metadata':{'name':'a'}}",
		  "{'metadata':{'name':'a','description':''},'spec':{'priority':5}}" },
		{ RESOURCE, "{'metadata':{'name':'a'}}",
		  "{'metadata':{'name':'a','description':''},'spec':{'priority':5}}" },
		{ RESOURCE, "{'SPEC':{'Labels':{'B':'1','a':'2'}},'metaData':{'NAME':'a','userdata1':''}}",
		  "{'metadata':{'name':'a','description':''},'spec':{'priority':5,'labels':{'B':'1','a':'2'}}}" },
		{ RESOURCE, "{'metadata':{'name':'a','description':null},'spec':{'priority':null,'labels':{'a':null}}}",
		  "{'metadata':{'name':'a','description':''},'spec':{'priority':5,'labels':{'a':''}}}" },
		{ "{'additionalProperties':{'type':'integer'}}", "{'a':null,'b':1}", "{'b':1}" },
		{ RESOURCE, "{'metadata':{'name':'a','x':1},'spec':{},'a/b':1,'m~n':null}",
		  "{'metadata':{'name':'a','description':''},'spec':{'priority':5}} ?/a~1b ?/m~0n ?/metadata/x" },
		{ "{'properties':{'a':{},'A':{}}}", "{'A':1,'a':2}", "{'a':2,'A':1}" },
		{ "{'properties':{'a':{}},'additionalProperties':true}", "{'z':null,'B':1,'A':2,'b':3}", "{'a':2,'B':1,'b':3,'z':null}" },
		{ "{'properties':{'a':{}},'additionalProperties':false}", "{'a':1,'b':2}", "{'a':1} ?/b" },
		{ "{'type':'object'}", "{'b':null,'a':{'z':1,'y':2}}", "{'b':null,'a':{'z':1,'y':2}}" },
		{ "{'properties':{'o':{'type':'object','properties':{'a':{'default':1}}}}}", "{}", "{}" },
		{ "{'properties':{'o':{'type':'object','default':{},'properties':{'a':{'default':1}}}}}", "{}", "{'o':{'a':1}}" },
		{ "{'properties':{'o':{'$ref':'#/$defs/o'}},'$defs':{'o':{'default':{},'properties':{'a':{'default':[1]}}}}}", "{}",
		  "{'o':{'a':[1]}}" },
		{ "{'items':{'properties':{'a':{'default':1}}}}", "[{},{'A':2,'b':3}]", "[{'a':1},{'a':2}] ?/1/b" },
		{ "{'properties':{'a':{'type':['null','string'],'default':'x'}}}", "{'a':null}", "{'a':null}" },
		{ "{'properties':{'a':{'x-emco-omit-empty':true},'b':{'x-emco-omit-empty':true},'c':{'x-emco-omit-empty':true},"
		  "'d':{'x-emco-omit-empty':true},'e':{'x-emco-omit-empty':true},'f':{}}}",
		  "{'a':'','b':[],'c':{},'d':0,'e':false,'f':''}", "{'f':''}" },
	};

	(void) state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void test_every_fault_says_where_and_what_was_found(void **state)
{
	static const struct row rows[] = {
		{ RESOURCE, "{}",             "/metadata/name 'name' is required" },
		{ RESOURCE, "null",           " must be an object, got null"      },
		{ RESOURCE, "{'metadata':{'NAME':'b','name':'a','Name':'c'},'spec':{}}",
		  "/metadata/name is the same member as 'NAME': case makes no difference; "
		  "/metadata/Name is the same member as 'name': case makes no difference" },
		{ RESOURCE, "[]",             " must be an object, got an array"  },
		{ RESOURCE, "{'metadata':{'name':'a b'},'spec':{'priority':0,'labels':{'x':1}}}",
		  "/metadata/name must match ^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$, got 'a b'; "
		  "/spec/priority must be 1 to 1000000, got 0; /spec/labels/x must be a string, got a number" },
		{ RESOURCE, "{'metadata':{'name':''},'spec':[]}",
		  "/metadata/name must match ^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$, got ''; /spec must be an object, got an array" },
		{ "{'properties':{'a':{'$ref':'#/$defs/l'},'b':{'type':'integer','x-emco-omit-empty':true}},"
		  "'$defs':{'l':{'type':'array','x-emco-omit-empty':true}}}", "{'a':{},'b':''}",
		  "/a must be an array, got an object; /b must be an integer, got a string"                      },
		{ "{'propertyNames':{'pattern':'^[a-z]+$','maxLength':3}}", "{'abc':1,'a b':2,'abcd':3}",
		  "/a b must match ^[a-z]+$, got 'a b'; /abcd must be at most 3 characters, got 4"               },
		{ "{'required':['a']}",                   "{}",     "/a 'a' is required"                         },
		{ "{'type':'integer'}",                   "1.5",    " must be an integer, got 1.5"               },
		{ "{'type':'integer'}",                   "'1'",    " must be an integer, got a string"          },
		{ "{'type':['string','null']}",           "true",   " must be null or a string, got a boolean"   },
		{ "{'type':'number'}",                    "1",      "1"                                          },
		{ "{'minimum':1}",                        "0",      " must be at least 1, got 0"                 },
		{ "{'maximum':1.5}",                      "2",      " must be at most 1.5, got 2"                },
		{ "{'minLength':1}",                      "''",     " must be at least 1 character, got 0"       },
		{ "{'maxLength':2}",                      "'\u00e9\u00e9\u00e9'", " must be at most 2 characters, got 3" },
		{ "{'maxLength':2}",                      "'\u00e9\u00e9'", "'\u00e9\u00e9'"                     },
		{ "{'minItems':1}",                       "[]",     " must have at least 1 item, got 0"          },
		{ "{'maxItems':1}",                       "[1,2]",  " must have at most 1 item, got 2"           },
		{ "{'enum':['a','b']}",                   "'c'",    " must be one of 'a', 'b', got 'c'"          },
		{ "{'enum':['a','b']}",                   "'A'",    " must be one of 'a', 'b', got 'A'"          },
		{ "{'enum':['a','b'],'x-emco-ignore-case':true}", "'A'", "'A'"                                   },
		{ "{'pattern':'^a$','x-emco-ignore-case':true}", "'A'", "'A'"                                    },
		{ "{'pattern':'^a$'}",                    "'a\\n'", " must match ^a$, got 'a '"                  },
		{ "{'const':1}",                          "2",      " must be 1, got 2"                          },
		{ "{'format':'ipv4'}",                    "'1.2.3'", " must be an IPv4 address (10.0.0.1), got '1.2.3'" },
		{ "{'x-emco-secret':true,'pattern':'^x'}", "'key'", " must match ^x"                             },
		{ "{'x-emco-secret':true,'properties':{'a':{'enum':['x']}}}", "{'a':'key'}", "/a must be one of 'x'" },
		{ "{'pattern':'^b'}", "'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee'",
		  " must match ^b, got 'aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...'"                            },
		{ "{'pattern':'^(a+)+$'}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'",
		  " is too long or too intricate to compare with ^(a+)+$"                                        },
	};

	(void) state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void test_branches_say_what_was_possible(void **state)
{
	static const struct row rows[] = {
		{ "{'anyOf':[{'type':'string'},{'type':'integer'}]}", "7",    "7"                                                     },
		{ "{'anyOf':[{'type':'string'},{'type':'integer'}]}", "true", " must be one of: a string; an integer, got true"       },
		{ "{'anyOf':[{'type':'string','minLength':3},{'type':'integer'}]}", "'a'",
		  " must be one of: a string; an integer, got 'a';  must be at least 3 characters, got 1" },
		{ "{'oneOf':[{'required':['a'],'properties':{'a':{'type':'integer'}}},{'required':['b']}]}", "{'a':'x'}",
		  " must be one of: an object with 'a'; an object with 'b', got an object; /a must be an integer, got a string" },
		{ "{'oneOf':[{'minimum':1,'title':'one'},{'minimum':2,'title':'two'}]}", "3",
		  " must be only one of: one; two, got what fits 2 of them" },
		{ "{'oneOf':[{'minimum':1},{'minimum':2}]}", "1", "1" },
		{ "{'allOf':[{'minimum':1},{'maximum':3}]}", "4", " must be at most 3, got 4" },
		{ "{'not':{'const':'x'}}", "'x'", " must not be 'x'" },
		{ "{'properties':{'a':{}},'anyOf':[{'required':['a']},{'required':['b']}]}", "{'A':1}", "{'a':1}" },
		{ "{'oneOf':[{'properties':{'a':{}},'additionalProperties':false},{'type':'string'}]}", "{'a':1,'b':2}",
		  " must be one of: alternative 1; a string, got an object; /b is not expected here" },
	};

	(void) state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void test_formats_accept_what_they_name(void **state)
{
	static const struct format_row { const char *format, *text; bool want; } rows[] = {
		{ "dns-label", "a-1",               true  }, { "dns-label", "A",                  false },
		{ "dns-label", "-a",                false }, { "dns-label", "a-",                 false },
		{ "dns-label", "",                  false }, { "dns-label", "a.b",                false },
		{ "ipv4",      "10.0.0.255",        true  }, { "ipv4",      "10.0.0.256",         false },
		{ "ipv4",      "10.0.0",            false }, { "ipv4",      "::1",                false },
		{ "ipv4-cidr", "10.0.0.0/0",        true  }, { "ipv4-cidr", "10.0.0.0/32",        true  },
		{ "ipv4-cidr", "10.0.0.0/33",       false }, { "ipv4-cidr", "10.0.0.0/",          false },
		{ "ipv4-cidr", "10.0.0.0",          false }, { "ipv4-cidr", "10.0.0.0/08",        false },
		{ "mac",       "02:00:00:00:00:0a", true  }, { "mac",       "02-00-00-00-00-0A",  true  },
		{ "mac",       "02:00:00:00:00",    false }, { "mac",       "02:00:00:00-00:0a",  false },
		{ "mac",       "02:00:00:00:00:0g", false },
		{ "dns-label", "123456789012345678901234567890123456789012345678901234567890123",  true  },
		{ "dns-label", "1234567890123456789012345678901234567890123456789012345678901234", false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char schema[80], value[100];
		snprintf(schema, sizeof schema, "{'anyOf':[{'format':'%s'}]}", rows[i].format);
		snprintf(value, sizeof value, "'%s'", rows[i].text);
		char *said = verdict_of(schema, value);
		if ((strcmp(said, value) == 0) != rows[i].want)
			print_error("%s %s\n", rows[i].format, rows[i].text);
		assert_int_equal(strcmp(said, value) == 0, rows[i].want);
		free(said);
	}
}

static void test_a_schema_may_hold_itself_one_step_down(void **state)
{
	static const struct row rows[] = {
		{ "{'$ref':'#/$defs/t','$defs':{'t':{'properties':{'v':{'default':0},'kids':{'items':{'$ref':'#/$defs/t'}}}}}}",
		  "{'kids':[{'V':1},{'kids':[{}]}]}", "{'v':0,'kids':[{'v':1},{'v':0,'kids':[{'v':0}]}]}" },
	};

	(void) state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void test_a_wrong_schema_is_refused_by_name(void **state)
{
	static const struct bad { const char *schema, *field, *text; } bads[] = {
		{ "{'properties':{'a':{'uniqueItems':true}}}", "/properties/a/uniqueItems", "unknown keyword 'uniqueItems'" },
		{ "{'type':'strin'}",                   "/type",            "unknown type 'strin'"                         },
		{ "{'type':[]}",                        "/type",            "type must name at least one"                  },
		{ "{'pattern':'('}",                    "/pattern",         "pattern: missing closing parenthesis, at offset 1" },
		{ "{'format':'uri'}",                   "/format",          "unknown format 'uri'"                         },
		{ "{'minItems':-1}",                    "/minItems",        "minItems must be an integer from 0"           },
		{ "{'minLength':2,'maxLength':1}",      "",                 "a minimum is above its maximum"               },
		{ "{'required':[1]}",                   "/required",        "required must be a list of names"             },
		{ "{'required':'a'}",                   "/required",        "required must be a list of names"             },
		{ "{'enum':[]}",                        "/enum",            "enum must be a list of at least one value"    },
		{ "{'anyOf':{}}",                       "/anyOf",           "anyOf must be a list of at least one schema"  },
		{ "{'items':false}",                    "/items",           "a schema must be an object"                   },
		{ "{'title':1}",                        "/title",           "title must be a string"                       },
		{ "{'readOnly':1}",                     "/readOnly",        "readOnly must be true or false"               },
		{ "{'$ref':'#/$defs/x'}",               "/$ref",            "'#/$defs/x' is no schema in #/$defs"          },
		{ "{'items':{'$defs':{}}}",             "/items/$defs",     "$defs may stand at the root only"             },
		{ "{'allOf':[{'$ref':'#/$defs/a'}],'$defs':{'a':{'not':{'$ref':'#/$defs/a'}}}}", "",
		  "a schema of the document contains itself" },
		{ "{'properties':{'a':{'type':'integer','default':'x'}}}", "/properties/a",
		  "default breaks its own schema:  must be an integer, got a string" },
		{ "{'properties':{'a':{'default':1,'x-emco-omit-empty':true}}}", "/properties/a",
		  "default fills what x-emco-omit-empty leaves out" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		struct error   err = { .code = ST_OK };
		struct schema *schema = NULL;
		assert_int_equal(compile(bads[i].schema, &schema, &err), ST_INVALID);
		for (char *c = err.text; *c != '\0'; c++)
			if (*c == '"')
				*c = '\'';
		assert_string_equal(err.text, bads[i].text);
		assert_string_equal(err.field, bads[i].field);
		assert_null(schema);
	}
}

static void test_faults_and_unknown_members_are_counted_past_what_is_kept(void **state)
{
	struct schema *schema = NULL;
	struct verdict verdict;
	struct error   err = { .code = ST_OK };
	auto_arena     arena = ARENA(1 << 20);
	json_t        *input = json_array(), *value = NULL;

	(void) state;
	for (int i = 0; i < FAULTS_MAX + 1; i++)
		json_array_append_new(input, json_pack("{s:s,s:i}", "a", "x", "zzz", 1));
	assert_ok(compile("{'items':{'properties':{'a':{'type':'integer'}}}}", &schema, NO_ERR));
	assert_int_equal(schema_check(schema, input, &arena, &verdict, &value, &err), ST_INVALID);
	assert_int_equal(verdict.faults, FAULTS_MAX + 1);
	assert_int_equal(verdict.unknowns, FAULTS_MAX + 1);
	assert_string_equal(verdict.fault[FAULTS_MAX - 1].field, "/31/a");
	assert_string_equal(verdict.unknown[UNKNOWN_MAX - 1], "/15/zzz");
	assert_string_equal(err.hint, "There are 32 more faults.");
	json_decref(input);
	schema_free(schema);
}

static json_t *nested(size_t depth)
{
	json_t *value = json_array();

	while (--depth > 0)
		value = json_pack("[o]", value);
	return value;
}

static void test_the_deepest_value_is_checked_and_one_more_level_is_a_fault(void **state)
{
	struct schema *schema = NULL;
	struct error   err = { .code = ST_OK };
	auto_arena     arena = ARENA(1 << 20);
	json_t        *deep = nested(JSON_DEPTH_MAX), *deeper = nested(JSON_DEPTH_MAX + 1), *value = NULL;

	(void) state;
	assert_ok(compile("{'$ref':'#/$defs/l','$defs':{'l':{'items':{'$ref':'#/$defs/l'}}}}", &schema, NO_ERR));
	assert_ok(schema_check(schema, deep, &arena, NULL, &value, NO_ERR));
	json_decref(value);
	assert_status(schema_check(schema, deeper, &arena, NULL, &value, &err), ST_INVALID, &err, "is nested deeper than 64");
	json_decref(deep);
	json_decref(deeper);
	schema_free(schema);
}

static void test_branches_within_branches_end_at_their_bound(void **state)
{
	struct schema *schema = NULL;
	struct error   err = { .code = ST_OK };
	auto_arena     arena = ARENA(1 << 20);
	json_t        *deep = nested(40), *value = NULL;

	(void) state;
	assert_ok(compile("{'$ref':'#/$defs/l','$defs':{'l':{'oneOf':[{'items':{'$ref':'#/$defs/l'}},"
	                  "{'items':{'$ref':'#/$defs/l'}},{'type':'string'}]}}}", &schema, NO_ERR));
	assert_status(schema_check(schema, deep, &arena, NULL, &value, &err), ST_TOO_LARGE, &err,
	              "the value takes too many steps to check");
	json_decref(deep);
	schema_free(schema);
}

static void test_the_nth_failing_allocation_is_reported_and_nothing_leaks(void **state)
{
	static const char *const inputs[] = {
		"{'metadata':{'name':'a','x':1},'spec':{'labels':{'b':'c'}}}", "{'metadata':{'name':' '},'spec':{'priority':0}}",
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		json_t     *input = value_of(inputs[i]);
		enum status st = ST_NO_MEMORY;
		for (size_t at = 1; st == ST_NO_MEMORY || st == ST_MALFORMED; at++) {      /* jansson's lexer cannot tell */
			auto_arena     arena = ARENA(1 << 20);
			struct schema *schema = NULL;
			struct verdict verdict;
			struct error   err = { .code = ST_OK };
			json_t        *value = NULL;
			alloc_count = 0;
			alloc_fail_at = at;
			st = compile(RESOURCE, &schema, &err);
			if (st == ST_OK)
				st = schema_check(schema, input, &arena, &verdict, &value, &err);
			alloc_fail_at = 0;
			assert_int_equal(err.code, st);
			json_decref(value);
			schema_free(schema);
		}
		assert_int_equal(st, i == 0 ? ST_OK : ST_INVALID);
		json_decref(input);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_value_comes_out_in_its_schemas_shape),
		cmocka_unit_test(test_every_fault_says_where_and_what_was_found),
		cmocka_unit_test(test_branches_say_what_was_possible),
		cmocka_unit_test(test_formats_accept_what_they_name),
		cmocka_unit_test(test_a_schema_may_hold_itself_one_step_down),
		cmocka_unit_test(test_a_wrong_schema_is_refused_by_name),
		cmocka_unit_test(test_faults_and_unknown_members_are_counted_past_what_is_kept),
		cmocka_unit_test(test_the_deepest_value_is_checked_and_one_more_level_is_a_fault),
		cmocka_unit_test(test_branches_within_branches_end_at_their_bound),
		cmocka_unit_test(test_the_nth_failing_allocation_is_reported_and_nothing_leaks),
	};

	json_set_alloc_funcs(malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
