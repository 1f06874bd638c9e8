/* The values of a file meet the rows of a table; what no row names is refused, with the row that was probably meant. */
#include "host/registry/settings.h"

#include "lib/base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>

enum { NAME_MAX_BYTES = 63, LIST_ITEMS_MAX = 1024 };

/* One option being read: the row, and where it stands in which file. */
struct place {
	const char *file;
	int         line;               /* 0: the row's own default */
};

/* -- one value -------------------------------------------------------------------------------------------------------- */

static PRINTF(4, 5) enum status
refuse(struct error *err, const struct place *place, const emco_option *option, const char *fmt, ...)
{
	char    text[192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (place->line == 0)
		return fail_at(err, ST_INVALID, option->name, "the default of option \"%s\" %s", option->name, text);
	return fail_at(err, ST_INVALID, option->name, "%s:%d: \"%s\" %s", place->file, place->line, option->name, text);
}

static bool has_limits(const emco_option *option)
{
	return option->min != 0 || option->max != 0;
}

static enum status put_integer(int64_t value, const emco_option *option, char *member, const struct place *place,
                               struct error *err)
{
	if (has_limits(option) && (value < option->min || value > option->max))
		return refuse(err, place, option, "must be %" PRId64 " to %" PRId64 ", got %" PRId64, option->min, option->max,
		              value);
	memcpy(member, &value, sizeof value);
	return ST_OK;
}

static enum status copy_string(const char *text, size_t len, const emco_option *option, emco_str *ret_string,
                               struct arena *arena, const struct place *place, struct error *err)
{
	if (!utf8_is_valid((struct view) { text, len }))
		return refuse(err, place, option, "is not UTF-8");
	if (has_limits(option) && ((int64_t) len < option->min || (int64_t) len > option->max))
		return refuse(err, place, option, "must have %" PRId64 " to %" PRId64 " bytes, got %zu", option->min,
		              option->max, len);
	char *copy = arena_copy(arena, text, len);
	if (copy == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for option \"%s\"", option->name);
	*ret_string = (emco_str) { copy, len };
	return ST_OK;
}

static enum status put_strings(const config_setting_t *setting, const emco_option *option, char *member,
                               struct arena *arena, const struct place *place, struct error *err)
{
	const unsigned count = (unsigned) config_setting_length(setting);

	if (count > LIST_ITEMS_MAX)
		return refuse(err, place, option, "must have at most %d items, got %u", LIST_ITEMS_MAX, count);
	emco_str *items = arena_alloc(arena, count + 1, sizeof *items);
	if (items == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for option \"%s\"", option->name);
	for (unsigned i = 0; i < count; i++) {
		const char *text = config_setting_get_string_elem(setting, (int) i);
		if (text == NULL)
			return refuse(err, place, option, "must be a list of texts, item %u is none", i + 1);
		enum status st = copy_string(text, strlen(text), option, &items[i], arena, place, err);
		if (st != ST_OK)
			return st;
	}
	memcpy(member, &(emco_strs) { items, count }, sizeof(emco_strs));
	return ST_OK;
}

static const char *kind_of(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:  return "a whole number";
	case CONFIG_TYPE_FLOAT:  return "a number with a fraction";
	case CONFIG_TYPE_STRING: return "a text";
	case CONFIG_TYPE_BOOL:   return "true or false";
	case CONFIG_TYPE_GROUP:  return "a group";
	default:                 return "a list";
	}
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case EMCO_TYPE_STRING:  return "a text";
	case EMCO_TYPE_INTEGER: return "a whole number";
	case EMCO_TYPE_BOOLEAN: return "true or false";
	case EMCO_TYPE_STRINGS: return "a list of texts";
	case SETTINGS_GROUP:    return "a group";
	default:                return "of a known type";
	}
}

static enum status put_setting(const config_setting_t *setting, const emco_option *option, char *member,
                               struct arena *arena, const struct place *place, struct error *err)
{
	const int kind = config_setting_type(setting);
	emco_str  string;
	int32_t   boolean;

