/* The set of types: copying rows in, sealing, finding. */
#include "host/registry/type_priv.h"

#include "lib/base/name.h"

#include <assert.h>

enum { TYPES_ARENA_MAX = 16 << 20, TYPES_MAX = 1024 };

/* A flag of a newer SDK may mean "secret": a row with one is refused, not read without it. */
static const uint32_t flags_known = EMCO_RESOURCE_PUT_201 | EMCO_RESOURCE_NO_PUT | EMCO_RESOURCE_PUT_OLD | EMCO_RESOURCE_SECRET
                                    | EMCO_RESOURCE_OWNER | EMCO_RESOURCE_EVENTS | EMCO_RESOURCE_PUT_200;

static enum status no_memory(struct error *err)
{
	return fail(err, ST_NO_MEMORY, "out of memory");
}

static enum status row_fault(const struct entry *entry, struct error *err)
{
	return fail_within(err, "resource type \"%s\" of \"%s\"", entry->type.row->name, entry->type.origin);
}

struct types *types_new(void)
{
	struct types *types = calloc(1, sizeof *types);

	if (types != NULL)
		arena_init(&types->arena, TYPES_ARENA_MAX);
	return types;
}

void types_free(struct types *types)
{
	if (types == NULL)
		return;
	for (size_t i = 0; i < types->count; i++)
		schema_free(types->entries[i]->type.schema);
	free(types->entries);
	free(types->slots);
	arena_done(&types->arena);
	free(types);
}

/* -- copying rows ---------------------------------------------------------------------------------------------------- */

/* Copy count structs of another age into an array of ours: the smaller size counts, the rest is zero. */
static void *copy_structs(struct types *types, const void *from, size_t from_size, size_t count, size_t our_size)
{
	char *to = arena_alloc(&types->arena, count, our_size);

	for (size_t i = 0; to != NULL && i < count; i++)
		memcpy(to + i * our_size, (const char *) from + i * from_size,
		       from_size < our_size ? from_size : our_size);
	return to;
}

/* Split at spaces into at most TYPE_VARIABLES_MAX names; the number there are. */
static size_t split(struct types *types, const char *words, const char **ret_words)
{
	size_t count = 0;

	for (;;) {
		words += strspn(words, " ");
		const size_t len = strcspn(words, " ");
		if (len == 0)
			return count;
		if (count < TYPE_VARIABLES_MAX)
			ret_words[count] = arena_copy(&types->arena, words, len);
		count++;
		words += len;
	}
}

/* Names and segments go into URLs, queries and messages as they are. */
static enum status check_word(const char *what, const char *word, struct error *err)
{
	if (word == NULL)
		return fail(err, ST_INVALID, "has no %s", what);
	if (!name_is_valid(view_of(word)))
		return fail(err, ST_INVALID, "%s must be letters, digits, \"-\", \"_\" and \".\", got \"%s\"", what,
		            word);
	return ST_OK;
}

static enum status copy_parts(struct types *types, struct entry *entry, struct error *err)
{
	emco_resource_type *row = &entry->row;

	if (row->reference_count > 0) {
		if (row->references == NULL || row->reference_size < offsetof(emco_reference, except))
			return fail(err, ST_INVALID, "references have no size, expected EMCO_REFERENCES(table)");
		row->references = copy_structs(types, row->references, row->reference_size, row->reference_count,
		                               sizeof(emco_reference));
		row->reference_size = sizeof(emco_reference);
		if (row->references == NULL)
			return no_memory(err);
	}
	if (row->file_count > 0) {
		if (row->files == NULL || row->file_size < offsetof(emco_file, check))
			return fail(err, ST_INVALID, "files have no size, expected EMCO_FILES(table)");
		row->files = copy_structs(types, row->files, row->file_size, row->file_count, sizeof(emco_file));
		row->file_size = sizeof(emco_file);
		if (row->files == NULL)
			return no_memory(err);
	}
	return ST_OK;
}

static enum status fill_names(struct types *types, struct entry *entry, struct error *err)
{
	const emco_resource_type *row = &entry->row;
	struct type              *type = &entry->type;
	const char *const variables = row->variables != NULL ? row->variables : row->name;
	const char *const names = row->names != NULL ? row->names : "metadata.name";

	type->variable_count = split(types, variables, type->variables);
	const size_t name_count = split(types, names, type->names);
	if (type->variable_count == 0 || type->variable_count > TYPE_VARIABLES_MAX)
		return fail(err, ST_INVALID, "must have 1 to %d variables, got \"%s\"", TYPE_VARIABLES_MAX, variables);
	if (name_count != type->variable_count)
		return fail(err, ST_INVALID, "names must say where %zu variables are, got \"%s\"", type->variable_count,
		            names);

