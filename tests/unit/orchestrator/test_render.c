/* The real Helm renders real charts. */
#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/render.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static const char template[] =
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-web\n  namespace: {{ .Release.Namespace }}\n"
	"data: {{ .Values.data | toJson }}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: {{ .Values.space }}}\n";

static struct renderer *renderer_of(const char *helm, int64_t limit_ms, unsigned renders)
{
	const struct renderer_options options = {
		.helm = helm, .data_dir = scratch_folder(), .renders = renders, .limit_ns = limit_ms * 1000000,
	};
	struct renderer *renderer;
	struct error     err;

	expect_ok(renderer_open(&options, &renderer, &err));
	return renderer;
}

static struct render render_of(const char *app, struct view chart, struct view profile)
{
	return (struct render) {
		.app = view_of(app), .chart = chart, .profile = profile, .release = VIEW("r1"), .namespace_ = VIEW("ns"),
		.kube_version = VIEW(KUBE_VERSION_DEFAULT),
	};
}

static void free_view(struct view view)
{
	free((void *) (uintptr_t) view.ptr);
}

/* The words of a refusal; "" when it rendered. */
static enum status render_once(struct view chart, struct view profile, const json_t *overrides, char *words, size_t size,
                               struct view *ret_body)
{
	struct renderer *renderer = renderer_of(helm_path(), 30000, 2);
	struct render    render = render_of("web", chart, profile);
	struct error     err = { 0 };

	render.overrides = overrides;
	const enum status st = render_all(renderer, NULL, &render, 1, deadline_in_ms(60000), &err);
	snprintf(words, size, "%s", st == ST_OK ? "" : err.text);
	if (ret_body != NULL)
		*ret_body = st == ST_OK && render.objects.count > 0 ? view_copy(render.objects.at[render.objects.count - 1].body)
		                                                     : (struct view) { NULL, 0 };
	arena_done(&render.arena);
	renderer_close(renderer);
	free_view(chart);
	free_view(profile);
	return st;
}

static size_t count_folders(const char *path)
{
	DIR           *dir = opendir(path);
	struct dirent *entry;
	size_t         count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void expect_no_folder_left(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/renders", scratch_folder());
	assert_int_equal(count_folders(path), 0);
}

static void test_values_come_from_chart_then_profile_then_overrides(void **state)
{
	auto_json   *overrides = NULL;
	struct error err;
	struct view  body;
	char         words[512];

	(void) state;
	expect_ok(json_read(VIEW("{\"data.c\":\"from\\\\,override\",\"list[1]\":\"x\"}"), &overrides, &err));
	const enum status st = render_once(
		chart_of("web", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-web, namespace: {{ .Release.Namespace }}}\n"
		         "data: {{ .Values.data | toJson }}\nlist: {{ .Values.list | toJson }}\nkube: {{ .Capabilities.KubeVersion.Version | quote }}\n",
		         "data: {a: chart, b: chart, c: chart}\n"),
		profile_of("data: {b: profile, c: profile}\nlist: [1, 2, 3]\n"), overrides, words, sizeof words, &body);
	if (st != ST_OK)
		fail_msg("%s", words);
	assert_string_equal(body.ptr, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"r1-web\","
	                    "\"namespace\":\"ns\"},\"data\":{\"a\":\"chart\",\"b\":\"profile\",\"c\":\"from,override\"},"
	                    "\"list\":[1,\"x\",3],\"kube\":\"" KUBE_VERSION_DEFAULT "\"}");
	free_view(body);
	expect_no_folder_left();
}

static const struct { const char *title, *template; const char *words; enum status st; } refused[] = {
	{ "required value", "v: {{ required \"the colour is missing\" .Values.colour }}\n", "the colour is missing", ST_INVALID },
	{ "bad template",   "{{ nonsense }}\n",                                            "nonsense",              ST_INVALID },
	{ "bad YAML",       "a: [b\n",                                                     "web/templates/all.yaml", ST_INVALID },
	{ "no object",      "kind: ConfigMap\nmetadata: {name: x}\n",                      "apiVersion",            ST_INVALID  },
};

static void test_a_chart_that_cannot_be_rendered_is_refused_in_helms_words(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		char words[512];
		const enum status st = render_once(chart_of("web", refused[i].template, "x: 1\n"), profile_of("{}\n"), NULL, words,
		                                   sizeof words, NULL);
		if (st != refused[i].st)
			fail_msg("%s: expected %s, got %s: %s", refused[i].title, status_name(refused[i].st), status_name(st), words);
		expect_words(words, "app \"web\": ");
		expect_words(words, refused[i].words);
		if (strstr(words, "Error:") != NULL || strstr(words, scratch_folder()) != NULL)
			fail_msg("%s: \"%s\" holds what is not the reader's", refused[i].title, words);
	}
	expect_no_folder_left();
}

