/*
 * versions.h - which Kubernetes a cluster runs, for charts that ask.
 *
 * Asked when a cluster is onboarded and each time its watch is whole again, so also after an upgrade.  It is a hint: a cluster
 * that does not answer is not asked again, because the watch will.
 */
#ifndef RSYNC_VERSIONS_H
#define RSYNC_VERSIONS_H

#include "lib/kube/client.h"

#include <stdatomic.h>

struct version {
	struct version      *next;
	struct versions     *versions;
	char                *cluster;    /* "edge+one"                                     */
	char                 text[64];   /* "v1.29.4"                                      */
};

/* Outlives the Kubernetes client, whose loops write into it. */
struct versions { _Atomic(struct version *) told; };

/* Without memory nobody is asked.  [thread] any. */
void versions_ask(struct versions *versions, struct kube_cluster *cluster, const char *name);

/* What was told since; version_free each. */
struct version *versions_take(struct versions *versions);
void            version_free(struct version *version);

/* Free what nobody took.  No question may be under way. */
void versions_done(struct versions *versions);

#endif
