/*
 * extensions.h - the capabilities that the orchestrator offers to plugins, a file per table.
 */
#ifndef HOST_ORCHESTRATOR_EXTENSIONS_H
#define HOST_ORCHESTRATOR_EXTENSIONS_H

#include "emco/plugin.h"

extern const emco_app_context_1 extension_app_context;       /* extension_app_context.c */
extern const emco_clusters_1    extension_clusters;          /* extension_clusters.c    */
extern const emco_resources_1   extension_resources;         /* extension_resources.c   */
extern const emco_units_1       extension_units;             /* extension_units.c       */

#endif
