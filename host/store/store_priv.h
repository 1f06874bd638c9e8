/*
 * store_priv.h - the two background connections of a store.
 */
#ifndef HOST_STORE_STORE_PRIV_H
#define HOST_STORE_STORE_PRIV_H

#include "host/store/store.h"

/* -- liveness.c: one idle connection that holds advisory lock (1, host) as long as this process lives -- */

/* Takes the lock of a host id that nobody holds, and gives that id.  A thread gets the lock back when it is lost. */
enum status MUST_CHECK liveness_open(const char *conninfo, int64_t deadline_ns, struct liveness **ret_liveness,
                                     int64_t *ret_host, struct error *err);
void liveness_close(struct liveness *liveness);          /* NULL is fine */
bool liveness_is_held(struct liveness *liveness);

/* -- notify.c: one connection that listens, and sends what has gathered -- */

enum status MUST_CHECK notifier_open(const char *conninfo, int64_t deadline_ns, struct notifier **ret_notifier,
                                     struct error *err);
void notifier_close(struct notifier *notifier);          /* NULL is fine; wakes and outlives no waiter */

#endif
