/* What is watched, and the thread that renders it. */
#include "host/api/events_priv.h"

#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TOPIC_ARENA_MAX = 1 << 20, RENDER_ARENA_MAX = 64 << 20, BODY_MAX = 128 << 20, RENDER_MS = 5000, WAIT_MS = 250,
	REST_MIN_MS = 10, REST_MAX_MS = 1000, REFRESH_MS = 15000, BACKLOG = 1024,
};

/* -- topics ----------------------------------------------------------------------------------------------------------- */

static void topic_free(struct topic *topic)
{
	if (topic == NULL)
		return;
	frame_unref(topic->frame);
	arena_done(&topic->arena);
	free(topic);
}

static enum status read_target(const struct events *events, struct topic *topic, const char *target, struct error *err)
{
	const size_t path_len = strcspn(target, "?");
	struct match match;
	struct view  path;
	bool         is_watched = false;

	topic->key = arena_text(&topic->arena, target);
	const char *raw = arena_copy(&topic->arena, target, path_len);
	if (topic->key == NULL || raw == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the stream");
	if (!path_decode(raw, &topic->arena, &path) || !routes_match(events->api->routes, METHOD_GET, path, &match)
	    || match.endpoint == NULL || match.endpoint->operation != OPERATION_LOOK
	    || !endpoint_takes(match.endpoint, VIEW("watch")))
		return fail(err, ST_NOT_FOUND, "there is nothing to watch at \"%s\"", raw);
	enum status st = query_decode(target[path_len] == '?' ? target + path_len + 1 : "", &topic->arena, &topic->parameters,
	                              &topic->parameter_count, err);
	if (st == ST_OK)
		st = query_watches(match.endpoint, topic->parameters, topic->parameter_count, &is_watched, err);
	if (st == ST_OK && !is_watched)
		return fail_at(err, ST_INVALID, "watch", "\"watch\" must be true here");
	topic->endpoint = match.endpoint;
	topic->path = match.path;
	return st;
}

enum status topic_join(struct events *events, const char *target, struct topic **ret_topic, struct error *err)
{
	struct topic *topic;

	pthread_mutex_lock(&events->lock);
	for (topic = events->topics; topic != NULL; topic = topic->next)
		if (!topic->is_over && strcmp(topic->key, target) == 0)
			break;
	if (topic != NULL)
		topic->watchers++;
	pthread_mutex_unlock(&events->lock);
	if (topic != NULL) {
		*ret_topic = topic;
		return ST_OK;
	}

	topic = calloc(1, sizeof *topic);
	if (topic == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the stream");
	arena_init(&topic->arena, TOPIC_ARENA_MAX);
	enum status st = read_target(events, topic, target, err);
	if (st != ST_OK) {
		topic_free(topic);
		return st;
	}
	topic->watchers = 1;
	LIST_INIT(&topic->streams);
	pthread_mutex_lock(&events->lock);
	topic->next = events->topics;
	events->topics = topic;
	pthread_mutex_unlock(&events->lock);
	store_ring(events->api->store, CHANNEL_STATUS);              /* wakes our renderer, and nobody else's */
	*ret_topic = topic;
	return ST_OK;
}

/* It stays until the renderer, which may be at it, passes by. */
void topic_leave(struct events *events, struct topic *topic)
{
	pthread_mutex_lock(&events->lock);
	topic->watchers--;
	pthread_mutex_unlock(&events->lock);
}

/* Under events.lock. */
static void set_news(struct events *events, struct topic *topic, bool has_news)
{
	if (has_news && !topic->has_news)
		TAILQ_INSERT_TAIL(&events->news, topic, news);
	if (!has_news && topic->has_news)
		TAILQ_REMOVE(&events->news, topic, news);
	topic->has_news = has_news;
}

struct topic *topic_next_news(struct events *events)
{
	struct topic *topic;

