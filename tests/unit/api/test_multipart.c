#include "host/api/multipart.h"

#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define HEAD(name)  "Content-Disposition: form-data; name=\"" name "\"\r\n"

static const struct { const char *header; enum status want; const char *boundary; } types[] = {
	{ "multipart/form-data; boundary=abc",                 ST_OK,                "abc" },
	{ "multipart/form-data; charset=utf-8; boundary=\"x y\"", ST_OK,             "x y" },
	{ "multipart/form-data",                               ST_MALFORMED,         NULL  },
	{ "multipart/form-data; boundary=",                    ST_MALFORMED,         NULL  },
	{ "multipart/form-data; boundary=\"x \"",              ST_MALFORMED,         NULL  },
	{ "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789", ST_OK,
	  "0123456789012345678901234567890123456789012345678901234567890123456789" },
	{ "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890", ST_MALFORMED, NULL },
	{ "application/json",                                  ST_UNSUPPORTED_MEDIA, NULL  },
	{ "multipart/mixed; boundary=abc",                     ST_UNSUPPORTED_MEDIA, NULL  },
	{ NULL,                                                ST_UNSUPPORTED_MEDIA, NULL  },
};

static void test_the_boundary_comes_from_the_content_type(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char         boundary[MULTIPART_BOUNDARY_MAX + 1];
		struct error err;
		assert_int_equal(multipart_boundary(types[i].header, boundary, &err), types[i].want);
		if (types[i].boundary != NULL)
			assert_string_equal(boundary, types[i].boundary);
	}
}

/* What is read, as "name[/filename]=content;". */
static const struct { const char *title, *body; enum status want; const char *parts; } bodies[] = {
	{ "two parts",       "--b\r\n" HEAD("a") "\r\n1\r\n--b\r\nContent-Disposition: form-data; name=f; filename=\"x.tgz\"\r\n"
	                     "Content-Type: application/gzip\r\n\r\n23\r\n--b--\r\n", ST_OK, "a=1;f/x.tgz=23;" },
	{ "no last line end","--b\r\n" HEAD("a") "\r\n1\r\n--b--",             ST_OK,        "a=1;" },
	{ "preamble",        "hello\r\n--b\r\n" HEAD("a") "\r\n1\r\n--b--",    ST_OK,        "a=1;" },
	{ "epilogue",        "--b\r\n" HEAD("a") "\r\n1\r\n--b--\r\n--b\r\nx", ST_OK,        "a=1;" },
	{ "blanks",          "--b \t\r\n" HEAD("a") "\r\n1\r\n--b--",          ST_OK,        "a=1;" },
	{ "empty part",      "--b\r\n" HEAD("a") "\r\n\r\n--b--",              ST_OK,        "a=;"  },
	{ "no line of its own", "--b\r\n" HEAD("a") "\r\n--b--",               ST_OK,        "a=;"  },
	{ "boundary inside", "--b\r\n" HEAD("a") "\r\nx--b\r\n--bc\r\n--b--",  ST_OK,        "a=x--b\r\n--bc;" },
	{ "no parts",        "--b--\r\n",                                      ST_OK,        ""     },
	{ "case",            "--b\r\ncontent-disposition:form-data;NAME=a\r\n\r\n1\r\n--b--", ST_OK, "a=1;" },
	{ "empty filename",  "--b\r\nContent-Disposition: form-data; name=a; filename=\"\"\r\n\r\n1\r\n--b--", ST_OK, "a/=1;" },
	{ "nothing",         "",                                               ST_MALFORMED, "the form has no part: its boundary does not appear" },
	{ "another boundary","--c\r\n" HEAD("a") "\r\n1\r\n--c--",             ST_MALFORMED, "the form has no part: its boundary does not appear" },
	{ "cut in content",  "--b\r\n" HEAD("a") "\r\n1",                      ST_MALFORMED, "the form ends early: its closing boundary is missing" },
	{ "cut in boundary", "--b\r\n" HEAD("a") "\r\n1\r\n--b-",              ST_MALFORMED, "the form ends early: its closing boundary is missing" },
	{ "cut after part",  "--b\r\n" HEAD("a") "\r\n1\r\n--b\r\n",           ST_MALFORMED, "the form ends early: its closing boundary is missing" },
	{ "cut in head",     "--b\r\nContent-Dispo\r\n--b--",                  ST_MALFORMED, "the head of part 1 has a line that is no header" },
	{ "no empty line",   "--b\r\n--b--",                                   ST_MALFORMED, "the head of part 1 has no end" },
	{ "no name",         "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--", ST_MALFORMED, "part 1 of the form needs a name of at most 256 bytes" },
	{ "no disposition",  "--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--", ST_MALFORMED, "part 1 of the form needs a name" },
	{ "line feeds only", "--b\n" "Content-Disposition: form-data; name=a\n\n1\n--b--", ST_MALFORMED, "the form has no part: its boundary does not appear" },
};

