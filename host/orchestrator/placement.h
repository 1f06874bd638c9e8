/*
 * placement.h - which clusters an application may run on: the generic placement intent, resolved.
 *
 * allOf names clusters that must get the app, each in a group of its own.  An anyOf names alternatives: its clusters
 * share one group, and the first in byte order that placement controllers leave will be kept.  Labels mean the
 * clusters of a provider that carry them now.  Unlike EMCO, a mandatory cluster is never an alternative at the same
 * time, alternatives outside the logical cloud are passed over, and a group that ends empty is an error.  Pure but
 * for the look-up of labels.
 */
#ifndef HOST_ORCHESTRATOR_PLACEMENT_H
#define HOST_ORCHESTRATOR_PLACEMENT_H

#include "lib/base/json.h"

struct place {
	struct view cluster;            /* "provider+cluster"                                */
	unsigned    group;              /* from 1                                            */
	bool        is_mandatory;
};

struct placement {
	struct place *at;               /* in byte order of cluster                          */
	size_t        count;
};

struct placement_ask {
	struct view   app;
	struct view   intent_name;      /* of the app's placement intent, for messages       */
	const json_t *intent;           /* {"allOf": [...], "anyOf": [...]}                  */
	const struct view *cloud;       /* the logical cloud's clusters, in byte order       */
	size_t        cloud_count;
	/*
	 * The clusters of a provider that carry a label, as names without provider, in any order.  ST_NOT_FOUND: there is
	 * no such provider.  Views live as long as the arena.
	 */
	enum status (*labelled)(void *data, struct view provider, struct view label, const struct view **ret_clusters,
	                        size_t *ret_count, struct error *err);
	void         *data;
};

/*
 * Result in arena.  ST_CONFLICT: a mandatory cluster that the logical cloud does not have, an empty group, no cluster
 * at all; ST_NOT_FOUND: an unknown provider; each names the app, its intent and the entry.
 */
enum status MUST_CHECK placement_resolve(const struct placement_ask *ask, struct arena *arena,
                                         struct placement *ret_placement, struct error *err);

#endif
