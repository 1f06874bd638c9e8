#include "tests/unit/base/test.h"

#include "lib/base/yaml.h"
#include "tests/unit/base/fail_alloc.h"

static char *json_of(struct view bytes, enum yaml_dialect dialect)
{
	struct error err = { .code = ST_OK };
	json_t      *value = NULL;
	auto_buf     said = BUF(1 << 20);

	if (yaml_read(bytes, dialect, &value, &err) == ST_OK)
		assert_ok(json_write(&said, value, NO_ERR));
	else
		assert_ok(buf_add_text(&said, err.text, NO_ERR));
	json_decref(value);
	return buf_take(&said);
}

static void check(const char *yaml, enum yaml_dialect dialect, const char *want)
{
	char *said = json_of(view_of(yaml), dialect);

	if (strcmp(said, want) != 0)
		print_error("%s\n", yaml);
	assert_string_equal(said, want);
	free(said);
}

static void test_plain_scalars_mean_what_their_dialect_says(void **state)
{
	static const struct row { const char *yaml, *kubernetes, *emco; } rows[] = {
		{ "true",         "true",                 "true"                 },
		{ "False",        "false",                "false"                },
		{ "yes",          "true",                 "\"yes\""              },
		{ "OFF",          "false",                "\"OFF\""              },
		{ "yEs",          "\"yEs\"",              "\"yEs\""              },
		{ "y",            "\"y\"",                "\"y\""                },
		{ "N",            "\"N\"",                "\"N\""                },
		{ "null",         "null",                 "null"                 },
		{ "~",            "null",                 "null"                 },
		{ "nUll",         "\"nUll\"",             "\"nUll\""             },
		{ "12",           "12",                   "12"                   },
		{ "-0",           "0",                    "0"                    },
		{ "+12",          "12",                   "12"                   },
		{ "0755",         "493",                  "755"                  },
		{ "0o17",         "15",                   "15"                   },
		{ "0x1F",         "31",                   "31"                   },
		{ "-0x1F",        "-31",                  "\"-0x1F\""            },
		{ "0b101",        "5",                    "\"0b101\""            },
		{ "1_000",        "1000",                 "\"1_000\""            },
		{ "08",           "8",                    "8"                    },
		{ "0x",           "\"0x\"",               "\"0x\""               },
		{ "1.5",          "1.5",                  "1.5"                  },
		{ "1.0",          "1",                    "1.0"                  },
		{ ".5",           "0.5",                  "0.5"                  },
		{ "1.",           "1",                    "1.0"                  },
		{ "1e3",          "1000",                 "1000.0"               },
		{ "1.5e-3",       "0.0015",               "0.0015"               },
		{ ".",            "\".\"",                "\".\""                },
		{ "1.2.3",        "\"1.2.3\"",            "\"1.2.3\""            },
		{ "1e",           "\"1e\"",               "\"1e\""               },
		{ "12:30:45",     "\"12:30:45\"",         "\"12:30:45\""         },
		{ "2001-01-01",   "\"2001-01-01\"",       "\"2001-01-01\""       },
		{ "9223372036854775807",  "9223372036854775807",  "9223372036854775807"  },
		{ "-9223372036854775808", "-9223372036854775808", "-9223372036854775808" },
		{ "9223372036854775808",  "9.223372036854776e+18", "9.223372036854776e+18" },
		{ ".inf",         "line 1: \".inf\" has no form in JSON", "line 1: \".inf\" has no form in JSON" },
		{ "1e999",        "line 1: \"1e999\" has no form in JSON", "line 1: \"1e999\" has no form in JSON" },
		{ "-",            "[null]",               "[null]"               },
		{ "<<",           "\"\\u003c\\u003c\"",   "\"\\u003c\\u003c\""   },
		{ "'yes'",        "\"yes\"",              "\"yes\""              },
		{ "\"12\"",       "\"12\"",               "\"12\""               },
		{ "|\n 12\n",     "\"12\\n\"",            "\"12\\n\""            },
		{ "!!str 12",     "\"12\"",               "\"12\""               },
		{ "! 12",         "\"12\"",               "\"12\""               },
		{ "!!int '12'",   "12",                   "12"                   },
		{ "!!bool 'true'", "true",                "true"                 },
		{ "!!null ''",    "null",                 "null"                 },
		{ "!!float 1.5",  "1.5",                  "1.5"                  },
		{ "!!binary aGk=", "\"aGk=\"",            "\"aGk=\""             },
		{ "!!int x",      "line 1: \"x\" is not an integer", "line 1: \"x\" is not an integer" },
		{ "!foo x",       "line 1: unknown tag \"!foo\"", "line 1: unknown tag \"!foo\"" },
		{ "!!set {a}",    "line 1: unknown tag \"tag:yaml.org,2002:set\"", "line 1: unknown tag \"tag:yaml.org,2002:set\"" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check(rows[i].yaml, YAML_KUBERNETES, rows[i].kubernetes);
		check(rows[i].yaml, YAML_EMCO, rows[i].emco);
	}
}

static void test_collections_anchors_and_merges_become_json(void **state)
{
	static const struct row { const char *yaml, *want; } rows[] = {
		{ "a: 1\nb:\n- x\n- - y\n  - {z: ~}\n",       "{\"a\":1,\"b\":[\"x\",[\"y\",{\"z\":null}]]}"     },
		{ "1: a\ntrue: b\n1.5: c\n",                  "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\"}"       },
		{ "on: x",                                    "{\"true\":\"x\"}"                                 },
		{ "a: &x [1]\nb: *x\n",                       "{\"a\":[1],\"b\":[1]}"                            },
		{ "&k a: *k",                                 "{\"a\":\"a\"}"                                    },
		{ "a: &x 1\nb: &x 2\nc: *x\n",                "{\"a\":1,\"b\":2,\"c\":2}"                        },
		{ "a: &x {p: 1, q: 2}\nb:\n  q: 3\n  <<: *x\n", "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}" },
		{ "<<: [{a: 1, b: 1}, {b: 2, c: 2}]\nc: 3\n", "{\"c\":3,\"a\":1,\"b\":1}"                        },
		{ "'<<': x",                                  "{\"\\u003c\\u003c\":\"x\"}"                         },
		{ "a: |\n  one\n   two\nb: >-\n  x\n  y\n",   "{\"a\":\"one\\n two\\n\",\"b\":\"x y\"}"          },
		{ "\xef\xbb\xbf" "a: 1",                      "{\"a\":1}"                                        },
		{ "%YAML 1.2\n--- # c\na: \"\\x41\\u263a\"\n...\n", "{\"a\":\"A\u263a\"}"                        },
		{ "a: 1\n---\n",                              "{\"a\":1}"                                        },
		{ "a: 1\na: 2\n",                             "line 2: key \"a\" appears twice"                  },
		{ "1: a\n'1': b\n",                           "line 2: key \"1\" appears twice"                  },
		{ "<<: {a: 1}\n<<: {b: 1}\n",                 "line 2: key \"<<\" appears twice"                 },
		{ "<<: 1\n",                                  "line 1: << must name a mapping or a list of mappings" },
		{ "? [a]\n: b\n",                             "line 1: a key must be a string, a number or a boolean" },
		{ "~: b\n",                                   "line 1: a key must be a string, a number or a boolean" },
		{ "a: *x\n",                                  "line 1: unknown anchor \"x\""                     },
		{ "a: &x [*x]\n",                             "line 1: unknown anchor \"x\""                     },
		{ "a: \"\\0\"\n",                             "line 1: a string may not hold a NUL"              },
		{ "",                                         "expected a YAML document, got nothing"            },
		{ "# only\n",                                 "expected a YAML document, got nothing"            },
		{ "a: 1\n---\nb: 2\n",                        "expected one YAML document, got more"             },
		{ "a: 1\n---\nb: &x 1\n---\nc: *x\n",         "expected one YAML document, got more"             },
		{ "a: 1\n b: 2\n",                            "line 2: mapping values are not allowed in this context" },
		{ "a: [1\n",                                  "line 2: did not find expected ',' or ']', while parsing a flow sequence" },
		{ "a: 1\nb: \xff\n",                          "line 2: invalid leading UTF-8 octet"              },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].yaml, YAML_KUBERNETES, rows[i].want);
	check("a: &x {p: 1}\nb:\n  <<: *x\n", YAML_EMCO, "{\"a\":{\"p\":1},\"b\":{\"\\u003c\\u003c\":{\"p\":1}}}");
}

