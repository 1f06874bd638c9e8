/*
 * summary.h - what an operation does, in a line of its own, made of its type's name.
 *
 * "Create a project", "List the app profiles", "Stop a deployment intent group": for OpenAPI and --print routes.  What a row
 * says of its type, and of its verbs and views, is the sentence below it.
 */
#ifndef HOST_API_SUMMARY_H
#define HOST_API_SUMMARY_H

#include "host/api/route.h"
#include "lib/base/name.h"

enum { SPELT_SIZE = 2 * NAME_LEN_MAX + 1, SUMMARY_SIZE = 2 * SPELT_SIZE + 32 };

void summary_of(const struct endpoint *endpoint, char summary[SUMMARY_SIZE]);      /* pure */

#endif
