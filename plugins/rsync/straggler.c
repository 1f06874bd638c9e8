#include "plugins/rsync/straggler.h"

#include "plugins/rsync/bell.h"
#include "plugins/rsync/reconcile.h"

#include <stdlib.h>

enum {
	MOST = 512,                     /* passes handed over; beyond that, workers wait        */
	LOOK_MS = 200,                  /* how often they are looked at when no bell rings      */
	NS_PER_MS = 1000000,
};

struct stragglers {
	struct straggler_options o;
	struct bell              bell;           /* of the thread                               */
	pthread_t                thread;
	bool                     runs;
	atomic_bool              is_stopping;
	pthread_mutex_t          lock;           /* guards what follows                         */
	struct pass             *handed_over, *left_behind;
	size_t                   count;
};

/* -- passes -- */

static void push(struct pass **list, struct pass *pass)
{
	pass->next = *list;
	*list = pass;
}

static struct pass *pop(struct pass **list)
{
	struct pass *pass = *list;

	*list = pass->next;
	return pass;
}

void stragglers_end(struct stragglers *self, struct pass *pass)
{
	reconcile_drop(pass);
	if (pass->call != NULL)
		self->o.host->end(self->o.host, pass->call);
	self->o.host->end(self->o.host, pass->claim);
	free(pass);
}

/* The server stops while requests are under way. */
static void leave(struct stragglers *self, struct pass *pass)
{
	pthread_mutex_lock(&self->lock);
	push(&self->left_behind, pass);
	pthread_mutex_unlock(&self->lock);
}

/* false: there are too many already. */
static bool hand_over(struct stragglers *self, struct pass *pass)
{
	pthread_mutex_lock(&self->lock);
	const bool is_taken = self->count < MOST && !atomic_load(&self->is_stopping);
	if (is_taken) {
		self->count++;
		atomic_store(&pass->bell, &self->bell);
		push(&self->handed_over, pass);
	}
	pthread_mutex_unlock(&self->lock);
	if (is_taken)
		bell_ring(&self->bell);
	return is_taken;
}

void stragglers_wait(struct stragglers *self, struct pass *pass)
{
	int64_t moved_ns = now_ns(), next_ns;
	size_t  left = reconcile_go_on(pass, &next_ns), before = left;

	while (left > 0 && !atomic_load(&self->is_stopping)) {
		const int64_t limit_ns = moved_ns + self->o.patience_ns;

		if (now_ns() > limit_ns) {
			if (hand_over(self, pass))
				return;
			moved_ns = now_ns();
		}
		bell_wait(atomic_load(&pass->bell), next_ns < limit_ns ? next_ns : limit_ns + 1);
		left = reconcile_go_on(pass, &next_ns);
		if (left < before)
			moved_ns = now_ns();
		before = left;
	}
	if (left > 0)
		leave(self, pass);
	else
		stragglers_end(self, pass);
}

/* -- the thread -- */

/* Add those that were handed over since. */
static void take(struct stragglers *self, struct pass **passes)
{
	pthread_mutex_lock(&self->lock);
	while (self->handed_over != NULL)
		push(passes, pop(&self->handed_over));
	pthread_mutex_unlock(&self->lock);
}

/* Go on with each; *next_ns: not later than the first has to be looked at again. */
static void go_on(struct stragglers *self, struct pass **passes, int64_t *next_ns)
{
	for (struct pass **at = passes; *at != NULL;) {
		int64_t pass_next_ns;

		if (reconcile_go_on(*at, &pass_next_ns) > 0) {
			if (pass_next_ns < *next_ns)
				*next_ns = pass_next_ns;
			at = &(*at)->next;
			continue;
		}
		stragglers_end(self, pop(at));
		pthread_mutex_lock(&self->lock);
		self->count--;
		pthread_mutex_unlock(&self->lock);
	}
}

static void *run(void *data)
{
	struct stragglers *self = data;
	struct pass       *passes = NULL;

	while (!atomic_load(&self->is_stopping)) {
		int64_t next_ns = now_ns() + (int64_t) LOOK_MS * NS_PER_MS;

		take(self, &passes);
		go_on(self, &passes, &next_ns);
		crew_look(self->o.crew);
		bell_wait(&self->bell, next_ns);
	}
	while (passes != NULL)
		leave(self, pop(&passes));
	return NULL;
}

/* -- life -- */

struct stragglers *stragglers_new(const struct straggler_options *options)
{
	struct stragglers *self = calloc(1, sizeof *self);

	if (self == NULL)
		return NULL;
	self->o = *options;
	bell_init(&self->bell);
	pthread_mutex_init(&self->lock, NULL);
	return self;
}

void stragglers_free(struct stragglers *self)
{
	if (self == NULL)
		return;
	bell_done(&self->bell);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

bool stragglers_start(struct stragglers *self)
{
	self->runs = pthread_create(&self->thread, NULL, run, self) == 0;
	return self->runs;
}

void stragglers_stop(struct stragglers *self)
{
	if (self == NULL)
		return;
	atomic_store(&self->is_stopping, true);
	bell_ring(&self->bell);
	if (self->runs)
		pthread_join(self->thread, NULL);
	self->runs = false;
}

void stragglers_drop(struct stragglers *self)
{
	take(self, &self->left_behind);
	for (struct pass *pass = self->left_behind; pass != NULL; pass = pass->next)
		reconcile_drop(pass);
}

void stragglers_clear(struct stragglers *self)
{
	while (self->left_behind != NULL)
		stragglers_end(self, pop(&self->left_behind));
}
