#include "tests/unit/base/test.h"

#include "tests/unit/base/fail_alloc.h"

static void test_data_is_a_c_string_from_the_start(void **state)
{
	auto_buf buf = BUF(10);

	(void) state;
	assert_string_equal(buf.data, "");
	assert_ok(buf_add_text(&buf, "abc", NO_ERR));
	assert_string_equal(buf.data, "abc");
	buf_clear(&buf);
	assert_string_equal(buf.data, "");
}

static void test_the_maximum_fits_and_one_more_does_not(void **state)
{
	auto_buf     buf = BUF(100);
	struct error err = { .code = ST_OK };
	char         text[101];

	(void) state;
	memset(text, 'x', sizeof text);
	assert_ok(buf_add(&buf, text, 100, NO_ERR));
	assert_status(buf_add(&buf, text, 1, &err), ST_TOO_LARGE, &err, "more than 100 bytes");
	assert_int_equal(buf.len, 100);
	buf_clear(&buf);
	assert_int_equal(buf_add(&buf, text, 101, &err), ST_TOO_LARGE);
	assert_int_equal(buf.len, 0);
}

static void test_a_failed_printf_leaves_the_buffer_as_it_was(void **state)
{
	auto_buf     buf = BUF(5);
	struct error err = { .code = ST_OK };

	(void) state;
	assert_ok(buf_printf(&buf, NO_ERR, "%d", 123));
	assert_int_equal(buf_printf(&buf, &err, "%d", 456), ST_TOO_LARGE);
	assert_string_equal(buf.data, "123");
	assert_ok(buf_printf(&buf, NO_ERR, "%d", 45));
	assert_string_equal(buf.data, "12345");
}

static void test_buffers_share_a_budget_that_small_ones_do_not_touch(void **state)
{
	struct budget budget = { .max = 3 << 16 };
	struct error  err = { .code = ST_OK };
	auto_buf      one = BUF(1 << 20), other = BUF(1 << 20), small = BUF(1 << 20);

	(void) state;
	one.budget = other.budget = small.budget = &budget;
	assert_non_null(buf_room(&one, 1 << 16, NO_ERR));                /* takes twice as much */
	assert_int_equal(atomic_load(&budget.used), 2 << 16);
	assert_ok(buf_add_text(&other, "x", NO_ERR));
	assert_null(buf_room(&other, 1 << 16, &err));
	assert_status(err.code, ST_UNAVAILABLE, &err, "too much is in memory at once");
	assert_string_equal(other.data, "x");
	assert_non_null(buf_room(&small, (1 << 16) - 1, NO_ERR));
	assert_int_equal(atomic_load(&budget.used), 2 << 16);
	free(buf_take(&one));
	assert_int_equal(atomic_load(&budget.used), 0);
	assert_non_null(buf_room(&other, 1 << 16, NO_ERR));
	buf_done(&other);
	assert_int_equal(atomic_load(&budget.used), 0);
	assert_ptr_equal(other.budget, &budget);
}

static void test_what_is_larger_than_a_budget_is_had_alone(void **state)
{
	struct budget budget = { .max = 1 << 16 };
	auto_buf      one = BUF(1 << 20), other = BUF(1 << 20);

	(void) state;
	one.budget = other.budget = &budget;
	assert_non_null(buf_room(&one, 1 << 17, NO_ERR));
	assert_non_null(buf_room(&one, 1 << 18, NO_ERR));
	assert_int_equal(buf_printf(&other, NULL, "%0*d", 1 << 17, 0), ST_UNAVAILABLE);
	buf_done(&one);
	assert_ok(buf_printf(&other, NO_ERR, "%0*d", 1 << 17, 0));
}

