#include "host/registry/settings.h"

#include "lib/base/file.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

struct config { emco_str listen; int64_t threads; int32_t insecure; emco_strs hosts; int64_t timeout; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, listen,   .dflt = "127.0.0.1:9015", .help = "Address to listen on."),
	EMCO_OPTION(struct config, threads,  .dflt = "50", .min = 1, .max = 1000, .help = "Threads."),
	EMCO_OPTION(struct config, insecure, .dflt = "false", .help = "Allow it."),
	EMCO_OPTION(struct config, hosts,    .dflt = "a bc", .min = 1, .max = 5, .help = "Hosts."),
	EMCO_OPTION(struct config, timeout,  .dflt = "5000", .help = "Milliseconds."),
	{ .name = "options", .type = SETTINGS_GROUP },
	EMCO_OPTION_END,
};

static enum status read_text(const char *text, const emco_option *table, size_t option_size, struct config *ret_config,
                             struct arena *arena, struct error *err)
{
	const config_setting_t *root;

	assert_int_equal(file_write("settings_test.conf", view_of(text), 0600, err), ST_OK);
	enum status st = settings_open("settings_test.conf", arena, &root, err);
	if (st == ST_OK)
		st = settings_read(root, table, option_size, sizeof *ret_config, ret_config, arena, "main.conf", err);
	unlink("settings_test.conf");
	return st;
}

static void test_an_empty_file_gives_every_default(void **state)
{
	auto_arena    arena = { .max = 1 << 20 };
	struct config config;
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(read_text("# nothing\n", options, sizeof options[0], &config, &arena, &err), ST_OK);
	assert_string_equal(config.listen.ptr, "127.0.0.1:9015");
	assert_int_equal(config.threads, 50);
	assert_int_equal(config.insecure, 0);
	assert_int_equal(config.hosts.count, 2);
	assert_string_equal(config.hosts.items[1].ptr, "bc");
	assert_int_equal(err.code, ST_OK);
}

static void test_values_of_every_type_are_read(void **state)
{
	auto_arena    arena = { .max = 1 << 20 };
	struct config config;
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(read_text("listen = \"a # 99999999999999999999 \\\" /* b\"; /* 99999999999999999999 */\n"
	                           "threads = 0x10 // 0x99999999999999999\n"
	                           "insecure = true\nhosts = [\"x\", \"yz\"]\ntimeout = 4294967296\noptions = { a = 1.5e3; }\n",
	                           options, sizeof options[0], &config, &arena, &err), ST_OK);
	assert_string_equal(config.listen.ptr, "a # 99999999999999999999 \" /* b");
	assert_int_equal(config.threads, 16);
	assert_int_equal(config.insecure, 1);
	assert_int_equal(config.hosts.count, 2);
	assert_true(config.timeout == 4294967296);
}

static const struct bad { const char *text; enum status status; const char *want, *hint; } bads[] = {
	{ "threads = 0",                ST_INVALID,   "main.conf:1: \"threads\" must be 1 to 1000, got 0", "" },
	{ "\n\nthreads = \"many\"",     ST_INVALID,   "main.conf:3: \"threads\" must be a whole number, got a text", "" },
	{ "threads = 2147483648",       ST_INVALID,   "main.conf:1: \"threads\" must be 1 to 1000, got 2147483648", "" },
	{ "threads = -2147483649",      ST_INVALID,   "main.conf:1: \"threads\" must be 1 to 1000, got -2147483649", "" },
	{ "threads = 0xFFFFFFFF",       ST_INVALID,   "main.conf:1: \"threads\" must be 1 to 1000, got 4294967295", "" },
	{ "threads = 4294967297L",      ST_INVALID,   "main.conf:1: \"threads\" must be 1 to 1000, got 4294967297", "" },
	{ "threads = 1.5",              ST_INVALID,   "main.conf:1: \"threads\" must be a whole number, got a number with a fraction", "" },
	{ "threads = 99999999999999999999", ST_INVALID, "settings_test.conf:1: 99999999999999999999 needs more than 64 bits", "" },
	{ "threads = 99999999999999999999L", ST_INVALID, "settings_test.conf:1: 99999999999999999999L needs more than 64 bits", "" },
	{ "insecure = 1",               ST_INVALID,   "main.conf:1: \"insecure\" must be true or false, got a whole number", "" },
	{ "listen = { a = 1; }",        ST_INVALID,   "main.conf:1: \"listen\" must be a text, got a group", "" },
	{ "listen = \"\\xff\"",         ST_INVALID,   "main.conf:1: \"listen\" is not UTF-8", "" },
	{ "hosts = [1, 2]",             ST_INVALID,   "main.conf:1: \"hosts\" must be a list of texts, item 1 is none", "" },
	{ "hosts = [\"toolong\"]",      ST_INVALID,   "main.conf:1: \"hosts\" must have 1 to 5 bytes, got 7", "" },
	{ "options = 4",                ST_INVALID,   "main.conf:1: \"options\" must be a group, got a whole number", "" },
	{ "\ntiemout = 4",              ST_INVALID,   "main.conf:2: unknown option \"tiemout\"", "Did you mean \"timeout\"?" },
	{ "colour = 4",                 ST_INVALID,   "main.conf:1: unknown option \"colour\"", "" },
	{ "a = 1\n\n= 2",               ST_MALFORMED, "settings_test.conf:3: syntax error", "" },
	{ "a = 1\na = 2",               ST_MALFORMED, "settings_test.conf:2: duplicate setting name", "" },
	{ "\n@include \"/etc/passwd\"", ST_INVALID,   "settings_test.conf:2: \"@\" has no meaning here, and @include is not offered", "" },
	{ "listen = \"never closed",    ST_MALFORMED, "settings_test.conf:1: syntax error", "" },
	{ "/* never closed",            ST_OK,        "", "" },
};