	for (size_t i = 0; i < type->variable_count; i++) {
		if (type->variables[i] == NULL || type->names[i] == NULL)
			return no_memory(err);
		enum status st = check_word("a variable", type->variables[i], err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status check_row(const struct types *types, const emco_resource_type *row, struct error *err)
{
	enum status st = check_word("segment", row->segment, err);

	if (st != ST_OK)
		return st;
	if (row->schema == NULL)
		return fail(err, ST_INVALID, "has no schema");
	if (row->gauge != NULL && row->gauge[strspn(row->gauge, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return fail(err, ST_INVALID, "gauge must be lower-case letters, digits and \"_\", got \"%s\"", row->gauge);
	if ((row->flags & ~flags_known) != 0)
		return fail(err, ST_INVALID, "flags 0x%x are not known to this server", row->flags & ~flags_known);
	for (size_t i = 0; i < types->count; i++)
		if (strcmp(types->entries[i]->row.name, row->name) == 0)
			return fail(err, ST_INVALID, "\"%s\" already has a type of that name",
			            types->entries[i]->type.origin);
	if (types->count == TYPES_MAX)
		return fail(err, ST_INVALID, "is one too many, at most %d types", TYPES_MAX);
	return ST_OK;
}

static enum status append(struct types *types, struct entry *entry, struct error *err)
{
	if (types->count == types->capacity) {
		const size_t   capacity = types->capacity > 0 ? types->capacity * 2 : 64;
		struct entry **entries = reallocarray(types->entries, capacity, sizeof(struct entry *));
		if (entries == NULL)
			return no_memory(err);
		types->entries = entries;
		types->capacity = capacity;
	}
	types->entries[types->count++] = entry;
	return ST_OK;
}

static enum status add_row(struct types *types, const void *row, size_t row_size, const char *origin, struct error *err)
{
	struct entry *entry = arena_alloc(&types->arena, 1, sizeof *entry);

	if (entry == NULL)
		return no_memory(err);
	memcpy(&entry->row, row, row_size < sizeof entry->row ? row_size : sizeof entry->row);
	entry->type.row = &entry->row;
	entry->type.origin = origin;

	enum status st = check_word("name", entry->row.name, err);
	if (st != ST_OK)
		return fail_within(err, "a resource type of \"%s\"", origin);
	st = check_row(types, &entry->row, err);
	if (st == ST_OK)
		st = copy_parts(types, entry, err);
	if (st == ST_OK)
		st = fill_names(types, entry, err);
	if (st != ST_OK)
		return row_fault(entry, err);
	return append(types, entry, err);
}

enum status types_add(struct types *types, const emco_resource_type *rows, size_t row_size, size_t count,
                      const char *origin, struct error *err)
{
	assert(!types->is_sealed);
	origin = arena_text(&types->arena, origin);
	if (origin == NULL)
		return no_memory(err);
	if (count > 0 && row_size < offsetof(emco_resource_type, flags))
		return fail(err, ST_INVALID, "resource types of \"%s\": a row has %zu bytes, expected at least %zu",
		            origin, row_size, offsetof(emco_resource_type, flags));

	for (size_t i = 0; i < count; i++) {
		enum status st = add_row(types, (const char *) rows + i * row_size, row_size, origin, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* -- sealing --------------------------------------------------------------------------------------------------------- */

static struct entry *entry_named(const struct types *types, const char *name)
{
	for (size_t i = 0; i < types->count; i++)
		if (strcmp(types->entries[i]->row.name, name) == 0)
			return types->entries[i];
	return NULL;
}

/* A variable that an ancestor has too would make {variable} mean two things. */
static enum status check_variables(const struct entry *entry, struct error *err)
{
	for (const struct type *up = entry->type.parent; up != NULL; up = up->parent)
		for (size_t i = 0; i < up->variable_count; i++)
			for (size_t k = 0; k < entry->type.variable_count; k++)
				if (strcmp(up->variables[i], entry->type.variables[k]) == 0)
					return fail(err, ST_INVALID,
					            "variable \"%s\" is that of its ancestor \"%s\" too",
					            up->variables[i], up->row->name);
	return ST_OK;
}

/* Place the entry below its parent.  *ret_waits: the parent is not placed yet. */
static enum status place(const struct types *types, struct entry *entry, bool *ret_waits, struct error *err)
{
	const struct entry *parent = NULL;

	*ret_waits = false;
	if (entry->row.parent != NULL) {
		parent = entry_named(types, entry->row.parent);
		if (parent == NULL)
			return fail(err, ST_INVALID, "its parent \"%s\" is no type", entry->row.parent);
		if (!parent->is_placed) {
			*ret_waits = true;
			return ST_OK;
		}
		if (parent->depth + 1 >= TYPE_DEPTH_MAX)
			return fail(err, ST_INVALID, "lies deeper than %d levels", TYPE_DEPTH_MAX);
		entry->type.parent = &parent->type;
		entry->depth = parent->depth + 1;
	}
	entry->is_placed = true;
	return check_variables(entry, err);
}

/* Order the entries so that parents come first, otherwise as they were added. */
static enum status order(struct types *types, struct error *err)
{
	struct entry **ordered = arena_alloc(&types->arena, types->count + 1, sizeof(struct entry *));
	size_t         done = 0, before;

	if (ordered == NULL)
		return no_memory(err);
	do {
		before = done;
		for (size_t i = 0; i < types->count; i++) {
			struct entry *entry = types->entries[i];
			bool          waits;
			if (entry->is_placed)
				continue;
			if (place(types, entry, &waits, err) != ST_OK)
				return row_fault(entry, err);
			if (!waits)
				ordered[done++] = entry;
		}
	} while (done > before && done < types->count);

	for (size_t i = 0; i < types->count; i++)
		if (!types->entries[i]->is_placed) {
			fail(err, ST_INVALID, "is its own ancestor");
			return row_fault(types->entries[i], err);
		}
	if (done > 0)
		memcpy(types->entries, ordered, done * sizeof(struct entry *));
	return ST_OK;
}

static size_t hash_of(const void *scope, struct view key)
{
	uint64_t hash = 0xcbf29ce484222325u ^ ((uintptr_t) scope >> 4);

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char) key.ptr[i]) * 0x100000001b3u;
	return (size_t) (hash ^ hash >> 32);
}

/* The slot of the key, or the free one where it belongs. */
static struct slot *slot_of(const struct types *types, const void *scope, struct view key)
{
	const size_t mask = types->slot_count - 1;

	for (size_t i = hash_of(scope, key) & mask;; i = (i + 1) & mask) {
		struct slot *slot = &types->slots[i];
		if (slot->type == NULL)
			return slot;
		if (slot->scope == scope && slot->key.len == key.len && memcmp(slot->key.ptr, key.ptr, key.len) == 0)
			return slot;
	}
}

static enum status index_types(struct types *types, struct error *err)
{
	types->slot_count = 16;
	while (types->slot_count < types->count * 4)      /* two keys a type, at most half full */
		types->slot_count *= 2;
	types->slots = calloc(types->slot_count, sizeof(struct slot));
	if (types->slots == NULL)
		return no_memory(err);

	for (size_t i = 0; i < types->count; i++) {
		const struct entry *entry = types->entries[i];
		const struct view   segment = view_of(entry->row.segment), name = view_of(entry->row.name);

		struct slot *slot = slot_of(types, entry->type.parent, segment);
		if (slot->type != NULL) {
			fail(err, ST_INVALID, "route \"%s\" below \"%s\" is that of \"%s\" of \"%s\" already",
			     entry->row.segment, entry->row.parent != NULL ? entry->row.parent : "/v2",
			     slot->type->row->name, slot->type->origin);
			return row_fault(entry, err);
		}
		*slot = (struct slot) { entry->type.parent, segment, &entry->type };
		*slot_of(types, types, name) = (struct slot) { types, name, &entry->type };
	}
	return ST_OK;
}

enum status types_seal(struct types *types, struct error *err)
{
	assert(!types->is_sealed);
	enum status st = order(types, err);
	if (st == ST_OK)
		st = index_types(types, err);

	for (size_t i = 0; st == ST_OK && i < types->count; i++) {
		struct entry *entry = types->entries[i];
		st = references_compile(types, entry, err);
		if (st == ST_OK)
			st = schema_new(view_of(entry->row.schema), &entry->type.schema, err);
		if (st != ST_OK)
			return row_fault(entry, err);
	}
	types->is_sealed = st == ST_OK;
	return st;
}

/* -- finding --------------------------------------------------------------------------------------------------------- */

const struct type *types_lookup(const struct types *types, const void *scope, struct view key)
{
	return slot_of(types, scope, key)->type;
}

size_t types_count(const struct types *types)
{
	return types->count;
}

const struct type *types_at(const struct types *types, size_t index)
{
	assert(index < types->count);
	return &types->entries[index]->type;
}

const struct type *types_find(const struct types *types, struct view name)
{
	assert(types->slots != NULL);
	return types_lookup(types, types, name);
}

const emco_file *type_file(const struct type *type, struct view part)
{
	for (size_t i = 0; i < type->row->file_count; i++)
		if (view_is(part, type->row->files[i].part))
			return &type->row->files[i];
	return NULL;
}

bool type_needs_form(const struct type *type)
{
	for (size_t i = 0; i < type->row->file_count; i++)
		if ((type->row->files[i].flags & EMCO_FILE_REQUIRED) != 0)
			return true;
	return false;
}
