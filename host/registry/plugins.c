/* The life of the instances from check to stop, and which of them a controller's record means. */
#include "host/registry/plugins.h"

#include "host/registry/plugins_priv.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/name.h"

#include <limits.h>

enum { LIFE_LIMIT_MS = 30000, STOP_WAIT_MS = 1000 };

/* -- life of one instance -------------------------------------------------------------------------------------------- */

typedef emco_status life_slot(struct controller *controller, emco_call *call);

static emco_status slot_check(struct controller *controller, emco_call *call)
{
	const emco_plugin *plugin = &controller->plugin;

	return EMCO_HAS(plugin, check) ? plugin->check(&controller->host.abi, call, controller->config) : EMCO_OK;
}

static emco_status slot_create(struct controller *controller, emco_call *call)
{
	const emco_plugin *plugin = &controller->plugin;
	emco_status        status = EMCO_OK;

	if (EMCO_HAS(plugin, create))
		status = plugin->create(&controller->host.abi, call, controller->config, &controller->instance.self);
	controller->is_created = status == EMCO_OK;
	return status;
}

static emco_status slot_start(struct controller *controller, emco_call *call)
{
	const emco_plugin *plugin = &controller->plugin;
	emco_status        status = EMCO_OK;

	if (EMCO_HAS(plugin, start))
		status = plugin->start(controller->instance.self, call);
	controller->is_started = status == EMCO_OK;
	return status;
}

static const struct { const char *word; life_slot *slot; } life[] = {
	{ "check",  slot_check  },
	{ "create", slot_create },
	{ "start",  slot_start  },
};

static enum status start_one(struct controller *controller, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(life); i++) {
		auto_call call;
		call_init(&call, controller->plugins->store, controller->instance.name, controller->plugin.roles,
		          deadline_in_ms(LIFE_LIMIT_MS));
		const emco_status answer = life[i].slot(controller, &call.abi);
		enum status st = call_result(&call, answer, err);
		if (st != ST_OK)
			return fail_within(err, "%s: %s", controller->instance.file, life[i].word);
	}
	log_info("controller.started", "controller", controller->instance.name, "plugin", controller->plugin.name, "version",
	         controller->plugin.version);
	return ST_OK;
}

/* false: it is still inside a call. */
static bool stop_one(struct controller *controller)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	const int64_t         until_ns = deadline_in_ms(STOP_WAIT_MS);
	const emco_plugin    *plugin = &controller->plugin;

	while (__atomic_load_n(&controller->in_flight, __ATOMIC_ACQUIRE) > 0) {
		if (deadline_past(until_ns)) {
			log_warning("controller.stuck", "controller", controller->instance.name, "text",
			            "still inside a call, left as it is");
			return false;
		}
		nanosleep(&pause, NULL);
	}
	if (controller->is_started && EMCO_HAS(plugin, stop))
		plugin->stop(controller->instance.self);
	host_done(controller);
	if (controller->is_created && EMCO_HAS(plugin, destroy))
		plugin->destroy(controller->instance.self);
	controller->is_started = controller->is_created = false;
	return true;
}

static bool stop_all(struct plugins *plugins)
{
	bool are_all = true;

	__atomic_store_n(&plugins->is_stopping, true, __ATOMIC_RELEASE);
	for (size_t i = plugins->count; i > 0; i--)
		are_all = stop_one(plugins->items[i - 1]) && are_all;
	return are_all;
}

/* A folder of its own, mode 0700, below the server's. */
static enum status give_folder(struct plugins *plugins, struct controller *controller, struct error *err)
{
	const char *folder = "";

	if (plugins->data_dir != NULL) {
		folder = arena_printf(&plugins->arena, "%s/controllers/%s", plugins->data_dir, controller->instance.name);
		if (folder == NULL)
			return fail(err, ST_NO_MEMORY, "no memory for controller \"%s\"", controller->instance.name);
		enum status st = folder_make(folder, err);
		if (st != ST_OK)
			return fail_within(err, "controller \"%s\"", controller->instance.name);
	}
	host_init(controller, folder);
	return ST_OK;
}

