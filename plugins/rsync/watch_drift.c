#include "plugins/rsync/watch_seen.h"

#include <stdlib.h>

enum {
	NS_PER_MS = 1000000,
	SETTLE_MS = 300,                 /* what is there again by then was no drift                   */
	DRIFT_TRIES = 4,                 /* while somebody works on the unit, its drift does not count */
};

void drift_begin(struct spot_kind *kind, struct seen *seen)
{
	if (seen->drift_ns != 0)
		return;
	for (size_t i = 0; i < kind->drifting_count; i++)
		if (kind->drifting[i] == seen) {
			seen->drift_ns = now_ns() + (int64_t) SETTLE_MS * NS_PER_MS;
			seen->drift_tries = 0;
			return;
		}
	if (kind->drifting_count == kind->drifting_room) {
		const size_t  room = kind->drifting_room > 0 ? 2 * kind->drifting_room : 16;
		struct seen **more = realloc(kind->drifting, room * sizeof(struct seen *));

		if (more == NULL)
			return;
		kind->drifting = more;
		kind->drifting_room = room;
	}
	seen->drift_ns = now_ns() + (int64_t) SETTLE_MS * NS_PER_MS;
	seen->drift_tries = 0;
	kind->drifting[kind->drifting_count++] = seen;
}

static void kind_drifts(struct spot_kind *kind, int64_t *next_ns)
{
	const int64_t now = now_ns();

	for (size_t i = 0; i < kind->drifting_count; i++) {
		struct seen *seen = kind->drifting[i];
		const bool   heals = seen_heals(kind, seen);

		if (seen->drift_ns != 0 && seen->drift_ns <= now) {
			row_add(kind, seen, EMCO_SEEN_DRIFTED, "changed by somebody else");
			seen->drift_ns = now + ((int64_t) SETTLE_MS << (2 * ++seen->drift_tries)) * NS_PER_MS;
			if (seen->drift_tries == DRIFT_TRIES || !heals)
				seen->drift_ns = 0;
		}
		if (seen->drift_ns != 0) {
			*next_ns = seen->drift_ns < *next_ns ? seen->drift_ns : *next_ns;
			continue;
		}
		seen->fields = seen->fields_now;
		kind->drifting[i--] = kind->drifting[--kind->drifting_count];
		if (!seen->is_there)
			seen_forget(kind, seen);
	}
}

void spot_drifts(struct spot *spot, int64_t *next_ns)
{
	for (size_t i = 0; i < spot->kind_count; i++)
		if (spot->kinds[i]->drifting_count > 0)
			kind_drifts(spot->kinds[i], next_ns);
}
