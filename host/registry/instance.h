/*
 * instance.h - one call of one controller, with everything a call is owed.
 *
 * A deadline (the instance's limit, or the caller's when that is earlier), one call at a time for a serial plugin, the
 * guard of this thread, accounting, and quarantine for who does not come back.  Whoever calls a slot goes through here.
 */
#ifndef HOST_REGISTRY_INSTANCE_H
#define HOST_REGISTRY_INSTANCE_H

#include "host/registry/call.h"
#include "host/registry/plugins.h"

/* Calls the slot it is about: instance->plugin->filter_clusters(instance->self, call, ...).  A NULL slot is its business. */
typedef emco_status instance_slot(const struct instance *instance, emco_call *call, void *data);

/*
 * ST_OK: *ret_answer is EMCO_OK, EMCO_DECLINED or EMCO_E_UNIMPLEMENTED.  Else err names the controller:
 *   ST_UNAVAILABLE  quarantined, or another call kept it busy all the time
 *   ST_DEADLINE     the answer came late and counts for nothing; more than GUARD_GRACE_NS past the instance's own limit:
 *                   quarantined until a restart
 *   else            what the plugin said
 * overlay: for emco.app-context; NULL: read only.  store: may be NULL in tests.  [thread] any.
 */
enum status MUST_CHECK instance_call(struct instance *instance, struct store *store, instance_slot *slot, void *data,
                                     void *overlay, int64_t deadline_ns, emco_status *ret_answer, struct error *err);

/*
 * The plugin's own word on how it is; ST_OK when it has no slot for it.  Beside other calls; one question at a time, so who
 * asks may wait a second for another's answer, and another one for his own.  ST_UNAVAILABLE: quarantined, or it has not
 * answered who asked before; ST_DEADLINE; ST_NO_MEMORY; and what the plugin says.
 */
enum status MUST_CHECK instance_health(struct instance *instance, struct store *store, struct error *err);

#endif
