/*
 * deployment_priv.h - what deployment.c (the group, its cloud and its intents) and deployment_apps.c share.
 */
#ifndef HOST_ORCHESTRATOR_DEPLOYMENT_PRIV_H
#define HOST_ORCHESTRATOR_DEPLOYMENT_PRIV_H

#include "host/orchestrator/deployment.h"
#include "host/orchestrator/wanted.h"

/* The documents of one type below one parent, in byte order of their paths; all in the deployment's arena. */
struct deployment_item {
	struct view             path, name;
	json_t                 *doc;
	struct deployment_item *next;
};

struct deployment_list {
	struct deployment       *d;
	struct deployment_item  *first, **last;
	size_t                   count;
};

/* In place; list must not move afterwards. */
enum status MUST_CHECK deployment_list(struct deployment_list *list, struct deployment *d, struct orchestrator *o,
                                       struct db *db, const char *type, struct view parent, struct error *err);

/* The same where the first of several counts: the one that was created first is first. */
enum status MUST_CHECK deployment_list_by_age(struct deployment_list *list, struct deployment *d, struct orchestrator *o,
                                              struct db *db, const char *type, struct view parent, struct error *err);

/* Charts, profiles, overrides and dependencies; without placement intents.  A composite profile that is missing has no profiles. */
enum status MUST_CHECK deployment_load_apps(struct deployment *d, struct orchestrator *o, struct db *db,
                                            struct view profile_path, struct error *err);

/* What apps lack, and what the group lacks beside what it refers to.  Once apps and intents are loaded. */
enum status MUST_CHECK deployment_lacks(const struct deployment *d, struct wanted *wanted, struct error *err);

/* ST_CONFLICT: apps wait for each other in a circle, or for what is no app. */
enum status MUST_CHECK deployment_check_dependencies(struct deployment *d, struct error *err);

struct deployment_app *deployment_find_app(struct deployment *d, struct view name);      /* NULL: none */

#endif
