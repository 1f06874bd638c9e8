#include "lib/base/arena.h"

#include <stdalign.h>

struct arena_block {
	struct arena_block *next;
	size_t              used, size;
	alignas(max_align_t) char data[];
};

struct arena_hook {
	struct arena_hook *next;
	void             (*fn)(void *);
	void              *object;
};

enum { BLOCK_BYTES = 8192, ROOM_LEAST = 16, ALIGN = alignof(max_align_t) };

void arena_init(struct arena *arena, size_t max)
{
	*arena = (struct arena) { .max = max };
}

void arena_done(struct arena *arena)
{
	for (struct arena_hook *hook = arena->hooks; hook != NULL; hook = hook->next)
		hook->fn(hook->object);
	for (struct arena_block *block = arena->block, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	*arena = (struct arena) { .max = arena->max };
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
	size_t want;

	if (__builtin_mul_overflow(count, size, &want) || want > SIZE_MAX - ALIGN)
		return NULL;
	want = want > 0 ? (want + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	if (want > arena->max - arena->used)
		return NULL;

	struct arena_block *block = arena->block;
	if (block == NULL || want > block->size - block->used) {
		const size_t bytes = want > BLOCK_BYTES ? want : BLOCK_BYTES;
		struct arena_block *more = calloc(1, sizeof *more + bytes);
		if (more == NULL)
			return NULL;
		more->size = bytes;
		if (want > BLOCK_BYTES / 2 && block != NULL) {      /* a big one keeps the open block in front */
			more->next = block->next;
			block->next = more;
		} else {
			more->next = block;
			arena->block = more;
		}
		block = more;
	}

	void *memory = block->data + block->used;
	block->used += want;
	arena->used += want;
	return memory;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t len)
{
	char *copy = arena_alloc(arena, 1, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

bool arena_grow(struct arena *arena, void *array, size_t count, size_t more, size_t *room, size_t size)
{
	const size_t least = *room == 0 ? ROOM_LEAST : 2 * *room;
	void        *items, *grown;

	if (count <= *room && more <= *room - count)
		return true;
	if (count > SIZE_MAX / 4 || more > SIZE_MAX / 4 || *room > SIZE_MAX / 4)
		return false;
	const size_t want = count + more > least ? count + more : least;
	grown = arena_alloc(arena, want, size);
	if (grown == NULL)
		return false;
	memcpy(&items, array, sizeof items);             /* whatever it points to: a void ** would be no alias of that */
	if (*room > 0)
		memcpy(grown, items, (count < *room ? count : *room) * size);
	memcpy(array, &grown, sizeof grown);
	*room = want;
	return true;
}

enum status arena_keep(struct arena *arena, struct view view, struct view *ret_copy, struct error *err)
{
	const char *copy = arena_copy(arena, view.ptr, view.len);

	if (copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	*ret_copy = (struct view) { copy, view.len };
	return ST_OK;
}

char *arena_text(struct arena *arena, const char *text)
{
	return arena_copy(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		return NULL;

	char *text = arena_alloc(arena, 1, (size_t) n + 1);
	if (text == NULL)
		return NULL;
	va_start(args, fmt);
	vsnprintf(text, (size_t) n + 1, fmt, args);
	va_end(args);
	return text;
}

enum status arena_own(struct arena *arena, void (*fn)(void *), void *object, struct error *err)
{
	struct arena_hook *hook = arena_alloc(arena, 1, sizeof *hook);

	if (hook == NULL) {
		fn(object);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	*hook = (struct arena_hook) { arena->hooks, fn, object };
	arena->hooks = hook;
	return ST_OK;
}
