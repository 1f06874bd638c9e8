#include "host/api/negotiate.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *const offers[] = { "application/json", "application/octet-stream", "multipart/form-data" };

static const struct { const char *accept; int want; } accepts[] = {
	{ NULL,                                            0  },
	{ "",                                              0  },
	{ "   ",                                           0  },
	{ "nonsense",                                      0  },
	{ "*/*",                                           0  },
	{ "application/json",                              0  },
	{ "Application/JSON",                              0  },
	{ "application/octet-stream",                      1  },
	{ "multipart/form-data",                           2  },
	{ "multipart/*",                                   2  },
	{ "application/*",                                 0  },
	{ "image/png",                                     -1 },
	{ "image/png, text/html;q=0.9",                    -1 },
	{ "text/html, application/json;q=0.5",             0  },
	{ "application/json;q=0.5, application/octet-stream;q=0.501", 1 },
	{ "application/json;q=0, */*",                     1  },
	{ "application/json;q=0",                          -1 },
	{ "application/json;q=0, application/json;q=0.1",  0  },
	{ "*/*;q=0.1, multipart/form-data",                2  },
	{ "*/*, multipart/form-data",                      2  },
	{ "multipart/form-data, */*;q=0.8",                2  },
	{ "application/*;q=0.5, application/octet-stream;q=0.4", 0 },
	{ "application/json;version=\"a,b;c\";q=0.1, multipart/form-data;q=0.2", 2 },
	{ "application/json;version=\"never closed",       0  },
	{ ",,, ;q=1, /x, multipart/form-data",             2  },
	{ "*/json",                                        -1 },
	{ "application/json ; q=1.0 , multipart/form-data ; q=0.9", 0 },
};

static void test_the_best_offer_is_chosen(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
		const int got = negotiate(accepts[i].accept, offers, ARRAY_LEN(offers));
		if (got != accepts[i].want)
			fail_msg("%s: got %d", accepts[i].accept, got);
	}
}

static void test_a_type_must_be_named_to_be_named(void **state)
{
	(void) state;
	assert_true(negotiate_names("text/html, application/problem+json", "application/problem+json"));
	assert_false(negotiate_names("*/*", "application/problem+json"));
	assert_false(negotiate_names("application/problem+json;q=0", "application/problem+json"));
	assert_false(negotiate_names(NULL, "application/problem+json"));
	assert_true(negotiate_names_only("Application/Problem+JSON;q=0.5, application/problem+json", "application/problem+json"));
	assert_false(negotiate_names_only("text/html, application/problem+json", "application/problem+json"));
	assert_false(negotiate_names_only("application/problem+json, application/json;q=0", "application/problem+json"));
	assert_false(negotiate_names_only("application/problem+json;q=0", "application/problem+json"));
	assert_false(negotiate_names_only("*/*", "application/problem+json"));
	assert_false(negotiate_names_only(NULL, "application/problem+json"));
}

static const struct { const char *header, *name, *want; } parameters[] = {
	{ "multipart/form-data; boundary=abc",                    "boundary", "abc"     },
	{ "multipart/form-data;charset=x; BOUNDARY=\"a b\"",      "boundary", "a b"     },
	{ "multipart/form-data",                                  "boundary", NULL      },
	{ "multipart/form-data; boundary=\"abc",                  "boundary", NULL      },
	{ "form-data; name=\"a\\\"b\"; filename=\"x;y=z\"",       "name",     "a\"b"    },
	{ "form-data; name=\"a\\\"b\"; filename=\"x;y=z\"",       "filename", "x;y=z"   },
	{ "form-data; filename=\"; name=evil\"; name=good",       "name",     "good"    },
	{ "form-data; name=a,b; filename=c",                      "filename", "c"       },
	{ "form-data; name=\"\"",                                 "name",     ""        },
	{ "form-data; name",                                      "name",     ""        },
	{ "form-data; name=0123456789",                           "name",     NULL      },
};

static const struct { const char *header; bool want; } codings[] = {
	{ NULL,                          false },
	{ "",                            false },
	{ "gzip",                        true  },
	{ "GZip",                        true  },
	{ "x-gzip",                      true  },
	{ "deflate, gzip;q=1.0, *;q=0",  true  },
	{ "gzip;q=0",                    false },
	{ "gzip;q=0, *",                 false },
	{ "*, gzip; q=0.000",            false },
	{ "*;q=0.1",                     true  },
	{ "*;q=0",                       false },
	{ "br,gzip ;q=0.1",              true  },
	{ "identity",                    false },
	{ "gzipped, br",                 false },
	{ ",,\tgzip",                    true  },
	{ "(gzip)",                      false },
};

static void test_gzip_is_taken_when_it_is_named_with_a_weight(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		if (negotiate_gzip(codings[i].header) != codings[i].want)
			fail_msg("%s", codings[i].header == NULL ? "none" : codings[i].header);
}

static void test_parameters_are_unquoted(void **state)
{
	char out[10];

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		const bool got = header_parameter(view_of(parameters[i].header), parameters[i].name, out, sizeof out);
		if (got != (parameters[i].want != NULL) || (got && strcmp(out, parameters[i].want) != 0))
			fail_msg("%s: got %s", parameters[i].header, got ? out : "nothing");
	}
	assert_true(media_type_is(" Multipart/Form-Data; x", "multipart/form-data"));
	assert_false(media_type_is("multipart/form-dataset", "multipart/form-data"));
	assert_false(media_type_is(NULL, "multipart/form-data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_best_offer_is_chosen),
		cmocka_unit_test(test_a_type_must_be_named_to_be_named),
		cmocka_unit_test(test_gzip_is_taken_when_it_is_named_with_a_weight),
		cmocka_unit_test(test_parameters_are_unquoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
