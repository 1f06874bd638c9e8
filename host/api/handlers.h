/*
 * handlers.h - what answers each kind of endpoint.
 *
 * A handler either sends its answer and returns ST_OK, or returns a fault that server.c sends.  One request, one thread.
 */
#ifndef HOST_API_HANDLERS_H
#define HOST_API_HANDLERS_H

#include "host/api/request.h"
#include "host/store/resource.h"

typedef enum status request_handler(struct request *req, struct error *err);

request_handler handle_list, handle_read;                              /* read.c    */
request_handler handle_create, handle_replace, handle_delete;          /* write.c   */
request_handler handle_verb, handle_look;                              /* ask.c     */
request_handler handle_health, handle_readiness, handle_metrics;       /* health.c  */
request_handler handle_openapi;                                        /* openapi.c */

/* The views that stand before a plain answer.  *ret_answered: one of them has sent it. */
enum status MUST_CHECK views_answer(struct request *req, bool *ret_answered, struct error *err);

/* A Link header: the page of limit after `next`, of the plain list (look NULL) or of a view. */
void answer_next_page(struct request *req, const struct look *look, uint64_t limit, struct view next);

/* Read one resource, in the form the client accepts. */
enum status MUST_CHECK resource_answer(struct request *req, const struct type *type, struct view path, struct error *err);

/* The OpenAPI document; owned by the caller.  Pure. */
enum status MUST_CHECK openapi_make(const struct routes *routes, const struct types *types, struct buf *out,
                                    struct error *err);

#endif
