/*
 * status_place.h - one app on one cluster, as a status shows it.
 */
#ifndef HOST_ORCHESTRATOR_STATUS_PLACE_H
#define HOST_ORCHESTRATOR_STATUS_PLACE_H

#include "host/orchestrator/json_out.h"
#include "host/orchestrator/status_priv.h"

struct here {
	struct plan_slot         *slot;
	struct view               app, cluster;
	const struct unit_status *unit;              /* NULL: none                          */
	const struct set_entry   *entries;
	size_t                    count;
	struct object_row        *objects;           /* what is known of them               */
	size_t                    object_count;
	struct seen_row          *seen;              /* what is seen of them, by name       */
	size_t                    seen_count;
	bool                     *is_entry;          /* for each                            */
};

/* Read its objects, and their states when the mode shows them; they live in arena. */
enum status MUST_CHECK place_look(struct report *report, struct here *here, struct arena *arena, bool with_states,
                                  struct error *err);

/* What is seen of an object, which is thereby known to be one of the set's; NULL: it is not there, or nobody has looked. */
const struct seen_row *place_seen(const struct here *here, struct view name);

/* What is seen as an entry; false: its name tells no kind. */
bool place_made(const struct seen_row *seen, struct set_entry *ret_entry);

/* Count its objects, and write it.  Nothing is written for a cluster without a matching object. */
void put_place(struct out *out, struct report *report, struct here *here);

void put_cluster(struct out *out, struct view cluster);                  /* "clusterProvider" and "cluster" */
void put_connectivity(struct out *out, const struct report *report, const struct unit_status *unit);     /* unit may be NULL */
void put_trouble(struct out *out, const struct unit_status *unit);       /* of one that is not done: what it waits for, what failed */
void put_gvk(struct out *out, const struct set_entry *entry);
void open_object(struct out *out, const struct set_entry *entry);        /* its kind and name; the caller closes it */

void put_leaving(struct out *out, const struct report *report);          /* status_leaving.c */

/* Every place that the query shows. */
typedef void each_place(struct out *out, struct report *report, struct here *here);
void walk_places(struct out *out, struct report *report, each_place *each);

/* -- as clusters have it now: status_live.c -- */

/*
 * Ask clusters for what will be shown in detail of them, when the query is for that.  Those that do not answer in time have
 * told nothing, which is no failure.  ST_TOO_LARGE.
 */
enum status MUST_CHECK report_ask_clusters(struct report *report, int64_t deadline_ns, struct error *err);

/* The object as JSON; empty: that was not told.  is_ours: of the app's set, and so where that has it. */
struct view report_live_body(const struct report *report, const struct here *here, const struct set_entry *entry, bool is_ours);

/* No names: every one. */
bool name_is_among(const struct view *names, size_t count, struct view name);

#endif
