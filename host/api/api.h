/*
 * api.h - the REST API as a whole: what its parts share.
 *
 * A request: civetweb thread, one handler (server.c), route table, negotiate and parse, validate, one transaction, answer.
 * Health, readiness and metrics are also served by a listener of their own, whose few threads no slow body can hold.
 */
#ifndef HOST_API_API_H
#define HOST_API_API_H

#include "host/api/route.h"

#include <stdatomic.h>

struct events;
struct metrics;
struct server;

struct api_options {
	const char *listen, *health_listen;     /* "127.0.0.1:9015", "[::1]:9015"; health_listen NULL: none */
	const char *events_listen;              /* of event streams; NULL: none                             */
	bool        is_health_optional;         /* go on without it when its address is taken               */
	bool        is_events_optional;
	unsigned    event_streams;              /* at one time; past it ST_UNAVAILABLE                      */
	unsigned    threads;
	size_t      body_limit_bytes;           /* of JSON                                                  */
	size_t      file_limit_bytes;           /* of one uploaded file, below the type's own limit         */
	size_t      upload_limit_bytes;         /* of all bodies that are in memory at one time             */
	size_t      answer_limit_bytes;         /* of all answers that are in memory at one time            */
	size_t      gzip_min_bytes;             /* the smallest answer worth compressing; 0: none           */
	uint64_t    metrics_objects;            /* that have a series of their own in /metrics, at most     */
	int64_t     request_limit_ns;           /* of a request, its body included                          */
	int64_t     operation_limit_ns;         /* of a verb                                                */
	bool        strict_references;
};

/* Threads that peers hold: slot.h. */
struct slots {
	atomic_uint     taken;
	_Atomic int64_t moved_ns;               /* when one last became free, or the last free one was taken */
};

struct api {
	struct api_options   options;
	struct store        *store;
	struct types        *types;
	struct plugins      *plugins;
	struct orchestrator *orchestrator;
	/* The API's own, from here on.  options.health_listen and events_listen become NULL when there is none after all. */
	struct routes       *routes;
	struct metrics      *metrics;
	struct server       *server;
	struct events       *events;            /* NULL: none                                           */
	int                  stall_ms;          /* the longest wait for a peer that sends or takes nothing */
	atomic_bool          is_ready;          /* every controller has begun                               */
	atomic_bool          is_draining;
	atomic_uint          in_flight;
	struct budget        answers;           /* memory of those of some size                             */
	atomic_size_t        body_bytes;        /* announced by the requests in flight                      */
	struct slots         body_slots, chunk_slots, answer_slots;
};

/*
 * Compile the routes, listen, serve.  The fields above must be set, plugins may start later: until api_ready is called
 * /readyz says no, and everything else is answered.  ST_INVALID: an address that is none or taken.
 */
enum status MUST_CHECK api_open(struct api *api, struct error *err);
void api_ready(struct api *api);

/* Refuse new work, wait for the requests in flight until the deadline, close.  Accepts an api that is not open. */
void api_close(struct api *api, int64_t deadline_ns);

#endif
