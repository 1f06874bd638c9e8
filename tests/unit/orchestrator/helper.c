#include "tests/unit/orchestrator/helper.h"

#include "lib/base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <stdio.h>

enum { ARCHIVE_BYTES_MAX = 1 << 20 };

void expect_status(enum status want, enum status got, const struct error *err)
{
	if (want != got)
		fail_msg("expected %s, got %s: %s", status_name(want), status_name(got), got != ST_OK ? err->text : "");
}

void expect_words(const char *text, const char *words)
{
	if (strstr(text, words) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", words, text);
}

struct view archive_of(const struct member *members)
{
	char           *bytes = malloc(ARCHIVE_BYTES_MAX);
	size_t          used = 0;
	struct archive *tar = archive_write_new();

	assert_non_null(bytes);
	archive_write_add_filter_gzip(tar);
	archive_write_set_format_pax_restricted(tar);
	assert_int_equal(archive_write_open_memory(tar, bytes, ARCHIVE_BYTES_MAX, &used), ARCHIVE_OK);
	for (; members->path != NULL; members++) {
		struct archive_entry *entry = archive_entry_new();
		const size_t          len = strlen(members->content);
		archive_entry_set_pathname(entry, members->path);
		archive_entry_set_size(entry, (la_int64_t) len);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, 0644);
		assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
		assert_int_equal(archive_write_data(tar, members->content, len), (la_ssize_t) len);
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
	archive_write_free(tar);
	return (struct view) { bytes, used };
}

struct view chart_of(const char *app, const char *template, const char *values)
{
	char about[128], about_path[128], template_path[128], values_path[128];

	snprintf(about, sizeof about, "apiVersion: v2\nname: %s\nversion: 0.1.0\n", app);
	snprintf(about_path, sizeof about_path, "%s/Chart.yaml", app);
	snprintf(template_path, sizeof template_path, "%s/templates/all.yaml", app);
	snprintf(values_path, sizeof values_path, "%s/values.yaml", app);
	return archive_of((const struct member[]) {
		{ about_path, about }, { template_path, template }, { values_path, values }, { NULL, NULL },
	});
}

struct view profile_of(const char *values)
{
	return archive_of((const struct member[]) {
		{ "manifest.yaml", "version: v1\ntype:\n  values: override.yaml\n" }, { "override.yaml", values }, { NULL, NULL },
	});
}

const char *helm_path(void)
{
	static char path[PATH_MAX];
	const char *named = getenv("EMCO_TEST_HELM");

	if (named != NULL)
		return named;
	if (path[0] == '\0') {
		FILE *found = popen(EMCO_SOURCE_DIR "/scripts/fetch-helm", "r");
		if (found == NULL || fgets(path, sizeof path, found) == NULL || pclose(found) != 0)
			fail_msg("needs a Helm: set EMCO_TEST_HELM, or let scripts/fetch-helm find one");
		path[strcspn(path, "\n")] = '\0';
	}
	return path;
}

static char folder[PATH_MAX];

static void remove_folder(void)
{
	IGNORE(folder_remove(folder, NULL));
}

const char *scratch_folder(void)
{
	struct error err;

	if (folder[0] == '\0') {
		expect_ok(folder_make_private("/tmp", folder, &err));
		atexit(remove_folder);
	}
	return folder;
}

static const char *runs_path(void)
{
	static char path[PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/helm-runs", scratch_folder());
	return path;
}

const char *helm_noted(void)
{
	static char  path[PATH_MAX + 16];
	struct error err;
	auto_buf     script = BUF(3 * PATH_MAX);

	if (path[0] == '\0') {
		snprintf(path, sizeof path, "%s/helm-noted", scratch_folder());
		expect_ok(buf_printf(&script, &err, "#!/bin/sh\necho >>'%s'\nexec '%s' \"$@\"\n", runs_path(), helm_path()));
		expect_ok(file_write(path, buf_view(&script), 0700, &err));
	}
	return path;
}

size_t helm_runs(void)
{
	struct error err = { 0 };
	auto_buf     lines = BUF(1 << 16);
	const enum status st = file_read(runs_path(), &lines, &err);

	if (st == ST_NOT_FOUND)
		return 0;
	expect_status(ST_OK, st, &err);
	return lines.len;
}

struct view view_copy(struct view view)
{
	char *copy = malloc(view.len + 1);

	assert_non_null(copy);
	memcpy(copy, view.ptr, view.len);
	copy[view.len] = '\0';
	return (struct view) { copy, view.len };
}
