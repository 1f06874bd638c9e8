/* Its entry returns nothing. */
#include <emco/plugin.h>

__attribute__((visibility("default"))) const emco_plugin *emco_plugin_entry(uint32_t host_abi);

const emco_plugin *emco_plugin_entry(uint32_t host_abi)
{
	(void) host_abi;
	return NULL;
}
