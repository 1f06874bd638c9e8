#include "tests/unit/base/test.h"

#include "lib/base/clock.h"

#include <limits.h>

static void test_wall_time_is_rfc_3339_with_a_short_fraction(void **state)
{
	static const struct row { int64_t ms; const char *want; } rows[] = {
		{ 0,             "1970-01-01T00:00:00Z"     },
		{ 1647313890100, "2022-03-15T03:11:30.1Z"   },
		{ 1647313890120, "2022-03-15T03:11:30.12Z"  },
		{ 1647313890123, "2022-03-15T03:11:30.123Z" },
		{ 1647313890003, "2022-03-15T03:11:30.003Z" },
	};
	char text[WALL_TEXT_SIZE];

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wall_text(rows[i].ms, text);
		assert_string_equal(text, rows[i].want);
	}
}

static void test_a_deadline_is_rounded_up_and_never_negative(void **state)
{
	(void) state;
	assert_int_equal(deadline_left_ms(clock_ns() - 1), 0);
	assert_true(deadline_past(clock_ns()));
	assert_false(deadline_past(deadline_in_ms(1000)));
	assert_int_equal(deadline_left_ms(clock_ns() + 900000), 1);
	assert_int_equal(deadline_left_ms(INT64_MAX), INT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wall_time_is_rfc_3339_with_a_short_fraction),
		cmocka_unit_test(test_a_deadline_is_rounded_up_and_never_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
