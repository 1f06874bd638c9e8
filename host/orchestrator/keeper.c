#include "host/orchestrator/keeper.h"

#include "host/registry/instance.h"
#include "host/store/context.h"
#include "host/store/outbox.h"
#include "host/store/unit.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	LOOK_MS        = 2000,       /* for events that nobody notified                       */
	COLLECT_MS     = 60000,
	COLLECTING_MS  = 3000,       /* of those                                              */
	COLLECT_ROWS   = 1000,
	EVENTS         = 32,         /* claimed at one time                                   */
	LEASE_S        = 60,
	TELL_MS        = 30000,      /* one listener                                          */
	DATABASE_MS    = 10000,
	RETRY_MS       = 1000,
	RETRY_MOST_MS  = 300000,
	DOUBLINGS_MOST = 20,
	ARENA_BYTES    = 1 << 20,
	NS_PER_MS      = 1000000
};

struct keeper {
	struct store   *store;
	struct plugins *plugins;
	pthread_t       thread;
	atomic_bool     is_stopping;
	int64_t         collect_ns;  /* when next, monotonic */
};

/* -- telling listeners -- */

static const struct { const char *kind; int32_t event; } kinds[] = {
	{ "cluster.created", EMCO_CLUSTER_CREATED },
	{ "cluster.updated", EMCO_CLUSTER_UPDATED },
	{ "cluster.deleted", EMCO_CLUSTER_DELETED },
};

struct telling { emco_str provider, cluster; int32_t event; };

static emco_status tell_slot(const struct instance *instance, emco_call *call, void *data)
{
	const struct telling *telling = data;

	return instance->plugin->cluster_event(instance->self, call, telling->provider, telling->cluster, telling->event);
}

/* False for an event that no listener could understand: a row of another version's. */
static bool telling_of(const struct event *event, struct telling *ret)
{
	const char *plus = memchr(event->subject.ptr, '+', event->subject.len);

	for (size_t i = 0; plus != NULL && i < ARRAY_LEN(kinds); i++) {
		if (!view_is(event->kind, kinds[i].kind))
			continue;
		const size_t provider = (size_t) (plus - event->subject.ptr);
		*ret = (struct telling) { { event->subject.ptr, provider }, { plus + 1, event->subject.len - provider - 1 },
		                          kinds[i].event };
		return true;
	}
	return false;
}

/* All listeners hear of it, whatever the first says; the first fault counts. */
static enum status tell_all(struct keeper *keeper, struct telling *telling, struct error *err)
{
	enum status first = ST_OK;

	for (size_t i = 0; i < plugins_count(keeper->plugins) && !atomic_load(&keeper->is_stopping); i++) {
		struct instance *instance = plugins_at(keeper->plugins, i);
		struct error     fault;
		emco_status      answer;

		if ((instance->plugin->roles & EMCO_ROLE_CLUSTER_LISTENER) == 0 || !EMCO_HAS(instance->plugin, cluster_event))
			continue;
		const enum status st = instance_call(instance, keeper->store, tell_slot, telling, NULL, deadline_in_ms(TELL_MS),
		                                     &answer, &fault);
		if (st != ST_OK && first == ST_OK) {
			first = st;
			*err = fault;
		}
	}
	return first;
}

static int64_t pause_ns(int64_t attempts)
{
	int64_t ms = RETRY_MS;

	for (int64_t i = 0; i < attempts && i < DOUBLINGS_MOST && ms < RETRY_MOST_MS; i++)
		ms *= 2;
	return (ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS) * NS_PER_MS;
}

/* No connection is held while a listener is told. */
static enum status settle(struct keeper *keeper, const struct event *event, enum status outcome, struct error *err)
{
	auto_db    *db = NULL;
	enum status st = db_borrow(keeper->store->pool, deadline_in_ms(DATABASE_MS), &db, err);

	if (st != ST_OK)
		return st;
	return outcome == ST_OK ? outbox_done(db, event->id, err)
	                        : outbox_retry(db, event->id, pause_ns(event->attempts), err);
}

/* Work that was refused or not answered waits for minutes: a cluster that is reached in another way is tried at once. */
static enum status retry_units(struct keeper *keeper, const struct event *event, struct error *err)
{
	auto_db    *db = NULL;
	enum status st = db_borrow(keeper->store->pool, deadline_in_ms(DATABASE_MS), &db, err);

