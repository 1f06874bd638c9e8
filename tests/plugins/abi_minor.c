/* Needs what only a later minor version of the ABI offers. */
#include <emco/plugin.h>

EMCO_PLUGIN_NEEDING(3, .name = "test-minor", .version = "1", .summary = "Of a later ABI.", .priority = 1);
