/*
 * strange.h - a descriptor that EMCO_PLUGIN would not make: of another ABI, or of another size.
 */
#ifndef TESTS_PLUGINS_STRANGE_H
#define TESTS_PLUGINS_STRANGE_H

#include <emco/plugin.h>

#define STRANGE_PLUGIN(...) \
	static const emco_plugin strange = { __VA_ARGS__ }; \
	__attribute__((visibility("default"))) const emco_plugin *emco_plugin_entry(uint32_t host_abi); \
	const emco_plugin *emco_plugin_entry(uint32_t host_abi) \
	{ \
		(void) host_abi; \
		return &strange; \
	} \
	typedef int strange_end

#endif
