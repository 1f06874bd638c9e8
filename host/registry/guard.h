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

/* work runs on another thread.  data is taken: freed by data_free on whichever side ends last. */
typedef enum status guard_work(struct guard *guard, void *data, struct error *err);
enum status MUST_CHECK guard_run(guard_work *work, void *data, void (*data_free)(void *), int64_t deadline_ns,
                                 struct error *err);

/* On the guarded thread, around a plugin call.  guard_call_end: false when the caller has gone, and nothing may be kept. */
void guard_call_begin(struct guard *guard, const char *who, int64_t deadline_ns);
bool guard_call_end(struct guard *guard);
bool guard_is_abandoned(struct guard *guard);

/* The guard of this thread; NULL outside one. */
struct guard *guard_here(void);

/* Wait for abandoned threads until the deadline, at shutdown.  Number still running. */
unsigned guard_drain(int64_t deadline_ns);

#endif
