/*
 * store_priv.h - the two background connections of a store.
 */
#ifndef HOST_STORE_STORE_PRIV_H
#define HOST_STORE_STORE_PRIV_H

#include "host/store/db_priv.h"
#include "host/store/store.h"

/* -- session.c: a connection that a thread of its own keeps, and makes again when it is lost -- */

struct session;

/* What its owner does with it.  All on the thread, but the first begin, which is session_open's. */
struct session_work {
	enum status (*begin)(void *data, PGconn *conn, int64_t deadline_ns, struct error *err);    /* it is new           */
	bool        (*turn)(void *data, PGconn *conn);    /* it is new, has said something, or was woken; false: it is lost */
	void        (*lost)(void *data);
};

/* work, data: borrowed until session_close.  ST_UNAVAILABLE, ST_NO_MEMORY, or what begin says. */
enum status MUST_CHECK session_open(const char *conninfo, const struct session_work *work, void *data, int64_t deadline_ns,
                                    struct session **ret_session, struct error *err);
void session_wake(struct session *session);              /* any thread; not before session_open has returned */
void session_close(struct session *session);             /* NULL is fine                                   */

/* -- liveness.c: one idle connection that holds advisory lock (1, host) as long as this process lives -- */

/* Takes the lock of a host id that nobody holds, and gives that id.  A thread gets the lock back when it is lost. */
enum status MUST_CHECK liveness_open(const char *conninfo, int64_t deadline_ns, struct liveness **ret_liveness,
                                     int64_t *ret_host, struct error *err);
void liveness_close(struct liveness *liveness);          /* NULL is fine */
bool liveness_is_held(struct liveness *liveness);

/* -- notify.c: one connection that listens, and sends what has gathered -- */

enum status MUST_CHECK notifier_open(const char *conninfo, int64_t deadline_ns, struct notifier **ret_notifier,
                                     struct error *err);
void notifier_close(struct notifier *notifier);          /* NULL is fine; wakes and outlives no waiter */

/* -- resource_fetch.c: who reads, and who waits for it -- */

struct fetch_rules {
	unsigned at_once;             /* statements; who comes then waits                                        */
	int64_t  late_ns;             /* since a statement began: its turn is another's                          */
	int64_t  shared_ns;           /* the longest that a shared one may take                                  */
};
struct fetch_rules fetch_rules_of_machine(void);

enum status MUST_CHECK fetcher_open(const struct fetch_rules *rules, struct fetcher **ret_fetcher, struct error *err);
void fetcher_close(struct fetcher *fetcher);             /* NULL is fine; nobody reads any more */

/* -- unit_claim.c: whose turn it is to look for units -- */

void unit_claim_init(struct store *store);
void unit_claim_done(struct store *store);

#endif
