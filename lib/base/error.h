/*
 * error.h - the one error value.
 *
 * A function that can fail returns an enum status and describes the fault in its last argument.  The value has fixed
 * buffers, so that reporting "out of memory" needs no memory.  On ST_OK neither the error nor any ret_ output is touched.
 */
#ifndef LIB_BASE_ERROR_H
#define LIB_BASE_ERROR_H

#include "lib/base/safe.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK     __attribute__((warn_unused_result))
#define IGNORE(call)   ((void) !(call))     /* a status dropped on purpose: gcc does not take (void) for an answer */
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))
#define CLEANUP(fn)    __attribute__((cleanup(fn)))
#define ARRAY_LEN(a)   (sizeof(a) / sizeof((a)[0]))

/* What kind of fault.  host/api maps these to HTTP, lib/grpc to gRPC; nothing else knows a foreign status number. */
enum status {
	ST_OK = 0,
	ST_INVALID,            /* the input breaks a rule                            */
	ST_MALFORMED,          /* the input does not parse                           */
	ST_NOT_FOUND,          /* no such thing                                      */
	ST_EXISTS,             /* there is one of that name already                  */
	ST_CONFLICT,           /* wrong state, still referenced, has children        */
	ST_PRECONDITION,       /* the caller's If-Match did not hold                 */
	ST_TOO_LARGE,          /* beyond a stated maximum                            */
	ST_UNSUPPORTED_MEDIA,  /* a body of the wrong media type                     */
	ST_NOT_ACCEPTABLE,     /* nothing the client accepts can be sent             */
	ST_UNAUTHENTICATED,
	ST_FORBIDDEN,
	ST_UNAVAILABLE,        /* try again later: database away, too busy           */
	ST_DEADLINE,           /* not done in time                                   */
	ST_UPSTREAM,           /* a part we called refused: Helm, controller, remote */
	ST_NO_MEMORY,
	ST_INTERNAL,           /* our bug                                            */
	ST_STATUS_COUNT
};

struct error {
	enum status code;
	char        field[64];  /* JSON pointer or option name; empty when none                */
	char        text[256];  /* one line, no trailing newline: expected and found           */
	char        hint[160];  /* a sentence that says what to do; may be empty               */
};

/* Fill err (which may be NULL) and return code.  Over-long text is cut at a UTF-8 boundary.  Any thread. */
enum status fail(struct error *err, enum status code, const char *fmt, ...) PRINTF(3, 4);

/* As fail(), for a fault at one member or option. */
enum status fail_at(struct error *err, enum status code, const char *field, const char *fmt, ...) PRINTF(4, 5);

/* Add what the reader can do about it.  Returns err->code, so it can end a return statement. */
enum status fail_hint(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Put "context: " in front of the text, keeping code, field and hint.  Returns err->code. */
enum status fail_within(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* A stable word for logs and metrics: "not_found". */
const char *status_name(enum status code);

#endif
