#include "tests/unit/base/test.h"

#include "lib/base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX];
static int  folder_fd;

static const char *at(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static unsigned mode_of(const char *name)
{
	struct stat info;

	assert_int_equal(lstat(at(name), &info), 0);
	return info.st_mode & 07777;
}

static int setup(void **state)
{
	(void) state;
	assert_ok(folder_make_private("/tmp", folder, NO_ERR));
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
}

static int teardown(void **state)
{
	(void) state;
	close(folder_fd);
	assert_ok(folder_remove(folder, NO_ERR));
	assert_int_equal(access(folder, F_OK), -1);
	return 0;
}

static void test_a_private_folder_is_private(void **state)
{
	(void) state;
	assert_int_equal(strncmp(folder, "/tmp/emcod-", 11), 0);
	assert_int_equal(mode_of("."), 0700);
}

static void test_what_is_written_is_read_back(void **state)
{
	auto_buf content = BUF(100);

	(void) state;
	assert_ok(file_write(at("a"), VIEW("one"), 0640, NO_ERR));
	assert_int_equal(mode_of("a"), 0640);
	assert_ok(file_write(at("a"), VIEW("two\0x"), 0600, NO_ERR));
	assert_ok(file_read(at("a"), &content, NO_ERR));
	assert_int_equal(content.len, 5);
	assert_memory_equal(content.data, "two\0x", 6);
}

static void test_the_largest_file_is_read_and_one_byte_more_is_not(void **state)
{
	auto_buf     exact = BUF(70000), less = BUF(69999);
	struct error err = { .code = ST_OK };
	char        *bytes = calloc(1, 70000);

	(void) state;
	assert_ok(file_write(at("a"), (struct view) { bytes, 70000 }, 0600, NO_ERR));
	assert_ok(file_read(at("a"), &exact, NO_ERR));
	assert_int_equal(exact.len, 70000);
	assert_int_equal(file_read(at("a"), &less, &err), ST_TOO_LARGE);
	assert_non_null(strstr(err.text, "is larger than 69999 bytes"));
	assert_int_equal(less.len, 0);
	free(bytes);
}

static void test_what_cannot_be_read_says_why(void **state)
{
	auto_buf     content = BUF(100);
	struct error err = { .code = ST_OK };

	(void) state;
	assert_status(file_read("/no/such", &content, &err), ST_NOT_FOUND, &err,
	              "could not read \"/no/such\": No such file or directory");
	assert_status(file_read("/", &content, &err), ST_INTERNAL, &err, "could not read \"/\": Is a directory");
	assert_status(file_write("/no/such", VIEW(""), 0600, &err), ST_NOT_FOUND, &err,
	              "could not write \"/no/such\": No such file or directory");
}

static void test_files_below_a_folder_bring_their_folders(void **state)
{
	auto_buf content = BUF(100);

	(void) state;
	assert_ok(file_write_at(folder_fd, "a/b/c", VIEW("x"), NO_ERR));
	assert_ok(file_read(at("a/b/c"), &content, NO_ERR));
	assert_string_equal(content.data, "x");
	assert_int_equal(mode_of("a/b/c"), 0600);
	assert_int_equal(mode_of("a/b"), 0700);
	assert_ok(folder_make_at(folder_fd, "a/d", NO_ERR));
	assert_ok(folder_make_at(folder_fd, "a/d", NO_ERR));
	assert_int_equal(mode_of("a/d"), 0700);
}

static void test_no_path_and_no_link_leads_out(void **state)
{
	static const char *const paths[] = { "", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\nb" };
	struct error err = { .code = ST_OK };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(file_write_at(folder_fd, paths[i], VIEW("x"), &err), ST_INVALID);
		assert_int_equal(folder_make_at(folder_fd, paths[i], &err), ST_INVALID);
	}
	assert_int_equal(symlinkat("/tmp", folder_fd, "l"), 0);
	assert_int_not_equal(file_write_at(folder_fd, "l/emcod-test-x", VIEW("x"), &err), ST_OK);
	assert_int_not_equal(file_write_at(folder_fd, "l", VIEW("x"), &err), ST_OK);
	assert_int_not_equal(folder_make_at(folder_fd, "l", &err), ST_OK);
}

static void test_folders_are_made_down_to_the_last(void **state)
{
	struct error err = { .code = ST_OK };

	(void) state;
	assert_ok(folder_make(at("x/y//z"), NO_ERR));
	assert_ok(folder_make(at("x/y/z/"), NO_ERR));
	assert_int_equal(mode_of("x/y/z"), 0700);
	assert_ok(file_write(at("f"), VIEW(""), 0600, NO_ERR));
	assert_int_equal(folder_make(at("f"), &err), ST_EXISTS);
	assert_int_equal(folder_make(at("f/g"), &err), ST_NOT_FOUND);
}

static void test_removing_does_not_follow_links(void **state)
{
	(void) state;
	assert_ok(folder_make(at("keep"), NO_ERR));
	assert_ok(file_write(at("keep/f"), VIEW(""), 0600, NO_ERR));
	assert_ok(folder_make(at("gone/deep"), NO_ERR));
	assert_int_equal(symlink(at("keep"), "/tmp/emcod-test-link"), 0);
	assert_int_equal(renameat(AT_FDCWD, "/tmp/emcod-test-link", folder_fd, "gone/deep/link"), 0);
	assert_ok(folder_remove(at("gone"), NO_ERR));
	assert_int_equal(access(at("gone"), F_OK), -1);
	assert_int_equal(access(at("keep/f"), F_OK), 0);
	assert_ok(folder_remove(at("gone"), NO_ERR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_private_folder_is_private, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_written_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_largest_file_is_read_and_one_byte_more_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_read_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_below_a_folder_bring_their_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_path_and_no_link_leads_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folders_are_made_down_to_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removing_does_not_follow_links, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
