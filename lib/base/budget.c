#include "lib/base/budget.h"

static size_t counted(size_t bytes)
{
	return bytes > BUDGET_FREE ? bytes : 0;
}

bool budget_move(struct budget *budget, size_t before, size_t after)
{
	const size_t own = counted(after), had = counted(before);

	if (own <= had) {
		atomic_fetch_sub(&budget->used, had - own);
		return true;
	}
	const size_t all = atomic_fetch_add(&budget->used, own - had) + own - had;
	if (all <= budget->max || all == own)
		return true;
	atomic_fetch_sub(&budget->used, own - had);
	return false;
}
