/* One run of Helm: a private folder, a clean environment, values by standard input, a deadline, bounded output. */
#include "host/orchestrator/render_priv.h"

#include "host/orchestrator/chart.h"
#include "host/orchestrator/manifest.h"
#include "host/orchestrator/strvals.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/yaml.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum {
	OUTPUT_MAX   = 64 << 20,
	WORDS_MAX    = 8 << 10,        /* of Helm's complaint                     */
	VALUES_MAX   = 16 << 20,
	ENV_MAX      = 12,
	VERSION_MS   = 20000,
};

static const char hint_no_helm[] = "Install Helm, or set its path in the server's configuration.";

/* -- the folder of one run --------------------------------------------------------------------------------------- */

struct workplace {
	char path[PATH_MAX];
	int  fd, chart_fd;
};

static void workplace_done(struct workplace *place)
{
	struct error err;

	if (place->chart_fd >= 0)
		close(place->chart_fd);
	if (place->fd >= 0)
		close(place->fd);
	if (place->path[0] != '\0' && folder_remove(place->path, &err) != ST_OK)
		log_warning("render.folder_stays", "path", place->path, "error", err.text);
}

static int open_folder(int base_fd, const char *path)
{
	return openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static enum status workplace_init(struct workplace *place, const char *base, struct error *err)
{
	static const char *const folders[] = { "chart", "home", "tmp" };
	enum status st = folder_make_private(base, place->path, err);

	if (st != ST_OK) {
		place->path[0] = '\0';
		return st;
	}
	place->fd = open_folder(AT_FDCWD, place->path);
	if (place->fd < 0)
		return fail(err, ST_INTERNAL, "could not open \"%s\"", place->path);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		st = folder_make_at(place->fd, folders[i], err);
		if (st != ST_OK)
			return st;
	}
	place->chart_fd = open_folder(place->fd, "chart");
	return place->chart_fd >= 0 ? ST_OK : fail(err, ST_INTERNAL, "could not open \"%s/chart\"", place->path);
}

/* -- running ----------------------------------------------------------------------------------------------------- */

