/*
 * reconcile.h - the one job: make applied equal desired, for the units of one pass.
 */
#ifndef RSYNC_RECONCILE_H
#define RSYNC_RECONCILE_H

#include "plugins/rsync/target.h"

/*
 * Do the work: pass->call is the call of the work.  Each unit ends with its own outcome and is reported when it ends; a
 * fault of one does not touch the others.  What goes on in the background afterwards has its go_on called until none is
 * left.
 */
void reconcile(struct pass *pass);

/* How many units still go on; *ret_next_ns: call again then at the latest, or when the bell rings. */
size_t reconcile_go_on(struct pass *pass, int64_t *ret_next_ns);

/* Let go of everything the jobs hold.  May be called twice: while requests are under way, and after they ended. */
void reconcile_drop(struct pass *pass);

/* How long until the next try: doubles from retry_min_ms to retry_max_ms, the upper half of it at random. */
int64_t retry_delay_ns(const struct config *config, uint32_t attempts);

#endif
