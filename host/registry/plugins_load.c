/* The folder of configuration files becomes a list of instances, checked and not yet created. */
#include "host/registry/plugin_file.h"
#include "host/registry/plugins_priv.h"
#include "host/registry/settings.h"
#include "lib/base/clock.h"
#include "lib/base/name.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

enum { ARENA_BYTES = 16 << 20, INSTANCES_MAX = 256, PRIORITY_MAX = 1000000 };

/* What a file of controllers.d says about the instance itself. */
struct file_keys {
	emco_str  plugin, name;
	int64_t   priority, call_timeout_ms;
	emco_strs bind;
};

static const emco_option file_options[] = {
	EMCO_OPTION(struct file_keys, plugin, .min = 1, .max = NAME_LEN_MAX,
	            .help = "The plugin: a file of that name and .so in the folder of plugins."),
	EMCO_OPTION(struct file_keys, name, .dflt = "", .max = NAME_LEN_MAX,
	            .help = "Name of this instance, by which group intents call it; empty: the plugin's own."),
	EMCO_OPTION(struct file_keys, priority, .dflt = "0", .min = 0, .max = PRIORITY_MAX,
	            .help = "Place in the chain without a controller record, smaller first; 0: the plugin's own."),
	EMCO_OPTION(struct file_keys, call_timeout_ms, .dflt = "10000", .min = 1, .max = 3600000,
	            .help = "Longest time of one call."),
	EMCO_OPTION(struct file_keys, bind, .dflt = "",
	            .help = "Names or hosts of controller records that mean this instance, besides its name."),
	{ .name = "options", .type = SETTINGS_GROUP, .help = "The plugin's own options." },
	EMCO_OPTION_END,
};

static enum status no_memory(const char *file, struct error *err)
{
	return fail(err, ST_NO_MEMORY, "%s: no memory to load it", file);
}

/* The file's `bind`, then the plugin's name and aliases. */
static enum status gather_aliases(struct controller *controller, const emco_strs *bind, struct arena *arena,
                                  struct error *err)
{
	const char *const *own = controller->plugin.aliases;
	size_t             own_count = 0, count = 0;

	while (own != NULL && own[own_count] != NULL)
		own_count++;
	const char **aliases = arena_alloc(arena, (size_t) bind->count + own_count + 2, sizeof *aliases);
	if (aliases == NULL)
		return no_memory(controller->instance.file, err);
	for (size_t i = 0; i < bind->count; i++)
		aliases[count++] = bind->items[i].ptr;          /* settings_read ends its copies with a NUL */
	controller->bind_count = count;
	aliases[count++] = controller->plugin.name;
	for (size_t i = 0; i < own_count; i++)
		aliases[count++] = own[i];
	controller->instance.aliases = aliases;
	return ST_OK;
}

static enum status fill_instance(struct controller *controller, const struct file_keys *keys, struct arena *arena,
                                 struct error *err)
{
	struct instance *instance = &controller->instance;

	instance->plugin = &controller->plugin;
	instance->name = keys->name.len > 0 ? keys->name.ptr : controller->plugin.name;
	instance->priority = keys->priority > 0 ? (int32_t) keys->priority : controller->plugin.priority;
	instance->call_limit_ns = keys->call_timeout_ms * 1000000;
	if (!name_is_valid(view_of(instance->name)))
		return fail_at(err, ST_INVALID, "name", "%s: \"%s\" cannot be the name of a controller", instance->file,
		               instance->name);
	for (size_t i = 0; i < controller->plugins->count; i++) {
		const struct instance *other = &controller->plugins->items[i]->instance;
		if (strcmp(other->name, instance->name) == 0)
			return fail_at(err, ST_EXISTS, "name", "%s: controller \"%s\" is configured already, in %s", instance->file,
			               instance->name, other->file);
	}
	return gather_aliases(controller, &keys->bind, arena, err);
}

/* The plugin's options; the arena of the plugins keeps their texts. */
static enum status read_options(struct controller *controller, const config_setting_t *root, struct arena *arena,
                                struct error *err)
{
	const emco_plugin *plugin = &controller->plugin;

	controller->config = arena_alloc(arena, 1, plugin->config_size + 1u);
	if (controller->config == NULL)
		return no_memory(controller->instance.file, err);
	return settings_read(config_setting_get_member(root, "options"), plugin->options, plugin->option_size,
	                     plugin->config_size, controller->config, arena, controller->instance.file, err);
}

