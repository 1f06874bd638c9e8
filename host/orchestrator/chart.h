/*
 * chart.h - the two archives of an application, made ready for Helm in a private folder.
 *
 * The chart archive holds a folder named like the application.  The profile archive holds manifest.yaml, which names a
 * file of values and files to lay over the chart:
 *
 *     version: v1
 *     type:
 *       values: override.yaml
 *       configresource: [{filepath: extra/cm.yaml, chartpath: web/templates/cm.yaml}]
 *
 * Every path is confined to its archive and to the unpacked chart.
 */
#ifndef HOST_ORCHESTRATOR_CHART_H
#define HOST_ORCHESTRATOR_CHART_H

#include "lib/base/buf.h"

/*
 * Unpack the chart of app below the open folder, which is ours and empty.
 * ST_INVALID: no folder of the app's name; else as archive_extract.
 */
enum status MUST_CHECK chart_unpack(struct view archive, struct view app, int folder_fd, struct error *err);

/*
 * Lay the profile over the chart unpacked below folder_fd, and append its file of values (none: nothing).
 * ST_INVALID: no manifest.yaml, a path that leaves its place, a file that is not there, a target folder that is not
 * there.
 */
enum status MUST_CHECK profile_apply(struct view archive, int folder_fd, struct buf *values, struct error *err);

#endif
