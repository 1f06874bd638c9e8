#include "plugins/rsync/watch_spot.h"

#include "plugins/rsync/bell.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NS_PER_MS = 1000000,
	SETTLE_MS = 300,                 /* what is there again by then was no drift                   */
	DRIFT_TRIES = 4,                 /* while somebody works on the unit, its drift does not count */
	LOST_MS = 1000,                  /* a list that begins anew is no loss                         */
};

/* An object that is there, or is missed for a moment. */
struct seen {
	char    *label;                  /* one block: label, name, key                                */
	char    *name, *key;
	uint64_t fields, since;          /* what our manager owned when it applied                     */
	uint64_t fields_now, reason;
	int64_t  drift_ns;               /* 0: as it was applied                                       */
	enum drift drift;                /* as it was applied with                                     */
	unsigned drift_tries, round;
	bool     is_there, is_ready, is_member;
};

struct spot_kind {
	struct spot       *spot;
	char              *api_version, *kind;
	struct kube_watch *watch;
	void              *tree;         /* of struct seen, by key                                     */
	struct seen      **drifting;
	size_t             drifting_count, drifting_room;
	unsigned           round;
	bool               is_synced, is_lost;
	int64_t            lost_ns;
	char               why[WHY_SIZE];
};

/* -- what is there -- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct seen *) a)->key, ((const struct seen *) b)->key);
}

static void seen_free(void *data)
{
	struct seen *seen = data;

	free(seen->label);
	free(seen);
}

static struct seen *seen_find(struct spot_kind *kind, const char *key)
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
	return seen;
}

static void seen_forget(struct spot_kind *kind, struct seen *seen)
{
	for (size_t i = 0; i < kind->drifting_count; i++)
		if (kind->drifting[i] == seen)
			kind->drifting[i--] = kind->drifting[--kind->drifting_count];
	tdelete(seen, &kind->tree, compare_keys);
	seen_free(seen);
}

/* -- what is to be told -- */

static bool heals_drift(const struct spot_kind *kind, const struct seen *seen)
{
	return seen->drift == DRIFT_AS_OPTION ? kind->spot->spots->heals : seen->drift == DRIFT_HEAL;
}

static void row_add(struct spot_kind *kind, const struct seen *seen, uint32_t flags, const char *reason)
{
	struct spot *spot = kind->spot;
	const size_t label = strlen(seen->label) + 1, name = strlen(seen->name) + 1, why = strlen(reason) + 1;
	char        *block = malloc(label + name + why);

	if (spot->row_count == spot->row_room) {
		const size_t     room = spot->row_room > 0 ? 2 * spot->row_room : 64;
		struct spot_row *rows = realloc(spot->rows, room * sizeof *rows);

		if (rows != NULL) {
			spot->rows = rows;
			spot->row_room = room;
		}
	}
	if (block == NULL || spot->row_count == spot->row_room) {
		free(block);                     /* told when the object changes again */
		return;
	}
	spot->rows[spot->row_count++] = (struct spot_row) {
		.state = !seen->is_there ? EMCO_SEEN_GONE : seen->is_ready ? EMCO_SEEN_READY : EMCO_SEEN_NOT_READY,
		.flags = flags | (seen->is_member ? EMCO_SEEN_MEMBER : 0u) |
		         (heals_drift(kind, seen) ? EMCO_SEEN_HEAL : 0u),
		.fields = (flags & EMCO_SEEN_DRIFTED) != 0 ? seen->fields_now : seen->fields, .since = seen->since,
		.label = memcpy(block, seen->label, label),
		.name = memcpy(block + label, seen->name, name),
		.reason = memcpy(block + label + name, reason, why),
		.api_version = kind->api_version,
	};
}

static void rows_clear(struct spot *spot)
{
	for (size_t i = 0; i < spot->row_count; i++) {
		union { const char *in; char *out; } block = { .in = spot->rows[i].label };

		free(block.out);
	}
	spot->row_count = 0;
}

/* -- drift -- */

static void drift_begin(struct spot_kind *kind, struct seen *seen)
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
		const bool   heals = heals_drift(kind, seen);

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

/* -- what the loops have noted -- */

static uint64_t sum_of(const char *text)
{
	uint64_t sum = 0;

	for (; *text != '\0'; text++)
		sum = sum * 131 + (unsigned char) *text;
	return sum;
}

static void gone(struct spot_kind *kind, struct seen *seen)
{
	if (!seen->is_there)
		return;
	seen->is_there = seen->is_ready = false;
	row_add(kind, seen, 0, "");
	if (seen->is_member && seen->fields != 0)
		drift_begin(kind, seen);
	else
		seen_forget(kind, seen);
}

