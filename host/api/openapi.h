/*
 * openapi.h - what the two halves of the description share: requests (openapi.c) and answers (openapi_answer.c).
 */
#ifndef HOST_API_OPENAPI_H
#define HOST_API_OPENAPI_H

#include "host/api/route.h"

json_t *openapi_literal(const char *text);                        /* owned by the caller */
json_t *openapi_schema_of(const struct type *type);               /* a reference         */
json_t *openapi_form_of(const struct type *type);                 /* the schema of its multipart/form-data */

/* The responses of an operation; and what they refer to: "responses", "headers" and "schemas" of the components. */
json_t *openapi_answers(const struct endpoint *endpoint);
void    openapi_add_answers(json_t *components);

#endif
