/*
 * watch.c - what a cluster has of one kind, as it changes: a list in pages, then a stream of events from there on.
 *
 *     find the kind → list, page by page → SYNCED → stream ──ends──→ stream from the last version
 *          ↑                ↑                         ├──410──→ LOST, list at once
 *          └── pause ───────┴──────── LOST ←──────────┴──twice without an answer
 *
 * Bookmarks move the version on while nothing happens, so that a broken stream goes on where it was.
 */
#include "lib/kube/watch_priv.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"

#include <unistd.h>

enum { LINE_MAX_BYTES = 16 << 20 };

static const int64_t pause_max_ns = 30 * WATCH_SECOND_NS, list_ns = 60 * WATCH_SECOND_NS, find_ns = 30 * WATCH_SECOND_NS;

static void watch_unref(struct kube_watch *watch)
{
	if (atomic_fetch_sub(&watch->refs, 1) > 1)
		return;
	free(watch->api_version);
	free(watch->kind);
	free(watch->selector);
	free(watch->next_page);
	buf_done(&watch->line);
	pthread_mutex_destroy(&watch->lock);
	pthread_cond_destroy(&watch->changed);
	free(watch);
}

void watch_go_on_at(struct kube_watch *watch, int64_t at_ns)
{
	timer_set(&watch->cluster->loop->timers, &watch->timer, at_ns);
}

/* While the circuit is open, its pauses are the ones that count. */
int64_t watch_next_try_ns(struct kube_watch *watch)
{
	const struct kube_cluster *cluster = watch->cluster;
	const int64_t              now = clock_ns();

	if (cluster->is_open)
		return cluster->is_probing || cluster->probe_ns < now ? now + jittered(WATCH_SECOND_NS)
		                                                     : cluster->probe_ns + jittered(WATCH_PAUSE_MIN_NS / 10);
	watch->pause_ns = watch->pause_ns == 0 ? WATCH_PAUSE_MIN_NS : 2 * watch->pause_ns;
	if (watch->pause_ns > pause_max_ns)
		watch->pause_ns = pause_max_ns;
	return now + jittered(watch->pause_ns);
}

void watch_say_lost(struct kube_watch *watch, const char *why)
{
	char line[sizeof watch->why];

	watch->version[0] = '\0';
	free(watch->next_page);
	watch->next_page = NULL;
	utf8_line(line, sizeof line, view_of(why));
	if (watch->is_lost && strcmp(watch->why, line) == 0)
		return;
	watch->is_lost = true;
	memcpy(watch->why, line, sizeof line);
	watch->seen(watch->data, KUBE_LOST, NULL, watch->why);
}

void watch_lose(struct kube_watch *watch, const char *why)
{
	watch_say_lost(watch, why);
	watch_go_on_at(watch, watch_next_try_ns(watch));
}

static void lose_by(struct kube_watch *watch, const struct error *err)
{
	char line[LINE_SIZE];

	error_line(err, line);
	watch_lose(watch, line);
}

void watch_start_call(struct kube_watch *watch, struct buf *path, enum status st, int64_t deadline_ns, call_bytes *bytes,
                       kube_done *done)
{
	const struct kube_request request = { .method = "GET", .path = path->data, .body = VIEW(""),
	                                      .deadline_ns = deadline_ns };
	struct call *call = st == ST_OK ? call_new(watch->cluster, &request, done, watch) : NULL;

	if (call == NULL) {
		watch_lose(watch, "out of memory, or a selector too long");
		return;
	}
	call->bytes = bytes;
	watch->call = call;
	call_here(call);
}

bool watch_note_version(struct kube_watch *watch, const json_t *object, const char *path)
{
	const struct view version = json_text_at(object, path);

	if (version.len == 0 || version.len >= sizeof watch->version)
		return false;
	memcpy(watch->version, version.ptr, version.len);
	watch->version[version.len] = '\0';
	return true;
}

/* -- the list -- */

static void list(struct kube_watch *watch);

static void take_page(struct kube_watch *watch, struct view body)
{
	auto_json   *page = NULL;
	struct error err;
	json_t      *item;
	size_t       i;

	if (json_read(body, &page, &err) != ST_OK || !json_is_object(page) ||
	    json_text_at(page, "metadata.resourceVersion").len == 0) {
		watch_lose(watch, "the server's answer is no list of objects");
		return;
	}
	json_array_foreach(json_object_get(page, "items"), i, item)
		if (object_name_kind(item, watch->api_version, watch->kind))
			watch->seen(watch->data, KUBE_ADDED, item, "");
	free(watch->next_page);
	watch->next_page = NULL;
	const char *next = json_string_at(page, "metadata.continue");
	if (next[0] != '\0') {
		watch->next_page = strdup(next);
		if (watch->next_page == NULL)
			watch_lose(watch, "out of memory");
		else
			list(watch);
		return;
	}
	if (!watch_note_version(watch, page, "metadata.resourceVersion")) {
		watch_lose(watch, "the server's list has no resourceVersion that can be used");
		return;
	}
	watch->is_lost = watch->is_resumed = false;
	watch->pause_ns = 0;
	watch->seen(watch->data, KUBE_SYNCED, NULL, "");
	watch_stream(watch);
}

