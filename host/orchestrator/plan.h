/*
 * plan.h - an AppContext in memory: which objects go to which clusters.
 *
 * It is a Merkle tree while it is being made, as it is in the store: a slot for each (app, cluster) points at a set
 * of objects, which is immutable, named by digest and shared by all slots with the same objects.  A thousand clusters
 * of one app begin with one set.  Whoever edits one cluster gets a draft of its set, copied on the first write; a
 * draft becomes a set again when it is left.
 *
 * Controllers edit inside plan_begin and plan_keep or plan_drop: what a call edited counts as a whole or not at all, at
 * the cost of what it touched.  A plan belongs to one thread at a time.
 */
#ifndef HOST_ORCHESTRATOR_PLAN_H
#define HOST_ORCHESTRATOR_PLAN_H

#include "host/orchestrator/object.h"
#include "host/orchestrator/placement.h"
#include "host/store/context.h"

struct plan;
struct plan_slot;

struct plan_meta {
	struct view owner;              /* path of the resource that owns it, below /v2/           */
	struct view project, composite_app, version, release, deployment_intent_group;
	struct view namespace_, level, logical_cloud;
	struct view cloud_namespace, cloud_level;        /* LogicalCloudNamespace, LogicalCloudLevel */
	int64_t     status_context;     /* 0: the plan's own id                                    */
};

/* -- life -- */

/* A new one, with an id of its own.  sealer names secrets; it and the meta's texts are borrowed.  NULL: no memory. */
struct plan *plan_new(struct sealer *sealer, const struct plan_meta *meta);
void plan_free(struct plan *plan);                       /* accepts NULL */
static inline void plan_freep(struct plan **plan) { plan_free(*plan); }
#define auto_plan CLEANUP(plan_freep) struct plan

/* A stored one, for reading: its sets and objects are read when they are asked for.  ST_NOT_FOUND. */
enum status MUST_CHECK plan_load(struct store *store, struct db *db, int64_t id, struct plan **ret_plan,
                                 struct error *err);

/* The connection that a stored plan reads with from here on.  Borrowed. */
void plan_use(struct plan *plan, struct db *db);
bool plan_is_stored(const struct plan *plan);

int64_t     plan_id(const struct plan *plan);
struct view plan_id_text(const struct plan *plan);       /* decimal */
const struct plan_meta *plan_meta(const struct plan *plan);

/* -- making -- */

/* Add an app: its clusters share the objects.  Everything but the placement's places is borrowed for the plan's life. */
enum status MUST_CHECK plan_add_app(struct plan *plan, struct view app, const struct objects *objects,
                                    const struct placement *placement, struct error *err);

/* What the app waits for: a JSON array of {"app", "opStatus", "wait"}, borrowed. */
enum status MUST_CHECK plan_add_dependencies(struct plan *plan, struct view app, struct view json, struct error *err);

/*
 * Of each group keep the first cluster in byte order.  ST_CONFLICT: placement controllers left nothing of a group;
 * app and clusters are named.
 */
enum status MUST_CHECK plan_trim(struct plan *plan, struct error *err);

/*
 * Write it with everything it needs, in the caller's transaction, with the owner locked.  If the owner keeps a context of the same
 * label that says the same, nothing is written, and the plan has that one's id from here on.
 */
enum status MUST_CHECK plan_flush(struct plan *plan, struct store *store, struct db *db, int64_t owner,
                                  struct error *err);

/* -- reading -- */

size_t      plan_app_count(const struct plan *plan);
struct view plan_app(const struct plan *plan, size_t app);

/* Slots of an app in byte order of cluster; those that were dropped are counted too, and are NULL. */
size_t            plan_slot_count(const struct plan *plan, size_t app);
struct plan_slot *plan_slot(const struct plan *plan, size_t app, size_t slot);
struct plan_slot *plan_find(const struct plan *plan, struct view app, struct view cluster);      /* NULL: none */
struct view       plan_slot_cluster(const struct plan_slot *slot);
struct view       plan_slot_group(const struct plan_slot *slot);
struct digest     plan_slot_set(struct plan *plan, struct plan_slot *slot);      /* zero when out of memory */

/* Why the slot is there: what the app's placement intent says.  False: it was placed by no intent. */
struct plan_why { struct view intent, because; bool is_mandatory; };     /* because empty: it names the cluster */
bool plan_slot_why(const struct plan *plan, const struct plan_slot *slot, struct plan_why *ret_why);

/* Slots that were dropped since the last such call were so because of this; why is borrowed. */
void plan_explain_drops(struct plan *plan, struct view why);

/* The cluster of a slot that was dropped, and what was said of it; false: it was not. */
bool plan_dropped(const struct plan *plan, size_t app, size_t slot, struct view *ret_cluster, struct view *ret_why);

/* The entries of a slot, immutable for the plan's life: edits make others. */
enum status MUST_CHECK plan_entries(struct plan *plan, struct plan_slot *slot, const struct set_entry **ret_entries,
                                    size_t *ret_count, struct error *err);

/* The object of that name as JSON, for the plan's life.  ST_NOT_FOUND. */
enum status MUST_CHECK plan_body(struct plan *plan, struct plan_slot *slot, struct view name, struct view *ret_body,
                                 struct error *err);

/* Distinct sets and objects that live slots need: what a flush writes. */
struct plan_size { size_t slots, sets, manifests; };
struct plan_size plan_size(struct plan *plan);

/* -- editing -- */

void plan_begin(struct plan *plan);
enum status MUST_CHECK plan_keep(struct plan *plan, struct error *err);      /* on failure everything is dropped */
void plan_drop(struct plan *plan);

/* Between begin and end.  A stored plan refuses: ST_CONFLICT.  Texts are copied. */
enum status MUST_CHECK plan_drop_cluster(struct plan *plan, struct plan_slot *slot, struct error *err);
enum status MUST_CHECK plan_write_object(struct plan *plan, struct plan_slot *slot, const struct object *object,
                                         struct error *err);
enum status MUST_CHECK plan_drop_object(struct plan *plan, struct plan_slot *slot, struct view name, struct error *err);

#endif
