/* What an operation has to render: looked up, or given to Helm, several at once. */
#include "host/orchestrator/render_priv.h"

#include "host/store/context.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum { ARENA_MAX = 512 << 20, KEPT_MAX = 256 << 20, THREADS_MAX = 64 };

static const char prefix[] = "emcod-";          /* as folder_make_private names them */

/* -- life -------------------------------------------------------------------------------------------------------- */

/* A folder whose lock nobody holds belongs to a process that is gone. */
static void remove_left(const char *base)
{
	DIR           *dir = opendir(base);
	struct dirent *entry;
	char           path[PATH_MAX];
	struct error   err;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0 ||
		    snprintf(path, sizeof path, "%s/%s", base, entry->d_name) >= (int) sizeof path)
			continue;
		const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && folder_remove(path, &err) != ST_OK)
			log_warning("render.folder_stays", "path", path, "error", err.text);
		close(fd);
	}
	if (dir != NULL)
		closedir(dir);
}

static enum status make_folder(struct renderer *renderer, const char *base, struct error *err)
{
	const enum status st = folder_make_private(base, renderer->folder, err);

	if (st != ST_OK) {
		renderer->folder[0] = '\0';
		return st;
	}
	renderer->folder_fd = open(renderer->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (renderer->folder_fd < 0 || flock(renderer->folder_fd, LOCK_EX | LOCK_NB) != 0)
		return fail(err, ST_INTERNAL, "could not lock \"%s\"", renderer->folder);
	return ST_OK;
}

/* The lock on base keeps processes that begin together from taking each other's folder for one left behind. */
static enum status open_folder(struct renderer *renderer, const char *data_dir, struct error *err)
{
	char        base[PATH_MAX];
	enum status st;

	if (snprintf(base, sizeof base, "%s/renders", data_dir) >= (int) sizeof base - 64)
		return fail(err, ST_INVALID, "the path \"%s\" is too long", data_dir);
	st = folder_make(base, err);
	if (st != ST_OK)
		return st;
	const int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) != 0) {
		if (fd >= 0)
			close(fd);
		return fail(err, ST_INTERNAL, "could not lock \"%s\"", base);
	}
	remove_left(base);
	st = make_folder(renderer, base, err);
	close(fd);
	return st;
}

enum status renderer_open(const struct renderer_options *options, struct renderer **ret_renderer, struct error *err)
{
	struct renderer   *renderer = calloc(1, sizeof *renderer);

	if (renderer == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	snprintf(renderer->helm, sizeof renderer->helm, "%s", options->helm);
	renderer->folder_fd = -1;
	renderer->limit_ns = options->limit_ns;
	renderer->renders = renderer->free = options->renders > 0 ? options->renders : 1;
	pthread_mutex_init(&renderer->lock, NULL);
	condition_init(&renderer->freed);

	const enum status st = open_folder(renderer, options->data_dir, err);
	if (st != ST_OK) {
		renderer_close(renderer);
		return st;
	}
	*ret_renderer = renderer;
	return ST_OK;
}

void renderer_close(struct renderer *renderer)
{
	struct error err;

	if (renderer == NULL)
		return;
	if (renderer->folder[0] != '\0' && folder_remove(renderer->folder, &err) != ST_OK)
		log_warning("render.folder_stays", "path", renderer->folder, "error", err.text);
	if (renderer->folder_fd >= 0)
		close(renderer->folder_fd);
	pthread_cond_destroy(&renderer->freed);
	pthread_mutex_destroy(&renderer->lock);
	free(renderer);
}

bool release_is_valid(struct view name)
{
	if (name.len == 0 || name.len > RELEASE_LEN_MAX || name.ptr[0] == '-' || name.ptr[name.len - 1] == '-')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') && !(name.ptr[i] >= '0' && name.ptr[i] <= '9') &&
		    name.ptr[i] != '-')
			return false;
	return true;
}

/* -- what is kept ------------------------------------------------------------------------------------------------ */

static enum status digest_render(const struct render *render, const char *version, struct digest *ret_key,
                                 struct error *err)
{
	auto_buf overrides = BUF(16 << 20);

	if (render->overrides != NULL) {
		const enum status st = json_write(&overrides, render->overrides, err);
		if (st != ST_OK)
			return st;
	}
	const struct view parts[] = {
		VIEW("render/1"), view_of(version), render->kube_version, render->release, render->namespace_, render->app,
		render->chart, render->profile, buf_view(&overrides),
	};
	*ret_key = digest_of_parts(parts, ARRAY_LEN(parts));
	return ST_OK;
}

static bool find_kept(struct store *store, struct db *db, const struct digest *key, struct render *render)
{
	auto_buf value = BUF(KEPT_MAX);

	if (cache_read(store, db, key, &value, NULL) != ST_OK)
		return false;
	const char *copy = arena_copy(&render->arena, value.data, value.len);
	return copy != NULL &&
	       objects_decode((struct view) { copy, value.len }, &render->arena, &render->objects, NULL) == ST_OK;
}

