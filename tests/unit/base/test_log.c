#include "tests/unit/base/test.h"

#include "lib/base/log.h"

#include <sys/mman.h>
#include <unistd.h>

static int  log_to;
static char line[16384];

/* What was logged since the last call, without its time. */
static const char *logged(void)
{
	const ssize_t n = pread(log_to, line, sizeof line - 1, 0);

	assert_true(n >= 0);
	line[n] = '\0';
	assert_int_equal(ftruncate(log_to, 0), 0);
	assert_int_equal(lseek(log_to, 0, SEEK_SET), 0);
	const char *after_time = strchr(line, ' ');
	return after_time != NULL ? after_time + 1 : "";
}

static void test_an_event_is_one_line_of_pairs(void **state)
{
	(void) state;
	log_info("cluster.added", "name", "edge-7", "count", log_num(-3), "gone", NULL);
	assert_string_equal(logged(), "info cluster.added name=edge-7 count=-3\n");
}

static void test_foreign_text_cannot_forge_a_line(void **state)
{
	(void) state;
	log_error("x", "a", "1\n2024 error y b=2", "c", "", "d", "q\"=");
	assert_string_equal(logged(), "error x a=\"1\\n2024 error y b=2\" c=\"\" d=\"q\\\"=\"\n");
}

static void test_levels_below_the_chosen_one_are_silent(void **state)
{
	(void) state;
	log_debug("x", "a", "b");
	assert_string_equal(logged(), "");
	log_warning("x");
	assert_string_equal(logged(), "warning x\n");
}

static void test_the_request_is_on_every_line_of_its_thread(void **state)
{
	(void) state;
	log_set_request("r-1");
	log_info("x");
	assert_string_equal(logged(), "info x request=r-1\n");
	log_set_request(NULL);
	log_info("x");
	assert_string_equal(logged(), "info x\n");
}

static void test_a_line_that_is_too_long_still_ends(void **state)
{
	char long_text[8000];

	(void) state;
	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	log_info("x", "a", long_text, "b", long_text, "c", long_text, "d", long_text, "e", long_text);
	const char *text = logged();
	assert_true(strlen(text) < 4200);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_levels_have_words(void **state)
{
	enum log_level level;

	(void) state;
	assert_true(log_level_of("debug", &level));
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_false(log_level_of("loud", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_is_one_line_of_pairs),
		cmocka_unit_test(test_foreign_text_cannot_forge_a_line),
		cmocka_unit_test(test_levels_below_the_chosen_one_are_silent),
		cmocka_unit_test(test_the_request_is_on_every_line_of_its_thread),
		cmocka_unit_test(test_a_line_that_is_too_long_still_ends),
		cmocka_unit_test(test_levels_have_words),
	};

	log_to = memfd_create("log", MFD_CLOEXEC);
	log_setup(log_to, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
