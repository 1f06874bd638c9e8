/* From a socket to a request: listeners, and what civetweb tells of a connection. */
#include "host/api/server.h"

#include "host/api/answer.h"
#include "host/api/dispatch.h"
#include "host/api/status.h"
#include "host/api/usher.h"

#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX  "32768"      /* bytes of a request line and its headers */

enum { HEALTH_THREADS = 4, STALL_MS = 10000, HEALTH_STALL_MS = 2000, KEEP_ALIVE_MS = 5000 };

/* One civetweb context. */
struct listener {
	struct api        *api;
	struct mg_context *context;
	struct usher      *usher;
	const char        *address;
	int                stall_ms;                /* how long civetweb waits for a head */
	bool               is_health;               /* answers for the system only */
	atomic_bool        is_stopped;
};

struct server { struct listener main, health; };

/* -- one connection --------------------------------------------------------------------------------------------------- */

static int serve(struct mg_connection *conn, bool is_last)
{
	const struct listener *listener = mg_get_user_data(mg_get_context(conn));

	seat_serve(mg_get_thread_pointer(conn));
	return request_serve(listener->api, conn, listener->is_health, is_last);
}

/* civetweb calls it for every request that it parses and would route. */
static int on_request(struct mg_connection *conn)
{
	return serve(conn, false);
}

/*
 * civetweb refuses what it could not parse, but also methods and URLs that it does not know: those have an answer of ours.
 * NOTE: of headers that make no sense there are -1, and of a method unknown to it none has been looked at.
 */
static bool is_request(const struct mg_request_info *info)
{
	return info != NULL && info->request_method != NULL && info->request_uri != NULL && info->num_headers >= 0
	       && info->http_version != NULL && (strcmp(info->http_version, "1.1") == 0 || strcmp(info->http_version, "1.0") == 0);
}

/* Whether the connection that the thread has got an answer that ends it. */
static _Thread_local bool is_refused;

/* civetweb looks for the next request on the connection. */
static void on_answered(const struct mg_connection *conn, int code)
{
	(void) code;
	seat_await(mg_get_thread_pointer(conn));
}

/* A request that civetweb could not parse: its own answer would be a page. */
static int on_http_error(struct mg_connection *conn, int code, const char *text)
{
	const struct listener *listener = mg_get_user_data(mg_get_context(conn));
	struct seat *seat = mg_get_thread_pointer(conn);
	const bool   is_late = code == 400 && seat_is_late(seat, listener->stall_ms, KEEP_ALIVE_MS);
	char         body[256], id[REQUEST_ID_SIZE];
	auto_buf     answer = BUF(1024);

	is_refused = true;
	seat_serve(seat);
	if (code == 400 && is_request(mg_get_request_info(conn))) {
		serve(conn, true);
		return 0;
	}
	code = is_late ? 408 : code;
	if (is_late)
		text = "the request's head comes too slowly";
	snprintf(body, sizeof body, "%s%s\n", text == NULL || *text == '\0' ? http_reason(code) : text,
	         code == 400 ? ": expected HTTP/1.1, a method of it, and at most " HEAD_MAX " bytes of address and headers" : "");
	request_choose_id(mg_get_header(conn, "X-Request-Id"), id);
	log_set_request(id);
	log_debug("request.unreadable", "code", log_num(code), "error", text);
	log_set_request(NULL);
	mg_disable_connection_keep_alive(conn);
	seat_send(seat);
	if (answer_bare(&answer, code, id, TYPE_TEXT, view_of(body), NULL) == ST_OK)
		mg_write(conn, answer.data, answer.len);
	seat_serve(seat);
	return 0;
}

/*
 * NOTE: civetweb hangs up on who asks for "*", or by a full URL of another port or scheme, without calling any handler: this
 * is the last it tells of a connection, which is open still.
 */
static void on_close(const struct mg_connection *conn)
{
	const struct mg_request_info *info = mg_get_request_info(conn);

	if (!is_refused && is_request(info) && info->local_uri == NULL)
		serve((struct mg_connection *) (uintptr_t) conn, true);
	is_refused = false;
	seat_leave(mg_get_thread_pointer(conn));
}

static int on_connect(const struct mg_connection *conn, void **data)
{
	(void) data;
	seat_take(mg_get_thread_pointer(conn), conn);
	return 0;
}

/* Of a worker; civetweb's accepting thread has another type. */
static void *on_thread(const struct mg_context *context, int type)
{
	const struct listener *listener = mg_get_user_data(context);

	return type == 1 ? usher_seat(listener->usher) : NULL;
}

static int on_message(const struct mg_connection *conn, const char *text)
{
	(void) conn;
	log_warning("http.message", "text", text);
	return 1;
}

