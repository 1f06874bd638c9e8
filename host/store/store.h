/*
 * store.h - the store as a whole: pool, sealing key, schema version, this process's identity.
 */
#ifndef HOST_STORE_STORE_H
#define HOST_STORE_STORE_H

#include "host/store/db.h"
#include "host/store/seal.h"

#include <pthread.h>

struct notifier;
struct liveness;
struct fetcher;

struct store {
	struct pool     *pool;
	struct sealer   *sealer;
	int64_t          host;         /* this process: holder of leases; its liveness connection holds advisory lock (1, host) */
	struct notifier *notifier;
	struct liveness *liveness;
	struct fetcher  *fetcher;
	int64_t          dependency_ns;/* how long an app waits for another before that is a failure                            */
	pthread_mutex_t  turn_lock;    /* guards is_claiming                                                                    */
	pthread_cond_t   turn_over;
	bool             is_claiming;  /* a thread looks for units, or waits until there are some                               */
	_Atomic int64_t  claimed;      /* owner of the last claim: the next one goes to another, so that none starves           */
	_Atomic int64_t  swept_ns;     /* when leases of dead processes were last given back                                    */
};

struct store_options {
	struct pool_options pool;
	const char         *seal_key_file;
	int64_t             dependency_ns;         /* see above; 0: half an hour */
};

/* Waits for the database until deadline_ns, then migrates under an advisory lock. */
enum status MUST_CHECK store_open(const struct store_options *options, int64_t deadline_ns, struct store *ret_store,
                                  struct error *err);
void store_close(struct store *store);                  /* accepts a zeroed store */

/*
 * How often the lock was lost so far.  What was leased before may be somebody else's since: others take over at once from
 * a process that does not hold it.
 */
uint64_t store_losses(const struct store *store);

/* One round trip: is the database there, and our liveness lock held? */
enum status MUST_CHECK store_ready(struct store *store, int64_t deadline_ns, struct error *err);

/*
 * Wake-ups.  store_notify is called after a commit and never blocks: one connection sends what has gathered.
 * store_wait returns when the channel was notified by anyone since the caller's *seen, or at the deadline; start with 0.
 */
enum channel { CHANNEL_UNITS, CHANNEL_OUTBOX, CHANNEL_STATUS, CHANNEL_COUNT };
void store_notify(struct store *store, enum channel channel);
void store_ring(struct store *store, enum channel channel);        /* this process alone */
bool store_wait(struct store *store, enum channel channel, uint64_t *seen, int64_t deadline_ns);

#endif
