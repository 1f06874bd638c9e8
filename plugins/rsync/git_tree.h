/*
 * git_tree.h - the changes a pass makes to one commit's tree: files put, files and folders removed, all by path.
 *
 * Nothing that is so already becomes a change, so an empty list of changes means an unchanged tree and no commit.
 */
#ifndef RSYNC_GIT_TREE_H
#define RSYNC_GIT_TREE_H

#include "plugins/rsync/git_repo.h"

struct git_changes {
	struct git_repo *repo;
	git_tree        *base;               /* borrowed                                           */
	git_tree_update *items;
	size_t           count, room;
};

/* The folder at path: owned by the caller, NULL when there is none.  EMCO_E_INVALID: a file is in the way. */
emco_status git_folder_find(struct git_repo *repo, git_tree *root, const char *path, git_tree **ret_folder,
                            struct fault *fault);

/* Put a file unless it is so already.  id: of the content, by git_odb_hash.  path must live as long as the changes. */
emco_status git_changes_put(struct git_changes *changes, const char *path, const git_tree_entry *present,
                            const git_oid *id, emco_str content, struct fault *fault);
emco_status git_changes_remove(struct git_changes *changes, const char *path, struct fault *fault);

/* The tree with the changes made; owned by the caller. */
emco_status git_changes_apply(struct git_changes *changes, git_tree **ret_tree, struct fault *fault);

/* One part of a path: no "/" or "\", no control character, not "." or "..", not ".git", at most 255 bytes with suffix. */
bool git_name_is_safe(emco_str name, size_t suffix);

#endif
