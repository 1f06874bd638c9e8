/*
 * accept.h - what of the forms on offer the client takes: one rule for every GET of the REST API.
 */
#ifndef HOST_API_ACCEPT_H
#define HOST_API_ACCEPT_H

#include "host/api/request.h"

/*
 * The index of the offer (plain types) that the Accept header likes best.  One that names application/problem+json and
 * nothing else says how faults are to be told, and takes the first.  ST_NOT_ACCEPTABLE: none fits; err names them.
 */
enum status MUST_CHECK accept_choose(const struct request *req, const char *const *offers, size_t count, size_t *ret_chosen,
                                     struct error *err);

/* The same where there is one. */
enum status MUST_CHECK accept_takes(const struct request *req, const char *offer, struct error *err);

#endif
