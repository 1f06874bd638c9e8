/* The gate of a serial plugin, the call with its deadline, and what lateness or a fault costs the controller. */
#include "host/registry/instance.h"

#include "host/registry/guard.h"
#include "host/registry/plugins_priv.h"
#include "lib/base/clock.h"

enum { HEALTH_LIMIT_MS = 1000 };

/* -- the gate: one call at a time for a serial plugin ---------------------------------------------------------------- */

static bool is_shut(const struct controller *controller)
{
	return __atomic_load_n(&controller->instance.is_quarantined, __ATOMIC_RELAXED);
}

/*
 * One at a time through a gate of the controller, is_busy or is_asked.  false: the deadline came first.  A flag, not the lock,
 * is held through the call.
 */
static bool gate_enter(struct controller *controller, bool *gate, int64_t until_ns)
{
	const struct timespec until = { .tv_sec = (time_t) (until_ns / 1000000000), .tv_nsec = (long) (until_ns % 1000000000) };
	bool is_mine;

	pthread_mutex_lock(&controller->lock);
	while (*gate && !is_shut(controller) && !deadline_past(until_ns))
		pthread_cond_timedwait(&controller->freed, &controller->lock, &until);
	is_mine = !*gate;
	*gate = true;
	pthread_mutex_unlock(&controller->lock);
	return is_mine;
}

static void gate_leave(struct controller *controller, bool *gate)
{
	pthread_mutex_lock(&controller->lock);
	*gate = false;
	pthread_cond_broadcast(&controller->freed);
	pthread_mutex_unlock(&controller->lock);
}

/* -- lateness -------------------------------------------------------------------------------------------------------- */

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* The waiting side has left: no new call until this one is back, whether or not it had all the time it is allowed. */
static void left_in_haste(void *data)
{
	struct controller *controller = data;

	__atomic_fetch_add(&controller->left_behind, 1, __ATOMIC_RELAXED);
	count(&controller->instance.late);
}

static void left_for_good(void *data)
{
	struct controller *controller = data;

	left_in_haste(controller);
	plugins_quarantine(controller->plugins, &controller->instance);
}

static enum status fail_late(const struct instance *instance, int64_t begin_ns, int64_t deadline_ns, struct error *err)
{
	return fail(err, ST_DEADLINE, "controller \"%s\" did not answer within %lld ms", instance->name,
	            (long long) ((deadline_ns - begin_ns + 500000) / 1000000));
}

/* -- the call -------------------------------------------------------------------------------------------------------- */

static enum status check_open(const struct controller *controller, struct error *err)
{
	const char *name = controller->instance.name;

	if (is_shut(controller)) {
		IGNORE(fail(err, ST_UNAVAILABLE, "controller \"%s\" is quarantined: a call did not come back in time", name));
		return fail_hint(err, "Restart the server to use it again, or raise its call_timeout_ms.");
	}
	if (__atomic_load_n(&controller->left_behind, __ATOMIC_RELAXED) > 0)
		return fail(err, ST_UNAVAILABLE, "controller \"%s\" is still in a call that should have ended", name);
	return ST_OK;
}

struct window { int64_t begin_ns, deadline_ns; bool is_own_limit; };

/* Judge what a returned call is worth. */
static enum status judge(struct controller *controller, struct call *call, const struct window *window,
                         emco_status answer, bool is_awaited, emco_status *ret_answer, struct error *err)
{
	struct instance *instance = &controller->instance;
	const int64_t    now_ns = clock_ns();

	if (now_ns - window->begin_ns > instance->call_limit_ns + GUARD_GRACE_NS)
		plugins_quarantine(controller->plugins, instance);
	if (!is_awaited)                                    /* counted when it was left */
		__atomic_fetch_sub(&controller->left_behind, 1, __ATOMIC_RELAXED);
	else if (now_ns > window->deadline_ns)
		count(&instance->late);
	if (!is_awaited || now_ns > window->deadline_ns) {
		count(&instance->failures);
		return fail_late(instance, window->begin_ns, window->deadline_ns, err);
	}
	if (answer == EMCO_OK || answer == EMCO_DECLINED || answer == EMCO_E_UNIMPLEMENTED) {
		*ret_answer = answer;
		return ST_OK;
	}
	count(&instance->failures);
	return call_result(call, answer, err);
}

