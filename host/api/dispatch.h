/*
 * dispatch.h - one request, from what civetweb has parsed to an answer that is complete.
 */
#ifndef HOST_API_DISPATCH_H
#define HOST_API_DISPATCH_H

#include "host/api/request.h"

/*
 * Answer it.  is_health: on a listener that answers for the system only.  is_last: the connection ends with it.  The code that
 * was sent.
 */
int request_serve(struct api *api, struct mg_connection *conn, bool is_health, bool is_last);

#endif
