/*
 * multipart.h - multipart/form-data, in both directions.
 *
 * Reading works in place on a whole, bounded body: parts are views into it, so a 30 MB chart exists once in memory.  It is
 * a function of bytes alone.  civetweb's own form reader is not used: it wants the boundary to be the first parameter,
 * finds NUL where the file goes on, and has no bound on the number of parts.
 */
#ifndef HOST_API_MULTIPART_H
#define HOST_API_MULTIPART_H

#include "lib/base/arena.h"

enum { MULTIPART_BOUNDARY_MAX = 70, MULTIPART_PARTS_MAX = 128, MULTIPART_HEAD_MAX = 8192, MULTIPART_NAME_MAX = 256 };

struct part {
	struct view name, filename, media_type;    /* in arena; empty when not given */
	bool        is_file;                       /* it had a filename, maybe an empty one */
	struct view content;                       /* in the body                    */
};

/* From a Content-Type header.  ST_UNSUPPORTED_MEDIA: not multipart/form-data.  ST_MALFORMED: no or a bad boundary. */
enum status MUST_CHECK multipart_boundary(const char *content_type, char ret_boundary[MULTIPART_BOUNDARY_MAX + 1],
                                          struct error *err);

/*
 * Take a body apart.  *ret_parts is in arena, the contents stay in body.  ST_MALFORMED: no closing boundary (the body is
 * cut short), a part without a name, a head that does not parse or is not UTF-8.  ST_TOO_LARGE: more parts or a larger
 * head than allowed.
 */
enum status MUST_CHECK multipart_read(struct view body, const char *boundary, struct arena *arena, struct part **ret_parts,
                                      size_t *ret_count, struct error *err);

/* -- writing -- */

/* Append one part, with its leading boundary line.  filename may be empty: then none is said. */
enum status MUST_CHECK multipart_add(struct buf *out, const char *boundary, struct view name, struct view filename,
                                     const char *media_type, struct view content, struct error *err);
enum status MUST_CHECK multipart_end(struct buf *out, const char *boundary, struct error *err);

#endif
