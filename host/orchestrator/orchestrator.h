/*
 * orchestrator.h - what deploys: the parts an operation needs, in one place.
 */
#ifndef HOST_ORCHESTRATOR_ORCHESTRATOR_H
#define HOST_ORCHESTRATOR_ORCHESTRATOR_H

#include "host/registry/chain.h"
#include "host/registry/guard.h"
#include "host/store/history.h"

struct orchestrator_options {
	const char *helm;                    /* path of the program                                      */
	const char *data_dir;                /* private folder for what can be made again                */
	unsigned    renders;                 /* at once                                                  */
	unsigned    operations;              /* at once; past it ST_UNAVAILABLE                          */
	unsigned    revisions;               /* different ones that are kept of a deployment; 0: 10      */
	int64_t     render_limit_ns;
	int64_t     operation_limit_ns;
};

struct orchestrator {
	struct store   *store;
	struct types   *types;
	struct plugins *plugins;
	struct orchestrator_options options;
	struct renderer *renderer;
	unsigned        running;             /* operations; atomic                                       */
	unsigned        readings;            /* of clusters, for a status in detail; atomic              */
};

enum status MUST_CHECK orchestrator_open(struct orchestrator *orchestrator, struct error *err);   /* fields above set */
void orchestrator_close(struct orchestrator *orchestrator);

/* Offers "emco.app-context/1", "emco.clusters/1", "emco.resources/1", "emco.units/1".  Before plugins are created. */
void orchestrator_extensions(void);

/*
 * Operations on a deployment intent group.  path: below /v2/.  asker: for the history, may be NULL.  All answer when the state
 * is durable.  ST_PRECONDITION: the resource is another than the asker has seen.
 */

struct operation_reply { int64_t revision; };

enum status MUST_CHECK deployment_approve(struct orchestrator *o, struct view path, const struct asker *asker,
                                          int64_t deadline_ns, struct error *err);
enum status MUST_CHECK deployment_instantiate(struct orchestrator *o, struct view path, const struct asker *asker,
                                              int64_t deadline_ns, struct operation_reply *ret_reply, struct error *err);
enum status MUST_CHECK deployment_update(struct orchestrator *o, struct view path, const struct asker *asker,
                                         int64_t deadline_ns, struct operation_reply *ret_reply, struct error *err);
/*
 * Back to what a revision of the present instantiation deployed; answers another revision.  ST_NOT_FOUND: there is no such
 * revision, err names those that there are.  ST_CONFLICT also: it is not kept any more.
 */
enum status MUST_CHECK deployment_rollback(struct orchestrator *o, struct view path, const struct asker *asker,
                                           int64_t revision, int64_t deadline_ns, struct operation_reply *ret_reply,
                                           struct error *err);
/*
 * The deployment of that version of the composite app, and of that name, is made, and takes over what this one has on its
 * clusters.  It must be Approved.
 * ST_NOT_FOUND: there is no target.  ST_CONFLICT: it is not Approved, deploys into another namespace, or is busy.
 */
enum status MUST_CHECK deployment_migrate(struct orchestrator *o, struct view path, const struct asker *asker,
                                          struct view version, struct view name, int64_t deadline_ns, struct error *err);
enum status MUST_CHECK deployment_terminate(struct orchestrator *o, struct view path, const struct asker *asker,
                                            int64_t deadline_ns, struct error *err);

/*
 * What one of them would do, as JSON appended to reply: where each app would go and why, what would change there.  Nothing is
 * written.  It fails as the operation would.
 */
struct dry_ask {
	enum { DRY_INSTANTIATE, DRY_UPDATE, DRY_ROLLBACK, DRY_MIGRATE } kind;
	bool        is_summary;              /* counts only                                              */
	int64_t     revision;                /* of a rollback                                            */
	struct view version, name;           /* of a migration's target                                  */
};
enum status MUST_CHECK deployment_dry_run(struct orchestrator *o, struct view path, const struct dry_ask *ask,
                                          int64_t deadline_ns, struct buf *reply, struct error *err);

/* Set aside what is not done yet, until the next operation.  ST_CONFLICT also when everything is done. */
enum status MUST_CHECK deployment_stop(struct orchestrator *o, struct view path, const struct asker *asker,
                                       int64_t deadline_ns, struct error *err);

/* At most limit entries with a sequence below `before`, 0: the newest.  next is set: what the page after it is before; 0: none. */
struct history_page { uint64_t limit; int64_t before, next; };

/* What was done with it, newest first, as a JSON array appended to reply. */
enum status MUST_CHECK deployment_history(struct orchestrator *o, struct view path, struct history_page *page,
                                          int64_t deadline_ns, struct buf *reply, struct error *err);

/* May the resource be replaced or deleted in its present state?  ST_CONFLICT: no.  In the caller's transaction. */
enum status MUST_CHECK deployment_check_change(struct db *db, struct view path, bool is_delete, struct error *err);

/* -- logical clouds -- */

/* As of a deployment.  ST_CONFLICT: not in this state, or deployments use it; ST_PRECONDITION. */
enum status MUST_CHECK cloud_instantiate(struct orchestrator *o, struct view path, const struct asker *asker,
                                         int64_t deadline_ns, struct error *err);
enum status MUST_CHECK cloud_terminate(struct orchestrator *o, struct view path, const struct asker *asker,
                                       int64_t deadline_ns, struct error *err);
enum status MUST_CHECK cloud_check_change(struct db *db, struct view path, bool is_delete, struct error *err);

/* -- clusters -- */

/*
 * A cluster that is gone for good: forget what is on it, and append a report, JSON, of what stays behind.  ST_CONFLICT: it
 * answers, and is_forced is not set.  ST_NOT_FOUND; ST_PRECONDITION.
 */
enum status MUST_CHECK cluster_abandon(struct orchestrator *o, struct view path, const struct asker *asker, bool is_forced,
                                       int64_t deadline_ns, struct buf *reply, struct error *err);

/* -- status -- */

enum status_mode { STATUS_RSYNC, STATUS_CLUSTER, STATUS_DEPLOYED, STATUS_READY };
enum status_output { STATUS_ALL, STATUS_SUMMARY, STATUS_DETAIL };
enum status_form { STATUS_FULL, STATUS_APPS, STATUS_CLUSTERS, STATUS_RESOURCES };

struct status_query {
	enum status_mode   mode;
	enum status_output output;
	enum status_form   form;
	int64_t            instance;             /* 0: the last                                          */
	const struct view *apps, *clusters, *resources;
	size_t             app_count, cluster_count, resource_count;
	bool               asks_clusters;        /* for objects in detail, and waits for them: seconds   */
};

/* The JSON of GET .../status, as the contract has it, appended to reply. */
enum status MUST_CHECK deployment_status(struct orchestrator *o, struct view path, const struct status_query *query,
                                         int64_t deadline_ns, struct buf *reply, struct error *err);
enum status MUST_CHECK cloud_status(struct orchestrator *o, struct view path, const struct status_query *query,
                                    int64_t deadline_ns, struct buf *reply, struct error *err);

#endif
