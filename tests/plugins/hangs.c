/* Does not come back until a file is there. */
#include <emco/plugin.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct config { emco_str until; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, until, .help = "The file."),
	EMCO_OPTION_END,
};

struct emco_instance { char *until; };

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	(void) host;
	(void) call;
	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->until = strndup(((const struct config *) config)->until.ptr, ((const struct config *) config)->until.len);
	*ret_instance = self;
	return EMCO_OK;
}

static void destroy(emco_instance *self)
{
	free(self->until);
	free(self);
}

static emco_status update(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	(void) call;
	(void) context;
	(void) intent;
	(void) from;
	while (access(self->until, F_OK) != 0)
		nanosleep(&ms, NULL);
	return EMCO_OK;
}

EMCO_PLUGIN(.name = "test-hangs", .version = "1", .summary = "Hangs.", .roles = EMCO_ROLE_ACTION, .priority = 1,
            .thread_model = EMCO_THREADS_PARALLEL, EMCO_OPTIONS(options, struct config), .create = create,
            .destroy = destroy, .update_app_context = update);
