/*
 * What Helm renders, or what a cache holds.  Objects have all that makes one, names are not shared, and their encoding
 * reads back as the same objects.
 */
#include "host/orchestrator/manifest.h"

#include "tests/fuzz/fuzz.h"

static bool view_same(struct view a, struct view b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static void check_round(const struct objects *objects)
{
	struct error   err;
	struct objects again;
	auto_arena     arena = ARENA(64 << 20);
	auto_buf       text = BUF(64 << 20);

	must(objects_encode(objects, &text, &err) == ST_OK);
	must(objects_decode(buf_view(&text), &arena, &again, &err) == ST_OK);
	must(again.count == objects->count);
	for (size_t i = 0; i < again.count; i++) {
		const struct object *a = &again.at[i], *b = &objects->at[i];
		must(a->phase == b->phase && a->is_secret == b->is_secret && view_same(a->name, b->name));
		must(view_same(a->api_version, b->api_version) && view_same(a->kind, b->kind));
		must(view_same(a->namespace_, b->namespace_) && view_same(a->events, b->events) && view_same(a->body, b->body));
	}
}

static void check_objects(const struct objects *objects)
{
	must(objects->count <= OBJECTS_MAX);
	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->at[i];
		json_t              *body = NULL;
		struct error         err;
		must(object->name.len > 0 && object->kind.len > 0 && object->api_version.len > 0);
		must(memchr(object->name.ptr, '/', object->name.len) == NULL);
		must(json_read(object->body, &body, &err) == ST_OK && json_is_object(body));
		json_decref(body);
		for (size_t k = 0; k < i && objects->count < 100; k++)
			must(!view_same(objects->at[k].name, object->name));
	}
	check_round(objects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view text = { (const char *) data, size };
	struct objects    objects = { NULL, 0 };
	struct error      err = { .code = ST_OK };
	auto_arena        arena = ARENA(64 << 20);

	if (objects_decode(text, &arena, &objects, &err) == ST_OK) {
		check_round(&objects);
		return 0;
	}
	must(err.text[0] != '\0');
	if (manifest_split(text, &arena, &objects, &err) == ST_OK)
		check_objects(&objects);
	else
		must(err.text[0] != '\0');
	return 0;
}
