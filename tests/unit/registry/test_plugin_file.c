#include "tests/unit/registry/controllers_setup.h"

#include "host/registry/plugin_file.h"

/* -- trust ----------------------------------------------------------------------------------------------------------- */

static char folder[PATH_MAX];

static const char *at(const char *relative)
{
	static char path[4][2 * PATH_MAX];
	static unsigned next;
	char *text = path[next++ % 4];

	snprintf(text, sizeof path[0], "%s/%s", folder, relative);
	return text;
}

static void make_file(const char *relative)
{
	assert_int_equal(ST_OK, file_write(at(relative), VIEW("x"), 0644, NULL));
	assert_int_equal(0, chmod(at(relative), 0644));
}

static int begin(void **state)
{
	(void) state;
	if (folder_make_private("/tmp", folder, NULL) != ST_OK)
		return -1;
	for (const char *const *name = (const char *const[]) { "good", "open", "sticky", NULL }; *name != NULL; name++)
		assert_int_equal(0, mkdir(at(*name), 0755));
	assert_int_equal(0, mkdir(at("sticky/deep"), 0755));
	make_file("good/file");
	make_file("good/writable");
	make_file("open/file");
	make_file("sticky/file");
	make_file("sticky/deep/file");
	assert_int_equal(0, chmod(at("good/writable"), 0664));
	assert_int_equal(0, chmod(at("open"), 0775));
	assert_int_equal(0, chmod(at("sticky"), 01777));
	assert_int_equal(0, symlink("../good/file", at("good/link")));
	assert_int_equal(0, symlink(at("open/file"), at("good/link-out")));
	assert_int_equal(0, symlink("loop", at("good/loop")));
	assert_int_equal(0, symlink("nowhere", at("good/dangling")));
	assert_int_equal(0, symlink("../good", at("open/back")));
	return 0;
}

static int end(void **state)
{
	(void) state;
	return folder_remove(folder, NULL) == ST_OK ? 0 : -1;
}

/* want_text: part of it. */
static const struct { const char *relative; enum status want; const char *want_text; } paths[] = {
	{ "good/file",              ST_OK,        "" },
	{ "good/link",              ST_OK,        "" },
	{ "good/../good/./file",    ST_OK,        "" },
	{ "good//file",             ST_OK,        "" },
	{ "sticky/deep/file",       ST_OK,        "" },
	{ "good/writable",          ST_FORBIDDEN, "writable\" must not be writable by group or others, got mode 0664" },
	{ "open/file",              ST_FORBIDDEN, "open\" must not be writable by group or others, got mode 0775"     },
	{ "open/back/file",         ST_FORBIDDEN, "open\" must not be writable"      },
	{ "good/link-out",          ST_FORBIDDEN, "open\" must not be writable"      },
	{ "sticky/file",            ST_FORBIDDEN, "sticky\" must not be writable"    },
	{ "good/loop",              ST_FORBIDDEN, "could not follow the link"        },
	{ "good/none",              ST_NOT_FOUND, "none\": No such file or directory" },
	{ "good/dangling",          ST_NOT_FOUND, "nowhere\": No such file or directory" },
};

static void test_a_path_that_others_could_change_is_not_trusted(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct error err = { 0 };
		print_message("%s\n", paths[i].relative);
		/* A sticky folder of somebody else than root is no /tmp. */
		const bool is_root = geteuid() == 0;
		const enum status want = strcmp(paths[i].relative, "sticky/deep/file") == 0 && !is_root ? ST_FORBIDDEN : paths[i].want;
		assert_int_equal(want, path_is_trusted(at(paths[i].relative), &err));
		if (want == paths[i].want)
			assert_non_null(strstr(err.text, paths[i].want_text));
	}
}

static void test_a_file_of_another_user_is_not_trusted(void **state)
{
	struct error err = { 0 };

	(void) state;
	if (geteuid() != 0)
		skip();
	make_file("good/foreign");
	assert_int_equal(0, chown(at("good/foreign"), 4711, 0));
	assert_int_equal(ST_FORBIDDEN, path_is_trusted(at("good/foreign"), &err));
	assert_non_null(strstr(err.text, "foreign\" must be owned by root or user 0, got user 4711"));
	assert_non_null(strstr(err.hint, "chown root "));
}

