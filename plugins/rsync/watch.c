#include "plugins/rsync/watch.h"

#include "plugins/rsync/bell.h"
#include "plugins/rsync/versions.h"
#include "plugins/rsync/watch_spot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	NS_PER_MS = 1000000,
	LOOK_MS = 500,                  /* for new clusters and kinds                           */
	RIGHT_MS = 1500,                /* how often the right to watch is prolonged            */
	LEASE_MS = 5000,
	CHECK_S = 30,                   /* is the cluster still there, and reached as before?   */
	CHECK_LOST_S = 2,
	CHECKS_MS = 1000,               /* of one round: the right to watch is prolonged between two of them */
	GATHER_MS = 15,                 /* least time between two batches                       */
	CALL_S = 30,
	DOUBT_S = 60,                   /* least time between two walks over all units          */
	TELL_FAILURES = 4,              /* then the database is away                            */
	ROWS_MAX = 50000,
	TOLD_SPOTS = 64,                /* clusters, and about so many objects, in one statement */
	TOLD_ROWS = 2000,
};

struct watcher {
	struct watcher_options o;
	struct bell            bell;
	pthread_t              thread;
	atomic_bool            is_stopping, wants_look;
	struct spots           spots;
	json_t                *kinds;            /* digest of a set: array of "apps/v1|Deployment" */
	uint64_t               since;
	int64_t                look_ns, right_ns, doubt_ns;
	size_t                 tell_at;          /* the spot that is told first                    */
	size_t                 check_at;         /* and the one that is checked first              */
};

/* -- new clusters and kinds -- */

static emco_status kind_take(void *data, const emco_set_entry *entry)
{
	json_t *kinds = data, *known;
	char    name[512];
	size_t  i;

	snprintf(name, sizeof name, "%.*s|%.*s", STR_ARG(entry->object->api_version), STR_ARG(entry->object->kind));
	json_array_foreach(kinds, i, known)
		if (strcmp(json_string_value(known), name) == 0)
			return EMCO_OK;
	return json_array_append_new(kinds, json_string(name)) == 0 ? EMCO_OK : EMCO_E_NO_MEMORY;
}

/* Borrowed; NULL: the set cannot be read now. */
static const json_t *kinds_of(struct watcher *self, emco_call *call, emco_str digest)
{
	char    key[80];
	json_t *kinds;

	snprintf(key, sizeof key, "%.*s", STR_ARG(digest));
	kinds = json_object_get(self->kinds, key);
	if (kinds != NULL)
		return kinds;
	kinds = json_array();
	if (kinds == NULL || self->o.units->each_entry(call, digest, kind_take, kinds) != EMCO_OK) {
		json_decref(kinds);
		return NULL;
	}
	return json_object_set_new(self->kinds, key, kinds) == 0 ? kinds : NULL;
}

struct looking { struct watcher *self; emco_call *call; bool is_whole; };

static void set_add(struct looking *looking, struct spot *spot, emco_str digest)
{
	const json_t *kinds, *kind;
	size_t        i;

	if (digest.len == 0 || !spot_is_new_set(spot, digest))
		return;
	kinds = kinds_of(looking->self, looking->call, digest);
	if (kinds == NULL) {
		looking->is_whole = false;
		return;
	}
	json_array_foreach(kinds, i, kind)
		spot_add_kind(spot, json_string_value(kind));
	spot_know_set(spot, digest);
}

static emco_status unit_take(void *data, const emco_unit *unit)
{
	struct looking *looking = data;
	struct spot    *spot = spots_get(&looking->self->spots, unit->cluster);

	if (spot == NULL)
		return EMCO_E_NO_MEMORY;
	set_add(looking, spot, unit->desired);
	set_add(looking, spot, unit->applied);
	for (uint64_t i = 0; i < unit->tried_count; i++)
		set_add(looking, spot, unit->tried[i]);
	return EMCO_OK;
}

/* NOTE: since goes on only when everything of the walk was understood, so nothing is left out for ever. */
static void look(struct watcher *self, emco_call *call)
{
	struct looking    looking = { self, call, true };
	uint64_t          next = 0;
	const emco_status status = self->o.units->each_live(call, self->since, &next, unit_take, &looking);

	if (status == EMCO_OK && looking.is_whole)
		self->since = next;
}

