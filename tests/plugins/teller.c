/* A synchroniser that tells what its options say, and then takes its time. */
#include <emco/plugin.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct config { emco_strs tells; int64_t repeat, pad, ms, status; int32_t heeds; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, tells, .help = "What is told: QUERY|NAME|BODY, the query a digit."),
	EMCO_OPTION(struct config, repeat, .dflt = "1", .help = "How often each."),
	EMCO_OPTION(struct config, pad, .dflt = "0", .max = 16 << 20, .help = "Letters after each name."),
	EMCO_OPTION(struct config, ms, .dflt = "0", .help = "How long it takes after that."),
	EMCO_OPTION(struct config, heeds, .dflt = "true", .help = "Return once cancelled() says so."),
	EMCO_OPTION(struct config, status, .dflt = "0", .help = "What it returns."),
	EMCO_OPTION_END,
};

struct emco_instance { const struct config *config; };

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	(void) host;
	(void) call;
	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->config = config;
	*ret_instance = self;
	return EMCO_OK;
}

static void destroy(emco_instance *self)
{
	free(self);
}

static emco_status tell(const struct config *config, emco_str text, emco_each_found *each, void *data)
{
	const char    *from = text.ptr + 2, *bar = memchr(from, '|', text.len - 2);
	const uint64_t query = (uint64_t) (text.ptr[0] - '0'), len = (uint64_t) (bar - from), pad = (uint64_t) config->pad;
	const emco_str body = { bar + 1, (uint64_t) (text.ptr + text.len - bar - 1) };
	char          *name = malloc(len + pad + 1);
	emco_status    status = name == NULL ? EMCO_E_NO_MEMORY : EMCO_OK;

	if (name != NULL) {
		memcpy(name, from, len);
		memset(name + len, 'x', pad);
	}
	for (int64_t i = 0; i < config->repeat && status == EMCO_OK; i++)
		status = each(data, query, (emco_str) { name, len + pad }, body);
	free(name);
	return status;
}

static emco_status read_objects(emco_instance *self, emco_call *call, const emco_object_query *queries, uint64_t count,
                                emco_each_found *each, void *data)
{
	const struct config  *config = self->config;
	const struct timespec ms = { .tv_nsec = 1000000 };
	emco_status           status = EMCO_OK;

	(void) queries;
	(void) count;
	for (uint64_t k = 0; k < config->tells.count && status == EMCO_OK; k++)
		status = tell(config, config->tells.items[k], each, data);
	for (int64_t i = 0; i < config->ms && !(config->heeds && call->cancelled(call)); i++)
		nanosleep(&ms, NULL);
	return status != EMCO_OK ? status : (emco_status) config->status;
}

EMCO_PLUGIN(.name = "test-teller", .version = "1", .summary = "Tells what it is told.", .roles = EMCO_ROLE_SYNCHRONISER, .priority = 1,
            .thread_model = EMCO_THREADS_PARALLEL, EMCO_OPTIONS(options, struct config), .create = create, .destroy = destroy,
            .read_objects = read_objects);
