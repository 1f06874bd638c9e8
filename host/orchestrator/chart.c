#include "host/orchestrator/chart.h"

#include "lib/base/archive.h"

#include <fcntl.h>
#include <sys/stat.h>

enum status chart_unpack(struct view archive, struct view app, int folder_fd, struct error *err)
{
	struct stat info;
	char        name[256];
	enum status st = archive_extract(archive, &archive_default_limits, folder_fd, err);

	if (st != ST_OK)
		return fail_within(err, "chart");
	if (app.len >= sizeof name || !path_is_inside(app) || memchr(app.ptr, '/', app.len) != NULL)
		return fail(err, ST_INVALID, "chart: \"%.*s\" is no name for a folder", (int) app.len, app.ptr);
	memcpy(name, app.ptr, app.len);
	name[app.len] = '\0';
	if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode)) {
		fail(err, ST_INVALID, "chart: the archive must hold a folder named like the app, \"%s\", and holds none", name);
		return fail_hint(err, "Put the chart into a folder \"%s\" and pack that folder.", name);
	}
	return ST_OK;
}