/* -- the right to watch -- */

static bool is_checked(const struct spot *spot, int64_t now)
{
	const int64_t check_s = spot->was_lost ? CHECK_LOST_S : CHECK_S;

	return spot->checked_ns != 0 && now - spot->checked_ns < check_s * 1000 * NS_PER_MS;
}

/* A cluster without a kubeconfig is nothing to watch; one with another kubeconfig may be another cluster. */
static void spot_check(struct watcher *self, emco_call *call, struct spot *spot)
{
	emco_cluster_access access;
	emco_status         status;

	status = self->o.clusters->access(call, str_of(spot->name), EMCO_STR("0"), EMCO_STR("default"), &access);
	if (status != EMCO_OK && status != EMCO_E_NOT_FOUND)
		return;
	spot->checked_ns = now_ns();
	spot->is_kube = status == EMCO_OK && access.kubeconfig.len > 0;

	const struct view   kubeconfig = { spot->is_kube ? access.kubeconfig.ptr : "", spot->is_kube ? access.kubeconfig.len : 0 };
	const struct digest digest = digest_of(kubeconfig);
	if (spot->is_kube && spot->cluster == NULL && spot->is_mine)
		spot_open(spot, self->o.kube, kubeconfig);
	else if (!spot->is_kube || !digest_equal(&digest, &spot->kubeconfig))
		spot_close(spot);                /* opened again with the next right to watch */
}

static emco_status mine_take(void *data, emco_str cluster)
{
	struct watcher *self = data;
	struct spot    *spot = spots_find(&self->spots, cluster);

	if (spot != NULL)
		spot->is_told_mine = true;
	return EMCO_OK;
}

/*
 * false: its round has no more time, and another must come soon.  With thousands of clusters those that are left have
 * their turn then.
 */
static bool rights(struct watcher *self, emco_call *call)
{
	const int64_t until_ns = now_ns() + (int64_t) CHECKS_MS * NS_PER_MS;
	emco_str     *names = call->alloc(call, self->spots.count + 1, sizeof *names);
	uint64_t      count = 0;
	bool          is_whole = true;

	if (names == NULL)
		return true;
	for (size_t i = 0, first = self->check_at; i < self->spots.count; i++) {
		const size_t  at = (first + i) % self->spots.count;
		struct spot  *spot = self->spots.items[at];
		const int64_t now = now_ns();

		if (!is_checked(spot, now) && now < until_ns) {
			spot_check(self, call, spot);
		} else if (!is_checked(spot, now) && is_whole) {
			self->check_at = at;
			is_whole = false;
		}
		spot->is_told_mine = false;
		if (spot->is_kube)
			names[count++] = str_of(spot->name);
	}
	if (count == 0 || self->o.units->watch(call, names, count, (int64_t) LEASE_MS * NS_PER_MS, mine_take, self) != EMCO_OK)
		return is_whole;
	for (size_t i = 0; i < self->spots.count; i++) {
		struct spot *spot = self->spots.items[i];

		if (spot->is_mine && !spot->is_told_mine)
			spot_close(spot);
		spot->is_mine = spot->is_told_mine;
		if (spot->is_mine && spot->cluster == NULL && now_ns() < until_ns)
			spot_check(self, call, spot);
		else if (spot->is_mine && spot->cluster == NULL)
			is_whole = false;
	}
	return is_whole;
}

/* -- storing -- */

/* false: no memory. */
static bool kinds_tell(emco_call *call, const struct spot *spot, emco_sight *sight)
{
	char    (*names)[KIND_NAME_SIZE] = call->alloc(call, spot->kind_count + 1, sizeof *names);
	emco_str *kinds = call->alloc(call, spot->kind_count + 1, sizeof *kinds);

	if (names == NULL || kinds == NULL)
		return false;
	sight->kind_count = spot_seen_kinds(spot, names);
	for (uint64_t i = 0; i < sight->kind_count; i++)
		kinds[i] = str_of(names[i]);
	sight->kinds = kinds;
	return true;
}

/* What is told of several clusters at once. */
struct telling {
	emco_sight   sights[TOLD_SPOTS];
	struct spot *spots[TOLD_SPOTS];
	size_t       at[TOLD_SPOTS];     /* of the spots, among all                              */
	size_t       count, rows;
};

