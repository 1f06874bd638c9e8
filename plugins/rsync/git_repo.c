#include "plugins/rsync/git_repo.h"

#include "plugins/rsync/git_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORK_REF  "refs/emco/next"     /* what is about to be pushed, in the cache */

enum { LOCK_PAUSE_MS = 20, LOCK_PATIENCE_MS = 2000, LOCK_STALE_S = 10, WALK_FDS = 16, NS_PER_MS = 1000000 };

emco_status git_repo_init(struct fault *fault)
{
	if (git_libgit2_init() < 0)
		return fault_say(fault, EMCO_E_INTERNAL, "could not start libgit2");

	/*
	 * A local bare repository usually belongs to somebody else.  The check protects people from running a stranger's
	 * hooks and programs named in his configuration; libgit2 runs neither, and who may name a path is decided by the
	 * right to write sync objects and by local_remotes.
	 */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (git_stream_offer() != 0) {
		git_libgit2_shutdown();
		return fault_say(fault, EMCO_E_INTERNAL, "could not give libgit2 its streams");
	}
	return EMCO_OK;
}

void git_repo_done(void)
{
	git_libgit2_shutdown();
}

/* -- faults -- */

/* A remote may echo what it was sent. */
static void cut_secret(char *text, const char *secret)
{
	const size_t len = strlen(secret);

	for (char *at = text; len > 0 && (at = strstr(at, secret)) != NULL;)
		memset(at, '*', len);
}

static bool is_unreachable(int class)
{
	return class == GIT_ERROR_NET || class == GIT_ERROR_OS || class == GIT_ERROR_SSL || class == GIT_ERROR_SSH;
}

/* What a cache says that somebody has taken apart, or that a full disk has cut short. */
static bool is_of_cache(int code, int class)
{
	return code == GIT_ENOTFOUND || class == GIT_ERROR_ODB || class == GIT_ERROR_ZLIB ||
	       class == GIT_ERROR_REFERENCE;
}

emco_status git_repo_fault(struct git_repo *repo, int code, const char *what, struct fault *fault)
{
	const git_error *last = git_error_last();
	const char      *why = last != NULL && last->message != NULL ? last->message : "no reason given";
	const bool       is_net = last != NULL && is_unreachable(last->klass);
	char            *text = pass_text(repo->pass, str_of(why));

	if (text == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	cut_secret(text, repo->settings->token);             /* before anything cuts the text, and maybe the secret */
	if (repo->remote != NULL && is_of_cache(code, last != NULL ? last->klass : GIT_ERROR_NONE))
		repo->is_broken = true;
	if (repo->pass->call->cancelled(repo->pass->call) || code == GIT_EUSER) {
		fault->reachable = -1;
		return fault_say(fault, EMCO_E_DEADLINE, "%s \"%s\": not done in time", what, repo->settings->url);
	}
	fault->reachable = is_net ? 0 : 1;
	if (is_net && repo->was_silent)              /* libssh2 has seen the end of the socket, and not why */
		return fault_say(fault, EMCO_E_UNAVAILABLE, "%s \"%s\": nothing for %lld ms", what, repo->settings->url,
		                 (long long) repo->pass->config->remote_timeout_ms);
	if (code == GIT_EAUTH)
		return fault_say(fault, EMCO_E_FORBIDDEN, "%s \"%s\": the remote refused \"userName\" and \"gitToken\"",
		                 what, repo->settings->url);
	return fault_say(fault, is_net ? EMCO_E_UNAVAILABLE : EMCO_E_UPSTREAM, "%s \"%s\": %.255s", what,
	                 repo->settings->url, text);
}

/* -- call backs of libgit2, all on the pass's thread -- */

/* The host in a url that libgit2 asks about: a redirect must not carry our secret elsewhere. */
static bool is_our_host(const struct git_repo *repo, const char *url)
{
	const char  *host = repo->settings->host, *from = strstr(url, "://");
	const char  *begin = from != NULL ? from + 3 : url;
	const char  *end = begin + strcspn(begin, "/?#");
	const char  *at = memrchr(begin, '@', (size_t) (end - begin));
	const size_t len = strlen(host);

	if (at != NULL)
		begin = at + 1;
	if (begin < end && *begin == '[')
		begin++;
	return (size_t) (end - begin) >= len && strncasecmp(begin, host, len) == 0 &&
	       (begin + len == end || begin[len] == ':' || begin[len] == ']');
}

static int on_credentials(git_credential **out, const char *url, const char *user_of_url, unsigned int allowed,
                          void *data)
{
	struct git_repo           *repo = data;
	const struct git_settings *s = repo->settings;
	const char                *user = s->user[0] != '\0' ? s->user : user_of_url != NULL ? user_of_url : "git";
	const emco_str             key = repo->pass->config->ssh_key_file;

	if ((allowed & GIT_CREDENTIAL_USERNAME) != 0)
		return git_credential_username_new(out, user);
	if (repo->asked++ > 0)
		return GIT_EAUTH;                /* it was refused: asking again would lock the account */
	if (!is_our_host(repo, url)) {
		git_error_set_str(GIT_ERROR_HTTP, "the remote redirects to another host");
		return GIT_ERROR;
	}
	if ((allowed & GIT_CREDENTIAL_SSH_KEY) != 0 && key.len > 0) {
		const char *path = pass_text(repo->pass, key);

		return path != NULL ? git_credential_ssh_key_new(out, user, NULL, path, NULL) : GIT_ERROR;
	}
	if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) != 0 && s->token[0] != '\0')
		return git_credential_userpass_plaintext_new(out, user, s->token);
	return GIT_EAUTH;
}

