/* Open and close: routes first, listeners last, and backwards. */
#include "host/api/api.h"

#include "host/api/events.h"
#include "host/api/metrics.h"
#include "host/api/server.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

static void release(struct api *api)
{
	events_close(api->events);
	server_close(api->server);
	metrics_free(api->metrics);
	routes_free(api->routes);
	api->events = NULL;
	api->server = NULL;
	api->metrics = NULL;
	api->routes = NULL;
}

/* Before the server, whose answers send clients to it. */
static enum status open_events(struct api *api, struct error *err)
{
	struct error fault;

	if (api->options.events_listen == NULL)
		return ST_OK;
	const enum status st = events_open(api, &api->events, &fault);
	if (st == ST_OK)
		return ST_OK;
	if (!api->options.is_events_optional) {
		*err = fault;
		return st;
	}
	log_warning("events.none", "error", fault.text);
	api->options.events_listen = NULL;
	return ST_OK;
}

enum status api_open(struct api *api, struct error *err)
{
	size_t count = 0;
	const struct family *families = resources_families(&count);

	enum status st = routes_new(api->types, families, count, &api->routes, err);
	if (st == ST_OK && (api->metrics = metrics_new(routes_count(api->routes))) == NULL)
		st = fail(err, ST_NO_MEMORY, "no memory for the counters");
	if (st == ST_OK)
		st = open_events(api, err);
	if (st == ST_OK)
		st = server_open(api, &api->server, err);
	if (st != ST_OK)
		release(api);
	return st;
}

void api_ready(struct api *api)
{
	atomic_store(&api->is_ready, true);
}

void api_close(struct api *api, int64_t deadline_ns)
{
	if (api->server == NULL)
		return;
	atomic_store(&api->is_draining, true);
	while (atomic_load(&api->in_flight) > 0 && !deadline_past(deadline_ns))
		nanosleep(&(struct timespec) { .tv_nsec = 5000000 }, NULL);
	if (atomic_load(&api->in_flight) > 0)
		log_warning("api.cut", "requests", log_num(atomic_load(&api->in_flight)));
	release(api);
}
