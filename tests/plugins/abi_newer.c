/* Built with a later minor version, whose descriptor is longer, and content with ours. */
#include <emco/plugin.h>

static emco_status update(emco_instance *self, emco_call *call, emco_str context, emco_str intent, emco_str from)
{
	(void) self;
	(void) call;
	(void) context;
	(void) intent;
	(void) from;
	return EMCO_OK;
}

struct later { emco_plugin plugin; void (*slot_of_tomorrow)(void); };

static void tomorrow(void)
{
}

static const struct later later = {
	.plugin = {
		.size = sizeof(struct later), .abi = EMCO_ABI_MAJOR << 16 | 7u, .abi_needs = EMCO_ABI_MAJOR << 16,
		.name = "test-newer", .version = "1", .summary = "Of tomorrow.", .roles = EMCO_ROLE_ACTION, .priority = 1,
		.update_app_context = update,
	},
	.slot_of_tomorrow = tomorrow,
};

__attribute__((visibility("default"))) const emco_plugin *emco_plugin_entry(uint32_t host_abi);

const emco_plugin *emco_plugin_entry(uint32_t host_abi)
{
	(void) host_abi;
	return &later.plugin;
}