/* Nothing of ours, and nothing of the user's: no plugins, no repositories, no kubeconfig. */
static enum status
run(struct renderer *renderer, const char *const *argv, const char *folder, struct view input, int64_t deadline_ns,
    struct buf *out, struct buf *words, int *ret_exit, struct error *err)
{
	static const char *const kinds[] = {
		"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME",
		"HELM_DATA_HOME",
	};
	auto_arena  arena = ARENA(1 << 20);
	const char *env[ENV_MAX] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "KUBECONFIG=/dev/null" };
	size_t      count = 3;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		env[count] = arena_printf(&arena, "%s=%s/home", kinds[i], folder);
		if (env[count++] == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	env[count] = arena_printf(&arena, "TMPDIR=%s/tmp", folder);
	if (env[count] == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	const struct process process = { .argv = argv, .env = env, .dir = folder, .input = input, .deadline_ns = deadline_ns };
	const enum status st = process_run(&process, out, words, ret_exit, err);
	if (st == ST_NOT_FOUND) {
		fail(err, ST_UPSTREAM, "there is no Helm at \"%s\"", renderer->helm);
		return fail_hint(err, "%s", hint_no_helm);
	}
	return st;
}

/* Helm's complaint without "Error: " in front, without advice for its command line, without our folder in its paths. */
static void clean_words(struct buf *words, const char *folder)
{
	static const char mark[] = "Error: ";
	const size_t      skip = strlen(folder);
	char             *from = words->data, *at, *error = NULL;

	if ((at = strstr(from, "\nUse --debug flag")) != NULL)
		buf_cut(words, (size_t) (at - from));
	while (words->len > 0 && (words->data[words->len - 1] == '\n' || words->data[words->len - 1] == ' '))
		buf_cut(words, words->len - 1);
	for (at = words->len > 0 ? strstr(from, mark) : NULL; at != NULL; at = strstr(at + 1, mark))
		if (at == from || at[-1] == '\n')
			error = at;
	if (error != NULL) {
		const size_t cut = (size_t) (error - from) + sizeof mark - 1;
		memmove(from, from + cut, words->len - cut);
		buf_cut(words, words->len - cut);
	}
	while (skip > 0 && words->len > 0 && (at = strstr(words->data, folder)) != NULL) {
		const size_t gone = at[skip] == '/' ? skip + 1 : skip;
		memmove(at, at + gone, words->len - gone - (size_t) (at - words->data));
		buf_cut(words, words->len - gone);
	}
}

enum status
helm_version(struct renderer *renderer, int64_t deadline_ns, char ret_version[HELM_VERSION_SIZE], struct error *err)
{
	const char *const argv[] = { renderer->helm, "version", "--short", NULL };
	CLEANUP(workplace_done) struct workplace place = { .fd = -1, .chart_fd = -1 };
	const int64_t limit_ns = deadline_in_ms(VERSION_MS);
	struct stat   stamp;
	auto_buf      out = BUF(HELM_VERSION_SIZE - 1), words = BUF(WORDS_MAX);
	int           code;

	if (stat(renderer->helm, &stamp) != 0) {
		fail(err, ST_UPSTREAM, "there is no Helm at \"%s\"", renderer->helm);
		return fail_hint(err, "%s", hint_no_helm);
	}
	pthread_mutex_lock(&renderer->lock);
	const bool is_known = renderer->version[0] != '\0' && renderer->stamp.st_ino == stamp.st_ino &&
	                      renderer->stamp.st_size == stamp.st_size && renderer->stamp.st_mtime == stamp.st_mtime;
	memcpy(ret_version, renderer->version, HELM_VERSION_SIZE);
	pthread_mutex_unlock(&renderer->lock);
	if (is_known)
		return ST_OK;

	enum status st = workplace_init(&place, renderer->folder, err);
	if (st == ST_OK)
		st = run(renderer, argv, place.path, VIEW(""), limit_ns < deadline_ns ? limit_ns : deadline_ns, &out, &words, &code,
		         err);
	if (st != ST_OK)
		return st;
	if (code != 0 || out.len == 0) {
		fail(err, ST_UPSTREAM, "\"%s version\" ended with %d", renderer->helm, code);
		return fail_hint(err, "%s", hint_no_helm);
	}
	pthread_mutex_lock(&renderer->lock);
	snprintf(renderer->version, HELM_VERSION_SIZE, "%s", out.data);
	renderer->stamp = stamp;
	memcpy(ret_version, renderer->version, HELM_VERSION_SIZE);
	pthread_mutex_unlock(&renderer->lock);
	return ST_OK;
}

/* -- values ------------------------------------------------------------------------------------------------------ */

/*
 * The overrides as a values document.  An index into a list ("a[1]=x") means the list as the profile's values have
 * it, so then the overrides are laid over those; Helm would do the same with --set.
 */
static enum status
make_values(const struct render *render, struct view profile_values, struct buf *out, struct error *err)
{
	auto_json  *values = NULL;
	size_t      padding = STRVALS_PADDING;
	bool        has_index = false;
	const char *key;
	json_t     *value, *overrides = json_for_reading(render->overrides);
	enum status st;

	json_object_foreach(overrides, key, value) {
		if (!json_is_string(value))
			return fail(err, ST_INVALID, "override value \"%.60s\" must be a text", key);
		has_index = has_index || strchr(key, '[') != NULL || strchr(json_string_value(value), '[') != NULL;
	}
	if (has_index && profile_values.len > 0) {
		st = yaml_read(profile_values, YAML_KUBERNETES, &values, err);
		if (st != ST_OK)
			return fail_within(err, "profile: values");
	}
	if (!json_is_object(values)) {
		json_decref(values);
		values = json_object();
	}
	json_object_foreach(overrides, key, value) {
		const struct view text = { json_string_value(value), json_string_length(value) };
		st = strvals_set(values, view_of(key), text, &padding, err);
		if (st != ST_OK)
			return fail_within(err, "override value \"%.60s\"", key);
	}
	return json_write(out, values, err);
}

/* -- one render -------------------------------------------------------------------------------------------------- */

static enum status take_place(struct renderer *renderer, int64_t deadline_ns, struct error *err)
{
	const struct timespec until = { .tv_sec = (time_t) (deadline_ns / 1000000000), .tv_nsec = deadline_ns % 1000000000 };
	enum status st = ST_OK;

	pthread_mutex_lock(&renderer->lock);
	while (renderer->free == 0 && !deadline_past(deadline_ns))
		pthread_cond_timedwait(&renderer->freed, &renderer->lock, &until);
	if (renderer->free == 0)
		st = fail(err, ST_UNAVAILABLE, "all %u renders are busy", renderer->renders);
	else
		renderer->free--;
	pthread_mutex_unlock(&renderer->lock);
	return st;
}

static void give_place(struct renderer *renderer)
{
	pthread_mutex_lock(&renderer->lock);
	renderer->free++;
	pthread_cond_signal(&renderer->freed);
	pthread_mutex_unlock(&renderer->lock);
}

static enum status
run_template(struct renderer *renderer, struct render *render, const struct workplace *place, struct view values,
             int64_t deadline_ns, struct buf *out, struct error *err)
{
	const char *release = arena_copy(&render->arena, render->release.ptr, render->release.len);
	const char *space = arena_copy(&render->arena, render->namespace_.ptr, render->namespace_.len);
	const char *version = arena_copy(&render->arena, render->kube_version.ptr, render->kube_version.len);
	const char *chart = arena_printf(&render->arena, "./chart/%.*s", (int) render->app.len, render->app.ptr);
	auto_buf    words = BUF(WORDS_MAX);
	int         code;

	if (release == NULL || space == NULL || version == NULL || chart == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const char *const argv[] = {
		renderer->helm, "template", release, chart, "--namespace", space, "--include-crds", "--kube-version", version,
		"-f", "profile-values.yaml", "-f", "-", NULL,      /* Helm names it when it cannot be read */
	};
	const enum status st = run(renderer, argv, place->path, values, deadline_ns, out, &words, &code, err);
	if (st == ST_DEADLINE)
		return fail(err, ST_DEADLINE, "Helm did not end within %lld ms", (long long) (renderer->limit_ns / 1000000));
	if (st == ST_TOO_LARGE)
		return fail(err, ST_TOO_LARGE, "the chart renders to more than %d MiB", OUTPUT_MAX >> 20);
	if (st != ST_OK)
		return st;
	if (code != 0) {
		clean_words(&words, place->path);
		return words.len > 0 ? fail(err, ST_INVALID, "Helm: %s", words.data)
		                     : fail(err, ST_UPSTREAM, "Helm ended with %d and said nothing", code);
	}
	return ST_OK;
}

static enum status
render_in(struct renderer *renderer, struct render *render, const struct workplace *place, int64_t deadline_ns,
          struct error *err)
{
	auto_buf    profile_values = BUF(VALUES_MAX), values = BUF(VALUES_MAX), out = BUF(OUTPUT_MAX);
	enum status st;

	if ((st = chart_unpack(render->chart, render->app, place->chart_fd, err)) != ST_OK ||
	    (st = profile_apply(render->profile, place->chart_fd, &profile_values, err)) != ST_OK ||
	    (st = file_write_at(place->fd, "profile-values.yaml", buf_view(&profile_values), err)) != ST_OK ||
	    (st = make_values(render, buf_view(&profile_values), &values, err)) != ST_OK ||
	    (st = run_template(renderer, render, place, buf_view(&values), deadline_ns, &out, err)) != ST_OK)
		return st;
	return manifest_split(buf_view(&out), &render->arena, &render->objects, err);
}

enum status
helm_render(struct renderer *renderer, struct render *render, int64_t deadline_ns, struct error *err)
{
	CLEANUP(workplace_done) struct workplace place = { .fd = -1, .chart_fd = -1 };
	enum status st = take_place(renderer, deadline_ns, err);

	if (st != ST_OK)
		return st;
	const int64_t limit_ns = clock_ns() + renderer->limit_ns;
	st = workplace_init(&place, renderer->folder, err);
	if (st == ST_OK)
		st = render_in(renderer, render, &place, limit_ns < deadline_ns ? limit_ns : deadline_ns, err);
	give_place(renderer);
	return st;
}