static enum status note(void *data, size_t index, json_t *document, struct view text, struct error *err)
{
	return buf_printf(data, err, "%zu%s[%.*s]", index, document == NULL ? "-" : "", (int) text.len, text.ptr);
}

static void test_every_document_comes_with_its_own_bytes(void **state)
{
	static const struct row { const char *yaml, *want; } rows[] = {
		{ "",                                        ""                                       },
		{ "a: 1\n",                                  "0[a: 1\n]"                              },
		{ "# S\na: 1\n---\n# T\nb: 2\n",             "0[# S\na: 1\n]1[# T\nb: 2\n]"           },
		{ "---\n# S\na: \u00e9\u00e9\n---\nb: \u20ac\n", "0[# S\na: \u00e9\u00e9\n]1[b: \u20ac\n]" },
		{ "---\r\na: 1\r\n---\r\nb: 2\r\n",          "0[a: 1\r\n]1[b: 2\r\n]"                 },
		{ "---\n---\na: 1\n---\n",                   "0-[]1[a: 1\n]2-[]"                      },
		{ "---\n# only a comment\n---\na: 1\n",      "0-[# only a comment\n]1[a: 1\n]"        },
		{ "--- {a: 1}\n--- |\n text\n",              "0[{a: 1}\n]1[|\n text\n]"               },
		{ "--- # note\na: 1\n",                      "0[# note\na: 1\n]"                      },
		{ "a: 1\n...\n---\nb: 2\n",                  "0[a: 1\n]1[b: 2\n]"                     },
		{ "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n", "0[a: 1\n]1[b: 2\n]"           },
		{ "null\n",                                  "0[null\n]"                              },
		{ "a: |\n  ---\n  x\n---\nb: 'x\n  --- y'\n", "0[a: |\n  ---\n  x\n]1[b: 'x\n  --- y'\n]" },
		{ "\xef\xbb\xbf---\na: 1\n---\nb: 2\n",      "0[a: 1\n]1[b: 2\n]"                     },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf said = BUF(1000);
		assert_ok(yaml_read_all(view_of(rows[i].yaml), YAML_KUBERNETES, note, &said, NO_ERR));
		assert_string_equal(said.data, rows[i].want);
	}
}