	pthread_mutex_lock(&events->lock);
	do {
		topic = TAILQ_FIRST(&events->news);
		if (topic != NULL)
			set_news(events, topic, false);
	} while (topic != NULL && topic->watchers == 0);
	pthread_mutex_unlock(&events->lock);
	return topic;
}

/* -- rendering -------------------------------------------------------------------------------------------------------- */

/* Its id is its content's, so that it means the same to whichever process the client comes back to.  false: no memory. */
static bool publish(struct events *events, struct topic *topic, const struct buf *body)
{
	const struct digest digest = digest_of(buf_view(body));
	char before[64 + DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE], id[EVENT_ID_SIZE];

	digest_hex(&digest, hex);
	snprintf(id, sizeof id, "%.*s", EVENT_ID_SIZE - 1, hex);
	snprintf(before, sizeof before, "event: status\nid: %s\ndata: ", id);
	struct frame *frame = frame_new(before, buf_view(body), "\n\n"), *old;
	if (frame == NULL)
		return false;
	pthread_mutex_lock(&events->lock);
	old = topic->frame;
	topic->frame = frame;
	memcpy(topic->id, id, sizeof id);
	topic->serial++;
	set_news(events, topic, true);
	pthread_mutex_unlock(&events->lock);
	frame_unref(old);
	return true;
}

/* Only the renderer, which asks, puts another frame in its place. */
static bool is_shown(const struct topic *topic, const struct buf *body)
{
	const struct frame *frame = topic->frame;

	return frame != NULL && frame->text_len == body->len && memcmp(frame->data + frame->text_at, body->data, body->len) == 0;
}

/* What has changed was not told: the next turn does. */
static bool again_soon(struct topic *topic)
{
	topic->rendered_ns = 0;
	return false;
}

/* A part that is away for a while ends no stream that has begun. */
static bool is_passing(const struct topic *topic, enum status st)
{
	return topic->serial > 0 && (st == ST_UNAVAILABLE || st == ST_DEADLINE || st == ST_NO_MEMORY);
}

static void finish(struct events *events, struct topic *topic, const struct error *fault)
{
	pthread_mutex_lock(&events->lock);
	topic->is_over = true;
	topic->fault = *fault;
	set_news(events, topic, true);
	pthread_mutex_unlock(&events->lock);
}

/* Whether something is to be sent. */
static bool render(struct events *events, struct topic *topic)
{
	auto_arena   arena = ARENA(RENDER_ARENA_MAX);
	auto_buf     reply = BUF(BODY_MAX);
	struct error fault = { .code = ST_OK };
	struct ask   ask = {
		.orchestrator = events->api->orchestrator, .type = topic->endpoint->type, .path = topic->path, .arena = &arena,
		.deadline_ns = deadline_in_ms(RENDER_MS), .parameters = topic->parameters,
		.parameter_count = topic->parameter_count, .reply = &reply, .is_stream = true,
	};

	topic->rendered_ns = clock_ns();
	const enum status st = topic->endpoint->looks[0]->handler(&ask, &fault);
	if (st != ST_OK) {
		if (is_passing(topic, st))
			return again_soon(topic);
		finish(events, topic, &fault);
		return true;
	}
	while (reply.len > 0 && reply.data[reply.len - 1] == '\n')
		buf_cut(&reply, reply.len - 1);
	if (is_shown(topic, &reply))
		return false;
	return publish(events, topic, &reply) || again_soon(topic);
}

/* The topics there are, in an array of the caller's; those that nobody watches are freed. */
static size_t gather(struct events *events, struct topic ***ret_topics)
{
	struct topic **all = NULL, *topic;
	size_t count = 0;

	pthread_mutex_lock(&events->lock);
	for (struct topic **at = &events->topics; (topic = *at) != NULL;) {
		if (topic->watchers > 0) {
			count++;
			at = &topic->next;
			continue;
		}
		*at = topic->next;
		set_news(events, topic, false);
		topic_free(topic);
	}
	all = calloc(count + 1, sizeof(struct topic *));
	count = 0;
	for (topic = events->topics; all != NULL && topic != NULL; topic = topic->next)
		if (!topic->is_over)
			all[count++] = topic;
	pthread_mutex_unlock(&events->lock);
	*ret_topics = all;
	return count;
}

static bool same_action(const struct action *one, const struct action *other)
{
	return strcmp(one->state, other->state) == 0 && one->instance == other->instance && one->at_ms == other->at_ms
	       && one->revision == other->revision;
}

/*
 * Which of them may show something else: those whose owner's sums or state have changed.  Looked up before rendering, so
 * that what changes meanwhile is seen the next time.  What cannot be found out may have changed.
 */
static void find_changed(struct events *events, struct topic **topics, size_t count, bool *changed)
{
	int64_t *owners = calloc(count + 1, sizeof *owners), *versions = calloc(count + 1, sizeof *versions);
	struct action *last = calloc(count + 1, sizeof *last);
	auto_db *db = NULL;
	struct error fault;

	for (size_t i = 0; i < count; i++)
		changed[i] = true;
	if (owners != NULL && versions != NULL && last != NULL
	    && db_borrow(events->api->store->pool, deadline_in_ms(RENDER_MS), &db, &fault) == ST_OK) {
		for (size_t i = 0; i < count; i++) {
			auto_buf document = BUF(BODY_MAX);
			if (topics[i]->owner == 0)
				IGNORE(resource_read(events->api->store, db, topics[i]->path, &document, NULL, &topics[i]->owner, &fault));
			owners[i] = topics[i]->owner;
		}
		const bool is_known = owner_status_versions(db, owners, count, versions, &fault) == ST_OK
		                      && action_last_of(db, owners, count, last, &fault) == ST_OK;
		for (size_t i = 0; is_known && i < count; i++) {
			if (*last[i].state == '\0')
				continue;
			changed[i] = topics[i]->version != versions[i] || !same_action(&topics[i]->last, &last[i]);
			topics[i]->version = versions[i];
			topics[i]->last = last[i];
		}
	}
	free(owners);
	free(versions);
	free(last);
}

static void turn(struct events *events, bool is_told)
{
	struct topic **topics = NULL;
	const size_t   count = gather(events, &topics);
	bool          *changed = calloc(count + 1, sizeof *changed);

	if (is_told && count > 0 && topics != NULL && changed != NULL)
		find_changed(events, topics, count, changed);
	for (size_t i = 0; topics != NULL && changed != NULL && i < count && !atomic_load(&events->is_stopping); i++) {
		const bool is_old = clock_ns() - topics[i]->rendered_ns > (int64_t) REFRESH_MS * 1000000;
		/* Told one by one: the first need not wait for the last. */
		if ((changed[i] || is_old || topics[i]->serial == 0) && render(events, topics[i]))
			IGNORE(eventfd_write(events->wake_fd, 1) == 0);
	}
	free(changed);
	free(topics);
}

/*
 * NOTE: one bit tells of all owners, many times a second.  It rests as long as a turn took, up to a second, so it costs
 * about half a core at most.
 */
static void *render_all(void *data)
{
	struct events *events = data;
	uint64_t       seen = 0;

	while (!atomic_load(&events->is_stopping)) {
		const bool    is_told = store_wait(events->api->store, CHANNEL_STATUS, &seen, deadline_in_ms(WAIT_MS));
		const int64_t begun_ns = clock_ns();
		turn(events, is_told);
		int64_t rest_ms = (clock_ns() - begun_ns) / 1000000;
		if (rest_ms < REST_MIN_MS)
			rest_ms = is_told ? REST_MIN_MS : 0;             /* what is told next need not wait because nothing was */
		if (rest_ms > REST_MAX_MS)
			rest_ms = REST_MAX_MS;
		nanosleep(&(struct timespec) { rest_ms / 1000, rest_ms % 1000 * 1000000 }, NULL);
	}
	return NULL;
}

/* -- open and close --------------------------------------------------------------------------------------------------- */

static enum status listen_on(const char *address, int *ret_fd, struct error *err)
{
	struct sockaddr_storage read;
	socklen_t               len;
	int                     code = 0;

