/*
 * flux.h - the two objects that make Flux apply one context's folder on one cluster.
 */
#ifndef RSYNC_FLUX_H
#define RSYNC_FLUX_H

#include "plugins/rsync/git_settings.h"

/* JSON and a newline, in the pass's memory; NULL: no memory. */
const char *flux_kustomization(struct pass *pass, const struct git_settings *settings, const emco_unit *unit);

/* The same for the GitRepository; "" when the unit uses the source that Flux was installed with. */
const char *flux_source(struct pass *pass, const struct git_settings *settings, const emco_unit *unit);

#endif
