/* What a fault says: where, what was expected, what was found. */
#include "lib/base/schema_priv.h"

#include "lib/base/utf8.h"

enum { POINTER_MAX = 1024, TEXT_MAX = 1024, QUOTED_POINTS = 40, CHOICES_SAID = 16 };

static void add_place(struct buf *text, const struct place *place)
{
	if (place->up == NULL)
		return;
	add_place(text, place->up);
	if (place->index != NO_INDEX) {
		IGNORE(buf_printf(text, NULL, "/%zu", place->index));
		return;
	}
	IGNORE(buf_add(text, "/", 1, NULL));
	for (size_t i = 0; i < place->name.len; i++) {
		const char c = place->name.ptr[i];
		if (c == '~' || c == '/')
			IGNORE(buf_add_text(text, c == '~' ? "~0" : "~1", NULL));
		else
			IGNORE(buf_add(text, &c, 1, NULL));
	}
}

/* Cut before half a character: the text goes into JSON answers. */
static const char *keep(struct arena *arena, struct buf *text)
{
	for (int cut = 0; cut < 3 && !utf8_is_valid(buf_view(text)); cut++)
		buf_cut(text, text->len - 1);
	return arena_copy(arena, text->data, text->len);
}

const char *place_text(struct arena *arena, const struct place *place)
{
	auto_buf text = BUF(POINTER_MAX);

	add_place(&text, place);
	return keep(arena, &text);
}

void add_fault(struct checking *at, const struct place *place, const char *fmt, ...)
{
	auto_buf text = BUF(TEXT_MAX);
	va_list  args;

	at->faults++;
	if (at->verdict == NULL || at->verdict->faults++ >= FAULTS_MAX)
		return;

	char *to = buf_room(&text, TEXT_MAX, NULL);
	if (to == NULL) {
		at->st = ST_NO_MEMORY;
		return;
	}
	va_start(args, fmt);
	const int n = vsnprintf(to, TEXT_MAX + 1, fmt, args);
	va_end(args);
	text.len = n < 0 ? 0 : n > TEXT_MAX ? TEXT_MAX : (size_t) n;

	struct fault *fault = &at->verdict->fault[at->verdict->faults - 1];
	*fault = (struct fault) { place_text(at->arena, place), keep(at->arena, &text) };
	if (fault->field == NULL || fault->text == NULL)
		at->st = ST_NO_MEMORY;
}

void say_kind(struct buf *text, const json_t *value)
{
	static const char *const kinds[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "a boolean", [JSON_FALSE] = "a boolean", [JSON_NULL] = "null",
	};

	IGNORE(buf_add_text(text, kinds[json_typeof(value)], NULL));
}

void say_value(struct buf *text, const json_t *value)
{
	if (json_is_object(value) || json_is_array(value)) {
		say_kind(text, value);
		return;
	}
	if (!json_is_string(value)) {
		IGNORE(json_write(text, value, NULL));
		return;
	}

	const struct view whole = { json_string_value(value), json_string_length(value) };
	const struct view some = utf8_cut(whole, QUOTED_POINTS);
	IGNORE(buf_add(text, "\"", 1, NULL));
	for (size_t i = 0; i < some.len; i++) {
		const char c = (unsigned char) some.ptr[i] < ' ' ? ' ' : some.ptr[i];
		IGNORE(buf_add(text, &c, 1, NULL));
	}
	IGNORE(buf_add_text(text, some.len < whole.len ? "...\"" : "\"", NULL));
}

void say_types(struct buf *text, unsigned types)
{
	bool is_first = true;

	for (size_t i = 0; i < type_word_count; i++) {
		if ((types & type_words[i].bit) == 0)
			continue;
		IGNORE(buf_printf(text, NULL, "%s%s", is_first ? "" : " or ", type_words[i].phrase));
		is_first = false;
	}
}

void say_choices(struct buf *text, const json_t *choices)
{
	const size_t count = json_array_size(choices);

	for (size_t i = 0; i < count && i < CHOICES_SAID; i++) {
		IGNORE(buf_add_text(text, i > 0 ? ", " : "", NULL));
		say_value(text, json_array_get(choices, i));
	}
	if (count > CHOICES_SAID)
		IGNORE(buf_add_text(text, ", ...", NULL));
}

/* By its title, else by the first thing that tells it from others. */
static void say_node(struct buf *text, const struct node *node, size_t number)
{
	while (node->ref != NULL && node->title == NULL)
		node = node->ref;
	if (node->title != NULL) {
		IGNORE(buf_add_text(text, node->title, NULL));
	} else if (node->fixed != NULL) {
		say_value(text, node->fixed);
	} else if (node->choices != NULL) {
		say_choices(text, node->choices);
	} else if (json_array_size(node->required) > 0) {
		IGNORE(buf_add_text(text, "an object with ", NULL));
		say_choices(text, node->required);
	} else if (node->types != 0) {
		say_types(text, node->types);
	} else {
		IGNORE(buf_printf(text, NULL, "alternative %zu", number));
	}
}

void say_alternatives(struct buf *text, const struct branches *branches)
{
	for (size_t i = 0; i < branches->count; i++) {
		IGNORE(buf_add_text(text, i > 0 ? "; " : "", NULL));
		say_node(text, branches->node[i], i + 1);
	}
}

const struct type_word type_words[] = {
	{ "null",    TYPE_NULL,    "null"       },
	{ "boolean", TYPE_BOOLEAN, "a boolean"  },
	{ "integer", TYPE_INTEGER, "an integer" },
	{ "number",  TYPE_NUMBER,  "a number"   },
	{ "string",  TYPE_STRING,  "a string"   },
	{ "array",   TYPE_ARRAY,   "an array"   },
	{ "object",  TYPE_OBJECT,  "an object"  },
};
const size_t type_word_count = ARRAY_LEN(type_words);
