/*
 * plugin_file.h - a shared object becomes a descriptor, or is refused with what was expected and found.
 *
 * A plugin runs with all rights of the daemon, so whoever can write its file, or a folder on the way to it, is the
 * daemon's master: such a file is refused.  What is loaded is never unloaded.
 */
#ifndef HOST_REGISTRY_PLUGIN_FILE_H
#define HOST_REGISTRY_PLUGIN_FILE_H

#include "emco/plugin.h"
#include "lib/base/error.h"

/*
 * Is the file, and every folder and link on the way to it, owned by root or the daemon's user and not writable by group or
 * others?  A sticky folder of root (/tmp) may lie on the way, but not hold the file itself: there anybody can make a name.
 * path: absolute or relative to the working folder.  ST_FORBIDDEN names the part; ST_NOT_FOUND.
 */
enum status MUST_CHECK path_is_trusted(const char *path, struct error *err);

/*
 * Load dir/NAME.so and check its descriptor.  *ret_plugin is as big as ours: what an older plugin does not know is zero,
 * what a newer one knows more is cut off; its size is the smaller one.  Its pointers are good for ever.
 */
enum status MUST_CHECK plugin_load(const char *dir, const char *name, emco_plugin *ret_plugin, struct error *err);

/* The second half of it: judge a descriptor as a plugin's entry gave it. */
enum status MUST_CHECK plugin_check(const emco_plugin *found, const char *name, emco_plugin *ret_plugin,
                                    struct error *err);

#endif
