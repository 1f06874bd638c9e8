#include "lib/kube/timer.h"

static struct timer *meld(struct timer *a, struct timer *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (b->at_ns < a->at_ns) {
		struct timer *swap = a;
		a = b;
		b = swap;
	}
	b->next = a->child;
	if (b->next != NULL)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* The children of a node that goes away, as one heap: melded in pairs from the left, then all from the right. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL, *whole = NULL;

	while (first != NULL) {
		struct timer *a = first, *b = a->next;
		first = b != NULL ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct timer *rest = pairs->next;
		pairs->next = pairs->prev = NULL;
		whole = meld(whole, pairs);
		pairs = rest;
	}
	return whole;
}

void timer_unset(struct timer **root, struct timer *timer)
{
	if (!timer->is_set)
		return;

	struct timer *children = meld_siblings(timer->child);
	if (*root == timer) {
		*root = children;
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next != NULL)
			timer->next->prev = timer->prev;
		*root = meld(*root, children);
	}
	timer->child = timer->next = timer->prev = NULL;
	timer->is_set = false;
}

void timer_set(struct timer **root, struct timer *timer, int64_t at_ns)
{
	timer_unset(root, timer);
	timer->at_ns = at_ns;
	timer->is_set = true;
	*root = meld(*root, timer);
}
