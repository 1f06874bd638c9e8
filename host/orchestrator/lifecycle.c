#include "host/orchestrator/lifecycle.h"

static const char *const life_names[LIFE_COUNT] = {
	[LIFE_CREATED]             = "Created",
	[LIFE_APPROVED]            = "Approved",
	[LIFE_INSTANTIATED]        = "Instantiated",
	[LIFE_TERMINATED]          = "Terminated",
	[LIFE_INSTANTIATE_STOPPED] = "InstantiateStopped",
	[LIFE_TERMINATE_STOPPED]   = "TerminateStopped",
	[LIFE_UPDATED]             = "Updated",
};

static const char *const event_names[ON_COUNT] = {
	[ON_APPROVE] = "approve", [ON_INSTANTIATE] = "instantiate", [ON_UPDATE] = "update",
	[ON_ROLLBACK] = "rollback", [ON_MIGRATE] = "migrate", [ON_TERMINATE] = "terminate",
	[ON_STOP] = "stop", [ON_REPLACE] = "replace", [ON_DELETE] = "delete",
};

static const char *const outcome_names[OUTCOME_COUNT] = {
	[OUTCOME_NONE]               = "Created",
	[OUTCOME_INSTANTIATING]      = "Instantiating",
	[OUTCOME_INSTANTIATED]       = "Instantiated",
	[OUTCOME_INSTANTIATE_FAILED] = "InstantiateFailed",
	[OUTCOME_TERMINATING]        = "Terminating",
	[OUTCOME_TERMINATED]         = "Terminated",
	[OUTCOME_TERMINATE_FAILED]   = "TerminateFailed",
	[OUTCOME_UPDATING]           = "Updating",
	[OUTCOME_UPDATED]            = "Updated",
	[OUTCOME_UPDATE_FAILED]      = "UpdatedFailed",
};

const char *life_name(enum life life)
{
	return (unsigned) life < LIFE_COUNT ? life_names[life] : "";
}

bool life_of(const char *name, enum life *ret_life)
{
	for (unsigned i = 0; i < LIFE_COUNT; i++)
		if (strcmp(life_names[i], name) == 0) {
			*ret_life = (enum life) i;
			return true;
		}
	return false;
}

const char *life_event_name(enum life_event event)
{
	return (unsigned) event < ON_COUNT ? event_names[event] : "";
}

const char *outcome_name(enum outcome outcome)
{
	return (unsigned) outcome < OUTCOME_COUNT ? outcome_names[outcome] : "";
}

enum status life_check(const char *state, enum life_event on, struct view name, enum life *ret_to, struct error *err)
{
	enum life from;

	if (!life_of(state, &from))
		return fail(err, ST_INTERNAL, "deployment intent group \"%.*s\" is in an unknown state \"%s\"", (int) name.len,
		            name.ptr, state);
	for (size_t i = 0; i < life_edge_count; i++) {
		const struct edge *edge = &life_edges[i];
		if (edge->from != from || edge->on != on)
			continue;
		if (edge->to == LIFE_NONE)
			return fail(err, ST_CONFLICT, "deployment intent group \"%.*s\" %s; it is %s", V(name), edge->why, state);
		*ret_to = edge->to;
		return ST_OK;
	}
	return fail(err, ST_INTERNAL, "there is no edge from \"%s\" on \"%s\"", state, life_event_name(on));
}

/* Worst first: one that failed decides, then one that is not done. */
static enum outcome
worst(const struct unit_status *units, size_t count, bool all, enum outcome busy, enum outcome done,
      enum outcome failed)
{
	enum outcome outcome = done;

	for (size_t i = 0; i < count; i++) {
		if (units[i].is_done || !(all || units[i].is_wanted))
			continue;
		if (units[i].is_failed)
			return failed;
		outcome = busy;
	}
	return outcome;
}

/*
 * A new context has become what it should be once its own objects are there; the one it replaces is only Updated when
 * also its left-overs are gone.  So a dead cluster that an update left does not hold the update up.
 */
enum outcome outcome_of(const char *state, const struct unit_status *units, size_t count, bool is_replaced)
{
	enum life life;

