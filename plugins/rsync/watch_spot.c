#include "plugins/rsync/watch_seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NS_PER_MS = 1000000,
	LOST_MS = 1000,                  /* a list that begins anew is no loss                         */
	QUIET_MS = 250,                  /* how long rows gather that nobody waits for                 */
};

/* -- clusters -- */

static struct view cluster_at(const void *items, size_t i)
{
	struct spot *const *spots = items;

	return view_of(spots[i]->name);
}

/* Where the cluster is, or belongs. */
static size_t spot_place(const struct spots *spots, struct view name)
{
	return name_place(spots->items, spots->count, cluster_at, name);
}

static struct spot *spot_at(const struct spots *spots, size_t place, struct view name)
{
	return place < spots->count && view_compare(cluster_at(spots->items, place), name) == 0 ? spots->items[place] : NULL;
}

struct spot *spots_find(struct spots *spots, emco_str name)
{
	const struct view wanted = { name.ptr, name.len };

	return spot_at(spots, spot_place(spots, wanted), wanted);
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
	free(spot->kinds);
	free(spot->name);
	json_decref(spot->sets);
	free(spot);
}

/* false: no memory for one more. */
static bool spots_make_room(struct spots *spots)
{
	if (spots->count < spots->room)
		return true;
	const size_t  room = spots->room > 0 ? 2 * spots->room : 16;
	struct spot **items = realloc(spots->items, room * sizeof(struct spot *));

	if (items == NULL)
		return false;
	spots->items = items;
	spots->room = room;
	return true;
}

struct spot *spots_get(struct spots *spots, emco_str name)
{
	const struct view wanted = { name.ptr, name.len };
	const size_t      place = spot_place(spots, wanted);
	struct spot      *spot = spot_at(spots, place, wanted);

	if (spot != NULL || !spots_make_room(spots) || (spot = calloc(1, sizeof *spot)) == NULL)
		return spot;
	spot->spots = spots;
	spot->batch = 1;
	spot->name = strndup(name.ptr, name.len);
	spot->sets = json_object();
	if (spot->name == NULL || spot->sets == NULL) {
		spot_free(spot);
		return NULL;
	}
	spot_add_kind(spot, "v1|Pod");
	memmove(spots->items + place + 1, spots->items + place, (spots->count++ - place) * sizeof spot);
	spots->items[place] = spot;
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
			                              DEPLOYMENT_LABEL, kind_saw, kind);
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

		for (size_t k = 0; k < kind->seen_count; k++)
			seen_free(kind->seen[k]);
		free(kind->seen);
		kind->seen = NULL;
		kind->watch = NULL;
		kind->drifting_count = kind->seen_count = kind->seen_room = 0;
		kind->is_synced = kind->is_lost = kind->is_blind = kind->was_told = false;
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

static bool is_seen(const struct spot_kind *kind)
{
	return kind->is_synced && !kind->is_lost;
}

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

		if (is_seen(kind))
			snprintf(names[count++], KIND_NAME_SIZE, "%s|%s", kind->api_version, kind->kind);
	}
	return count;
}

bool spot_is_overfull(const struct spot *spot)
{
	size_t most = spot->spots->rows_max;

	for (size_t i = 0; i < spot->kind_count; i++)
		most += 2 * spot->kinds[i]->seen_count;
	return spot->row_count > most;
}

void spot_blinds(struct spot *spot)
{
	if (spot->cluster == NULL || spot->was_lost || !has_lost_kind(spot) || is_lost(spot))
		return;
	for (size_t i = 0; i < spot->kind_count; i++) {
		struct spot_kind *kind = spot->kinds[i];

		if (kind->is_lost && !kind->is_blind && now_ns() - kind->lost_ns >= (int64_t) LOST_MS * NS_PER_MS)
			kind_blind(kind);
	}
}

/* First when every kind is seen or lost; then again for each that is seen later. */
static bool is_whole_due(const struct spot *spot)
{
	bool is_due = false;

	for (size_t i = 0; i < spot->kind_count; i++) {
		const struct spot_kind *kind = spot->kinds[i];

		if (!spot->was_whole && !is_seen(kind) && !kind->is_lost)
			return false;
		is_due = is_due || (is_seen(kind) && (!spot->was_whole || !kind->was_told));
	}
	return is_due;
}

int32_t spot_event(struct spot *spot)
{
	if (is_lost(spot))
		return spot->was_lost ? EMCO_SIGHT_CHANGES : EMCO_SIGHT_LOST;
	return is_whole_due(spot) ? EMCO_SIGHT_WHOLE : EMCO_SIGHT_CHANGES;
}

int64_t spot_news_ns(struct spot *spot)
{
	if (spot->cluster == NULL)
		return INT64_MAX;
	if (spot->is_loud || spot_event(spot) != EMCO_SIGHT_CHANGES)
		return 0;
	return spot->quiet_ns != 0 ? spot->quiet_ns + (int64_t) QUIET_MS * NS_PER_MS : INT64_MAX;
}

void spot_told(struct spot *spot, int32_t event)
{
	rows_clear(spot);
	if (event == EMCO_SIGHT_LOST) {
		spot->was_lost = true;
		spot->was_whole = false;
	} else if (event == EMCO_SIGHT_WHOLE) {
		for (size_t i = 0; i < spot->kind_count; i++)
			spot->kinds[i]->was_told = spot->kinds[i]->was_told || is_seen(spot->kinds[i]);
		spot->was_whole = true;
		spot->was_lost = false;
	}
}
