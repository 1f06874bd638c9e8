/* References: rules compiled from a row, and the paths that a document refers to by them. */
#include "host/registry/type_priv.h"

#include "lib/base/name.h"

enum { GATHERED_MAX = 16 * REFERENCES_MAX, TARGET_MAX = 2 * TYPE_PARTS_MAX * (NAME_LEN_MAX + 1) };

/* -- compiling ------------------------------------------------------------------------------------------------------- */

/* Where {variable} stands in the type's own path, counted in parts; false: it does not. */
static bool position_of(const struct type *type, struct view variable, size_t *ret_position)
{
	for (; type != NULL; type = type->parent)
		for (size_t i = 0; i < type->variable_count; i++) {
			if (!view_is(variable, type->variables[i]))
				continue;
			*ret_position = 1 + i;
			for (const struct type *up = type->parent; up != NULL; up = up->parent)
				*ret_position += 1 + up->variable_count;
			return true;
		}
	return false;
}

static enum status compile_hole(const struct entry *entry, const struct rule *rule, struct view hole, struct part *part,
                                struct error *err)
{
	*part = (struct part) { .text = hole };
	if (view_is(hole, "*")) {
		if (rule->walk != WALK_EVERY_NAME)
			return fail(err, ST_INVALID, "{*} needs a place that ends in \".*\"");
		part->kind = PART_NAME;
	} else if (hole.len > 1 && hole.ptr[0] == '.') {
		if (rule->walk == WALK_EVERY_NAME)
			return fail(err, ST_INVALID, "{%.*s} needs an object, and \".*\" finds names", (int) hole.len,
			            hole.ptr);
		part->kind = PART_MEMBER;
		part->text = (struct view) { hole.ptr + 1, hole.len - 1 };
	} else {
		part->kind = PART_VARIABLE;
		if (!position_of(&entry->type, hole, &part->position))
			return fail(err, ST_INVALID, "{%.*s} is no variable of its path", (int) hole.len, hole.ptr);
	}
	return ST_OK;
}

static enum status compile_target(const struct entry *entry, struct rule *rule, const char *target, struct error *err)
{
	while (*target != '\0') {
		struct part *part = &rule->parts[rule->part_count++];
		const size_t text = strcspn(target, "{");
		if (text > 0) {
			*part = (struct part) { .kind = PART_TEXT, .text = { target, text } };
			target += text;
			continue;
		}
		const char *end = strchr(target, '}');
		if (end == NULL)
			return fail(err, ST_INVALID, "a \"{\" without its \"}\"");
		enum status st =
			compile_hole(entry, rule, (struct view) { target + 1, (size_t) (end - target) - 1 }, part, err);
		if (st != ST_OK)
			return st;
		target = end + 1;
	}
	return ST_OK;
}

static enum status compile(struct types *types, const struct entry *entry, const emco_reference *reference,
                           struct rule *rule, struct error *err)
{
	const char *at = reference->at != NULL ? reference->at : "";
	size_t      len = strlen(at);

	if (reference->target == NULL || *reference->target == '\0')
		return fail(err, ST_INVALID, "a reference without a target");
	rule->except = reference->except != NULL ? reference->except : "";
	if (len >= 2 && strcmp(at + len - 2, "**") == 0) {
		rule->walk = WALK_EVERY_OBJECT;
		len -= 2;
	} else if (len >= 1 && at[len - 1] == '*') {
		rule->walk = WALK_EVERY_NAME;
		len -= 1;
	}
	if (len > 0 && at[len - 1] == '.')
		len--;
	rule->at = arena_copy(&types->arena, at, len);
	rule->parts = arena_alloc(&types->arena, strlen(reference->target), sizeof(struct part));
	if (rule->at == NULL || rule->parts == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return compile_target(entry, rule, reference->target, err);
}

enum status references_compile(struct types *types, struct entry *entry, struct error *err)
{
	if (entry->row.reference_count == 0)
		return ST_OK;
	entry->rules = arena_alloc(&types->arena, entry->row.reference_count, sizeof(struct rule));
	if (entry->rules == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	entry->rule_count = entry->row.reference_count;
	for (size_t i = 0; i < entry->rule_count; i++) {
		const emco_reference *reference = &entry->row.references[i];
		enum status           st = compile(types, entry, reference, &entry->rules[i], err);
		if (st != ST_OK)
			return fail_within(err, "reference \"%s\"", reference->target != NULL ? reference->target : "");
	}
	return ST_OK;
}

/* -- collecting ------------------------------------------------------------------------------------------------------ */

/* What is being gathered from one document. */
struct gathering {
	struct view   own[TYPE_PARTS_MAX];      /* the parts of the resource's own path                       */
	size_t        own_count;
	struct arena *arena;
	struct view  *paths;                    /* at the end in byte order: a stable order for locks, too    */
	size_t        count, room;
	struct buf    path;                     /* the one being built                                        */
	struct error *err;
};

static int by_path(const void *a, const void *b)
{
	return view_order(a, b);
}

static enum status too_many(struct error *err)
{
	fail(err, ST_TOO_LARGE, "refers to more than %d resources", REFERENCES_MAX);
	return fail_hint(err, "Name many clusters by a label.");
}

/* In order, each once. */
static enum status settle(struct gathering *g)
{
	size_t kept = 0;

