/* Bring a value into its schema's shape: names, order, defaults, and what is left out. */
#include "lib/base/schema_priv.h"

struct pick {
	const json_t *value;
	struct view   name;
};

struct member {
	struct view   name;
	const json_t *value;
};

static int member_compare(const void *a, const void *b)
{
	const struct view x = ((const struct member *) a)->name, y = ((const struct member *) b)->name;
	const int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);

	return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static bool is_same_name(struct view name, const struct property *property, bool *ret_exact)
{
	if (name.len != property->len)
		return false;
	*ret_exact = memcmp(name.ptr, property->name, name.len) == 0;
	for (size_t i = 0; !*ret_exact && i < name.len; i++)
		if (lower(name.ptr[i]) != lower(property->name[i]))
			return false;
	return true;
}

/* The property a member belongs to: an exact name before a similar one. */
static const struct property *property_of(const struct node *node, struct view name, bool *ret_exact)
{
	const struct property *similar = NULL;

	for (size_t i = 0; i < node->property_count; i++) {
		bool is_exact = false;
		if (!is_same_name(name, &node->properties[i], &is_exact))
			continue;
		if (is_exact) {
			*ret_exact = true;
			return &node->properties[i];
		}
		if (similar == NULL)
			similar = &node->properties[i];
	}
	*ret_exact = false;
	return similar;
}

static void note_unknown(struct checking *at, const struct place *place, struct view name)
{
	struct verdict *verdict = at->verdict;

	if (verdict->unknowns++ >= UNKNOWN_MAX)
		return;
	const char *pointer = place_text(at->arena, &(struct place) { place, name, NO_INDEX });
	verdict->unknown[verdict->unknowns - 1] = pointer;
	if (pointer == NULL)
		at->st = ST_NO_MEMORY;
}

/* Go's rule for members that are left out: what an encoder would call the zero value. */
bool value_is_empty(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:  return json_string_length(value) == 0;
	case JSON_ARRAY:   return json_array_size(value) == 0;
	case JSON_OBJECT:  return json_object_size(value) == 0;
	case JSON_INTEGER: return json_integer_value(value) == 0;
	case JSON_REAL:    return json_real_value(value) == 0;
	case JSON_TRUE:    return false;
	case JSON_FALSE:
	case JSON_NULL:    return true;
	}
	return false;
}

bool omits_empty(const struct node *node)
{
	while (node != NULL && !node->omit_empty)
		node = node->ref;
	return node != NULL;
}

/* What is empty but of another type is a fault, and stays to be found. */
static bool is_left_out(const struct node *node, const json_t *shaped)
{
	const unsigned types = node_types(node);

	return omits_empty(node) && value_is_empty(shaped) && (types == 0 || (types & type_of(shaped)) != 0);
}

static bool is_absent(const struct node *node, const json_t *value)
{
	return value == NULL || (json_is_null(value) && (node_types(node) & TYPE_NULL) == 0);
}

/* What stands for an absent member, owned; NULL when nothing does. */
static json_t *substitute(struct checking *at, const struct property *property)
{
	const json_t *dflt = node_default(property->node);
	json_t       *made = NULL;

	if (dflt != NULL) {
		made = json_deep_copy(dflt);
	} else {
		const struct node *shape = shape_node(property->node);
		bool               has_defaults = false;
		for (size_t i = 0; i < shape->property_count; i++)
			has_defaults = has_defaults || node_default(shape->properties[i].node) != NULL;
		if (!property->is_required || !has_defaults || node_types(property->node) != TYPE_OBJECT)
			return NULL;
		made = json_object();
	}
	if (made == NULL)
		at->st = ST_NO_MEMORY;
	return made;
}

/* Takes member, which may be NULL: nothing to put. */
static void put(struct checking *at, json_t *object, struct view name, json_t *member)
{
	if (member != NULL && json_object_setn_new_nocheck(object, name.ptr, name.len, member) != 0)
		at->st = ST_NO_MEMORY;
}

static void shape_property(struct checking *at, json_t *object, const struct property *property, const json_t *value,
                           const struct place *place)
{
	const struct place here = { place, { property->name, property->len }, NO_INDEX };
	auto_json         *made = NULL;

	if (is_absent(property->node, value)) {
		value = made = substitute(at, property);
		if (value == NULL)
			return;
	}
	json_t *shaped = shape_value(at, property->node, value, &here);
	if (shaped != NULL && is_left_out(property->node, shaped))
		json_decref(shaped);
	else
		put(at, object, here.name, shaped);
}