static void test_bodies_are_taken_apart_or_refused_with_a_reason(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		auto_arena   arena;
		auto_buf     got;
		struct part *parts = NULL;
		size_t       count = 0;
		struct error err = { .code = ST_OK };
		const size_t len = strlen(bodies[i].body);
		char        *exact = malloc(len + (len == 0));         /* so that a byte past the end is noticed */

		arena_init(&arena, 1 << 20);
		buf_init(&got, 1 << 16);
		memcpy(exact, bodies[i].body, len);
		enum status st = multipart_read((struct view) { exact, len }, "b", &arena, &parts, &count, &err);
		for (size_t p = 0; p < count; p++)
			assert_int_equal(buf_printf(&got, &err, "%.*s%s%.*s=%.*s;", (int) parts[p].name.len, parts[p].name.ptr,
			                            parts[p].is_file ? "/" : "", (int) parts[p].filename.len, parts[p].filename.ptr,
			                            (int) parts[p].content.len, parts[p].content.ptr), ST_OK);
		if (st != bodies[i].want || strcmp(st == ST_OK ? got.data : err.text, bodies[i].parts) != 0)
			fail_msg("%s: got %s, \"%s\"", bodies[i].title, status_name(st), st == ST_OK ? got.data : err.text);
		free(exact);
	}
}

static void test_every_shorter_body_is_refused(void **state)
{
	static const char whole[] = "--b\r\n" HEAD("a") "\r\n1\r\n--b\r\n" HEAD("c") "\r\n--\r\n--b--";

	(void) state;
	for (size_t len = 0; len < sizeof whole; len++) {
		auto_arena   arena;
		struct part *parts;
		size_t       count;
		struct error err;
		char        *exact = malloc(len + 1);

		arena_init(&arena, 1 << 20);
		memcpy(exact, whole, len);
		assert_int_equal(multipart_read((struct view) { exact, len }, "b", &arena, &parts, &count, &err),
		                 len == sizeof whole - 1 ? ST_OK : ST_MALFORMED);
		free(exact);
	}
}

static enum status read_made(size_t parts_made, size_t head_bytes, struct error *err)
{
	auto_arena   arena;
	auto_buf     body;
	struct part *parts;
	size_t       count;

	arena_init(&arena, 4 << 20);
	buf_init(&body, 4 << 20);
	for (size_t i = 0; i < parts_made; i++) {
		assert_int_equal(buf_add_text(&body, "--b\r\n" HEAD("a") "X: ", err), ST_OK);
		for (size_t c = sizeof HEAD("a") - 1 + sizeof "X: \r\n\r\n" - 1; c < head_bytes; c++)
			assert_int_equal(buf_add_text(&body, "x", err), ST_OK);
		assert_int_equal(buf_add_text(&body, "\r\n\r\n1\r\n", err), ST_OK);
	}
	assert_int_equal(buf_add_text(&body, "--b--", err), ST_OK);
	return multipart_read(buf_view(&body), "b", &arena, &parts, &count, err);
}

static void test_bounds_hold_at_their_maximum_and_one_past_it(void **state)
{
	struct error err;

	(void) state;
	assert_int_equal(read_made(MULTIPART_PARTS_MAX, 0, &err), ST_OK);
	assert_int_equal(read_made(MULTIPART_PARTS_MAX + 1, 0, &err), ST_TOO_LARGE);
	assert_string_equal(err.text, "the form must have at most 128 parts");
	assert_int_equal(read_made(1, MULTIPART_HEAD_MAX, &err), ST_OK);
	assert_int_equal(read_made(1, MULTIPART_HEAD_MAX + 1, &err), ST_TOO_LARGE);
	assert_string_equal(err.text, "the head of part 1 must be at most 8192 bytes");
}

static void test_what_is_written_is_read_back(void **state)
{
	auto_arena   arena;
	auto_buf     out;
	struct part *parts;
	size_t       count;
	struct error err;

	(void) state;
	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 16);
	assert_int_equal(multipart_add(&out, "b", VIEW("metadata"), VIEW(""), "application/json", VIEW("{}\n"), &err), ST_OK);
	assert_int_equal(multipart_add(&out, "b", VIEW("file"), VIEW("a\"\r\nb"), "application/octet-stream", VIEW("\0\r\n1"),
	                               &err), ST_OK);
	assert_int_equal(multipart_end(&out, "b", &err), ST_OK);
	assert_int_equal(multipart_read(buf_view(&out), "b", &arena, &parts, &count, &err), ST_OK);
	assert_int_equal(count, 2);
	assert_true(view_is(parts[0].content, "{}\n"));
	assert_false(parts[0].is_file);
	assert_true(view_is(parts[1].filename, "a%22%0D%0Ab"));
	assert_int_equal(parts[1].content.len, 4);
	assert_memory_equal(parts[1].content.ptr, "\0\r\n1", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_boundary_comes_from_the_content_type),
		cmocka_unit_test(test_bodies_are_taken_apart_or_refused_with_a_reason),
		cmocka_unit_test(test_every_shorter_body_is_refused),
		cmocka_unit_test(test_bounds_hold_at_their_maximum_and_one_past_it),
		cmocka_unit_test(test_what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
