#include "host/config.h"

#include "host/registry/settings.h"
#include "lib/base/address.h"

#include <unistd.h>

static const emco_option options[] = {
	EMCO_OPTION(struct config, listen, .dflt = "127.0.0.1:9015", .min = 1, .max = 128,
		.help = "Address and port of the REST API, in numbers; IPv6 in brackets."),
	EMCO_OPTION(struct config, health_listen, .dflt = "auto", .min = 1, .max = 128,
		.help = "Second listener for /healthz, /readyz and /metrics alone; \"auto\": the port before that of listen, "
		        "\"none\": none."),
	EMCO_OPTION(struct config, events_listen, .dflt = "auto", .min = 1, .max = 128,
		.help = "Listener for event streams, to which the API sends those who watch a status; \"auto\": two ports before that of "
		        "listen, \"none\": none."),
	EMCO_OPTION(struct config, event_streams, .dflt = "2000", .min = 1, .max = 100000,
		.help = "Event streams at one time; more are told to come again."),
	EMCO_OPTION(struct config, insecure, .dflt = "false",
		.help = "Listen on addresses that other machines can reach, without TLS and without authentication."),
	EMCO_OPTION(struct config, database, .min = 1, .max = 4096, .secret = 1,
		.help = "PostgreSQL, as a connection string of libpq."),
	EMCO_OPTION(struct config, database_connections, .dflt = "16", .min = 2, .max = 1000,
		.help = "Most connections to the database."),
	EMCO_OPTION(struct config, statement_timeout_ms, .dflt = "30000", .min = 100, .max = 3600000,
		.help = "Longest time of one statement."),
	EMCO_OPTION(struct config, start_timeout_ms, .dflt = "60000", .min = 100, .max = 3600000,
		.help = "How long to wait for the database at start."),
	EMCO_OPTION(struct config, stop_timeout_ms, .dflt = "20000", .min = 0, .max = 3600000,
		.help = "How long requests in flight may take to end when the server stops."),
	EMCO_OPTION(struct config, seal_key_file, .min = 1, .max = 4096,
		.help = "Key file for what is secret at rest, mode 0600; emcod --make-key makes one."),
	EMCO_OPTION(struct config, plugin_dir, .dflt = "/usr/lib/emco/plugins", .min = 1, .max = 4096,
		.help = "Folder of the controllers' shared objects."),
	EMCO_OPTION(struct config, controllers_dir, .dflt = "/etc/emco/controllers.d", .min = 1, .max = 4096,
		.help = "Folder of the controllers' configurations, one file for each."),
	EMCO_OPTION(struct config, data_dir, .dflt = "/var/lib/emco", .min = 1, .max = 4096,
		.help = "Private folder for what can be made again."),
	EMCO_OPTION(struct config, helm, .dflt = "helm", .min = 1, .max = 4096,
		.help = "The Helm program: a path, or a name to be found on the PATH."),
	EMCO_OPTION(struct config, threads, .dflt = "64", .min = 4, .max = 10000,
		.help = "Connections served at one time."),
	EMCO_OPTION(struct config, body_limit_bytes, .dflt = "1048576", .min = 1024, .max = 67108864,
		.help = "Largest JSON body."),
	EMCO_OPTION(struct config, file_limit_bytes, .dflt = "33554432", .min = 1024, .max = 268435456,
		.help = "Largest uploaded file; a type may allow less."),
	EMCO_OPTION(struct config, upload_limit_bytes, .dflt = "268435456", .min = 1048576, .max = 1099511627776,
		.help = "Bodies in memory at one time, together."),
	EMCO_OPTION(struct config, answer_limit_bytes, .dflt = "268435456", .min = 1048576, .max = 1099511627776,
		.help = "Answers in memory at one time, together; what is larger goes alone."),
	EMCO_OPTION(struct config, gzip_min_bytes, .dflt = "1024", .min = 0, .max = 1073741824,
		.help = "Smallest answer that is compressed for clients that take gzip; 0: none is."),
	EMCO_OPTION(struct config, metrics_objects, .dflt = "10000", .min = 0, .max = 1000000,
		.help = "Objects that have a series of their own in /metrics, at most; 0: none has."),
	EMCO_OPTION(struct config, request_timeout_ms, .dflt = "30000", .min = 100, .max = 3600000,
		.help = "Longest time of a request, its body included."),
	EMCO_OPTION(struct config, operation_timeout_ms, .dflt = "120000", .min = 100, .max = 86400000,
		.help = "Longest time of an operation, such as instantiate."),
	EMCO_OPTION(struct config, render_timeout_ms, .dflt = "60000", .min = 100, .max = 3600000,
		.help = "Longest time of one run of Helm."),
	EMCO_OPTION(struct config, renders, .dflt = "4", .min = 1, .max = 1000,
		.help = "Runs of Helm at one time."),
	EMCO_OPTION(struct config, operations, .dflt = "16", .min = 1, .max = 10000,
		.help = "Operations at one time; more are told to come again."),
	EMCO_OPTION(struct config, dependency_timeout_ms, .dflt = "1800000", .min = 1000, .max = 604800000,
		.help = "How long an app waits for another before that counts as a failure; it waits on."),
	EMCO_OPTION(struct config, revisions, .dflt = "10", .min = 2, .max = 1000,
		.help = "Different revisions of a deployment that are kept, for rollback and status."),
	EMCO_OPTION(struct config, strict_references, .dflt = "false",
		.help = "Refuse a document that refers to what does not exist yet."),
	EMCO_OPTION(struct config, log_level, .dflt = "info",
		.help = "error, warning, info or debug."),
	EMCO_OPTION_END,
};