/* A name that is there and has no value keeps its place, as in a map of Go. */
static json_t *zero_text(struct checking *at)
{
	json_t *text = json_string("");

	if (text == NULL)
		at->st = ST_NO_MEMORY;
	return text;
}

/* Members without a property, in byte order of their names. */
static void shape_extras(struct checking *at, const struct node *node, json_t *object, struct member *extras, size_t count,
                         const struct place *place)
{
	qsort(extras, count, sizeof *extras, member_compare);
	for (size_t i = 0; at->st == ST_OK && i < count; i++) {
		const struct place here = { place, extras[i].name, NO_INDEX };
		if (node->extra != EXTRA_CHECKED)
			put(at, object, here.name, json_incref(json_for_reading(extras[i].value)));
		else if (!is_absent(node->extra_node, extras[i].value))
			put(at, object, here.name, shape_value(at, node->extra_node, extras[i].value, &here));
		else if (node_types(node->extra_node) == TYPE_STRING)
			put(at, object, here.name, zero_text(at));
	}
}

/* Sort the members of input into picks (one a property) and extras; what is neither is named as unknown. */
static size_t sort_members(struct checking *at, const struct node *node, const json_t *input, struct pick *picks,
                           struct member *extras, const struct place *place)
{
	const bool keeps = node->extra == EXTRA_KEPT || node->extra == EXTRA_CHECKED;
	json_t    *object = json_for_reading(input);
	size_t     count = 0;

	for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
		const struct view      name = { json_object_iter_key(it), json_object_iter_key_len(it) };
		bool                   is_exact = false;
		const struct property *property = property_of(node, name, &is_exact);
		if (property == NULL) {
			if (keeps)
				extras[count++] = (struct member) { name, json_object_iter_value(it) };
			else
				note_unknown(at, place, name);
			continue;
		}
		struct pick *pick = &picks[property - node->properties];
		if (pick->value != NULL)
			add_fault(at, &(struct place) { place, name, NO_INDEX }, "is the same member as \"%.*s\": case makes no difference",
			          (int) pick->name.len, pick->name.ptr);
		*pick = (struct pick) { json_object_iter_value(it), name };
	}
	return count;
}

static void fill_object(struct checking *at, const struct node *node, json_t *object, const json_t *input,
                        const struct place *place)
{
	struct pick   *picks = calloc(node->property_count + 1, sizeof *picks);
	struct member *extras = calloc(json_object_size(input) + 1, sizeof *extras);

	if (picks == NULL || extras == NULL) {
		at->st = ST_NO_MEMORY;
	} else {
		const size_t count = sort_members(at, node, input, picks, extras, place);
		for (size_t i = 0; at->st == ST_OK && i < node->property_count; i++)
			shape_property(at, object, &node->properties[i], picks[i].value, place);
		shape_extras(at, node, object, extras, count, place);
	}
	free(picks);
	free(extras);
}

static json_t *shape_object(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	if (node->property_count == 0 && (node->extra == EXTRA_BY_PROPERTIES || node->extra == EXTRA_KEPT))
		return json_incref(json_for_reading(value));          /* free-form: stays as it came */

	json_t *object = json_object();
	if (object == NULL)
		at->st = ST_NO_MEMORY;
	else
		fill_object(at, node, object, value, place);
	return object;
}

static json_t *shape_array(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	if (node->items == NULL)
		return json_incref(json_for_reading(value));

	json_t *array = json_array();
	if (array == NULL)
		at->st = ST_NO_MEMORY;
	for (size_t i = 0; at->st == ST_OK && i < json_array_size(value); i++) {
		const struct place here = { place, { "", 0 }, i };
		json_t            *item = shape_value(at, node->items, json_array_get(value, i), &here);
		if (item != NULL && json_array_append_new(array, item) != 0)
			at->st = ST_NO_MEMORY;
	}
	return array;
}

json_t *shape_value(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	json_t *shaped;

	if (at->st != ST_OK)
		return NULL;
	if (!json_is_object(value) && !json_is_array(value))
		return json_incref(json_for_reading(value));
	if (at->depth == JSON_DEPTH_MAX) {
		add_fault(at, place, "is nested deeper than %d", JSON_DEPTH_MAX);
		return NULL;
	}
	at->depth++;
	node = shape_node(node);
	shaped = json_is_object(value) ? shape_object(at, node, value, place) : shape_array(at, node, value, place);
	at->depth--;
	return shaped;
}
