/* The host: calls, clusters, the log; and a pass over what fake_units.c holds. */
#include "plugins/rsync/test/fake_priv.h"

#include "plugins/rsync/git_repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- calls -- */

struct fake_call {
	emco_call abi;                  /* first */
	struct fake *fake;
	int64_t  deadline_ns;
	void   **blocks;
	size_t   count;
	char     text[512];
};

static struct fake_call *call_of(const emco_call *call)
{
	union { const emco_call *in; struct fake_call *out; } same = { .in = call };

	return same.out;
}

static int32_t call_cancelled(const emco_call *call)
{
	struct fake_call *self = call_of(call);

	return __atomic_load_n(&self->fake->is_stopping, __ATOMIC_ACQUIRE) || now_ns() > self->deadline_ns;
}

static int64_t call_left_ns(const emco_call *call)
{
	const int64_t left_ns = call_of(call)->deadline_ns - now_ns();

	return left_ns > 0 ? left_ns : 0;
}

static emco_status call_fail(emco_call *call, emco_status status, emco_str field, emco_str text, emco_str hint)
{
	(void) field;
	(void) hint;
	snprintf(call_of(call)->text, sizeof call_of(call)->text, "%.*s", STR_ARG(text));
	return status;
}

/* Each piece its own block: a pointer that outlives its call is seen. */
static void *call_alloc(emco_call *call, uint64_t count, uint64_t size)
{
	struct fake_call *self = call_of(call);
	void             *block = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

	self->blocks = realloc(self->blocks, (self->count + 1) * sizeof(void *));
	must(block != NULL && self->blocks != NULL);
	self->blocks[self->count++] = block;
	return block;
}

static emco_str call_fault(const emco_call *call)
{
	return str_of(call_of(call)->text);
}

static emco_call *host_begin(const emco_host *host, emco_str what, int64_t limit_ns)
{
	union { const emco_host *in; struct fake *out; } same = { .in = host };
	struct fake_call *call;

	(void) what;
	if (__atomic_load_n(&same.out->is_stopping, __ATOMIC_ACQUIRE))
		return NULL;
	call = calloc(1, sizeof *call);
	must(call != NULL);
	*call = (struct fake_call) {
		.abi = { .size = sizeof call->abi,
		         .abi = EMCO_ABI,
		         .cancelled = call_cancelled,
		         .left_ns = call_left_ns,
		         .fail = call_fail,
		         .alloc = call_alloc,
		         .fault = call_fault },
		.fake = same.out,
		.deadline_ns = now_ns() + limit_ns,
	};
	return &call->abi;
}

static void host_end(const emco_host *host, emco_call *abi)
{
	struct fake_call *call = call_of(abi);

	(void) host;
	for (size_t i = 0; i < call->count; i++)
		free(call->blocks[i]);
	free(call->blocks);
	free(call);
}

struct fake *fake_of(const emco_call *call)
{
	return call_of(call)->fake;
}

emco_str fake_keep(emco_call *call, const char *text)
{
	char *copy = call_alloc(call, strlen(text) + 1, 1);

	memcpy(copy, text, strlen(text));
	return str_of(copy);
}

/* -- clusters -- */

static emco_status cluster_access(emco_call *call, emco_str cluster, emco_str level, emco_str namespace_,
                                  emco_cluster_access *ret_access)
{
	struct fake *fake = fake_of(call);

	(void) level;
	(void) namespace_;
	pthread_mutex_lock(&fake->lock);
	fake->accesses++;
	pthread_mutex_unlock(&fake->lock);
	for (size_t i = 0; i < fake->cluster_count; i++) {
		if (!str_is(cluster, fake->clusters[i].name))
			continue;
		*ret_access = (emco_cluster_access) {
			.size = sizeof *ret_access, .kubeconfig = fake_keep(call, fake->clusters[i].kubeconfig),
			.git_ops_type = fake_keep(call, fake->clusters[i].type),
			.reference_object = fake_keep(call, fake->clusters[i].reference),
			.resource_object = fake_keep(call, fake->clusters[i].resource),
		};
		return EMCO_OK;
	}
	return call_fail(call, EMCO_E_NOT_FOUND, EMCO_STR(""), EMCO_STR("no such cluster"), EMCO_STR(""));
}

static const emco_clusters_1 clusters = { .size = sizeof clusters, .access = cluster_access };

/* -- the host -- */

static const void *host_extension(const emco_host *host, const char *id)
{
	(void) host;
	return strcmp(id, EMCO_UNITS_1) == 0      ? (const void *) &fake_units
	       : strcmp(id, EMCO_CLUSTERS_1) == 0 ? &clusters
	                                          : NULL;
}

static void host_log(const emco_host *host, int32_t level, emco_str event, emco_str text)
{
	union { const emco_host *in; struct fake *out; } same = { .in = host };
	struct fake *fake = same.out;

	pthread_mutex_lock(&fake->lock);
	const size_t used = strlen(fake->log);
	snprintf(fake->log + used, sizeof fake->log - used, "%d %.*s %.*s\n", (int) level, STR_ARG(event),
	         STR_ARG(text));
	pthread_mutex_unlock(&fake->lock);
}

