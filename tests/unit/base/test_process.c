#include "tests/unit/base/test.h"

#include "lib/base/clock.h"
#include "lib/base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct row {
	const char *title, *script, *input;
	size_t      out_max;
	int64_t     within_ms;
	enum status want;
	int         want_exit;
	const char *want_out, *want_errors, *want_text;
} rows[] = {
	{ "exit status",     "exit 3",                      "",    10,   5000, ST_OK, 3, "", "", "" },
	{ "signal",          "kill -9 $$",                  "",    10,   5000, ST_OK, 137, "", "", "" },
	{ "input to output", "cat",                         "abc", 10,   5000, ST_OK, 0, "abc", "", "" },
	{ "no input",        "cat",                         "",    10,   5000, ST_OK, 0, "", "", "" },
	{ "unread input",    "echo x",                      "abc", 10,   5000, ST_OK, 0, "x\n", "", "" },
	{ "two streams",     "echo a; echo b >&2",          "",    10,   5000, ST_OK, 0, "a\n", "b\n", "" },
	{ "clean environment", "env | sort | cut -d= -f1 | grep -v -e PWD -e SHLVL -e '^_$'", "", 100, 5000, ST_OK, 0,
	  "LANG\nPATH\n", "", "" },
	{ "root folder",     "pwd",                         "",    10,   5000, ST_OK, 0, "/\n", "", "" },
	{ "output at its maximum", "printf 1234567890",     "",    10,   5000, ST_OK, 0, "1234567890", "", "" },
	{ "output past it",  "printf 12345678901; sleep 9", "",    10,   5000, ST_TOO_LARGE, -1, "1234567890", "",
	  "\"/bin/sh\" wrote more than 10 bytes" },
	{ "errors past it",  "printf 1234567890abc >&2",    "",    10,   5000, ST_OK, 0, "", "1234567890", "" },
	{ "too slow",        "sleep 9",                     "",    10,   100,  ST_DEADLINE, -1, "", "",
	  "\"/bin/sh\" did not end in time" },
	{ "too stubborn",    "trap '' TERM; while :; do :; done", "", 10, 100, ST_DEADLINE, -1, "", "",
	  "\"/bin/sh\" did not end in time" },
	{ "left behind",     "sleep 9 & echo x",            "",    10,   5000, ST_OK, 0, "x\n", "", "" },
	{ "signals as usual", "trap : PIPE; kill -PIPE $$; echo alive", "", 10, 5000, ST_OK, 0, "alive\n", "", "" },
};

static void test_programs_run_within_their_bounds(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const argv[] = { "/bin/sh", "-c", rows[i].script, NULL };
		const struct process process = { .argv = argv, .input = view_of(rows[i].input),
		                                 .deadline_ns = deadline_in_ms(rows[i].within_ms) };
		const int64_t began_ns = clock_ns();
		auto_buf      out = BUF(rows[i].out_max), errors = BUF(10);
		struct error  err = { .code = ST_OK };
		int           status = -1;

		const enum status st = process_run(&process, &out, &errors, &status, &err);
		if (st != rows[i].want)
			print_error("%s\n", rows[i].title);
		assert_status(st, rows[i].want, &err, rows[i].want_text);
		assert_int_equal(status, rows[i].want_exit);
		assert_string_equal(out.data, rows[i].want_out);
		assert_string_equal(errors.data, rows[i].want_errors);
		assert_true(clock_ns() - began_ns < 4000000000);
	}
}

static void test_a_program_that_is_not_there_is_not_found(void **state)
{
	static const char *const argv[] = { "/no/such", NULL }, *const true_argv[] = { "/bin/true", NULL };
	struct process process = { .argv = argv, .deadline_ns = deadline_in_ms(5000) };
	struct error   err = { .code = ST_OK };
	int            status = -1;

	(void) state;
	assert_status(process_run(&process, NULL, NULL, &status, &err), ST_NOT_FOUND, &err,
	              "could not run \"/no/such\": No such file or directory");
	process.argv = true_argv;
	process.dir = "/no/such";
	assert_status(process_run(&process, NULL, NULL, &status, &err), ST_INTERNAL, &err,
	              "could not run \"/bin/true\": working directory: No such file or directory");
	assert_int_equal(status, -1);
	process.dir = NULL;
	assert_ok(process_run(&process, NULL, NULL, &status, NO_ERR));
	assert_int_equal(status, 0);
}

