/*
 * emcod - deploys composite applications to many Kubernetes clusters.
 *
 * The life of the process: options, database, plugins, listeners; then wait for a signal; then all of it backwards.
 */
#include "host/api/api.h"
#include "host/config.h"
#include "host/orchestrator/keeper.h"
#include "host/orchestrator/lifecycle.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CONFIG_ARENA_MAX = 16 << 20, PRINT_MAX = 16 << 20, MS = 1000000,
	REST_MS = 5000,             /* to stop what is no request: what it works on is repeatable      */
	DESCRIPTORS_MAX = 1 << 17,
};

struct command_line {
	const char *config_file, *print, *make_key;
	bool        is_check;
};

/* Everything that lives as long as the process, in the order it is made. */
struct daemon {
	struct config       config;
	struct store        store;
	struct plugins     *plugins;
	struct types       *types;
	struct orchestrator orchestrator;
	struct keeper      *keeper;
	struct api          api;
	bool                is_orchestrator_open;
};

/* -- signals ---------------------------------------------------------------------------------------------------------- */

static atomic_bool is_serving;
static sigset_t    signals;             /* read by the waiter, which may outlive every frame that could hold it */

/* Until it serves there is nothing to bring to an end: a start that is interrupted leaves what a crash leaves. */
static void *wait_for_signal(void *data)
{
	int got;

	(void) data;
	sigwait(&signals, &got);
	if (!atomic_load(&is_serving))
		_exit(0);
	return NULL;
}

/*
 * NOTE: asked to end and not cancelled, like every thread: who is cancelled leaves his stack without unwinding it, and what the
 * sanitizer has marked there meets what the library calls at the thread's end.
 */
static void waiter_end(pthread_t waiter)
{
	atomic_store(&is_serving, true);                /* so that it returns */
	pthread_kill(waiter, SIGTERM);
	pthread_join(waiter, NULL);
}

/* Before any thread is made, so that all of them inherit the mask: an interrupted poll would cost a connection. */
static enum status signals_take(pthread_t *ret_waiter, struct error *err)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (pthread_create(ret_waiter, NULL, wait_for_signal, NULL) != 0)
		return fail(err, ST_NO_MEMORY, "no thread to wait for signals");
	return ST_OK;
}

/* A client, an event stream, a cluster is a descriptor each, and the soft limit is one for people at a shell. */
static void descriptors_take(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_MAX)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	IGNORE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* systemd's protocol: one datagram.  Nobody listens: nothing to do. */
static void tell_supervisor(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char        *path = getenv("NOTIFY_SOCKET");
	const size_t       len = path == NULL ? 0 : strlen(path);

	if (len == 0 || len >= sizeof address.sun_path)
		return;
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	IGNORE(sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *) &address,
	              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)));
	close(fd);
}

/* -- start and stop --------------------------------------------------------------------------------------------------- */

/* The types of the host and, when there are plugins, theirs. */
static enum status make_types(struct plugins *plugins, struct types **ret_types, struct error *err)
{
	struct types *types = types_new();
	enum status   st = types == NULL ? fail(err, ST_NO_MEMORY, "no memory for the resource types") : resources_types(types, err);

	if (st == ST_OK && plugins != NULL)
		st = plugins_types(plugins, types, err);
	if (st == ST_OK)
		st = types_seal(types, err);
	if (st != ST_OK) {
		types_free(types);
		return st;
	}
	*ret_types = types;
	return ST_OK;
}

/* What can be known without the database. */
static enum status load(struct daemon *daemon, const char *config_file, struct arena *arena, struct error *err)
{
	enum status st = config_load(config_file, arena, &daemon->config, err);

	if (st != ST_OK)
		return st;
	log_setup(STDERR_FILENO, daemon->config.level);
	st = plugins_load(&(struct plugins_options) { daemon->config.plugin_dir.ptr, daemon->config.controllers_dir.ptr,
	                                              daemon->config.data_dir.ptr }, &daemon->plugins, err);
	return st == ST_OK ? make_types(daemon->plugins, &daemon->types, err) : st;
}