static int on_progress(const git_indexer_progress *stats, void *data)
{
	(void) stats;
	return pass_alive(((struct git_repo *) data)->pass) ? 0 : GIT_EUSER;
}

static int on_pack(int stage, uint32_t current, uint32_t total, void *data)
{
	(void) stage;
	(void) current;
	(void) total;
	return pass_alive(((struct git_repo *) data)->pass) ? 0 : GIT_EUSER;
}

static int on_push(unsigned int current, unsigned int total, size_t bytes, void *data)
{
	(void) bytes;
	return on_pack(0, current, total, data);
}

/* What hooks of the remote print; the reason of a refusal is worth more. */
static int on_said(const char *text, int len, void *data)
{
	struct git_repo *repo = data;
	const size_t     used = strlen(repo->said);
	const bool       has_room = used + 1 < sizeof repo->said && len > 0;
	char            *words = has_room ? pass_text(repo->pass, (emco_str) { text, (uint64_t) len }) : NULL;

	if (words != NULL) {
		cut_secret(words, repo->settings->token);
		snprintf(repo->said + used, sizeof repo->said - used, "%s", words);
	}
	return pass_alive(repo->pass) ? 0 : GIT_EUSER;
}

static int on_reference(const char *name, const char *status, void *data)
{
	struct git_repo *repo = data;
	char             hooks[sizeof repo->said];

	(void) name;
	if (status == NULL)
		return 0;
	memcpy(hooks, repo->said, sizeof hooks);
	snprintf(repo->said, sizeof repo->said, "%s%s%.160s", status, hooks[0] != '\0' ? ": " : "", hooks);
	return GIT_ENONFASTFORWARD;
}

static git_remote_callbacks callbacks_of(struct git_repo *repo)
{
	git_remote_callbacks callbacks;

	git_remote_init_callbacks(&callbacks, GIT_REMOTE_CALLBACKS_VERSION);
	repo->asked = 0;
	callbacks.payload = repo;
	callbacks.credentials = on_credentials;
	callbacks.transfer_progress = on_progress;
	callbacks.pack_progress = on_pack;
	callbacks.push_transfer_progress = on_push;
	callbacks.sideband_progress = on_said;
	callbacks.push_update_reference = on_reference;
	return callbacks;
}

