/*
 * watch_stream.c - the events of a watch, a line each, from the last version that is known on.
 */
#include "lib/kube/watch_priv.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"

enum { LINE_KEEP_BYTES = 64 << 10, STREAM_S = 290 };

static bool end_stream(struct kube_watch *watch, const char *why)
{
	utf8_line(watch->why, sizeof watch->why, view_of(why));
	return false;
}

static bool take_error(struct kube_watch *watch, const json_t *status)
{
	watch->is_expired = json_int_at(status, "code", 0) == 410 || view_is(json_text_at(status, "reason"), "Expired") ||
	                    view_is(json_text_at(status, "reason"), "Gone");
	char *message = strdup(json_string_at(status, "message"));
	if (message != NULL)
		call_hide_credential(watch->call, message, strlen(message));
	end_stream(watch, message != NULL && message[0] != '\0' ? message : "the server ends the watch and does not say why");
	free(message);
	return false;
}

static bool take_line(struct kube_watch *watch, struct view line)
{
	static const struct { const char *type; enum kube_event event; } types[] = {
		{ "ADDED", KUBE_ADDED }, { "MODIFIED", KUBE_MODIFIED }, { "DELETED", KUBE_REMOVED },
	};
	auto_json *entry = NULL;

	if (line.len == 0)
		return true;
	if (json_read(line, &entry, NULL) != ST_OK)
		return end_stream(watch, "the server's watch sends what is no JSON");
	const struct view type = json_text_at(entry, "type");
	const json_t     *object = json_object_get(entry, "object");
	if (view_is(type, "ERROR"))
		return take_error(watch, object);
	if (!json_is_object(object) || !watch_note_version(watch, object, "metadata.resourceVersion"))
		return end_stream(watch, "the server's watch sends what is no object");
	watch->is_resumed = false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (view_is(type, types[i].type))
			watch->seen(watch->data, types[i].event, object, "");
	return true;
}

static bool on_bytes(void *data, struct view bytes)
{
	struct kube_watch *watch = data;
	const char        *at = bytes.ptr, *const end = bytes.ptr + bytes.len, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t) (end - at))) != NULL) {
		struct view line = { at, (size_t) (newline - at) };
		at = newline + 1;
		if (watch->line.len > 0) {
			if (buf_add_view(&watch->line, line, NULL) != ST_OK)
				return end_stream(watch, "the server's watch sends an event that is too large");
			line = buf_view(&watch->line);
		}
		const bool is_good = take_line(watch, line);
		if (watch->line.cap > LINE_KEEP_BYTES)
			buf_done(&watch->line);
		else
			buf_clear(&watch->line);
		if (!is_good)
			return false;
	}
	if (buf_add(&watch->line, at, (size_t) (end - at), NULL) != ST_OK)
		return end_stream(watch, "the server's watch sends an event that is too large");
	return true;
}

static void list_again(struct kube_watch *watch)
{
	const bool is_quick = clock_ns() - watch->started_ns < WATCH_SECOND_NS;

	watch_say_lost(watch, "the server no longer has the history since the last event; listing again");
	watch_go_on_at(watch, is_quick ? watch_next_try_ns(watch) : clock_ns());
}

/* Once without a word is an accident, and resumed; twice is a loss. */
static void resume(struct kube_watch *watch, const char *why)
{
	const bool was_long = clock_ns() - watch->started_ns >= WATCH_SECOND_NS;

	if (watch->is_resumed && !was_long) {
		watch_lose(watch, why);
		return;
	}
	watch->is_resumed = true;
	watch_go_on_at(watch, was_long ? clock_ns() : clock_ns() + jittered(WATCH_PAUSE_MIN_NS / 2));
}

static void stream_ended(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct kube_watch   *watch = data;
	struct answer_status status;
	char                 why[sizeof watch->why];

	watch->call = NULL;
	if (st == ST_OK && answer->code != 200) {
		answer_read(answer, &status);
		if (answer->code == 410) {
			list_again(watch);
			return;
		}
		if (answer_outcome(&status) == KUBE_UNKNOWN_KIND)
			watch->found.plural[0] = '\0';
		watch_lose(watch, status.message);
	} else if (watch->is_expired) {
		list_again(watch);
	} else if (watch->why[0] != '\0') {
		snprintf(why, sizeof why, "%s", watch->why);
		watch_lose(watch, why);
	} else {
		if (st != ST_OK)
			error_line(err, why);
		resume(watch, st == ST_OK ? "the server ends every watch at once" : why);
	}
}

void watch_stream(struct kube_watch *watch)
{
	auto_buf     path = BUF(COLLECTION_PATH_MAX);
	struct error err;
	enum status  st = path_write_query(&path, view_of(watch->api_version), watch->found.plural,
	                                    "?watch=true&allowWatchBookmarks=true", watch->selector, &err);

	if (st == ST_OK)
		st = buf_printf(&path, &err, "&timeoutSeconds=%d&resourceVersion=", STREAM_S);
	if (st == ST_OK)
		st = path_add_escaped(&path, view_of(watch->version), &err);
	buf_clear(&watch->line);
	watch->is_expired = false;
	watch->why[0] = '\0';
	watch->started_ns = clock_ns();
	watch_start_call(watch, &path, st, watch->started_ns + (STREAM_S + 20) * WATCH_SECOND_NS, on_bytes, stream_ended);
}
