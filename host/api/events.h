/*
 * events.h - the streams of GET .../status?watch=true, on a listener of their own.
 *
 * A thread for each connection, as civetweb has them, would keep thousands of them for streams that are quiet most of the
 * time.  Here one thread has all sockets, and one renders: what many watch is rendered once.  A stream holds at most one
 * event that is being sent; who reads slowly misses those between, and who does not read at all is dropped.
 */
#ifndef HOST_API_EVENTS_H
#define HOST_API_EVENTS_H

#include "host/api/api.h"

/* Listens on options.events_listen.  ST_INVALID: an address that is taken. */
enum status MUST_CHECK events_open(struct api *api, struct events **ret_events, struct error *err);

/* Tells every stream its end and closes; within the time of one status.  Accepts NULL. */
void events_close(struct events *events);

#endif
