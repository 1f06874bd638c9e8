/*
 * rsync - brings objects to clusters.
 *
 * A worker begins a pass and waits as long as it makes progress.  A pass that clusters keep waiting is handed over to the
 * thread for stragglers, which looks after many: a dead cluster costs no worker.  A Git remote that keeps a worker waiting
 * cannot be handed over, and another worker is begun meanwhile.
 *
 * Workers claim units, make applied equal desired, and report; nothing else happens here.  A worker waits for units on one
 * call and works on another, so that work has its whole time however late it came.  Everything is repeatable: a worker
 * that dies in the middle loses its leases, and whoever claims the units next finds done what was done.
 */
#include "emco/plugin.h"
#include "plugins/rsync/crew.h"
#include "plugins/rsync/git_repo.h"
#include "plugins/rsync/reading.h"
#include "plugins/rsync/reconcile.h"
#include "plugins/rsync/straggler.h"
#include "plugins/rsync/versions.h"
#include "plugins/rsync/watch.h"

#include "lib/base/clock.h"
#include "lib/kube/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_S = 60,                    /* for work, on one call                                */
	SPARES_MAX = 64,                /* workers that wait for Git remotes beside those that go on */
	PAUSE_MS = 1000,                /* after a claim that failed                            */
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
};

struct emco_instance {
	const emco_host       *host;
	const emco_units_1    *units;
	const emco_clusters_1 *clusters;
	const struct config   *config;
	struct crew           *crew;             /* the workers                                 */
	struct kube           *kube;
	struct watcher        *watcher;
	struct versions        versions;         /* written to until kube is closed             */
	struct stragglers     *stragglers;
	pthread_mutex_t        lock;             /* guards is_stopping, trouble                 */
	pthread_cond_t         stopped;
	bool                   is_stopping;
	char                   trouble[256];     /* why the last claim failed; empty: it did not */
};

static const emco_option options[] = {
	EMCO_OPTION(struct config, workers, .dflt = "4", .min = 1, .max = 256,
	            .help = "Passes at once."),
	EMCO_OPTION(struct config, batch, .dflt = "64", .min = 1, .max = 10000,
	            .help = "Most units of one owner in one pass, and in one commit."),
	EMCO_OPTION(struct config, lease_ms, .dflt = "60000", .min = 1000, .max = 3600000,
	            .help = "How long units of a dead worker stay untouched; renewed while one works."),
	EMCO_OPTION(struct config, work_limit_ms, .dflt = "600000", .min = 1000, .max = 86400000,
	            .help = "Longest time of one pass."),
	EMCO_OPTION(struct config, retry_min_ms, .dflt = "1000", .min = 1, .max = 3600000,
	            .help = "Pause after the first failed try; it doubles with every further one."),
	EMCO_OPTION(struct config, retry_max_ms, .dflt = "120000", .min = 1, .max = 86400000,
	            .help = "Longest pause between tries."),
	EMCO_OPTION(struct config, retry_failed_ms, .dflt = "300000", .min = 1, .max = 86400000,
	            .help = "Pause after a fault that somebody must mend: a missing key, refused credentials."),
	EMCO_OPTION(struct config, remote_timeout_ms, .dflt = "20000", .min = 100, .max = 600000,
	            .help = "Longest silence of a remote, connecting included."),
	EMCO_OPTION(struct config, local_remotes, .dflt = "true",
	            .help = "Take paths of local bare repositories as url of a Git cluster."),
	EMCO_OPTION(struct config, ssh_key_file, .dflt = "",
	            .help = "Private key for Git over SSH; empty: the sync object's gitToken is the password."),
	EMCO_OPTION(struct config, author, .dflt = "emcod", .min = 1, .max = 200,
	            .help = "Name in Git commits."),
	EMCO_OPTION(struct config, email, .dflt = "emcod@localhost", .min = 1, .max = 200,
	            .help = "Address in Git commits."),
	EMCO_OPTION(struct config, wait_limit_ms, .dflt = "30000", .min = 100, .max = 3600000,
	            .help = "Longest wait in one try for a definition to be served or an object to be gone."),
	EMCO_OPTION(struct config, hook_timeout_ms, .dflt = "300000", .min = 100, .max = 86400000,
	            .help = "How long one Helm hook may take before it has failed."),
	EMCO_OPTION(struct config, patience_ms, .dflt = "250", .min = 1, .max = 60000,
	            .help = "How long a pass may stand still before it is waited for aside."),
	EMCO_OPTION(struct config, immutable, .dflt = "refuse", .min = 6, .max = 7,
	            .help = "What cannot be changed on a living object: refuse, or replace it."),
	EMCO_OPTION(struct config, drift, .dflt = "heal", .min = 4, .max = 6,
	            .help = "What somebody else has changed or deleted on a cluster: heal, or only report it."),
	EMCO_OPTION(struct config, takeover, .dflt = "false",
	            .help = "Take over objects that others have applied."),
	EMCO_OPTION(struct config, keep_crds, .dflt = "true",
	            .help = "Leave custom resource definitions, and so all their resources, when they are not desired any more."),
	EMCO_OPTION_END,
};

