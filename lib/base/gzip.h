/*
 * gzip.h - compress what is sent, whole or piece by piece.
 *
 * Memory: a quarter of a megabyte for each stream while it lives; the output is bounded by the buffer it goes into.
 */
#ifndef LIB_BASE_GZIP_H
#define LIB_BASE_GZIP_H

#include "lib/base/buf.h"

enum { GZIP_FAST = 1, GZIP_SMALL = 6 };

struct gzip;

/* level: GZIP_FAST for much, GZIP_SMALL for little.  NULL: out of memory. */
struct gzip *gzip_new(int level) MUST_CHECK;
void gzip_free(struct gzip *gzip);                      /* accepts NULL */

/*
 * Compress bytes and append to out what can be told: whoever reads it so far has all the bytes given so far.  is_last ends
 * the stream; nothing may be added then.  ST_TOO_LARGE, ST_NO_MEMORY: out cannot take it.
 */
enum status MUST_CHECK gzip_add(struct gzip *gzip, struct view bytes, bool is_last, struct buf *out, struct error *err);

#endif