static void test_faults_name_file_and_line(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		auto_arena    arena = { .max = 1 << 20 };
		struct config config, before;
		struct error  err = { 0 };

		memset(&config, 0x5A, sizeof config);
		before = config;
		assert_int_equal(read_text(bads[i].text, options, sizeof options[0], &config, &arena, &err), bads[i].status);
		assert_string_equal(err.text, bads[i].want);
		assert_string_equal(err.hint, bads[i].hint);
		if (bads[i].status != ST_OK)
			assert_memory_equal(&config, &before, sizeof config);
	}
}

static void test_a_missing_option_is_named(void **state)
{
	static const emco_option needed[] = {
		EMCO_OPTION(struct config, listen, .help = "Address."), EMCO_OPTION_END,
	};
	auto_arena    arena = { .max = 1 << 20 };
	struct config config;
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(read_text("", needed, sizeof needed[0], &config, &arena, &err), ST_INVALID);
	assert_string_equal(err.text, "main.conf: option \"listen\" must be given");
	assert_string_equal(err.field, "listen");
	assert_int_equal(settings_read(NULL, NULL, 0, 0, NULL, &arena, "main.conf", &err), ST_OK);
}

static void test_a_default_that_its_row_refuses_is_told(void **state)
{
	static const emco_option wrong[] = {
		EMCO_OPTION(struct config, threads, .dflt = "0", .min = 1, .max = 9), EMCO_OPTION_END,
	};
	auto_arena    arena = { .max = 1 << 20 };
	struct config config;
	struct error  err = { 0 };

	(void) state;
	assert_int_equal(read_text("", wrong, sizeof wrong[0], &config, &arena, &err), ST_INVALID);
	assert_string_equal(err.text, "the default of option \"threads\" must be 1 to 9, got 0");
}

static void test_rows_of_a_smaller_and_a_larger_struct_are_read(void **state)
{
	struct small { const char *name; uint32_t type, offset; const char *dflt, *help; };
	static const struct small small[] = {
		{ "threads", EMCO_TYPE_INTEGER, offsetof(struct config, threads), "7", "" }, { 0 },
	};
	struct large { emco_option row; uint64_t more[3]; };
	static const struct large large[] = {
		{ .row = EMCO_OPTION(struct config, threads, .dflt = "8"), .more = { 1, 2, 3 } }, { .row = EMCO_OPTION_END },
	};
	auto_arena    arena = { .max = 1 << 20 };
	struct config config;
	struct error  err = { 0 };
	const void   *tables[] = { small, large };

	(void) state;
	assert_int_equal(read_text("", tables[0], sizeof small[0], &config, &arena, &err), ST_OK);
	assert_int_equal(config.threads, 7);
	assert_int_equal(read_text("", tables[1], sizeof large[0], &config, &arena, &err), ST_OK);
	assert_int_equal(config.threads, 8);
}

static void test_a_printed_table_is_a_file_that_reads_back(void **state)
{
	auto_arena    arena = { .max = 1 << 20 };
	auto_buf      out = { 0 };
	struct config config;
	struct error  err = { 0 };

	(void) state;
	buf_init(&out, 1 << 16);
	assert_int_equal(settings_print(options, sizeof options[0], &out, &err), ST_OK);
	assert_non_null(strstr(out.data, "# Threads.\n# A whole number, 1 to 1000.\n#threads = 50;\n"));
	assert_non_null(strstr(out.data, "#hosts = [\"a\", \"bc\"];\n"));
	assert_int_equal(read_text(out.data, options, sizeof options[0], &config, &arena, &err), ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_file_gives_every_default),
		cmocka_unit_test(test_values_of_every_type_are_read),
		cmocka_unit_test(test_faults_name_file_and_line),
		cmocka_unit_test(test_a_missing_option_is_named),
		cmocka_unit_test(test_a_default_that_its_row_refuses_is_told),
		cmocka_unit_test(test_rows_of_a_smaller_and_a_larger_struct_are_read),
		cmocka_unit_test(test_a_printed_table_is_a_file_that_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
