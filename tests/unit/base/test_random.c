/* Random numbers: in range, and not the same twice. */
#include "lib/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_identifiers_are_positive_and_differ(void **state)
{
	int64_t last = 0;

	(void) state;
	for (int i = 0; i < 1000; i++) {
		const int64_t id = random_id();
		assert_true(id > 0 && id < INT64_MAX);
		assert_true(id != last);
		last = id;
	}
}

static void test_every_byte_is_filled(void **state)
{
	unsigned char seen[100] = { 0 };

	(void) state;
	for (int round = 0; round < 20; round++) {
		unsigned char bytes[100] = { 0 };
		random_fill(bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes; i++)
			seen[i] |= bytes[i];
	}
	for (size_t i = 0; i < sizeof seen; i++)
		assert_true(seen[i] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identifiers_are_positive_and_differ),
		cmocka_unit_test(test_every_byte_is_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