static enum status stop(void *data, size_t index, json_t *document, struct view text, struct error *err)
{
	(void) document;
	(void) text;
	++*(int *) data;
	return index == 1 ? fail(err, ST_CONFLICT, "enough") : ST_OK;
}

static void test_reading_ends_when_the_reader_says_so(void **state)
{
	struct error err = { .code = ST_OK };
	int          calls = 0;

	(void) state;
	assert_status(yaml_read_all(VIEW("a\n---\nb\n---\nc\n"), YAML_EMCO, stop, &calls, &err), ST_CONFLICT, &err, "enough");
	assert_int_equal(calls, 2);
}

static void test_anchors_end_with_their_document(void **state)
{
	struct error err = { .code = ST_OK };
	auto_buf     said = BUF(1000);

	(void) state;
	assert_status(yaml_read_all(VIEW("a: &x 1\n---\nb: *x\n"), YAML_EMCO, note, &said, &err), ST_MALFORMED, &err,
	              "line 3: unknown anchor \"x\"");
}

static enum status read_flow(size_t depth, struct error *err)
{
	char    text[2 * (YAML_DEPTH_MAX + 1)];
	json_t *value = NULL;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	const enum status st = yaml_read((struct view) { text, 2 * depth }, YAML_KUBERNETES, &value, err);
	json_decref(value);
	return st;
}

static void test_the_deepest_document_is_read_and_one_more_level_is_not(void **state)
{
	struct error err = { .code = ST_OK };

	(void) state;
	assert_ok(read_flow(YAML_DEPTH_MAX, NO_ERR));
	assert_status(read_flow(YAML_DEPTH_MAX + 1, &err), ST_TOO_LARGE, &err, "line 1: nested deeper than 100");
}

/* A list of one million scalars less the list itself, and one more. */
static void test_the_largest_document_is_read_and_one_more_node_is_not(void **state)
{
	struct error err = { .code = ST_OK };
	auto_buf     text = BUF(4 << 20);
	json_t      *value = NULL, *none = NULL;

	(void) state;
	for (int i = 0; i < YAML_NODES_MAX - 1; i++)
		assert_int_equal(buf_add(&text, "- 1\n", 4, &err), ST_OK);
	assert_ok(yaml_read(buf_view(&text), YAML_EMCO, &value, NO_ERR));
	json_decref(value);
	assert_ok(buf_add_text(&text, "- 1\n", NO_ERR));
	assert_status(yaml_read(buf_view(&text), YAML_EMCO, &none, &err), ST_TOO_LARGE, &err,
	              "line 1000000: more than 1000000 nodes");
}

