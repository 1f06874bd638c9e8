/*
 * rsync - brings objects to clusters.
 *
 * Workers claim units, make applied equal desired, and report; nothing else happens here.  A worker waits for units on one
 * call and works on another, so that work has its whole time however late it came.  Everything is repeatable: a worker
 * that dies in the middle loses its leases, and whoever claims the units next finds done what was done.
 */
#include "emco/plugin.h"
#include "plugins/rsync/git_repo.h"
#include "plugins/rsync/reconcile.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_S = 60,                    /* for work, on one call                                */
	REPORT_S = 30,
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

struct claiming { emco_call *call; struct pass *pass; size_t room; };

static emco_status unit_take(void *data, const emco_unit *unit)
{
	struct claiming *claiming = data;

	if (claiming->pass->count == claiming->room)
		return EMCO_E_TOO_LARGE;
	claiming->pass->jobs[claiming->pass->count++] = (struct job) { .unit = unit, .fault = { .reachable = -1 } };
	return EMCO_OK;
}

/* The units are done with when the claiming call ends, so that one ends last. */
static void pass_work(emco_instance *self, struct pass *pass)
{
	emco_call *work =
		self->host->begin(self->host, EMCO_STR("rsync.work"), self->config->work_limit_ms * NS_PER_MS);

	if (work == NULL)
		return;
	pass->call = work;
	reconcile(pass);

	/* NULL: the server stops.  The leases end with its liveness, and the units are claimed again. */
	emco_call *report = self->host->begin(self->host, EMCO_STR("rsync.report"), (int64_t) REPORT_S * NS_PER_S);
	if (report != NULL) {
		pass->call = report;
		reconcile_report(pass);
		self->host->end(self->host, report);
	}
	self->host->end(self->host, work);
}

/* false: wait a little before the next one. */
static bool pass_run(emco_instance *self, emco_call *call)
{
	const size_t    room = (size_t) self->config->batch;
	struct pass     pass = {
		    .host = self->host, .units = self->units, .clusters = self->clusters, .config = self->config
	};
	struct claiming claiming = { .call = call, .pass = &pass, .room = room };

	pass.jobs = call->alloc(call, room, sizeof *pass.jobs);
	if (pass.jobs == NULL)
		return false;
	pass.renewed_ns = now_ns();

	const emco_status status =
		self->units->claim(call, room, self->config->lease_ms * NS_PER_MS, unit_take, &claiming);
	if (status != EMCO_OK && status != EMCO_E_DEADLINE) {
		note_trouble(self, call->fault(call).len > 0 ? call->fault(call) : EMCO_STR("no reason given"));
		return false;
	}
	note_trouble(self, EMCO_STR(""));
	if (status == EMCO_OK && pass.count > 0) {
		pass.renewed_ns = now_ns();
		pass_work(self, &pass);
	}
	return true;
}

static void *worker_run(void *data)
{
	emco_instance *self = data;

	while (!is_stopping(self)) {
		emco_call *call = self->host->begin(self->host, EMCO_STR("rsync.claim"), (int64_t) WAIT_S * NS_PER_S);
		const bool is_well = call != NULL && pass_run(self, call);

		if (call != NULL)
			self->host->end(self->host, call);
		if (!is_well)
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
	if (self->workers == NULL || self->units == NULL || self->clusters == NULL) {
		const bool is_memory = self->workers == NULL;

		destroy(self);
		return is_memory ? say(call, EMCO_E_NO_MEMORY, "", "out of memory", "")
		                 : say(call, EMCO_E_UNIMPLEMENTED, "",
		                       "this server offers no \"" EMCO_UNITS_1 "\" or no \"" EMCO_CLUSTERS_1 "\"",
		                       "Install the plugin that came with the server.");
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
	for (size_t i = 0; i < self->worker_count; i++)
		pthread_join(self->workers[i], NULL);
	self->worker_count = 0;
}

static emco_status start(emco_instance *self, emco_call *call)
{
	for (int64_t i = 0; i < self->config->workers; i++) {
		if (pthread_create(&self->workers[i], NULL, worker_run, self) != 0) {
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

EMCO_PLUGIN(
	.name = "rsync", .version = EMCO_VERSION,
	.summary = "Makes what is on clusters equal to what deployments want.",
	.roles = EMCO_ROLE_SYNCHRONISER, .priority = 1, .thread_model = EMCO_THREADS_PARALLEL,
	EMCO_OPTIONS(options, struct config),
	.check = check, .create = create, .start = start, .health = health, .stop = stop, .destroy = destroy);
