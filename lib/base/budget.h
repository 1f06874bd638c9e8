/*
 * budget.h - bytes that many buffers may hold together.
 *
 * A buffer that is given one (buf.h) takes from it as it grows and gives back when it is done; small ones are free.  What is
 * larger than the whole may still be had, alone: else it could never be had.
 */
#ifndef LIB_BASE_BUDGET_H
#define LIB_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { BUDGET_FREE = 1 << 16 };          /* bytes of a buffer that are not counted */

struct budget {
	atomic_size_t used;
	size_t        max;
};

/* From `before` to `after` bytes of one holder.  False: there is not so much left, and nothing has changed.  [any thread] */
bool budget_move(struct budget *budget, size_t before, size_t after);

#endif
