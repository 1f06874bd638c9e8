/* One thread for each guarded work; those that were let go of are kept in a list, to be joined once they have ended. */
#include "host/registry/guard.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <pthread.h>

struct guard {
	pthread_mutex_t lock;              /* guards all below                                            */
	pthread_cond_t  changed;
	guard_work     *work;
	void           *data;
	void          (*data_free)(void *);
	int64_t         deadline_ns;
	pthread_t       thread;
	struct guard   *next;              /* of the abandoned; guarded by abandoned_lock                 */

	char            who[64];           /* the plugin call in progress                                 */
	int64_t         call_begin_ns, call_deadline_ns;      /* 0: none                                  */
	int64_t         wake_ns;           /* when the caller looks next                                  */
	void          (*late)(void *);
	void           *late_data;

	bool            is_done, is_abandoned;
	enum status     status;
	struct error    error;
};

static _Thread_local struct guard *here;

static pthread_mutex_t abandoned_lock = PTHREAD_MUTEX_INITIALIZER;   /* guards abandoned */
static struct guard   *abandoned;

struct guard *guard_here(void)
{
	return here;
}

static void guard_free(struct guard *guard)
{
	pthread_cond_destroy(&guard->changed);
	pthread_mutex_destroy(&guard->lock);
	free(guard);
}

static void *guard_main(void *arg)
{
	struct guard *guard = arg;
	struct error  err = { 0 };

	here = guard;
	const enum status st = guard->work(guard, guard->data, &err);
	here = NULL;

	pthread_mutex_lock(&guard->lock);
	const bool is_last = guard->is_abandoned;
	guard->status = st;
	guard->error = err;
	if (!is_last) {
		guard->is_done = true;
		pthread_cond_signal(&guard->changed);
	}
	pthread_mutex_unlock(&guard->lock);
	if (is_last) {
		if (guard->data_free != NULL)
			guard->data_free(guard->data);
		pthread_mutex_lock(&guard->lock);
		guard->is_done = true;             /* from here on whoever reaps may free the guard */
		pthread_cond_signal(&guard->changed);
		pthread_mutex_unlock(&guard->lock);
	}
	return NULL;
}

/* Wait until something changes or the time comes.  Called and left with the lock held. */
static void guard_wait(struct guard *guard, int64_t until_ns)
{
	const struct timespec until = { .tv_sec = (time_t) (until_ns / 1000000000), .tv_nsec = (long) (until_ns % 1000000000) };

	pthread_cond_timedwait(&guard->changed, &guard->lock, &until);
}

/* Join the abandoned threads that have ended.  Number of those that have not. */
static unsigned reap(void)
{
	struct guard *ended = NULL;
	unsigned      running = 0;

	pthread_mutex_lock(&abandoned_lock);
	for (struct guard **at = &abandoned; *at != NULL;) {
		struct guard *guard = *at;
		pthread_mutex_lock(&guard->lock);
		const bool is_done = guard->is_done;
		pthread_mutex_unlock(&guard->lock);
		if (is_done) {
			*at = guard->next;
			guard->next = ended;
			ended = guard;
		} else {
			running++;
			at = &guard->next;
		}
	}
	pthread_mutex_unlock(&abandoned_lock);
	while (ended != NULL) {
		struct guard *guard = ended;
		ended = guard->next;
		pthread_join(guard->thread, NULL);
		guard_free(guard);
	}
	return running;
}

static struct guard *guard_new(guard_work *work, void *data, void (*data_free)(void *), int64_t deadline_ns)
{
	struct guard      *guard = calloc(1, sizeof *guard);

	if (guard == NULL)
		return NULL;
	guard->work = work;
	guard->data = data;
	guard->data_free = data_free;
	guard->deadline_ns = deadline_ns;
	guard->wake_ns = deadline_ns;
	pthread_mutex_init(&guard->lock, NULL);
	condition_init(&guard->changed);
	return guard;
}