static void test_large_input_goes_in_and_comes_out(void **state)
{
	static const char *const argv[] = { "/bin/cat", NULL };
	const size_t len = 5 << 20;
	char        *bytes = malloc(len);
	auto_buf     out = BUF(len);
	int          status = -1;

	(void) state;
	memset(bytes, 'x', len);
	const struct process process = { .argv = argv, .input = { bytes, len }, .deadline_ns = deadline_in_ms(20000) };
	assert_ok(process_run(&process, &out, NULL, &status, NO_ERR));
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, bytes, len);
	free(bytes);
}

static void test_nothing_of_ours_is_inherited(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "ls /proc/self/fd | wc -l", NULL };
	const struct process process = { .argv = argv, .deadline_ns = deadline_in_ms(5000) };
	auto_buf out = BUF(100);
	int      status = -1;
	const int leak = open("/dev/null", O_RDONLY);        /* without O_CLOEXEC, as foreign code does it */

	(void) state;
	assert_true(leak >= 0);
	assert_ok(process_run(&process, &out, NULL, &status, NO_ERR));
	assert_string_equal(out.data, "4\n");                 /* three, and the folder that ls reads */
	close(leak);
}

static void test_it_runs_with_standard_descriptors_closed(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c", "cat; echo e >&2", NULL };
	const struct process process = { .argv = argv, .input = VIEW("in"), .deadline_ns = deadline_in_ms(5000) };
	auto_buf out = BUF(100), errors = BUF(100);
	int      status = -1, kept[3];

	(void) state;
	for (int fd = 0; fd < 3; fd++) {
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	const enum status st = process_run(&process, &out, &errors, &status, NULL);
	for (int fd = 0; fd < 3; fd++) {
		dup2(kept[fd], fd);
		close(kept[fd]);
	}
	assert_int_equal(st, ST_OK);
	assert_string_equal(out.data, "in");
	assert_string_equal(errors.data, "e\n");
}

static void test_no_child_and_no_descriptor_stays(void **state)
{
	static const char *const argv[] = { "/bin/true", NULL };
	int status = -1;

	(void) state;
	const int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	for (int i = 0; i < 20; i++) {
		const struct process process = { .argv = argv, .deadline_ns = deadline_in_ms(5000) };
		assert_ok(process_run(&process, NULL, NULL, &status, NO_ERR));
	}
	const int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
}

static void *run_many(void *data)
{
	static const char *const argv[] = { "/bin/cat", NULL };
	uintptr_t faults = 0;

	(void) data;
	for (int i = 0; i < 20; i++) {
		const struct process process = { .argv = argv, .input = VIEW("abc"), .deadline_ns = deadline_in_ms(20000) };
		auto_buf out = BUF(100);
		int      status = -1;
		faults += process_run(&process, &out, NULL, &status, NULL) != ST_OK || strcmp(out.data, "abc") != 0;
	}
	return (void *) faults;
}

static void test_many_threads_run_programs_at_once(void **state)
{
	pthread_t threads[8];

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *faults = NULL;
		pthread_join(threads[i], &faults);
		assert_null(faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs_run_within_their_bounds),
		cmocka_unit_test(test_a_program_that_is_not_there_is_not_found),
		cmocka_unit_test(test_large_input_goes_in_and_comes_out),
		cmocka_unit_test(test_nothing_of_ours_is_inherited),
		cmocka_unit_test(test_it_runs_with_standard_descriptors_closed),
		cmocka_unit_test(test_no_child_and_no_descriptor_stays),
		cmocka_unit_test(test_many_threads_run_programs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
