/*
 * git_repo.h - one branch of one Git repository: its tip, and a way to move it that never overwrites anybody.
 *
 * A remote repository has a bare cache below the plugin's data folder, named by a hash of its url.  It holds nothing that
 * cannot be fetched again and may be deleted at any time; one that is found broken is deleted when it is closed.  A local
 * bare repository is worked on in place: its branch moves by compare and swap.  A lock file lets one pass at a time work
 * on a repository, so that workers of this host do not race each other; everybody else is met by fetching again.
 *
 * Deadlines: every silence of a remote is bounded by remote_timeout_ms, everything by the pass's call.
 */
#ifndef RSYNC_GIT_REPO_H
#define RSYNC_GIT_REPO_H

#include "plugins/rsync/git_settings.h"

#include <git2.h>

struct git_repo {
	struct pass               *pass;
	const struct git_settings *settings;
	git_repository            *repo;
	git_remote                *remote;       /* NULL: local                                     */
	const char                *cache;        /* its path                                        */
	bool                       is_broken;    /* the cache lacks what it should hold             */
	bool                       was_silent;   /* over SSH, for longer than it may be             */
	int                        lock_fd;
	bool                       has_tip;      /* false: no such branch yet                       */
	git_oid                    tip;          /* a commit that is in repo                        */
	unsigned                   asked;        /* times credentials were asked for                */
	char                       said[256];    /* what the remote said about the last push        */
};

/* Once per instance, before threads.  EMCO_E_INTERNAL. */
emco_status git_repo_init(struct fault *fault);
void        git_repo_done(void);

/* Open or make the cache, take the lock.  Accepts git_repo_close also after a failure. */
emco_status git_repo_open(struct pass *pass, const struct git_settings *settings, struct git_repo *repo,
                          struct fault *fault);
void        git_repo_close(struct git_repo *repo);

/* Learn the tip.  EMCO_E_UNAVAILABLE: not reached (fault->reachable 0).  EMCO_E_FORBIDDEN: credentials refused. */
emco_status git_repo_fetch(struct git_repo *repo, struct fault *fault);

/* Move the branch from tip to commit.  EMCO_E_CONFLICT: it is not at tip any more, or the remote refused: said tells. */
emco_status git_repo_publish(struct git_repo *repo, const git_oid *commit, struct fault *fault);

/* libgit2's last error as a fault: "what: why".  Secrets are cut out. */
emco_status git_repo_fault(struct git_repo *repo, int code, const char *what, struct fault *fault);

#endif
