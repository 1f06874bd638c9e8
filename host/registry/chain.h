/*
 * chain.h - the controllers of one deployment, in order, and how one is called.
 *
 * A link is a controller named in a deployment's group intents, bound to an instance, with the intent's name.  Links stand
 * in ascending (priority, name); each step picks its own: placement runs before action because its step does.  A controller
 * that is named with two intents runs once for each; it is told of terminate and events once.
 */
#ifndef HOST_REGISTRY_CHAIN_H
#define HOST_REGISTRY_CHAIN_H

#include "host/registry/call.h"
#include "host/registry/plugins.h"

struct link {
	struct view      controller, intent;
	struct instance *instance;
	int64_t          priority;              /* the record's; the instance's default without a record  */
	bool             is_placement, is_action;
};

struct chain { struct link *links; size_t count; };     /* in the arena it was built in */

/*
 * intents: a JSON array of maps, controller name -> intent name ("genericPlacementIntent" is skipped).
 * A controller's record ("controllers/NAME") gives its priority and host, and may narrow its roles (spec.type); without one,
 * an instance of that name is taken.
 * ST_NOT_FOUND: `controller "dtc" is named in the group intents, but there is no such controller`.
 * ST_UPSTREAM: the record means a remote controller.  ST_INVALID: its type is a role the plugin does not have.
 */
enum status MUST_CHECK chain_build(const struct plugins *plugins, struct store *store, struct db *db,
                                   const json_t *intents, struct arena *arena, struct chain *ret_chain,
                                   struct error *err);

/* The links of both, in order; in arena, the names borrowed. */
enum status MUST_CHECK chain_join(const struct chain *one, const struct chain *other, struct arena *arena,
                                  struct chain *ret_chain, struct error *err);

enum chain_step { CHAIN_PLACE, CHAIN_ACT, CHAIN_TERMINATE, CHAIN_POST };

struct chain_call {
	enum chain_step step;
	struct view     context, from;          /* ids, decimal                                          */
	int32_t         event;                  /* of CHAIN_POST                                         */
	/* Around each call: begin gives the overlay, end keeps (ok) or drops it. */
	void          *(*begin)(void *data);
	enum status    (*end)(void *data, void *overlay, bool ok, struct error *err);
	void           *data;
};

/*
 * Call every link that has a part in the step, in order.  Declined links are passed over.  A failing one ends it: err names
 * the controller.  Each call has the instance's deadline or deadline_ns, whichever is earlier; a late one is dropped:
 * ST_DEADLINE, and host/registry/instance.h says when the instance is quarantined.  On a guarded thread, end is told
 * "not ok" also for a call that was left behind, and nothing may be kept.
 * CHAIN_PLACE, the first step of what deploys, refuses a link that has no part in any: ST_INVALID.
 * Not implemented is no failure for CHAIN_TERMINATE and CHAIN_POST.  CHAIN_POST calls all and returns the first failure.
 */
enum status MUST_CHECK chain_run(const struct chain *chain, struct store *store, const struct chain_call *call,
                                 int64_t deadline_ns, struct error *err);

#endif
