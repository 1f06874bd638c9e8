/* First who could have written the file, by every folder on its way; then what its descriptor promises. */
#include "host/registry/plugin_file.h"

#include "lib/base/name.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40, PRIORITY_MAX = 1000000, TEXT_LEN_MAX = 256 };

/* The smallest descriptor there ever was: everything before the slots, as of ABI 1.0. */
#define DESCRIPTOR_MIN  offsetof(emco_plugin, check)

/* -- who could have written it --------------------------------------------------------------------------------------- */

/* A path being walked: what is behind us without links, and what is still to come. */
struct walk {
	char     behind[PATH_MAX], ahead[PATH_MAX];
	unsigned links;
};

static enum status check_part(const char *path, const struct stat *st, bool is_last_folder, struct error *err)
{
	const bool is_sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0 && st->st_uid == 0;

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		IGNORE(fail(err, ST_FORBIDDEN, "\"%s\" must be owned by root or user %ld, got user %ld", path, (long) geteuid(),
		            (long) st->st_uid));
		return fail_hint(err, "Whoever owns it could replace the plugin: chown root %.100s", path);
	}
	if (S_ISLNK(st->st_mode) || (st->st_mode & 022) == 0 || (is_sticky && !is_last_folder))
		return ST_OK;
	IGNORE(fail(err, ST_FORBIDDEN, "\"%s\" must not be writable by group or others, got mode %04o", path,
	            (unsigned) st->st_mode & 07777));
	return fail_hint(err, "Whoever can write it could replace the plugin: chmod go-w %.100s", path);
}

/* Put a link's target in front of what is still to come. */
static enum status follow_link(struct walk *walk, const char *link, struct error *err)
{
	char    target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlink(link, target, sizeof target - 1);

	if (len < 0 || ++walk->links > LINKS_MAX)
		return fail(err, ST_FORBIDDEN, "could not follow the link \"%s\"", link);
	target[len] = '\0';
	snprintf(rest, sizeof rest, "%s", walk->ahead);
	if (snprintf(walk->ahead, sizeof walk->ahead, "%s/%s", target, rest) >= (int) sizeof walk->ahead)
		return fail(err, ST_TOO_LARGE, "the path behind the link \"%s\" is too long", link);
	if (target[0] == '/')
		walk->behind[0] = '\0';
	return ST_OK;
}

