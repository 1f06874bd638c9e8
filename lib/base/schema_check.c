#include "lib/base/schema_priv.h"

#include "lib/base/utf8.h"

/* A schema may try branches within branches: past so many rules a value is refused rather than checked for ever. */
enum { SAID_MAX = 600, STEPS_MAX = 5000000 };

unsigned type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:  return TYPE_OBJECT;
	case JSON_ARRAY:   return TYPE_ARRAY;
	case JSON_STRING:  return TYPE_STRING;
	case JSON_INTEGER: return TYPE_INTEGER | TYPE_NUMBER;
	case JSON_REAL:    return TYPE_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:   return TYPE_BOOLEAN;
	case JSON_NULL:    return TYPE_NULL;
	}
	return 0;
}

/* ", got VALUE", or nothing below a secret. */
static void say_got(const struct checking *at, struct buf *text, const json_t *value)
{
	if (at->is_hidden)
		return;
	IGNORE(buf_add_text(text, ", got ", NULL));
	say_value(text, value);
}

static void check_type(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	auto_buf text = BUF(SAID_MAX);

	say_types(&text, node->types);
	if (json_is_real(value) && (node->types & TYPE_INTEGER) != 0) {
		say_got(at, &text, value);
	} else {
		IGNORE(buf_add_text(&text, ", got ", NULL));
		say_kind(&text, value);
	}
	add_fault(at, place, "must be %s", text.data);
}

static bool is_equal_text(struct view a, struct view b)
{
	for (size_t i = 0; i < a.len && a.len == b.len; i++) {
		const unsigned char x = (unsigned char) a.ptr[i], y = (unsigned char) b.ptr[i];
		const bool          is_letter = (x | 0x20) >= 'a' && (x | 0x20) <= 'z';
		if (x != y && !(is_letter && (x ^ y) == 0x20))
			return false;
	}
	return a.len == b.len;
}

static bool is_equal(const struct node *node, const json_t *a, const json_t *b)
{
	if (node->ignore_case && json_is_string(a) && json_is_string(b))
		return is_equal_text((struct view) { json_string_value(a), json_string_length(a) },
		                     (struct view) { json_string_value(b), json_string_length(b) });
	return json_equal(a, b) != 0;
}

static void check_choices(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	auto_buf text = BUF(SAID_MAX);
	bool     is_one = false;

	for (size_t i = 0; !is_one && i < json_array_size(node->choices); i++)
		is_one = is_equal(node, value, json_array_get(node->choices, i));
	if (is_one)
		return;
	say_choices(&text, node->choices);
	say_got(at, &text, value);
	add_fault(at, place, "must be one of %s", text.data);
}

static void check_fixed(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	auto_buf text = BUF(SAID_MAX);

	if (is_equal(node, value, node->fixed))
		return;
	say_value(&text, node->fixed);
	say_got(at, &text, value);
	add_fault(at, place, "must be %s", text.data);
}

/* Exact for two integers; jansson's integers do not all fit a double. */
static int number_compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) - (json_integer_value(a) < json_integer_value(b));
	return (json_number_value(a) > json_number_value(b)) - (json_number_value(a) < json_number_value(b));
}

static void check_number(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	auto_buf text = BUF(SAID_MAX);

	if ((node->minimum == NULL || number_compare(value, node->minimum) >= 0)
	    && (node->maximum == NULL || number_compare(value, node->maximum) <= 0))
		return;
	if (node->minimum == NULL || node->maximum == NULL)
		IGNORE(buf_add_text(&text, node->minimum != NULL ? "at least " : "at most ", NULL));
	if (node->minimum != NULL)
		say_value(&text, node->minimum);
	if (node->minimum != NULL && node->maximum != NULL)
		IGNORE(buf_add_text(&text, " to ", NULL));
	if (node->maximum != NULL)
		say_value(&text, node->maximum);
	say_got(at, &text, value);
	add_fault(at, place, "must be %s", text.data);
}

