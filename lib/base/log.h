/*
 * log.h - one event per line: `time level event.name key=value ...`.
 *
 * Libraries return errors; only the edges log, once.  Values are quoted and escaped where needed, so a line cannot be
 * forged by foreign text.  No secret is ever passed here.  Any thread; a line is written with one write().
 */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include "lib/base/error.h"

enum log_level {
	LOG_LEVEL_ERROR,    /* someone must act    */
	LOG_LEVEL_WARNING,  /* someone should look */
	LOG_LEVEL_INFO,     /* life-cycle          */
	LOG_LEVEL_DEBUG,    /* for us              */
};

/* Before threads start.  fd is borrowed; default: standard error, info. */
void log_setup(int fd, enum log_level most);
bool log_level_of(const char *word, enum log_level *ret_level);     /* "error", "warning", "info", "debug" */

/*
 * log_event(level, "event.name", "key", value, ..., NULL): values are C strings; NULL values are left out.
 * log_num() makes a value of a number: its text lives in a per-thread ring, valid until eight more are made.
 */
void        log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));
const char *log_num(int64_t number);

#define log_error(...)    log_event(LOG_LEVEL_ERROR,   __VA_ARGS__, NULL)
#define log_warning(...)  log_event(LOG_LEVEL_WARNING, __VA_ARGS__, NULL)
#define log_info(...)     log_event(LOG_LEVEL_INFO,    __VA_ARGS__, NULL)
#define log_debug(...)    log_event(LOG_LEVEL_DEBUG,   __VA_ARGS__, NULL)

/* Every line this thread writes carries request=ID until it is cleared with NULL.  id is borrowed until then. */
void log_set_request(const char *id);

#endif
