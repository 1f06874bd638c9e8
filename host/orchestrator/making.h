/*
 * making.h - how a deployment's context is made anew: what instantiate, update and migrate share.
 *
 * They differ in what must be so before (check, check_loaded) and in what the transaction does with the plan (write).
 */
#ifndef HOST_ORCHESTRATOR_MAKING_H
#define HOST_ORCHESTRATOR_MAKING_H

#include "host/orchestrator/deployment.h"
#include "host/orchestrator/operation.h"
#include "host/orchestrator/plan.h"

struct making;
typedef enum status making_check(struct making *making, struct db *db, struct error *err);

struct making {
	struct operation *operation;
	struct view       path;              /* of the deployment that is made: of a migration, the target            */
	making_check     *check;             /* fills last, and from unless nothing is replaced                       */
	making_check     *check_loaded;      /* once the deployment is loaded; NULL: nothing more                     */
	making_check     *tell_more;         /* adds to told; NULL: nobody                                            */
	db_work          *write;             /* the commit; data is this                                              */
	/* filled on the way */
	struct deployment deployment;
	struct chain      chain, told;       /* who decides; who is told once it is done                              */
	struct action     last;              /* of the operation's owner: the state it started from                   */
	char              from[24];          /* id of the replaced context, or ""                                     */
	struct plan      *plan;
};

/* The whole operation, the commit and what controllers are told after it included. */
enum status MUST_CHECK making_run(struct making *making, struct error *err);

/* What each of them is on the guarded thread. */
operation_work deployment_instantiating, deployment_updating, deployment_rolling_back, deployment_migrating;

/* Path of the deployment that the one at path would migrate to, appended to ret_path. */
enum status MUST_CHECK migration_target(struct view path, struct view version, struct view name, struct buf *ret_path,
                                        struct error *err);

/* Does a context replace another?  Then it keeps the status context of what it replaces. */
static inline bool making_replaces(const struct making *making) { return making->from[0] != '\0'; }

#endif
