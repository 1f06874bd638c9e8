/*
 * deployment.h - everything an instantiate or update needs to know, read from the store in few queries.
 *
 * Nothing here is decided: the resources are gathered, and what is missing is named all at once.
 */
#ifndef HOST_ORCHESTRATOR_DEPLOYMENT_H
#define HOST_ORCHESTRATOR_DEPLOYMENT_H

#include "host/orchestrator/lifecycle.h"
#include "host/orchestrator/orchestrator.h"
#include "host/store/action.h"

struct deployment_app {
	struct view   name, path;
	struct view   chart, profile;           /* archives                                     */
	const json_t *overrides;                /* NULL: none                                   */
	struct view   intent_name;              /* of its placement intent                      */
	const json_t *intent;                   /* {"allOf", "anyOf"}                           */
	struct view   dependencies;             /* JSON array; empty: none                      */
	struct view   kube_version;             /* that its chart is rendered for               */
};

struct deployment {
	struct arena   arena;                   /* owns everything                              */
	struct view    path, project, composite_app, version, name;
	struct view    composite_app_path;
	int64_t        id;
	const json_t  *doc;
	struct view    release, profile_name;
	struct view    cloud, cloud_path;       /* the logical cloud                            */
	int64_t        cloud_id;
	struct view    namespace_, level;
	struct view   *clusters;                /* of the cloud, "provider+cluster", byte order */
	size_t         cluster_count;
	json_t        *intents;                 /* array of maps: controller → intent           */
	struct view    placement_name;          /* of the generic placement intent; empty: none is named */
	bool           has_profile, has_placement;       /* the composite profile and the placement intent exist */
	struct deployment_app *apps;            /* in byte order of name                        */
	size_t         app_count;
};

/* In place; deployment_done it also after a failure. */
void deployment_init(struct deployment *deployment);
void deployment_done(struct deployment *deployment);
#define auto_deployment CLEANUP(deployment_done) struct deployment

/* Only the document and what its path says: for terminate.  ST_NOT_FOUND. */
enum status MUST_CHECK deployment_load_head(struct deployment *deployment, struct orchestrator *o, struct db *db,
                                            struct view path, struct error *err);

/* The group intents. */
enum status MUST_CHECK deployment_load_intents(struct deployment *deployment, struct orchestrator *o, struct db *db,
                                               struct error *err);

/* The logical cloud, which must be usable now, and its namespace. */
enum status MUST_CHECK deployment_load_cloud(struct deployment *deployment, struct orchestrator *o, struct db *db,
                                             struct error *err);

/*
 * All of it.  ST_NOT_FOUND: the deployment, its logical cloud, or something else it refers to;
 * ST_CONFLICT: the logical cloud cannot be used now, an app lacks a profile or an intent, dependencies that run in a
 * circle.
 */
enum status MUST_CHECK deployment_load(struct deployment *deployment, struct orchestrator *o, struct db *db,
                                       struct view path, struct error *err);

/* May the cloud be used now?  In any transaction; ST_CONFLICT says why not. */
enum status MUST_CHECK deployment_check_cloud(const struct deployment *d, struct db *db, int64_t cloud_id,
                                              struct error *err);

/* -- steps: deployment_step.c -- */

/* life_check of a deployment; of one that has migrated the error says to where. */
enum status MUST_CHECK deployment_check_life(struct db *db, struct view path, int64_t owner, const struct action *last,
                                             enum life_event on, enum life *ret_to, struct error *err);

/* -- in the transaction that carries a step -- */

/*
 * The deployment first, then its logical cloud: whoever locks both does it in this order.  ST_CONFLICT: it is not what it
 * was when `since` was its last action, or the cloud cannot be used now.
 */
enum status MUST_CHECK deployment_lock(struct db *db, struct view path, int64_t owner, const struct action *since,
                                       struct error *err);
enum status MUST_CHECK deployment_lock_cloud(const struct deployment *d, struct db *db, struct error *err);

/*
 * Are all clusters of the context still in the logical cloud?  In the transaction that moves there: they stay in it until
 * its end.  ST_CONFLICT names one that is not.
 */
enum status MUST_CHECK deployment_check_clusters(struct deployment *d, struct db *db, int64_t context, struct error *err);

/*
 * Record that the context of the last action was left for another, and that a context is what the owner is now: contexts
 * of revisions that are too old go.
 */
enum status MUST_CHECK deployment_left(struct db *db, int64_t owner, const struct action *last, struct error *err);
enum status MUST_CHECK deployment_arrived(const struct orchestrator *o, struct db *db, int64_t owner, int64_t instance,
                                          int64_t status_context, int64_t *ret_revision, struct error *err);

/* Where an app may go; explains: also what was passed over.  Labels are read once each.  Result in the deployment's arena. */
struct placement;
enum status MUST_CHECK deployment_place(struct deployment *deployment, struct orchestrator *o, struct db *db, bool explains,
                                        struct placement *ret_placements, struct error *err);

/*
 * One part of a path, counted from 0; empty when there is none.  Names stand at fixed places:
 * projects/P/composite-apps/CA/V/deployment-intent-groups/D and projects/P/logical-clouds/L.
 */
enum { PART_PROJECT = 1, PART_COMPOSITE_APP = 3, PART_VERSION = 4, PART_DEPLOYMENT = 6, PART_CLOUD = 3 };
struct view path_part(struct view path, unsigned part);

#endif
