#include "tests/unit/base/test.h"

#include "lib/base/yaml.h"

static void test_values_are_written_as_people_write_them(void **state)
{
	static const struct row { const char *json, *want; } rows[] = {
		{ "{}",                                    "{}\n"                                        },
		{ "[]",                                    "[]\n"                                        },
		{ "null",                                  "null\n"                                      },
		{ "{\"a\":1,\"b\":{\"c\":[]},\"d\":[1,{\"e\":2,\"f\":[3]},[4,[5]]]}",
		  "a: 1\nb:\n  c: []\nd:\n- 1\n- e: 2\n  f:\n  - 3\n- - 4\n  - - 5\n"                    },
		{ "[[{\"a\":{\"b\":1}}]]",                 "- - a:\n      b: 1\n"                        },
		{ "\"nginx:1.2\"",                         "nginx:1.2\n"                                 },
		{ "\"a b\"",                               "a b\n"                                       },
		{ "\"a: b\"",                              "\"a: b\"\n"                                  },
		{ "\"a #b\"",                              "\"a #b\"\n"                                  },
		{ "\"a:\"",                                "\"a:\"\n"                                    },
		{ "\" a\"",                                "\" a\"\n"                                    },
		{ "\"\"",                                  "\"\"\n"                                      },
		{ "[\"yes\",\"y\",\"true\",\"null\",\"~\",\"<<\",\"No\"]",
		  "- \"yes\"\n- \"y\"\n- \"true\"\n- \"null\"\n- \"~\"\n- \"<<\"\n- \"No\"\n"            },
		{ "[\"1\",\"0x1\",\"1e3\",\"12:30\",\"2001-01-01\",\".5\",\"-\",\"10.0.0.1\"]",
		  "- \"1\"\n- \"0x1\"\n- \"1e3\"\n- \"12:30\"\n- \"2001-01-01\"\n- \".5\"\n- \"-\"\n- \"10.0.0.1\"\n" },
		{ "{\"yes\":1,\"a b\":2,\"x/y\":3,\"\":4}", "\"yes\": 1\na b: 2\nx/y: 3\n\"\": 4\n"      },
		{ "[1.0,1e20,0.5]",                        "- 1.0\n- 1.0e+20\n- 0.5\n"                   },
		{ "{\"t\":\"a\\n b\\n\"}",                 "t: |2\n  a\n   b\n"                          },
		{ "{\"t\":\"a\\nb\"}",                     "t: |2-\n  a\n  b\n"                          },
		{ "{\"t\":\"a\\n\\n\\nb\\n\\n\"}",         "t: |2+\n  a\n\n\n  b\n\n"                    },
		{ "[\"a\\nb\\n\"]",                        "- |2\n  a\n  b\n"                            },
		{ "\" a\\nb\\r\\n\"",                      "\" a\\nb\\u000D\\n\"\n"                      },
		{ "\"\\u0085\\u2028\\ufeff\\u007f\\\"\\\\\"", "\"\\u0085\\u2028\\uFEFF\\u007F\\\"\\\\\"\n" },
		{ "\"\u00e9<&>\"",                         "\"\u00e9<&>\"\n"                             },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf text = BUF(1000);
		json_t  *value = NULL, *again = NULL;
		assert_ok(json_read(view_of(rows[i].json), &value, NO_ERR));
		assert_ok(yaml_write(&text, value, NO_ERR));
		assert_string_equal(text.data, rows[i].want);
		assert_ok(yaml_read(buf_view(&text), YAML_EMCO, &again, NO_ERR));
		assert_true(json_equal(value, again));
		json_decref(value);
		json_decref(again);
	}
}

static void test_a_long_key_is_announced(void **state)
{
	char      key[3000];
	auto_buf  text = BUF(10000);
	auto_json *again = NULL;

	(void) state;
	memset(key, 'k', sizeof key);
	key[sizeof key - 1] = '\0';
	auto_json *value = json_pack("{s:[{s:[i]}]}", key, key, 1);
	assert_ok(yaml_write(&text, value, NO_ERR));
	assert_ok(yaml_read(buf_view(&text), YAML_EMCO, &again, NO_ERR));
	assert_true(json_equal(value, again));
}

static void test_what_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
	auto_buf     text = BUF(10);
	struct error err = { .code = ST_OK };
	auto_json   *value = json_pack("{s:[i,i]}", "abc", 1, 2);

	(void) state;
	assert_ok(buf_add_text(&text, "x", NO_ERR));
	assert_status(yaml_write(&text, value, &err), ST_TOO_LARGE, &err, "more than 10 bytes");
	assert_string_equal(text.data, "x");
}

static void test_a_value_without_end_is_refused(void **state)
{
	auto_buf     text = BUF(1 << 20);
	struct error err = { .code = ST_OK };
	json_t      *value = json_integer(1);

	(void) state;
	for (int i = 0; i < 128; i++)
		value = json_pack("{s:o}", "a", value);
	assert_ok(yaml_write(&text, value, NO_ERR));
	value = json_pack("{s:o}", "a", value);
	assert_status(yaml_write(&text, value, &err), ST_TOO_LARGE, &err, "nested deeper than 128");
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_written_as_people_write_them),
		cmocka_unit_test(test_a_long_key_is_announced),
		cmocka_unit_test(test_what_does_not_fit_leaves_the_buffer_as_it_was),
		cmocka_unit_test(test_a_value_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