static void listed(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct kube_watch   *watch = data;
	struct answer_status status;

	watch->call = NULL;
	if (st != ST_OK) {
		lose_by(watch, err);
	} else if (answer->code == 200) {
		take_page(watch, answer->body);
	} else {
		answer_read(answer, &status);
		if (answer_outcome(&status) == KUBE_UNKNOWN_KIND) {
			discovery_forget(watch->cluster, view_of(watch->api_version));
			watch->found.plural[0] = '\0';
		}
		watch_lose(watch, status.message);
	}
}

static void list(struct kube_watch *watch)
{
	auto_buf          path = BUF(COLLECTION_PATH_MAX);
	struct error      err;
	const enum status st = path_write_page(&path, view_of(watch->api_version), watch->found.plural, watch->selector,
	                                       watch->next_page, &err);

	watch->started_ns = clock_ns();
	watch_start_call(watch, &path, st, watch->started_ns + list_ns, NULL, listed);
}

/* -- the kind -- */

static void found(void *data, enum status st, const struct kube_kind *kind, const struct error *err)
{
	struct kube_watch *watch = data;
	char               why[256];

	watch->is_finding = false;
	if (!watch->is_gone) {
		if (st != ST_OK) {
			lose_by(watch, err);
		} else if (kind->plural[0] == '\0') {
			snprintf(why, sizeof why, "the cluster knows no kind \"%.60s\" in \"%.100s\"", watch->kind, watch->api_version);
			watch_lose(watch, why);
		} else {
			watch->found = *kind;
			watch_go_on_at(watch, 0);
		}
	}
	watch_unref(watch);
}

static void go_on(struct timer *timer)
{
	struct kube_watch *watch = TIMER_OWNER(timer, struct kube_watch, timer);

	if (watch->is_finding || watch->call != NULL)
		return;
	if (watch->found.plural[0] == '\0') {
		watch->is_finding = true;
		atomic_fetch_add(&watch->refs, 1);
		kube_find_kind(watch->cluster, view_of(watch->api_version), view_of(watch->kind), clock_ns() + find_ns, found, watch);
	} else if (watch->version[0] == '\0') {
		list(watch);
	} else {
		watch_stream(watch);
	}
}

/* -- life -- */

static void begin(void *data)
{
	struct kube_watch *watch = data;

	LIST_INSERT_HEAD(&watch->cluster->loop->watches, watch, link);
	watch_go_on_at(watch, 0);
}

struct kube_watch *kube_watch_open(struct kube_cluster *cluster, struct view api_version, struct view kind,
                                   const char *selector, kube_seen *seen, void *data)
{
	struct kube_watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return NULL;
	atomic_init(&watch->refs, 1);
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->changed, NULL);
	buf_init(&watch->line, LINE_MAX_BYTES);
	watch->api_version = strndup(api_version.ptr, api_version.len);
	watch->kind = strndup(kind.ptr, kind.len);
	watch->selector = strdup(selector != NULL ? selector : "");
	watch->seen = seen;
	watch->data = data;
	watch->timer.fire = go_on;
	watch->cluster = cluster;
	if (watch->api_version == NULL || watch->kind == NULL || watch->selector == NULL) {
		watch_unref(watch);
		return NULL;
	}
	cluster_keep(cluster);
	if (!cluster_task(cluster, begin, watch)) {
		kube_cluster_unref(cluster);
		watch_unref(watch);
		return NULL;
	}
	return watch;
}

void watch_end(struct kube_watch *watch)
{
	watch->is_gone = true;
	LIST_REMOVE(watch, link);
	timer_unset(&watch->cluster->loop->timers, &watch->timer);
	if (watch->call != NULL)
		call_cancel(watch->call);
	watch->call = NULL;
	kube_cluster_unref(watch->cluster);
	pthread_mutex_lock(&watch->lock);
	watch->has_ended = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

static void close_task(void *data)
{
	struct kube_watch *watch = data;

	if (!watch->is_gone)
		watch_end(watch);
	watch_unref(watch);
}

void kube_watch_close(struct kube_watch *watch)
{
	bool has_ended;

	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	has_ended = watch->has_ended;
	pthread_mutex_unlock(&watch->lock);
	if (!has_ended) {
		atomic_fetch_add(&watch->refs, 1);
		while (!cluster_task(watch->cluster, close_task, watch))
			usleep(1000);
		pthread_mutex_lock(&watch->lock);
		while (!watch->has_ended)
			pthread_cond_wait(&watch->changed, &watch->lock);
		pthread_mutex_unlock(&watch->lock);
	}
	watch_unref(watch);
}

struct kube_watch *watch_next(struct loop *loop)
{
	return LIST_FIRST(&loop->watches);
}

void watch_hurry(struct kube_cluster *cluster)
{
	struct kube_watch *watch;

	LIST_FOREACH(watch, &cluster->loop->watches, link)
		if (watch->cluster == cluster && watch->timer.is_set) {
			watch->pause_ns = 0;
			watch_go_on_at(watch, 0);
		}
}