static void there(struct spot_kind *kind, const struct sighting *sighting)
{
	struct seen   *seen = seen_find(kind, sighting->key);
	const uint64_t reason = sum_of(sighting->text);

	if (seen != NULL && strcmp(seen->label, sighting->label) != 0) {
		if (seen->is_there) {            /* another deployment's now: no drift */
			seen->is_there = false;
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

	const bool is_changed = is_new || seen->is_ready != sighting->is_ready || seen->reason != reason ||
	                        seen->is_member != sighting->is_member || seen->since != sighting->since;
	seen->round = kind->round;
	seen->is_there = true;
	seen->is_ready = sighting->is_ready;
	seen->is_member = sighting->is_member;
	seen->reason = reason;
	seen->fields_now = sighting->fields;
	if (!is_new && seen->fields != 0 && seen->since == sighting->since && seen->fields != sighting->fields) {
		drift_begin(kind, seen);
	} else if (!is_new && seen->fields != 0 && sighting->fields == 0) {
		drift_begin(kind, seen);         /* nothing is ours any more */
	} else {
		seen->fields = sighting->fields;
		seen->drift = sighting->drift;
		seen->since = sighting->since;
		seen->drift_ns = 0;
	}
	if (is_changed)
		row_add(kind, seen, 0, sighting->text);
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
static void saw(void *data, enum kube_event event, const json_t *object, const char *text)
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

/* -- clusters -- */

static int compare_spots(const void *a, const void *b)
{
	return strcmp((*(struct spot *const *) a)->name, (*(struct spot *const *) b)->name);
}

struct spot *spots_find(struct spots *spots, emco_str name)
{
	char         text[256];
	struct spot  wanted = { .name = text }, *key = &wanted;
	struct spot **found;

	snprintf(text, sizeof text, "%.*s", STR_ARG(name));
	found = spots->count == 0 ? NULL : bsearch(&key, spots->items, spots->count, sizeof key, compare_spots);
	return found != NULL ? *found : NULL;
}

static void spot_free(struct spot *spot)
{
	if (spot == NULL)
		return;
	for (size_t i = 0; i < spot->kind_count; i++) {
		free(spot->kinds[i]->drifting);
		free(spot->kinds[i]->api_version);
		free(spot->kinds[i]->kind);
		free(spot->kinds[i]);
	}
	rows_clear(spot);
	free(spot->rows);
	free(spot->kinds);
	free(spot->name);
	json_decref(spot->sets);
	free(spot);
}

struct spot *spots_get(struct spots *spots, emco_str name)
{
	struct spot  *spot = spots_find(spots, name);
	struct spot **items;

	if (spot != NULL)
		return spot;
	spot = calloc(1, sizeof *spot);
	items = realloc(spots->items, (spots->count + 1) * sizeof spot);
	if (items != NULL)
		spots->items = items;
	if (spot == NULL || items == NULL) {
		free(spot);
		return NULL;
	}
	spot->spots = spots;
	spot->name = strndup(name.ptr, name.len);
	spot->sets = json_object();
	if (spot->name == NULL || spot->sets == NULL) {
		spot_free(spot);
		return NULL;
	}
	spot_add_kind(spot, "v1|Pod");
	items[spots->count++] = spot;
	qsort(items, spots->count, sizeof spot, compare_spots);
	return spot;
}

bool spots_have_new(const struct spots *spots)
{
	for (size_t i = 0; i < spots->count; i++)
		if (spots->items[i]->checked_ns == 0)
			return true;
	return false;
}

static bool digest_key(emco_str digest, char key[80])
{
	snprintf(key, 80, "%.*s", STR_ARG(digest));
	return digest.len > 0 && digest.len < 80;
}

bool spot_is_new_set(const struct spot *spot, emco_str digest)
{
	char key[80];

	return digest_key(digest, key) && json_object_get(spot->sets, key) == NULL;
}

void spot_know_set(struct spot *spot, emco_str digest)
{
	char key[80];

	if (digest_key(digest, key))
		(void) json_object_set_new(spot->sets, key, json_true());     /* else it is read again */
}

void spot_add_kind(struct spot *spot, const char *name)
{
	const char        *bar = strchr(name, '|');
	const size_t       len = bar != NULL ? (size_t) (bar - name) : 0;
	struct spot_kind **kinds, *kind;

	for (size_t i = 0; i < spot->kind_count; i++)
		if (strlen(spot->kinds[i]->api_version) == len && memcmp(spot->kinds[i]->api_version, name, len) == 0 &&
		    strcmp(spot->kinds[i]->kind, bar + 1) == 0)
			return;
	if (len == 0)
		return;
	kinds = realloc(spot->kinds, (spot->kind_count + 1) * sizeof(struct spot_kind *));
	kind = calloc(1, sizeof *kind);
	if (kinds != NULL)
		spot->kinds = kinds;
	if (kinds != NULL && kind != NULL) {
		kind->spot = spot;
		kind->api_version = strndup(name, len);
		kind->kind = strdup(bar + 1);
		if (kind->api_version != NULL && kind->kind != NULL) {
			kinds[spot->kind_count++] = kind;
			return;
		}
		free(kind->api_version);
		free(kind->kind);
	}
	free(kind);
}

/* -- watching -- */

void spot_open_kinds(struct spot *spot)
{
	for (size_t i = 0; spot->cluster != NULL && i < spot->kind_count; i++) {
		struct spot_kind *kind = spot->kinds[i];

		if (kind->watch == NULL)
			kind->watch = kube_watch_open(spot->cluster, view_of(kind->api_version), view_of(kind->kind),
			                              DEPLOYMENT_LABEL, saw, kind);
	}
}

void spot_open(struct spot *spot, struct kube *kube, struct view kubeconfig)
{
	struct error err;

	if (kube_cluster_ref(kube, view_of(spot->name), kubeconfig, &spot->cluster, &err) != ST_OK) {
		spot->cluster = NULL;
		return;
	}
	spot->kubeconfig = digest_of(kubeconfig);
	spot->session = random_below(INT64_MAX) + 1;
	spot->was_whole = spot->was_lost = false;
	spot_open_kinds(spot);
}

void spot_close(struct spot *spot)
{
	for (size_t i = 0; i < spot->kind_count; i++)
		if (spot->kinds[i]->watch != NULL)
			kube_watch_close(spot->kinds[i]->watch);
	spots_take(spot->spots);                 /* what they told last must not outlive them */
	for (size_t i = 0; i < spot->kind_count; i++) {
		struct spot_kind *kind = spot->kinds[i];

		tdestroy(kind->tree, seen_free);
		kind->tree = NULL;
		kind->watch = NULL;
		kind->drifting_count = 0;
		kind->is_synced = kind->is_lost = false;
	}
	rows_clear(spot);
	kube_cluster_unref(spot->cluster);
	spot->cluster = NULL;
	spot->is_mine = false;
}

void spots_done(struct spots *spots)
{
	for (size_t i = 0; i < spots->count; i++)
		spot_close(spots->items[i]);
	for (size_t i = 0; i < spots->count; i++)
		spot_free(spots->items[i]);
	free(spots->items);
}

/* -- is the cluster seen? -- */

static bool has_lost_kind(const struct spot *spot)
{
	for (size_t i = 0; i < spot->kind_count; i++)
		if (spot->kinds[i]->is_lost)
			return true;
	return false;
}

/* Lost: every kind, for more than a moment; or any when the server cannot be reached.  A kind alone is not served, or refused. */
static bool is_lost(struct spot *spot)
{
	if (!has_lost_kind(spot))                /* nearly always, and there are thousands of spots to look at */
		return false;

	const bool    is_reachable = kube_cluster_state(spot->cluster).is_reachable;
	const int64_t now = now_ns();
	size_t        lost = 0;

	for (size_t i = 0; i < spot->kind_count; i++) {
		const struct spot_kind *kind = spot->kinds[i];

		if (!kind->is_lost || (is_reachable && now - kind->lost_ns < (int64_t) LOST_MS * NS_PER_MS))
			continue;
		lost++;
		snprintf(spot->why, sizeof spot->why, "%s", kind->why);
	}
	return lost > 0 && (!is_reachable || lost == spot->kind_count);
}

size_t spot_seen_kinds(const struct spot *spot, char (*names)[KIND_NAME_SIZE])
{
	size_t count = 0;

	for (size_t i = 0; i < spot->kind_count; i++) {
		const struct spot_kind *kind = spot->kinds[i];

		if (kind->is_synced && !kind->is_lost)
			snprintf(names[count++], KIND_NAME_SIZE, "%s|%s", kind->api_version, kind->kind);
	}
	return count;
}

int32_t spot_event(struct spot *spot)
{
	if (is_lost(spot))
		return spot->was_lost ? EMCO_SIGHT_CHANGES : EMCO_SIGHT_LOST;
	if (spot->was_whole)
		return EMCO_SIGHT_CHANGES;
	for (size_t i = 0; i < spot->kind_count; i++)
		if (!spot->kinds[i]->is_synced && !spot->kinds[i]->is_lost)
			return EMCO_SIGHT_CHANGES;
	for (size_t i = 0; i < spot->kind_count; i++)
		if (spot->kinds[i]->is_synced && !spot->kinds[i]->is_lost)
			return EMCO_SIGHT_WHOLE;
	return EMCO_SIGHT_CHANGES;
}

void spot_told(struct spot *spot, int32_t event)
{
	rows_clear(spot);
	if (event == EMCO_SIGHT_LOST) {
		spot->was_lost = true;
		spot->was_whole = false;
	} else if (event == EMCO_SIGHT_WHOLE) {
		spot->was_whole = true;
		spot->was_lost = false;
	}
}
