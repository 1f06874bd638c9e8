#include "tests/unit/base/test.h"

#include "lib/kube/pages.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 500, HELD = 8, ENOUGH = 1 << 18 };

/* Bytes of a block that are in memory. */
static size_t resident(void *block)
{
	const size_t  page = (size_t) sysconf(_SC_PAGESIZE);
	unsigned char is_there[PAGES_MAX / 4096];
	size_t        bytes = 0;

	assert_int_equal(mincore(block, PAGES_MAX, is_there), 0);
	for (size_t i = 0; i < PAGES_MAX / page; i++)
		bytes += (is_there[i] & 1) != 0 ? page : 0;
	return bytes;
}

static bool is_clean(const char *block, size_t len)
{
	return block[0] == 0 && memcmp(block, block + 1, len - 1) == 0;
}

static void test_only_what_was_written_to_is_resident(void **state)
{
	char *block = pages_malloc(PAGES_MAX);

	(void) state;
	assert_int_equal(resident(block), 0);
	memset(block, 'x', 100);
	assert_int_equal(resident(block), sysconf(_SC_PAGESIZE));
	memset(block, 'x', PAGES_MAX);
	assert_int_equal(resident(block), PAGES_MAX);
	pages_free(block);
	assert_int_equal(resident(block), 0);
}

static void test_a_block_that_was_used_comes_back_clean(void **state)
{
	char *block = pages_malloc(PAGES_MIN), *again;

	(void) state;
	memset(block, 'x', PAGES_MIN);
	pages_free(block);
	again = pages_malloc(PAGES_MAX);
	assert_ptr_equal(again, block);
	assert_true(is_clean(again, PAGES_MAX));
	pages_free(again);
}

/* free() takes nothing else. */
static void test_what_is_smaller_or_larger_is_the_heaps(void **state)
{
	(void) state;
	free(pages_malloc(1));
	free(pages_malloc(PAGES_MIN - 1));
	free(pages_malloc(PAGES_MAX + 1));
	free(pages_realloc(NULL, PAGES_MIN - 1));
	pages_free(malloc(10));
	pages_free(NULL);
}

static void test_a_block_that_grows_keeps_its_bytes(void **state)
{
	char *block = pages_malloc(PAGES_MIN), *larger;

	(void) state;
	memset(block, 'x', PAGES_MIN);
	assert_ptr_equal(pages_realloc(block, PAGES_MAX), block);
	block[PAGES_MAX - 1] = 'y';
	larger = pages_realloc(block, 2 * PAGES_MAX);
	assert_int_equal(resident(block), 0);
	assert_int_equal(larger[0], 'x');
	assert_int_equal(larger[PAGES_MIN - 1], 'x');
	assert_int_equal(larger[PAGES_MAX - 1], 'y');
	free(larger);
}

static void *use_blocks(void *data)
{
	const char mark = *(const char *) data;
	char      *blocks[HELD];
	size_t     bad = 0;

	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < HELD; i++) {
			blocks[i] = pages_malloc(PAGES_MIN);
			bad += !is_clean(blocks[i], PAGES_MIN);
			memset(blocks[i], mark, PAGES_MIN);
		}
		for (size_t i = 0; i < HELD; i++) {
			bad += blocks[i][0] != mark || memcmp(blocks[i], blocks[i] + 1, PAGES_MIN - 1) != 0;
			pages_free(blocks[i]);
		}
	}
	return bad == 0 ? NULL : data;
}

static void test_threads_never_share_a_block(void **state)
{
	static char marks[THREADS] = "abcd";
	pthread_t   threads[THREADS];
	void       *bad;

	(void) state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_blocks, &marks[i]), 0);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

static bool is_of_pages(const char *block, const char *first)
{
	return block >= first && (block - first) % PAGES_MAX == 0 && block < first + (size_t) ENOUGH * PAGES_MAX;
}

/* The last of all blocks is usable, and who comes then is served by the heap. */
static void test_when_the_addresses_are_used_up_the_heap_serves(void **state)
{
	char **blocks = calloc(ENOUGH, sizeof(char *));
	size_t count = 0;

	(void) state;
	for (;;) {
		blocks[count] = pages_malloc(PAGES_MIN);
		if (!is_of_pages(blocks[count], blocks[0]))
			break;
		assert_true(++count < ENOUGH);
	}
	assert_true(count > 3 * 40000);
	memset(blocks[count - 1], 'x', PAGES_MAX);
	free(blocks[count]);
	while (count > 0)
		pages_free(blocks[--count]);
	free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_was_written_to_is_resident),
		cmocka_unit_test(test_a_block_that_was_used_comes_back_clean),
		cmocka_unit_test(test_what_is_smaller_or_larger_is_the_heaps),
		cmocka_unit_test(test_a_block_that_grows_keeps_its_bytes),
		cmocka_unit_test(test_when_the_addresses_are_used_up_the_heap_serves),
		cmocka_unit_test(test_threads_never_share_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