enum status plugins_start(struct plugins *plugins, struct store *store, struct error *err)
{
	enum status st = ST_OK;

	plugins->store = store;
	for (size_t i = 0; i < plugins->count && st == ST_OK; i++) {
		st = give_folder(plugins, plugins->items[i], err);
		if (st == ST_OK)
			st = start_one(plugins->items[i], err);
	}
	if (st != ST_OK)
		stop_all(plugins);
	return st;
}

void plugins_stop(struct plugins *plugins)
{
	if (plugins == NULL || !stop_all(plugins))
		return;
	for (size_t i = 0; i < plugins->count; i++) {
		pthread_cond_destroy(&plugins->items[i]->freed);
		pthread_mutex_destroy(&plugins->items[i]->lock);
	}
	pthread_mutex_destroy(&plugins->lock);
	arena_done(&plugins->arena);
	free(plugins);
}

/* -- looking at them ------------------------------------------------------------------------------------------------- */

enum status plugins_types(struct plugins *plugins, struct types *types, struct error *err)
{
	for (size_t i = 0; i < plugins->count; i++) {
		const emco_plugin *plugin = &plugins->items[i]->plugin;
		bool               is_first = true;

		for (size_t j = 0; j < i; j++)
			is_first = is_first && strcmp(plugins->items[j]->plugin.name, plugin->name) != 0;
		if (!is_first || plugin->types == NULL || plugin->type_count == 0)
			continue;
		enum status st = types_add(types, plugin->types, plugin->type_size, plugin->type_count, plugin->name, err);
		if (st != ST_OK)
			return fail_within(err, "plugin \"%s\"", plugin->name);
	}
	return ST_OK;
}

size_t plugins_count(const struct plugins *plugins)
{
	return plugins == NULL ? 0 : plugins->count;
}

struct instance *plugins_at(const struct plugins *plugins, size_t index)
{
	return plugins->by_name[index];
}

/* How well a name fits an instance: 3 its own, 2 bound by its file, 1 its plugin's name or alias, 0 not at all. */
static unsigned fit(const struct instance *instance, struct view name)
{
	const size_t bind_count = controller_of(instance)->bind_count;

	if (view_is(name, instance->name))
		return 3;
	for (size_t i = 0; instance->aliases[i] != NULL; i++)
		if (view_is(name, instance->aliases[i]))
			return i < bind_count ? 2 : 1;
	return 0;
}

static struct instance *best_fit(const struct plugins *plugins, struct view name)
{
	struct instance *best = NULL;
	unsigned         best_fit = 0;

	for (size_t i = 0; i < plugins_count(plugins) && name.len > 0; i++) {
		const unsigned this_fit = fit(plugins->by_name[i], name);
		if (this_fit > best_fit) {
			best = plugins->by_name[i];
			best_fit = this_fit;
		}
	}
	return best;
}

struct instance *plugins_find(const struct plugins *plugins, struct view name)
{
	for (size_t i = 0; i < plugins_count(plugins); i++)
		if (view_is(name, plugins_at(plugins, i)->name))
			return plugins_at(plugins, i);
	return NULL;
}

struct instance *plugins_bind(const struct plugins *plugins, struct view record_name, struct view record_host)
{
	struct instance *instance = best_fit(plugins, record_name);

	return instance != NULL ? instance : best_fit(plugins, record_host);
}

void plugins_quarantine(struct plugins *plugins, struct instance *instance)
{
	struct controller *controller = controller_of(instance);

	pthread_mutex_lock(&plugins->lock);
	const bool was = __atomic_exchange_n(&instance->is_quarantined, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&plugins->lock);
	if (was)
		return;
	log_error("controller.quarantined", "controller", instance->name, "plugin", controller->plugin.name, "text",
	          "a call did not come back in time, the server must be restarted to use it again");
	pthread_mutex_lock(&controller->lock);
	pthread_cond_broadcast(&controller->freed);
	pthread_mutex_unlock(&controller->lock);
}
