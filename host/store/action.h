/*
 * action.h - the life cycle of an owner: the actions it went through, the last of which is its state; and the operation
 * that is changing it now.
 *
 * The row of the owner is locked (resource_lock) by whoever adds an action.  They are never changed, but those in the middle
 * of a long life go (context_retain).  An operation is a row with a lease: two callers cannot change one owner, and one that
 * died is taken over.
 */
#ifndef HOST_STORE_ACTION_H
#define HOST_STORE_ACTION_H

#include "host/store/resource.h"

#define ACTIONS_KEPT  "1000"

/* Who asks for a step: the peer's address, the id of the request, and what it has seen of the resource. */
struct asker { struct view client, request; struct resource_seen seen; };

struct action {
	char    state[24];              /* "Instantiated"                                        */
	int64_t instance;               /* AppContext id; 0: none                                */
	int64_t status_context;         /* collects status; 0: none                              */
	int64_t revision;
	int64_t at_ms;                  /* wall time                                             */
	int64_t seq;                    /* of the owner: a gap shows what is gone; not written   */
};

/* Appended in order; last may be NULL.  ST_NOT_FOUND when the owner has none. */
typedef enum status action_each(void *data, const struct action *action, struct error *err);
enum status MUST_CHECK action_list(struct db *db, int64_t owner, action_each *each, void *data, struct error *err);
enum status MUST_CHECK action_last(struct db *db, int64_t owner, struct action *ret_action, struct error *err);
/* The same of many, in one statement; who has none gets one with an empty state. */
enum status MUST_CHECK action_last_of(struct db *db, const int64_t *owners, size_t count, struct action *ret_actions, struct error *err);
/* One that instantiates makes its status context the owner's (unit_owns), for longer than the action is kept. */
enum status MUST_CHECK action_add(struct db *db, int64_t owner, const struct action *action, struct error *err);
enum status MUST_CHECK action_max_revision(struct db *db, int64_t owner, int64_t *ret_revision, struct error *err);

/*
 * asker and peer are for the history: who asks, may be NULL; the other deployment of a migration, else empty.  ret_token names
 * this operation to end it.  is_ours_dead: no operation of this process is on the owner, so a row of this process is a
 * left-over that it could not remove while the database was away.
 * ST_CONFLICT: another operation runs; err says which, since when.  One is taken over whose lease ended, whose process
 * died, or that is such a left-over.
 */
enum status MUST_CHECK operation_begin(struct store *store, struct db *db, int64_t owner, const char *kind,
                                       const struct asker *asker, struct view peer, int64_t lease_ns, bool is_ours_dead,
                                       int64_t *ret_token, struct error *err);
/*
 * ST_CONFLICT, which says what runs since when: an operation is on the owner.  For steps that are one transaction, once the
 * owner is locked: an operation that begins later finds at its commit what they have changed.
 */
enum status MUST_CHECK operation_check_none(struct db *db, int64_t owner, struct error *err);
/*
 * In the transaction that carries the outcome: ST_CONFLICT when the lease was lost, and nothing must be committed.  It goes
 * into the history: why it failed, NULL when it did not; one that is taken over goes there as lost.
 */
enum status MUST_CHECK operation_end(struct db *db, int64_t owner, int64_t token, int64_t revision, const char *why,
                                     struct error *err);

#endif