	if (!address_read(address, &read, &len))
		return fail(err, ST_INVALID, "could not listen on \"%s\": it is no address", address);
	const int fd = socket(read.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) != 0
	    || bind(fd, (const struct sockaddr *) &read, len) != 0 || listen(fd, BACKLOG) != 0)
		code = errno;
	if (code != 0) {
		if (fd >= 0)
			close(fd);
		return fail(err, ST_INVALID, "could not listen on \"%s\": %s", address, strerror(code));
	}
	*ret_fd = fd;
	return ST_OK;
}

enum status events_open(struct api *api, struct events **ret_events, struct error *err)
{
	struct events *events = calloc(1, sizeof *events);

	if (events == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the event streams");
	events->api = api;
	events->listen_fd = events->wake_fd = -1;
	pthread_mutex_init(&events->lock, NULL);
	TAILQ_INIT(&events->news);
	enum status st = listen_on(api->options.events_listen, &events->listen_fd, err);
	if (st == ST_OK && (events->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
		st = fail(err, ST_UNAVAILABLE, "could not make an eventfd: %s", strerror(errno));
	if (st == ST_OK) {
		events->has_renderer = pthread_create(&events->renderer, NULL, render_all, events) == 0;
		events->has_wire = events->has_renderer && pthread_create(&events->wire, NULL, events_wire, events) == 0;
		if (!events->has_wire)
			st = fail(err, ST_UNAVAILABLE, "could not start the threads of the event streams");
	}
	if (st != ST_OK) {
		events_close(events);
		return st;
	}
	*ret_events = events;
	return ST_OK;
}

void events_close(struct events *events)
{
	if (events == NULL)
		return;
	atomic_store(&events->is_stopping, true);
	if (events->wake_fd >= 0)
		IGNORE(eventfd_write(events->wake_fd, 1) == 0);
	if (events->has_wire)
		pthread_join(events->wire, NULL);
	if (events->has_renderer)
		pthread_join(events->renderer, NULL);
	for (struct topic *next, *topic = events->topics; topic != NULL; topic = next) {
		next = topic->next;
		topic_free(topic);
	}
	if (events->listen_fd >= 0)
		close(events->listen_fd);
	if (events->wake_fd >= 0)
		close(events->wake_fd);
	pthread_mutex_destroy(&events->lock);
	free(events);
}
