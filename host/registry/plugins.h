/*
 * plugins.h - controllers in this process: loading, checking, configuring, their life.
 *
 * Each file of controllers.d configures one instance of one plugin:
 *
 *     plugin = "action-annotate";  name = "annotate";  priority = 20;  options = { ... };
 *
 * A plugin is loaded once (RTLD_NOW | RTLD_LOCAL, never unloaded), its ABI checked both ways, its options checked against
 * its table with file and line.  A file or folder that somebody else could have written is refused.
 */
#ifndef HOST_REGISTRY_PLUGINS_H
#define HOST_REGISTRY_PLUGINS_H

#include "emco/plugin.h"
#include "host/registry/type.h"
#include "host/store/store.h"

struct plugins;

/* One configured controller. */
struct instance {
	const char        *name;
	const char        *file;                /* its configuration, for messages                        */
	const emco_plugin *plugin;              /* slots are read with EMCO_HAS: it may be older than we  */
	emco_instance     *self;
	int32_t            priority;
	int64_t            call_limit_ns;       /* deadline of one call: option call_timeout_ms, 10 s     */
	const char *const *aliases;             /* of the plugin, and `bind` of the file                  */
	bool               is_quarantined;      /* a call came late; written under the plugins' lock      */
	uint64_t           calls, failures, late;    /* read these four with __atomic_load_n                   */
};

struct plugins_options { const char *plugin_dir, *controllers_dir, *data_dir; };

/*
 * Load and check everything; nothing is created yet.  Files are taken in byte order of their names (*.conf), and started in
 * that order.  A folder that is empty or missing is no fault; a plugin that no file names is not loaded.
 * The first fault ends it: ST_INVALID, ".../nearest.conf:4: ..."; ST_FORBIDDEN: somebody else could have written the file.
 */
enum status MUST_CHECK plugins_load(const struct plugins_options *options, struct plugins **ret_plugins,
                                    struct error *err);
/* Add the plugins' resource types to the set, before it is sealed. */
enum status MUST_CHECK plugins_types(struct plugins *plugins, struct types *types, struct error *err);
/* Check, create and start every instance.  The first that fails is named in err, and all started ones are stopped again. */
enum status MUST_CHECK plugins_start(struct plugins *plugins, struct store *store, struct error *err);
/*
 * Cancel what runs, stop and destroy in reverse order, free.  Accepts NULL and what plugins_start gave up.  An instance that
 * is still inside a call a second later is left as it is, memory included: the process is about to end.
 */
void plugins_stop(struct plugins *plugins);

size_t           plugins_count(const struct plugins *plugins);
struct instance *plugins_at(const struct plugins *plugins, size_t index);        /* by name */

struct instance *plugins_find(const struct plugins *plugins, struct view name);  /* NULL: none */

/*
 * The instance that a controller record means, or NULL: remote.  First by the record's name, then by its host: an instance
 * of that name, else one whose file says so (`bind`), else one whose plugin has that name or alias.  Equal ones by name.
 */
struct instance *plugins_bind(const struct plugins *plugins, struct view record_name, struct view record_host);

void plugins_quarantine(struct plugins *plugins, struct instance *instance);

#endif
