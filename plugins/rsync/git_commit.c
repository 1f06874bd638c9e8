/*
 * git_commit.c - the target "git": one commit for all units of a pass that go to one branch.
 *
 * Fetch the tip, make the tree that shall be, commit what differs, push without force.  When somebody else was faster, the
 * tree is made again on top of his commit.  What shall be there follows from the desired sets and the tip alone: a pass
 * that is repeated finds an equal tree and adds no commit.  Only the units' own folders and the two Flux files of their
 * context are touched.
 *
 *     clusters/<cluster>/context/<status context>/app/<app>/<name>+<Kind>.yaml
 *     clusters/<cluster>/<status context>.yaml         GitRepository, while the context has an app on the cluster
 *     clusters/<cluster>/kust<status context>.yaml     Kustomization
 */
#include "plugins/rsync/flux.h"
#include "plugins/rsync/git_tree.h"
#include "plugins/rsync/object.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	TRIES = 10,                      /* to be faster than everybody else                      */
	PAUSE_MS = 100,                  /* longest, before a new try; jittered                   */
	MESSAGE_APPS = 200,              /* lines of a commit message                             */
	NS_PER_MS = 1000000,
};
#define SUFFIX  ".yaml"

/* -- which units -- */

static bool takes(const emco_cluster_access *access)
{
	return str_is(access->git_ops_type, "fluxcd");
}