static enum status read_aliases(size_t count, struct error *err)
{
	auto_buf text = BUF(4 << 20);
	json_t  *value = NULL;

	assert_ok(buf_add_text(&text, "- &a [1,2,3,4,5,6,7,8,9]\n", NO_ERR));          /* ten nodes a copy */
	for (size_t i = 0; i < count; i++)
		assert_ok(buf_add_text(&text, "- *a\n", NO_ERR));
	const enum status st = yaml_read(buf_view(&text), YAML_EMCO, &value, err);
	json_decref(value);
	return st;
}

static void test_aliases_make_as_many_nodes_as_allowed_and_not_one_more(void **state)
{
	struct error err = { .code = ST_OK };

	(void) state;
	assert_ok(read_aliases(YAML_ALIAS_NODES_MAX / 10, NO_ERR));
	assert_status(read_aliases(YAML_ALIAS_NODES_MAX / 10 + 1, &err), ST_TOO_LARGE, &err,
	              "line 10002: aliases make more than 100000 nodes");
}

static void test_alias_bombs_cost_their_bound(void **state)
{
	struct error err = { .code = ST_OK };
	auto_buf     text = BUF(4 << 20);
	json_t      *value = NULL;

	(void) state;
	assert_ok(buf_add_text(&text, "a0: &a0 [x]\n", NO_ERR));
	for (int i = 1; i < 30; i++)
		assert_ok(buf_printf(&text, NO_ERR, "a%d: &a%d [*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1));
	assert_int_equal(yaml_read(buf_view(&text), YAML_KUBERNETES, &value, &err), ST_TOO_LARGE);

	buf_clear(&text);                                /* deep by aliases alone */
	assert_ok(buf_add_text(&text, "a0: &a0 [x]\n", NO_ERR));
	for (int i = 1; i < 120; i++)
		assert_ok(buf_printf(&text, NO_ERR, "a%d: &a%d [*a%d]\n", i, i, i - 1));
	assert_status(yaml_read(buf_view(&text), YAML_KUBERNETES, &value, &err), ST_TOO_LARGE, &err,
	              "line 100: nested deeper than 100");

	buf_clear(&text);                                /* few nodes, many bytes */
	assert_ok(buf_printf(&text, NO_ERR, "- &a \"%01000000d\"\n", 7));
	for (int i = 0; i < 100; i++)
		assert_ok(buf_add_text(&text, "- *a\n", NO_ERR));
	assert_int_equal(yaml_read(buf_view(&text), YAML_KUBERNETES, &value, &err), ST_TOO_LARGE);
	assert_null(value);
}

static void test_the_nth_failing_allocation_is_reported_and_nothing_leaks(void **state)
{
	enum status st = ST_NO_MEMORY;

	(void) state;
	for (size_t at = 1; st == ST_NO_MEMORY; at++) {
		struct error err = { .code = ST_OK };
		json_t      *value = NULL;
		alloc_count = 0;
		alloc_fail_at = at;
		st = yaml_read(VIEW("a: &x {b: [1, 2.5, yes], c: &y z}\nd: *x\ne: {<<: [*x, {1: *y}]}\n"), YAML_KUBERNETES, &value,
		               &err);
		alloc_fail_at = 0;
		assert_int_equal(err.code, st);
		json_decref(value);
	}
	assert_int_equal(st, ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_scalars_mean_what_their_dialect_says),
		cmocka_unit_test(test_collections_anchors_and_merges_become_json),
		cmocka_unit_test(test_every_document_comes_with_its_own_bytes),
		cmocka_unit_test(test_reading_ends_when_the_reader_says_so),
		cmocka_unit_test(test_anchors_end_with_their_document),
		cmocka_unit_test(test_the_deepest_document_is_read_and_one_more_level_is_not),
		cmocka_unit_test(test_the_largest_document_is_read_and_one_more_node_is_not),
		cmocka_unit_test(test_aliases_make_as_many_nodes_as_allowed_and_not_one_more),
		cmocka_unit_test(test_alias_bombs_cost_their_bound),
		cmocka_unit_test(test_the_nth_failing_allocation_is_reported_and_nothing_leaks),
	};

	json_set_alloc_funcs(malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
