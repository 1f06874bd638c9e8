/*
 * The gzip layer is zlib, driven from here: it checks the sum at the end, notices a stream that is cut short after the
 * last tar block, and counts every byte before anyone looks at it.  libarchive sees plain tar and may read nothing else.
 */
#include "lib/base/archive.h"

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <zlib.h>

enum { CHUNK_BYTES = 65536, RATIO_FREE_BYTES = 1 << 20, GZIP_WINDOW = 15 + 16 };

const struct archive_limits archive_default_limits = {
	.entries = 10000, .file_bytes = 16 << 20, .total_bytes = 64 << 20, .ratio = 200,
};

typedef enum status folder_each(void *data, const char *path, struct error *err);

struct reading {
	struct view                  bytes;
	const struct archive_limits *limits;
	archive_each                *on_file;      /* either may be NULL            */
	folder_each                 *on_folder;
	void                        *data;
	struct archive              *tar;
	json_t                      *seen;         /* path → true: file, false: folder */
	struct buf                   content;
	size_t                       entries, content_bytes;
	z_stream                     gzip;
	bool                         is_ended;     /* the gzip stream, with its sum */
	size_t                       unpacked;
	enum status                  st;           /* what the gzip layer has to say; libarchive cannot carry it */
	struct error                *err;
	unsigned char                chunk[CHUNK_BYTES];
};

static void reading_done(struct reading *reading)
{
	if (reading->tar != NULL)
		archive_read_free(reading->tar);
	inflateEnd(&reading->gzip);
	json_decref(reading->seen);
	buf_done(&reading->content);
	free(reading);
}

static void reading_clearp(struct reading **reading)
{
	if (*reading != NULL)
		reading_done(*reading);
}

static enum status too_large(struct reading *reading)
{
	const struct archive_limits *limits = reading->limits;

	if (reading->unpacked > limits->total_bytes || reading->content_bytes > limits->total_bytes)
		return fail(reading->err, ST_TOO_LARGE, "archive unpacks to more than %zu bytes", limits->total_bytes);
	if (reading->unpacked > RATIO_FREE_BYTES && reading->unpacked / limits->ratio > reading->bytes.len)
		return fail(reading->err, ST_TOO_LARGE, "archive unpacks to more than %zu times its size", limits->ratio);
	return ST_OK;
}

/* Unpack the next chunk.  *ret_len is 0 only at the end of the stream. */
static enum status inflate_chunk(struct reading *reading, size_t *ret_len)
{
	z_stream *gzip = &reading->gzip;
	size_t    len = 0;

	gzip->next_out = reading->chunk;
	gzip->avail_out = CHUNK_BYTES;
	while (gzip->avail_out > 0 && !reading->is_ended) {
		const int code = inflate(gzip, Z_NO_FLUSH);
		if (code == Z_MEM_ERROR)
			return fail(reading->err, ST_NO_MEMORY, "out of memory");
		if (code == Z_BUF_ERROR || (code == Z_OK && gzip->avail_in == 0 && gzip->avail_out > 0))
			return fail(reading->err, ST_MALFORMED, "archive is cut short");
		if (code != Z_OK && code != Z_STREAM_END)
			return fail(reading->err, ST_MALFORMED, "archive is no gzip stream or is damaged");
		if (code != Z_STREAM_END)
			continue;
		if (gzip->avail_in == 0)
			reading->is_ended = true;
		else if (inflateReset(gzip) != Z_OK)      /* gzip streams may follow one another */
			return fail(reading->err, ST_INTERNAL, "could not restart the gzip reader");
	}
	len = CHUNK_BYTES - gzip->avail_out;
	reading->unpacked += len;
	*ret_len = len;
	return too_large(reading);
}

static la_ssize_t feed(struct archive *tar, void *data, const void **ret_chunk)
{
	struct reading *reading = data;
	size_t          len = 0;

	reading->st = inflate_chunk(reading, &len);
	if (reading->st != ST_OK) {
		archive_set_error(tar, EIO, "gzip");
		return ARCHIVE_FATAL;
	}
	*ret_chunk = reading->chunk;
	return (la_ssize_t) len;
}

static enum status fail_tar(struct reading *reading)
{
	if (reading->st != ST_OK)
		return reading->st;                       /* the gzip layer has spoken */
	if (archive_errno(reading->tar) == ENOMEM)
		return fail(reading->err, ST_NO_MEMORY, "out of memory");
	return fail(reading->err, ST_MALFORMED, "archive holds no tar or a damaged one");
}

static enum status reading_open(struct reading *reading)
{
	struct archive *tar = reading->tar = archive_read_new();

