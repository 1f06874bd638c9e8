#include "host/config.h"

#include "lib/base/address.h"
#include "lib/base/file.h"

#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#define NEEDED  "database = \"dbname=x\"; seal_key_file = \"/k\"; helm = \"/bin/helm\";\n"

static const struct {
	const char *text;
	enum status want;
	const char *error, *hint;             /* parts of them */
	const char *health;                   /* "": none      */
} files[] = {
	{ NEEDED,                                                     ST_OK, "", "", "127.0.0.1:9014" },
	{ NEEDED "listen = \"[::1]:80\";",                            ST_OK, "", "", "[::1]:79" },
	{ NEEDED "listen = \"127.0.0.1:0\";",                         ST_OK, "", "", "" },
	{ NEEDED "health_listen = \"none\";",                         ST_OK, "", "", "" },
	{ NEEDED "health_listen = \"127.0.0.2:81\";",                 ST_OK, "", "", "127.0.0.2:81" },
	{ NEEDED "listen = \"0.0.0.0:9015\";",                        ST_INVALID, "other machines can reach", "insecure = true", "" },
	{ NEEDED "health_listen = \"[::]:9014\";",                    ST_INVALID, "other machines can reach", "insecure = true", "" },
	{ NEEDED "listen = \"0.0.0.0:9015\"; insecure = true;",       ST_OK, "", "", "0.0.0.0:9014" },
	{ NEEDED "listen = \"localhost:9015\";",                      ST_INVALID, "must be an address in numbers", "127.0.0.1:9015", "" },
	{ NEEDED "listen = \"127.0.0.1\";",                           ST_INVALID, "must be an address in numbers", "", "" },
	{ NEEDED "listen = \"127.0.0.1:65536\";",                     ST_INVALID, "must be an address in numbers", "", "" },
	{ NEEDED "listen = \"::1:80\";",                              ST_INVALID, "must be an address in numbers", "", "" },
	{ NEEDED "log_level = \"loud\";",                             ST_INVALID, "must be error, warning, info or debug, got \"loud\"", "", "" },
	{ NEEDED "\nthreads = 3;",                                    ST_INVALID, "config_test.conf:3: \"threads\" must be 4 to 10000, got 3", "", "" },
	{ NEEDED "\nlistem = 3;",                                     ST_INVALID, "config_test.conf:3: unknown option \"listem\"", "\"listen\"", "" },
	{ "seal_key_file = \"/k\";",                                  ST_INVALID, "option \"database\" must be given", "", "" },
};

static void test_files_are_read_or_refused_with_file_and_line(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_arena    arena;
		struct config config;
		struct error  err = { .code = ST_OK };

		arena_init(&arena, 1 << 20);
		assert_int_equal(file_write("config_test.conf", view_of(files[i].text), 0600, &err), ST_OK);
		const enum status st = config_load("config_test.conf", &arena, &config, &err);
		unlink("config_test.conf");
		if (st != files[i].want || strstr(err.text, files[i].error) == NULL || strstr(err.hint, files[i].hint) == NULL)
			fail_msg("%s: got %s, \"%s\", \"%s\"", files[i].text, status_name(st), err.text, err.hint);
		if (st == ST_OK)
			assert_string_equal(config.health == NULL ? "" : config.health, files[i].health);
	}
}

static void test_only_127_and_1_are_loopback(void **state)
{
	(void) state;
	assert_true(address_is_loopback("127.0.0.1:80"));
	assert_true(address_is_loopback("127.9.9.9:80"));
	assert_true(address_is_loopback("[::1]:80"));
	assert_false(address_is_loopback("0.0.0.0:80"));
	assert_false(address_is_loopback("[::]:80"));
	assert_false(address_is_loopback("[::ffff:10.0.0.1]:80"));
	assert_false(address_is_loopback("10.0.0.1:80"));
	assert_false(address_is_loopback("127.0.0.1.evil:80"));
}

static void test_every_option_has_a_sentence_and_secrets_are_marked(void **state)
{
	auto_buf     out;
	struct error err;

	(void) state;
	buf_init(&out, 1 << 16);
	assert_int_equal(config_print(&out, &err), ST_OK);
	assert_non_null(strstr(out.data, "Secret: never shown.\ndatabase = \"...\";\n"));
	assert_null(strstr(out.data, "# (null)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_read_or_refused_with_file_and_line),
		cmocka_unit_test(test_only_127_and_1_are_loopback),
		cmocka_unit_test(test_every_option_has_a_sentence_and_secrets_are_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