static void set_options(struct daemon *daemon)
{
	const struct config *config = &daemon->config;

	daemon->orchestrator = (struct orchestrator) {
		.store = &daemon->store, .types = daemon->types, .plugins = daemon->plugins,
		.options = {
			.helm = config->helm.ptr, .data_dir = config->data_dir.ptr, .renders = (unsigned) config->renders,
			.operations = (unsigned) config->operations, .revisions = (unsigned) config->revisions, .render_limit_ns = config->render_timeout_ms * MS,
			.operation_limit_ns = config->operation_timeout_ms * MS,
		},
	};
	daemon->api.store = &daemon->store;
	daemon->api.types = daemon->types;
	daemon->api.plugins = daemon->plugins;
	daemon->api.orchestrator = &daemon->orchestrator;
	daemon->api.options = (struct api_options) {
		.listen = config->listen.ptr, .health_listen = config->health, .is_health_optional = config->is_health_optional,
		.events_listen = config->events, .is_events_optional = config->is_events_optional,
		.event_streams = (unsigned) config->event_streams,
		.threads = (unsigned) config->threads, .body_limit_bytes = (size_t) config->body_limit_bytes,
		.file_limit_bytes = (size_t) config->file_limit_bytes, .upload_limit_bytes = (size_t) config->upload_limit_bytes,
		.answer_limit_bytes = (size_t) config->answer_limit_bytes, .gzip_min_bytes = (size_t) config->gzip_min_bytes, .metrics_objects = (uint64_t) config->metrics_objects,
		.request_limit_ns = config->request_timeout_ms * MS, .operation_limit_ns = config->operation_timeout_ms * MS,
		.strict_references = config->strict_references != 0,
	};
}

static enum status start(struct daemon *daemon, struct error *err)
{
	const struct config       *config = &daemon->config;
	const struct store_options options = {
		.pool = { .conninfo = config->database.ptr, .size = (unsigned) config->database_connections,
		          .statement_ns = config->statement_timeout_ms * MS },
		.seal_key_file = config->seal_key_file.ptr, .dependency_ns = config->dependency_timeout_ms * MS,
	};

	enum status st = folder_make(config->data_dir.ptr, err);
	if (st == ST_OK)
		st = store_open(&options, deadline_in_ms(config->start_timeout_ms), &daemon->store, err);
	set_options(daemon);
	if (st == ST_OK)
		st = orchestrator_open(&daemon->orchestrator, err);
	if (st != ST_OK)
		return st;
	daemon->is_orchestrator_open = true;
	orchestrator_extensions();
	st = plugins_start(daemon->plugins, &daemon->store, err);
	if (st == ST_OK)
		st = keeper_start(&daemon->store, daemon->plugins, &daemon->keeper, err);
	if (st == ST_OK)
		st = api_open(&daemon->api, err);
	if (st == ST_OK)
		api_ready(&daemon->api);
	return st;
}

/*
 * Each thing that stops has deadlines of its own, but they are those of its work, and add up: a statement may wait half a
 * minute for a database that stands still, an operation several for Helm.  Who stops us does not wait that long, and what
 * kill -9 may do at any time, this may do after fair warning.
 */
static struct {
	pthread_mutex_t lock;               /* guards all below */
	pthread_cond_t  changed;
	int64_t         due_ns;
	bool            has_stopped;
	int             status;             /* of the process, should it be cut */
} cutting = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void cutting_move(int64_t due_ns, bool has_stopped)
{
	pthread_mutex_lock(&cutting.lock);
	cutting.due_ns = due_ns;
	cutting.has_stopped = has_stopped;
	pthread_cond_signal(&cutting.changed);
	pthread_mutex_unlock(&cutting.lock);
}

static void *cut(void *data)
{
	(void) data;
	pthread_mutex_lock(&cutting.lock);
	while (!cutting.has_stopped && !deadline_past(cutting.due_ns)) {
		const struct timespec until = { .tv_sec = (time_t) (cutting.due_ns / 1000000000), .tv_nsec = (long) (cutting.due_ns % 1000000000) };

		pthread_cond_timedwait(&cutting.changed, &cutting.lock, &until);
	}
	const bool has_stopped = cutting.has_stopped;
	pthread_mutex_unlock(&cutting.lock);
	if (has_stopped)
		return NULL;
	log_warning("server.cut", "text", "not everything has ended in time, and it is left as it is");
	_exit(cutting.status);
}

