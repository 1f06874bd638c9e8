#include "host/api/request.h"

#include <setjmp.h>
#include <cmocka.h>

static const struct { const char *raw, *want; } paths[] = {
	{ "/v2/projects",            "v2/projects"        },
	{ "/v2/projects/",           "v2/projects"        },
	{ "/v2/projects/p%31",       "v2/projects/p1"     },
	{ "/v2/projects/a%20b",      "v2/projects/a b"    },
	{ "/v2/projects/%C3%A9",     "v2/projects/\xc3\xa9" },
	{ "/a",                      "a"                  },
	{ "/",                       NULL },
	{ "",                        NULL },
	{ NULL,                      NULL },
	{ "*",                       NULL },
	{ "v2/projects",             NULL },
	{ "//",                      NULL },
	{ "/v2//projects",           NULL },
	{ "/v2/projects//",          NULL },
	{ "/v2/./projects",          NULL },
	{ "/v2/../projects",         NULL },
	{ "/v2/%2e%2e/projects",     NULL },
	{ "/v2/a%2fb",               NULL },
	{ "/v2/a%2Fb",               NULL },
	{ "/v2/a%00b",               NULL },
	{ "/v2/a%0ab",               NULL },
	{ "/v2/a%7f",                NULL },
	{ "/v2/a%",                  NULL },
	{ "/v2/a%4",                 NULL },
	{ "/v2/a%zz",                NULL },
	{ "/v2/%ff",                 NULL },
	{ "/v2/%c0%ae",              NULL },
};

static void test_paths_are_decoded_or_are_none(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		auto_arena  arena;
		struct view path = { "", 0 };
		arena_init(&arena, 1 << 16);
		const bool got = path_decode(paths[i].raw, &arena, &path);
		if (got != (paths[i].want != NULL) || (got && !view_is(path, paths[i].want)))
			fail_msg("%s: got %.*s", paths[i].raw, (int) path.len, path.ptr);
	}
}

static const struct { const char *query; enum status want; const char *pairs; } queries[] = {
	{ NULL,                 ST_OK,      ""             },
	{ "",                   ST_OK,      ""             },
	{ "&&",                 ST_OK,      ""             },
	{ "a=1",                ST_OK,      "a=1;"         },
	{ "a=1&b=%20x+y&c",     ST_OK,      "a=1;b= x y;c=;" },
	{ "a=b=c&=d",           ST_OK,      "a=b=c;=d;"    },
	{ "a=%2f%26",           ST_OK,      "a=/&;"        },
	{ "a=%",                ST_INVALID, "parameter 1 of the query must be UTF-8 without NUL, with escapes such as %2B" },
	{ "a=1&b=%00",          ST_INVALID, "parameter 2 of the query must be UTF-8 without NUL, with escapes such as %2B" },
	{ "a=1;b=2",            ST_INVALID, "the query has a semicolon: parameters are separated by \"&\", or write \"%3B\"" },
	{ "a=1%3Bb",            ST_OK,      "a=1;b;"       },
	{ "a=%ff",              ST_INVALID, "parameter 1 of the query must be UTF-8 without NUL, with escapes such as %2B" },
};

static void test_queries_are_decoded_in_order(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		auto_arena   arena;
		auto_buf     got;
		struct error err;
		size_t       count = 0;
		struct ask_parameter *parameters = NULL;

		arena_init(&arena, 1 << 16);
		buf_init(&got, 1 << 16);
		assert_int_equal(query_decode(queries[i].query, &arena, &parameters, &count, &err), queries[i].want);
		for (size_t p = 0; p < count; p++)
			assert_int_equal(buf_printf(&got, &err, "%.*s=%.*s;", (int) parameters[p].name.len, parameters[p].name.ptr,
			                            (int) parameters[p].value.len, parameters[p].value.ptr), ST_OK);
		assert_string_equal(queries[i].want == ST_OK ? got.data : err.text, queries[i].pairs);
	}
}

static void test_a_query_has_a_bounded_number_of_parameters(void **state)
{
	(void) state;
	for (size_t most = PARAMETERS_MAX; most <= PARAMETERS_MAX + 1; most++) {
		auto_arena   arena;
		auto_buf     query;
		struct error err;
		size_t       count = 0;
		struct ask_parameter *parameters = NULL;

		arena_init(&arena, 1 << 16);
		buf_init(&query, 1 << 16);
		for (size_t i = 0; i < most; i++)
			assert_int_equal(buf_add_text(&query, "a=1&", &err), ST_OK);
		assert_int_equal(query_decode(query.data, &arena, &parameters, &count, &err),
		                 most == PARAMETERS_MAX ? ST_OK : ST_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_decoded_or_are_none),
		cmocka_unit_test(test_queries_are_decoded_in_order),
		cmocka_unit_test(test_a_query_has_a_bounded_number_of_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
