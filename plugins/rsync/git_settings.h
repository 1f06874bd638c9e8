/*
 * git_settings.h - what a cluster's sync objects say about its Git repository.
 *
 * Keys of the reference object: url, branch, userName, gitToken, plainSecrets, secretRef.  gitType and repoName are
 * accepted and not needed: every remote is spoken to in Git's own protocol, and the url says which repository.
 */
#ifndef RSYNC_GIT_SETTINGS_H
#define RSYNC_GIT_SETTINGS_H

#include "plugins/rsync/pass.h"

struct git_settings {
	const char *url;                 /* as given; never holds a password                     */
	const char *path;                /* of a local repository; NULL: a remote one            */
	const char *host;                /* of a remote one                                      */
	const char *branch;              /* "main"                                               */
	const char *ref;                 /* "refs/heads/main"                                    */
	const char *user, *token;        /* secret; empty: none                                  */
	const char *secret_ref;          /* for Flux: a Secret on the cluster with its own rights; empty: none */
	const char *event;               /* of the units: one commit tells of one event          */
	int64_t     sync_s, retry_s, timeout_s;      /* Flux timers, of the resource object          */
	bool        is_ssh;
	bool        is_plain_secrets;    /* Secrets may be written to Git                        */
};

/* In the pass's memory.  EMCO_E_INVALID names the key. */
emco_status git_settings_read(struct pass *pass, const struct job *job, struct git_settings **ret_settings,
                              struct fault *fault);

/* One repository, one branch, the same rights, one event? */
bool git_settings_equal(const struct git_settings *a, const struct git_settings *b);

#endif
