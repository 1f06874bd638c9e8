#include "tests/unit/base/test.h"

#include "lib/base/name.h"

static void test_names_obey_the_rule(void **state)
{
	static const struct row { struct view name; bool want; } rows[] = {
		{ { "a", 1 },       true  },
		{ { "7", 1 },       true  },
		{ { "a-b_c.D", 7 }, true  },
		{ { "a--b", 4 },    true  },
		{ { "", 0 },        false },
		{ { "-a", 2 },      false },
		{ { "a.", 2 },      false },
		{ { "_", 1 },       false },
		{ { "a b", 3 },     false },
		{ { "a/b", 3 },     false },
		{ { "a\0b", 3 },    false },
		{ { "a\n", 2 },     false },
		{ { "\xc3\xa9", 2 }, false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(name_is_valid(rows[i].name), rows[i].want);
}

static void test_the_longest_name_is_valid_and_one_more_is_not(void **state)
{
	char name[NAME_LEN_MAX + 1];

	(void) state;
	memset(name, 'a', sizeof name);
	assert_true(name_is_valid((struct view) { name, NAME_LEN_MAX }));
	assert_false(name_is_valid((struct view) { name, NAME_LEN_MAX + 1 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_obey_the_rule),
		cmocka_unit_test(test_the_longest_name_is_valid_and_one_more_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
