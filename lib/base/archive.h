/*
 * archive.h - gzip-compressed tar from strangers: charts and profiles.
 *
 * Every entry must be a directory or a regular file with a relative path that stays inside; links, devices, absolute
 * and parent paths are refused.  The number of entries, each path, each file, the whole unpacked size and the ratio to
 * the packed size are bounded, so that an archive bomb costs its bound and no more.
 */
#ifndef LIB_BASE_ARCHIVE_H
#define LIB_BASE_ARCHIVE_H

#include "lib/base/buf.h"

struct archive_limits {
	size_t entries, file_bytes, total_bytes, ratio;
};
extern const struct archive_limits archive_default_limits;    /* 10,000 entries, 16 MiB, 64 MiB, 200 to 1 (past 1 MiB) */

enum { ARCHIVE_PATH_MAX = 1024, ARCHIVE_PATH_PARTS_MAX = 32 };

/*
 * ST_MALFORMED: no gzip, no tar, cut short, no entry.  ST_INVALID: a forbidden entry, which is named; so is a path that
 * comes twice.  ST_TOO_LARGE past a limit.  limits NULL: the default ones.  Any thread.
 */
enum status MUST_CHECK archive_check(struct view bytes, const struct archive_limits *limits, struct error *err);

/*
 * Called for each regular file, in order; a leading "./" of its path is gone.  path and content are borrowed.
 * Another status than ST_OK ends the reading with it.
 */
typedef enum status archive_each(void *data, const char *path, struct view content, struct error *err);
enum status MUST_CHECK archive_read(struct view bytes, const struct archive_limits *limits, archive_each *each, void *data,
                                    struct error *err);

/* Unpack below directory dir_fd, which must be empty and ours.  Files get mode 0600, folders 0700. */
enum status MUST_CHECK archive_extract(struct view bytes, const struct archive_limits *limits, int dir_fd,
                                       struct error *err);

/* True for a relative path without empty, "." or ".." parts, NUL or control characters: safe below any folder. */
bool path_is_inside(struct view path);

#endif
