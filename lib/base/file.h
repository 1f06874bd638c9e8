/*
 * file.h - whole files and private folders.
 */
#ifndef LIB_BASE_FILE_H
#define LIB_BASE_FILE_H

#include "lib/base/buf.h"

/* Append the whole file.  ST_NOT_FOUND, ST_FORBIDDEN, ST_TOO_LARGE past content->max, ST_INTERNAL with errno's words. */
enum status MUST_CHECK file_read(const char *path, struct buf *content, struct error *err);

/* Write by a temporary file beside it and rename, so that a reader sees the old or the new content, never half. */
enum status MUST_CHECK file_write(const char *path, struct view content, unsigned mode, struct error *err);

/* The same below an open folder; relative may contain folders, which are made.  Not atomic: for private folders. */
enum status MUST_CHECK file_write_at(int dir_fd, const char *relative, struct view content, struct error *err);

/* mkdir -p below an open folder, without following links; each with mode 0700. */
enum status MUST_CHECK folder_make_at(int dir_fd, const char *relative, struct error *err);

/* mkdir -p with mode 0700. */
enum status MUST_CHECK folder_make(const char *path, struct error *err);

/* A new folder of mode 0700 below base: "/tmp" gives "/tmp/emcod-XXXXXX".  ret_path must hold PATH_MAX bytes. */
enum status MUST_CHECK folder_make_private(const char *base, char *ret_path, struct error *err);

/* Remove a tree without following links; missing is fine.  Best effort: what stays is logged by the caller. */
enum status folder_remove(const char *path, struct error *err);

#endif
