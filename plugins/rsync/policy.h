/*
 * policy.h - how an object wants to be kept, as its annotations say.
 *
 * They travel with the object: who looks at it on the cluster sees them, and the watch needs nothing else to know them.  A
 * deployment's own policy is written into the annotations when it is rendered.
 *
 *   emco/ignore-fields   fields that others may set: names as in lib/kube/fields.h, ".spec.replicas" always among them
 *   emco/drift           "heal" or "report"; without it the option drift
 *   emco/takeover        "true": take it over when others have applied it
 */
#ifndef RSYNC_POLICY_H
#define RSYNC_POLICY_H

#include "plugins/rsync/pass.h"

#include "lib/kube/fields.h"

enum drift { DRIFT_AS_OPTION, DRIFT_HEAL, DRIFT_REPORT };

struct policy {
	struct view ignored;             /* borrowed from the object: names beside the one that is always there */
	enum drift  drift;
	bool        may_take_over;
};

/* EMCO_E_INVALID: an annotation has no meaning; what has one is in *ret_policy all the same. */
emco_status policy_read(const json_t *object, struct policy *ret_policy, struct fault *fault);

/* May others set this field? */
bool policy_ignores(const struct policy *policy, struct view field);

/* Is a field set in the object that others may set? */
bool policy_has_ignored(const struct policy *policy, const json_t *object);

/* Take what others may set out of fieldsV1. */
void policy_disown(const struct policy *policy, json_t *owned);

#endif
