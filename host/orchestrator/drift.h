/*
 * drift.h - what a deployment says about changes that others make to its objects.
 *
 * spec.drift of the deployment becomes annotations of each of its objects, beside those that a chart has written itself:
 * whoever keeps the objects, or looks at them on a cluster, finds the policy there.
 */
#ifndef HOST_ORCHESTRATOR_DRIFT_H
#define HOST_ORCHESTRATOR_DRIFT_H

#include "host/orchestrator/object.h"

#define DRIFT_ANNOTATION   "emco/drift"
#define IGNORE_ANNOTATION  "emco/ignore-fields"

/* drift: NULL when the deployment says nothing.  New bodies live in arena.  ST_INVALID: an object with odd annotations. */
enum status MUST_CHECK drift_annotate(const json_t *drift, struct objects *objects, struct arena *arena, struct error *err);

#endif
