#include "tests/unit/base/test.h"

#include "lib/base/utf8.h"

static void test_only_well_formed_text_is_valid(void **state)
{
	static const struct row { const char *text; bool want; } rows[] = {
		{ "",                  true  },
		{ "a\u00e9\u20ac\U0001F600", true },
		{ "\xed\x9f\xbf",      true  },      /* U+D7FF, before the surrogates */
		{ "\xf4\x8f\xbf\xbf",  true  },      /* U+10FFFF, the last            */
		{ "\xed\xa0\x80",      false },      /* a surrogate                   */
		{ "\xf4\x90\x80\x80",  false },      /* past the last                 */
		{ "\xc0\x80",          false },      /* overlong                      */
		{ "\xc1\xbf",          false },
		{ "\xe0\x9f\xbf",      false },
		{ "\xf0\x8f\xbf\xbf",  false },
		{ "\x80",              false },
		{ "\xc3",              false },      /* cut short                     */
		{ "\xe2\x82",          false },
		{ "\xff",              false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(utf8_is_valid(view_of(rows[i].text)), rows[i].want);
}

static void test_characters_are_counted_and_cut_whole(void **state)
{
	const struct view text = VIEW("a\u00e9\u20ac\U0001F600");

	(void) state;
	assert_int_equal(utf8_count(text), 4);
	assert_int_equal(utf8_cut(text, 0).len, 0);
	assert_int_equal(utf8_cut(text, 2).len, 3);
	assert_int_equal(utf8_cut(text, 3).len, 6);
	assert_int_equal(utf8_cut(text, 4).len, 10);
	assert_int_equal(utf8_cut(text, 9).len, 10);
}

static void test_any_bytes_become_one_readable_line(void **state)
{
	const struct row { struct view text; size_t size; const char *want; } rows[] = {
		{ VIEW("plain"),                    16, "plain"         },
		{ VIEW("plain"),                     5, "plai"          },
		{ VIEW("plain"),                     1, ""              },
		{ VIEW(""),                          1, ""              },
		{ VIEW("a\u20ac"),                   5, "a\u20ac"       },
		{ VIEW("a\u20ac"),                   4, "a"             },       /* never half of one */
		{ VIEW("a\U0001F600b"),              5, "a"             },
		{ VIEW("a\xe2\x82"),                16, "a"             },       /* it was cut before */
		{ VIEW("a\xf0\x9f\x98"),            16, "a"             },
		{ VIEW("a\xed\xa0"),                16, "a??"           },       /* of a surrogate    */
		{ VIEW("a\xf4\x90"),                16, "a??"           },
		{ VIEW("a\xe2\x82 b"),              16, "a?? b"         },
		{ VIEW("a\xff\xc0\x80\u00e9"),      16, "a???\u00e9"    },
		{ VIEW("a\nb\tc\x7f\x01" "d \r\n"), 16, "a b c  d"      },
		{ VIEW("a\0b"),                     16, "a b"           },
	};
	char line[16];

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		utf8_line(line, rows[i].size, rows[i].text);
		assert_string_equal(line, rows[i].want);
	}
	snprintf(line, sizeof line, "%s", "a\nb\xff\u00e9\xc3");
	utf8_line(line, sizeof line, view_of(line));                             /* in place */
	assert_string_equal(line, "a b?\u00e9");
}

static void test_characters_are_taken_one_by_one(void **state)
{
	struct view text = VIEW("a\u00e9\u20ac\U0001F600");

	(void) state;
	assert_int_equal(utf8_next(&text), 'a');
	assert_int_equal(utf8_next(&text), 0xE9);
	assert_int_equal(utf8_next(&text), 0x20AC);
	assert_int_equal(utf8_next(&text), 0x1F600);
	assert_int_equal(text.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_well_formed_text_is_valid),
		cmocka_unit_test(test_characters_are_counted_and_cut_whole),
		cmocka_unit_test(test_any_bytes_become_one_readable_line),
		cmocka_unit_test(test_characters_are_taken_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
