/* Counts, and no queue: whoever finds none is told to come again. */
#include "host/api/slot.h"

#include "lib/base/clock.h"

enum { TRIES = 20, MOVES_MS = 100 };

static unsigned most_of(const struct api *api, enum slot_use use)
{
	const unsigned threads = api->options.threads;

	return use == SLOT_BODY ? threads / 2 : use == SLOT_CHUNKS ? threads / 8 + 1 : threads / 4;
}

static struct slots *slots_of(struct api *api, enum slot_use use)
{
	return use == SLOT_ANSWER ? &api->answer_slots : use == SLOT_CHUNKS ? &api->chunk_slots : &api->body_slots;
}

bool slots_are_taken(struct api *api, enum slot_use use)
{
	return atomic_load(&slots_of(api, use)->taken) >= most_of(api, use);
}

/* Those who hold them are slow, and so would be whoever waits for one: his thread is better used. */
bool slots_are_stuck(struct api *api, enum slot_use use)
{
	return (slots_are_taken(api, use) && clock_ns() - atomic_load(&slots_of(api, use)->moved_ns) > (int64_t) MOVES_MS * 1000000)
	       || (use == SLOT_CHUNKS && slots_are_stuck(api, SLOT_BODY));
}

bool slot_try(struct api *api, enum slot_use use)
{
	struct slots  *slots = slots_of(api, use);
	const unsigned before = atomic_fetch_add(&slots->taken, 1), most = most_of(api, use);

	if (before + 1 == most)
		atomic_store(&slots->moved_ns, clock_ns());
	if (before < most && (use != SLOT_CHUNKS || slot_try(api, SLOT_BODY)))
		return true;
	atomic_fetch_sub(&slots->taken, 1);
	return false;
}

bool slot_take(struct api *api, enum slot_use use)
{
	for (unsigned i = 0; !slot_try(api, use); i++) {
		if (i == TRIES || slots_are_stuck(api, use))
			return false;
		nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
	}
	return true;
}

void slot_give(struct api *api, enum slot_use use)
{
	struct slots *slots = slots_of(api, use);

	if (use == SLOT_CHUNKS)
		slot_give(api, SLOT_BODY);
	atomic_store(&slots->moved_ns, clock_ns());
	atomic_fetch_sub(&slots->taken, 1);
}
