/* What goes out on streams: bytes that many of them share. */
#include "host/api/events_priv.h"

#include "host/api/answer.h"
#include "host/api/status.h"

struct frame *frame_new(const char *before, struct view text, const char *after)
{
	const size_t  first = strlen(before), last = strlen(after);
	struct frame *frame = malloc(sizeof *frame + first + text.len + last);

	if (frame == NULL)
		return NULL;
	atomic_init(&frame->refs, 1);
	frame->len = first + text.len + last;
	frame->text_at = first;
	frame->text_len = text.len;
	memcpy(frame->data, before, first);
	memcpy(frame->data + first, text.ptr, text.len);
	memcpy(frame->data + first + text.len, after, last);
	return frame;
}

struct frame *frame_ref(struct frame *frame)
{
	atomic_fetch_add(&frame->refs, 1);
	return frame;
}

void frame_unref(struct frame *frame)
{
	if (frame != NULL && atomic_fetch_sub(&frame->refs, 1) == 1)
		free(frame);
}

struct frame *frame_fault(const struct error *fault, const char *id, bool is_problem)
{
	auto_buf  text = BUF(4096), answer = BUF(8192);
	const int code = status_http(fault->code);
	const struct verdict none = { .faults = 0 };

	enum status st = is_problem ? answer_problem(&text, code, fault, &none, id, NULL) : answer_text(&text, fault, &none, NULL);
	if (st == ST_OK)
		st = answer_bare(&answer, code, id, is_problem ? TYPE_PROBLEM : TYPE_TEXT, buf_view(&text), NULL);
	if (st != ST_OK)
		return NULL;
	return frame_new("", buf_view(&answer), "");
}

struct frame *frame_head(const char *id)
{
	char head[256];

	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX-Request-Id: %s\r\nContent-Type: text/event-stream\r\n"
	         "Cache-Control: no-store\r\nConnection: close\r\n\r\n", id);
	return frame_new(head, VIEW(""), "");
}

struct frame *frame_end(const char *why)
{
	return frame_new("event: end\ndata: ", view_of(why), "\n\n");
}