static enum status call_inside(struct controller *controller, struct store *store, instance_slot *slot, void *data,
                               void *overlay, int64_t deadline_ns, emco_status *ret_answer, struct error *err)
{
	struct instance *instance = &controller->instance;
	struct guard    *guard = guard_here();
	struct window    window = { .begin_ns = clock_ns(), .deadline_ns = deadline_ns };
	bool             is_awaited = true;
	auto_call        call;

	if (instance->call_limit_ns <= deadline_ns - window.begin_ns) {
		window.deadline_ns = window.begin_ns + instance->call_limit_ns;
		window.is_own_limit = true;
	}
	call_init(&call, store, instance->name, controller->plugin.roles, window.deadline_ns);
	call.cancelled = &controller->plugins->is_stopping;
	call.overlay = overlay;
	if (window.deadline_ns <= window.begin_ns)
		return fail(err, ST_DEADLINE, "no time is left to call controller \"%s\"", instance->name);

	count(&instance->calls);
	if (guard != NULL)
		guard_call_begin_late(guard, instance->name, window.deadline_ns,
		                      window.is_own_limit ? left_for_good : left_in_haste, controller);
	const emco_status answer = slot(instance, &call.abi, data);
	if (guard != NULL)
		is_awaited = guard_call_end(guard);
	return judge(controller, &call, &window, answer, is_awaited, ret_answer, err);
}

enum status instance_call(struct instance *instance, struct store *store, instance_slot *slot, void *data,
                          void *overlay, int64_t deadline_ns, emco_status *ret_answer, struct error *err)
{
	struct controller *controller = controller_of(instance);
	const bool         is_serial = controller->plugin.thread_model != EMCO_THREADS_PARALLEL;

	enum status st = check_open(controller, err);
	if (st != ST_OK)
		return st;
	if (is_serial && !gate_enter(controller, &controller->is_busy, deadline_ns)) {
		st = check_open(controller, err);
		return st != ST_OK ? st : fail(err, ST_UNAVAILABLE, "controller \"%s\" is busy with another call", instance->name);
	}
	__atomic_fetch_add(&controller->in_flight, 1, __ATOMIC_ACQ_REL);
	st = check_open(controller, err);                   /* it may have been shut while we waited */
	if (st == ST_OK)
		st = call_inside(controller, store, slot, data, overlay, deadline_ns, ret_answer, err);
	__atomic_fetch_sub(&controller->in_flight, 1, __ATOMIC_ACQ_REL);
	if (is_serial)
		gate_leave(controller, &controller->is_busy);
	return st;
}

struct health_ask { struct controller *controller; struct store *store; int64_t deadline_ns; };

/* On a guarded thread: who asks does not wait for a plugin that hangs, and one at a time, so that there is one thread. */
static enum status ask_health(struct guard *guard, void *data, struct error *err)
{
	const struct health_ask *ask = data;
	struct controller       *controller = ask->controller;
	auto_call                call;

	call_init(&call, ask->store, controller->instance.name, controller->plugin.roles, ask->deadline_ns);
	call.cancelled = &controller->plugins->is_stopping;
	guard_call_begin(guard, controller->instance.name, ask->deadline_ns);
	const emco_status answer = controller->plugin.health(controller->instance.self, &call.abi);
	const bool        is_in_time = guard_call_end(guard);
	return is_in_time ? call_result(&call, answer, err) : fail(err, ST_DEADLINE, "the answer came late");
}

/* Also of one that could not begin. */
static void health_ask_free(void *data)
{
	struct health_ask *ask = data;
	struct controller *controller = ask->controller;

	free(ask);
	gate_leave(controller, &controller->is_asked);
	__atomic_fetch_sub(&controller->in_flight, 1, __ATOMIC_ACQ_REL);       /* last: then it may be closed */
}

enum status instance_health(struct instance *instance, struct store *store, struct error *err)
{
	struct controller *controller = controller_of(instance);
	struct health_ask *ask;

	enum status st = check_open(controller, err);
	if (st != ST_OK || !EMCO_HAS(&controller->plugin, health))
		return st;
	ask = malloc(sizeof *ask);
	if (ask == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (!gate_enter(controller, &controller->is_asked, deadline_in_ms(HEALTH_LIMIT_MS))) {
		free(ask);
		return fail(err, ST_UNAVAILABLE, "controller \"%s\" has been asked how it is, and has not answered yet", instance->name);
	}
	*ask = (struct health_ask) { controller, store, deadline_in_ms(HEALTH_LIMIT_MS) };
	__atomic_fetch_add(&controller->in_flight, 1, __ATOMIC_ACQ_REL);
	return guard_run(ask_health, ask, health_ask_free, ask->deadline_ns, err);
}
