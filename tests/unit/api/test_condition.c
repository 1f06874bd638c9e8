#include "host/api/condition.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

enum { NO, WEAK, STRONG };         /* names version 7 of 12: not at all, where weak tags count, always */

static const struct { const char *header; int want; } headers[] = {
	{ "*",                               STRONG },
	{ "\"12-7\"",                        STRONG },
	{ "\"12-7-gzip\"",                   STRONG },
	{ "\"12-7-parts\"",                  STRONG },
	{ "\"12-7-file-gzip\"",              STRONG },
	{ "\"1-1\", \"12-7\"",               STRONG },
	{ "\"1-1\",\"12-7\",\"3-3\"",        STRONG },
	{ " , \"12-7\" ,",                   STRONG },
	{ "\"a, b\", \"12-7\"",              STRONG },
	{ "W/\"12-7\", \"12-7\"",            STRONG },
	{ "W/\"12-7\"",                      WEAK   },
	{ "\"1-1\", W/\"12-7-gzip\"",        WEAK   },
	{ "",                                NO },
	{ "\"\"",                            NO },
	{ "\"12-70\"",                       NO },
	{ "\"12-7 \"",                       NO },
	{ "\"12-7-br\"",                     NO },
	{ "\"12-7-gzip-file\"",              NO },
	{ "\"012-7\"",                       NO },
	{ "12-7",                            NO },
	{ "12-7, \"12-7\"",                  NO },
	{ "\"12-7",                          NO },
	{ "w/\"12-7\"",                      NO },
	{ "W/ \"12-7\"",                     NO },
	{ "*, \"1-1\"",                      NO },
};

static void test_a_condition_names_a_version_when_one_of_its_tags_does(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		const int got = condition_names(headers[i].header, 12, 7, false) ? STRONG
		                : condition_names(headers[i].header, 12, 7, true) ? WEAK : NO;
		if (got != headers[i].want)
			fail_msg("%s: got %d", headers[i].header, got);
	}
}

static void test_who_reads_has_what_he_read_in_its_form_only(void **state)
{
	static const char *const tags[ENTITY_FORMS] = { "W/\"12-7-gzip\"", "\"12-7-file\"", "\"1-1\", \"12-7-parts\"" };

	(void) state;
	for (int form = 0; form < ENTITY_FORMS; form++) {
		for (int of = 0; of < ENTITY_FORMS; of++)
			assert_int_equal(condition_has(tags[of], 12, 7, form), of == form);
		assert_false(condition_has(tags[form], 12, 8, form));
		assert_true(condition_has("*", 12, 7, form));
	}
}

static void test_the_longest_tag_fits(void **state)
{
	char tag[ENTITY_TAG_SIZE];

	(void) state;
	entity_tag(INT64_MIN, UINT64_MAX, ENTITY_PARTS, true, tag);
	assert_string_equal(tag, "\"-9223372036854775808-18446744073709551615-parts-gzip\"");
	assert_true(condition_names(tag, INT64_MIN, UINT64_MAX, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_condition_names_a_version_when_one_of_its_tags_does),
		cmocka_unit_test(test_who_reads_has_what_he_read_in_its_form_only),
		cmocka_unit_test(test_the_longest_tag_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
