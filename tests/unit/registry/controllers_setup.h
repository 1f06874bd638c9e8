/*
 * controllers_setup.h - a private folder with plugins and their configuration, for tests of the registry.
 *
 * Plugins are copied out of the build tree: that may lie below folders that others can write.
 */
#ifndef TESTS_UNIT_REGISTRY_CONTROLLERS_SETUP_H
#define TESTS_UNIT_REGISTRY_CONTROLLERS_SETUP_H

#include "host/registry/plugins.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <limits.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail          /* ours */

struct setup {
	char            folder[PATH_MAX];
	char            plugin_dir[PATH_MAX + 16], controllers_dir[PATH_MAX + 16], journal[PATH_MAX + 16], gate[PATH_MAX + 16];
	struct plugins *plugins;
};

static inline void setup_begin(struct setup *setup)
{
	struct error err;

	memset(setup, 0, sizeof *setup);
	assert_int_equal(ST_OK, folder_make_private("/tmp", setup->folder, &err));
	snprintf(setup->plugin_dir, sizeof setup->plugin_dir, "%s/plugins", setup->folder);
	snprintf(setup->controllers_dir, sizeof setup->controllers_dir, "%s/conf", setup->folder);
	snprintf(setup->journal, sizeof setup->journal, "%s/journal", setup->folder);
	snprintf(setup->gate, sizeof setup->gate, "%s/gate", setup->folder);
	assert_int_equal(0, mkdir(setup->plugin_dir, 0700));
	assert_int_equal(0, mkdir(setup->controllers_dir, 0700));
}

static inline void setup_end(struct setup *setup)
{
	plugins_stop(setup->plugins);
	setup->plugins = NULL;
	IGNORE(folder_remove(setup->folder, NULL));
}

static inline void setup_file(const char *folder, const char *name, const char *text, unsigned mode)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(ST_OK, file_write(path, view_of(text), mode, NULL));
}

static inline void setup_plugin(struct setup *setup, const char *name)
{
	auto_buf content = { 0 };
	char     from[PATH_MAX], to[2 * PATH_MAX];

	snprintf(from, sizeof from, "%s/%s.so", TEST_PLUGINS, name);
	snprintf(to, sizeof to, "%s/%s.so", setup->plugin_dir, name);
	buf_init(&content, 64 << 20);
	assert_int_equal(ST_OK, file_read(from, &content, NULL));
	assert_int_equal(ST_OK, file_write(to, buf_view(&content), 0600, NULL));
}

/* NAME.conf for a plugin of the test: the rest of the file, in which %JOURNAL% and %GATE% stand for paths. */
static inline void setup_conf(struct setup *setup, const char *file, const char *plugin, const char *rest)
{
	char text[4096], *at;

	setup_plugin(setup, plugin);
	snprintf(text, sizeof text, "plugin = \"%s\";\n%s", plugin, rest);
	while ((at = strchr(text, '%')) != NULL) {
		const char *word = strncmp(at, "%JOURNAL%", 9) == 0 ? setup->journal : setup->gate;
		const size_t len = strncmp(at, "%JOURNAL%", 9) == 0 ? 9 : 6;
		char tail[4096];
		snprintf(tail, sizeof tail, "%s", at + len);
		snprintf(at, (size_t) (text + sizeof text - at), "%s%s", word, tail);
	}
	setup_file(setup->controllers_dir, file, text, 0600);
}

static inline enum status setup_load(struct setup *setup, struct error *err)
{
	const struct plugins_options options = { setup->plugin_dir, setup->controllers_dir, setup->folder };

	return plugins_load(&options, &setup->plugins, err);
}

static inline void setup_start(struct setup *setup)
{
	struct error err = { 0 };

	enum status st = setup_load(setup, &err);
	if (st == ST_OK)
		st = plugins_start(setup->plugins, NULL, &err);
	assert_string_equal("", err.text);
	assert_int_equal(ST_OK, st);
}

/* What the plugins wrote down since the last time, lines joined by "; ". */
static inline const char *setup_journal(struct setup *setup)
{
	static char text[4096];
	auto_buf    content = { 0 };
	size_t      len = 0;

	buf_init(&content, sizeof text / 2);
	IGNORE(file_read(setup->journal, &content, NULL));
	for (size_t i = 0; i < content.len; i++) {
		text[len++] = content.data[i] == '\n' ? ';' : content.data[i];
		if (content.data[i] == '\n' && i + 1 < content.len)
			text[len++] = ' ';
	}
	text[len > 0 ? len - 1 : 0] = '\0';
	unlink(setup->journal);
	return text;
}

#endif
