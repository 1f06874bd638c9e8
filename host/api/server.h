/*
 * server.h - the listeners: civetweb contexts, their options, and the one handler that everything goes through.
 */
#ifndef HOST_API_SERVER_H
#define HOST_API_SERVER_H

#include "host/api/api.h"

/* Both listeners.  ST_INVALID: an address that is none or taken, in civetweb's words. */
enum status MUST_CHECK server_open(struct api *api, struct server **ret_server, struct error *err);

/* At once, but for idle connections, which notice within 2 s.  Accepts NULL. */
void server_close(struct server *server);

#endif