/* false: nobody cuts. */
static bool cutting_begin(int64_t due_ns, int status, pthread_t *ret_cutter)
{
	condition_init(&cutting.changed);
	cutting.due_ns = due_ns;
	cutting.status = status;
	return pthread_create(ret_cutter, NULL, cut, NULL) == 0;
}

/* Accepts a daemon that is half made. */
static void stop_all(struct daemon *daemon)
{
	const int64_t deadline_ns = deadline_in_ms(daemon->config.stop_timeout_ms);

	api_close(&daemon->api, deadline_ns);
	const int64_t rest_ns = (deadline_past(deadline_ns) ? deadline_ns : clock_ns()) + (int64_t) REST_MS * MS;
	cutting_move(rest_ns, false);
	keeper_stop(daemon->keeper);
	plugins_stop(daemon->plugins);
	const unsigned left = guard_drain(rest_ns - (int64_t) REST_MS * MS / 10);
	if (left > 0) {
		/* A plugin does not return.  Its thread may touch anything, so nothing is taken from under it. */
		log_warning("server.abandoned", "threads", log_num(left));
		_exit(0);
	}
	if (daemon->is_orchestrator_open)
		orchestrator_close(&daemon->orchestrator);
	store_close(&daemon->store);
	types_free(daemon->types);
}

/* status: of the process, should it be cut. */
static void stop(struct daemon *daemon, int status)
{
	const int64_t due_ns = deadline_in_ms(daemon->config.stop_timeout_ms + REST_MS);
	pthread_t     cutter;
	const bool    has_cutter = cutting_begin(due_ns, status, &cutter);

	stop_all(daemon);
	if (has_cutter) {
		cutting_move(due_ns, true);
		pthread_join(cutter, NULL);
	}
}

static int complain(const struct error *err)
{
	fprintf(stderr, "emcod: %s\n", err->text);
	if (*err->hint != '\0')
		fprintf(stderr, "emcod: %s\n", err->hint);
	return 1;
}

static int serve(const char *config_file, struct arena *arena)
{
	struct daemon *daemon = arena_alloc(arena, 1, sizeof *daemon);
	const int64_t  began_ns = clock_ns();
	struct error   err = { .code = ST_OK };
	pthread_t      waiter;

	enum status st = daemon == NULL ? fail(&err, ST_NO_MEMORY, "out of memory") : signals_take(&waiter, &err);
	if (st != ST_OK)
		return complain(&err);
	descriptors_take();
	st = load(daemon, config_file, arena, &err);
	if (st == ST_OK)
		st = start(daemon, &err);
	if (st != ST_OK) {
		complain(&err);
		stop(daemon, 1);
		waiter_end(waiter);
		return 1;
	}
	atomic_store(&is_serving, true);
	log_info("server.ready", "version", EMCO_VERSION, "listen", daemon->config.listen.ptr, "health",
	         daemon->api.options.health_listen, "took_ms", log_num((clock_ns() - began_ns) / MS));
	tell_supervisor("READY=1");
	pthread_join(waiter, NULL);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);           /* a second one ends it at once */
	tell_supervisor("STOPPING=1");
	log_info("server.stopping");
	stop(daemon, 0);
	log_info("server.stopped");
	return 0;
}

/* -- the other things it can do --------------------------------------------------------------------------------------- */

static int check(const char *config_file, struct arena *arena)
{
	struct daemon daemon = { .plugins = NULL };
	struct error  err = { .code = ST_OK };

	enum status st = load(&daemon, config_file, arena, &err);
	if (st != ST_OK)
		complain(&err);
	plugins_stop(daemon.plugins);
	types_free(daemon.types);
	if (st == ST_OK)
		printf("%s: no fault found\n", config_file);
	return st == ST_OK ? 0 : 1;
}

static enum status print_types(const struct types *types, struct buf *out, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < types_count(types) && st == ST_OK; i++) {
		const struct type *type = types_at(types, i);
		st = buf_printf(out, err, "%-28s %-28s %-28s %-10s %s\n", type->row->name,
		                type->parent == NULL ? "-" : type->parent->row->name, type->row->segment, type->origin,
		                type->row->summary == NULL ? "" : type->row->summary);
	}
	return st;
}