void fake_init(struct fake *fake)
{
	struct fault fault;

	*fake = (struct fake) {
		.host = { .size = sizeof fake->host,
		          .abi = EMCO_ABI,
		          .server_version = EMCO_STR("0"),
		          .instance = EMCO_STR("rsync"),
		          .extension = host_extension,
		          .log = host_log,
		          .begin = host_begin,
		          .end = host_end },
		.dir = "/tmp/rsync-test-XXXXXX",
		.config = { .workers = 2,
		            .batch = 64,
		            .lease_ms = 60000,
		            .work_limit_ms = 60000,
		            .retry_min_ms = 1000,
		            .retry_max_ms = 120000,
		            .retry_failed_ms = 300000,
		            .remote_timeout_ms = 2000,
		            .local_remotes = 1,
		            .ssh_key_file = EMCO_STR(""),
		            .author = EMCO_STR("emcod"),
		            .email = EMCO_STR("emcod@localhost"),
		            .wait_limit_ms = 2000,
		            .patience_ms = 100,
		            .immutable = EMCO_STR("refuse"),
		            .drift = EMCO_STR("heal"),
		            .keep_crds = 1 },
	};
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	bell_init(&fake->bell);
	if (mkdtemp(fake->dir) == NULL)
		abort();
	setenv("HOME", fake->dir, 1);            /* Git's command line must not see the user's settings */
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	shell("git config --global user.name someone && git config --global user.email someone@example.com && "
	      "git config --global init.defaultBranch main && mkdir %s/data", fake->dir);
	fake->host.data_dir = str_of(strdup(shell("echo %s/data", fake->dir)));
	if (git_repo_init(&fault) != EMCO_OK)
		abort();
}

void fake_done(struct fake *fake)
{
	union { const char *in; char *out; } data_dir = { .in = fake->host.data_dir.ptr };

	git_repo_done();
	shell("chmod -R u+w %s; rm -rf %s", fake->dir, fake->dir);
	free(data_dir.out);
	for (size_t i = 0; i < fake->set_count; i++)
		free(fake->sets[i].objects);
	for (size_t i = 0; i < fake->cluster_count; i++) {
		free(fake->clusters[i].kubeconfig);
		free(fake->clusters[i].type);
		free(fake->clusters[i].reference);
		free(fake->clusters[i].resource);
	}
	bell_done(&fake->bell);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
}

/* -- the world -- */

static void cluster_add(struct fake *fake, const char *name, const char *kubeconfig, const char *type,
                        const char *reference, const char *resource)
{
	size_t i = 0;

	while (i < fake->cluster_count && strcmp(fake->clusters[i].name, name) != 0)
		i++;
	if (i < fake->cluster_count) {
		free(fake->clusters[i].kubeconfig);
		free(fake->clusters[i].type);
		free(fake->clusters[i].reference);
		free(fake->clusters[i].resource);
	} else {
		fake->cluster_count++;
	}
	snprintf(fake->clusters[i].name, sizeof fake->clusters[i].name, "%s", name);
	fake->clusters[i].kubeconfig = strdup(kubeconfig);
	fake->clusters[i].type = strdup(type);
	fake->clusters[i].reference = strdup(reference);
	fake->clusters[i].resource = strdup(resource != NULL ? resource : "{}");
}

void fake_git_cluster(struct fake *fake, const char *name, const char *reference, const char *resource)
{
	cluster_add(fake, name, "", "fluxcd", reference, resource);
}

void fake_cluster(struct fake *fake, const char *name, const char *kubeconfig, const char *git_ops_type)
{
	cluster_add(fake, name, kubeconfig, git_ops_type, "{}", "{}");
}

static emco_status take(void *data, const emco_unit *unit)
{
	struct pass *pass = data;

	pass->jobs[pass->count++] = (struct job) { .unit = unit, .fault = { .reachable = -1 } };
	return EMCO_OK;
}

void fake_run(struct fake *fake)
{
	struct job  jobs[FAKE_MAX], *ended[FAKE_MAX];
	emco_call  *claiming = host_begin(&fake->host, EMCO_STR("claim"), 1000000000);
	emco_call  *working = host_begin(&fake->host, EMCO_STR("work"), fake->config.work_limit_ms * 1000000);
	struct pass pass = { .host = &fake->host, .units = &fake_units, .clusters = &clusters, .config = &fake->config,
	                     .call = working, .jobs = jobs, .ended = ended, .renewed_ns = now_ns() };

	pass.kube = fake->kube;
	atomic_init(&pass.bell, &fake->bell);
	if (fake_units.claim(claiming, FAKE_MAX, 1, take, &pass) == EMCO_OK) {
		int64_t next_ns = 0;

		reconcile(&pass);
		while (reconcile_go_on(&pass, &next_ns) > 0)
			bell_wait(&fake->bell, next_ns);
		reconcile_drop(&pass);
	}
	host_end(&fake->host, working);
	host_end(&fake->host, claiming);
}
