/*
 * target.h - the places a synchroniser can bring objects to: a small table of operations.
 *
 * The first target that takes a cluster's access record gets its units.  A pass asks the target where each unit goes; the
 * units that go to one place are applied together, so that one Git repository gets one commit, and one API server one
 * connection, however many units there are.
 */
#ifndef RSYNC_TARGET_H
#define RSYNC_TARGET_H

#include "plugins/rsync/pass.h"

#define TAG_FLUX  1u                     /* objects are brought by Flux: see object.h           */

struct target {
	const char *name;
	uint32_t    tag;                 /* TAG_...                                             */

	bool (*takes)(const emco_cluster_access *access);

	/* Check the access record and set job->place.  A fault is the unit's. */
	emco_status (*find)(struct pass *pass, struct job *job);
	bool        (*is_same)(const struct job *a, const struct job *b);

	/*
	 * Make everything so for the jobs, which share a place.  A job that is not live is left alone.  Sets fault of each
	 * that could not be done, reachable of each.  Repeatable: what is so already is not sent again.
	 */
	void (*apply)(struct pass *pass, struct job *const *jobs, size_t count);
};

extern const struct target target_git;   /* git_commit.c */

/* NULL: none takes it, and the job's fault says so.  reconcile.c */
const struct target *target_of(struct job *job);

#endif