static const struct { const char *title; struct member chart[3], profile[4]; const char *words; } archives[] = {
	{ "other folder", { { "other/Chart.yaml", "apiVersion: v2\nname: other\nversion: 1.0.0\n" } }, { { "manifest.yaml", "type: {}\n" } },
	  "named like the app, \"web\"" },
	{ "no chart",     { { "web/README", "x" } }, { { "manifest.yaml", "type: {}\n" } }, "Chart.yaml" },
	{ "no manifest",  { { "web/README", "x" } }, { { "other.yaml", "x: 1\n" } }, "must hold manifest.yaml" },
	{ "no values",    { { "web/README", "x" } }, { { "manifest.yaml", "type: {values: missing.yaml}\n" } }, "missing.yaml" },
	{ "values out",   { { "web/README", "x" } }, { { "manifest.yaml", "type: {values: ../../etc/passwd}\n" } }, "../../etc/passwd" },
	{ "values list",  { { "web/README", "x" } }, { { "manifest.yaml", "type: {values: [a]}\n" } }, "\"values\" must be a text" },
	{ "target out",   { { "web/README", "x" } },
	  { { "manifest.yaml", "type: {configresource: [{filepath: a, chartpath: ../b}]}\n" }, { "a", "x" } }, "../b" },
	{ "target folder", { { "web/README", "x" } },
	  { { "manifest.yaml", "type: {configresource: [{filepath: a, chartpath: web/no/b}]}\n" }, { "a", "x" } }, "\"web/no\"" },
	{ "source missing", { { "web/README", "x" } },
	  { { "manifest.yaml", "Type: {ConfigResource: [{FilePath: a, chartPath: web/b}]}\n" } }, "names file \"a\"" },
};

static void test_archives_that_cannot_be_used_are_refused_with_the_reason(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(archives); i++) {
		char words[512];
		const enum status st = render_once(archive_of(archives[i].chart), archive_of(archives[i].profile), NULL, words,
		                                   sizeof words, NULL);
		if (st == ST_OK)
			fail_msg("%s: was rendered", archives[i].title);
		expect_words(words, archives[i].words);
	}
	expect_no_folder_left();
}

static void test_a_profile_lays_files_over_the_chart(void **state)
{
	struct view body;
	char        words[512];

	(void) state;
	const struct view profile = archive_of((const struct member[]) {
		{ "manifest.yaml", "version: v1\ntype:\n  values: v.yaml\n  configresource:\n  - filepath: extra/map.yaml\n"
		                   "    chartpath: web/templates/all.yaml\n" },
		{ "v.yaml", "colour: red\n" },
		{ "extra/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.colour }}}\n" }, { NULL, NULL },
	});
	expect_status(ST_OK, render_once(chart_of("web", "x: {{ fail \"not this one\" }}\n", "a: 1\n"), profile, NULL, words,
	                                 sizeof words, &body), &(struct error) { .text = "" });
	expect_words(body.ptr, "\"name\":\"red\"");
	free_view(body);
}

/* A Helm that says its version and then sleeps. */
static const char *sleepy_helm(void)
{
	static char  path[PATH_MAX];
	struct error err;

	snprintf(path, sizeof path, "%s/sleepy", scratch_folder());
	expect_ok(file_write(path, VIEW("#!/bin/sh\n[ \"$1\" = version ] && echo v0 && exit\nsleep 60\n"), 0700, &err));
	return path;
}

static void test_a_helm_that_does_not_end_is_ended(void **state)
{
	struct renderer *renderer = renderer_of(sleepy_helm(), 300, 1);
	struct view      chart = chart_of("web", template, "x: 1\n"), profile = profile_of("{}\n");
	struct render    renders[2] = { render_of("web", chart, profile), render_of("web", chart, profile) };
	struct error     err;
	const int64_t    begun = clock_ns();

	(void) state;
	expect_status(ST_DEADLINE, render_all(renderer, NULL, renders, 1, deadline_in_ms(60000), &err), &err);
	expect_words(err.text, "app \"web\": Helm did not end within 300 ms");
	assert_true(clock_ns() - begun < (int64_t) 20e9);
	arena_done(&renders[0].arena);
	renderer_close(renderer);
	free_view(chart);
	free_view(profile);
	expect_no_folder_left();
}

static void test_a_missing_helm_is_said_with_what_to_do(void **state)
{
	struct renderer *renderer = renderer_of("/nonexistent/helm", 1000, 1);
	struct view      chart = chart_of("web", template, "x: 1\n"), profile = profile_of("{}\n");
	struct render    render = render_of("web", chart, profile);
	struct error     err;

	(void) state;
	expect_status(ST_UPSTREAM, render_all(renderer, NULL, &render, 1, deadline_in_ms(1000), &err), &err);
	expect_words(err.text, "/nonexistent/helm");
	expect_words(err.hint, "Install Helm");
	arena_done(&render.arena);
	renderer_close(renderer);
	free_view(chart);
	free_view(profile);
}