	buf_init(&reading->content, reading->limits->file_bytes);
	reading->seen = json_object();
	if (tar == NULL || reading->seen == NULL || archive_read_support_format_tar(tar) != ARCHIVE_OK)
		return fail(reading->err, ST_NO_MEMORY, "out of memory");
	if (reading->bytes.len < 2 || memcmp(reading->bytes.ptr, "\x1f\x8b", 2) != 0)
		return fail(reading->err, ST_MALFORMED, "archive is no gzip stream");
	if (reading->bytes.len > UINT32_MAX)
		return fail(reading->err, ST_TOO_LARGE, "archive is larger than 4 GiB");
	if (inflateInit2(&reading->gzip, GZIP_WINDOW) != Z_OK)
		return fail(reading->err, ST_NO_MEMORY, "out of memory");
	reading->gzip.next_in = (z_const Bytef *) (uintptr_t) reading->bytes.ptr;
	reading->gzip.avail_in = (uInt) reading->bytes.len;
	if (archive_read_open(tar, reading, NULL, feed, NULL) != ARCHIVE_OK)
		return fail_tar(reading);
	return ST_OK;
}

static bool part_is_safe(struct view part)
{
	if (part.len == 0 || view_is(part, ".") || view_is(part, ".."))
		return false;
	for (size_t i = 0; i < part.len; i++)
		if ((unsigned char) part.ptr[i] < ' ' || part.ptr[i] == 0x7f)
			return false;
	return true;
}

bool path_is_inside(struct view path)
{
	for (;;) {
		const char  *slash = memchr(path.ptr, '/', path.len);
		const size_t len = slash != NULL ? (size_t) (slash - path.ptr) : path.len;

		if (!part_is_safe((struct view) { path.ptr, len }))
			return false;
		if (slash == NULL)
			return true;
		path.ptr += len + 1;
		path.len -= len + 1;
	}
}

/* Note path and the folders above it.  A file may come once, and nothing may be both: later would silently win. */
static enum status note_path(struct reading *reading, struct view path, bool is_file)
{
	size_t parts = 0;

	for (size_t len = 1; len <= path.len; len++) {
		if (len < path.len && path.ptr[len] != '/')
			continue;
		if (++parts > ARCHIVE_PATH_PARTS_MAX)
			return fail(reading->err, ST_MALFORMED, "\"%s\" is nested deeper than %d folders", path.ptr,
			            ARCHIVE_PATH_PARTS_MAX);
		const bool    is_file_here = is_file && len == path.len;
		const json_t *before = json_object_getn(reading->seen, path.ptr, len);
		if (before != NULL && (is_file_here || json_is_true(before)))
			return fail(reading->err, ST_MALFORMED, "\"%.*s\" comes twice in the archive", (int) len, path.ptr);
		if (before == NULL && json_object_setn_new(reading->seen, path.ptr, len, json_boolean(is_file_here)) != 0)
			return fail(reading->err, ST_NO_MEMORY, "out of memory");
	}
	return ST_OK;
}

/* The entry's path without "./" before and "/" after it, checked.  Empty for the root folder itself. */
static enum status entry_path(struct reading *reading, struct archive_entry *entry, char path[ARCHIVE_PATH_MAX + 1])
{
	const char *name = archive_entry_pathname_utf8(entry);     /* NULL when the bytes are not of the locale */
	size_t      len;

	if (name == NULL)
		name = archive_entry_pathname(entry);
	if (name == NULL)
		return fail(reading->err, ST_MALFORMED, "an entry of the archive has no name");
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	if (strcmp(name, ".") == 0)
		name++;
	len = strlen(name);
	if (len > ARCHIVE_PATH_MAX)
		return fail(reading->err, ST_TOO_LARGE, "a path of the archive is longer than %d bytes", ARCHIVE_PATH_MAX);
	if (!utf8_is_valid((struct view) { name, len }))
		return fail(reading->err, ST_MALFORMED, "a path of the archive is not UTF-8");
	if (len > 1 && name[len - 1] == '/')
		len--;
	memcpy(path, name, len);
	path[len] = '\0';
	if (len > 0 && !path_is_inside((struct view) { path, len }))
		return fail(reading->err, ST_MALFORMED, "\"%s\" is no path inside the archive", path);
	return ST_OK;
}

static bool is_link(struct archive_entry *entry)
{
	return archive_entry_hardlink(entry) != NULL || archive_entry_hardlink_utf8(entry) != NULL
	    || archive_entry_symlink(entry) != NULL || archive_entry_symlink_utf8(entry) != NULL;
}

static enum status read_content(struct reading *reading, const char *path, int64_t announced)
{
	struct buf *content = &reading->content;
	la_ssize_t  n = 1;

