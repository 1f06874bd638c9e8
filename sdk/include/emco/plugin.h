/*
 * plugin.h - what a controller is: one descriptor, exported by one macro.
 *
 *     EMCO_PLUGIN(.name = "nearest", .version = "1.0.0", .roles = EMCO_ROLE_PLACEMENT, .create = create, ...);
 *
 * Life of an instance: check, create, start, then operations and health (and reconfigure) until stop, then destroy.
 * A slot that is NULL is not offered.  Operations may be called from several threads at once when thread_model is
 * EMCO_THREADS_PARALLEL, and one at a time otherwise; life-cycle slots are called one at a time, never beside an operation
 * of the same instance, except health.  Every call has a deadline: a late answer is dropped with all it edited.
 */
#ifndef EMCO_PLUGIN_H
#define EMCO_PLUGIN_H

#include "emco/app_context.h"
#include "emco/clusters.h"
#include "emco/option.h"
#include "emco/resource.h"
#include "emco/units.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EMCO_ROLE_PLACEMENT          1u
#define EMCO_ROLE_ACTION             2u
#define EMCO_ROLE_SYNCHRONISER       4u
#define EMCO_ROLE_PROXY              8u
#define EMCO_ROLE_CLUSTER_LISTENER  16u

#define EMCO_THREADS_SERIAL    0u
#define EMCO_THREADS_PARALLEL  1u

#define EMCO_EVENT_INSTANTIATE  0
#define EMCO_EVENT_TERMINATE    1
#define EMCO_EVENT_UPDATE       2

#define EMCO_CLUSTER_CREATED  0
#define EMCO_CLUSTER_UPDATED  1
#define EMCO_CLUSTER_DELETED  2

typedef struct emco_instance emco_instance;    /* the plugin's own; the server never looks inside */

typedef struct emco_plugin {
	uint32_t size;                 /* filled by EMCO_PLUGIN                                            */
	uint32_t abi;                  /* what it was built with                                           */
	uint32_t abi_needs;            /* the lowest server ABI it runs with; EMCO_PLUGIN: major.0          */
	uint32_t roles;
	const char *name;              /* "nearest"; also the file's name: nearest.so                      */
	const char *version;
	const char *summary;           /* one sentence                                                     */
	const char *const *aliases;    /* names of controller records that mean this plugin; NULL-terminated */
	int32_t  priority;             /* default: 1 to 1,000,000, smaller first                           */
	uint32_t thread_model;

	const emco_option *options;    uint32_t option_size;    uint32_t config_size;
	const emco_resource_type *types;    uint32_t type_size;    uint32_t type_count;

	/* Are these options possible together?  Told by call->fail.  Nothing may be kept. */
	emco_status (*check)(const emco_host *host, emco_call *call, const void *config);

	/* Make an instance.  host and config are valid until destroy returns (config: until reconfigure returns). */
	emco_status (*create)(const emco_host *host, emco_call *call, const void *config, emco_instance **ret_instance);

	/* Begin own threads and connections.  No operation comes before it returns EMCO_OK. */
	emco_status (*start)(emco_instance *self, emco_call *call);

	/* Take new options; the old config is gone when it returns EMCO_OK, the new one otherwise. */
	emco_status (*reconfigure)(emco_instance *self, emco_call *call, const void *config);

	/* EMCO_OK, or why not by call->fail.  Must return within a second.  [thread] any. */
	emco_status (*health)(emco_instance *self, emco_call *call);

	/* End own threads; return when none runs.  No operation comes after it. */
	void (*stop)(emco_instance *self);
	void (*destroy)(emco_instance *self);

	/* Placement: drop the clusters that do not fit.  intent: name of the controller's intent, from the group intents. */
	emco_status (*filter_clusters)(emco_instance *self, emco_call *call, emco_str context, emco_str intent);

	/* Action: adapt the objects.  from: the context that is replaced; empty on instantiate. */
	emco_status (*update_app_context)(emco_instance *self, emco_call *call, emco_str context, emco_str intent,
	                                  emco_str from);

	/* Action: let go of what this context needed outside of it. */
	emco_status (*terminate_app_context)(emco_instance *self, emco_call *call, emco_str context);

	/* Told after the hand-over to the synchroniser.  event: EMCO_EVENT_... */
	emco_status (*post_event)(emco_instance *self, emco_call *call, emco_str context, int32_t event);

	/* Cluster listener: told at least once.  event: EMCO_CLUSTER_... */
	emco_status (*cluster_event)(emco_instance *self, emco_call *call, emco_str provider, emco_str cluster,
	                             int32_t event);

	/*
	 * Synchroniser: tell the objects as their clusters have them now, for a status in detail.  Clusters that cannot be asked,
	 * or do not answer in time, and kinds that they do not have, are passed over.  To return before the call's deadline: what
	 * was told by then counts, whatever is returned.  Queries of one cluster stand together; Secrets are not asked for.  each is
	 * called on the call's thread; what it returns, when that is not EMCO_OK, ends the reading and is its result.
	 */
	emco_status (*read_objects)(emco_instance *self, emco_call *call, const emco_object_query *queries, uint64_t count,
	                            emco_each_found *each, void *data);
} emco_plugin;

/* The one symbol.  host_abi: the server's EMCO_ABI.  Returns the descriptor whatever it is: the server decides. */
typedef const emco_plugin *emco_plugin_entry_fn(uint32_t host_abi);
#define EMCO_PLUGIN_ENTRY  "emco_plugin_entry"

#define EMCO_OPTIONS(table, struct_type) \
	.options = (table), .option_size = sizeof((table)[0]), .config_size = sizeof(struct_type)
#define EMCO_TYPES(table) \
	.types = (table), .type_size = sizeof((table)[0]), .type_count = sizeof(table) / sizeof((table)[0])

#ifdef __cplusplus
#define EMCO_EXTERN_  extern "C"
#else
#define EMCO_EXTERN_
#endif

#define EMCO_PLUGIN(...)  EMCO_PLUGIN_NEEDING(0, __VA_ARGS__)

/* For a plugin that cannot do without what a minor version brought, and so shall not load in an older server. */
#define EMCO_PLUGIN_NEEDING(minor, ...) \
	static const emco_plugin emco_plugin_self_ = { \
		.size = sizeof(emco_plugin), .abi = EMCO_ABI, .abi_needs = EMCO_ABI_MAJOR << 16 | (minor), __VA_ARGS__ }; \
	EMCO_EXTERN_ __attribute__((visibility("default"))) const emco_plugin *emco_plugin_entry(uint32_t host_abi); \
	const emco_plugin *emco_plugin_entry(uint32_t host_abi) \
	{ \
		(void) host_abi; \
		return &emco_plugin_self_; \
	} \
	typedef int emco_plugin_end_       /* takes the semicolon */

#ifdef __cplusplus
}
#endif
#endif
