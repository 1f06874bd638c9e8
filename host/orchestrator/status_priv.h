/*
 * status_priv.h - between status.c, which decides what is shown, and status_json.c and status_place.c, which write it.
 */
#ifndef HOST_ORCHESTRATOR_STATUS_PRIV_H
#define HOST_ORCHESTRATOR_STATUS_PRIV_H

#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/orchestrator.h"
#include "host/orchestrator/plan.h"

enum ready { READY_NOT_PRESENT, READY_NOT_READY, READY_READY, READY_STATES };

struct report {
	const struct status_query *query;
	struct orchestrator *o;
	struct db           *db;
	struct arena         arena;
	bool                 is_cloud;
	int64_t              owner;
	struct view          path, profile;
	struct action       *actions;
	size_t               action_count, action_room;
	struct plan         *plan;              /* of the context that is shown; NULL: none  */
	enum outcome         outcome;
	struct unit_status  *units;             /* by app, then cluster, in byte order       */
	size_t               unit_count;
	const struct unit_status **leaving;     /* of these, or read for this                */
	size_t               leaving_count;
	struct unit_wait    *waits;             /* of apps that wait for others              */
	size_t               wait_count;
	uint64_t             deployed[OBJECT_STATES], ready[READY_STATES];
	bool                 is_gone;           /* a life that was terminated, before the present one */
	bool                 is_elsewhere;      /* what it had is another deployment's now, which knows how it is */
	struct view          holder;            /* whose it is, then; empty: not known           */
	bool                 is_summed;         /* both, and the outcome, without a plan or units */
	bool                 has_counted;
	struct digest        counted;           /* the last set whose objects were counted   */
	uint64_t             counted_tracked;
	struct live         *live;              /* what clusters have told; NULL: they were not asked */
};

bool report_has_filter(const struct report *report);
bool report_is_about_ready(const struct report *report);      /* cluster, ready: what the monitor says */

/* -- words: status_words.c -- */

struct deployed_word { enum object_state state; const char *name; };
struct ready_word    { enum ready state;        const char *name; };
struct mode_words    { const char *status, *counts, *resource, *connectivity; };
extern const struct deployed_word deployed_words[OBJECT_STATES];
extern const struct ready_word    ready_words[READY_STATES];
extern const struct mode_words    mode_words[];          /* by enum status_mode: what a mode calls things */

const char *deployed_word(enum object_state state);
const char *ready_word(enum ready state);

/* Does a kind count for readiness?  The contract names eight.  A hook never does, whatever its kind. */
bool status_tracks(struct view api_version, struct view kind);
bool entry_is_tracked(const struct set_entry *entry);

/* The unit of a slot; NULL: none. */
const struct unit_status *report_unit(const struct report *report, struct view app, struct view cluster);

/*
 * Which units are leaving for good: their place is in no context, or there is none (is_ended).  Units: those to look at; NULL: the
 * store is asked.
 */
enum status MUST_CHECK report_find_leaving(struct report *report, struct unit_status *units, size_t count, bool is_ended,
                                           struct error *err);

/* Append the answer. */
enum status MUST_CHECK report_write(struct report *report, struct buf *reply, struct error *err);

#endif
