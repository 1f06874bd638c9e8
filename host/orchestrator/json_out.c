#include "host/orchestrator/json_out.h"

#include <inttypes.h>

void out_raw(struct out *out, const char *text)
{
	if (out->st == ST_OK)
		out->st = buf_add_text(out->buf, text, out->err);
}

void out_bytes(struct out *out, struct view bytes)
{
	if (out->st == ST_OK)
		out->st = buf_add_view(out->buf, bytes, out->err);
}

void out_text(struct out *out, struct view text)
{
	if (out->st == ST_OK)
		out->st = buf_add_json(out->buf, text, out->err);
}

void out_number(struct out *out, int64_t number)
{
	if (out->st == ST_OK)
		out->st = buf_printf(out->buf, out->err, "%" PRId64, number);
}

void out_comma(struct out *out)
{
	const char last = out->buf->len > 0 ? out->buf->data[out->buf->len - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		out_raw(out, ",");
}

void out_key(struct out *out, const char *key)
{
	out_comma(out);
	out_raw(out, "\"");
	out_raw(out, key);
	out_raw(out, "\":");
}

void out_member(struct out *out, const char *key, struct view text)
{
	if (text.len == 0)
		return;
	out_key(out, key);
	out_text(out, text);
}

void out_id(struct out *out, const char *key, int64_t id)
{
	char text[24] = "";

	if (id != 0)
		snprintf(text, sizeof text, "%" PRId64, id);
	out_key(out, key);
	out_text(out, view_of(text));
}
