#include "plugins/rsync/watch_seen.h"

#include "plugins/rsync/bell.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- what is there -- */

static struct view key_of(const struct seen *seen)
{
	return (struct view) { seen->path, seen->key_len };
}

/* A namespace has no slash; what is in none has an empty one. */
const char *seen_name(const struct seen *seen)
{
	return strchr(seen->path, '/') + 1;
}

const char *seen_label(const struct seen *seen)
{
	return seen->path + strlen(seen->path) + 1;
}

void seen_free(struct seen *seen)
{
	if (seen != NULL)
		free(seen->drifting);
	free(seen);
}

size_t name_place(const void *items, size_t count, name_at *at, struct view name)
{
	size_t low = 0, high = count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (view_compare(at(items, middle), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct view key_at(const void *items, size_t i)
{
	struct seen *const *seen = items;

	return key_of(seen[i]);
}

/* Where the key is, or belongs. */
static size_t place_of(const struct spot_kind *kind, struct view key)
{
	return name_place(kind->seen, kind->seen_count, key_at, key);
}

struct seen *seen_find(const struct spot_kind *kind, struct view key)
{
	const size_t place = place_of(kind, key);

	return place < kind->seen_count && view_compare(key_of(kind->seen[place]), key) == 0 ? kind->seen[place] : NULL;
}

static struct seen *seen_new(struct spot_kind *kind, const struct sighting *from)
{
	const size_t path = strlen(from->key.ptr) + 1, label = strlen(from->label) + 1, place = place_of(kind, from->key);
	struct seen *seen;

	if (kind->seen_count == kind->seen_room) {
		const size_t  room = kind->seen_room + kind->seen_room / 2 + 4;
		struct seen **more = realloc(kind->seen, room * sizeof(struct seen *));

		if (more == NULL)
			return NULL;
		kind->seen = more;
		kind->seen_room = room;
	}
	seen = calloc(1, offsetof(struct seen, path) + path + label);
	if (seen == NULL)
		return NULL;
	memcpy(seen->path, from->key.ptr, path);
	memcpy(seen->path + path, from->label, label);
	seen->key_len = (uint16_t) from->key.len;
	/* A list comes in this order, so that nearly nothing moves. */
	memmove(kind->seen + place + 1, kind->seen + place, (kind->seen_count++ - place) * sizeof(struct seen *));
	kind->seen[place] = seen;
	return seen;
}

/* A row that tells of it still needs its texts. */
void seen_forget(struct spot_kind *kind, struct seen *seen)
{
	const size_t place = place_of(kind, key_of(seen));

	drift_end(kind, seen);
	memmove(kind->seen + place, kind->seen + place + 1, (--kind->seen_count - place) * sizeof(struct seen *));
	if (seen->batch == kind->spot->batch)
		kind->spot->rows[seen->row].gone = seen;
	else
		seen_free(seen);
}

/* -- what is to be told -- */

bool seen_heals(const struct spot_kind *kind, const struct seen *seen)
{
	return seen->drift == DRIFT_AS_OPTION ? kind->spot->spots->heals : seen->drift == DRIFT_HEAL;
}

/* What our manager owns now: as it applied, but for what somebody else has changed. */
static uint64_t fields_now(const struct seen *seen)
{
	return is_drifting(seen) ? seen->drifting->fields : seen->fields;
}

static void row_free(struct spot_row *row)
{
	free(row->reason);
	seen_free(row->gone);
}

/* The place of an object's row: the last one counts, so that what waits for the store has an end.  NULL: no memory. */
static struct spot_row *row_of(struct spot *spot, struct seen *seen)
{
	if (seen->batch == spot->batch)
		return &spot->rows[seen->row];
	if (spot->row_count == spot->row_room) {
		const size_t     room = spot->row_room > 0 ? 2 * spot->row_room : 8;
		struct spot_row *rows = realloc(spot->rows, room * sizeof *rows);

		if (rows == NULL)
			return NULL;
		spot->rows = rows;
		spot->row_room = room;
	}
	seen->batch = spot->batch;
	seen->row = (uint32_t) spot->row_count++;
	spot->rows[seen->row] = (struct spot_row) { 0 };
	return &spot->rows[seen->row];
}

void row_add(struct spot_kind *kind, struct seen *seen, uint32_t flags, const char *reason)
{
	char            *why = reason[0] != '\0' ? strdup(reason) : NULL;
	struct spot_row *row = why != NULL || reason[0] == '\0' ? row_of(kind->spot, seen) : NULL;

	if (row == NULL) {
		free(why);                       /* told when the object changes again */
		return;
	}
	if (row->since == seen->since)
		flags |= row->flags & EMCO_SEEN_DRIFTED;
	row_free(row);
	kind->spot->is_loud = true;
	*row = (struct spot_row) {
		.state = !seen->is_there && !seen->is_held ? EMCO_SEEN_GONE
		         : seen->is_ready                  ? EMCO_SEEN_READY
		                                           : EMCO_SEEN_NOT_READY,
		.flags = flags | (seen->is_member ? EMCO_SEEN_MEMBER : 0u) | (seen->is_hook ? EMCO_SEEN_HOOK : 0u) |
		         (seen_heals(kind, seen) ? EMCO_SEEN_HEAL : 0u),
		/* What heals is compared with what was applied until it is applied again, by the next session too. */
		.fields = (flags & EMCO_SEEN_DRIFTED) != 0 && !seen_heals(kind, seen) ? fields_now(seen) : seen->fields,
		.since = seen->since,
		.label = seen_label(seen),
		.name = seen_name(seen),
		.reason = why,
		.api_version = kind->api_version,
	};
}

/* The same of an object that is as it was, but for the time of its apply. */
static void row_add_quietly(struct spot_kind *kind, struct seen *seen, const char *reason)
{
	struct spot *spot = kind->spot;
	const bool   was_loud = spot->is_loud;

	row_add(kind, seen, 0, reason);
	spot->is_loud = was_loud;
	if (spot->quiet_ns == 0)
		spot->quiet_ns = now_ns();
}

void rows_clear(struct spot *spot)
{
	spot->is_loud = false;
	spot->quiet_ns = 0;
	for (size_t i = 0; i < spot->row_count; i++)
		row_free(&spot->rows[i]);
	free(spot->rows);                        /* there are thousands of spots, and most are silent */
	spot->rows = NULL;
	spot->row_count = spot->row_room = 0;
	spot->batch++;
}

void kind_blind(struct spot_kind *kind)
{
	struct spot *spot = kind->spot;

	kind->is_blind = true;
	for (size_t i = 0; i < kind->seen_count; i++) {
		struct seen *seen = kind->seen[i];

		if (!seen->is_there)
			continue;
		row_add(kind, seen, 0, kind->why);
		if (seen->batch == spot->batch)
			spot->rows[seen->row].state = EMCO_SEEN_NOT_READY;
	}
}

/* -- what the loops have noted -- */

static uint32_t sum_of(const char *text)
{
	uint32_t sum = 0;

	for (; *text != '\0'; text++)
		sum = sum * 131 + (unsigned char) *text;
	return sum;
}

/* The store is told when the drift is settled: should we end before that, it still has what the next session compares with. */
static void gone(struct spot_kind *kind, struct seen *seen)
{
	int64_t settle;

	if (!seen->is_there)
		return;
	seen->is_there = seen->is_ready = false;
	settle = seen->is_member && seen->fields != 0 ? drift_begin(kind, seen, fields_now(seen)) : 0;
	seen->is_held = settle > 0;
	if (settle > kind->spot->spots->times.settle)
		row_add(kind, seen, 0, "somebody else deletes it again and again; it is soon applied again");
	if (settle > 0)
		return;
	row_add(kind, seen, 0, "");
	seen_forget(kind, seen);
}

/* Is there another of its name and deployment, in another namespace? */
static bool has_namesake(const struct spot_kind *kind, const struct seen *seen)
{
	for (size_t i = 0; i < kind->seen_count; i++) {
		const struct seen *other = kind->seen[i];

		if (other != seen && other->is_there && strcmp(seen_name(other), seen_name(seen)) == 0 &&
		    strcmp(seen_label(other), seen_label(seen)) == 0)
			return true;
	}
	return false;
}

/* Another deployment's now, or another of several of its name and kind: no drift.  What its name was may be another's already. */
static void renamed(struct spot_kind *kind, struct seen *seen)
{
	if ((seen->is_there || seen->is_held) && !has_namesake(kind, seen)) {
		seen->is_there = seen->is_held = false;
		row_add(kind, seen, 0, "");
	}
	seen_forget(kind, seen);
}

static void there(struct spot_kind *kind, const struct sighting *sighting)
{
	struct seen   *seen = seen_find(kind, sighting->key);
	const uint32_t reason = sum_of(sighting->text);

	if (seen != NULL && (strcmp(seen_label(seen), sighting->label) != 0 || strcmp(seen_name(seen), sighting->name) != 0)) {
		renamed(kind, seen);
		seen = NULL;
	}
	const bool is_new = seen == NULL || !seen->is_there;
	if (seen == NULL)
		seen = seen_new(kind, sighting);
	if (seen == NULL)
		return;

	const bool is_changed = is_new || kind->is_blind || seen->is_ready != sighting->is_ready || seen->reason != reason ||
	                        seen->is_member != sighting->is_member;
	const bool is_applied = seen->since != sighting->since;
	seen->round = kind->round;
	seen->is_there = true;
	seen->is_held = false;
	seen->is_ready = sighting->is_ready;
	seen->is_member = sighting->is_member;
	seen->is_hook = sighting->is_hook;
	seen->reason = reason;
	/* Applied anew is no drift; nothing of ours left is one, and has no time.  Nobody puts a hook right. */
	if (!is_new && !seen->is_hook && seen->fields != 0 && seen->fields != sighting->fields &&
	    (seen->since == sighting->since || sighting->fields == 0)) {
		(void) drift_begin(kind, seen, sighting->fields);
	} else {
		seen->fields = sighting->fields;
		seen->drift = (uint8_t) sighting->drift;
		seen->since = sighting->since;
		drift_end(kind, seen);
	}
	if (is_changed)
		row_add(kind, seen, 0, sighting->text);
	else if (is_applied)
		row_add_quietly(kind, seen, sighting->text);
}

/* From the end: one that goes moves only those that were looked at. */
static void synced(struct spot_kind *kind)
{
	for (size_t i = kind->seen_count; i > 0; i--)
		if (kind->seen[i - 1]->round != kind->round)
			gone(kind, kind->seen[i - 1]);
	kind->is_synced = true;
	kind->is_lost = false;
	kind->is_blind = false;                  /* the list has told each object anew */
}

static void understand(const struct sighting *sighting)
{
	struct spot_kind *kind = sighting->from;
	struct seen      *seen;

	switch (sighting->event) {
	case KUBE_ADDED:
	case KUBE_MODIFIED:
		there(kind, sighting);
		break;
	case KUBE_REMOVED:
		seen = seen_find(kind, sighting->key);
		if (seen != NULL)
			gone(kind, seen);
		break;
	case KUBE_SYNCED:
		synced(kind);
		break;
	case KUBE_LOST:
		if (!kind->is_lost)
			kind->lost_ns = now_ns();
		kind->is_lost = true;
		kind->round++;
		snprintf(kind->why, sizeof kind->why, "%s", sighting->text);
		break;
	}
}

/* On a loop of the client. */
void kind_saw(void *data, enum kube_event event, const json_t *object, const char *text)
{
	struct spot_kind *kind = data;
	struct spots     *spots = kind->spot->spots;
	struct sighting  *sighting = sighting_new(event, object, text);

	if (sighting == NULL)
		return;
	sighting->from = kind;
	sighting->next = atomic_load(&spots->queue);
	while (!atomic_compare_exchange_weak(&spots->queue, &sighting->next, sighting))
		continue;
	bell_ring(spots->bell);
}

void spots_take(struct spots *spots)
{
	struct sighting *newest = atomic_exchange(&spots->queue, NULL), *oldest = NULL;

	while (newest != NULL) {
		struct sighting *sighting = newest;

		newest = sighting->next;
		sighting->next = oldest;
		oldest = sighting;
	}
	while (oldest != NULL) {
		struct sighting *sighting = oldest;

		oldest = sighting->next;
		understand(sighting);
		free(sighting);
	}
}