static void test_json_text_is_escaped_as_clients_expect(void **state)
{
	static const struct row { const char *text, *want; } rows[] = {
		{ "",                  "\"\""                               },
		{ "plain",             "\"plain\""                          },
		{ "a\"b\\c/d",         "\"a\\\"b\\\\c/d\""                  },
		{ "\n\r\t\x01\x1f",    "\"\\n\\r\\t\\u0001\\u001f\""        },
		{ "<&>",               "\"\\u003c\\u0026\\u003e\""          },
		{ "\u2028x\u2029",     "\"\\u2028x\\u2029\""                },
		{ "\u2027\u00e9\U0001F600", "\"\u2027\u00e9\U0001F600\""    },
		{ "\xe2\x80",          "\"\xe2\x80\""                       },    /* cut short: not read past its end */
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf buf = BUF(100);
		assert_ok(buf_add_json(&buf, view_of(rows[i].text), NO_ERR));
		assert_string_equal(buf.data, rows[i].want);
	}
}

static void test_json_text_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
	(void) state;
	for (size_t max = 3; max < 3 + 9; max++) {
		auto_buf     buf = BUF(max);
		struct error err = { .code = ST_OK };
		assert_ok(buf_add_text(&buf, "abc", NO_ERR));
		assert_int_equal(buf_add_json(&buf, VIEW("x<y"), &err), max < 3 + 10 ? ST_TOO_LARGE : ST_OK);
		assert_string_equal(buf.data, "abc");
	}
}

static void test_views_compare_by_bytes(void **state)
{
	(void) state;
	assert_true(view_is(VIEW("a"), "a"));
	assert_false(view_is(VIEW("ab"), "a"));
	assert_false(view_is(VIEW("a"), "ab"));
	assert_true(view_is(view_of(NULL), ""));
}

static void test_take_hands_the_bytes_over(void **state)
{
	auto_buf buf = BUF(10);

	(void) state;
	char *text = buf_take(&buf);
	assert_string_equal(text, "");
	free(text);
	assert_ok(buf_add_text(&buf, "abc", NO_ERR));
	text = buf_take(&buf);
	assert_string_equal(text, "abc");
	assert_int_equal(buf.len, 0);
	free(text);
}

static void test_views_sort_as_the_store_does(void **state)
{
	static const char *const sorted[] = { "", "A", "B", "Ba", "a", "aa", "a\x7f", "b", "\xc3\xa9" };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++) {
			const struct view a = view_of(sorted[i]), b = view_of(sorted[k]);
			const int         want = (i > k) - (i < k);
			const int         got = view_compare(a, b), ordered = view_order(&a, &b);
			assert_int_equal((got > 0) - (got < 0), want);
			assert_int_equal((ordered > 0) - (ordered < 0), want);
		}
	assert_int_equal(view_compare((struct view) { NULL, 0 }, VIEW("")), 0);
}

static void test_the_nth_failing_allocation_is_reported_and_nothing_leaks(void **state)
{
	enum status st = ST_NO_MEMORY;

	(void) state;
	for (alloc_fail_at = 1; st != ST_OK; alloc_fail_at++) {
		auto_buf     buf = BUF(100000);
		struct error err = { .code = ST_OK };
		st = ST_OK;
		alloc_count = 0;
		for (int i = 0; st == ST_OK && i < 1000; i++) {
			const size_t before = buf.len;
			st = buf_printf(&buf, &err, "%d,", i);
			assert_int_equal(err.code, st);
			assert_true(st == ST_OK || buf.len == before);
		}
		assert_true(st == ST_OK || st == ST_NO_MEMORY);
	}
	assert_true(alloc_fail_at > 3);
	alloc_fail_at = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_is_a_c_string_from_the_start),
		cmocka_unit_test(test_the_maximum_fits_and_one_more_does_not),
		cmocka_unit_test(test_a_failed_printf_leaves_the_buffer_as_it_was),
		cmocka_unit_test(test_buffers_share_a_budget_that_small_ones_do_not_touch),
		cmocka_unit_test(test_what_is_larger_than_a_budget_is_had_alone),
		cmocka_unit_test(test_json_text_is_escaped_as_clients_expect),
		cmocka_unit_test(test_json_text_that_does_not_fit_leaves_the_buffer_as_it_was),
		cmocka_unit_test(test_views_compare_by_bytes),
		cmocka_unit_test(test_views_sort_as_the_store_does),
		cmocka_unit_test(test_take_hands_the_bytes_over),
		cmocka_unit_test(test_the_nth_failing_allocation_is_reported_and_nothing_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