static void keep(struct store *store, struct db *db, const struct digest *key, const struct render *render)
{
	auto_buf     value = BUF(KEPT_MAX);
	struct error err;

	if (objects_encode(&render->objects, &value, &err) != ST_OK ||
	    cache_write(store, db, key, buf_view(&value), &err) != ST_OK)
		log_warning("render.not_kept", "error", err.text);
}

/* -- all of one operation ---------------------------------------------------------------------------------------- */

struct task {
	struct render *render;
	struct digest  key;
	enum status    st;
	struct error   err;
};

struct batch {
	struct renderer *renderer;
	struct store    *store;         /* NULL: keep nothing       */
	struct task    **tasks;         /* those that need Helm     */
	size_t           count;
	size_t           taken;         /* atomic                   */
	bool             is_failed;     /* atomic: begin no more    */
	int64_t          deadline_ns;
};

/* While others render: a commit waits for the disk, Helm for a processor. */
static void keep_task(const struct batch *batch, const struct task *task)
{
	auto_db *db = NULL;

	if (batch->store != NULL && task->render->objects.at != NULL
	    && db_borrow(batch->store->pool, batch->deadline_ns, &db, NULL) == ST_OK)
		keep(batch->store, db, &task->key, task->render);
}

static void *work(void *data)
{
	struct batch *batch = data;

	for (;;) {
		const size_t at = __atomic_fetch_add(&batch->taken, 1, __ATOMIC_RELAXED);
		if (at >= batch->count || __atomic_load_n(&batch->is_failed, __ATOMIC_RELAXED))
			return NULL;
		struct task *task = batch->tasks[at];
		task->st = helm_render(batch->renderer, task->render, batch->deadline_ns, &task->err);
		if (task->st == ST_OK)
			keep_task(batch, task);
		else
			__atomic_store_n(&batch->is_failed, true, __ATOMIC_RELAXED);
	}
}

/* This thread works too, so a thread that cannot be had costs time only. */
static void run_batch(struct batch *batch)
{
	pthread_t threads[THREADS_MAX];
	size_t    want = batch->count < batch->renderer->renders ? batch->count : batch->renderer->renders;
	size_t    have = 0;

	while (have + 1 < want && have < THREADS_MAX && pthread_create(&threads[have], NULL, work, batch) == 0)
		have++;
	work(batch);
	while (have > 0)
		pthread_join(threads[--have], NULL);
}

static enum status find_all(struct renderer *renderer, struct store *store, struct task *tasks, size_t count,
                            int64_t deadline_ns, struct batch *batch, struct error *err)
{
	char        version[HELM_VERSION_SIZE];
	auto_db    *db = NULL;
	enum status st = helm_version(renderer, deadline_ns, version, err);

	if (st != ST_OK)
		return st;
	if (store != NULL && db_borrow(store->pool, deadline_ns, &db, NULL) != ST_OK)
		db = NULL;
	for (size_t i = 0; i < count; i++) {
		st = digest_render(tasks[i].render, version, &tasks[i].key, err);
		if (st != ST_OK)
			return st;
		if (db == NULL || !find_kept(store, db, &tasks[i].key, tasks[i].render))
			batch->tasks[batch->count++] = &tasks[i];
	}
	return ST_OK;
}

/* The next number of a version; *at goes behind it and its point. */
static unsigned number_at(struct view version, size_t *at)
{
	unsigned number = 0;

	while (*at < version.len && version.ptr[*at] == 'v')
		++*at;
	for (; *at < version.len && version.ptr[*at] >= '0' && version.ptr[*at] <= '9' && number < 1000000; ++*at)
		number = 10 * number + (unsigned) (version.ptr[*at] - '0');
	if (*at < version.len && version.ptr[*at] == '.')
		++*at;
	return number;
}

int kube_version_compare(struct view a, struct view b)
{
	size_t at_a = 0, at_b = 0;

	for (int part = 0; part < 3; part++) {
		const unsigned x = number_at(a, &at_a), y = number_at(b, &at_b);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

enum status render_all(struct renderer *renderer, struct store *store, struct render *renders, size_t count,
                       int64_t deadline_ns, struct error *err)
{
	auto_arena   arena = ARENA(64 << 20);
	struct batch batch = { .renderer = renderer, .store = store, .deadline_ns = deadline_ns };

	struct task *tasks = arena_alloc(&arena, count + 1, sizeof *tasks);
	batch.tasks = arena_alloc(&arena, count + 1, sizeof(struct task *));
	for (size_t i = 0; i < count; i++)
		arena_init(&renders[i].arena, ARENA_MAX);
	if (tasks == NULL || batch.tasks == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		tasks[i].render = &renders[i];

	const enum status st = find_all(renderer, store, tasks, count, deadline_ns, &batch, err);
	if (st != ST_OK)
		return st;
	run_batch(&batch);

	for (size_t i = 0; i < count; i++)
		if (tasks[i].st != ST_OK) {
			const struct view app = renders[i].app;
			if (err != NULL)
				*err = tasks[i].err;
			return fail_within(err, "app \"%.*s\"", (int) app.len, app.ptr);
		}
	return ST_OK;
}