/* The machine of deployments: a row for each state and event. */
static enum status print_states(struct buf *out, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < life_edge_count && st == ST_OK; i++) {
		const struct edge *edge = &life_edges[i];
		const char        *to = edge->to == LIFE_SAME ? "(stays)" : edge->to == LIFE_NONE ? "-" : life_name(edge->to);
		st = buf_printf(out, err, "%-20s %-12s %-20s %s\n", life_name(edge->from), life_event_name(edge->on), to,
		                edge->why == NULL ? "" : edge->why);
	}
	return st;
}

static enum status print_routes(const struct types *types, struct buf *out, struct error *err)
{
	struct routes *routes = NULL;
	size_t         count = 0;
	const struct family *families = resources_families(&count);

	enum status st = routes_new(types, families, count, &routes, err);
	if (st == ST_OK)
		st = routes_print(routes, out, err);
	routes_free(routes);
	return st;
}

/* Tables, for people and for the manuals.  With a configuration the plugins' types are among them. */
static int print(const char *what, const char *config_file, struct arena *arena)
{
	struct daemon daemon = { .plugins = NULL };
	struct error  err = { .code = ST_OK };
	enum status   st = ST_OK;
	auto_buf      out = BUF(PRINT_MAX);

	if (strcmp(what, "options") == 0)
		st = config_print(&out, &err);
	else if (strcmp(what, "states") == 0)
		st = print_states(&out, &err);
	else if (strcmp(what, "routes") != 0 && strcmp(what, "types") != 0)
		st = fail(&err, ST_INVALID, "--print knows options, routes, states and types, got \"%s\"", what);
	else if (config_file != NULL)
		st = load(&daemon, config_file, arena, &err);
	else
		st = make_types(NULL, &daemon.types, &err);
	if (st == ST_OK && daemon.types != NULL)
		st = strcmp(what, "types") == 0 ? print_types(daemon.types, &out, &err) : print_routes(daemon.types, &out, &err);
	if (st == ST_OK && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
		st = fail(&err, ST_INTERNAL, "could not write to standard output");
	plugins_stop(daemon.plugins);
	types_free(daemon.types);
	return st == ST_OK ? 0 : complain(&err);
}

static int make_key(const char *file)
{
	struct error err = { .code = ST_OK };

	return seal_key_make(file, &err) == ST_OK ? 0 : complain(&err);
}

static int usage(FILE *to, int status)
{
	fputs("emcod -c FILE                     serve\n"
	      "emcod -c FILE --check             say what is wrong with the configuration, and end\n"
	      "emcod [-c FILE] --print WHAT      options, routes, states or types\n"
	      "emcod --make-key FILE             make a new key file for what is secret at rest\n"
	      "emcod --version\n", to);
	return status;
}

static int read_command_line(int argc, char **argv, struct command_line *line)
{
	static const struct option names[] = {
		{ "config",   required_argument, NULL, 'c' },
		{ "check",    no_argument,       NULL, 't' },
		{ "print",    required_argument, NULL, 'p' },
		{ "make-key", required_argument, NULL, 'k' },
		{ "version",  no_argument,       NULL, 'V' },
		{ "help",     no_argument,       NULL, 'h' },
		{ NULL,       0,                 NULL, 0   },
	};

	for (int c; (c = getopt_long(argc, argv, "c:hV", names, NULL)) != -1;) {
		switch (c) {
		case 'c': line->config_file = optarg; break;
		case 't': line->is_check = true;      break;
		case 'p': line->print = optarg;       break;
		case 'k': line->make_key = optarg;    break;
		case 'V': puts("emcod " EMCO_VERSION); return 0;
		case 'h': return usage(stdout, 0);
		default:  return usage(stderr, 2);
		}
	}
	return optind == argc ? -1 : usage(stderr, 2);
}

int main(int argc, char **argv)
{
	struct command_line line = { .config_file = NULL };
	auto_arena          arena = ARENA(CONFIG_ARENA_MAX);

	const int status = read_command_line(argc, argv, &line);
	if (status >= 0)
		return status;
	if (line.make_key != NULL)
		return make_key(line.make_key);
	if (line.print != NULL)
		return print(line.print, line.config_file, &arena);
	if (line.config_file == NULL)
		return usage(stderr, 2);
	return line.is_check ? check(line.config_file, &arena) : serve(line.config_file, &arena);
}
