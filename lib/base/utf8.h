/*
 * utf8.h - text as people count it: code points, never half of one.
 */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include "lib/base/buf.h"

/* No overlong form, no surrogate, nothing past U+10FFFF. */
bool utf8_is_valid(struct view text);

/* Code points of valid text. */
size_t utf8_count(struct view text);

/* The first count code points of valid text. */
struct view utf8_cut(struct view text, size_t count);

/*
 * One readable line of any bytes, of less than size: cut before a code point, '?' for what is no UTF-8, a space for what
 * controls.  No spaces at its end.  to may be where text begins.
 */
void utf8_line(char *to, size_t size, struct view text);

/* The first code point of valid, non-empty text, which then begins after it. */
uint32_t utf8_next(struct view *text);

#endif