/* -- rules that a row cannot say -------------------------------------------------------------------------------------- */

static enum status check_address(const char *file, const char *option, const char *address, const struct config *config,
                                 struct error *err)
{
	if (!address_is_valid(address)) {
		IGNORE(fail_at(err, ST_INVALID, option, "%s: \"%s\" must be an address in numbers and a port, got \"%s\"", file,
		               option, address));
		return fail_hint(err, "Write \"127.0.0.1:9015\" or \"[::1]:9015\".");
	}
	if (!address_is_loopback(address) && !config->insecure) {
		IGNORE(fail_at(err, ST_INVALID, option, "%s: \"%s\" is \"%s\", which other machines can reach, and there is neither "
		               "TLS nor authentication", file, option, address));
		return fail_hint(err, "Listen on 127.0.0.1, or set \"insecure = true\" if something else guards it.");
	}
	return ST_OK;
}

/*
 * What listens besides, on the same address when it may be chosen: the ports before that of the API, as 9016 and what
 * follows belong to EMCO's gRPC services.  *ret_optional: nobody asked for this very address.
 */
static enum status choose_port(const char *file, struct arena *arena, const struct config *config, const char *option,
                               const char *given, unsigned before, const char **ret_address, bool *ret_optional, struct error *err)
{
	char     host[ADDRESS_HOST_MAX];
	unsigned port = 0;

	if (strcmp(given, "none") == 0)
		return ST_OK;
	if (strcmp(given, "auto") != 0) {
		*ret_address = given;
		return check_address(file, option, given, config, err);
	}
	if (!address_split(config->listen.ptr, host, &port) || port <= before)
		return ST_OK;
	*ret_optional = true;
	*ret_address = arena_printf(arena, config->listen.ptr[0] == '[' ? "[%s]:%u" : "%s:%u", host, port - before);
	return *ret_address == NULL ? fail(err, ST_NO_MEMORY, "%s: no memory to read it", file) : ST_OK;
}

/* A program without a slash is looked for once, at start: what runs later does not depend on the environment. */
static enum status find_program(struct arena *arena, emco_str *program, struct error *err)
{
	const char *path = getenv("PATH");

	if (strchr(program->ptr, '/') != NULL || path == NULL)
		return ST_OK;
	for (size_t len; *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (len == 0 || path[0] != '/')
			continue;
		const char *found = arena_printf(arena, "%.*s/%s", (int) len, path, program->ptr);
		if (found == NULL)
			return fail(err, ST_NO_MEMORY, "no memory for the path of \"%s\"", program->ptr);
		if (access(found, X_OK) == 0) {
			*program = (emco_str) { found, strlen(found) };
			return ST_OK;
		}
	}
	return ST_OK;
}

enum status config_load(const char *file, struct arena *arena, struct config *ret_config, struct error *err)
{
	const config_setting_t *root = NULL;
	struct config           config = { .is_health_optional = false };

	enum status st = settings_open(file, arena, &root, err);
	if (st == ST_OK)
		st = settings_read(root, options, sizeof options[0], sizeof config, &config, arena, file, err);
	if (st == ST_OK && !log_level_of(config.log_level.ptr, &config.level))
		st = fail_at(err, ST_INVALID, "log_level", "%s: \"log_level\" must be error, warning, info or debug, got \"%s\"",
		             file, config.log_level.ptr);
	if (st == ST_OK)
		st = check_address(file, "listen", config.listen.ptr, &config, err);
	if (st == ST_OK)
		st = choose_port(file, arena, &config, "health_listen", config.health_listen.ptr, 1, &config.health,
		                 &config.is_health_optional, err);
	if (st == ST_OK)
		st = choose_port(file, arena, &config, "events_listen", config.events_listen.ptr, 2, &config.events,
		                 &config.is_events_optional, err);
	if (st == ST_OK)
		st = find_program(arena, &config.helm, err);
	if (st == ST_OK)
		*ret_config = config;
	return st;
}

enum status config_print(struct buf *out, struct error *err)
{
	return settings_print(options, sizeof options[0], out, err);
}
