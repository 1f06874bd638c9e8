/*
 * body.h - a request's body, read to its end and no further.
 *
 * Bounded in bytes by the caller, in time by the request's deadline, and in number by slots: so requests without one get
 * through whatever slow clients do.
 */
#ifndef HOST_API_BODY_H
#define HOST_API_BODY_H

#include "host/api/request.h"

/*
 * Read into req->body.  ST_TOO_LARGE: more than limit bytes, or announced so.  ST_INVALID: it ends early.  ST_DEADLINE: it
 * comes too slowly, and the answer is 408.  ST_UNAVAILABLE: too many bodies at once.  After a failure the connection closes
 * with the answer.
 */
enum status MUST_CHECK body_read(struct request *req, size_t limit, struct error *err);

/* May the body be read as it stands?  ST_UNSUPPORTED_MEDIA: it is compressed, and nothing here would bound what it becomes. */
enum status MUST_CHECK body_is_plain(struct request *req, struct error *err);

/* An answer is about to be sent without the body having been read: take a small one in, or let the connection close. */
void body_settle(struct request *req);

/* After an answer that closes the connection: take in what still comes, a little while, so that the answer arrives. */
void body_drain(struct request *req);

#endif