/* -- opening -- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

static bool cache_remove(const char *path)
{
	return nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT;
}

/* A cache that does not open any more is made anew. */
static emco_status cache_open(struct git_repo *repo, struct fault *fault)
{
	if (git_repository_open_bare(&repo->repo, repo->cache) == 0)
		return EMCO_OK;
	if (!cache_remove(repo->cache))
		return fault_say(fault, EMCO_E_UNAVAILABLE, "could not remove the broken cache \"%s\"", repo->cache);
	if (git_repository_init(&repo->repo, repo->cache, 1) != 0)
		return fault_say(fault, EMCO_E_UNAVAILABLE, "could not make the cache \"%s\": %s", repo->cache,
		                 git_error_last()->message);
	return EMCO_OK;
}

static emco_status remote_open(struct git_repo *repo, struct fault *fault)
{
	git_remote_create_options options;
	const emco_status         status = cache_open(repo, fault);

	if (status != EMCO_OK)
		return status;
	git_remote_create_options_init(&options, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	options.repository = repo->repo;
	/* What a sync object names is what is written to, whatever "insteadOf" some configuration holds. */
	options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;

	const int code = git_remote_create_with_opts(&repo->remote, repo->settings->url, &options);
	return code == 0 ? EMCO_OK : git_repo_fault(repo, code, "could not use", fault);
}

static emco_status local_open(struct git_repo *repo, struct fault *fault)
{
	const int code =
		git_repository_open_ext(&repo->repo, repo->settings->path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);

	if (code != 0) {
		fault->reachable = 0;
		return fault_say(fault, EMCO_E_UNAVAILABLE, "could not reach \"%s\": %s", repo->settings->url,
		                 code == GIT_ENOTFOUND ? "no Git repository is there" : git_error_last()->message);
	}
	if (!git_repository_is_bare(repo->repo))
		return fault_say(fault, EMCO_E_INVALID,
		                 "\"url\" must be a bare repository, and \"%s\" has a working tree",
		                 repo->settings->url);
	return EMCO_OK;
}

/* How long somebody has had the lock; a clock that was set back means long. */
static int64_t lock_age_ms(int fd)
{
	struct timespec now;
	struct stat     st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (fstat(fd, &st) != 0)
		return INT64_MAX;
	const int64_t age_ms = (now.tv_sec - st.st_mtim.tv_sec) * 1000 + (now.tv_nsec - st.st_mtim.tv_nsec) / NS_PER_MS;
	return age_ms >= -LOCK_PAUSE_MS ? age_ms : INT64_MAX;
}

/*
 * Passes of this host take turns; the kernel gives the lock back when a process dies.  Whoever has it says since when, by
 * the file's time: one who waits for his remote is not waited for, or a single silent remote would hold all workers.
 */
static emco_status lock_take(struct git_repo *repo, const char *path, struct fault *fault)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * NS_PER_MS };

	repo->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (repo->lock_fd < 0)
		return fault_say(fault, EMCO_E_UNAVAILABLE, "could not open the lock \"%s\": %s", path,
		                 strerrordesc_np(errno));
	while (flock(repo->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fault_say(fault, EMCO_E_UNAVAILABLE, "could not take the lock \"%s\": %s", path,
			                 strerrordesc_np(errno));
		if (!pass_alive(repo->pass))
			return fault_say(fault, EMCO_E_DEADLINE, "waited for another pass on \"%s\"",
			                 repo->settings->url);
		nanosleep(&pause, NULL);
		if (lock_age_ms(repo->lock_fd) > LOCK_PATIENCE_MS)
			return fault_say(fault, EMCO_E_UNAVAILABLE, "another pass works on \"%s\", and takes more than %d ms",
			                 repo->settings->url, LOCK_PATIENCE_MS);
	}
	(void) futimens(repo->lock_fd, NULL);        /* it fails: the others wait less */
	return EMCO_OK;
}

