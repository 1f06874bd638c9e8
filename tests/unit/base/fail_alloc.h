/*
 * fail_alloc.h - make the n-th allocation fail, for n = 1 until success.
 *
 * The program is linked with --wrap for the four functions; jansson is a shared library, so its allocations come here
 * through json_set_alloc_funcs.  Use: for (alloc_fail_at = 1; ...; alloc_fail_at++) { alloc_count = 0; ... }.
 */
#ifndef TESTS_UNIT_BASE_FAIL_ALLOC_H
#define TESTS_UNIT_BASE_FAIL_ALLOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

static size_t alloc_count, alloc_fail_at;      /* fail_at 0: never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool alloc_fails(void)
{
	return ++alloc_count == alloc_fail_at;
}

void *__wrap_malloc(size_t size)
{
	return alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return alloc_fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return alloc_fails() ? NULL : __real_strdup(text);
}

#endif
