/*
 * random.h - random numbers from the kernel: keys, nonces, identifiers.
 *
 * They cannot fail: a kernel that gives none ends the process, because everything that is named or sealed with the bytes
 * would be wrong.  Any thread.
 */
#ifndef LIB_BASE_RANDOM_H
#define LIB_BASE_RANDOM_H

#include "lib/base/error.h"

void    random_fill(void *bytes, size_t len);
int64_t random_id(void);                /* 1 to 2^63 - 2, as EMCO's ids of contexts are */

#endif
