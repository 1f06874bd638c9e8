/*
 * rsync - brings objects to clusters.
 *
 * A worker begins a pass and waits as long as it makes progress.  A pass that clusters keep waiting is handed over to the
 * thread for stragglers, which looks after many: a dead cluster costs no worker.
 *
 * Workers claim units, make applied equal desired, and report; nothing else happens here.  A worker waits for units on one
 * call and works on another, so that work has its whole time however late it came.  Everything is repeatable: a worker
 * that dies in the middle loses its leases, and whoever claims the units next finds done what was done.
 */
#include "emco/plugin.h"
#include "plugins/rsync/bell.h"
#include "plugins/rsync/git_repo.h"
#include "plugins/rsync/reconcile.h"
#include "plugins/rsync/versions.h"
#include "plugins/rsync/watch.h"

#include "lib/kube/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_S = 60,                    /* for work, on one call                                */
	STRAGGLERS_MAX = 512,           /* passes handed over; beyond that, workers wait        */
	LOOK_MS = 200,                  /* how often stragglers are looked at when no bell rings */
	PAUSE_MS = 1000,                /* after a claim that failed                            */
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
};

struct emco_instance {
	const emco_host       *host;
	const emco_units_1    *units;
	const emco_clusters_1 *clusters;
	const struct config   *config;
	pthread_t             *workers;
	size_t                 worker_count;     /* running                                     */
	struct kube           *kube;
	struct watcher        *watcher;
	struct versions        versions;         /* written to until kube is closed             */
	struct bell           *bells;            /* of each worker; the last one of the stragglers' */
	pthread_t              straggler;
	bool                   has_straggler;    /* runs                                        */
	struct pass           *handed_over, *left_behind;       /* under lock                   */
	size_t                 straggling;                      /* under lock                   */
	pthread_mutex_t        lock;             /* guards is_stopping, trouble, passes         */
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

/* -- passes -- */

static void pass_free(struct pass *pass)
{
	reconcile_drop(pass);
	if (pass->call != NULL)
		pass->host->end(pass->host, pass->call);
	pass->host->end(pass->host, pass->claim);
	free(pass);
}

/* The server stops while requests are under way: what they write to lives until the client has ended them. */
static void pass_leave(emco_instance *self, struct pass *pass)
{
	pthread_mutex_lock(&self->lock);
	pass->next = self->left_behind;
	self->left_behind = pass;
	pthread_mutex_unlock(&self->lock);
}

/* false: there are too many already. */
static bool pass_hand_over(emco_instance *self, struct pass *pass)
{
	struct bell *bell = &self->bells[self->config->workers];

	pthread_mutex_lock(&self->lock);
	const bool is_taken = self->straggling < STRAGGLERS_MAX && !self->is_stopping;
	if (is_taken) {
		self->straggling++;
		atomic_store(&pass->bell, bell);
		pass->next = self->handed_over;
		self->handed_over = pass;
	}
	pthread_mutex_unlock(&self->lock);
	if (is_taken)
		bell_ring(bell);
	return is_taken;
}

/* Takes pass. */
static void pass_wait(emco_instance *self, struct pass *pass)
{
	const int64_t patience_ns = self->config->patience_ms * NS_PER_MS;
	int64_t       moved_ns = now_ns(), next_ns;
	size_t        left = reconcile_go_on(pass, &next_ns), before = left;

	while (left > 0 && !is_stopping(self)) {
		const int64_t limit_ns = moved_ns + patience_ns;

		if (now_ns() > limit_ns) {
			if (pass_hand_over(self, pass))
				return;
			moved_ns = now_ns();
		}
		bell_wait(atomic_load(&pass->bell), next_ns < limit_ns ? next_ns : limit_ns + 1);
		left = reconcile_go_on(pass, &next_ns);
		if (left < before)
			moved_ns = now_ns();
		before = left;
	}
	if (left > 0)
		pass_leave(self, pass);
	else
		pass_free(pass);
}

static void *straggler_run(void *data)
{
	emco_instance *self = data;
	struct bell   *bell = &self->bells[self->config->workers];
	struct pass   *passes = NULL;

	while (!is_stopping(self)) {
		int64_t next_ns = now_ns() + (int64_t) LOOK_MS * NS_PER_MS;

		pthread_mutex_lock(&self->lock);
		struct pass *more = self->handed_over;
		self->handed_over = NULL;
		pthread_mutex_unlock(&self->lock);
		while (more != NULL) {
			struct pass *pass = more;

			more = pass->next;
			pass->next = passes;
			passes = pass;
		}
		for (struct pass **at = &passes; *at != NULL;) {
			struct pass *pass = *at;
			int64_t      pass_next_ns;

			if (reconcile_go_on(pass, &pass_next_ns) > 0) {
				if (pass_next_ns < next_ns)
					next_ns = pass_next_ns;
				at = &pass->next;
				continue;
			}
			*at = pass->next;
			pass_free(pass);
			pthread_mutex_lock(&self->lock);
			self->straggling--;
			pthread_mutex_unlock(&self->lock);
		}
		bell_wait(bell, next_ns);
	}
	while (passes != NULL) {
		struct pass *pass = passes;

		passes = pass->next;
		pass_leave(self, pass);
	}
	return NULL;
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
static struct pass *pass_new(emco_instance *self, emco_call *call, struct bell *bell)
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
	atomic_init(&pass->bell, bell);
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
		pass_free(pass);
		return false;
	}
	note_trouble(self, EMCO_STR(""));
	if (status == EMCO_OK && pass->count > 0)
		pass->call = self->host->begin(self->host, EMCO_STR("rsync.work"),
		                               self->config->work_limit_ms * NS_PER_MS);
	if (pass->call == NULL) {
		pass_free(pass);
		return true;
	}
	pass->renewed_ns = now_ns();
	reconcile(pass);
	watcher_look(self->watcher);
	pass_wait(self, pass);
	return true;
}