static emco_status say(emco_call *call, emco_status status, const char *field, const char *text, const char *hint)
{
	return call->fail(call, status, str_of(field), str_of(text), str_of(hint));
}

static emco_status check(const emco_host *host, emco_call *call, const void *data)
{
	const struct config *config = data;

	(void) host;
	if (config->lease_ms < 2 * config->remote_timeout_ms)
		return say(call, EMCO_E_INVALID, "lease_ms",
		           "\"lease_ms\" must be at least twice \"remote_timeout_ms\"",
		           "A worker that waits for a remote must not lose its units meanwhile.");
	if (config->retry_max_ms < config->retry_min_ms)
		return say(call, EMCO_E_INVALID, "retry_max_ms",
		           "\"retry_max_ms\" must not be less than \"retry_min_ms\"", "");
	if (!str_is(config->immutable, "refuse") && !str_is(config->immutable, "replace"))
		return say(call, EMCO_E_INVALID, "immutable", "\"immutable\" is \"refuse\" or \"replace\"", "");
	if (!str_is(config->drift, "heal") && !str_is(config->drift, "report"))
		return say(call, EMCO_E_INVALID, "drift", "\"drift\" is \"heal\" or \"report\"", "");
	return EMCO_OK;
}

/* -- workers -- */

static bool is_stopping(emco_instance *self)
{
	pthread_mutex_lock(&self->lock);
	const bool stopping = self->is_stopping;
	pthread_mutex_unlock(&self->lock);
	return stopping;
}

static void note_trouble(emco_instance *self, emco_str text)
{
	char before[sizeof self->trouble];

	pthread_mutex_lock(&self->lock);
	memcpy(before, self->trouble, sizeof before);
	snprintf(self->trouble, sizeof self->trouble, "%.*s", STR_ARG(text));
	pthread_mutex_unlock(&self->lock);
	if (text.len > 0 && before[0] == '\0')
		self->host->log(self->host, EMCO_LOG_WARNING, EMCO_STR("rsync.claim_failed"), text);
}

static void pause_ms(emco_instance *self, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	pthread_mutex_lock(&self->lock);
	while (!self->is_stopping && pthread_cond_timedwait(&self->stopped, &self->lock, &until) != ETIMEDOUT)
		continue;
	pthread_mutex_unlock(&self->lock);
}

/* -- workers -- */

struct claiming { struct pass *pass; size_t room; };

static emco_status unit_take(void *data, const emco_unit *unit)
{
	struct claiming *claiming = data;

	if (claiming->pass->count == claiming->room)
		return EMCO_E_TOO_LARGE;
	claiming->pass->jobs[claiming->pass->count++] = (struct job) { .unit = unit, .fault = { .reachable = -1 } };
	return EMCO_OK;
}

/* Takes call.  NULL: no memory, and call is ended. */
static struct pass *pass_new(emco_instance *self, emco_call *call, struct member *member)
{
	struct pass *pass = calloc(1, sizeof *pass);
	struct job  *jobs = call->alloc(call, (uint64_t) self->config->batch, sizeof *jobs);
	struct job **ended = call->alloc(call, (uint64_t) self->config->batch, sizeof(struct job *));