	switch (option->type) {
	case EMCO_TYPE_INTEGER:
		if (kind == CONFIG_TYPE_INT || kind == CONFIG_TYPE_INT64)
			return put_integer(config_setting_get_int64(setting), option, member, place, err);
		break;
	case EMCO_TYPE_BOOLEAN:
		if (kind != CONFIG_TYPE_BOOL)
			break;
		boolean = config_setting_get_bool(setting) != 0;
		memcpy(member, &boolean, sizeof boolean);
		return ST_OK;
	case EMCO_TYPE_STRING:
		if (kind != CONFIG_TYPE_STRING)
			break;
		const char *text = config_setting_get_string(setting);
		enum status st = copy_string(text, strlen(text), option, &string, arena, place, err);
		if (st == ST_OK)
			memcpy(member, &string, sizeof string);
		return st;
	case EMCO_TYPE_STRINGS:
		if (kind == CONFIG_TYPE_ARRAY || kind == CONFIG_TYPE_LIST)
			return put_strings(setting, option, member, arena, place, err);
		break;
	case SETTINGS_GROUP:
		if (kind == CONFIG_TYPE_GROUP)
			return ST_OK;
		break;
	default:
		break;
	}
	return refuse(err, place, option, "must be %s, got %s", type_name(option->type), kind_of(setting));
}

static enum status put_default_strings(const emco_option *option, char *member, struct arena *arena,
                                       const struct place *place, struct error *err)
{
	size_t count = 0;
	emco_str *items = arena_alloc(arena, strlen(option->dflt) / 2 + 1, sizeof *items);

	if (items == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for option \"%s\"", option->name);
	for (const char *text = option->dflt; *text != '\0';) {
		const size_t len = strcspn(text, " ");
		if (len > 0) {
			enum status st = copy_string(text, len, option, &items[count++], arena, place, err);
			if (st != ST_OK)
				return st;
		}
		text += len + strspn(text + len, " ");
	}
	memcpy(member, &(emco_strs) { items, count }, sizeof(emco_strs));
	return ST_OK;
}

static enum status put_default(const emco_option *option, char *member, struct arena *arena, struct error *err)
{
	const struct place place = { .line = 0 };
	emco_str string;
	char    *end;

	switch (option->type) {
	case EMCO_TYPE_INTEGER:
		errno = 0;
		const int64_t value = strtoll(option->dflt, &end, 10);
		if (errno != 0 || end == option->dflt || *end != '\0')
			return refuse(err, &place, option, "must be a whole number, got \"%s\"", option->dflt);
		return put_integer(value, option, member, &place, err);
	case EMCO_TYPE_BOOLEAN:
		if (strcmp(option->dflt, "true") != 0 && strcmp(option->dflt, "false") != 0)
			return refuse(err, &place, option, "must be true or false, got \"%s\"", option->dflt);
		memcpy(member, &(int32_t) { strcmp(option->dflt, "true") == 0 }, sizeof(int32_t));
		return ST_OK;
	case EMCO_TYPE_STRING: {
		const emco_option unlimited = { .name = option->name };   /* an empty default of a bounded text means none */
		enum status st = copy_string(option->dflt, strlen(option->dflt), &unlimited, &string, arena, &place, err);
		if (st == ST_OK)
			memcpy(member, &string, sizeof string);
		return st;
	}
	case EMCO_TYPE_STRINGS:
		return put_default_strings(option, member, arena, &place, err);
	default:
		return refuse(err, &place, option, "has an unknown type %u", option->type);
	}
}

/* -- the table -------------------------------------------------------------------------------------------------------- */

/* The row at index, as big as we know rows; false at the end of the table. */
static bool row_at(const emco_option *options, size_t option_size, size_t index, emco_option *ret_row)
{
	memset(ret_row, 0, sizeof *ret_row);
	if (options == NULL)
		return false;
	memcpy(ret_row, (const char *) options + index * option_size,
	       option_size < sizeof *ret_row ? option_size : sizeof *ret_row);
	return ret_row->name != NULL;
}

static bool row_find(const emco_option *options, size_t option_size, const char *name, emco_option *ret_row)
{
	for (size_t i = 0; row_at(options, option_size, i, ret_row); i++)
		if (strcmp(ret_row->name, name) == 0)
			return true;
	return false;
}

/* Single-letter edits, a swap of neighbours counted as one, that make b of a; the rows of the usual table, three at a time. */
static size_t edits(const char *a, const char *b)
{
	size_t row[3][NAME_MAX_BYTES + 1];
	const size_t a_len = strnlen(a, NAME_MAX_BYTES), b_len = strnlen(b, NAME_MAX_BYTES);

	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[a_len % 3][b_len];
}

