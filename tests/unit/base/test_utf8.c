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
		cmocka_unit_test(test_characters_are_taken_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