emco_status git_repo_open(struct pass *pass, const struct git_settings *settings, struct git_repo *repo,
                          struct fault *fault)
{
	git_oid name;
	char    hex[GIT_OID_HEXSZ + 1];

	*repo = (struct git_repo) { .pass = pass, .settings = settings, .lock_fd = -1 };
	fault->reachable = -1;
	if (git_odb_hash(&name, settings->url, strlen(settings->url), GIT_OBJECT_BLOB) != 0)
		return fault_say(fault, EMCO_E_INTERNAL, "could not hash the url");
	git_oid_tostr(hex, sizeof hex, &name);

	const char *folder = pass_printf(pass, "%.*s/git", STR_ARG(pass->host->data_dir));
	repo->cache = folder != NULL ? pass_printf(pass, "%s/%s", folder, hex) : NULL;
	const char *lock = repo->cache != NULL ? pass_printf(pass, "%s.lock", repo->cache) : NULL;
	if (lock == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return fault_say(fault, EMCO_E_UNAVAILABLE, "could not make the folder \"%s\": %s", folder,
		                 strerrordesc_np(errno));

	const emco_status status = lock_take(repo, lock, fault);
	if (status != EMCO_OK)
		return status;
	return settings->path != NULL ? local_open(repo, fault) : remote_open(repo, fault);
}

void git_repo_close(struct git_repo *repo)
{
	git_remote_free(repo->remote);
	git_repository_free(repo->repo);
	if (repo->is_broken)
		(void) cache_remove(repo->cache);        /* what is left is found broken again */
	if (repo->lock_fd >= 0)
		close(repo->lock_fd);
	repo->lock_fd = -1;
}

/* -- the tip -- */

static int local_fetch(struct git_repo *repo)
{
	const int code = git_reference_name_to_id(&repo->tip, repo->repo, repo->settings->ref);

	repo->has_tip = code == 0;
	return code == GIT_ENOTFOUND ? 0 : code;
}

static int download(struct git_repo *repo)
{
	git_fetch_options options;
	char             *spec = pass_printf(repo->pass, "+%s:%s", repo->settings->ref, repo->settings->ref);
	git_strarray      specs = { .strings = &spec, .count = 1 };
	git_reference    *ref = NULL;

	if (spec == NULL)
		return GIT_ERROR;
	git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
	options.callbacks = callbacks_of(repo);
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;

	int code = git_remote_download(repo->remote, &specs, &options);
	if (code == 0)             /* what we have is told by references when the next fetch negotiates */
		code = git_reference_create(&ref, repo->repo, repo->settings->ref, &repo->tip, 1, NULL);
	git_reference_free(ref);
	return code;
}

/* The branch in the remote's list of references; a commit that is here already is not fetched again. */
static int remote_fetch(struct git_repo *repo)
{
	git_remote_callbacks    callbacks = callbacks_of(repo);
	const git_remote_head **heads = NULL;
	git_commit             *commit = NULL;
	size_t                  count = 0;
	int                     code = git_remote_connect(repo->remote, GIT_DIRECTION_FETCH, &callbacks, NULL, NULL);

	if (code == 0)
		code = git_remote_ls(&heads, &count, repo->remote);
	repo->has_tip = false;
	for (size_t i = 0; code == 0 && i < count; i++) {
		if (strcmp(heads[i]->name, repo->settings->ref) == 0) {
			repo->tip = heads[i]->oid;
			repo->has_tip = true;
		}
	}
	if (code == 0 && repo->has_tip && git_commit_lookup(&commit, repo->repo, &repo->tip) != 0)
		code = download(repo);
	git_commit_free(commit);
	git_remote_disconnect(repo->remote);
	return code;
}

emco_status git_repo_fetch(struct git_repo *repo, struct fault *fault)
{
	int code;

	git_error_clear();
	repo->said[0] = '\0';
	if (repo->remote == NULL) {
		code = local_fetch(repo);
	} else {
		git_stream_begin(repo->pass, repo->pass->config->remote_timeout_ms * NS_PER_MS, repo->settings->is_ssh);
		code = remote_fetch(repo);
		repo->was_silent = git_stream_end();
	}
	if (code != 0)
		return git_repo_fault(repo, code, "could not reach", fault);
	fault->reachable = 1;
	return EMCO_OK;
}

/* -- moving the branch -- */

/*
 * Whoever moves a branch holds its lock file for an instant, and leaves it behind when he is killed in that instant: then
 * nobody can move the branch any more.  One that has stood for LOCK_STALE_S is such a left-over.
 */
static bool stale_lock_remove(struct git_repo *repo)
{
	const char *path = pass_printf(repo->pass, "%s%s.lock", git_repository_path(repo->repo), repo->settings->ref);
	struct stat found;

	if (path == NULL || lstat(path, &found) != 0 || !S_ISREG(found.st_mode) ||
	    time(NULL) - found.st_mtime < LOCK_STALE_S || unlink(path) != 0)
		return false;
	repo->pass->host->log(repo->pass->host, EMCO_LOG_WARNING, EMCO_STR("rsync.stale_lock_removed"), str_of(path));
	return true;
}

static int branch_move(struct git_repo *repo, const git_oid *commit)
{
	git_reference *ref = NULL;
	int            code;

	if (repo->has_tip)
		code = git_reference_create_matching(&ref, repo->repo, repo->settings->ref, commit, 1, &repo->tip,
		                                     "emcod");
	else
		code = git_reference_create(&ref, repo->repo, repo->settings->ref, commit, 0, "emcod");
	git_reference_free(ref);
	return code;
}

static int local_publish(struct git_repo *repo, const git_oid *commit)
{
	int code = branch_move(repo, commit);

	if (code == GIT_ELOCKED && stale_lock_remove(repo))
		code = branch_move(repo, commit);
	if (code == GIT_EEXISTS || code == GIT_EMODIFIED || code == GIT_ELOCKED || code == GIT_ENOTFOUND)
		code = GIT_ENONFASTFORWARD;
	return code;
}

static int remote_publish(struct git_repo *repo, const git_oid *commit)
{
	git_push_options options;
	char            *spec = pass_printf(repo->pass, WORK_REF ":%s", repo->settings->ref);
	git_strarray     specs = { .strings = &spec, .count = 1 };
	git_reference   *ref = NULL;
	int              code = spec == NULL ? GIT_ERROR
	                                     : git_reference_create(&ref, repo->repo, WORK_REF, commit, 1, NULL);

	git_reference_free(ref);
	git_push_options_init(&options, GIT_PUSH_OPTIONS_VERSION);
	options.callbacks = callbacks_of(repo);
	if (code == 0)
		code = git_remote_push(repo->remote, &specs, &options);
	if (code == 0)
		code = git_reference_create(&ref, repo->repo, repo->settings->ref, commit, 1, NULL);
	else
		ref = NULL;
	git_reference_free(ref);
	git_remote_disconnect(repo->remote);
	return code;
}

emco_status git_repo_publish(struct git_repo *repo, const git_oid *commit, struct fault *fault)
{
	int code;

	git_error_clear();
	repo->said[0] = '\0';
	if (repo->remote == NULL) {
		code = local_publish(repo, commit);
	} else {
		git_stream_begin(repo->pass, repo->pass->config->remote_timeout_ms * NS_PER_MS, repo->settings->is_ssh);
		code = remote_publish(repo, commit);
		repo->was_silent = git_stream_end();
	}
	cut_secret(repo->said, repo->settings->token);
	if (code == GIT_ENONFASTFORWARD)
		return EMCO_E_CONFLICT;
	return code == 0 ? EMCO_OK : git_repo_fault(repo, code, "could not push to", fault);
}
