/*
 * action-hello - put a label on every object of a deployment.
 * A skeleton: change the name here, in CMakeLists.txt and in hello.conf, and begin with update().
 */
#include <emco/plugin.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* -- options: filled from hello.conf, checked by the server, faults told with file and line ----------------------------- */

struct config { emco_str label; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, label, .dflt = "hello", .min = 1, .max = 63, .help = "Name of the label."),
	EMCO_OPTION_END,
};

/* -- the instance: one for each file that names this plugin -------------------------------------------------------------- */

struct emco_instance {
	const emco_app_context_1 *contexts;
	char                     *label;
};

static void destroy(emco_instance *self)
{
	free(self->label);
	free(self);
}

static emco_status create(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance)
{
	const emco_str label = ((const struct config *) config)->label;
	emco_instance *self = calloc(1, sizeof *self);

	if (self == NULL)
		return EMCO_E_NO_MEMORY;
	self->label = strndup(label.ptr, label.len);
	self->contexts = host->extension(host, EMCO_APP_CONTEXT_1);
	if (self->label == NULL || self->contexts == NULL) {
		destroy(self);
		return call->fail(call, EMCO_E_UNAVAILABLE, EMCO_STR(""), EMCO_STR("needs " EMCO_APP_CONTEXT_1), EMCO_STR(""));
	}
	*ret_instance = self;
	return EMCO_OK;
}

/* -- the work ------------------------------------------------------------------------------------------------------------ */

struct walk {
	emco_instance *self;
	emco_call     *call;
	emco_str       context, intent, app, cluster;
};

static json_t *object_at(json_t *object, const char *member)
{
	if (!json_is_object(json_object_get(object, member)))
		json_object_set_new(object, member, json_object());
	return json_object_get(object, member);
}

static emco_status visit_object(void *data, const emco_object *found)
{
	struct walk *walk = data;
	emco_str     body;

	if (walk->call->cancelled(walk->call))                  /* the caller has gone: come back soon */
		return EMCO_E_DEADLINE;
	emco_status status = walk->self->contexts->read_object(walk->call, walk->context, walk->app, walk->cluster, found->name,
	                                                       &body);
	if (status != EMCO_OK)
		return status;

	json_t *object = json_loadb(body.ptr, body.len, 0, NULL);
	json_object_set_new(object_at(object_at(object, "metadata"), "labels"), walk->self->label,
	                    json_stringn(walk->intent.ptr, walk->intent.len));
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (text == NULL)
		return EMCO_E_NO_MEMORY;
	status = walk->self->contexts->write_object(walk->call, walk->context, walk->app, walk->cluster, found->name,
	                                            (emco_str) { text, strlen(text) });
	free(text);
	return status;
}

static emco_status visit_cluster(void *data, emco_str app, emco_str cluster, emco_str group)
{
	struct walk *walk = data;

	(void) group;
	walk->app = app;
	walk->cluster = cluster;
	return walk->self->contexts->each_object(walk->call, walk->context, app, cluster, visit_object, walk);
}

/* intent: the name that the deployment's group intent gives for this controller. */
static emco_status update(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	struct walk walk = { .self = self, .call = call, .context = context, .intent = intent };

	(void) from;
	if (intent.len == 0)
		return EMCO_DECLINED;
	return self->contexts->each_cluster(call, context, visit_cluster, &walk);
}

EMCO_PLUGIN(.name = "action-hello", .version = HELLO_VERSION, .summary = "Put a label on every object.",
            .roles = EMCO_ROLE_ACTION, .priority = 1000, .thread_model = EMCO_THREADS_PARALLEL,
            EMCO_OPTIONS(options, struct config), .create = create, .destroy = destroy, .update_app_context = update);