	if (!life_of(state, &life))
		return OUTCOME_NONE;
	switch (life) {
	case LIFE_INSTANTIATED:
		if (is_replaced)
			return worst(units, count, true, OUTCOME_UPDATING, OUTCOME_UPDATED, OUTCOME_UPDATE_FAILED);
		return worst(units, count, false, OUTCOME_INSTANTIATING, OUTCOME_INSTANTIATED, OUTCOME_INSTANTIATE_FAILED);
	case LIFE_TERMINATED:
		return worst(units, count, true, OUTCOME_TERMINATING, OUTCOME_TERMINATED, OUTCOME_TERMINATE_FAILED);
	case LIFE_INSTANTIATE_STOPPED:           /* nobody goes on: what was not done has failed */
		if (is_replaced)
			return worst(units, count, true, OUTCOME_UPDATE_FAILED, OUTCOME_UPDATED, OUTCOME_UPDATE_FAILED);
		return worst(units, count, false, OUTCOME_INSTANTIATE_FAILED, OUTCOME_INSTANTIATED, OUTCOME_INSTANTIATE_FAILED);
	case LIFE_TERMINATE_STOPPED:
		return worst(units, count, true, OUTCOME_TERMINATE_FAILED, OUTCOME_TERMINATED, OUTCOME_TERMINATE_FAILED);
	case LIFE_UPDATED:
		return OUTCOME_UPDATED;
	default:
		return OUTCOME_NONE;
	}
}

enum status cloud_gate(enum outcome outcome, enum cloud_event on, struct view name, struct error *err)
{
	for (size_t i = 0; i < cloud_gate_count; i++) {
		const struct gate *gate = &cloud_gates[i];
		if (gate->outcome != outcome || gate->on != on)
			continue;
		if (gate->why == NULL)
			return ST_OK;
		fail(err, ST_CONFLICT, "logical cloud \"%.*s\" %s", (int) name.len, name.ptr, gate->why);
		return on == CLOUD_USE && (outcome == OUTCOME_NONE || outcome == OUTCOME_TERMINATED)
			? fail_hint(err, "Instantiate the logical cloud first.") : ST_CONFLICT;
	}
	return fail(err, ST_CONFLICT, "logical cloud \"%.*s\" is %s", (int) name.len, name.ptr, outcome_name(outcome));
}

/* -- tables ------------------------------------------------------------------------------------------------------ */

static const char needs_approval[]  = "must be Approved before it is instantiated";
static const char is_instantiated[] = "has already been instantiated";
static const char is_stopped[]      = "has already been instantiated and stopped";
static const char not_instantiated[] = "is not instantiated";
static const char cannot_approve[]  = "is stopped and cannot be approved";
static const char must_be_created[] = "is not in state Created, and can no longer be replaced";
static const char must_terminate[]  = "must be terminated before it can be deleted";
static const char not_approved[]    = "has not been approved, and there is nothing to stop";
static const char stopped_before[]  = "has been stopped already";
static const char nothing_to_stop[] = "is not instantiated, and there is nothing to stop";
static const char moved_away[]      = "has moved to another deployment intent group, and must be Approved first";

