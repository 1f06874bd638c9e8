/*
 * lifecycle.h - what may be done with a deployment or a logical cloud, and when.
 *
 * A deployment's state is its last action; the table of edges is the machine.  What became of its objects is never
 * stored: it follows from the units, and so do the gates of a logical cloud.
 */
#ifndef HOST_ORCHESTRATOR_LIFECYCLE_H
#define HOST_ORCHESTRATOR_LIFECYCLE_H

#include "host/store/action.h"
#include "host/store/unit.h"

enum life {
	LIFE_CREATED, LIFE_APPROVED, LIFE_INSTANTIATED, LIFE_TERMINATED, LIFE_INSTANTIATE_STOPPED, LIFE_TERMINATE_STOPPED,
	LIFE_UPDATED,
	LIFE_COUNT,
	LIFE_SAME = LIFE_COUNT,         /* as a target: nothing is recorded */
	LIFE_NONE,                      /* as a target: refused             */
};

enum life_event { ON_APPROVE, ON_INSTANTIATE, ON_UPDATE, ON_ROLLBACK, ON_MIGRATE, ON_TERMINATE, ON_STOP, ON_REPLACE, ON_DELETE, ON_COUNT };

struct edge {
	enum life       from;
	enum life_event on;
	enum life       to;
	const char     *why;            /* of a refusal: what the client reads, after the deployment's name */
};

/* Every state on every event, once: `emcod --print states`. */
extern const struct edge life_edges[];
extern const size_t      life_edge_count;

const char *life_name(enum life life);                           /* "Instantiated" */
bool        life_of(const char *name, enum life *ret_life);
const char *life_event_name(enum life_event event);              /* "instantiate"  */

/* ST_CONFLICT: not in this state; name is the deployment's. */
enum status MUST_CHECK life_check(const char *state, enum life_event on, struct view name, enum life *ret_to,
                                  struct error *err);

/* -- what became of it ------------------------------------------------------------------------------------------- */

enum outcome {
	OUTCOME_NONE,                   /* never instantiated */
	OUTCOME_INSTANTIATING, OUTCOME_INSTANTIATED, OUTCOME_INSTANTIATE_FAILED,
	OUTCOME_TERMINATING, OUTCOME_TERMINATED, OUTCOME_TERMINATE_FAILED,
	OUTCOME_UPDATING, OUTCOME_UPDATED, OUTCOME_UPDATE_FAILED,
	OUTCOME_COUNT,
};

const char *outcome_name(enum outcome outcome);                  /* as EMCO spells it: "UpdatedFailed" */

/*
 * Of the context an owner had last.  An object that is refused for good means failed; one that is retried does not.
 * is_replaced: of a context that a later one has replaced.
 */
enum outcome outcome_of(const char *state, const struct unit_status *units, size_t count, bool is_replaced);

/* -- logical clouds ---------------------------------------------------------------------------------------------- */

enum cloud_event { CLOUD_INSTANTIATE, CLOUD_TERMINATE, CLOUD_DELETE, CLOUD_USE, CLOUD_EVENTS };

struct gate {
	enum outcome     outcome;
	enum cloud_event on;
	const char      *why;           /* the refusal, after the cloud's name; NULL: go */
};
extern const struct gate cloud_gates[];
extern const size_t      cloud_gate_count;

/* ST_CONFLICT with the gate's words. */
enum status MUST_CHECK cloud_gate(enum outcome outcome, enum cloud_event on, struct view name, struct error *err);

#endif