static enum status unknown(const config_setting_t *setting, const emco_option *options, size_t option_size,
                           const char *file, struct error *err)
{
	const char *name = config_setting_name(setting), *likely = NULL;
	size_t      least = strlen(name) / 3 + 2;
	emco_option row;

	IGNORE(fail_at(err, ST_INVALID, name, "%s:%d: unknown option \"%s\"", file,
	               (int) config_setting_source_line(setting), name));
	for (size_t i = 0; row_at(options, option_size, i, &row); i++) {
		const size_t distance = edits(name, row.name);
		if (distance < least) {
			least = distance;
			likely = row.name;
		}
	}
	if (likely != NULL)
		return fail_hint(err, "Did you mean \"%s\"?", likely);
	return ST_INVALID;
}

enum status settings_read(const config_setting_t *group, const emco_option *options, size_t option_size,
                          size_t struct_size, void *ret_struct, struct arena *arena, const char *file,
                          struct error *err)
{
	const int   count = group == NULL ? 0 : config_setting_length(group);
	char       *filled = arena_alloc(arena, 1, struct_size + 1);
	emco_option row;
	enum status st = ST_OK;

	if (filled == NULL)
		return fail(err, ST_NO_MEMORY, "%s: no memory to read it", file);
	if (group != NULL && !config_setting_is_group(group))
		return fail(err, ST_INVALID, "%s:%d: must be a group, got %s", file, (int) config_setting_source_line(group),
		            kind_of(group));
	for (int i = 0; i < count && st == ST_OK; i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned) i);
		const struct place place = { file, (int) config_setting_source_line(setting) };
		if (!row_find(options, option_size, config_setting_name(setting), &row))
			return unknown(setting, options, option_size, file, err);
		st = put_setting(setting, &row, filled + row.offset, arena, &place, err);
	}
	for (size_t i = 0; st == ST_OK && row_at(options, option_size, i, &row); i++) {
		if (row.type == SETTINGS_GROUP || (group != NULL && config_setting_get_member(group, row.name) != NULL))
			continue;
		if (row.dflt == NULL)
			return fail_at(err, ST_INVALID, row.name, "%s: option \"%s\" must be given", file, row.name);
		st = put_default(&row, filled + row.offset, arena, err);
	}
	if (st == ST_OK && struct_size > 0)
		memcpy(ret_struct, filled, struct_size);
	return st;
}

static enum status print_value(const emco_option *row, struct buf *out, struct error *err)
{
	if (row->type == SETTINGS_GROUP)
		return buf_add_text(out, "{ }", err);
	if (row->dflt == NULL)
		return buf_add_text(out, row->type == EMCO_TYPE_STRING ? "\"...\"" : "...", err);
	if (row->type == EMCO_TYPE_STRING)
		return buf_printf(out, err, "\"%s\"", row->dflt);
	if (row->type != EMCO_TYPE_STRINGS)
		return buf_add_text(out, row->dflt, err);

	enum status st = buf_add_text(out, "[", err);
	for (const char *text = row->dflt; *text != '\0' && st == ST_OK;) {
		const size_t len = strcspn(text, " ");
		st = buf_printf(out, err, "%s\"%.*s\"", text == row->dflt ? "" : ", ", (int) len, text);
		text += len + strspn(text + len, " ");
	}
	return st == ST_OK ? buf_add_text(out, "]", err) : st;
}

enum status settings_print(const emco_option *options, size_t option_size, struct buf *out, struct error *err)
{
	enum status st = ST_OK;
	emco_option row;

	for (size_t i = 0; st == ST_OK && row_at(options, option_size, i, &row); i++) {
		const bool is_needed = row.dflt == NULL && row.type != SETTINGS_GROUP;
		st = buf_printf(out, err, "%s# %s\n# %c%s", i == 0 ? "" : "\n", row.help == NULL ? row.name : row.help,
		                toupper((unsigned char) type_name(row.type)[0]), type_name(row.type) + 1);
		if (st == ST_OK && has_limits(&row))
			st = buf_printf(out, err, ", %" PRId64 " to %" PRId64 "%s", row.min, row.max,
			                row.type == EMCO_TYPE_INTEGER ? "" : " bytes");
		if (st == ST_OK)
			st = buf_printf(out, err, "%s.%s\n%s%s = ", is_needed ? "; must be given" : "",
			                row.secret ? " Secret: never shown." : "", is_needed ? "" : "#", row.name);
		if (st == ST_OK)
			st = print_value(&row, out, err);
		if (st == ST_OK)
			st = buf_add_text(out, ";\n", err);
	}
	return st;
}