	if (pass == NULL || jobs == NULL || ended == NULL) {
		free(pass);
		self->host->end(self->host, call);
		return NULL;
	}
	pass->host = self->host;
	pass->units = self->units;
	pass->clusters = self->clusters;
	pass->config = self->config;
	pass->kube = self->kube;
	pass->claim = call;
	pass->jobs = jobs;
	pass->ended = ended;
	pass->stands_ns = &member->stands_ns;
	atomic_init(&pass->bell, &member->bell);
	return pass;
}

/* false: wait a little before the next one. */
static bool pass_run(emco_instance *self, struct pass *pass)
{
	struct claiming   claiming = { .pass = pass, .room = (size_t) self->config->batch };
	emco_call        *call = pass->claim;
	const emco_status status =
		self->units->claim(call, claiming.room, self->config->lease_ms * NS_PER_MS, unit_take, &claiming);

	if (status != EMCO_OK && status != EMCO_E_DEADLINE) {
		note_trouble(self, call->fault(call).len > 0 ? call->fault(call) : EMCO_STR("no reason given"));
		stragglers_end(self->stragglers, pass);
		return false;
	}
	note_trouble(self, EMCO_STR(""));
	if (status == EMCO_OK && pass->count > 0)
		pass->call = self->host->begin(self->host, EMCO_STR("rsync.work"),
		                               self->config->work_limit_ms * NS_PER_MS);
	if (pass->call == NULL) {
		stragglers_end(self->stragglers, pass);
		return true;
	}
	pass->renewed_ns = now_ns();
	reconcile(pass);
	watcher_look(self->watcher);
	stragglers_wait(self->stragglers, pass);
	return true;
}

static void worker_run(void *data, struct member *member)
{
	emco_instance *self = data;

	while (!is_stopping(self) && crew_keeps(member)) {
		emco_call   *call = self->host->begin(self->host, EMCO_STR("rsync.claim"), (int64_t) WAIT_S * NS_PER_S);
		struct pass *pass = call != NULL ? pass_new(self, call, member) : NULL;

		if (pass == NULL || !pass_run(self, pass))
			pause_ms(self, PAUSE_MS);
	}
}

/* -- life -- */

