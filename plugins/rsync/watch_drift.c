#include "plugins/rsync/watch_seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DOUBT_TRIES = 4,                 /* a drift that was told so often stands                      */
	DOUBT_AGAIN = 20,                /* and is doubted again after so many more                    */
	WARN_REPEATS = 3,
};

#define MS  (int64_t) 1000000

const struct drift_times drift_times_default = {
	.settle = 300 * MS, .settle_max = 300000 * MS, .pause_max = 30000 * MS, .quiet = 600000 * MS, .warn = 60000 * MS,
};

/* -- an object -- */

bool is_drifting(const struct seen *seen)
{
	return seen->drifting != NULL && seen->drifting->is_on;
}

static bool drift_add(struct spot_kind *kind, struct seen *seen)
{
	if (seen->drifting == NULL)
		seen->drifting = calloc(1, sizeof *seen->drifting);
	if (seen->drifting == NULL)
		return false;
	if (kind->drifting_count == kind->drifting_room) {
		const size_t  room = kind->drifting_room > 0 ? 2 * kind->drifting_room : 16;
		struct seen **more = realloc(kind->drifting, room * sizeof(struct seen *));

		if (more == NULL)
			return false;
		kind->drifting = more;
		kind->drifting_room = room;
	}
	seen->drifting->is_on = true;
	seen->drifting->at = (uint32_t) kind->drifting_count;
	kind->drifting[kind->drifting_count++] = seen;
	return true;
}

static int64_t doubled(int64_t ns, unsigned times, int64_t max)
{
	for (; times > 0 && ns < max; times--)
		ns *= 2;
	return ns < max ? ns : max;
}

/* Whoever writes against somebody who writes back gains nothing by being quick. */
static int64_t settle_of(const struct spot_kind *kind, const struct seen *seen)
{
	const struct drift_times *times = &kind->spot->spots->times;

	return doubled(times->settle, seen->drifting->repeats, times->settle_max);
}

int64_t drift_begin(struct spot_kind *kind, struct seen *seen, uint64_t fields)
{
	const int64_t now = now_ns();
	const bool    is_new = !is_drifting(seen);

	if (is_new && !drift_add(kind, seen))
		return 0;
	struct drifting *drifting = seen->drifting;
	drifting->fields = fields;
	if (is_new) {
		if (drifting->told_ns == 0 || now - drifting->told_ns >= kind->spot->spots->times.quiet)
			drifting->repeats = 0;
		drifting->tries = 0;
		drifting->is_doubted = false;
		drifting->due_ns = now + settle_of(kind, seen);
	}
	const int64_t settle = settle_of(kind, seen);
	if (!seen->is_there && drifting->due_ns > now + settle)
		drifting->due_ns = now + settle; /* told before, and gone now */
	return settle;
}

void drift_end(struct spot_kind *kind, struct seen *seen)
{
	if (!is_drifting(seen))
		return;
	struct seen *last = kind->drifting[--kind->drifting_count];
	kind->drifting[seen->drifting->at] = last;
	last->drifting->at = seen->drifting->at;
	seen->drifting->is_on = false;
}

/* What is there is taken as it is. */
static void drift_forget(struct spot_kind *kind, struct seen *seen)
{
	drift_end(kind, seen);
	seen->fields = seen->drifting->fields;
	if (!seen->is_there)
		seen_forget(kind, seen);
}

/* -- telling -- */

static void warn(const struct spot_kind *kind, const struct seen *seen, int64_t now)
{
	struct spots  *spots = kind->spot->spots;
	const unsigned repeats = seen->drifting->repeats;
	char           text[1024];

	if (repeats < WARN_REPEATS || (spots->warned_ns != 0 && now - spots->warned_ns < spots->times.warn))
		return;
	spots->warned_ns = now;
	snprintf(text, sizeof text, "object \"%.200s\" of \"%.200s\" on cluster \"%.200s\": somebody else changes it each time it is "
	         "put right, %u times so far; it is put right after longer and longer pauses.  If the fields are his, name them in the "
	         "annotation emco/ignore-fields, or in spec.drift of the deployment", seen_name(seen), seen_label(seen),
	         kind->spot->name, repeats);
	spots->host->log(spots->host, EMCO_LOG_WARNING, EMCO_STR("rsync.drift_repeats"), str_of(text));
}

