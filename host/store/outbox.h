/*
 * outbox.h - events that must be delivered at least once: written with the change they tell of, delivered after it.
 */
#ifndef HOST_STORE_OUTBOX_H
#define HOST_STORE_OUTBOX_H

#include "host/store/resource.h"

struct event { int64_t id; struct view kind, subject; int64_t attempts; };    /* "cluster.created", "edge+one" */

enum status MUST_CHECK outbox_add(struct db *db, struct view kind, struct view subject, struct error *err);

/* Claim up to limit due events under a lease; done removes one, retry gives it back with a delay. */
enum status MUST_CHECK outbox_claim(struct store *store, struct db *db, uint64_t limit, int64_t lease_ns,
                                    struct arena *arena, struct event **ret_events, size_t *ret_count, struct error *err);
enum status MUST_CHECK outbox_done(struct db *db, int64_t id, struct error *err);
enum status MUST_CHECK outbox_retry(struct db *db, int64_t id, int64_t delay_ns, struct error *err);

#endif