static void check_pattern(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	auto_buf text = BUF(SAID_MAX);
	int      code;

	if (at->match == NULL)
		at->match = pcre2_match_data_create(1, NULL);
	if (at->match == NULL) {
		at->st = ST_NO_MEMORY;
		return;
	}
	code = pcre2_match(node->pattern, (PCRE2_SPTR) json_string_value(value), json_string_length(value), 0, 0, at->match,
	                   at->schema->limits);
	if (code >= 0)
		return;
	if (code == PCRE2_ERROR_NOMEMORY) {
		at->st = ST_NO_MEMORY;
		return;
	}
	say_got(at, &text, value);
	if (code == PCRE2_ERROR_NOMATCH)
		add_fault(at, place, "must match %s%s", node->pattern_text, text.data);
	else
		add_fault(at, place, "is too long or too intricate to compare with %s", node->pattern_text);
}

static void check_string(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	const struct view whole = { json_string_value(value), json_string_length(value) };
	const size_t      length = utf8_count(whole);

	if (length > node->length_max) {
		add_fault(at, place, "must be at most %zu character%s, got %zu", node->length_max,
		          node->length_max == 1 ? "" : "s", length);
		return;                         /* and no pattern runs over it */
	}
	if (length < node->length_min)
		add_fault(at, place, "must be at least %zu character%s, got %zu", node->length_min,
		          node->length_min == 1 ? "" : "s", length);
	else if (node->pattern != NULL)
		check_pattern(at, node, value, place);
	if (node->format != NULL && !node->format->is_valid(whole)) {
		auto_buf text = BUF(SAID_MAX);
		say_got(at, &text, value);
		add_fault(at, place, "must be %s%s", node->format->phrase, text.data);
	}
}

static void check_array(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	const size_t count = json_array_size(value);

	if (count > node->items_max)
		add_fault(at, place, "must have at most %zu item%s, got %zu", node->items_max,
		          node->items_max == 1 ? "" : "s", count);
	if (count < node->items_min)
		add_fault(at, place, "must have at least %zu item%s, got %zu", node->items_min,
		          node->items_min == 1 ? "" : "s", count);
	for (size_t i = 0; node->items != NULL && i < count; i++)
		check_value(at, node->items, json_array_get(value, i), &(struct place) { place, { "", 0 }, i });
}

static void check_extras(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	json_t *object = json_for_reading(value);

	for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
		const struct place here = { place, { json_object_iter_key(it), json_object_iter_key_len(it) }, NO_INDEX };
		bool               is_known = false;
		for (size_t i = 0; !is_known && i < node->property_count; i++)
			is_known = node->properties[i].len == here.name.len
			        && memcmp(node->properties[i].name, here.name.ptr, here.name.len) == 0;
		if (is_known)
			continue;
		if (node->extra == EXTRA_REFUSED)       /* only in a branch: elsewhere it is dropped by now */
			add_fault(at, &here, "is not expected here");
		else
			check_value(at, node->extra_node, json_object_iter_value(it), &here);
	}
}

/* What a member is called, as any other string. */
static void check_names(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	json_t *object = json_for_reading(value);

	for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
		const struct view  name = { json_object_iter_key(it), json_object_iter_key_len(it) };
		const struct place here = { place, name, NO_INDEX };
		auto_json         *text = json_stringn_nocheck(name.ptr, name.len);
		if (text == NULL)
			at->st = ST_NO_MEMORY;
		else
			check_value(at, node->names, text, &here);
	}
}

static void check_object(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	if (node->names != NULL)
		check_names(at, node, value, place);
	for (size_t i = 0; i < json_array_size(node->required); i++) {
		const json_t     *item = json_array_get(node->required, i);
		const struct view name = { json_string_value(item), json_string_length(item) };
		if (json_object_getn(value, name.ptr, name.len) == NULL)
			add_fault(at, &(struct place) { place, name, NO_INDEX }, "\"%s\" is required", name.ptr);
	}
	for (size_t i = 0; i < node->property_count; i++) {
		const struct property *property = &node->properties[i];
		const json_t          *member = json_object_getn(value, property->name, property->len);
		if (member != NULL)
			check_value(at, property->node, member,
			            &(struct place) { place, { property->name, property->len }, NO_INDEX });
	}
	if (node->extra == EXTRA_REFUSED || node->extra == EXTRA_CHECKED)
		check_extras(at, node, value, place);
}

/* Would it pass?  Nothing is said. */
static bool passes(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	struct checking trial = *at;

	trial.verdict = NULL;
	trial.faults = 0;
	check_value(&trial, node, value, place);
	at->match = trial.match;
	at->steps = trial.steps;
	at->st = trial.st;
	return trial.faults == 0;
}

