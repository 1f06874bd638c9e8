/*
 * watch.h - seeing what is on the clusters: readiness for status, and drift.
 *
 * One thread keeps a watch for each cluster and kind that units have objects of, and pods, by the label emco/deployment-id.
 * The client's loops only note what they are told; everything is decided, and stored in batches, on that thread.  One
 * process watches a cluster: the right to it is asked for and prolonged all the time.
 *
 * Drift: the API server keeps for our field manager which fields it owns and when it last applied.  When fields leave it
 * while that time stays, somebody else has set them.  Replicas do not count: they are an autoscaler's.
 */
#ifndef RSYNC_WATCH_H
#define RSYNC_WATCH_H

#include "plugins/rsync/pass.h"

struct versions;
struct watcher;

/* All borrowed until watcher_stop. */
struct watcher_options {
	const emco_host       *host;
	const emco_units_1    *units;
	const emco_clusters_1 *clusters;
	const struct config   *config;
	struct kube           *kube;
	struct versions       *versions;
};

/* Begin.  NULL: no memory or no thread. */
struct watcher *watcher_start(const struct watcher_options *options);

/* End every watch and the thread; lets go of all clusters.  Accepts NULL. */
void watcher_stop(struct watcher *self);

/* Units have changed: look for new clusters and kinds now.  [thread] any. */
void watcher_look(struct watcher *self);

#endif
