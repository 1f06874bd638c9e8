/* Built for another major version of the ABI. */
#include "strange.h"

STRANGE_PLUGIN(.size = sizeof(emco_plugin), .abi = 2u << 16, .abi_needs = 2u << 16, .name = "test-major", .version = "1",
               .summary = "Of another ABI.", .priority = 1);
