/* A libconfig file, read through a table with an option of every type.  Limits hold; a fault names the file. */
#include "host/registry/settings.h"
#include "lib/base/utf8.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* libconfig loses texts when a syntax error follows them; a file is read once in the life of a process. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

struct options {
	emco_str  text, bounded;
	int64_t   number, small;
	int32_t   is_on;
	emco_strs list;
};

static const emco_option table[] = {
	EMCO_OPTION(struct options, text,    .dflt = ""),
	EMCO_OPTION(struct options, bounded, .dflt = "abc",   .min = 2, .max = 8),
	EMCO_OPTION(struct options, number,  .dflt = "7"),
	EMCO_OPTION(struct options, small,   .dflt = "5",     .min = 1, .max = 1000),
	EMCO_OPTION(struct options, is_on,   .dflt = "false"),
	EMCO_OPTION(struct options, list,    .dflt = "a b"),
	{ .name = "group", .type = SETTINGS_GROUP },
	EMCO_OPTION_END,
};

static void check_options(const struct options *options)
{
	must(utf8_is_valid((struct view) { options->text.ptr, (size_t) options->text.len }));
	must(options->bounded.len >= 2 && options->bounded.len <= 8);
	must(options->small >= 1 && options->small <= 1000);
	must(options->is_on == 0 || options->is_on == 1);
	for (size_t i = 0; i < options->list.count; i++)
		must(utf8_is_valid((struct view) { options->list.items[i].ptr, (size_t) options->list.items[i].len }));
}

static void check_file(const char *file)
{
	const config_setting_t *root = NULL;
	struct options          options;
	struct error            err = { .code = ST_OK };
	auto_arena              arena = ARENA(8 << 20);

	enum status st = settings_open(file, &arena, &root, &err);
	if (st == ST_OK)
		st = settings_read(root, table, sizeof table[0], sizeof options, &options, &arena, file, &err);
	if (st == ST_OK)
		check_options(&options);
	else
		must(strstr(err.text, file) != NULL || st == ST_NO_MEMORY || st == ST_TOO_LARGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char      file[32];
	const int fd = memfd_create("settings", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t) size);
	snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
	check_file(file);
	close(fd);
	return 0;
}