const struct edge life_edges[] = {
	/* from                     on              to                        why                                                   */
	{ LIFE_CREATED,             ON_APPROVE,     LIFE_APPROVED,            "allowed to be instantiated"                         },
	{ LIFE_CREATED,             ON_INSTANTIATE, LIFE_NONE,                needs_approval                                       },
	{ LIFE_CREATED,             ON_UPDATE,      LIFE_NONE,                not_instantiated                                     },
	{ LIFE_CREATED,             ON_ROLLBACK,    LIFE_NONE,                not_instantiated                                     },
	{ LIFE_CREATED,             ON_MIGRATE,     LIFE_NONE,                not_instantiated                                     },
	{ LIFE_CREATED,             ON_TERMINATE,   LIFE_NONE,                not_instantiated                                     },
	{ LIFE_CREATED,             ON_STOP,        LIFE_NONE,                not_approved                                         },
	{ LIFE_CREATED,             ON_REPLACE,     LIFE_SAME,                "nothing has been decided on it yet"                 },
	{ LIFE_CREATED,             ON_DELETE,      LIFE_SAME,                "it owns nothing"                                    },

	{ LIFE_APPROVED,            ON_APPROVE,     LIFE_SAME,                "once is enough"                                     },
	{ LIFE_APPROVED,            ON_INSTANTIATE, LIFE_INSTANTIATED,        "render, place, run the controllers, move units"     },
	{ LIFE_APPROVED,            ON_UPDATE,      LIFE_NONE,                not_instantiated                                     },
	{ LIFE_APPROVED,            ON_ROLLBACK,    LIFE_NONE,                not_instantiated                                     },
	{ LIFE_APPROVED,            ON_MIGRATE,     LIFE_NONE,                not_instantiated                                     },
	{ LIFE_APPROVED,            ON_TERMINATE,   LIFE_NONE,                not_instantiated                                     },
	{ LIFE_APPROVED,            ON_STOP,        LIFE_NONE,                nothing_to_stop                                      },
	{ LIFE_APPROVED,            ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_APPROVED,            ON_DELETE,      LIFE_SAME,                "unless units of an earlier life are left"           },

	{ LIFE_INSTANTIATED,        ON_APPROVE,     LIFE_NONE,                is_instantiated                                      },
	{ LIFE_INSTANTIATED,        ON_INSTANTIATE, LIFE_NONE,                is_instantiated                                      },
	{ LIFE_INSTANTIATED,        ON_UPDATE,      LIFE_INSTANTIATED,        "a new context; what is equal moves nothing"         },
	{ LIFE_INSTANTIATED,        ON_ROLLBACK,    LIFE_INSTANTIATED,        "units move to an earlier context"                   },
	{ LIFE_INSTANTIATED,        ON_MIGRATE,     LIFE_UPDATED,             "its units go to another deployment intent group"    },
	{ LIFE_INSTANTIATED,        ON_TERMINATE,   LIFE_TERMINATED,          "controllers are told to let go, units are emptied"  },
	{ LIFE_INSTANTIATED,        ON_STOP,        LIFE_INSTANTIATE_STOPPED, "what is not done yet is set aside"                  },
	{ LIFE_INSTANTIATED,        ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_INSTANTIATED,        ON_DELETE,      LIFE_NONE,                must_terminate                                       },

	{ LIFE_TERMINATED,          ON_APPROVE,     LIFE_APPROVED,            "another life begins"                                },
	{ LIFE_TERMINATED,          ON_INSTANTIATE, LIFE_INSTANTIATED,        "without another approval, as in EMCO"               },
	{ LIFE_TERMINATED,          ON_UPDATE,      LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATED,          ON_ROLLBACK,    LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATED,          ON_MIGRATE,     LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATED,          ON_TERMINATE,   LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATED,          ON_STOP,        LIFE_TERMINATE_STOPPED,   "what is not done yet is set aside"                  },
	{ LIFE_TERMINATED,          ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_TERMINATED,          ON_DELETE,      LIFE_SAME,                "once every unit is empty"                           },

	{ LIFE_INSTANTIATE_STOPPED, ON_APPROVE,     LIFE_NONE,                cannot_approve                                       },
	{ LIFE_INSTANTIATE_STOPPED, ON_INSTANTIATE, LIFE_NONE,                is_stopped                                           },
	{ LIFE_INSTANTIATE_STOPPED, ON_UPDATE,      LIFE_INSTANTIATED,        "moving desired ends the stop"                       },
	{ LIFE_INSTANTIATE_STOPPED, ON_ROLLBACK,    LIFE_INSTANTIATED,        "moving desired ends the stop"                       },
	{ LIFE_INSTANTIATE_STOPPED, ON_MIGRATE,     LIFE_UPDATED,             "its units go to another deployment intent group"    },
	{ LIFE_INSTANTIATE_STOPPED, ON_TERMINATE,   LIFE_TERMINATED,          "moving desired ends the stop"                       },
	{ LIFE_INSTANTIATE_STOPPED, ON_STOP,        LIFE_NONE,                stopped_before                                       },
	{ LIFE_INSTANTIATE_STOPPED, ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_INSTANTIATE_STOPPED, ON_DELETE,      LIFE_NONE,                must_terminate                                       },

	{ LIFE_TERMINATE_STOPPED,   ON_APPROVE,     LIFE_NONE,                cannot_approve                                       },
	{ LIFE_TERMINATE_STOPPED,   ON_INSTANTIATE, LIFE_INSTANTIATED,        "moving desired ends the stop"                       },
	{ LIFE_TERMINATE_STOPPED,   ON_UPDATE,      LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATE_STOPPED,   ON_ROLLBACK,    LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATE_STOPPED,   ON_MIGRATE,     LIFE_NONE,                not_instantiated                                     },
	{ LIFE_TERMINATE_STOPPED,   ON_TERMINATE,   LIFE_TERMINATED,          "moving desired ends the stop"                       },
	{ LIFE_TERMINATE_STOPPED,   ON_STOP,        LIFE_NONE,                stopped_before                                       },
	{ LIFE_TERMINATE_STOPPED,   ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_TERMINATE_STOPPED,   ON_DELETE,      LIFE_SAME,                "once every unit is empty"                           },

	{ LIFE_UPDATED,             ON_APPROVE,     LIFE_APPROVED,            "its units went with a migration: another life"      },
	{ LIFE_UPDATED,             ON_INSTANTIATE, LIFE_NONE,                moved_away                                           },
	{ LIFE_UPDATED,             ON_UPDATE,      LIFE_NONE,                not_instantiated                                     },
	{ LIFE_UPDATED,             ON_ROLLBACK,    LIFE_NONE,                not_instantiated                                     },
	{ LIFE_UPDATED,             ON_MIGRATE,     LIFE_NONE,                not_instantiated                                     },
	{ LIFE_UPDATED,             ON_TERMINATE,   LIFE_NONE,                not_instantiated                                     },
	{ LIFE_UPDATED,             ON_STOP,        LIFE_NONE,                nothing_to_stop                                      },
	{ LIFE_UPDATED,             ON_REPLACE,     LIFE_NONE,                must_be_created                                      },
	{ LIFE_UPDATED,             ON_DELETE,      LIFE_SAME,                "its units went with a migration"                    },
};
const size_t life_edge_count = ARRAY_LEN(life_edges);

