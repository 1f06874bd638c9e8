/*
 * request.h - one request while it is answered.
 *
 * Lives on the stack of its civetweb thread; everything it allocates is in its arena.
 */
#ifndef HOST_API_REQUEST_H
#define HOST_API_REQUEST_H

#include "host/api/api.h"
#include "host/api/condition.h"

#include <civetweb.h>

enum {
	REQUEST_ID_SIZE     = 65,
	REQUEST_ARENA_MAX   = 64 << 20,
	REQUEST_HEADERS_MAX = 2048,              /* bytes of an answer's own headers                     */
	REPLY_ROOM          = REQUEST_HEADERS_MAX + 768,      /* before the body, for the whole head      */
	REPLY_MAX           = 256 << 20,
	PARAMETERS_MAX      = 64,
};

struct request {
	struct api                   *api;
	struct mg_connection         *conn;
	const struct mg_request_info *info;
	const struct endpoint        *endpoint;
	const char                   *target, *query;         /* the path as it was sent; NULL: no query   */
	struct view                   path, parent;          /* from the route                           */
	struct ask_parameter         *parameters;
	size_t                        parameter_count;
	struct arena                  arena;
	struct buf                    body;                   /* of the request                           */
	struct buf                    reply;                  /* REPLY_ROOM bytes for the head, then the body */
	struct buf                    headers;                /* of the answer, "Name: value\r\n" each     */
	struct verdict                verdict;                /* faults and unknown members of the document */
	char                          id[REQUEST_ID_SIZE];
	struct gzip                  *gzip;                   /* of a stream that is compressed            */
	struct buf                    packed;                 /* the reply, compressed; laid out like it   */
	int64_t                       entity_id;              /* and version, for ETag; 0: the answer has none */
	uint64_t                      entity_version;
	enum entity_form              entity_form;
	int64_t                       begin_ns, deadline_ns;
	size_t                        reserved_bytes;         /* of api->body_bytes                       */
	struct seat                  *seat;                   /* the thread's                             */
	bool                          is_head, is_closing, is_body_read, is_body_broken, is_body_late, is_streaming;
	bool                          is_varying, is_gzip;    /* with Accept-Encoding; and it is compressed */
	int                           code;                   /* sent; 0: nothing yet                     */
};

/* In place.  Everything but route and parameters is there afterwards. */
void request_init(struct request *req, struct api *api, struct mg_connection *conn);
void request_done(struct request *req);

/* From here on the memory of its answer counts, and it may be refused: nothing is done by it. */
void request_count_answer(struct request *req);

/* An id for one that came without: not a secret, only unlike the others. */
void request_make_id(char id[REQUEST_ID_SIZE]);

/* The one that the client wishes, or one of ours when that is NULL or no 1 to 64 letters, digits, "-", "_", ".". */
void request_choose_id(const char *wish, char id[REQUEST_ID_SIZE]);

const char *request_header(const struct request *req, const char *name);      /* NULL: not sent */
bool        request_has_body(const struct request *req);

/*
 * Decode a raw URI path: "/v2/projects/p%31" gives "v2/projects/p1".  One slash at the end is dropped.  False: empty, "."
 * or ".." segments, an encoded slash, NUL or control character, a bad escape, bad UTF-8: no path of ours.
 */
bool path_decode(const char *raw, struct arena *arena, struct view *ret_path);

/*
 * How long the body is must be said once and in one way, or somebody on the way may see another request where we see a body.
 * ST_INVALID, and the connection ends.
 */
enum status MUST_CHECK request_check_length(struct request *req, struct error *err);

/* "a=1&b=%20x" as parameters in arena.  ST_INVALID: a bad escape, a semicolon, or more than PARAMETERS_MAX. */
enum status MUST_CHECK query_decode(const char *query, struct arena *arena, struct ask_parameter **ret_parameters,
                                    size_t *ret_count, struct error *err);

/* Does the query ask for a stream, by watch=true where that means something?  ST_INVALID: neither true nor false. */
enum status MUST_CHECK query_watches(const struct endpoint *endpoint, const struct ask_parameter *parameters, size_t count,
                                     bool *ret_watches, struct error *err);

#endif