	buf_clear(content);
	if (announced < 0 || (uint64_t) announced > content->max)
		return fail(reading->err, ST_TOO_LARGE, "\"%s\" is larger than %zu bytes", path, content->max);
	while (n > 0 && content->len < (size_t) announced) {
		const size_t left = (size_t) announced - content->len;
		const size_t want = left < CHUNK_BYTES ? left : CHUNK_BYTES;
		char        *to = buf_room(content, want, reading->err);
		if (to == NULL)
			return ST_NO_MEMORY;
		n = archive_read_data(reading->tar, to, want);
		if (n < 0)
			return fail_tar(reading);
		content->len += (size_t) n;
		content->data[content->len] = '\0';
		reading->content_bytes += (size_t) n;
		const enum status st = too_large(reading);       /* sparse files grow without the stream */
		if (st != ST_OK)
			return st;
	}
	if (content->len < (size_t) announced)
		return fail(reading->err, ST_MALFORMED, "archive is cut short");
	return reading->on_file != NULL ? reading->on_file(reading->data, path, buf_view(content), reading->err) : ST_OK;
}

static enum status read_entry(struct reading *reading, struct archive_entry *entry)
{
	const bool  is_file = archive_entry_filetype(entry) == AE_IFREG;
	char        path[ARCHIVE_PATH_MAX + 1];
	enum status st = entry_path(reading, entry, path);

	if (st != ST_OK)
		return st;
	if (++reading->entries > reading->limits->entries)
		return fail(reading->err, ST_TOO_LARGE, "archive has more than %zu entries", reading->limits->entries);
	if (is_link(entry))
		return fail(reading->err, ST_MALFORMED, "\"%s\" is a link: an archive may hold files and folders only", path);
	if (!is_file && archive_entry_filetype(entry) != AE_IFDIR)
		return fail(reading->err, ST_MALFORMED, "\"%s\" is neither a file nor a folder", path);
	if (path[0] == '\0')
		return is_file ? fail(reading->err, ST_MALFORMED, "a file of the archive has no name") : ST_OK;

	st = note_path(reading, view_of(path), is_file);
	if (st != ST_OK)
		return st;
	if (is_file)
		return read_content(reading, path, archive_entry_size(entry));
	return reading->on_folder != NULL ? reading->on_folder(reading->data, path, reading->err) : ST_OK;
}

/* What follows the end of the tar is of no interest, but the stream must be whole and within its bounds. */
static enum status read_rest(struct reading *reading)
{
	size_t      len = 1;
	enum status st = ST_OK;

	while (st == ST_OK && len > 0)
		st = inflate_chunk(reading, &len);
	if (st == ST_OK && reading->entries == 0)
		return fail(reading->err, ST_MALFORMED, "archive is empty");
	return st;
}

static enum status read_all(struct view bytes, const struct archive_limits *limits, archive_each *on_file,
                            folder_each *on_folder, void *data, struct error *err)
{
	CLEANUP(reading_clearp) struct reading *reading = calloc(1, sizeof *reading);
	struct archive_entry *entry;
	enum status           st;
	int                   code;

	if (reading == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	reading->bytes = bytes;
	reading->limits = limits != NULL ? limits : &archive_default_limits;
	reading->on_file = on_file;
	reading->on_folder = on_folder;
	reading->data = data;
	reading->err = err;

	st = reading_open(reading);
	while (st == ST_OK) {
		code = archive_read_next_header(reading->tar, &entry);
		if (code == ARCHIVE_EOF && reading->st == ST_OK)
			return read_rest(reading);
		if (code < ARCHIVE_WARN || reading->st != ST_OK)        /* a warning is about the locale, not the bytes */
			return fail_tar(reading);
		st = read_entry(reading, entry);
	}
	return st;
}

enum status archive_check(struct view bytes, const struct archive_limits *limits, struct error *err)
{
	return read_all(bytes, limits, NULL, NULL, NULL, err);
}

enum status archive_read(struct view bytes, const struct archive_limits *limits, archive_each *each, void *data,
                         struct error *err)
{
	return read_all(bytes, limits, each, NULL, data, err);
}

static enum status extract_file(void *data, const char *path, struct view content, struct error *err)
{
	return file_write_at(*(const int *) data, path, content, err);
}

static enum status extract_folder(void *data, const char *path, struct error *err)
{
	return folder_make_at(*(const int *) data, path, err);
}

enum status archive_extract(struct view bytes, const struct archive_limits *limits, int dir_fd, struct error *err)
{
	return read_all(bytes, limits, extract_file, extract_folder, &dir_fd, err);
}
