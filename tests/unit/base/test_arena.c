#include "tests/unit/base/test.h"

#include "lib/base/arena.h"
#include "tests/unit/base/fail_alloc.h"

static int owned;

static void count_down(void *object)
{
	*(int *) object -= 1;
}

static void test_memory_is_zeroed_and_aligned(void **state)
{
	auto_arena arena = ARENA(1 << 20);

	(void) state;
	for (size_t size = 1; size < 20000; size = size * 3 + 1) {
		unsigned char *memory = arena_alloc(&arena, 1, size);
		assert_non_null(memory);
		assert_int_equal((uintptr_t) memory % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, size);
	}
}

static void test_the_maximum_fits_and_one_more_does_not(void **state)
{
	auto_arena arena = ARENA(1024);

	(void) state;
	assert_null(arena_alloc(&arena, 1, 1025));
	assert_non_null(arena_alloc(&arena, 1, 1024));
	assert_null(arena_alloc(&arena, 1, 1));
}

static void test_rounding_up_never_passes_the_maximum(void **state)
{
	auto_arena arena = ARENA(100);

	(void) state;
	for (int i = 0; i < 200; i++)
		(void) !arena_alloc(&arena, 1, 1);
	assert_true(arena.used <= arena.max);
	assert_null(arena_alloc(&arena, 1, 50));
}

static void test_a_product_that_overflows_is_refused(void **state)
{
	auto_arena arena = ARENA(1024);

	(void) state;
	assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
}

static void test_an_array_grows_and_keeps_what_is_in_it(void **state)
{
	auto_arena arena = ARENA(1 << 20);
	int       *numbers = NULL;
	size_t     room = 0;

	(void) state;
	for (size_t i = 0; i < 1000; i++) {
		const size_t before = room;
		assert_true(arena_grow(&arena, &numbers, i, 1, &room, sizeof *numbers));
		assert_true(room > i && (room == before || room >= 2 * before));
		assert_int_equal(numbers[i], 0);
		numbers[i] = (int) i;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	assert_true(arena_grow(&arena, &numbers, 1000, 5000, &room, sizeof *numbers));
	assert_true(room >= 6000 && numbers[999] == 999 && numbers[5999] == 0);

	char  *from_one = NULL;                          /* the first place is nobody's */
	size_t places = 0;
	assert_true(arena_grow(&arena, &from_one, 1, 1, &places, 1));
	assert_true(places >= 2 && from_one[1] == '\0');

	const int *const old = numbers;
	const size_t     old_room = room;
	assert_false(arena_grow(&arena, &numbers, 6000, 1 << 20, &room, sizeof *numbers));
	assert_false(arena_grow(&arena, &numbers, 6000, SIZE_MAX, &room, sizeof *numbers));
	assert_true(numbers == old && room == old_room && numbers[999] == 999);
}

static void test_text_is_copied_and_ends_in_nul(void **state)
{
	auto_arena arena = ARENA(1024);

	(void) state;
	assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_text(&arena, "abc"), "abc");
	assert_string_equal(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
	assert_string_equal(arena_copy(&arena, NULL, 0), "");
}

static void test_a_view_is_kept_or_left_alone(void **state)
{
	auto_arena   arena = ARENA(64);
	struct view  copy = VIEW("before");
	struct error err = { .code = ST_OK };

	(void) state;
	assert_int_equal(arena_keep(&arena, VIEW("a\0b"), &copy, &err), ST_OK);
	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.ptr, "a\0b", 4);
	assert_int_equal(arena_keep(&arena, (struct view) { copy.ptr, 100 }, &copy, &err), ST_NO_MEMORY);
	assert_int_equal(copy.len, 3);
	assert_int_equal(err.code, ST_NO_MEMORY);
}

static void test_owned_objects_are_freed_with_the_arena(void **state)
{
	struct arena arena = ARENA(1024);

	(void) state;
	owned = 2;
	assert_ok(arena_own(&arena, count_down, &owned, NO_ERR));
	assert_ok(arena_own(&arena, count_down, &owned, NO_ERR));
	assert_int_equal(owned, 2);
	arena_done(&arena);
	assert_int_equal(owned, 0);
	arena_done(&arena);
	assert_int_equal(owned, 0);
}

static void test_an_object_is_taken_even_when_there_is_no_room(void **state)
{
	auto_arena   arena = ARENA(8);
	struct error err = { .code = ST_OK };

	(void) state;
	owned = 1;
	assert_status(arena_own(&arena, count_down, &owned, &err), ST_NO_MEMORY, &err, "out of memory");
	assert_int_equal(owned, 0);
}

static void test_the_nth_failing_allocation_gives_null_and_nothing_leaks(void **state)
{
	bool is_done = false;

	(void) state;
	for (alloc_fail_at = 1; !is_done; alloc_fail_at++) {
		auto_arena arena = ARENA(1 << 20);
		alloc_count = 0;
		is_done = true;
		for (int i = 0; is_done && i < 100; i++)
			is_done = arena_alloc(&arena, 1, 1000) != NULL;
	}
	assert_true(alloc_fail_at > 3);
	alloc_fail_at = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_and_aligned),
		cmocka_unit_test(test_the_maximum_fits_and_one_more_does_not),
		cmocka_unit_test(test_rounding_up_never_passes_the_maximum),
		cmocka_unit_test(test_a_product_that_overflows_is_refused),
		cmocka_unit_test(test_an_array_grows_and_keeps_what_is_in_it),
		cmocka_unit_test(test_text_is_copied_and_ends_in_nul),
		cmocka_unit_test(test_a_view_is_kept_or_left_alone),
		cmocka_unit_test(test_owned_objects_are_freed_with_the_arena),
		cmocka_unit_test(test_an_object_is_taken_even_when_there_is_no_room),
		cmocka_unit_test(test_the_nth_failing_allocation_gives_null_and_nothing_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
