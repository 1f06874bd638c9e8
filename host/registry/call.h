/*
 * call.h - one call across the plugin boundary, as the host sees it.
 *
 * The plugin sees an emco_call; around it the host keeps the call's arena, its error, its deadline, a database connection
 * that is borrowed on first use, and, while a controller edits a context, the overlay of that call.  Lives on the stack of
 * whoever makes the call.
 */
#ifndef HOST_REGISTRY_CALL_H
#define HOST_REGISTRY_CALL_H

#include "emco/abi.h"
#include "host/store/store.h"

struct call {
	emco_call     abi;             /* first: the plugin holds a pointer to it               */
	struct store *store;
	struct arena  arena;
	struct error  error;
	int64_t       deadline_ns;
	const volatile bool *cancelled;    /* may be NULL                                       */
	bool          ends_with_leases;    /* cancelled as well when those of its time may be somebody else's */
	uint64_t      losses;              /* of the store when it began                        */
	uint32_t      roles;           /* of the plugin it goes to: what it may ask             */
	const char   *who;             /* the instance, for messages; borrowed                  */
	void         *overlay;         /* of emco.app-context; NULL: read only                  */
	struct db    *db;
	bool          is_lent;         /* db is of whoever makes the call                       */
	const char   *reading;         /* a slot that calls back while db reads for it; NULL     */
};

void call_init(struct call *call, struct store *store, const char *who, uint32_t roles, int64_t deadline_ns);
void call_done(struct call *call);
#define auto_call CLEANUP(call_done) struct call

struct call *call_of(emco_call *call);                  /* from the plugin's pointer */

/*
 * The call's own connection, borrowed on first use and returned by call_db_done or call_done.  ST_CONFLICT: a slot that calls
 * back is still reading from it.
 */
enum status MUST_CHECK call_db(struct call *call, struct db **ret_db, struct error *err);

/*
 * A slot needs it no more: whoever works for minutes keeps none meanwhile, as there are fewer connections than calls.  One
 * that was lent, or that an open context reads from, stays.
 */
void call_db_done(struct call *call);

/* The call works on the connection, and in the transaction, of who makes it. */
void call_lend(struct call *call, struct db *db);

/* One table maps status to emco_status and back; nothing else knows both. */
emco_status status_to_abi(enum status st);
enum status status_from_abi(emco_status status);

/* For slots that the host implements: put a host error into the call and return its ABI status. */
emco_status call_failed(struct call *call, const struct error *err);

/* What a slot returned, as a host status; err gets the plugin's words, "controller \"dtc\": ..." in front. */
enum status call_result(struct call *call, emco_status status, struct error *err);

static inline struct view view_from_abi(emco_str s) { return (struct view) { s.len > 0 ? s.ptr : "", (size_t) s.len }; }
static inline emco_str view_to_abi(struct view v) { return (emco_str) { v.ptr, v.len }; }

#endif
