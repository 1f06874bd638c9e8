/*
 * load_plugin PLUGIN.so FILE.conf - load a plugin with a configuration as the server does, put its resource types beside the
 * server's own, start it, ask for its health, stop.
 * The extensions it asks for are there by name, and never called.
 */
#include "host/registry/extension.h"
#include "host/registry/instance.h"
#include "host/resources/resources.h"
#include "lib/base/file.h"

#include <limits.h>

static enum status copy(const char *from, const char *folder, struct error *err)
{
	const char *slash = strrchr(from, '/');
	auto_buf    content = { 0 };
	char        to[2 * PATH_MAX];

	buf_init(&content, 64 << 20);
	snprintf(to, sizeof to, "%s/%s", folder, slash == NULL ? from : slash + 1);
	enum status st = file_read(from, &content, err);
	return st == ST_OK ? file_write(to, buf_view(&content), 0600, err) : st;
}

static enum status check_types(struct plugins *plugins, struct error *err)
{
	struct types *types = types_new();

	enum status st = types == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : resources_types(types, err);
	if (st == ST_OK)
		st = plugins_types(plugins, types, err);
	if (st == ST_OK)
		st = types_seal(types, err);
	types_free(types);
	return st;
}

static enum status load(char **argv, const char *folder, struct error *err)
{
	const struct plugins_options options = { folder, folder, folder };
	struct plugins *plugins = NULL;

	enum status st = copy(argv[1], folder, err);
	if (st == ST_OK)
		st = copy(argv[2], folder, err);
	if (st == ST_OK)
		st = plugins_load(&options, &plugins, err);
	if (st == ST_OK)
		st = check_types(plugins, err);
	if (st == ST_OK)
		st = plugins_start(plugins, NULL, err);
	if (st == ST_OK)
		st = instance_health(plugins_at(plugins, 0), NULL, err);
	plugins_stop(plugins);
	return st;
}

int main(int argc, char **argv)
{
	static const emco_app_context_1 contexts = { .size = sizeof contexts };
	static const emco_resources_1   resources = { .size = sizeof resources };
	static const emco_clusters_1    clusters = { .size = sizeof clusters };
	struct error err = { 0 };
	char         folder[PATH_MAX];

	if (argc != 3) {
		fprintf(stderr, "usage: load_plugin PLUGIN.so FILE.conf\n");
		return 2;
	}
	extension_offer(EMCO_APP_CONTEXT_1, &contexts);
	extension_offer(EMCO_RESOURCES_1, &resources);
	extension_offer(EMCO_CLUSTERS_1, &clusters);
	enum status st = folder_make_private("/tmp", folder, &err);
	if (st != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	st = load(argv, folder, &err);
	IGNORE(folder_remove(folder, NULL));
	if (st != ST_OK)
		fprintf(stderr, "%s %s\n", err.text, err.hint);
	return st == ST_OK ? 0 : 1;
}