/* false: no memory. */
static bool telling_add(emco_call *call, struct telling *telling, struct spot *spot, size_t at)
{
	emco_seen *seen = call->alloc(call, spot->row_count + 1, sizeof *seen);
	emco_sight sight = {
		.size = sizeof sight, .event = spot_event(spot), .session = spot->session, .cluster = str_of(spot->name),
		.error = str_of(spot->why), .seen = seen, .seen_count = spot->row_count,
	};

	if (seen == NULL || (sight.event == EMCO_SIGHT_WHOLE && !kinds_tell(call, spot, &sight)))
		return false;
	for (size_t i = 0; i < spot->row_count; i++) {
		const struct spot_row *row = &spot->rows[i];

		seen[i] = (emco_seen) {
			.size = sizeof *seen, .state = row->state, .flags = row->flags, .label = str_of(row->label),
			.name = str_of(row->name), .api_version = str_of(row->api_version), .reason = str_of(row->reason != NULL ? row->reason : ""),
			.fields = row->fields, .since = row->since,
		};
	}
	telling->sights[telling->count] = sight;
	telling->spots[telling->count] = spot;
	telling->at[telling->count++] = at;
	telling->rows += spot->row_count;
	return true;
}

/* false: not all was stored, and everything is told again. */
static bool observe(struct watcher *self, emco_call *call, const struct telling *telling, size_t first, size_t count)
{
	if (self->o.units->observe(call, telling->sights + first, count) != EMCO_OK)
		return false;
	for (size_t i = first; i < first + count; i++) {
		if (telling->sights[i].event == EMCO_SIGHT_WHOLE)
			versions_ask(self->o.versions, telling->spots[i]->cluster, telling->spots[i]->name);
		spot_told(telling->spots[i], telling->sights[i].event);
	}
	return true;
}

/* A hint: one that is not stored comes again with the next whole sight. */
static void tell_versions(struct watcher *self)
{
	struct version *version = versions_take(self->o.versions), *next;
	emco_call      *call = version == NULL ? NULL : self->o.host->begin(self->o.host, EMCO_STR("rsync.versions"),
	                                                                  (int64_t) CALL_S * 1000 * NS_PER_MS);

	for (; version != NULL; version = next) {
		const emco_sight sight = {
			.size = sizeof sight, .event = EMCO_SIGHT_CHANGES, .cluster = str_of(version->cluster),
			.version = str_of(version->text),
		};

		if (call != NULL)
			(void) self->o.units->observe(call, &sight, 1);
		next = version->next;
		version_free(version);
	}
	if (call != NULL)
		self->o.host->end(self->o.host, call);
}

/*
 * One that cannot be told holds up no other: what is not taken together is told one by one, and the next round begins behind
 * it.  What has gathered too long is dropped with the whole sight, which begins anew.
 */
static void tell_batch(struct watcher *self, emco_call *call, const struct telling *telling, size_t *failures)
{
	if (observe(self, call, telling, 0, telling->count))
		return;
	for (size_t i = 0; i < telling->count && *failures < TELL_FAILURES; i++) {
		if (telling->count > 1 && observe(self, call, telling, i, 1))
			continue;
		if ((*failures)++ == 0)
			self->o.host->log(self->o.host, EMCO_LOG_WARNING, EMCO_STR("rsync.observe_failed"), call->fault(call));
		self->tell_at = telling->at[i] + 1;
		if (call->cancelled(call))
			*failures = TELL_FAILURES;
	}
	/* Not before, as closing one takes what has come for the others, whose texts were being told. */
	for (size_t i = 0; i < telling->count; i++)
		if (spot_is_overfull(telling->spots[i]))
			spot_close(telling->spots[i]);
}