static struct controller *controller_new(struct plugins *plugins, const char *file)
{
	struct controller *controller = arena_alloc(&plugins->arena, 1, sizeof *controller);

	if (controller == NULL)
		return NULL;
	controller->plugins = plugins;
	controller->instance.file = file;
	pthread_mutex_init(&controller->lock, NULL);
	condition_init(&controller->freed);
	return controller;
}

static enum status load_one(struct plugins *plugins, const char *plugin_dir, const char *file, struct error *err)
{
	const config_setting_t *root;
	struct file_keys        keys;
	struct arena           *arena = &plugins->arena;

	enum status st = path_is_trusted(file, err);
	if (st == ST_OK)
		st = settings_open(file, arena, &root, err);
	if (st == ST_OK)
		st = settings_read(root, file_options, sizeof file_options[0], sizeof keys, &keys, arena, file, err);
	if (st != ST_OK)
		return st;
	struct controller *controller = controller_new(plugins, file);
	if (controller == NULL)
		return no_memory(file, err);
	st = plugin_load(plugin_dir, keys.plugin.ptr, &controller->plugin, err);
	if (st != ST_OK)
		return fail_within(err, "%s", file);
	st = fill_instance(controller, &keys, arena, err);
	if (st == ST_OK)
		st = read_options(controller, root, arena, err);
	if (st == ST_OK)
		plugins->items[plugins->count++] = controller;
	return st;
}

/* -- the folder ------------------------------------------------------------------------------------------------------ */

static int is_conf(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return len > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum status load_files(struct plugins *plugins, const struct plugins_options *options, struct dirent **entries,
                              size_t count, struct error *err)
{
	if (count > INSTANCES_MAX)
		return fail(err, ST_TOO_LARGE, "\"%s\" must hold at most %d files, got %zu", options->controllers_dir,
		            INSTANCES_MAX, count);
	plugins->items = arena_alloc(&plugins->arena, count + 1, sizeof(struct controller *));
	if (plugins->items == NULL)
		return no_memory(options->controllers_dir, err);
	for (size_t i = 0; i < count; i++) {
		const char *file = arena_printf(&plugins->arena, "%s/%s", options->controllers_dir, entries[i]->d_name);
		if (file == NULL)
			return no_memory(options->controllers_dir, err);
		enum status st = load_one(plugins, options->plugin_dir, file, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static int by_instance_name(const void *a, const void *b)
{
	return strcmp((*(struct instance *const *) a)->name, (*(struct instance *const *) b)->name);
}

static enum status load_all(struct plugins *plugins, const struct plugins_options *options, struct error *err)
{
	struct dirent **entries = NULL;
	int             count = 0;

	if (options->controllers_dir != NULL)
		count = scandir(options->controllers_dir, &entries, is_conf, by_bytes);
	if (count < 0 && errno != ENOENT)
		return fail(err, ST_FORBIDDEN, "could not read \"%s\": %s", options->controllers_dir, strerror(errno));

	enum status st = load_files(plugins, options, entries, count > 0 ? (size_t) count : 0, err);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	if (st != ST_OK)
		return st;

	plugins->by_name = arena_alloc(&plugins->arena, plugins->count + 1, sizeof(struct instance *));
	if (plugins->by_name == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the list of controllers");
	for (size_t i = 0; i < plugins->count; i++)
		plugins->by_name[i] = &plugins->items[i]->instance;
	qsort(plugins->by_name, plugins->count, sizeof(struct instance *), by_instance_name);
	return ST_OK;
}

enum status plugins_load(const struct plugins_options *options, struct plugins **ret_plugins, struct error *err)
{
	struct plugins *plugins = calloc(1, sizeof *plugins);

	if (plugins == NULL)
		return fail(err, ST_NO_MEMORY, "no memory to load plugins");
	arena_init(&plugins->arena, ARENA_BYTES);
	pthread_mutex_init(&plugins->lock, NULL);
	enum status st = ST_OK;
	if (options->data_dir != NULL && (plugins->data_dir = arena_text(&plugins->arena, options->data_dir)) == NULL)
		st = fail(err, ST_NO_MEMORY, "no memory to load plugins");
	if (st == ST_OK)
		st = load_all(plugins, options, err);
	if (st != ST_OK) {
		plugins_stop(plugins);
		return st;
	}
	*ret_plugins = plugins;
	return ST_OK;
}
