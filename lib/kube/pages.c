#include "lib/kube/pages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* 4 GB of addresses: room for 40,000 clusters with two watches each; who comes later is served by the heap. */
enum { BLOCKS_MAX = 1 << 17, BLOCKS_A_STEP = 64 };

static const size_t area_size = (size_t) BLOCKS_MAX * PAGES_MAX;

static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;     /* guards all below, but area for reading          */
static _Atomic(char *)  area;                                 /* addresses alone, until a step of it is opened   */
static bool             has_no_area;
static size_t           open_count, begun_count;              /* blocks that may be written to, that were in use */
static uint32_t         idle[BLOCKS_MAX];                     /* of those begun; clean                           */
static size_t           idle_count;

static bool is_ours(const void *block)
{
	const char *begin = atomic_load_explicit(&area, memory_order_acquire);

	return begin != NULL && (const char *) block >= begin && (const char *) block < begin + area_size;
}

static bool has_area(void)
{
	void *begin;

	if (atomic_load(&area) != NULL || has_no_area)
		return !has_no_area;
	begin = mmap(NULL, area_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	has_no_area = begin == MAP_FAILED;
	if (has_no_area)
		return false;
	madvise(begin, area_size, MADV_NOHUGEPAGE);      /* or the first byte would bring 2 MB */
	atomic_store_explicit(&area, begin, memory_order_release);
	return true;
}

/* Under lock.  NULL: there is none. */
static void *take_block(void)
{
	if (!has_area())
		return NULL;
	char *begin = atomic_load(&area);
	if (idle_count > 0)
		return begin + (size_t) idle[--idle_count] * PAGES_MAX;
	if (begun_count == open_count) {
		if (open_count == BLOCKS_MAX || mprotect(begin + open_count * PAGES_MAX, (size_t) BLOCKS_A_STEP * PAGES_MAX,
		                                         PROT_READ | PROT_WRITE) != 0)
			return NULL;
		open_count += BLOCKS_A_STEP;
	}
	return begin + begun_count++ * PAGES_MAX;
}

void *pages_malloc(size_t len)
{
	void *block = NULL;

	if (len >= PAGES_MIN && len <= PAGES_MAX) {
		pthread_mutex_lock(&lock);
		block = take_block();
		pthread_mutex_unlock(&lock);
	}
	return block != NULL ? block : malloc(len);
}

void pages_free(void *block)
{
	if (!is_ours(block)) {
		free(block);
		return;
	}
	madvise(block, PAGES_MAX, MADV_DONTNEED);
	pthread_mutex_lock(&lock);
	idle[idle_count++] = (uint32_t) ((size_t) ((char *) block - atomic_load(&area)) / PAGES_MAX);
	pthread_mutex_unlock(&lock);
}

void *pages_realloc(void *block, size_t len)
{
	void *other;

	if (!is_ours(block))
		return realloc(block, len);
	if (len <= PAGES_MAX)
		return block;
	other = malloc(len);
	if (other == NULL)
		return NULL;
	memcpy(other, block, PAGES_MAX);
	pages_free(block);
	return other;
}