static void destroy(emco_instance *self)
{
	if (self == NULL)
		return;
	git_repo_done();
	kube_close(self->kube);
	crew_free(self->crew);
	stragglers_free(self->stragglers);
	pthread_cond_destroy(&self->stopped);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

static emco_status create(const emco_host *host, emco_call *call, const void *data, emco_instance **ret_instance)
{
	const struct config *config = data;
	struct fault         fault = { .code = EMCO_OK };
	emco_instance       *self = calloc(1, sizeof *self);

	if (self == NULL)
		return say(call, EMCO_E_NO_MEMORY, "", "out of memory", "");
	if (git_repo_init(&fault) != EMCO_OK) {
		free(self);
		return say(call, fault.code, "", fault.text, "");
	}
	self->host = host;
	self->config = config;
	self->units = host->extension(host, EMCO_UNITS_1);
	self->clusters = host->extension(host, EMCO_CLUSTERS_1);
	self->crew = crew_new(&(struct crew_options) {
		.size = (size_t) config->workers, .spares = SPARES_MAX, .patience_ns = config->patience_ms * NS_PER_MS,
		.run = worker_run, .data = self,
	});
	pthread_mutex_init(&self->lock, NULL);
	condition_init(&self->stopped);
	self->stragglers = stragglers_new(&(struct straggler_options) {
		.host = host, .crew = self->crew, .patience_ns = config->patience_ms * NS_PER_MS,
	});
	if (self->crew == NULL || self->stragglers == NULL || self->units == NULL || self->clusters == NULL) {
		const bool is_memory = self->crew == NULL || self->stragglers == NULL;

		destroy(self);
		return is_memory ? say(call, EMCO_E_NO_MEMORY, "", "out of memory", "")
		                 : say(call, EMCO_E_UNIMPLEMENTED, "",
		                       "this server offers no \"" EMCO_UNITS_1 "\" or no \"" EMCO_CLUSTERS_1 "\"",
		                       "Install the plugin that came with the server.");
	}

	const struct kube_options options_of_kube = { .user_agent = "emcod/" EMCO_VERSION " (rsync)" };
	struct error              err = { 0 };
	const enum status         st = kube_open(&options_of_kube, &self->kube, &err);
	if (st != ST_OK) {
		destroy(self);
		return say(call, status_of(st), "", err.text, err.hint);
	}
	*ret_instance = self;
	return EMCO_OK;
}

/* Refuse new work, let the pass in progress see that it is cancelled, join. */
static void stop(emco_instance *self)
{
	pthread_mutex_lock(&self->lock);
	self->is_stopping = true;
	pthread_cond_broadcast(&self->stopped);
	pthread_mutex_unlock(&self->lock);
	stragglers_stop(self->stragglers);
	crew_join(self->crew);           /* after it, which begins new ones */
	watcher_stop(self->watcher);
	self->watcher = NULL;
	/* Clusters are let go, the client ends their requests, and then nothing refers to the passes that are not over. */
	stragglers_drop(self->stragglers);
	kube_close(self->kube);
	self->kube = NULL;
	versions_done(&self->versions);
	stragglers_clear(self->stragglers);
}

/* An older server stores nothing of what is seen. */
static bool watcher_begin(emco_instance *self)
{
	const struct watcher_options watching = {
		.host = self->host, .units = self->units, .clusters = self->clusters, .config = self->config, .kube = self->kube,
		.versions = &self->versions,
	};

	if (!EMCO_HAS(self->units, observe))
		return true;
	self->watcher = watcher_start(&watching);
	return self->watcher != NULL;
}

static emco_status start(emco_instance *self, emco_call *call)
{
	if (!watcher_begin(self))
		return say(call, EMCO_E_UNAVAILABLE, "", "could not start a thread", "");
	if (!crew_start(self->crew) || !stragglers_start(self->stragglers)) {
		stop(self);
		return say(call, EMCO_E_UNAVAILABLE, "workers", "could not start a thread", "");
	}
	return EMCO_OK;
}

static emco_status health(emco_instance *self, emco_call *call)
{
	char trouble[sizeof self->trouble];

	pthread_mutex_lock(&self->lock);
	memcpy(trouble, self->trouble, sizeof trouble);
	pthread_mutex_unlock(&self->lock);
	return trouble[0] == '\0' ? EMCO_OK : say(call, EMCO_E_UNAVAILABLE, "", trouble, "");
}

/* Nothing is waited for: what a cluster that answers runs is a hint for the charts that will come to it. */
static emco_status cluster_event(emco_instance *self, emco_call *call, emco_str provider, emco_str cluster, int32_t event)
{
	char                 name[512];
	emco_cluster_access  access;
	struct kube_cluster *reached = NULL;
	struct error         err;

	snprintf(name, sizeof name, "%.*s+%.*s", STR_ARG(provider), STR_ARG(cluster));
	if (event == EMCO_CLUSTER_DELETED || self->watcher == NULL ||
	    self->clusters->access(call, str_of(name), EMCO_STR("0"), EMCO_STR("default"), &access) != EMCO_OK ||
	    access.kubeconfig.len == 0 ||
	    kube_cluster_ref(self->kube, view_of(name), (struct view) { access.kubeconfig.ptr, access.kubeconfig.len }, &reached,
	                     &err) != ST_OK)
		return EMCO_OK;
	versions_ask(&self->versions, reached, name);
	kube_cluster_unref(reached);
	return EMCO_OK;
}

static emco_status read_objects(emco_instance *self, emco_call *call, const emco_object_query *queries, uint64_t count,
                                emco_each_found *each, void *data)
{
	return reading_run(self->kube, self->clusters, call, queries, count, each, data);
}

EMCO_PLUGIN(
	.name = "rsync", .version = EMCO_VERSION,
	.summary = "Makes what is on clusters equal to what deployments want.",
	.roles = EMCO_ROLE_SYNCHRONISER | EMCO_ROLE_CLUSTER_LISTENER, .priority = 1, .thread_model = EMCO_THREADS_PARALLEL,
	EMCO_OPTIONS(options, struct config),
	.check = check, .create = create, .start = start, .health = health, .stop = stop, .destroy = destroy,
	.cluster_event = cluster_event, .read_objects = read_objects);
