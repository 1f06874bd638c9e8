/*
 * flux.h - the two objects that make Flux apply one context's folder on one cluster.  context: a status context, nearly
 * always the unit's.
 */
#ifndef RSYNC_FLUX_H
#define RSYNC_FLUX_H

#include "plugins/rsync/git_settings.h"

/* JSON and a newline, in the pass's memory; NULL: no memory. */
const char *flux_kustomization(struct pass *pass, const struct git_settings *settings, const emco_unit *unit,
                               emco_str context);

/* The same for the GitRepository; "" when the unit uses the source that Flux was installed with. */
const char *flux_source(struct pass *pass, const struct git_settings *settings, const emco_unit *unit,
                        emco_str context);

#endif
