#include "host/orchestrator/wanted.h"

#include "host/store/resource.h"

/* What a message has room for, and beside the words in front of names; behind them comes how many more there are. */
enum { WORDS_MAX = 1024, MESSAGE_LEN_MAX = 255, MORE_LEN = 17 };

static const char missing_head[] = "what it refers to does not exist: ", cut_mark[] = "\u2026";

static enum status list_add(struct wanted *wanted, struct wanted_list *list, struct view item, struct error *err)
{
	if (list->count == WANTED_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d resources are referred to", WANTED_MAX);
	if (!arena_grow(wanted->arena, &list->at, list->count, 1, &list->room, sizeof *list->at))
		return fail(err, ST_NO_MEMORY, "out of memory");
	list->at[list->count++] = item;
	return ST_OK;
}

enum status wanted_add(struct wanted *wanted, struct view path, struct error *err)
{
	return list_add(wanted, &wanted->paths, path, err);
}

enum status wanted_lack(struct wanted *wanted, enum status code, const char *hint, struct error *err, const char *fmt, ...)
{
	char    words[WORDS_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof words, fmt, args);
	va_end(args);
	if (wanted->lack_code != ST_NOT_FOUND)
		wanted->lack_code = code;
	wanted->hint = hint;

	struct view       kept;
	const enum status st = arena_keep(wanted->arena, view_of(words), &kept, err);
	return st == ST_OK ? list_add(wanted, &wanted->lacks, kept, err) : st;
}

enum status wanted_add_references(struct wanted *wanted, const struct types *types, const char *type, struct view path,
                                  const json_t *doc, struct error *err)
{
	const struct type *found = types != NULL ? types_find(types, view_of(type)) : NULL;
	struct view       *paths = NULL;
	size_t             count = 0;

	if (found == NULL)
		return ST_OK;
	enum status st = type_references(types, found, path, doc, wanted->arena, &paths, &count, err);
	for (size_t i = 0; st == ST_OK && i < count; i++)
		st = wanted_add(wanted, paths[i], err);
	return st;
}

/* As many as there is room for, but one in any case, and in part: then it ends with a mark. */
struct names { char text[MESSAGE_LEN_MAX + 1]; size_t len, max, count, left_out; };

static void name(struct names *names, const char *between, const char *quote, struct view item)
{
	const char  *before = names->count > 0 ? between : "", *mark = "";
	const size_t around = strlen(before) + 2 * strlen(quote), room = names->max - names->len;
	size_t       shown = item.len;

	if (names->left_out > 0 || (names->count > 0 && around + item.len > room)) {
		names->left_out++;
		return;
	}
	if (around + shown > room) {
		mark = cut_mark;
		shown = room - around - strlen(cut_mark);
		while (shown > 0 && ((unsigned char) item.ptr[shown] & 0xC0) == 0x80)
			shown--;
	}
	names->len += (size_t) snprintf(names->text + names->len, sizeof names->text - names->len, "%s%s%.*s%s%s", before, quote,
	                                (int) shown, item.ptr, mark, quote);
	names->count++;
}

static const char *hint_of(const struct wanted *wanted, size_t missing)
{
	if (wanted->lacks.count == 0)
		return missing > 1 ? "Create them first." : "Create it first.";
	return wanted->lacks.count + missing == 1 ? wanted->hint : "Put right what is named first.";
}

static enum status name_all(const struct wanted *wanted, const struct view *missing, size_t count, struct error *err)
{
	const char       *head = count > 0 ? missing_head : "";
	const enum status code = count > 0 ? ST_NOT_FOUND : wanted->lack_code;
	const bool        is_one = count + wanted->lacks.count == 1;
	struct names      names = { .text = "", .max = MESSAGE_LEN_MAX - strlen(head) - (is_one ? 0 : MORE_LEN) };

	for (size_t i = 0; i < count; i++)
		name(&names, ", ", "\"", missing[i]);
	for (size_t i = 0; i < wanted->lacks.count; i++)
		name(&names, "; ", "", wanted->lacks.at[i]);
	if (names.left_out > 0)
		fail(err, code, "%s%s and %zu more", head, names.text, names.left_out);
	else
		fail(err, code, "%s%s", head, names.text);
	return fail_hint(err, "%s", hint_of(wanted, count));
}

enum status wanted_check(const struct wanted *wanted, struct db *db, struct error *err)
{
	struct view *missing = arena_alloc(wanted->arena, wanted->paths.count + 1, sizeof *missing);
	size_t       count = 0;

	if (missing == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	const enum status st = resource_missing(db, wanted->paths.at, wanted->paths.count, missing, &count, err);
	if (st != ST_OK || count + wanted->lacks.count == 0)
		return st;
	return name_all(wanted, missing, count, err);
}
