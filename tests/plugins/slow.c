/* Takes its time: so many milliseconds, or until it is told that nobody waits. */
#include <emco/plugin.h>

#include <stdlib.h>
#include <time.h>

struct config { int64_t ms; int32_t heeds; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, ms, .dflt = "0", .help = "How long a call takes."),
	EMCO_OPTION(struct config, heeds, .dflt = "false", .help = "Return once cancelled() says so."),
	EMCO_OPTION_END,
};

struct emco_instance { struct config config; int32_t inside; };

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	(void) host;
	(void) call;
	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->config = *(const struct config *) config;
	*ret_instance = self;
	return EMCO_OK;
}

static void destroy(emco_instance *self)
{
	free(self);
}

/* EMCO_E_CONFLICT when another call is inside: what a serial plugin must never see. */
static emco_status update(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	emco_status status = EMCO_OK;

	(void) context;
	(void) intent;
	(void) from;
	if (__atomic_fetch_add(&self->inside, 1, __ATOMIC_SEQ_CST) > 0)
		status = call->fail(call, EMCO_E_CONFLICT, EMCO_STR(""), EMCO_STR("two calls at once"), EMCO_STR(""));
	for (int64_t i = 0; i < self->config.ms && status == EMCO_OK; i++) {
		if (self->config.heeds && call->cancelled(call))
			status = EMCO_E_DEADLINE;
		nanosleep(&ms, NULL);
	}
	__atomic_fetch_sub(&self->inside, 1, __ATOMIC_SEQ_CST);
	return status;
}

EMCO_PLUGIN(.name = SLOW_NAME, .version = "1", .summary = "Takes its time.", .roles = EMCO_ROLE_ACTION, .priority = 1,
            .thread_model = SLOW_THREADS, EMCO_OPTIONS(options, struct config), .create = create, .destroy = destroy,
            .update_app_context = update);
