/*
 * loop.c - a thread, one curl multi handle, its sockets in one epoll set, and the timers of everything on it.
 *
 * curl_multi_poll() walks every transfer each time it wakes; watches are transfers that live for ever, thousands of them.
 * So libcurl tells which sockets it waits for and only those that speak are looked at.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 128, LOOP_CONNECTIONS = 16 * KUBE_CLUSTERS_A_LOOP, SWEEPS_A_KEEP = 6 };

static _Thread_local struct loop *loop_here;       /* of this thread; NULL on all others */

static void wake(struct loop *loop)
{
	const uint64_t one = 1;

	/* Only a full counter fails, and then the loop is awake. */
	IGNORE(write(loop->wake, &one, sizeof one) > 0);
}

void loop_post(struct loop *loop, struct call *call)
{
	bool was_empty;

	call->state = CALL_POSTED;
	pthread_mutex_lock(&loop->lock);
	was_empty = TAILQ_EMPTY(&loop->inbox);
	TAILQ_INSERT_TAIL(&loop->inbox, call, link);
	pthread_mutex_unlock(&loop->lock);
	if (loop == loop_here)
		loop->has_posted = true;
	else if (was_empty)
		wake(loop);
}

/* False when the loop shall end. */
static bool take_inbox(struct loop *loop)
{
	struct call_queue posted = TAILQ_HEAD_INITIALIZER(posted);
	bool              is_closing;

	loop->has_posted = false;
	pthread_mutex_lock(&loop->lock);
	TAILQ_CONCAT(&posted, &loop->inbox, link);
	is_closing = loop->is_closing;
	pthread_mutex_unlock(&loop->lock);
	while (!TAILQ_EMPTY(&posted)) {
		struct call *call = TAILQ_FIRST(&posted);

		TAILQ_REMOVE(&posted, call, link);
		TAILQ_INSERT_TAIL(&loop->calls, call, link);
		if (call->task != NULL) {
			call->task(call->data);
			call_cancel(call);
		} else if (is_closing) {
			struct error err;
			fail(&err, ST_DEADLINE, "the client is closing");
			call_fail(call, ST_DEADLINE, &err);
		} else {
			cluster_offer(call);
		}
	}
	return !is_closing;
}

static void run_timers(struct loop *loop)
{
	const int64_t now = clock_ns();

	while (loop->timers != NULL && loop->timers->at_ns <= now) {
		struct timer *timer = loop->timers;

		timer_unset(&loop->timers, timer);
		timer->fire(timer);
	}
}

static void read_messages(struct loop *loop)
{
	const CURLMsg *message;
	int            left;

	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
		const CURLcode code = message->data.result;
		char          *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		call_finish((struct call *) (void *) call, code);
	}
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
	struct loop       *loop = data;
	struct epoll_event event = { .data.fd = fd };

	(void) easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, &event);
		curl_multi_assign(loop->multi, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
	if (known == NULL) {
		if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
			epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
		curl_multi_assign(loop->multi, fd, loop);
	} else {
		epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
	}
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *data)
{
	struct loop *loop = data;

	(void) multi;
	if (ms < 0)
		timer_unset(&loop->timers, &loop->curl_timer);
	else
		timer_set(&loop->timers, &loop->curl_timer, ms == 0 ? 0 : clock_ns() + (int64_t) ms * 1000000);
	return 0;
}

static void fire_curl(struct timer *timer)
{
	struct loop *loop = TIMER_OWNER(timer, struct loop, curl_timer);
	int          running;

	curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void sweep_later(struct loop *loop)
{
	timer_set(&loop->timers, &loop->sweep_timer, clock_ns() + loop->kube->options.keep_ns / SWEEPS_A_KEEP);
}

static void fire_sweep(struct timer *timer)
{
	struct loop *loop = TIMER_OWNER(timer, struct loop, sweep_timer);

	kube_sweep(loop);
	sweep_later(loop);
}

static void wait_and_read(struct loop *loop)
{
	struct epoll_event event[EVENTS_MAX];
	const int          ms = loop->has_posted ? 0 : deadline_left_ms(loop->timers->at_ns);      /* one to sweep is always set */
	const int          count = epoll_wait(loop->epoll, event, EVENTS_MAX, ms);
	int                running;

	/* First whose time is over: after a standstill of the whole process the rest of his request must not go out. */
	run_timers(loop);
	read_messages(loop);
	for (int i = 0; i < count; i++) {
		if (event[i].data.fd == loop->wake) {
			uint64_t woken;
			IGNORE(read(loop->wake, &woken, sizeof woken) > 0);
			continue;
		}
		const int what = (event[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		                 (event[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		                 (event[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(loop->multi, event[i].data.fd, what, &running);
	}
}

/* Call backs may send more until the last one has ended. */
static void end_all(struct loop *loop)
{
	struct kube_watch *watch;
	struct call       *call;
	struct error       err;
	bool               is_empty = false;

	fail(&err, ST_DEADLINE, "the client is closing");
	while (!is_empty) {
		while ((watch = watch_next(loop)) != NULL)
			watch_end(watch);
		while ((call = TAILQ_FIRST(&loop->calls)) != NULL)
			call_fail(call, ST_DEADLINE, &err);
		take_inbox(loop);
		pthread_mutex_lock(&loop->lock);
		is_empty = TAILQ_EMPTY(&loop->inbox) && TAILQ_EMPTY(&loop->calls) && LIST_EMPTY(&loop->watches);
		pthread_mutex_unlock(&loop->lock);
	}
}

static void *run(void *data)
{
	struct loop *loop = data;

	loop_here = loop;
	while (take_inbox(loop)) {
		run_timers(loop);
		read_messages(loop);
		wait_and_read(loop);
		read_messages(loop);
	}
	end_all(loop);
	return NULL;
}

static void loop_free(struct loop *loop)
{
	while (loop->easy_count > 0)
		curl_easy_cleanup(loop->easy[--loop->easy_count]);
	curl_multi_cleanup(loop->multi);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->wake >= 0)
		close(loop->wake);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

/* Signals are for the threads that ask for them. */
static int start_thread(struct loop *loop)
{
	sigset_t all, before;
	int      problem;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	problem = pthread_create(&loop->thread, NULL, run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return problem;
}

enum status loop_open(struct kube *kube, struct loop **ret_loop, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct loop       *loop = calloc(1, sizeof *loop);

	if (loop == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	loop->kube = kube;
	pthread_mutex_init(&loop->lock, NULL);
	TAILQ_INIT(&loop->inbox);
	TAILQ_INIT(&loop->calls);
	LIST_INIT(&loop->members);
	LIST_INIT(&loop->watches);
	loop->multi = curl_multi_init();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = loop->wake;
	if (loop->multi == NULL || loop->epoll < 0 || loop->wake < 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
		loop_free(loop);
		return fail(err, ST_UNAVAILABLE, "no more handles for connections to clusters");
	}
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
	curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long) LOOP_CONNECTIONS);
	loop->curl_timer.fire = fire_curl;
	loop->sweep_timer.fire = fire_sweep;
	sweep_later(loop);
	if (start_thread(loop) != 0) {
		loop_free(loop);
		return fail(err, ST_UNAVAILABLE, "no more threads");
	}
	*ret_loop = loop;
	return ST_OK;
}

void loop_close(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->is_closing = true;
	pthread_mutex_unlock(&loop->lock);
	wake(loop);
	pthread_join(loop->thread, NULL);
	loop_free(loop);
}
