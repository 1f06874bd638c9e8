/*
 * keeper.h - what no request asks for: telling cluster listeners what happened, and removing content that nobody needs.
 *
 * One thread in each process; events are claimed by lease, so any number of processes share the work, and a listener
 * hears of each event at least once.  An event that a listener refuses is tried again, with pauses that grow.
 */
#ifndef HOST_ORCHESTRATOR_KEEPER_H
#define HOST_ORCHESTRATOR_KEEPER_H

#include "host/orchestrator/orchestrator.h"

struct keeper;

/* After the plugins have started.  store and plugins are borrowed until keeper_stop. */
enum status MUST_CHECK keeper_start(struct store *store, struct plugins *plugins, struct keeper **ret_keeper,
                                    struct error *err);
void keeper_stop(struct keeper *keeper);                 /* joins; before the plugins stop.  Accepts NULL */

#endif