static bool is_number(emco_str text)
{
	for (uint64_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return true;
}

static emco_status find(struct pass *pass, struct job *job)
{
	struct git_settings *settings;

	if (!git_name_is_safe(job->unit->cluster, 0) || !git_name_is_safe(job->unit->app, 0))
		return fault_say(&job->fault, EMCO_E_INVALID,
		                 "cluster \"%.*s\", app \"%.*s\": a name that makes no path",
		                 STR_ARG(job->unit->cluster), STR_ARG(job->unit->app));
	if (!is_number(job->unit->status_context) || !is_number(unit_old_context(job->unit)))
		return fault_say(&job->fault, EMCO_E_INVALID, "a status context is a number, got \"%.*s\"",
		                 STR_ARG(job->unit->status_context));

	const emco_status status = git_settings_read(pass, job, &settings, &job->fault);
	if (status == EMCO_OK)
		job->place = settings;
	return status;
}

static bool is_same(const struct job *a, const struct job *b)
{
	return git_settings_equal(a->place, b->place);
}

/* -- what shall be there -- */

/* A Secret in Git is readable by whoever reads the repository: only when the sync object says so. */
static emco_status set_check(struct pass *pass, struct job *job)
{
	const struct git_settings *settings = job->place;
	struct object_set         *set = job->desired;

	for (size_t i = 0; set != NULL && i < set->count; i++) {
		struct object *object = &set->objects[i];
		const char    *why = NULL;

		if (!git_name_is_safe(object->name, sizeof SUFFIX - 1))
			why = "its name makes no file name";
		else if (object->is_secret && !settings->is_plain_secrets)
			why = "a Secret is not written to Git in plain text unless the cluster's Git reference "
			      "object says \"plainSecrets\": \"true\"";
		if (why == NULL)
			continue;
		fault_say(&job->fault, EMCO_E_INVALID, "object \"%.*s\": %s", STR_ARG(object->name), why);
		object->message = pass_text(pass, str_of(why));
		return job->fault.code;
	}
	return EMCO_OK;
}

static emco_status set_hash(struct object_set *set, struct fault *fault)
{
	for (size_t i = 0; !set->is_hashed && i < set->count; i++) {
		git_oid id;

		if (git_odb_hash(&id, set->objects[i].text.ptr, set->objects[i].text.len, GIT_OBJECT_BLOB) != 0)
			return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
		memcpy(set->objects[i].git_id, id.id, sizeof set->objects[i].git_id);
	}
	set->is_hashed = true;
	return EMCO_OK;
}

static emco_status files_put(struct git_changes *changes, struct object_set *set, const char *folder, git_tree *present,
                             struct fault *fault)
{
	struct pass *pass = changes->repo->pass;
	emco_status  status = set_hash(set, fault);

	for (size_t i = 0; status == EMCO_OK && i < set->count; i++) {
		const struct object *object = &set->objects[i];
		const char          *path = pass_printf(pass, "%s/%.*s" SUFFIX, folder, STR_ARG(object->name));
		git_oid              id;

		if (path == NULL)
			return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
		if (!object_is_wanted(object))
			continue;
		memcpy(id.id, object->git_id, sizeof object->git_id);
		status = git_changes_put(
			changes, path, present != NULL ? git_tree_entry_byname(present, strrchr(path, '/') + 1) : NULL,
			&id, object->text, fault);
	}
	return status;
}

/* What lies in the unit's folder and is not desired goes, whoever put it there. */
static emco_status files_prune(struct git_changes *changes, const struct object_set *desired, const char *folder,
                               git_tree *present, struct fault *fault)
{
	emco_status status = EMCO_OK;

	for (size_t i = 0; status == EMCO_OK && i < git_tree_entrycount(present); i++) {
		const char  *name = git_tree_entry_name(git_tree_entry_byindex(present, i));
		const size_t len = strlen(name);

		if (len > sizeof SUFFIX - 1 && strcmp(name + len - (sizeof SUFFIX - 1), SUFFIX) == 0) {
			const struct object *object =
				object_find(desired, (emco_str) { name, len - (sizeof SUFFIX - 1) });

			if (object != NULL && object_is_wanted(object))
				continue;
		}

		const char *path = pass_printf(changes->repo->pass, "%s/%s", folder, name);
		status = path != NULL ? git_changes_remove(changes, path, fault)
		                      : fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	}
	return status;
}

/* Make the unit's folder below one context hold the desired set; NULL: nothing. */
static emco_status folder_change(struct git_changes *changes, const emco_unit *unit, emco_str context,
                                 struct object_set *desired, struct fault *fault)
{
	git_tree   *present = NULL;
	const char *folder = pass_printf(changes->repo->pass, "clusters/%.*s/context/%.*s/app/%.*s",
	                                 STR_ARG(unit->cluster), STR_ARG(context), STR_ARG(unit->app));

	if (folder == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");

	emco_status status = git_folder_find(changes->repo, changes->base, folder, &present, fault);
	if (status == EMCO_OK && desired != NULL)
		status = files_put(changes, desired, folder, present, fault);
	if (status == EMCO_OK && present != NULL)
		status = files_prune(changes, desired, folder, present, fault);
	git_tree_free(present);
	return status;
}

/* All or nothing for one unit: what a unit with a fault has added is taken back. */
static emco_status unit_change(struct git_changes *changes, const struct job *job, struct fault *fault)
{
	const size_t   before = changes->count;
	const emco_str old = unit_old_context(job->unit);
	emco_status    status = folder_change(changes, job->unit, job->unit->status_context, job->desired, fault);

	if (status == EMCO_OK && old.len > 0)    /* ended and begun again before the end was done */
		status = folder_change(changes, job->unit, old, NULL, fault);
	if (status != EMCO_OK)
		changes->count = before;
	return status;
}

/* -- Flux -- */

static emco_status flux_file(struct git_changes *changes, const char *path, bool is_needed, const char *text,
                             struct fault *fault)
{
	struct git_repo *repo = changes->repo;
	git_tree_entry  *present = NULL;
	emco_status      status = EMCO_OK;
	git_oid          id;
	int              code;

	if (path == NULL || text == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	code = git_tree_entry_bypath(&present, changes->base, path);
	if (code == GIT_ENOTFOUND)
		code = 0;
	if (code == 0)
		code = git_odb_hash(&id, text, strlen(text), GIT_OBJECT_BLOB);
	if (code != 0)
		status = git_repo_fault(repo, code, "could not read", fault);
	else if (is_needed && text[0] != '\0')
		status = git_changes_put(changes, path, present, &id, str_of(text), fault);
	else if (present != NULL)
		status = git_changes_remove(changes, path, fault);
	git_tree_entry_free(present);
	return status;
}

/* changes->base holds the units' files already: Flux is needed while any app of the context is left on the cluster. */
static emco_status flux_change(struct git_changes *changes, const struct job *job, emco_str context,
                               struct fault *fault)
{
	struct pass               *pass = changes->repo->pass;
	const struct git_settings *settings = job->place;
	const emco_unit           *unit = job->unit;
	const size_t               before = changes->count;
	git_tree                  *apps = NULL;
	const char                *folder = pass_printf(pass, "clusters/%.*s/context/%.*s/app", STR_ARG(unit->cluster),
	                                                STR_ARG(context));

	if (folder == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");

	emco_status status = git_folder_find(changes->repo, changes->base, folder, &apps, fault);
	const bool  is_needed = apps != NULL;

	git_tree_free(apps);
	if (status == EMCO_OK)
		status = flux_file(changes, pass_printf(pass, "clusters/%.*s/%.*s" SUFFIX, STR_ARG(unit->cluster),
		                                        STR_ARG(context)),
		                   is_needed, flux_source(pass, settings, unit, context), fault);
	if (status == EMCO_OK)
		status = flux_file(changes, pass_printf(pass, "clusters/%.*s/kust%.*s" SUFFIX, STR_ARG(unit->cluster),
		                                        STR_ARG(context)),
		                   is_needed, flux_kustomization(pass, settings, unit, context), fault);
	if (status != EMCO_OK)
		changes->count = before;
	return status;
}

/* -- the tree -- */

struct batch {
	struct git_repo    repo;
	struct job *const *jobs;
	size_t             count;
};

/* Each unit's fault is its own; an apply that fails is everybody's. */
static emco_status units_apply(struct batch *batch, git_tree *base, git_tree **ret_tree, struct fault *fault)
{
	struct git_changes changes = { .repo = &batch->repo, .base = base };

	for (size_t i = 0; i < batch->count; i++)
		if (job_is_live(batch->jobs[i]))
			(void) unit_change(&changes, batch->jobs[i], &batch->jobs[i]->fault);
	return git_changes_apply(&changes, ret_tree, fault);
}

/* Was this context of this cluster met in an earlier job? */
static bool is_met(const struct batch *batch, size_t index, emco_str context)
{
	for (size_t k = 0; k < index; k++) {
		const struct job *job = batch->jobs[k];

		if (job_is_live(job) && str_equal(job->unit->cluster, batch->jobs[index]->unit->cluster) &&
		    (str_equal(job->unit->status_context, context) || str_equal(unit_old_context(job->unit), context)))
			return true;
	}
	return false;
}

static emco_status flux_apply(struct batch *batch, git_tree *base, git_tree **ret_tree, struct fault *fault)
{
	struct git_changes changes = { .repo = &batch->repo, .base = base };

	for (size_t i = 0; i < batch->count; i++) {
		struct job    *job = batch->jobs[i];
		const emco_str context = job->unit->status_context, old = unit_old_context(job->unit);

		if (job_is_live(job) && !is_met(batch, i, context))
			(void) flux_change(&changes, job, context, &job->fault);
		if (job_is_live(job) && old.len > 0 && !is_met(batch, i, old))
			(void) flux_change(&changes, job, old, &job->fault);
	}
	return git_changes_apply(&changes, ret_tree, fault);
}

static emco_status base_read(struct git_repo *repo, git_commit **ret_parent, git_tree **ret_base, struct fault *fault)
{
	git_treebuilder *empty = NULL;
	git_oid          id;
	int              code;

	if (repo->has_tip) {
		code = git_commit_lookup(ret_parent, repo->repo, &repo->tip);
		if (code == 0)
			code = git_commit_tree(ret_base, *ret_parent);
	} else {
		code = git_treebuilder_new(&empty, repo->repo, NULL);
		if (code == 0)
			code = git_treebuilder_write(&id, empty);
		if (code == 0)
			code = git_tree_lookup(ret_base, repo->repo, &id);
		git_treebuilder_free(empty);
	}
	return code == 0 ? EMCO_OK : git_repo_fault(repo, code, "could not read", fault);
}

/* -- the commit -- */

static bool is_said_before(const struct batch *batch, size_t index)
{
	for (size_t k = 0; k < index; k++)
		if (job_is_live(batch->jobs[k]) && str_equal(batch->jobs[k]->unit->app, batch->jobs[index]->unit->app))
			return true;
	return false;
}

/* "instantiate projects/p1/...", then a line for each app with its clusters. */
static const char *message_of(const struct batch *batch)
{
	struct pass *pass = batch->repo.pass;
	const char  *text = NULL;
	size_t       lines = 0;

	for (size_t i = 0; i < batch->count; i++) {
		const emco_unit *unit = batch->jobs[i]->unit;

		if (!job_is_live(batch->jobs[i]) || is_said_before(batch, i))
			continue;
		if (text == NULL)
			text = pass_printf(pass, "%.*s %.*s\n", STR_ARG(unit->event), STR_ARG(unit->owner));
		if (text == NULL || ++lines > MESSAGE_APPS)
			break;
		text = pass_printf(pass, "%s\n%.*s:", text, STR_ARG(unit->app));
		for (size_t k = i; text != NULL && k < batch->count; k++)
			if (job_is_live(batch->jobs[k]) && str_equal(batch->jobs[k]->unit->app, unit->app))
				text = pass_printf(pass, "%s %.*s", text, STR_ARG(batch->jobs[k]->unit->cluster));
	}
	return text != NULL ? pass_printf(pass, "%s\n", text) : NULL;
}

static emco_status commit_make(struct batch *batch, git_commit *parent, git_tree *tree, git_oid *ret_commit,
                               struct fault *fault)
{
	struct git_repo     *repo = &batch->repo;
	const struct config *config = repo->pass->config;
	const git_commit    *parents[1] = { parent };
	git_signature       *author = NULL;
	const char *name = pass_text(repo->pass, config->author), *email = pass_text(repo->pass, config->email);
	const char          *message = message_of(batch);

	if (name == NULL || email == NULL || message == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");

	int code = git_signature_new(&author, name, email, (git_time_t) time(NULL), 0);       /* UTC */
	if (code == 0)
		code = git_commit_create(ret_commit, repo->repo, NULL, author, author, NULL, message, tree,
		                         parent != NULL, parents);
	git_signature_free(author);
	return code == 0 ? EMCO_OK : git_repo_fault(repo, code, "could not write to", fault);
}

static bool has_live(const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (job_is_live(batch->jobs[i]))
			return true;
	return false;
}

static size_t count_lost(const struct batch *batch)
{
	size_t count = 0;

	for (size_t i = 0; i < batch->count; i++)
		count += batch->jobs[i]->is_lost;
	return count;
}

/* Making a tree may take longer than a lease.  A branch that stayed where it was does not show that others were at work. */
static emco_status still_ours(struct batch *batch, size_t lost, struct fault *fault)
{
	if (!pass_alive(batch->repo.pass))
		return fault_say(fault, EMCO_E_DEADLINE, "cancelled");
	return count_lost(batch) == lost ? EMCO_OK
	                                 : fault_say(fault, EMCO_E_UNAVAILABLE, "others have taken over a part of the commit");
}

/* One try on top of the tip: EMCO_OK also when nothing differs.  EMCO_E_CONFLICT: the branch has moved. */
static emco_status batch_try(struct batch *batch, struct fault *fault)
{
	git_tree   *base = NULL, *units = NULL, *tree = NULL;
	git_commit *parent = NULL;
	git_oid     commit;
	emco_status status = base_read(&batch->repo, &parent, &base, fault);
	size_t      lost;

	/* A lease that is lost now must not come back into the tree: the leases are asked before it is made. */
	if (status == EMCO_OK && !pass_renew(batch->repo.pass))
		status = fault_say(fault, EMCO_E_DEADLINE, "cancelled");
	lost = count_lost(batch);
	if (status == EMCO_OK)
		status = units_apply(batch, base, &units, fault);
	if (status == EMCO_OK)
		status = flux_apply(batch, units, &tree, fault);
	if (status == EMCO_OK && has_live(batch) && !git_oid_equal(git_tree_id(tree), git_tree_id(base))) {
		status = commit_make(batch, parent, tree, &commit, fault);
		if (status == EMCO_OK)
			status = still_ours(batch, lost, fault);
		if (status == EMCO_OK)
			status = git_repo_publish(&batch->repo, &commit, fault);
	}
	git_tree_free(tree);
	git_tree_free(units);
	git_tree_free(base);
	git_commit_free(parent);
	return status;
}

/* A push that is refused while the branch stays where it was is no race but somebody's rule. */
static emco_status batch_apply(struct batch *batch, struct fault *fault)
{
	struct git_repo *repo = &batch->repo;
	emco_status      status = git_repo_fetch(repo, fault);

	for (int try = 1; status == EMCO_OK; try++) {
		status = batch_try(batch, fault);
		if (status != EMCO_E_CONFLICT)
			break;

		const struct timespec pause = { .tv_nsec = (long) random_below((uint64_t) PAUSE_MS * NS_PER_MS) };
		const bool            had_tip = repo->has_tip;
		const git_oid         old = repo->tip;
		const char           *said = pass_text(repo->pass, str_of(repo->said));

		if (try > 1)
			nanosleep(&pause, NULL);
		status = git_repo_fetch(repo, fault);
		if (status == EMCO_OK && had_tip == repo->has_tip && (!had_tip || git_oid_equal(&old, &repo->tip)) &&
		    repo->remote != NULL)
			return fault_say(fault, EMCO_E_UPSTREAM, "\"%s\" refused the push to branch \"%s\": %s",
			                 repo->settings->url, repo->settings->branch,
			                 said != NULL && said[0] != '\0' ? said : "no reason given");
		if (status == EMCO_OK && try == TRIES)
			return fault_say(fault, EMCO_E_UNAVAILABLE,
			                 "branch \"%s\" of \"%s\" moved %d times while it was written to",
			                 repo->settings->branch, repo->settings->url, TRIES);
	}
	return status;
}

static void apply(struct pass *pass, struct job *const *jobs, size_t count)
{
	struct batch batch = { .jobs = jobs, .count = count };
	struct fault fault = { .reachable = -1 };

	for (size_t i = 0; i < count; i++)
		if (job_is_live(jobs[i]))
			(void) set_check(pass, jobs[i]);       /* the fault stays with the unit */
	if (!has_live(&batch))
		return;
	if (git_repo_open(pass, jobs[0]->place, &batch.repo, &fault) == EMCO_OK)
		(void) batch_apply(&batch, &fault);
	git_repo_close(&batch.repo);
	for (size_t i = 0; i < count; i++) {
		if (fault.code != EMCO_OK && job_is_live(jobs[i]))
			jobs[i]->fault = fault;
		jobs[i]->fault.reachable = fault.reachable;
	}
}

const struct target target_git = {
	.name = "git", .tag = TAG_FLUX, .takes = takes, .find = find, .is_same = is_same, .apply = apply,
};
