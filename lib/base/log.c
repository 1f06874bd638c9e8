#include "lib/base/log.h"

#include "lib/base/buf.h"
#include "lib/base/clock.h"

#include <inttypes.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, VALUE_MAX_BYTES = 1024 };

static int            log_fd = STDERR_FILENO;
static enum log_level log_most = LOG_LEVEL_INFO;

static _Thread_local const char *request_id;

static const char *const level_words[] = { "error", "warning", "info", "debug" };

void log_setup(int fd, enum log_level most)
{
	log_fd = fd;
	log_most = most;
}

bool log_level_of(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_words); i++) {
		if (strcmp(word, level_words[i]) == 0) {
			*ret_level = (enum log_level) i;
			return true;
		}
	}
	return false;
}

void log_set_request(const char *id)
{
	request_id = id;
}

const char *log_num(int64_t number)
{
	static _Thread_local char     ring[8][24];
	static _Thread_local unsigned next;
	char *text = ring[next++ % 8];

	snprintf(text, sizeof ring[0], "%" PRId64, number);
	return text;
}

static bool is_plain(const char *value)
{
	if (*value == '\0')
		return false;
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return true;
}

/* A log line must come out whatever happens, so a value that does not fit is cut rather than refused. */
static void add_pair(struct buf *line, const char *key, const char *value)
{
	IGNORE(buf_printf(line, NULL, " %s=", key));
	const size_t len = strnlen(value, VALUE_MAX_BYTES);
	if (is_plain(value))
		IGNORE(buf_add(line, value, len, NULL));
	else
		IGNORE(buf_add_json(line, (struct view) { value, len }, NULL));
}

void log_event(enum log_level level, const char *event, ...)
{
	char       time_text[WALL_TEXT_SIZE];
	auto_buf   line = BUF(LINE_MAX_BYTES);
	va_list    args;

	if (level > log_most)
		return;
	wall_text(wall_ms(), time_text);
	IGNORE(buf_printf(&line, NULL, "%s %s %s", time_text, level_words[level], event));
	if (request_id != NULL)
		add_pair(&line, "request", request_id);

	va_start(args, event);
	for (const char *key = va_arg(args, const char *); key != NULL; key = va_arg(args, const char *)) {
		const char *value = va_arg(args, const char *);
		if (value != NULL)
			add_pair(&line, key, value);
	}
	va_end(args);

	if (line.len == line.max)
		line.len--;
	IGNORE(buf_add(&line, "\n", 1, NULL));
	IGNORE(write(log_fd, line.data, line.len));           /* nowhere to report to */
}
