#include "tests/unit/base/test.h"

#include "lib/base/archive.h"
#include "lib/base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum { PACKED_MAX = 1 << 20 };

/* What goes into an archive, in order; ends with a row without path. */
struct item {
	const char *path;
	size_t      len;             /* of content: so many times 'x' */
	mode_t      type;
	const char *link, *hard_link;
};

static char   packed[PACKED_MAX];
static size_t packed_len;

static struct view pack(const struct item *items)
{
	struct archive *tar = archive_write_new();
	char           *content = malloc(1 << 20);

	memset(content, 'x', 1 << 20);
	archive_write_add_filter_gzip(tar);
	archive_write_set_format_pax_restricted(tar);
	archive_write_set_bytes_in_last_block(tar, 1);
	assert_int_equal(archive_write_open_memory(tar, packed, sizeof packed, &packed_len), ARCHIVE_OK);
	for (; items->path != NULL; items++) {
		struct archive_entry *entry = archive_entry_new();
		archive_entry_set_pathname(entry, items->path);
		archive_entry_set_filetype(entry, items->type != 0 ? items->type : AE_IFREG);
		archive_entry_set_perm(entry, 0777);
		archive_entry_set_size(entry, (la_int64_t) items->len);
		if (items->link != NULL)
			archive_entry_set_symlink(entry, items->link);
		if (items->hard_link != NULL)
			archive_entry_set_hardlink(entry, items->hard_link);
		assert_true(archive_write_header(tar, entry) >= ARCHIVE_WARN);
		for (size_t left = items->len; left > 0;) {
			const size_t some = left < 1 << 20 ? left : 1 << 20;
			assert_int_equal(archive_write_data(tar, content, some), some);
			left -= some;
		}
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
	archive_write_free(tar);
	free(content);
	return (struct view) { packed, packed_len };
}

#define ITEMS(...) ((const struct item[]) { __VA_ARGS__, { NULL, 0, 0, NULL, NULL } })

static const char *long_path(size_t len)
{
	static char path[2000];

	for (size_t i = 0; i < len; i++)
		path[i] = i % 100 == 99 ? '/' : 'p';
	path[len] = '\0';
	return path;
}

static const char *deep_path(size_t parts)
{
	static char path[200];

	for (size_t i = 0; i < 2 * parts; i++)
		path[i] = i % 2 == 0 ? 'd' : '/';
	path[2 * parts - 1] = '\0';
	return path;
}

static void test_forbidden_entries_are_named(void **state)
{
	const struct row { struct item items[3]; enum status want; const char *want_text; } rows[] = {
		{ { { .path = "a/b", .len = 3 } },              ST_OK,      ""                                             },
		{ { { .path = "./a/b", .len = 3 } },            ST_OK,      ""                                             },
		{ { { .path = "a", .type = AE_IFDIR }, { .path = "a/b" } }, ST_OK, ""                                      },
		{ { { .path = "./", .type = AE_IFDIR }, { .path = "./a" } }, ST_OK, ""                                     },
		{ { { .path = "a", .type = AE_IFDIR }, { .path = "a/", .type = AE_IFDIR } }, ST_OK, ""                     },
		{ { { .path = "\u00e9" } },                     ST_OK,      ""                                             },
		{ { { .path = "/etc/x" } },                     ST_MALFORMED, "\"/etc/x\" is no path inside the archive"     },
		{ { { .path = "../x" } },                       ST_MALFORMED, "\"../x\" is no path inside the archive"       },
		{ { { .path = "a/../../x" } },                  ST_MALFORMED, "\"a/../../x\" is no path inside the archive"  },
		{ { { .path = "a//b" } },                       ST_MALFORMED, "\"a//b\" is no path inside the archive"       },
		{ { { .path = ".." , .type = AE_IFDIR } },      ST_MALFORMED, "\"..\" is no path inside the archive"         },
		{ { { .path = "a\tb" } },                       ST_MALFORMED, "\"a b\" is no path inside the archive"        },
		{ { { .path = "l", .type = AE_IFLNK, .link = "/etc" } }, ST_MALFORMED, "\"l\" is a link: an archive may hold files and folders only" },
		{ { { .path = "a" }, { .path = "h", .hard_link = "a" } }, ST_MALFORMED, "\"h\" is a link: an archive may hold files and folders only" },
		{ { { .path = "p", .type = AE_IFIFO } },        ST_MALFORMED, "\"p\" is neither a file nor a folder"         },
		{ { { .path = "d", .type = AE_IFCHR } },        ST_MALFORMED, "\"d\" is neither a file nor a folder"         },
		{ { { .path = "a" }, { .path = "./a" } },       ST_MALFORMED, "\"a\" comes twice in the archive"             },
		{ { { .path = "a" }, { .path = "a/b" } },       ST_MALFORMED, "\"a\" comes twice in the archive"             },
		{ { { .path = "a/b" }, { .path = "a" } },       ST_MALFORMED, "\"a\" comes twice in the archive"             },
		{ { { .path = deep_path(ARCHIVE_PATH_PARTS_MAX) } }, ST_OK, ""                                             },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = { .code = ST_OK };
		struct item  items[4] = { rows[i].items[0], rows[i].items[1], rows[i].items[2], { .path = NULL } };
		assert_status(archive_check(pack(items), NULL, &err), rows[i].want, &err, rows[i].want_text);
	}
}

static void test_every_limit_holds_and_one_more_is_refused(void **state)
{
	const struct archive_limits limits = { .entries = 3, .file_bytes = 1000, .total_bytes = 8 << 20, .ratio = 200 };
	const struct archive_limits huge = { .entries = 3, .file_bytes = 32 << 20, .total_bytes = 4 << 20, .ratio = 1000000 };
	const struct archive_limits tight = { .entries = 3, .file_bytes = 32 << 20, .total_bytes = 64 << 20, .ratio = 200 };
	struct error err = { .code = ST_OK };

	(void) state;
	assert_ok(archive_check(pack(ITEMS({ .path = "a" }, { .path = "b" }, { .path = "c" })), &limits, NO_ERR));
	assert_status(archive_check(pack(ITEMS({ .path = "a" }, { .path = "b" }, { .path = "c" }, { .path = "d" })), &limits,
	                            &err), ST_TOO_LARGE, &err, "archive has more than 3 entries");
	assert_ok(archive_check(pack(ITEMS({ .path = "a", .len = 1000 })), &limits, NO_ERR));
	assert_status(archive_check(pack(ITEMS({ .path = "a", .len = 1001 })), &limits, &err), ST_TOO_LARGE, &err,
	              "\"a\" is larger than 1000 bytes");
	assert_ok(archive_check(pack(ITEMS({ .path = "a", .len = (4 << 20) - 2048 })), &huge, NO_ERR));
	assert_status(archive_check(pack(ITEMS({ .path = "a", .len = 4 << 20 })), &huge, &err), ST_TOO_LARGE, &err,
	              "archive unpacks to more than 4194304 bytes");
	assert_ok(archive_check(pack(ITEMS({ .path = "a", .len = (1 << 20) - 2048 })), &tight, NO_ERR));
	assert_status(archive_check(pack(ITEMS({ .path = "a", .len = 4 << 20 })), &tight, &err), ST_TOO_LARGE, &err,
	              "archive unpacks to more than 200 times its size");
	assert_ok(archive_check(pack(ITEMS({ .path = long_path(ARCHIVE_PATH_MAX) })), NULL, NO_ERR));
	assert_status(archive_check(pack(ITEMS({ .path = long_path(ARCHIVE_PATH_MAX + 1) })), NULL, &err), ST_TOO_LARGE, &err,
	              "a path of the archive is longer than 1024 bytes");
	assert_int_equal(archive_check(pack(ITEMS({ .path = deep_path(ARCHIVE_PATH_PARTS_MAX + 1) })), NULL, &err), ST_MALFORMED);
	assert_non_null(strstr(err.text, "is nested deeper than 32 folders"));
}

static void test_an_archive_cut_anywhere_is_refused(void **state)
{
	struct error      err = { .code = ST_OK };
	const struct view whole = pack(ITEMS({ .path = "a", .len = 100 }, { .path = "b/c", .len = 5000 }));

	(void) state;
	assert_ok(archive_check(whole, NULL, NO_ERR));
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(archive_check((struct view) { whole.ptr, len }, NULL, &err), ST_MALFORMED);
}

static void test_what_is_no_archive_is_refused(void **state)
{
	struct error err = { .code = ST_OK };
	struct view  whole;

	(void) state;
	assert_status(archive_check(VIEW(""), NULL, &err), ST_MALFORMED, &err, "archive is no gzip stream");
	assert_status(archive_check(VIEW("PK\x03\x04"), NULL, &err), ST_MALFORMED, &err, "archive is no gzip stream");
	assert_status(archive_check(VIEW("\x1f\x8bxxxxxxxxxxxxxxxxx"), NULL, &err), ST_MALFORMED, &err,
	              "archive is no gzip stream or is damaged");
	assert_int_equal(archive_check(pack((const struct item[]) { { .path = NULL } }), NULL, &err), ST_MALFORMED);

	whole = pack(ITEMS({ .path = "a", .len = 100 }));
	packed[whole.len - 5] ^= 1;                      /* the checksum at the end */
	assert_status(archive_check(whole, NULL, &err), ST_MALFORMED, &err, "archive is no gzip stream or is damaged");
	whole = pack(ITEMS({ .path = "a", .len = 100 }));
	packed[whole.len] = 'x';
	whole.len++;
	assert_int_equal(archive_check(whole, NULL, &err), ST_MALFORMED);
}

static enum status note_file(void *data, const char *path, struct view content, struct error *err)
{
	return buf_printf(data, err, "%s:%zu;", path, content.len);
}

static enum status stop(void *data, const char *path, struct view content, struct error *err)
{
	(void) content;
	++*(int *) data;
	return fail(err, ST_CONFLICT, "no %s", path);
}

static void test_files_are_read_in_order_until_the_reader_stops(void **state)
{
	auto_buf     seen = BUF(1000);
	struct error err = { .code = ST_OK };
	int          calls = 0;

	(void) state;
	const struct view bytes = pack(ITEMS({ .path = "./b", .len = 3 }, { .path = "d", .type = AE_IFDIR }, { .path = "d/a" }));
	assert_ok(archive_read(bytes, NULL, note_file, &seen, NO_ERR));
	assert_string_equal(seen.data, "b:3;d/a:0;");
	assert_status(archive_read(bytes, NULL, stop, &calls, &err), ST_CONFLICT, &err, "no b");
	assert_int_equal(calls, 1);
}

static void test_an_archive_is_extracted_below_its_folder(void **state)
{
	char     folder[PATH_MAX], path[2 * PATH_MAX];
	auto_buf content = BUF(100);

	(void) state;
	assert_ok(folder_make_private("/tmp", folder, NO_ERR));
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(archive_extract(pack(ITEMS({ .path = "c/t/a", .len = 3 }, { .path = "e", .type = AE_IFDIR })), NULL, fd, NO_ERR));
	snprintf(path, sizeof path, "%s/c/t/a", folder);
	assert_ok(file_read(path, &content, NO_ERR));
	assert_string_equal(content.data, "xxx");
	snprintf(path, sizeof path, "%s/e", folder);
	assert_int_equal(access(path, X_OK), 0);
	close(fd);
	assert_ok(folder_remove(folder, NO_ERR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_entries_are_named),
		cmocka_unit_test(test_every_limit_holds_and_one_more_is_refused),
		cmocka_unit_test(test_an_archive_cut_anywhere_is_refused),
		cmocka_unit_test(test_what_is_no_archive_is_refused),
		cmocka_unit_test(test_files_are_read_in_order_until_the_reader_stops),
		cmocka_unit_test(test_an_archive_is_extracted_below_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