/* -- listeners -------------------------------------------------------------------------------------------------------- */

static enum status listener_open(struct listener *listener, const char *address, unsigned threads, int stall_ms,
                                 struct error *err)
{
	char threads_text[16], stall_text[16], keep_text[16], fault[256] = "";
	snprintf(threads_text, sizeof threads_text, "%u", threads);
	snprintf(stall_text, sizeof stall_text, "%d", stall_ms);
	snprintf(keep_text, sizeof keep_text, "%d", stall_ms < KEEP_ALIVE_MS ? stall_ms : KEEP_ALIVE_MS);
	const char *options[] = {
		"listening_ports",              address,
		"num_threads",                  threads_text,
		"request_timeout_ms",           stall_text,         /* of one wait, not of the request: body.c */
		"enable_keep_alive",            "yes",
		"keep_alive_timeout_ms",        keep_text,
		"tcp_nodelay",                  "1",
		"enable_auth_domain_check",     "no",
		"decode_url",                   "no",               /* request.c decodes, segment by segment   */
		"max_request_size",             HEAD_MAX,
		"listen_backlog",               "1024",
		"connection_queue",             "256",
		"access_control_allow_methods", "",                 /* no answer of its own to OPTIONS         */
		NULL,
	};
	const struct mg_callbacks callbacks = {
		.init_thread = on_thread, .init_connection = on_connect, .begin_request = on_request, .end_request = on_answered,
		.http_error = on_http_error, .connection_close = on_close, .log_message = on_message,
	};
	struct mg_init_data  init = { .callbacks = &callbacks, .user_data = listener, .configuration_options = options };
	struct mg_error_data error = { .text = fault, .text_buffer_size = sizeof fault };

	listener->address = address;
	listener->stall_ms = stall_ms;
	const enum status st = usher_open(listener->api, threads, &listener->usher, err);
	if (st != ST_OK)
		return st;
	listener->context = mg_start2(&init, &error);
	if (listener->context == NULL)
		return fail(err, ST_INVALID, "could not listen on \"%s\": %s", address, *fault == '\0' ? "no reason given" : fault);
	return ST_OK;
}

static enum status health_open(struct api *api, struct listener *listener, struct error *err)
{
	struct error fault;

	enum status st = listener_open(listener, api->options.health_listen, HEALTH_THREADS, HEALTH_STALL_MS, &fault);
	if (st != ST_OK && !api->options.is_health_optional) {
		*err = fault;
		return st;
	}
	if (st != ST_OK) {
		log_warning("health.none", "error", fault.text);
		api->options.health_listen = NULL;
	}
	return ST_OK;
}

enum status server_open(struct api *api, struct server **ret_server, struct error *err)
{
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the server");
	server->main.api = server->health.api = api;
	api->answers.max = api->options.answer_limit_bytes;
	server->health.is_health = true;
	const int64_t limit_ms = api->options.request_limit_ns / 1000000;
	api->stall_ms = limit_ms < STALL_MS ? (int) limit_ms : STALL_MS;
	enum status st = listener_open(&server->main, api->options.listen, api->options.threads, api->stall_ms, err);
	if (st == ST_OK && api->options.health_listen != NULL)
		st = health_open(api, &server->health, err);
	if (st != ST_OK) {
		server_close(server);
		return st;
	}
	*ret_server = server;
	return ST_OK;
}

static void *stop_context(void *data)
{
	struct listener *listener = data;

	mg_stop(listener->context);
	atomic_store(&listener->is_stopped, true);
	return NULL;
}

/*
 * NOTE: civetweb's accepting thread looks at its stop flag every two seconds, or when somebody connects.  So somebody does.
 */
static void listener_poke(const struct listener *listener)
{
	struct sockaddr_storage address;
	socklen_t               len;

	if (!address_read(listener->address, &address, &len))
		return;
	const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		IGNORE(connect(fd, (const struct sockaddr *) &address, len));
		close(fd);
	}
}

void server_close(struct server *server)
{
	struct listener *listeners[2];
	pthread_t        stoppers[2];
	bool             has_stopper[2];

	if (server == NULL)
		return;
	listeners[0] = &server->main;
	listeners[1] = &server->health;
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		has_stopper[i] = listeners[i]->context != NULL
		                 && pthread_create(&stoppers[i], NULL, stop_context, listeners[i]) == 0;
		if (listeners[i]->context != NULL && !has_stopper[i])
			mg_stop(listeners[i]->context);
	}
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		while (has_stopper[i] && !atomic_load(&listeners[i]->is_stopped)) {
			listener_poke(listeners[i]);
			nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
		}
		if (has_stopper[i])
			pthread_join(stoppers[i], NULL);
		usher_close(listeners[i]->usher);
	}
	free(server);
}