static const char terminate_failed[]   = "could not be terminated, and can only be deleted";
static const char instantiate_failed[] = "could not be instantiated, and must be terminated first";

/* Each follows the name: logical cloud "lc" ... */
const struct gate cloud_gates[] = {
	{ OUTCOME_NONE,               CLOUD_INSTANTIATE, NULL },
	{ OUTCOME_INSTANTIATING,      CLOUD_INSTANTIATE, "is already being instantiated" },
	{ OUTCOME_INSTANTIATED,       CLOUD_INSTANTIATE, "has already been instantiated" },
	{ OUTCOME_INSTANTIATE_FAILED, CLOUD_INSTANTIATE, instantiate_failed },
	{ OUTCOME_TERMINATING,        CLOUD_INSTANTIATE, "is still being terminated" },
	{ OUTCOME_TERMINATED,         CLOUD_INSTANTIATE, NULL },
	{ OUTCOME_TERMINATE_FAILED,   CLOUD_INSTANTIATE, terminate_failed },

	{ OUTCOME_NONE,               CLOUD_TERMINATE,   NULL },         /* accepted, and nothing is done */
	{ OUTCOME_INSTANTIATING,      CLOUD_TERMINATE,   "is still being instantiated" },
	{ OUTCOME_INSTANTIATED,       CLOUD_TERMINATE,   NULL },
	{ OUTCOME_INSTANTIATE_FAILED, CLOUD_TERMINATE,   NULL },
	{ OUTCOME_TERMINATING,        CLOUD_TERMINATE,   "is already being terminated" },
	{ OUTCOME_TERMINATED,         CLOUD_TERMINATE,   "has already been terminated" },
	{ OUTCOME_TERMINATE_FAILED,   CLOUD_TERMINATE,   terminate_failed },

	{ OUTCOME_NONE,               CLOUD_DELETE,      NULL },
	{ OUTCOME_INSTANTIATING,      CLOUD_DELETE,      "is being instantiated, and must be terminated before it can be deleted" },
	{ OUTCOME_INSTANTIATED,       CLOUD_DELETE,      "must be terminated before it can be deleted" },
	{ OUTCOME_INSTANTIATE_FAILED, CLOUD_DELETE,      instantiate_failed },
	{ OUTCOME_TERMINATING,        CLOUD_DELETE,      "is still being terminated" },
	{ OUTCOME_TERMINATED,         CLOUD_DELETE,      NULL },
	{ OUTCOME_TERMINATE_FAILED,   CLOUD_DELETE,      NULL },

	{ OUTCOME_NONE,               CLOUD_USE,         "has never been instantiated" },
	{ OUTCOME_INSTANTIATING,      CLOUD_USE,         "is still being instantiated" },
	{ OUTCOME_INSTANTIATED,       CLOUD_USE,         NULL },
	{ OUTCOME_INSTANTIATE_FAILED, CLOUD_USE,         instantiate_failed },
	{ OUTCOME_TERMINATING,        CLOUD_USE,         "is being terminated" },
	{ OUTCOME_TERMINATED,         CLOUD_USE,         "has been terminated" },
	{ OUTCOME_TERMINATE_FAILED,   CLOUD_USE,         terminate_failed },
};
const size_t cloud_gate_count = ARRAY_LEN(cloud_gates);