/* Has value the type, the members and the fixed values that this branch is recognised by? */
static bool resembles(const struct node *node, const json_t *value)
{
	for (; node != NULL; node = node->ref) {
		if (node->types != 0 && (node->types & type_of(value)) == 0)
			return false;
		for (size_t i = 0; i < json_array_size(node->required); i++)
			if (json_object_get(value, json_string_value(json_array_get(node->required, i))) == NULL)
				return false;
		for (size_t i = 0; json_is_object(value) && i < node->property_count; i++) {
			const json_t *fixed = node->properties[i].node->fixed;
			const json_t *member = json_object_getn(value, node->properties[i].name, node->properties[i].len);
			if (fixed != NULL && member != NULL && !is_equal(node->properties[i].node, member, fixed))
				return false;
		}
	}
	return true;
}

/* None fits: name them all, and go into the one that was probably meant. */
static void explain_branches(struct checking *at, const struct branches *branches, const json_t *value,
                             const struct place *place)
{
	const struct node *meant = NULL;
	size_t             candidates = 0;
	auto_buf           text = BUF(SAID_MAX);

	if (at->verdict == NULL) {
		at->faults++;
		return;
	}
	say_alternatives(&text, branches);
	say_got(at, &text, value);
	add_fault(at, place, "must be one of: %s", text.data);
	for (size_t i = 0; i < branches->count; i++) {
		if (!resembles(branches->node[i], value))
			continue;
		meant = branches->node[i];
		candidates++;
	}
	if (candidates == 1)
		check_value(at, meant, value, place);
}

static void check_branches(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	size_t fitting = 0;

	for (size_t i = 0; i < node->all_of.count; i++)
		check_value(at, node->all_of.node[i], value, place);

	for (size_t i = 0; fitting == 0 && i < node->any_of.count; i++)
		fitting += passes(at, node->any_of.node[i], value, place);
	if (fitting == 0 && node->any_of.count > 0)
		explain_branches(at, &node->any_of, value, place);

	fitting = 0;
	for (size_t i = 0; i < node->one_of.count; i++)
		fitting += passes(at, node->one_of.node[i], value, place);
	if (fitting == 0 && node->one_of.count > 0)
		explain_branches(at, &node->one_of, value, place);
	if (fitting > 1) {
		auto_buf text = BUF(SAID_MAX);
		say_alternatives(&text, &node->one_of);
		add_fault(at, place, "must be only one of: %s, got what fits %zu of them", text.data, fitting);
	}

	if (node->none != NULL && passes(at, node->none, value, place)) {
		struct node   *none = node->none;
		auto_buf       text = BUF(SAID_MAX);
		say_alternatives(&text, &(struct branches) { &none, 1 });
		add_fault(at, place, "must not be %s", text.data);
	}
}

static void check_rules(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	if (node->types != 0 && (node->types & type_of(value)) == 0) {
		check_type(at, node, value, place);
		return;                         /* the other rules would only repeat it */
	}
	if (node->choices != NULL)
		check_choices(at, node, value, place);
	if (node->fixed != NULL)
		check_fixed(at, node, value, place);
	if (json_is_number(value))
		check_number(at, node, value, place);
	else if (json_is_string(value))
		check_string(at, node, value, place);
	else if (json_is_array(value))
		check_array(at, node, value, place);
	else if (json_is_object(value))
		check_object(at, node, value, place);
	check_branches(at, node, value, place);
}

void check_value(struct checking *at, const struct node *node, const json_t *value, const struct place *place)
{
	const bool was_hidden = at->is_hidden;

	if (++at->steps > STEPS_MAX) {
		at->st = ST_TOO_LARGE;
		return;
	}
	for (const struct node *rules = node; rules != NULL && at->st == ST_OK; rules = rules->ref)
		at->is_hidden = at->is_hidden || rules->is_secret;
	for (; node != NULL && at->st == ST_OK; node = node->ref) {
		if (at->verdict == NULL && at->faults > 0)
			break;                          /* a trial is over with its first fault */
		check_rules(at, node, value, place);
	}
	at->is_hidden = was_hidden;
}
