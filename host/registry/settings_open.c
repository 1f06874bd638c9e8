/* Opening a file: its text is made fit for libconfig, then parsed. */
#include "host/registry/settings.h"

#include "lib/base/file.h"

#include <ctype.h>
#include <errno.h>

static size_t skip_string(struct view text, size_t i)
{
	for (i++; i < text.len && text.ptr[i] != '"'; i++)
		if (text.ptr[i] == '\\')
			i++;
	return i + 1;
}

static bool starts(struct view text, size_t i, const char *with)
{
	const size_t len = strlen(with);

	return text.len - i >= len && memcmp(text.ptr + i, with, len) == 0;
}

/* Past the comment that begins at i; i itself when none does. */
static size_t skip_comment(struct view text, size_t i)
{
	if (starts(text, i, "/*")) {
		const char *end = memmem(text.ptr + i + 2, text.len - i - 2, "*/", 2);
		return end == NULL ? text.len : (size_t) (end - text.ptr) + 2;
	}
	if (text.ptr[i] == '#' || starts(text, i, "//"))
		while (i < text.len && text.ptr[i] != '\n')
			i++;
	return i;
}

static bool is_word(char c)
{
	return isalnum((unsigned char) c) || c == '_' || c == '*' || c == '-' || c == '.';
}

/*
 * NOTE: libconfig 1.5 reads 4294967296 as 0 unless it ends in L, and without a word.  So a whole number that needs more
 * than 32 bits gets its L here, and one that needs more than 64 is a fault.
 */
static enum status copy_word(struct view word, struct buf *out, const char *file, int line, struct error *err)
{
	char  text[32];
	char *end;

	enum status st = buf_add_view(out, word, err);
	if (st != ST_OK || !(isdigit((unsigned char) word.ptr[0]) || word.ptr[0] == '-'))
		return st;
	const bool is_hex = starts(word, 0, "0x") || starts(word, 0, "0X");
	for (size_t i = is_hex ? 2 : 1; i < word.len; i++)
		if (word.ptr[i] == '.' || (!is_hex && tolower((unsigned char) word.ptr[i]) == 'e'))
			return ST_OK;                               /* a real */
	snprintf(text, sizeof text, "%.*s", (int) word.len, word.ptr);
	errno = 0;
	const int64_t value = strtoll(text, &end, is_hex ? 16 : 10);
	if (errno == ERANGE || word.len >= sizeof text)
		return fail(err, ST_INVALID, "%s:%d: %.*s needs more than 64 bits", file, line, (int) word.len, word.ptr);
	if (*end == '\0' && (value > INT32_MAX || value < INT32_MIN))
		return buf_add(out, "L", 1, err);
	return ST_OK;
}

static enum status copy_text(struct view text, struct buf *out, const char *file, struct error *err)
{
	int line = 1;

	if (memchr(text.ptr, '\0', text.len) != NULL)
		return fail(err, ST_MALFORMED, "%s: holds a NUL byte", file);
	for (size_t i = 0, next; i < text.len; i = next) {
		enum status st;
		next = text.ptr[i] == '"' ? skip_string(text, i) : skip_comment(text, i);
		if (next > text.len)
			next = text.len;
		if (next == i)
			while (next < text.len && is_word(text.ptr[next]))
				next++;
		if (text.ptr[i] == '@')
			return fail(err, ST_INVALID, "%s:%d: \"@\" has no meaning here, and @include is not offered", file, line);
		if (next > i && is_word(text.ptr[i])) {
			st = copy_word((struct view) { text.ptr + i, next - i }, out, file, line, err);
		} else {
			next = next > i ? next : i + 1;
			st = buf_add(out, text.ptr + i, next - i, err);
		}
		if (st != ST_OK)
			return st;
		for (size_t c = i; c < next; c++)
			line += text.ptr[c] == '\n';
	}
	return ST_OK;
}

static void destroy_config(void *config)
{
	config_destroy(config);
}

enum status settings_open(const char *file, struct arena *arena, const config_setting_t **ret_root, struct error *err)
{
	auto_buf text = BUF(SETTINGS_FILE_MAX), copy = BUF(2 * (size_t) SETTINGS_FILE_MAX);

	enum status st = file_read(file, &text, err);
	if (st == ST_OK)
		st = copy_text(buf_view(&text), &copy, file, err);
	if (st != ST_OK)
		return st;

	config_t *config = arena_alloc(arena, 1, sizeof *config);
	if (config == NULL)
		return fail(err, ST_NO_MEMORY, "%s: no memory to read it", file);
	config_init(config);
	st = arena_own(arena, destroy_config, config, err);
	if (st != ST_OK)
		return st;
	if (config_read_string(config, copy.data) != CONFIG_TRUE)
		return fail(err, ST_MALFORMED, "%s:%d: %s", file, config_error_line(config), config_error_text(config));
	*ret_root = config_root_setting(config);
	return ST_OK;
}
