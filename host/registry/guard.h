/*
 * guard.h - run work that calls plugins on a thread of its own, and let go of it when a plugin does not return.
 *
 * An operation and all plugin calls in it run on one guarded thread, so a call costs a function pointer.  The caller waits
 * for the result, or until the call in progress passes its deadline: then it answers and leaves, and the guarded thread
 * finds itself abandoned when the plugin returns at last, and cleans up what is its own.
 */
#ifndef HOST_REGISTRY_GUARD_H
#define HOST_REGISTRY_GUARD_H

#include "lib/base/error.h"

struct guard;

/* A call that returns EMCO_E_DEADLINE this soon after its deadline kept its word: cancelled() told it so. */
#define GUARD_GRACE_NS  INT64_C(250000000)

/*
 * work runs on another thread.  data is taken: freed by data_free (may be NULL) on whichever side ends last, which may be
 * before guard_run returns; a caller that wants results out of it holds a reference of its own.
 * ST_DEADLINE: the plugin call in progress came later than its deadline (the earlier of its own and deadline_ns).
 */
typedef enum status guard_work(struct guard *guard, void *data, struct error *err);
enum status MUST_CHECK guard_run(guard_work *work, void *data, void (*data_free)(void *), int64_t deadline_ns,
                                 struct error *err);

/* On the guarded thread, around a plugin call.  guard_call_end: false when the caller has gone, and nothing may be kept. */
void guard_call_begin(struct guard *guard, const char *who, int64_t deadline_ns);
/* The same; late(data) is called once by the waiting side when it leaves this call behind.  data must outlive the thread. */
void guard_call_begin_late(struct guard *guard, const char *who, int64_t deadline_ns, void (*late)(void *), void *data);
bool guard_call_end(struct guard *guard);

/* The guard of this thread; NULL outside one. */
struct guard *guard_here(void);

/* Wait for abandoned threads until the deadline, at shutdown.  Number still running. */
unsigned guard_drain(int64_t deadline_ns);

#endif
