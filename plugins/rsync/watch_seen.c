#include "plugins/rsync/watch_seen.h"

#include "plugins/rsync/bell.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- what is there -- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct seen *) a)->key, ((const struct seen *) b)->key);
}

void seen_free(void *data)
{
	struct seen *seen = data;

	free(seen->label);
	free(seen);
}

struct seen *seen_find(const struct spot_kind *kind, const char *key)
{
	union { const char *in; char *out; } same = { .in = key };
	struct seen wanted = { .key = same.out };
	void       *found = tfind(&wanted, &kind->tree, compare_keys);

	return found != NULL ? *(struct seen **) found : NULL;
}

static struct seen *seen_new(struct spot_kind *kind, const struct sighting *from)
{
	const size_t label = strlen(from->label) + 1, name = strlen(from->name) + 1, key = strlen(from->key) + 1;
	struct seen *seen = calloc(1, sizeof *seen);
	char        *block = malloc(label + name + key);

	if (seen == NULL || block == NULL) {
		free(seen);
		free(block);
		return NULL;
	}
	seen->label = memcpy(block, from->label, label);
	seen->name = memcpy(block + label, from->name, name);
	seen->key = memcpy(block + label + name, from->key, key);
	if (tsearch(seen, &kind->tree, compare_keys) == NULL) {
		seen_free(seen);
		return NULL;
	}
	kind->seen_count++;
	return seen;
}

void seen_forget(struct spot_kind *kind, struct seen *seen)
{
	drift_end(kind, seen);
	tdelete(seen, &kind->tree, compare_keys);
	kind->seen_count--;
	seen_free(seen);
}

/* -- what is to be told -- */

bool seen_heals(const struct spot_kind *kind, const struct seen *seen)
{
	return seen->drift == DRIFT_AS_OPTION ? kind->spot->spots->heals : seen->drift == DRIFT_HEAL;
}

static void row_free(struct spot_row *row)
{
	union { const char *in; char *out; } block = { .in = row->label };

	free(block.out);
}

/* The place of an object's row: the last one counts, so that what waits for the store has an end.  NULL: no memory. */
static struct spot_row *row_of(struct spot *spot, struct seen *seen)
{
	if (seen->batch == spot->batch)
		return &spot->rows[seen->row];
	if (spot->row_count == spot->row_room) {
		const size_t     room = spot->row_room > 0 ? 2 * spot->row_room : 64;
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
	const size_t     label = strlen(seen->label) + 1, name = strlen(seen->name) + 1, why = strlen(reason) + 1;
	char            *block = malloc(label + name + why);
	struct spot_row *row = block != NULL ? row_of(kind->spot, seen) : NULL;

	if (row == NULL) {
		free(block);                     /* told when the object changes again */
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
		.fields = (flags & EMCO_SEEN_DRIFTED) != 0 && !seen_heals(kind, seen) ? seen->fields_now : seen->fields,
		.since = seen->since,
		.label = memcpy(block, seen->label, label),
		.name = memcpy(block + label, seen->name, name),
		.reason = memcpy(block + label + name, reason, why),
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
	spot->row_count = 0;
	spot->batch++;
}

static void blind(const void *node, VISIT visit, void *data)
{
	struct spot_kind *kind = data;
	struct spot      *spot = kind->spot;
	struct seen      *seen = *(struct seen *const *) node;

	if ((visit != postorder && visit != leaf) || !seen->is_there)
		return;
	row_add(kind, seen, 0, kind->why);
	if (seen->batch == spot->batch)
		spot->rows[seen->row].state = EMCO_SEEN_NOT_READY;
}

void kind_blind(struct spot_kind *kind)
{
	kind->is_blind = true;
	twalk_r(kind->tree, blind, kind);
}

/* -- what the loops have noted -- */

static uint64_t sum_of(const char *text)
{
	uint64_t sum = 0;

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
	settle = seen->is_member && seen->fields != 0 ? drift_begin(kind, seen) : 0;
	seen->is_held = settle > 0;
	if (settle > kind->spot->spots->times.settle)
		row_add(kind, seen, 0, "somebody else deletes it again and again; it is soon applied again");
	if (settle > 0)
		return;
	row_add(kind, seen, 0, "");
	seen_forget(kind, seen);
}

static void there(struct spot_kind *kind, const struct sighting *sighting)
{
	struct seen   *seen = seen_find(kind, sighting->key);
	const uint64_t reason = sum_of(sighting->text);

	if (seen != NULL && strcmp(seen->label, sighting->label) != 0) {
		if (seen->is_there || seen->is_held) {           /* another deployment's now: no drift */
			seen->is_there = seen->is_held = false;
			row_add(kind, seen, 0, "");
		}
		seen_forget(kind, seen);
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
	seen->fields_now = sighting->fields;
	/* Applied anew is no drift; nothing of ours left is one, and has no time. */
	if (!is_new && seen->fields != 0 && seen->fields != sighting->fields &&
	    (seen->since == sighting->since || sighting->fields == 0)) {
		(void) drift_begin(kind, seen);
	} else {
		seen->fields = sighting->fields;
		seen->drift = sighting->drift;
		seen->since = sighting->since;
		drift_end(kind, seen);
	}
	if (is_changed)
		row_add(kind, seen, 0, sighting->text);
	else if (is_applied)
		row_add_quietly(kind, seen, sighting->text);
}

struct sweeping { struct spot_kind *kind; struct seen **missing; size_t count, room; };

static void missing_add(const void *node, VISIT visit, void *data)
{
	struct sweeping *sweeping = data;
	struct seen     *seen = *(struct seen *const *) node;

	if ((visit != postorder && visit != leaf) || seen->round == sweeping->kind->round || !seen->is_there)
		return;
	if (sweeping->count == sweeping->room) {
		const size_t  room = sweeping->room > 0 ? 2 * sweeping->room : 64;
		struct seen **more = realloc(sweeping->missing, room * sizeof(struct seen *));

		if (more == NULL)
			return;                  /* found missing with the next list */
		sweeping->missing = more;
		sweeping->room = room;
	}
	sweeping->missing[sweeping->count++] = seen;
}

static void synced(struct spot_kind *kind)
{
	struct sweeping sweeping = { .kind = kind };

	twalk_r(kind->tree, missing_add, &sweeping);
	for (size_t i = 0; i < sweeping.count; i++)
		gone(kind, sweeping.missing[i]);
	free(sweeping.missing);
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
