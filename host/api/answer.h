/*
 * answer.h - what goes back: head and body in one send, or a stream of large pieces.
 *
 * The body of an answer grows in req->reply behind room for the head, so that nothing is copied to put them together: two
 * sends would cost a third of the throughput.
 */
#ifndef HOST_API_ANSWER_H
#define HOST_API_ANSWER_H

#include "host/api/request.h"

#define TYPE_JSON     "application/json"
#define TYPE_PROBLEM  "application/problem+json"
#define TYPE_BYTES    "application/octet-stream"
#define TYPE_FORM     "multipart/form-data"
#define TYPE_EVENTS   "text/event-stream"
#define TYPE_TEXT     "text/plain; charset=utf-8"

enum { ANSWER_PIECE = 1 << 16, IGNORED_TOLD_MAX = 4 };

/* Where the body goes: append to it.  NULL: out of memory, told in err. */
struct buf *answer_body(struct request *req, struct error *err) MUST_CHECK;
size_t      answer_body_len(const struct request *req);
void        answer_drop_body(struct request *req);

/* One more header line, without its line end; left out when there is no room. */
void answer_header(struct request *req, const char *fmt, ...) PRINTF(2, 3);

/* Tell that a member, a part or a query parameter means nothing here.  What a header cannot carry is written as in a URL. */
void answer_ignored(struct request *req, const char *what, struct view name);

/* The answer is this version of a resource: it goes out with its entity tag. */
void answer_entity(struct request *req, int64_t id, uint64_t version, enum entity_form form);

/*
 * Send the body there is, compressed when the client takes it, it is text, and long enough.  content_type NULL: there is
 * none to speak of.  Failures are the peer's: the connection closes.  304 sends none, but is given the body and its type
 * all the same: the tag depends on the coding.
 */
void answer_send(struct request *req, int code, const char *content_type);

/* Send a fault: plain text, or a problem document when the client names application/problem+json.  408 when a body was late. */
void answer_fail(struct request *req, const struct error *err);

/* The same with a code of its own, for the one that has no status: 405. */
void answer_fail_code(struct request *req, int code, const struct error *err);

/*
 * A body of unknown length: call after adding to the body.  Sends once ANSWER_PIECE bytes have gathered; a body that ends
 * before is sent in one piece, with its length.  ST_UNAVAILABLE: the peer has gone.
 */
enum status MUST_CHECK answer_stream(struct request *req, int code, const char *content_type, struct error *err);
void answer_stream_end(struct request *req, int code, const char *content_type);
/* It cannot be completed: if it has begun, the connection breaks, so that the peer cannot take it for whole. */
void answer_stream_fail(struct request *req, const struct error *err);

/* A fault's whole answer, head and text, where there is no request to answer: appended.  Pure. */
enum status MUST_CHECK answer_bare(struct buf *out, int code, const char *id, const char *content_type, struct view text,
                                   struct error *err);

/* The text of a fault, appended.  Pure. */
enum status MUST_CHECK answer_text(struct buf *out, const struct error *fault, const struct verdict *verdict,
                                   struct error *err);
enum status MUST_CHECK answer_problem(struct buf *out, int code, const struct error *fault, const struct verdict *verdict,
                                      const char *request_id, struct error *err);

#endif
