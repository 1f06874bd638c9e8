/*
 * pages.h - large blocks that cost what was written to them, and not what they have room for.
 *
 * libcurl holds 32 KB of room for the input of a connection with HTTP/2, and the room of a whole frame for each transfer, so
 * for each watch as long as it stands.  Next to nothing is ever in them; but the heap makes a block of what others have used
 * before, and all of it is resident.  Blocks of PAGES_MIN to PAGES_MAX bytes are therefore whole pages here that nobody has
 * written to, and go back to the system as soon as they are free.  That is two system calls in a block's life: what lives for a
 * request only shall be smaller.  All else is the heap's.
 *
 * These are malloc, free and realloc, for curl_global_init_mem().  Any thread.
 */
#ifndef LIB_KUBE_PAGES_H
#define LIB_KUBE_PAGES_H

#include <stddef.h>

enum { PAGES_MIN = 20 << 10, PAGES_MAX = 32 << 10 };

void *pages_malloc(size_t len);
void *pages_realloc(void *block, size_t len);
void  pages_free(void *block);

#endif