struct worker { emco_instance *self; size_t number; };

static void *worker_run(void *data)
{
	struct worker *worker = data;
	emco_instance *self = worker->self;
	struct bell   *bell = &self->bells[worker->number];

	free(worker);
	while (!is_stopping(self)) {
		emco_call   *call = self->host->begin(self->host, EMCO_STR("rsync.claim"), (int64_t) WAIT_S * NS_PER_S);
		struct pass *pass = call != NULL ? pass_new(self, call, bell) : NULL;

		if (pass == NULL || !pass_run(self, pass))
			pause_ms(self, PAUSE_MS);
	}
	return NULL;
}

/* -- life -- */

static void destroy(emco_instance *self)
{
	if (self == NULL)
		return;
	git_repo_done();
	kube_close(self->kube);
	for (int64_t i = 0; self->bells != NULL && i <= self->config->workers; i++)
		bell_done(&self->bells[i]);
	free(self->bells);
	pthread_cond_destroy(&self->stopped);
	pthread_mutex_destroy(&self->lock);
	free(self->workers);
	free(self);
}

static emco_status create(const emco_host *host, emco_call *call, const void *data, emco_instance **ret_instance)
{
	const struct config *config = data;
	struct fault         fault = { .code = EMCO_OK };
	pthread_condattr_t   monotonic;
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
	self->workers = calloc((size_t) config->workers, sizeof *self->workers);
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&self->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	self->bells = calloc((size_t) config->workers + 1, sizeof *self->bells);
	for (int64_t i = 0; self->bells != NULL && i <= config->workers; i++)
		bell_init(&self->bells[i]);
	if (self->workers == NULL || self->bells == NULL || self->units == NULL || self->clusters == NULL) {
		const bool is_memory = self->workers == NULL || self->bells == NULL;

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

/* Passes that are not over: their clusters are let go, the client ends their requests, and then nothing refers to them. */
static void passes_end(emco_instance *self)
{
	while (self->handed_over != NULL) {
		struct pass *pass = self->handed_over;

		self->handed_over = pass->next;
		pass->next = self->left_behind;
		self->left_behind = pass;
	}
	for (struct pass *pass = self->left_behind; pass != NULL; pass = pass->next)
		reconcile_drop(pass);
	kube_close(self->kube);
	self->kube = NULL;
	versions_done(&self->versions);
	while (self->left_behind != NULL) {
		struct pass *pass = self->left_behind;

		self->left_behind = pass->next;
		pass_free(pass);
	}
}

/* Refuse new work, let the pass in progress see that it is cancelled, join. */
static void stop(emco_instance *self)
{
	pthread_mutex_lock(&self->lock);
	self->is_stopping = true;
	pthread_cond_broadcast(&self->stopped);
	pthread_mutex_unlock(&self->lock);
	for (int64_t i = 0; i <= self->config->workers; i++)
		bell_ring(&self->bells[i]);
	for (size_t i = 0; i < self->worker_count; i++)
		pthread_join(self->workers[i], NULL);
	self->worker_count = 0;
	if (self->has_straggler)
		pthread_join(self->straggler, NULL);
	self->has_straggler = false;
	watcher_stop(self->watcher);
	self->watcher = NULL;
	passes_end(self);
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
	self->has_straggler = pthread_create(&self->straggler, NULL, straggler_run, self) == 0;
	for (int64_t i = 0; i < self->config->workers; i++) {
		struct worker *worker = malloc(sizeof *worker);

		if (worker != NULL)
			*worker = (struct worker) { self, (size_t) i };
		if (worker == NULL || !self->has_straggler ||
		    pthread_create(&self->workers[i], NULL, worker_run, worker) != 0) {
			free(worker);
			stop(self);
			return say(call, EMCO_E_UNAVAILABLE, "workers", "could not start a thread", "");
		}
		self->worker_count++;
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

EMCO_PLUGIN(
	.name = "rsync", .version = EMCO_VERSION,
	.summary = "Makes what is on clusters equal to what deployments want.",
	.roles = EMCO_ROLE_SYNCHRONISER | EMCO_ROLE_CLUSTER_LISTENER, .priority = 1, .thread_model = EMCO_THREADS_PARALLEL,
	EMCO_OPTIONS(options, struct config),
	.check = check, .create = create, .start = start, .health = health, .stop = stop, .destroy = destroy,
	.cluster_event = cluster_event);
