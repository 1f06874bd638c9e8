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

/*
 * Why a cluster is in its group: the groups after those of the reason before this one, up to last_group.  because is what
 * the intent says of them, or empty: it names the cluster itself.
 */
struct place_why {
	unsigned    last_group;
	bool        is_mandatory;
	struct view because;            /* "label \"edge\" of provider \"p\""                */
};

struct place_passed {               /* a cluster that was no choice after all            */
	struct view cluster;
	const char *why;                /* a literal                                         */
};

struct placement {
	struct place *at;               /* in byte order of cluster                          */
	size_t        count;
	struct view   intent;           /* of the app                                        */
	const struct place_why *whys;   /* in order of groups                                */
	size_t        why_count;
	const struct place_passed *passed;      /* in byte order of cluster, when the ask explains */
	size_t        passed_count;
};

struct placement_ask {
	struct view   app;
	struct view   intent_name;      /* of the app's placement intent, for messages       */
	const json_t *intent;           /* {"allOf": [...], "anyOf": [...]}                  */
	struct view   cloud_name;       /* of the logical cloud, for messages                */
	const struct view *cloud;       /* its clusters, in byte order                       */
	size_t        cloud_count;
	bool          explains;         /* tell also what was passed over                    */
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
