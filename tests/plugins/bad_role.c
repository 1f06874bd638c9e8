/* Says it places, and has no slot for it. */
#include <emco/plugin.h>

EMCO_PLUGIN(.name = "test-bad-role", .version = "1", .summary = "It promises too much.", .priority = 1,
            .roles = EMCO_ROLE_PLACEMENT);
