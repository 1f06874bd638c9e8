/*
 * timer.h - what a loop does later: an ordered set of points in time, without allocation, so that setting cannot fail.
 *
 * A pairing heap whose nodes lie inside what they belong to.  All of a loop's timers belong to its thread.
 */
#ifndef LIB_KUBE_TIMER_H
#define LIB_KUBE_TIMER_H

#include "lib/base/error.h"

struct timer {
	int64_t       at_ns;
	bool          is_set;
	struct timer *child, *next, *prev;       /* prev: the sibling before, or the parent of the first child */
	void        (*fire)(struct timer *timer);
};

/* The earliest is *root. */
void timer_set(struct timer **root, struct timer *timer, int64_t at_ns);     /* moves it when it is set already */
void timer_unset(struct timer **root, struct timer *timer);                  /* nothing when it is not set      */

/* The struct around a timer. */
#define TIMER_OWNER(timer, type, member) ((type *) (void *) ((char *) (timer) - offsetof(type, member)))

#endif
