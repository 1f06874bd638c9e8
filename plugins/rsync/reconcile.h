/*
 * reconcile.h - the one job: make applied equal desired, for the units of one pass.
 */
#ifndef RSYNC_RECONCILE_H
#define RSYNC_RECONCILE_H

#include "plugins/rsync/target.h"

/*
 * Do the work: pass->call is the call of the work.  Each unit ends with its own outcome; a fault of one does not touch
 * the others.  Afterwards every job that is not lost waits for its report.
 */
void reconcile(struct pass *pass);

/* Report what reconcile did: pass->call is the call of the report, which may be a later one. */
void reconcile_report(struct pass *pass);

/* How long until the next try: doubles from retry_min_ms to retry_max_ms, the upper half of it at random. */
int64_t retry_delay_ns(const struct config *config, uint32_t attempts);

#endif