/* *next_ns: when there is more to tell.  false: the store is away. */
static bool tell(struct watcher *self, int64_t *next_ns)
{
	const int64_t now = now_ns();
	const size_t count = self->spots.count, first = self->tell_at;
	size_t       failures = 0, i = 0;

	while (i < count && failures < TELL_FAILURES) {
		struct telling telling = { .count = 0 };
		emco_call     *call = NULL;

		for (; i < count && telling.count < TOLD_SPOTS && telling.rows < TOLD_ROWS; i++) {
			struct spot  *spot = self->spots.items[(first + i) % count];
			const int64_t news_ns = spot_news_ns(spot);

			if (news_ns > now) {
				*next_ns = news_ns < *next_ns ? news_ns : *next_ns;
				continue;
			}
			if (call == NULL)
				call = self->o.host->begin(self->o.host, EMCO_STR("rsync.observe"), (int64_t) CALL_S * 1000 * NS_PER_MS);
			if (call == NULL)
				return false;
			failures += !telling_add(call, &telling, spot, (first + i) % count);
		}
		if (telling.count > 0)
			tell_batch(self, call, &telling, &failures);
		if (call != NULL)
			self->o.host->end(self->o.host, call);
	}
	return failures == 0;
}

/* -- the thread -- */

static void chores(struct watcher *self)
{
	const int64_t now = now_ns();
	const bool    looks = atomic_exchange(&self->wants_look, false) || now >= self->look_ns;
	const bool    asks = now >= self->right_ns || looks;
	emco_call    *call = looks || asks
	                   ? self->o.host->begin(self->o.host, EMCO_STR("rsync.watch"), (int64_t) CALL_S * 1000 * NS_PER_MS)
	                   : NULL;

	if (call == NULL)
		return;
	if (looks) {
		look(self, call);
		self->look_ns = now + (int64_t) LOOK_MS * NS_PER_MS;
	}
	/* What is seen is only whole when every kind that units have is known. */
	if (self->since != 0 && (now >= self->right_ns || spots_have_new(&self->spots))) {
		self->right_ns = rights(self, call) ? now + (int64_t) RIGHT_MS * NS_PER_MS : now_ns();
	}
	for (size_t i = 0; i < self->spots.count; i++)
		spot_open_kinds(self->spots.items[i]);
	if (self->spots.has_doubts && now >= self->doubt_ns) {
		(void) drifts_doubt(&self->spots, self->o.units, call);          /* else they are told on, until the next time */
		self->doubt_ns = now + (int64_t) DOUBT_S * 1000 * NS_PER_MS;
	}
	self->o.host->end(self->o.host, call);
}

static void *watcher_run(void *data)
{
	struct watcher *self = data;
	while (!atomic_load(&self->is_stopping)) {
		const int64_t began_ns = now_ns();
		int64_t       next_ns = began_ns + (int64_t) LOOK_MS * NS_PER_MS;

		chores(self);
		spots_take(&self->spots);
		for (size_t i = 0; i < self->spots.count; i++) {
			spot_blinds(self->spots.items[i]);
			spot_drifts(self->spots.items[i], &next_ns);
		}
		tell_versions(self);
		if (!tell(self, &next_ns))
			next_ns = began_ns + (int64_t) LOOK_MS * NS_PER_MS;
		const struct timespec gather = { .tv_nsec = (long) GATHER_MS * NS_PER_MS };
		nanosleep(&gather, NULL);        /* what comes meanwhile goes into one batch */
		bell_wait(&self->bell, next_ns);
	}
	return NULL;
}

struct watcher *watcher_start(const struct watcher_options *options)
{
	struct watcher *self = calloc(1, sizeof *self);

	if (self == NULL)
		return NULL;
	self->o = *options;
	self->kinds = json_object();
	self->spots.host = options->host;
	self->spots.times = drift_times_default;
	self->spots.rows_max = ROWS_MAX;
	self->spots.bell = &self->bell;
	self->spots.heals = str_is(options->config->drift, "heal");
	bell_init(&self->bell);
	if (self->kinds == NULL || pthread_create(&self->thread, NULL, watcher_run, self) != 0) {
		json_decref(self->kinds);
		bell_done(&self->bell);
		free(self);
		return NULL;
	}
	return self;
}

void watcher_stop(struct watcher *self)
{
	if (self == NULL)
		return;
	atomic_store(&self->is_stopping, true);
	bell_ring(&self->bell);
	pthread_join(self->thread, NULL);
	spots_done(&self->spots);
	json_decref(self->kinds);
	bell_done(&self->bell);
	free(self);
}

void watcher_look(struct watcher *self)
{
	if (self == NULL)
		return;
	atomic_store(&self->wants_look, true);
	bell_ring(&self->bell);
}
