/*
 * clusters.h - extension "emco.clusters/1": what the server knows about clusters.
 *
 * A cluster is named "provider+cluster".  Everything given out lives as long as the call.  [thread] the call's.
 */
#ifndef EMCO_CLUSTERS_H
#define EMCO_CLUSTERS_H

#include "emco/abi.h"

#define EMCO_CLUSTERS_1  "emco.clusters/1"

/* How to reach a cluster: secrets, given to synchronisers only. */
typedef struct emco_cluster_access {
	uint32_t size;
	uint32_t reserved;
	emco_str kubeconfig;           /* empty for a GitOps cluster                                          */
	emco_str git_ops_type;         /* "fluxcd", "azureArcV2", "anthos"; empty for a Kubernetes cluster    */
	emco_str reference_object;     /* JSON object of the sync object's key-value pairs, merged            */
	emco_str resource_object;      /* the same for timers; "{}" when none is named                        */
} emco_cluster_access;

typedef emco_status emco_cluster_each(void *data, emco_str cluster);

typedef struct emco_clusters_1 {
	uint32_t size;
	uint32_t reserved;

	/* 1 when the cluster carries the label, 0 when not, also when there is no such cluster. */
	emco_status (*has_label)(emco_call *call, emco_str cluster, emco_str label, int32_t *ret_has);

	/* All clusters of a provider that carry a label (empty label: all), in byte order. */
	emco_status (*each)(emco_call *call, emco_str provider, emco_str label, emco_cluster_each *each, void *data);

	/* The value of a key in any of the cluster's key-value sets, as JSON; EMCO_E_NOT_FOUND. */
	emco_status (*value)(emco_call *call, emco_str cluster, emco_str key, emco_str *ret_value);

	/* EMCO_E_FORBIDDEN unless the plugin has the role EMCO_ROLE_SYNCHRONISER.  level and namespace choose the access
	 * record ("0" and "default": the administrator's).  EMCO_E_NOT_FOUND. */
	emco_status (*access)(emco_call *call, emco_str cluster, emco_str level, emco_str namespace_,
	                      emco_cluster_access *ret_access);
} emco_clusters_1;

#endif
