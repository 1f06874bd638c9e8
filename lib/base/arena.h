/*
 * arena.h - memory of one request or one plugin call, freed in one place.
 *
 * Everything a request allocates lives in its arena and dies with it, so nothing on a request's path is freed by hand.
 * An arena belongs to one thread at a time.  It has a maximum: a request cannot take the process down.
 */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include "lib/base/buf.h"

struct arena_block;

struct arena {
	struct arena_block *block;    /* newest first                        */
	struct arena_hook  *hooks;    /* run in reverse order by arena_done  */
	size_t              used, max;
};

/* In place.  Cannot fail; memory is taken as it is needed, at most max bytes. */
void arena_init(struct arena *arena, size_t max);
void arena_done(struct arena *arena);                   /* accepts a zeroed arena */

/* auto_arena arena = ARENA(max): done at the end of its scope.  NOTE: never without the initialiser, see auto_buf. */
#define auto_arena CLEANUP(arena_done) struct arena
#define ARENA(max_bytes)  ((struct arena) { .max = (max_bytes) })

/* Zeroed memory, aligned for any type, valid until arena_done.  NULL beyond max or when out of memory. */
void *arena_alloc(struct arena *arena, size_t count, size_t size) MUST_CHECK;
char *arena_copy(struct arena *arena, const void *bytes, size_t len) MUST_CHECK;    /* adds a NUL */
char *arena_text(struct arena *arena, const char *text) MUST_CHECK;

/*
 * Let an array grow: it has room for more after count, and *room says for how many in all.  array is where the pointer to it is,
 * which may be NULL with *room 0.  What is too small is copied to twice the size at least; the old one stays until arena_done.
 * false: as arena_alloc, and nothing has changed.
 */
bool arena_grow(struct arena *arena, void *array, size_t count, size_t more, size_t *room, size_t size) MUST_CHECK;

enum status arena_keep(struct arena *arena, struct view view, struct view *ret_copy, struct error *err) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

/* Run fn(object) at arena_done: how foreign objects (PGresult, json_t) are tied to a request.  Takes object, even
 * when it fails: ST_NO_MEMORY, and fn has run already. */
enum status arena_own(struct arena *arena, void (*fn)(void *), void *object, struct error *err) MUST_CHECK;

#endif
