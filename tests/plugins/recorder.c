/* Writes down everything that is done to it, and answers what its options say. */
#include "journal.h"

#include <stdlib.h>
#include <string.h>

struct config { emco_str journal, fail_at; int64_t status; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, journal, .dflt = "/dev/null", .help = "Where to write it down."),
	EMCO_OPTION(struct config, fail_at, .dflt = "", .help = "The slot that fails."),
	EMCO_OPTION(struct config, status, .dflt = "2", .help = "What it returns then."),
	EMCO_OPTION_END,
};

static const emco_resource_type types[] = {
	{ .name = "testIntent", .parent = "deploymentIntentGroup", .segment = "test-intents",
	  .schema = "{\"type\":\"object\"}", .summary = "Nothing." },
};

struct emco_instance { char *name, *journal, *fail_at; emco_status status; };

static char *copy(emco_str text)
{
	return strndup(text.ptr, text.len);
}

static emco_status note(const emco_instance *self, emco_call *call, const char *slot, emco_str context, emco_str intent)
{
	journal(self->journal, self->name, slot, context, intent);
	if (strcmp(self->fail_at, slot) != 0)
		return EMCO_OK;
	if (self->status < EMCO_E_INVALID)
		return self->status;
	return call->fail(call, self->status, EMCO_STR("/spec"), EMCO_STR("the test wants it so"), EMCO_STR("Change the test."));
}

static emco_instance instance_of(const emco_host *host, const void *config)
{
	const struct config *from = config;

	return (emco_instance) { copy(host->instance), copy(from->journal), copy(from->fail_at), (emco_status) from->status };
}

static void done(emco_instance *self)
{
	free(self->name);
	free(self->journal);
	free(self->fail_at);
}

static emco_status check(const emco_host *host, emco_call *call, const void *config)
{
	emco_instance     self = instance_of(host, config);
	const emco_status status = note(&self, call, "check", EMCO_STR(""), EMCO_STR(""));

	done(&self);
	return status;
}

static void destroy(emco_instance *self)
{
	note(self, NULL, "destroy", EMCO_STR(""), EMCO_STR(""));
	done(self);
	free(self);
}

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	emco_instance *self = calloc(1, sizeof *self);

	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	*self = instance_of(host, config);
	const emco_status status = note(self, call, "create", EMCO_STR(""), EMCO_STR(""));
	if (status != EMCO_OK) {
		done(self);
		free(self);
		return status;
	}
	*ret_instance = self;
	return EMCO_OK;
}

static emco_status start(emco_instance *self, emco_call *call)
{
	return note(self, call, "start", EMCO_STR(""), EMCO_STR(""));
}

static emco_status health(emco_instance *self, emco_call *call)
{
	return note(self, call, "health", EMCO_STR(""), EMCO_STR(""));
}

static void stop(emco_instance *self)
{
	note(self, NULL, "stop", EMCO_STR(""), EMCO_STR(""));
}

static emco_status filter(emco_instance *self, emco_call *call, emco_str context, emco_str intent)
{
	return note(self, call, "filter", context, intent);
}

static emco_status update(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	(void) from;
	return note(self, call, "update", context, intent);
}

static emco_status terminate(emco_instance *self, emco_call *call, emco_str context)
{
	return note(self, call, "terminate", context, EMCO_STR(""));
}

static emco_status post(emco_instance *self, emco_call *call, emco_str context, int32_t event)
{
	(void) event;
	return note(self, call, "post", context, EMCO_STR(""));
}

static emco_status cluster(emco_instance *self, emco_call *call, emco_str provider, emco_str name, int32_t event)
{
	static const char *const slots[] = { "created", "updated", "deleted" };

	return note(self, call, slots[event], provider, name);
}

static const char *const aliases[] = { "recorder-alias", NULL };

EMCO_PLUGIN(.name = RECORDER_NAME, .version = "1", .summary = "Writes everything down.", .roles = RECORDER_ROLES,
            .priority = 500, .aliases = aliases, EMCO_OPTIONS(options, struct config), EMCO_TYPES(types),
            .check = check, .create = create, .start = start, .health = health, .stop = stop, .destroy = destroy,
            .filter_clusters = filter, .update_app_context = update, .terminate_app_context = terminate,
            .post_event = post, .cluster_event = cluster);
