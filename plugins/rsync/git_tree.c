#include "plugins/rsync/git_tree.h"

#include <string.h>
#include <strings.h>

enum { FILE_NAME_MAX = 255 };

bool git_name_is_safe(emco_str name, size_t suffix)
{
	if (name.len == 0 || name.len + suffix > FILE_NAME_MAX || str_is(name, ".") || str_is(name, ".."))
		return false;
	if (name.len == 4 && strncasecmp(name.ptr, ".git", 4) == 0)
		return false;
	for (uint64_t i = 0; i < name.len; i++) {
		const unsigned char c = (unsigned char) name.ptr[i];

		if (c < ' ' || c == 0x7f || c == '/' || c == '\\')
			return false;
	}
	return true;
}

emco_status git_folder_find(struct git_repo *repo, git_tree *root, const char *path, git_tree **ret_folder,
                            struct fault *fault)
{
	git_tree *folder = NULL;
	int       code = git_tree_dup(&folder, root);

	for (const char *from = path; code == 0 && *from != '\0';) {
		const size_t          len = strcspn(from, "/");
		char                  name[FILE_NAME_MAX + 1];
		const git_tree_entry *entry;
		git_tree             *next = NULL;

		if (len >= sizeof name)
			code = GIT_EINVALIDSPEC;
		else {
			memcpy(name, from, len);
			name[len] = '\0';
			entry = git_tree_entry_byname(folder, name);
			if (entry == NULL)
				break;
			if (git_tree_entry_type(entry) != GIT_OBJECT_TREE) {
				git_tree_free(folder);
				return fault_say(fault, EMCO_E_INVALID,
				                 "\"%s\" must be a folder in \"%s\", and a part of it is a file", path,
				                 repo->settings->url);
			}
			code = git_tree_lookup(&next, repo->repo, git_tree_entry_id(entry));
		}
		git_tree_free(folder);
		folder = next;
		from += len;
		if (*from == '/')
			from++;
		if (code == 0 && *from == '\0') {
			*ret_folder = folder;
			return EMCO_OK;
		}
	}
	git_tree_free(folder);
	if (code != 0)
		return git_repo_fault(repo, code, "could not read", fault);
	*ret_folder = NULL;
	return EMCO_OK;
}

static emco_status add(struct git_changes *changes, git_tree_update item, struct fault *fault)
{
	if (changes->count == changes->room) {
		const size_t     room = changes->room > 0 ? 2 * changes->room : 64;
		git_tree_update *items = pass_alloc(changes->repo->pass, room, sizeof *items);

		if (items == NULL)
			return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
		if (changes->count > 0)
			memcpy(items, changes->items, changes->count * sizeof *items);
		changes->items = items;
		changes->room = room;
	}
	changes->items[changes->count++] = item;
	return EMCO_OK;
}

emco_status git_changes_put(struct git_changes *changes, const char *path, const git_tree_entry *present,
                            const git_oid *id, emco_str content, struct fault *fault)
{
	git_tree_update item = { .action = GIT_TREE_UPDATE_UPSERT, .filemode = GIT_FILEMODE_BLOB, .path = path };

	if (present != NULL && git_tree_entry_type(present) != GIT_OBJECT_BLOB)
		return fault_say(fault, EMCO_E_INVALID, "\"%s\" must be a file in \"%s\", and is a folder", path,
		                 changes->repo->settings->url);
	if (present != NULL && git_oid_equal(git_tree_entry_id(present), id) &&
	    git_tree_entry_filemode(present) == GIT_FILEMODE_BLOB)
		return EMCO_OK;

	const int code = git_blob_create_from_buffer(&item.id, changes->repo->repo, content.ptr, content.len);
	return code == 0 ? add(changes, item, fault) : git_repo_fault(changes->repo, code, "could not write to", fault);
}

emco_status git_changes_remove(struct git_changes *changes, const char *path, struct fault *fault)
{
	return add(changes, (git_tree_update) { .action = GIT_TREE_UPDATE_REMOVE, .path = path }, fault);
}

emco_status git_changes_apply(struct git_changes *changes, git_tree **ret_tree, struct fault *fault)
{
	git_tree *tree = NULL;
	git_oid   id;
	int code = git_tree_create_updated(&id, changes->repo->repo, changes->base, changes->count, changes->items);

	if (code == 0)
		code = git_tree_lookup(&tree, changes->repo->repo, &id);
	if (code != 0)
		return git_repo_fault(changes->repo, code, "could not write to", fault);
	*ret_tree = tree;
	return EMCO_OK;
}
