#include "lib/base/file.h"

#include "lib/base/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 65536, REMOVE_DEPTH_MAX = 256 };

static void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define auto_fd CLEANUP(close_fdp) int

/* what: "read", "write", "make": the verb of the sentence. */
static enum status fail_errno(struct error *err, const char *what, const char *path)
{
	const int         code = errno;
	const enum status st = code == ENOENT || code == ENOTDIR ? ST_NOT_FOUND
	                     : code == EACCES || code == EPERM   ? ST_FORBIDDEN
	                                                         : ST_INTERNAL;

	return fail(err, st, "could not %s \"%s\": %s", what, path, strerror(code));
}

enum status file_read(const char *path, struct buf *content, struct error *err)
{
	const size_t before = content->len;
	auto_fd      fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char         past_end;
	ssize_t      n = 1;

	if (fd < 0)
		return fail_errno(err, "read", path);
	while (n > 0) {
		const size_t left = content->max - content->len;
		const size_t want = left < READ_BYTES ? left : READ_BYTES;
		char        *to = want > 0 ? buf_room(content, want, err) : &past_end;
		if (to == NULL) {
			buf_cut(content, before);
			return ST_NO_MEMORY;
		}
		do
			n = read(fd, to, want > 0 ? want : 1);
		while (n < 0 && errno == EINTR);
		if (n > 0 && want == 0) {
			buf_cut(content, before);
			return fail(err, ST_TOO_LARGE, "\"%s\" is larger than %zu bytes", path, content->max - before);
		}
		if (n > 0) {
			content->len += (size_t) n;
			content->data[content->len] = '\0';
		}
	}
	if (n < 0) {
		const int code = errno;
		buf_cut(content, before);
		errno = code;
		return fail_errno(err, "read", path);
	}
	return ST_OK;
}

static bool write_all(int fd, struct view content)
{
	while (content.len > 0) {
		const ssize_t n = write(fd, content.ptr, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		content.ptr += n;
		content.len -= (size_t) n;
	}
	return true;
}

/* After a crash the new name must be there, not only the new bytes. */
static bool sync_folder_of(const char *path)
{
	char        folder[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(folder, sizeof folder, ".");
	else
		snprintf(folder, sizeof folder, "%.*s", (int) (slash == path ? 1 : slash - path), path);

	auto_fd fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

static bool write_beside(const char *temporary, int fd, const char *path, struct view content, unsigned mode)
{
	const bool is_written = fchmod(fd, (mode_t) mode) == 0 && write_all(fd, content) && fsync(fd) == 0
	                     && rename(temporary, path) == 0;

	if (!is_written) {
		const int code = errno;
		unlink(temporary);
		errno = code;
	}
	return is_written && sync_folder_of(path);
}

enum status file_write(const char *path, struct view content, unsigned mode, struct error *err)
{
	char temporary[PATH_MAX];

	if ((size_t) snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary) {
		errno = ENAMETOOLONG;
		return fail_errno(err, "write", path);
	}
	auto_fd fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0 || !write_beside(temporary, fd, path, content, mode))
		return fail_errno(err, "write", path);
	return ST_OK;
}

/*
 * Open the folder that holds the last part of relative, making what is missing; every step refuses links.
 * Returns a descriptor to close, or -1 with errno; *ret_last points into relative.
 */
static int open_parent(int dir_fd, const char *relative, const char **ret_last)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (const char *slash; fd >= 0 && (slash = strchr(relative, '/')) != NULL; relative = slash + 1) {
		char part[NAME_MAX + 1];
		int  next = -1;

		if ((size_t) (slash - relative) >= sizeof part) {
			errno = ENAMETOOLONG;
		} else {
			snprintf(part, sizeof part, "%.*s", (int) (slash - relative), relative);
			if (mkdirat(fd, part, 0700) == 0 || errno == EEXIST)
				next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		}
		const int code = errno;
		close(fd);
		errno = code;
		fd = next;
	}
	*ret_last = relative;
	return fd;
}

enum status file_write_at(int dir_fd, const char *relative, struct view content, struct error *err)
{
	const char *last;

	if (!path_is_inside(view_of(relative)))
		return fail(err, ST_INVALID, "\"%s\" is no path inside its folder", relative);
	auto_fd parent = open_parent(dir_fd, relative, &last);
	if (parent < 0)
		return fail_errno(err, "write", relative);
	auto_fd fd = openat(parent, last, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !write_all(fd, content))
		return fail_errno(err, "write", relative);
	return ST_OK;
}

enum status folder_make_at(int dir_fd, const char *relative, struct error *err)
{
	const char *last;

	if (!path_is_inside(view_of(relative)))
		return fail(err, ST_INVALID, "\"%s\" is no path inside its folder", relative);
	auto_fd parent = open_parent(dir_fd, relative, &last);
	if (parent < 0 || (mkdirat(parent, last, 0700) != 0 && errno != EEXIST))
		return fail_errno(err, "make", relative);
	auto_fd fd = openat(parent, last, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? fail_errno(err, "make", relative) : ST_OK;
}

enum status folder_make(const char *path, struct error *err)
{
	char        part[PATH_MAX];
	struct stat info;

	for (const char *end = path; *end != '\0';) {
		end += strspn(end, "/");
		end += strcspn(end, "/");
		if ((size_t) snprintf(part, sizeof part, "%.*s", (int) (end - path), path) >= sizeof part) {
			errno = ENAMETOOLONG;
			return fail_errno(err, "make", path);
		}
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return fail_errno(err, "make", path);
	}
	if (stat(path, &info) != 0)
		return fail_errno(err, "make", path);
	if (!S_ISDIR(info.st_mode))
		return fail(err, ST_EXISTS, "could not make \"%s\": a file of that name is there", path);
	return ST_OK;
}

enum status folder_make_private(const char *base, char *ret_path, struct error *err)
{
	char path[PATH_MAX];

	if ((size_t) snprintf(path, sizeof path, "%s/emcod-XXXXXX", base) >= sizeof path) {
		errno = ENAMETOOLONG;
		return fail_errno(err, "make", base);
	}
	if (mkdtemp(path) == NULL)
		return fail_errno(err, "make", path);
	memcpy(ret_path, path, strlen(path) + 1);
	return ST_OK;
}

/* By descriptors, so that a folder swapped for a link meanwhile is not followed.  Goes on after a fault: best effort. */
static bool remove_at(int parent, const char *name, unsigned depth)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;

	const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR      *folder = fd >= 0 ? fdopendir(fd) : NULL;
	bool      is_empty = folder != NULL && depth < REMOVE_DEPTH_MAX;

	if (fd >= 0 && folder == NULL)
		close(fd);
	for (struct dirent *entry; folder != NULL && depth < REMOVE_DEPTH_MAX && (entry = readdir(folder)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!remove_at(fd, entry->d_name, depth + 1))
			is_empty = false;
	}
	if (folder != NULL)
		closedir(folder);
	return is_empty && (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

enum status folder_remove(const char *path, struct error *err)
{
	if (!remove_at(AT_FDCWD, path, 0))
		return fail_errno(err, "remove", path);
	return ST_OK;
}
