#include "tests/unit/base/test.h"

static void test_fail_fills_the_error_and_returns_its_code(void **state)
{
	struct error err;

	(void) state;
	assert_int_equal(fail(&err, ST_NOT_FOUND, "\"%s\" does not exist", "p1"), ST_NOT_FOUND);
	assert_int_equal(err.code, ST_NOT_FOUND);
	assert_string_equal(err.text, "\"p1\" does not exist");
	assert_string_equal(err.field, "");
	assert_string_equal(err.hint, "");
}

static void test_an_error_may_be_null(void **state)
{
	(void) state;
	assert_int_equal(fail(NULL, ST_INVALID, "x"), ST_INVALID);
	assert_int_equal(fail_at(NULL, ST_INVALID, "f", "x"), ST_INVALID);
	assert_int_equal(fail_hint(NULL, "x"), ST_INTERNAL);
	assert_int_equal(fail_within(NULL, "x"), ST_INTERNAL);
}

static void test_context_goes_in_front_and_field_and_hint_stay(void **state)
{
	struct error err;

	(void) state;
	fail_at(&err, ST_INVALID, "/a", "must be a string");
	assert_int_equal(fail_hint(&err, "Quote it."), ST_INVALID);
	assert_int_equal(fail_within(&err, "line %d", 7), ST_INVALID);
	assert_string_equal(err.text, "line 7: must be a string");
	assert_string_equal(err.field, "/a");
	assert_string_equal(err.hint, "Quote it.");
}

static void test_long_text_is_cut_at_a_whole_character(void **state)
{
	struct error err;
	char         text[300];

	(void) state;
	memset(text, 'a', sizeof text);
	memcpy(text + 254, "\xc3\xa9\xc3\xa9", 5);
	fail(&err, ST_INVALID, "%s", text);
	assert_int_equal(strlen(err.text), 254);         /* the first half of the character is gone too */
	text[254] = '\0';
	fail(&err, ST_INVALID, "%sb", text);
	assert_int_equal(strlen(err.text), 255);         /* the most that fits */
}

static void test_text_stays_on_one_line(void **state)
{
	struct error err;

	(void) state;
	fail(&err, ST_INVALID, "a\nb\tc\x01");
	assert_string_equal(err.text, "a b c ");
}

static void test_every_status_has_a_name(void **state)
{
	(void) state;
	for (int st = 0; st < ST_STATUS_COUNT; st++)
		assert_non_null(status_name((enum status) st));
	assert_string_equal(status_name(ST_NO_MEMORY), "no_memory");
	assert_string_equal(status_name(ST_STATUS_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_fills_the_error_and_returns_its_code),
		cmocka_unit_test(test_an_error_may_be_null),
		cmocka_unit_test(test_context_goes_in_front_and_field_and_hint_stay),
		cmocka_unit_test(test_long_text_is_cut_at_a_whole_character),
		cmocka_unit_test(test_text_stays_on_one_line),
		cmocka_unit_test(test_every_status_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
