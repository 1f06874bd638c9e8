/*
 * status.h - the one place that knows HTTP status numbers.
 */
#ifndef HOST_API_STATUS_H
#define HOST_API_STATUS_H

#include "lib/base/error.h"

enum { HTTP_CODE_COUNT = 25 };

int         status_http(enum status st);              /* 404 for ST_NOT_FOUND */
const char *http_reason(int code);                    /* "Not Found"; "Unknown" for a number we never send */

/* Codes as a dense range, for counters: 0 to HTTP_CODE_COUNT - 1; the last one stands for every unknown number. */
size_t http_index(int code);
int    http_code_at(size_t index);                    /* 0 for the last one */

#endif
