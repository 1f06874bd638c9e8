/*
 * app_context.h - extension "emco.app-context/1": read and edit the plan of one deployment.
 *
 * An AppContext says which objects go to which clusters: applications, for each its clusters, for each cluster its
 * objects in order.  Inside a call of a controller, edits go to an overlay of that call: they count when the slot
 * returns EMCO_OK and vanish otherwise.  Outside one (status, synchronisers), a context can only be read.
 *
 * A cluster is named "provider+cluster", an object "name+Kind".  All names and bodies given out live as long as the call.
 * [thread] the call's.
 */
#ifndef EMCO_APP_CONTEXT_H
#define EMCO_APP_CONTEXT_H

#include "emco/abi.h"

#define EMCO_APP_CONTEXT_1  "emco.app-context/1"

typedef struct emco_app_context_meta {
	uint32_t size;
	uint32_t reserved;
	emco_str owner;                /* path of the resource that owns it, below /v2/   */
	emco_str project, composite_app, version, release, deployment_intent_group;
	emco_str namespace_, level, logical_cloud;
	emco_str status_context;       /* id of the context that collects status          */
} emco_app_context_meta;

/* group: clusters of one app that share a group are alternatives, of which the first in byte order will be kept. */
typedef emco_status emco_app_context_each_cluster(void *data, emco_str app, emco_str cluster, emco_str group);

/* When an object is applied: with the others in order, as a Helm hook, or before everything as a CRD. */
#define EMCO_PHASE_MAIN  0
#define EMCO_PHASE_CRD   1
#define EMCO_PHASE_HOOK  2

typedef struct emco_object {
	uint32_t size;
	int32_t  phase;
	emco_str name;                 /* "web+Deployment"                                */
	emco_str api_version, kind, namespace_;
	emco_str events;               /* of a hook: "pre-install,post-upgrade"           */
} emco_object;

typedef emco_status emco_app_context_each_object(void *data, const emco_object *object);

typedef struct emco_app_context_1 {
	uint32_t size;
	uint32_t reserved;

	emco_status (*meta)(emco_call *call, emco_str context, emco_app_context_meta *ret_meta);

	/* All clusters of all apps, in the order of apps, then byte order.  Clusters may be dropped while walking. */
	emco_status (*each_cluster)(emco_call *call, emco_str context, emco_app_context_each_cluster *each, void *data);

	/* Take the app off the cluster.  EMCO_E_NOT_FOUND. */
	emco_status (*drop_cluster)(emco_call *call, emco_str context, emco_str app, emco_str cluster);

	/* The objects of an app on a cluster, in order.  They may be written or dropped while walking. */
	emco_status (*each_object)(emco_call *call, emco_str context, emco_str app, emco_str cluster,
	                           emco_app_context_each_object *each, void *data);

	/* The object as JSON.  EMCO_E_NOT_FOUND. */
	emco_status (*read_object)(emco_call *call, emco_str context, emco_str app, emco_str cluster, emco_str object,
	                           emco_str *ret_body);

	/* Replace an object, or add it at the end when there is none of that name.  body: JSON or YAML, one document with
	 * apiVersion, kind and metadata.name, which must agree with object.  EMCO_E_INVALID says what is wrong. */
	emco_status (*write_object)(emco_call *call, emco_str context, emco_str app, emco_str cluster, emco_str object,
	                            emco_str body);

	emco_status (*drop_object)(emco_call *call, emco_str context, emco_str app, emco_str cluster, emco_str object);
} emco_app_context_1;

#endif