	if (st == ST_OK)
		st = unit_retry_cluster(db, event->subject, err);
	if (st == ST_OK)
		store_notify(keeper->store, CHANNEL_UNITS);
	return st;
}

static enum status tell(struct keeper *keeper, const struct event *event, struct error *err)
{
	struct telling telling;
	struct error   fault;
	enum status    st = ST_OK;

	if (telling_of(event, &telling)) {
		st = retry_units(keeper, event, err);
		if (st != ST_OK)
			return st;
		st = tell_all(keeper, &telling, &fault);
	} else {
		log_warning("keeper.event_unknown", "id", log_num(event->id));
	}
	if (st != ST_OK)
		log_warning("keeper.listener_refused", "id", log_num(event->id), "attempts", log_num(event->attempts + 1),
		            "error", fault.text);
	return settle(keeper, event, st, err);
}

static enum status claim(struct keeper *keeper, struct arena *arena, struct event **ret_events, size_t *ret_count,
                         struct error *err)
{
	auto_db    *db = NULL;
	enum status st = db_borrow(keeper->store->pool, deadline_in_ms(DATABASE_MS), &db, err);

	return st == ST_OK ? outbox_claim(keeper->store, db, EVENTS, LEASE_S * 1000LL * NS_PER_MS, arena, ret_events, ret_count, err)
	                   : st;
}

static enum status tell_due(struct keeper *keeper, struct error *err)
{
	enum status st = ST_OK;
	size_t      count = EVENTS;

	while (st == ST_OK && count == EVENTS && !atomic_load(&keeper->is_stopping)) {
		auto_arena    arena = ARENA(ARENA_BYTES);
		struct event *events;

		st = claim(keeper, &arena, &events, &count, err);
		for (size_t i = 0; st == ST_OK && i < count && !atomic_load(&keeper->is_stopping); i++)
			st = tell(keeper, &events[i], err);
	}
	return st;
}

/* -- removing what nobody needs -- */

static enum status collect(struct keeper *keeper, struct error *err)
{
	auto_db *db = NULL;
	uint64_t removed = 1, all = 0;

	if (!deadline_past(keeper->collect_ns))
		return ST_OK;
	const int64_t until_ns = deadline_in_ms(COLLECTING_MS);
	keeper->collect_ns = deadline_in_ms(COLLECT_MS);
	enum status st = db_borrow(keeper->store->pool, deadline_in_ms(DATABASE_MS), &db, err);
	/* Each look is at a part: where one finds much, there is more. */
	while (st == ST_OK && removed > 0 && !deadline_past(until_ns) && !atomic_load(&keeper->is_stopping)) {
		st = content_collect(keeper->store, db, COLLECT_ROWS, &removed, err);
		all += removed;
	}
	if (all > 0)
		log_debug("keeper.collected", "rows", log_num((int64_t) all));
	return st;
}

/* -- the thread -- */

/* One line for a trouble that lasts, and one when it is over: the database may be away for hours. */
static void *keep(void *data)
{
	struct keeper *keeper = data;
	uint64_t       seen = 0;
	bool           is_troubled = false;

	while (!atomic_load(&keeper->is_stopping)) {
		struct error err;
		enum status  st = tell_due(keeper, &err);

		if (st == ST_OK)
			st = collect(keeper, &err);
		if (st != ST_OK && !is_troubled)
			log_warning("keeper.failed", "error", err.text);
		else if (st == ST_OK && is_troubled)
			log_info("keeper.works_again");
		is_troubled = st != ST_OK;
		if (!atomic_load(&keeper->is_stopping))
			(void) store_wait(keeper->store, CHANNEL_OUTBOX, &seen, deadline_in_ms(LOOK_MS));
	}
	return NULL;
}

enum status keeper_start(struct store *store, struct plugins *plugins, struct keeper **ret_keeper, struct error *err)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);

	if (keeper == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	keeper->store = store;
	keeper->plugins = plugins;
	keeper->collect_ns = deadline_in_ms(COLLECT_MS);
	if (pthread_create(&keeper->thread, NULL, keep, keeper) != 0) {
		free(keeper);
		return fail(err, ST_NO_MEMORY, "no thread for the keeper");
	}
	*ret_keeper = keeper;
	return ST_OK;
}

void keeper_stop(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	atomic_store(&keeper->is_stopping, true);
	store_notify(keeper->store, CHANNEL_OUTBOX);
	pthread_join(keeper->thread, NULL);
	free(keeper);
}
