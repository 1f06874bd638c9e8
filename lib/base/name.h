/*
 * name.h - what a resource may be called.
 *
 * One rule for every resource, as EMCO's clients know it: letters, digits, "-", "_" and ".", a letter or digit at both
 * ends, at most 128 of them.  A name that obeys it needs no escape in a path, a URL, a log line or a file name.
 */
#ifndef LIB_BASE_NAME_H
#define LIB_BASE_NAME_H

#include "lib/base/buf.h"

enum { NAME_LEN_MAX = 128 };

/* The same rule as a pattern, for schemas and messages. */
#define NAME_PATTERN "^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"

bool name_is_valid(struct view name);

#endif
