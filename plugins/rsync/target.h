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
#define TAG_HOOK  4u                     /* its pods are not the deployment's                     */
#define TAG_KUBE  2u                     /* objects go to an API server, one by one: piece.h    */

struct target {
	const char *name;
	uint32_t    tag;                 /* TAG_...                                             */

	bool (*takes)(const emco_cluster_access *access);

	/* Is where the unit goes known by unit->access alone?  Then job->place is set.  May be NULL. */
	bool (*knows)(struct pass *pass, struct job *job);

	/* Check the access record and set job->place.  A fault is the unit's. */
	emco_status (*find)(struct pass *pass, struct job *job);
	bool        (*is_same)(const struct job *a, const struct job *b);

	/*
	 * Make everything so for the jobs, which share a place.  A job that is not live is left alone.  Sets fault of each
	 * that could not be done, reachable of each.  Repeatable: what is so already is not sent again.
	 */
	void (*apply)(struct pass *pass, struct job *const *jobs, size_t count);

	/*
	 * Instead of apply, where waiting would be long: begin a job and return.  go_on is called when the pass's bell has
	 * rung, and at *ret_next_ns at the latest; true: the job has ended, with its fault and notes.  drop lets go of what
	 * the job holds, ended or not; nothing of the job may be called back after it.
	 */
	void (*begin)(struct pass *pass, struct job *job);
	bool (*go_on)(struct pass *pass, struct job *job, int64_t *ret_next_ns);
	void (*drop)(struct job *job);
};

extern const struct target target_git;         /* git_commit.c        */
extern const struct target target_kubernetes;  /* target_kubernetes.c */

/* NULL: none takes it, and the job's fault says so.  reconcile.c */
const struct target *target_of(struct job *job);

#endif
