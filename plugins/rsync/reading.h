/*
 * reading.h - what clusters have now, for who asks: objects by their label, a list for each kind, all of them at once.
 */
#ifndef RSYNC_READING_H
#define RSYNC_READING_H

#include "emco/plugin.h"
#include "lib/kube/object.h"

/* The slot read_objects.  Who has no memory, or no time, is told less. */
emco_status reading_run(struct kube *kube, const emco_clusters_1 *clusters, emco_call *call, const emco_object_query *queries,
                        uint64_t count, emco_each_found *each, void *data);

#endif
