/* What a plugin may ask of the server: the table behind emco_host. */
#include "host/registry/plugins_priv.h"

#include "host/registry/extension.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/utf8.h"

enum { EVENT_BYTES = 64 };

static struct controller *controller_behind(const emco_host *host)
{
	return ((const struct own_host *) (const void *) host)->controller;
}

static const void *host_extension(const emco_host *host, const char *id)
{
	(void) host;
	return id == NULL ? NULL : extension_find(id);
}

static bool is_event_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

static void host_log(const emco_host *host, int32_t level, emco_str event, emco_str text)
{
	const struct controller *controller = controller_behind(host);
	const struct view        words = view_from_abi(text);
	char                     name[EVENT_BYTES], line[1024];
	size_t                   len = 0;

	for (; len < event.len && len + 1 < sizeof name; len++)
		name[len] = is_event_char(event.ptr[len]) ? event.ptr[len] : '_';
	name[len] = '\0';
	snprintf(line, sizeof line, "%.*s", utf8_is_valid(words) ? (int) (words.len < sizeof line ? words.len : sizeof line) : 0,
	         words.ptr);
	if (level < EMCO_LOG_ERROR || level > EMCO_LOG_DEBUG)
		level = EMCO_LOG_INFO;
	log_event((enum log_level) level, len > 0 ? name : "plugin.event", "controller", controller->instance.name,
	          "text", line, NULL);
}

static emco_call *host_begin(const emco_host *host, emco_str what, int64_t limit_ns)
{
	struct controller *controller = controller_behind(host);
	struct plugins    *plugins = controller->plugins;
	const int64_t      now_ns = clock_ns();

	if (__atomic_load_n(&plugins->is_stopping, __ATOMIC_ACQUIRE))
		return NULL;
	struct own_call *own = calloc(1, sizeof *own);
	if (own == NULL)
		return NULL;
	call_init(&own->call, plugins->store, controller->instance.name, controller->plugin.roles,
	          limit_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + limit_ns);
	own->call.cancelled = &plugins->is_stopping;
	own->call.ends_with_leases = plugins->store != NULL;
	own->call.losses = plugins->store != NULL ? store_losses(plugins->store) : 0;
	snprintf(own->what, sizeof own->what, "%.*s", (int) (what.len < sizeof own->what ? what.len : sizeof own->what),
	         what.len > 0 ? what.ptr : "");

	pthread_mutex_lock(&controller->lock);
	own->next = controller->own;
	controller->own = own;
	pthread_mutex_unlock(&controller->lock);
	return &own->call.abi;
}

static void own_free(struct own_call *own)
{
	call_done(&own->call);
	free(own);
}

static void host_end(const emco_host *host, emco_call *call)
{
	struct controller *controller = controller_behind(host);
	struct own_call   *found = NULL;

	pthread_mutex_lock(&controller->lock);
	for (struct own_call **at = &controller->own; *at != NULL; at = &(*at)->next) {
		if (&(*at)->call.abi == call) {
			found = *at;
			*at = found->next;
			break;
		}
	}
	pthread_mutex_unlock(&controller->lock);
	if (found != NULL)
		own_free(found);
	else if (call != NULL)
		log_error("controller.call_unknown", "controller", controller->instance.name, "text",
		          "end was called for a call that begin did not give, or twice");
}

void host_init(struct controller *controller, const char *data_dir)
{
	controller->host.controller = controller;
	controller->host.abi = (emco_host) {
		.size = sizeof(emco_host), .abi = EMCO_ABI,
		.server_version = EMCO_STR(EMCO_VERSION),
		.instance = view_to_abi(view_of(controller->instance.name)),
		.data_dir = view_to_abi(view_of(data_dir)),
		.extension = host_extension, .log = host_log, .begin = host_begin, .end = host_end,
	};
}

void host_done(struct controller *controller)
{
	while (controller->own != NULL) {
		struct own_call *own = controller->own;
		controller->own = own->next;
		log_warning("controller.call_left", "controller", controller->instance.name, "what", own->what);
		own_free(own);
	}
}
