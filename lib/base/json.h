/*
 * json.h - the one door between JSON bytes and jansson values.
 *
 * Reading is strict: UTF-8, no duplicate members, nothing after the value, bounded depth and size.  Writing is compact,
 * keeps member order, and escapes <, > and & as EMCO does, so that equal values give equal bytes.
 */
#ifndef LIB_BASE_JSON_H
#define LIB_BASE_JSON_H

#include "lib/base/arena.h"

#include <jansson.h>

enum { JSON_DEPTH_MAX = 64 };

static inline void json_clearp(json_t **value) { json_decref(*value); }
#define auto_json CLEANUP(json_clearp) json_t

/* jansson walks objects through pointers that are not const.  For reading only: the value may be shared. */
static inline json_t *json_for_reading(const json_t *value)
{
	union { const json_t *in; json_t *out; } same = { .in = value };

	return same.out;
}

/*
 * Owned by the caller.  ST_MALFORMED with line, column and what was expected; ST_TOO_LARGE beyond JSON_DEPTH_MAX.
 * Any value is read, not only objects.  A number beyond 64 bits and a \u0000 are malformed.  Any thread.
 */
enum status MUST_CHECK json_read(struct view bytes, json_t **ret_value, struct error *err);

/* Tie value to the arena.  Takes value, even when it fails: ST_NO_MEMORY. */
enum status MUST_CHECK json_own(struct arena *arena, json_t *value, struct error *err);

/*
 * Append as compact JSON; the buffer is unchanged on failure: ST_TOO_LARGE, ST_NO_MEMORY.  Members keep their order.
 * Reals are as short as they can be and stay reals.
 */
enum status MUST_CHECK json_write(struct buf *buf, const json_t *value, struct error *err);

/* Walk "spec.logicalCloud".  Borrowed; NULL when a step is missing or no object. */
json_t *json_at(const json_t *value, const char *path);

/* The string at path as a borrowed view; empty when it is missing or no string. */
struct view json_text_at(const json_t *value, const char *path);
const char *json_string_at(const json_t *value, const char *path);   /* the same as a C string; "" when missing */
int64_t     json_int_at(const json_t *value, const char *path, int64_t missing);

#endif
