/*
 * digest.h - SHA-256, plain and keyed: the names of everything that is stored by content.
 *
 * A plain digest names public content.  A keyed one (HMAC) names secret content: equal secrets still share one row, and
 * a reader of the digest column cannot guess the secret.  Out of memory ends the process: a wrong digest would give one
 * content the name of another.  Any thread.
 */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include "lib/base/buf.h"

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 2 * DIGEST_SIZE + 1 };

struct digest { unsigned char bytes[DIGEST_SIZE]; };

struct digest digest_of(struct view content);
struct digest digest_keyed(const unsigned char key[DIGEST_SIZE], struct view content);

/* The same over several parts; each part's length goes in too, so ("ab","c") and ("a","bc") differ. */
struct digest digest_of_parts(const struct view *parts, size_t count);

bool digest_equal(const struct digest *a, const struct digest *b);
int  digest_compare(const void *a, const void *b);                    /* for qsort and bsearch over struct digest */
void digest_hex(const struct digest *digest, char hex[DIGEST_HEX_SIZE]);
bool digest_from_hex(struct view hex, struct digest *ret_digest);

#endif