static void test_a_relative_path_is_judged_from_the_working_folder(void **state)
{
	struct error err = { 0 };
	char         here[PATH_MAX];

	(void) state;
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(0, chdir(at("good")));
	assert_int_equal(ST_OK, path_is_trusted("file", NULL));
	assert_int_equal(ST_FORBIDDEN, path_is_trusted("../open/file", &err));
	assert_int_equal(0, chdir(here));
}

/* -- the descriptor -------------------------------------------------------------------------------------------------- */

static emco_plugin good(void)
{
	return (emco_plugin) {
		.size = sizeof(emco_plugin), .abi = EMCO_ABI, .abi_needs = EMCO_ABI, .name = "x", .version = "1", .summary = "X.",
		.priority = 1,
	};
}

enum change { NOTHING, MAJOR, NEEDS, NEEDS_MAJOR, SMALL, NO_NAME, OTHER_NAME, NO_VERSION, PRIORITY, THREADS, ROWS };

static const struct { enum change change; enum status want; const char *want_text; } changes[] = {
	{ NOTHING,     ST_OK,      "" },
	{ MAJOR,       ST_INVALID, "plugin \"x\": built for ABI 9.2, this server speaks 1.0" },
	{ NEEDS,       ST_INVALID, "plugin \"x\": needs ABI 1.1, this server offers 1.0" },
	{ NEEDS_MAJOR, ST_INVALID, "plugin \"x\": needs ABI 0.1, this server offers 1.0" },
	{ SMALL,       ST_INVALID, "plugin \"x\": descriptor must have at least 88 bytes, got 87" },
	{ NO_NAME,     ST_INVALID, "plugin \"x\": name, version and summary must have 1 to 256 bytes" },
	{ OTHER_NAME,  ST_INVALID, "plugin \"x\": calls itself \"y\"" },
	{ NO_VERSION,  ST_INVALID, "plugin \"x\": name, version and summary must have 1 to 256 bytes" },
	{ PRIORITY,    ST_INVALID, "plugin \"x\": priority must be 1 to 1000000, got 0" },
	{ THREADS,     ST_INVALID, "plugin \"x\": thread model must be 0 or 1, got 2" },
	{ ROWS,        ST_INVALID, "plugin \"x\": rows of options must have at least 52 bytes, got 8" },
};

static void test_a_descriptor_is_judged_with_expected_and_found(void **state)
{
	static const emco_option options[] = { EMCO_OPTION_END };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct error err = { 0 };
		emco_plugin  plugin = good(), copy = { 0 };
		switch (changes[i].change) {
		case NOTHING:     break;
		case MAJOR:       plugin.abi = 9u << 16 | 2u; break;
		case NEEDS:       plugin.abi_needs = 1u << 16 | 1u; break;
		case NEEDS_MAJOR: plugin.abi_needs = 1u; break;
		case SMALL:       plugin.size = offsetof(emco_plugin, check) - 1; break;
		case NO_NAME:     plugin.name = NULL; break;
		case OTHER_NAME:  plugin.name = "y"; break;
		case NO_VERSION:  plugin.version = ""; break;
		case PRIORITY:    plugin.priority = 0; break;
		case THREADS:     plugin.thread_model = 2; break;
		case ROWS:        plugin.options = options; plugin.option_size = 8; break;
		}
		assert_int_equal(changes[i].want, plugin_check(&plugin, "x", &copy, &err));
		assert_string_equal(changes[i].want_text, err.text);
		assert_int_equal(changes[i].want == ST_OK ? sizeof copy : 0, copy.size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_that_others_could_change_is_not_trusted),
		cmocka_unit_test(test_a_file_of_another_user_is_not_trusted),
		cmocka_unit_test(test_a_relative_path_is_judged_from_the_working_folder),
		cmocka_unit_test(test_a_descriptor_is_judged_with_expected_and_found),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
