/*
 * The body of a POST: a byte that chooses one of the host's types, or "*" for each, then the document.  What its schema accepts is accepted
 * again unchanged, can be written, and gives a path and references, or a fault with words.
 */
#include "host/resources/resources.h"

#include "tests/fuzz/fuzz.h"

static struct types *host_types(void)
{
	static struct types *types;
	struct error         err;

	if (types != NULL)
		return types;
	types = types_new();
	must(types != NULL && resources_types(types, &err) == ST_OK && types_seal(types, &err) == ST_OK);
	return types;
}

/* "projects/n/composite-apps/n/n": of a resource of that type, or nothing. */
static const char *parent_path(struct arena *arena, const struct type *type)
{
	if (type == NULL)
		return "";
	const char *above = parent_path(arena, type->parent);
	const char *path = arena_printf(arena, "%s%s%s", above, *above == '\0' ? "" : "/", type->row->segment);
	for (size_t i = 0; path != NULL && i < type->variable_count; i++)
		path = arena_printf(arena, "%s/n", path);
	must(path != NULL);
	return path;
}

static void check_document(const struct types *types, const struct type *type, const json_t *document)
{
	struct error      err = { .code = ST_OK };
	struct verdict    verdict;
	struct view       path, name, *references = NULL;
	size_t            count = 0;
	auto_json        *again = NULL, *read = NULL;
	auto_buf          text = BUF(64 << 20);
	auto_arena        arena = ARENA(16 << 20);

	must(schema_check(type->schema, document, &arena, &verdict, &again, &err) == ST_OK);
	must(json_equal(document, again));
	must(json_write(&text, document, &err) == ST_OK);
	must(json_read(buf_view(&text), &read, &err) == ST_OK && json_equal(document, read));
	if (type_item_path(type, view_of(parent_path(&arena, type->parent)), document, &arena, &path, &name, &err) != ST_OK) {
		must(*err.text != '\0');
		return;
	}
	must(path.len > name.len && name.len > 0);
	if (type_references(types, type, path, document, &arena, &references, &count, &err) != ST_OK)
		must(*err.text != '\0');
	else
		must(count <= REFERENCES_MAX);
}

static void check_input(const struct types *types, const struct type *type, const json_t *input)
{
	struct error   err = { .code = ST_OK };
	struct verdict verdict;
	auto_json     *document = NULL;
	auto_arena     arena = ARENA(16 << 20);

	if (schema_check(type->schema, input, &arena, &verdict, &document, &err) == ST_OK)
		check_document(types, type, document);
	else
		must(*err.text != '\0' && (err.code != ST_INVALID || verdict.faults > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct types *types = host_types();
	struct error        err = { .code = ST_OK };
	auto_json          *input = NULL;

	if (size == 0)
		return 0;
	if (json_read((struct view) { (const char *) data + 1, size - 1 }, &input, &err) != ST_OK) {
		must(*err.text != '\0');
		return 0;
	}
	for (size_t i = 0; i < types_count(types); i++)
		if (data[0] == '*' || data[0] % types_count(types) == i)
			check_input(types, types_at(types, i), input);
	return 0;
}