/*
 * Leave the guarded thread behind.  Called with the lock held, which it lets go.
 * NOTE: only a thread inside a plugin is left.  One in our own code ends at its own deadlines, and might be about to commit:
 * an answer given without it would be a guess.
 */
static enum status abandon(struct guard *guard, struct error *err)
{
	void        (*late)(void *) = guard->late;
	void         *late_data = guard->late_data;
	const int64_t limit_ms = (guard->call_deadline_ns - guard->call_begin_ns + 500000) / 1000000;

	IGNORE(fail(err, ST_DEADLINE, "controller \"%s\" did not answer within %lld ms", guard->who, (long long) limit_ms));
	guard->is_abandoned = true;
	pthread_mutex_unlock(&guard->lock);
	if (late != NULL)
		late(late_data);

	pthread_mutex_lock(&abandoned_lock);
	guard->next = abandoned;
	abandoned = guard;
	pthread_mutex_unlock(&abandoned_lock);
	return ST_DEADLINE;
}

/* Wait for the end, or for a plugin call to come late.  Called with the lock held; true: it ended. */
static bool await(struct guard *guard)
{
	while (!guard->is_done) {
		const int64_t now_ns = clock_ns();
		const int64_t due_ns = guard->call_deadline_ns == 0 ? 0 : guard->call_deadline_ns + GUARD_GRACE_NS;

		if (due_ns != 0 && now_ns >= due_ns)
			return false;
		if (due_ns != 0)
			guard->wake_ns = due_ns;
		else if (guard->wake_ns <= now_ns)
			guard->wake_ns = INT64_MAX / 2;        /* the next call will wake us, or the end */
		guard_wait(guard, guard->wake_ns);
	}
	return true;
}

enum status guard_run(guard_work *work, void *data, void (*data_free)(void *), int64_t deadline_ns, struct error *err)
{
	struct guard *guard = guard_new(work, data, data_free, deadline_ns);

	reap();
	if (guard == NULL || pthread_create(&guard->thread, NULL, guard_main, guard) != 0) {
		if (data_free != NULL)
			data_free(data);
		if (guard != NULL)
			guard_free(guard);
		return fail(err, ST_UNAVAILABLE, "could not begin a thread for the operation");
	}

	pthread_mutex_lock(&guard->lock);
	if (!await(guard))
		return abandon(guard, err);
	pthread_mutex_unlock(&guard->lock);

	pthread_join(guard->thread, NULL);
	const enum status st = guard->status;
	if (st != ST_OK && err != NULL)
		*err = guard->error;
	if (data_free != NULL)
		data_free(data);
	guard_free(guard);
	return st;
}

void guard_call_begin_late(struct guard *guard, const char *who, int64_t deadline_ns, void (*late)(void *), void *data)
{
	pthread_mutex_lock(&guard->lock);
	snprintf(guard->who, sizeof guard->who, "%s", who);
	guard->call_begin_ns = clock_ns();
	guard->call_deadline_ns = deadline_ns < guard->deadline_ns ? deadline_ns : guard->deadline_ns;
	guard->late = late;
	guard->late_data = data;
	/* The caller sleeps until the first call's deadline, and most calls end long before: no wake-up for each. */
	if (guard->call_deadline_ns + GUARD_GRACE_NS < guard->wake_ns)
		pthread_cond_signal(&guard->changed);
	pthread_mutex_unlock(&guard->lock);
}

void guard_call_begin(struct guard *guard, const char *who, int64_t deadline_ns)
{
	guard_call_begin_late(guard, who, deadline_ns, NULL, NULL);
}

bool guard_call_end(struct guard *guard)
{
	pthread_mutex_lock(&guard->lock);
	const bool is_kept = !guard->is_abandoned;
	guard->call_deadline_ns = 0;
	pthread_mutex_unlock(&guard->lock);
	return is_kept;
}

unsigned guard_drain(int64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	unsigned running;

	while ((running = reap()) > 0 && !deadline_past(deadline_ns))
		nanosleep(&pause, NULL);
	return running;
}
