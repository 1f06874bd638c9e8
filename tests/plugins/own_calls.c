/* Begins calls of its own on a thread, and forgets one. */
#include <emco/plugin.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct emco_instance { const emco_host *host; pthread_t thread; };

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	(void) call;
	(void) config;
	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->host = host;
	*ret_instance = self;
	return EMCO_OK;
}

static void destroy(emco_instance *self)
{
	free(self);
}

static void *work(void *arg)
{
	emco_instance        *self = arg;
	const struct timespec ms = { .tv_nsec = 1000000 };
	emco_call            *call = self->host->begin(self->host, EMCO_STR("work"), INT64_C(60000000000));

	while (call != NULL && !call->cancelled(call))
		nanosleep(&ms, NULL);
	if (call != NULL)
		self->host->end(self->host, call);
	return NULL;
}

static emco_status start(emco_instance *self, emco_call *call)
{
	(void) call;
	emco_call *forgotten = self->host->begin(self->host, EMCO_STR("forgotten"), INT64_C(1000000));
	if (forgotten == NULL || forgotten->alloc(forgotten, 10, 10) == NULL)
		return EMCO_E_NO_MEMORY;
	self->host->log(self->host, EMCO_LOG_INFO, EMCO_STR("Test Event!"), EMCO_STR("hello \"world\""));
	return pthread_create(&self->thread, NULL, work, self) == 0 ? EMCO_OK : EMCO_E_UNAVAILABLE;
}

static void stop(emco_instance *self)
{
	pthread_join(self->thread, NULL);
}

EMCO_PLUGIN(.name = "test-own-calls", .version = "1", .summary = "Works by itself.", .priority = 1, .create = create,
            .destroy = destroy, .start = start, .stop = stop);
