/* placement_json.h - why an app is on a cluster, for people: what status and dry runs say of it. */
#ifndef HOST_ORCHESTRATOR_PLACEMENT_JSON_H
#define HOST_ORCHESTRATOR_PLACEMENT_JSON_H

#include "host/orchestrator/json_out.h"
#include "host/orchestrator/plan.h"

/* "placement":{"intent","because","mandatory","group"}; nothing for what no intent has placed. */
void put_placement(struct out *out, const struct plan *plan, const struct plan_slot *slot);

#endif