/* Take the next name off the path.  false: there is none. */
static bool next_name(struct walk *walk, char name[NAME_MAX + 1])
{
	const char  *start = walk->ahead + strspn(walk->ahead, "/");
	const size_t len = strcspn(start, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	snprintf(name, NAME_MAX + 1, "%.*s", (int) len, start);
	memmove(walk->ahead, start + len, strlen(start + len) + 1);
	return true;
}

static enum status step(struct walk *walk, const char *name, struct error *err)
{
	char        path[PATH_MAX + NAME_MAX + 2];
	struct stat st;

	if (strcmp(name, ".") == 0)
		return ST_OK;
	if (strcmp(name, "..") == 0) {
		char *slash = strrchr(walk->behind, '/');
		if (slash != NULL)
			*slash = '\0';
		return ST_OK;
	}
	snprintf(path, sizeof path, "%s/%s", walk->behind, name);
	if (strlen(path) >= sizeof walk->behind)
		return fail(err, ST_TOO_LARGE, "\"%.100s...\" is too long", path);
	if (lstat(path, &st) != 0)
		return fail(err, errno == ENOENT || errno == ENOTDIR ? ST_NOT_FOUND : ST_FORBIDDEN, "\"%s\": %s", path,
		            strerror(errno));

	const char *ahead = walk->ahead + strspn(walk->ahead, "/");
	enum status status = check_part(path, &st, *ahead == '\0' || strchr(ahead, '/') == NULL, err);
	if (status != ST_OK)
		return status;
	if (S_ISLNK(st.st_mode))
		return follow_link(walk, path, err);
	memcpy(walk->behind, path, strlen(path) + 1);
	return ST_OK;
}

enum status path_is_trusted(const char *path, struct error *err)
{
	struct walk walk = { .links = 0 };
	char        name[NAME_MAX + 1], here[PATH_MAX] = "";
	struct stat root;

	if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
		return fail(err, ST_FORBIDDEN, "could not tell the working folder: %s", strerror(errno));
	if (snprintf(walk.ahead, sizeof walk.ahead, "%s/%s", here, path) >= (int) sizeof walk.ahead)
		return fail(err, ST_TOO_LARGE, "\"%.100s...\" is too long", path);
	if (stat("/", &root) != 0)
		return fail(err, ST_FORBIDDEN, "\"/\": %s", strerror(errno));

	enum status st = check_part("/", &root, false, err);
	while (st == ST_OK && next_name(&walk, name))
		st = step(&walk, name, err);
	return st;
}

/* -- the descriptor -------------------------------------------------------------------------------------------------- */

static unsigned major_of(uint32_t abi)
{
	return abi >> 16;
}

static unsigned minor_of(uint32_t abi)
{
	return abi & 0xFFFF;
}

static enum status check_abi(const emco_plugin *found, const char *name, struct error *err)
{
	if (major_of(found->abi) != EMCO_ABI_MAJOR) {
		IGNORE(fail(err, ST_INVALID, "plugin \"%s\": built for ABI %u.%u, this server speaks %u.%u", name,
		            major_of(found->abi), minor_of(found->abi), EMCO_ABI_MAJOR, EMCO_ABI_MINOR));
		return fail_hint(err, "Install the build of the plugin for ABI %u.", EMCO_ABI_MAJOR);
	}
	if (major_of(found->abi_needs) != EMCO_ABI_MAJOR || minor_of(found->abi_needs) > EMCO_ABI_MINOR) {
		IGNORE(fail(err, ST_INVALID, "plugin \"%s\": needs ABI %u.%u, this server offers %u.%u", name,
		            major_of(found->abi_needs), minor_of(found->abi_needs), EMCO_ABI_MAJOR, EMCO_ABI_MINOR));
		return fail_hint(err, "Install a newer server, or an older build of the plugin.");
	}
	if (found->size < DESCRIPTOR_MIN)
		return fail(err, ST_INVALID, "plugin \"%s\": descriptor must have at least %zu bytes, got %u", name,
		            DESCRIPTOR_MIN, found->size);
	return ST_OK;
}

static bool is_text(const char *text)
{
	return text != NULL && text[0] != '\0' && strnlen(text, TEXT_LEN_MAX + 1) <= TEXT_LEN_MAX;
}

/* What a role promises, in slots. */
static enum status check_roles(const emco_plugin *plugin, const char *name, struct error *err)
{
	const struct { uint32_t role; const char *word, *slot; bool is_there; } promises[] = {
		{ EMCO_ROLE_PLACEMENT,        "placement",        "filter_clusters",    plugin->filter_clusters != NULL    },
		{ EMCO_ROLE_ACTION,           "action",           "update_app_context", plugin->update_app_context != NULL },
		{ EMCO_ROLE_CLUSTER_LISTENER, "cluster listener", "cluster_event",      plugin->cluster_event != NULL      },
	};

	for (size_t i = 0; i < ARRAY_LEN(promises); i++)
		if ((plugin->roles & promises[i].role) != 0 && !promises[i].is_there)
			return fail(err, ST_INVALID, "plugin \"%s\": role %s needs the slot %s, which is NULL", name,
			            promises[i].word, promises[i].slot);
	return ST_OK;
}

static enum status check_fields(const emco_plugin *plugin, const char *name, struct error *err)
{
	if (!is_text(plugin->name) || !is_text(plugin->version) || !is_text(plugin->summary))
		return fail(err, ST_INVALID, "plugin \"%s\": name, version and summary must have 1 to %d bytes", name,
		            TEXT_LEN_MAX);
	if (strcmp(plugin->name, name) != 0) {
		IGNORE(fail(err, ST_INVALID, "plugin \"%s\": calls itself \"%s\"", name, plugin->name));
		return fail_hint(err, "The file of a plugin is named like the plugin: %.64s.so", plugin->name);
	}
	if (plugin->priority < 1 || plugin->priority > PRIORITY_MAX)
		return fail(err, ST_INVALID, "plugin \"%s\": priority must be 1 to %d, got %d", name, PRIORITY_MAX,
		            plugin->priority);
	if (plugin->thread_model > EMCO_THREADS_PARALLEL)
		return fail(err, ST_INVALID, "plugin \"%s\": thread model must be 0 or 1, got %u", name, plugin->thread_model);
	if (plugin->options != NULL && plugin->option_size < offsetof(emco_option, reserved))
		return fail(err, ST_INVALID, "plugin \"%s\": rows of options must have at least %zu bytes, got %u", name,
		            offsetof(emco_option, reserved), plugin->option_size);
	return check_roles(plugin, name, err);
}

enum status plugin_check(const emco_plugin *found, const char *name, emco_plugin *ret_plugin, struct error *err)
{
	emco_plugin plugin = { 0 };

	if (found == NULL)
		return fail(err, ST_INVALID, "plugin \"%s\": " EMCO_PLUGIN_ENTRY " returned no descriptor", name);
	enum status st = check_abi(found, name, err);
	if (st != ST_OK)
		return st;
	memcpy(&plugin, found, found->size < sizeof plugin ? found->size : sizeof plugin);
	plugin.size = found->size < sizeof plugin ? found->size : (uint32_t) sizeof plugin;
	st = check_fields(&plugin, name, err);
	if (st == ST_OK)
		*ret_plugin = plugin;
	return st;
}

enum status plugin_load(const char *dir, const char *name, emco_plugin *ret_plugin, struct error *err)
{
	char path[PATH_MAX];

	if (!name_is_valid(view_of(name)))
		return fail(err, ST_INVALID, "\"%s\" cannot be the name of a plugin", name);
	if (snprintf(path, sizeof path, "%s/%s.so", dir, name) >= (int) sizeof path)
		return fail(err, ST_TOO_LARGE, "the path of plugin \"%s\" is too long", name);
	enum status st = path_is_trusted(path, err);
	if (st != ST_OK)
		return fail_within(err, "plugin \"%s\"", name);

	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL)
		return fail(err, ST_INVALID, "plugin \"%s\": %s", name, dlerror());
	union { void *symbol; emco_plugin_entry_fn *call; } entry = { .symbol = dlsym(module, EMCO_PLUGIN_ENTRY) };
	if (entry.symbol == NULL) {
		IGNORE(fail(err, ST_INVALID, "plugin \"%s\": exports no \"" EMCO_PLUGIN_ENTRY "\"", name));
		return fail_hint(err, "A plugin ends with EMCO_PLUGIN(...) of emco/plugin.h.");
	}
	return plugin_check(entry.call(EMCO_ABI), name, ret_plugin, err);
}
