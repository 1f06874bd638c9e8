/* Its descriptor ends before health: what lies behind belongs to somebody else, and must not be called. */
#include "strange.h"

STRANGE_PLUGIN(.size = offsetof(emco_plugin, health), .abi = EMCO_ABI, .abi_needs = EMCO_ABI, .name = "test-older",
               .version = "1", .summary = "Of yesterday.", .priority = 1,
               .health = (emco_status (*)(emco_instance *, emco_call *)) 1, .destroy = (void (*)(emco_instance *)) 1);
