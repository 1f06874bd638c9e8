#include "host/orchestrator/object.h"

#include "emco/app_context.h"

#include <inttypes.h>

/* A line of numbers per object, its lengths first, then the bytes: decoding copies nothing and parses no JSON. */
static const char magic[] = "objects/1 ";

enum { FIELDS = 6 };

static void fields_of(struct object *object, struct view *field[FIELDS])
{
	field[0] = &object->name;
	field[1] = &object->api_version;
	field[2] = &object->kind;
	field[3] = &object->namespace_;
	field[4] = &object->events;
	field[5] = &object->body;
}

struct view object_group(struct view api_version)
{
	const char *slash = memchr(api_version.ptr, '/', api_version.len);

	if (slash == NULL)
		return VIEW("");
	return (struct view) { api_version.ptr, (size_t) (slash - api_version.ptr) };
}

struct view object_version(struct view api_version)
{
	const char *slash = memchr(api_version.ptr, '/', api_version.len);

	if (slash == NULL)
		return api_version;
	const size_t skip = (size_t) (slash - api_version.ptr) + 1;
	return (struct view) { api_version.ptr + skip, api_version.len - skip };
}

struct view object_plain_name(struct view name)
{
	size_t len = name.len;

	while (len > 0 && name.ptr[len - 1] != '+')
		len--;
	name.len = len > 0 ? len - 1 : name.len;

	len = name.len;
	while (len > 0 && name.ptr[len - 1] >= '0' && name.ptr[len - 1] <= '9')
		len--;
	if (len > 1 && len < name.len && name.ptr[len - 1] == '~')
		name.len = len - 1;
	return name;
}

bool object_is_brought(int phase, struct view events)
{
	static const char *const bringing[] = { "install", "upgrade" };       /* before or after it */

	if (phase != EMCO_PHASE_HOOK || events.len == 0)
		return phase != EMCO_PHASE_HOOK;
	for (size_t i = 0; i < ARRAY_LEN(bringing); i++)
		if (memmem(events.ptr, events.len, bringing[i], strlen(bringing[i])) != NULL)
			return true;
	return false;
}

bool object_hook_is_of(struct view events, const char *event)
{
	const char *end = events.ptr + events.len;

	for (const char *at = events.ptr, *stop; events.len > 0 && at < end; at = stop + 1) {
		const char *comma = memchr(at, ',', (size_t) (end - at));
		stop = comma != NULL ? comma : end;
		const char *dash = memchr(at, '-', (size_t) (stop - at));
		if (dash != NULL && view_is((struct view) { dash + 1, (size_t) (stop - dash - 1) }, event))
			return true;
	}
	return false;
}

enum status objects_encode(const struct objects *objects, struct buf *out, struct error *err)
{
	enum status st = buf_printf(out, err, "%s%zu\n", magic, objects->count);

	for (size_t i = 0; st == ST_OK && i < objects->count; i++) {
		struct object object = objects->at[i];
		struct view  *field[FIELDS];
		fields_of(&object, field);
		st = buf_printf(out, err, "%d %d %zu %zu %zu %zu %zu %zu\n", object.phase, object.is_secret ? 1 : 0,
		                field[0]->len, field[1]->len, field[2]->len, field[3]->len, field[4]->len, field[5]->len);
		for (size_t f = 0; st == ST_OK && f < FIELDS; f++)
			st = buf_add_view(out, *field[f], err);
	}
	return st;
}

/* A number and the one byte after it. */
static bool take_number(struct view *text, char after, size_t *ret_number)
{
	size_t number = 0, at = 0;

	while (at < text->len && at < 10 && text->ptr[at] >= '0' && text->ptr[at] <= '9')
		number = number * 10 + (size_t) (text->ptr[at++] - '0');
	if (at == 0 || at == text->len || text->ptr[at] != after)
		return false;
	text->ptr += at + 1;
	text->len -= at + 1;
	*ret_number = number;
	return true;
}

static bool decode_one(struct view *text, struct object *object)
{
	size_t       phase, secret, len[FIELDS];
	struct view *field[FIELDS];

	if (!take_number(text, ' ', &phase) || !take_number(text, ' ', &secret))
		return false;
	for (size_t f = 0; f < FIELDS; f++)
		if (!take_number(text, f + 1 < FIELDS ? ' ' : '\n', &len[f]))
			return false;

	object->phase = (int) phase;
	object->is_secret = secret != 0;
	fields_of(object, field);
	for (size_t f = 0; f < FIELDS; f++) {
		if (len[f] > text->len)
			return false;
		*field[f] = (struct view) { text->ptr, len[f] };
		text->ptr += len[f];
		text->len -= len[f];
	}
	return true;
}

enum status objects_decode(struct view text, struct arena *arena, struct objects *ret_objects, struct error *err)
{
	struct objects objects = { NULL, 0 };

	if (text.len < sizeof magic - 1 || memcmp(text.ptr, magic, sizeof magic - 1) != 0)
		return fail(err, ST_MALFORMED, "no list of objects");
	text.ptr += sizeof magic - 1;
	text.len -= sizeof magic - 1;
	if (!take_number(&text, '\n', &objects.count) || objects.count > OBJECTS_MAX)
		return fail(err, ST_MALFORMED, "no count of objects");

	objects.at = arena_alloc(arena, objects.count + 1, sizeof *objects.at);
	if (objects.at == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < objects.count; i++)
		if (!decode_one(&text, &objects.at[i]))
			return fail(err, ST_MALFORMED, "object %zu ends early", i);
	if (text.len != 0)
		return fail(err, ST_MALFORMED, "text after the last object");
	*ret_objects = objects;
	return ST_OK;
}