/* The unit may not be at rest yet, and then a drift does not count: it is told until the object is as it shall be. */
static void drift_tell(struct spot_kind *kind, struct seen *seen, int64_t now)
{
	const struct drift_times *times = &kind->spot->spots->times;
	struct drifting          *drifting = seen->drifting;

	seen->is_held = false;
	row_add(kind, seen, EMCO_SEEN_DRIFTED, "changed by somebody else");
	if (drifting->tries == 0) {
		drifting->repeats++;
		warn(kind, seen, now);
	}
	drifting->tries++;
	drifting->told_ns = now;
	drifting->due_ns = now + doubled(times->settle, 2 * drifting->tries, times->pause_max);
	if (drifting->tries % DOUBT_AGAIN == DOUBT_TRIES)
		drifting->is_doubted = kind->spot->spots->has_doubts = true;
}

static void kind_drifts(struct spot_kind *kind, int64_t *next_ns)
{
	const int64_t now = now_ns();

	/* From the end: one that goes is replaced by one that was looked at. */
	for (size_t i = kind->drifting_count; i > 0; i--) {
		struct seen *seen = kind->drifting[i - 1];

		if (seen->drifting->due_ns <= now) {
			drift_tell(kind, seen, now);
			if (!seen_heals(kind, seen)) {
				drift_forget(kind, seen);
				continue;
			}
		}
		*next_ns = seen->drifting->due_ns < *next_ns ? seen->drifting->due_ns : *next_ns;
	}
}

void spot_drifts(struct spot *spot, int64_t *next_ns)
{
	for (size_t i = 0; i < spot->kind_count; i++)
		if (spot->kinds[i]->drifting_count > 0 && !spot->kinds[i]->is_blind)
			kind_drifts(spot->kinds[i], next_ns);
}

/* -- doubts -- */

struct doubting { struct spots *spots; const emco_units_1 *units; emco_call *call; };
struct trusting { struct spot *spot; char label[320]; };

/* Objects of a label that are doubted: the first; after name is trusted when that is given. */
static bool trust(struct spot *spot, const char *label, const emco_str *name)
{
	for (size_t i = 0; i < spot->kind_count; i++) {
		struct spot_kind *kind = spot->kinds[i];

		for (size_t k = 0; k < kind->drifting_count; k++) {
			struct seen *seen = kind->drifting[k];

			if (!seen->drifting->is_doubted || strcmp(seen_label(seen), label) != 0)
				continue;
			if (name == NULL)
				return true;
			if (str_is(*name, seen_name(seen)))
				seen->drifting->is_doubted = false;
		}
	}
	return false;
}

static emco_status entry_trust(void *data, const emco_set_entry *entry)
{
	struct trusting *trusting = data;

	(void) trust(trusting->spot, trusting->label, &entry->object->name);
	return EMCO_OK;
}

static emco_status unit_trust(void *data, const emco_unit *unit)
{
	struct doubting *doubting = data;
	struct trusting  trusting = { .spot = spots_find(doubting->spots, unit->cluster) };

	snprintf(trusting.label, sizeof trusting.label, "%.*s-%.*s", STR_ARG(unit->status_context), STR_ARG(unit->app));
	if (trusting.spot == NULL || unit->desired.len == 0 || !trust(trusting.spot, trusting.label, NULL))
		return EMCO_OK;
	return doubting->units->each_entry(doubting->call, unit->desired, entry_trust, &trusting);
}

static void doubted_forget(struct spot_kind *kind)
{
	for (size_t i = kind->drifting_count; i > 0; i--)
		if (kind->drifting[i - 1]->drifting->is_doubted)
			drift_forget(kind, kind->drifting[i - 1]);
}

emco_status drifts_doubt(struct spots *spots, const emco_units_1 *units, emco_call *call)
{
	struct doubting   doubting = { spots, units, call };
	uint64_t          now;
	const emco_status status = units->each_live(call, 0, &now, unit_trust, &doubting);

	for (size_t i = 0; status == EMCO_OK && i < spots->count; i++)
		for (size_t k = 0; k < spots->items[i]->kind_count; k++)
			doubted_forget(spots->items[i]->kinds[k]);
	spots->has_doubts = spots->has_doubts && status != EMCO_OK;
	return status;
}