	if (g->count > 1)
		qsort(g->paths, g->count, sizeof *g->paths, by_path);
	for (size_t i = 0; i < g->count; i++)
		if (kept == 0 || view_order(&g->paths[kept - 1], &g->paths[i]) != 0)
			g->paths[kept++] = g->paths[i];
	g->count = kept;
	return kept > REFERENCES_MAX ? too_many(g->err) : ST_OK;
}

/* Keep the path that was built.  Some come again and again: how many there are is only known at the end. */
static enum status keep(struct gathering *g)
{
	if (g->count == GATHERED_MAX)
		return too_many(g->err);
	const char *copy = arena_copy(g->arena, g->path.data, g->path.len);
	if (copy == NULL || !arena_grow(g->arena, &g->paths, g->count, 1, &g->room, sizeof *g->paths))
		return fail(g->err, ST_NO_MEMORY, "out of memory");
	g->paths[g->count++] = (struct view) { copy, g->path.len };
	return ST_OK;
}

static bool is_excepted(const char *except, const char *name)
{
	while (*except != '\0') {
		except += strspn(except, " ");
		const size_t len = strcspn(except, " ");
		if (len > 0 && strlen(name) == len && memcmp(except, name, len) == 0)
			return true;
		except += len;
	}
	return false;
}

static struct view text_of(const struct gathering *g, const struct part *part, const json_t *object, const char *name)
{
	switch (part->kind) {
	case PART_VARIABLE:
		return part->position < g->own_count ? g->own[part->position] : VIEW("");
	case PART_MEMBER: {
		const json_t *member = json_object_getn(object, part->text.ptr, part->text.len);
		if (!json_is_string(member))
			return VIEW("");
		return (struct view) { json_string_value(member), json_string_length(member) };
	}
	case PART_NAME:
		return view_of(name);
	case PART_TEXT:
		break;
	}
	return part->text;
}

/* Build the target for one object or name.  A value that is no name can name nothing: then there is no reference. */
static enum status refer(struct gathering *g, const struct rule *rule, const json_t *object, const char *name)
{
	buf_clear(&g->path);
	for (size_t i = 0; i < rule->part_count; i++) {
		const struct part *part = &rule->parts[i];
		const struct view  text = text_of(g, part, object, name);
		if (part->kind != PART_TEXT && !name_is_valid(text))
			return ST_OK;
		enum status st = buf_add_view(&g->path, text, g->err);
		if (st != ST_OK)
			return st;
	}
	return keep(g);
}

/* The value itself if it is an object, and the objects of an array; with everything below when is_deep. */
static enum status refer_objects(struct gathering *g, const struct rule *rule, json_t *value, bool is_deep)
{
	enum status st = ST_OK;

	if (json_is_object(value)) {
		const char *name;
		json_t     *member;
		st = refer(g, rule, value, NULL);
		if (is_deep)
			json_object_foreach(value, name, member) {
				if (st != ST_OK)
					break;
				st = refer_objects(g, rule, member, true);
			}
	} else if (json_is_array(value)) {
		for (size_t i = 0; st == ST_OK && i < json_array_size(value); i++) {
			json_t *element = json_array_get(value, i);
			if (is_deep || json_is_object(element))
				st = refer_objects(g, rule, element, is_deep);
		}
	}
	return st;
}

static enum status refer_names(struct gathering *g, const struct rule *rule, json_t *object)
{
	const char *name;
	json_t     *member;

	json_object_foreach(object, name, member) {
		if (is_excepted(rule->except, name))
			continue;
		enum status st = refer(g, rule, object, name);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status gather(struct gathering *g, const struct entry *entry, const json_t *document)
{
	for (size_t i = 0; i < entry->rule_count; i++) {
		const struct rule *rule = &entry->rules[i];
		json_t            *found = json_at(document, rule->at);
		enum status        st = rule->walk == WALK_EVERY_NAME
		                            ? refer_names(g, rule, found)
		                            : refer_objects(g, rule, found, rule->walk == WALK_EVERY_OBJECT);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status type_references(const struct types *types, const struct type *type, struct view path,
                            const json_t *document, struct arena *arena, struct view **ret_paths, size_t *ret_count,
                            struct error *err)
{
	const struct entry *entry = entry_of(type);
	struct gathering    g = { .arena = arena, .err = err };
	struct view         part;

	(void) types;              /* a sealed type knows all it needs */
	while (g.own_count < TYPE_PARTS_MAX && path_take(&path, &part))
		g.own[g.own_count++] = part;
	buf_init(&g.path, TARGET_MAX);
	enum status st = gather(&g, entry, document);
	buf_done(&g.path);
	if (st == ST_OK)
		st = settle(&g);
	if (st != ST_OK)
		return st;
	*ret_paths = g.paths;
	*ret_count = g.count;
	return ST_OK;
}
