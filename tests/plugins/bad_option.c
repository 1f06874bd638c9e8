/* An option whose default its own row refuses. */
#include <emco/plugin.h>

struct config { int64_t limit; };

static const emco_option options[] = {
	EMCO_OPTION(struct config, limit, .dflt = "100", .min = 1, .max = 10, .help = "More than it may be."),
	EMCO_OPTION_END,
};

EMCO_PLUGIN(.name = "test-bad-option", .version = "1", .summary = "Its default is wrong.", .priority = 1,
            EMCO_OPTIONS(options, struct config));