static void test_several_charts_overlap(void **state)
{
	enum { CHARTS = 6 };
	static const char *const names[CHARTS] = { "a", "b", "c", "d", "e", "f" };
	struct renderer *renderer = renderer_of(helm_noted(), 30000, 2);
	struct view      charts[CHARTS], profile = profile_of("{}\n");
	struct render    renders[CHARTS];
	struct error     err;

	(void) state;
	for (size_t i = 0; i < CHARTS; i++) {
		charts[i] = chart_of(names[i], template, "space: x\ndata: {}\n");
		renders[i] = render_of(names[i], charts[i], profile);
	}
	const int64_t begun = clock_ns();
	expect_ok(render_all(renderer, NULL, renders, CHARTS, deadline_in_ms(120000), &err));
	print_message("%d charts, 2 at once: %.0f ms\n", CHARTS, (double) (clock_ns() - begun) / 1e6);
	for (size_t i = 0; i < CHARTS; i++) {
		assert_int_equal(renders[i].objects.count, 2);
		assert_true(view_is(renders[i].objects.at[0].name, "x+Namespace"));
		arena_done(&renders[i].arena);
		free_view(charts[i]);
	}
	assert_int_equal(helm_runs(), CHARTS + 1);               /* and its version, once */
	free_view(profile);
	renderer_close(renderer);
}

static void test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(void **state)
{
	char         dead[PATH_MAX], foreign[PATH_MAX];
	struct stat  info;
	struct error err;

	(void) state;
	struct renderer *living = renderer_of(helm_path(), 1000, 1);
	snprintf(dead, sizeof dead, "%s/renders/emcod-dead00/chart", scratch_folder());
	snprintf(foreign, sizeof foreign, "%s/renders/other", scratch_folder());
	expect_ok(folder_make(dead, &err));
	expect_ok(folder_make(foreign, &err));
	struct renderer *second = renderer_of(helm_path(), 1000, 1);
	assert_int_not_equal(stat(dead, &info), 0);
	assert_int_equal(stat(foreign, &info), 0);
	snprintf(dead, sizeof dead, "%s/renders", scratch_folder());
	assert_int_equal(count_folders(dead), 3);
	renderer_close(second);
	renderer_close(living);
	expect_ok(folder_remove(foreign, &err));
	expect_no_folder_left();
}

static const struct { const char *name; bool is_valid; } releases[] = {
	{ "r1", true }, { "a-b", true }, { "", false }, { "-a", false }, { "a-", false }, { "A", false }, { "a.b", false },
	{ "a_b", false }, { "12345678901234567890123456789012345678901234567890123", true },
	{ "123456789012345678901234567890123456789012345678901234", false },
};

static void test_release_names_are_labels_that_helm_takes(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(releases); i++)
		assert_int_equal(release_is_valid(view_of(releases[i].name)), releases[i].is_valid);
}

static void test_versions_are_compared_by_number(void **state)
{
	static const struct { const char *a, *b; int want; } rows[] = {
		{ "v1.29.0", "v1.29.0", 0 },  { "v1.9.0", "v1.29.0", -1 },       { "v1.30.1", "v1.29.9", 1 },
		{ "v1.20+", "v1.20.0", 0 },   { "1.20.2", "v1.20.2-k3s1", 0 },   { "v2.0.0", "v1.99.99", 1 },
		{ "", "v0.0.0", 0 },          { "v99999999999999.1", "v1.1", 1 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(kube_version_compare(view_of(rows[i].a), view_of(rows[i].b)), rows[i].want);
		assert_int_equal(kube_version_compare(view_of(rows[i].b), view_of(rows[i].a)), -rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_from_chart_then_profile_then_overrides),
		cmocka_unit_test(test_a_chart_that_cannot_be_rendered_is_refused_in_helms_words),
		cmocka_unit_test(test_archives_that_cannot_be_used_are_refused_with_the_reason),
		cmocka_unit_test(test_a_profile_lays_files_over_the_chart),
		cmocka_unit_test(test_a_helm_that_does_not_end_is_ended),
		cmocka_unit_test(test_a_missing_helm_is_said_with_what_to_do),
		cmocka_unit_test(test_several_charts_overlap),
		cmocka_unit_test(test_folders_of_the_dead_are_removed_and_those_of_the_living_stay),
		cmocka_unit_test(test_release_names_are_labels_that_helm_takes),
		cmocka_unit_test(test_versions_are_compared_by_number),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
