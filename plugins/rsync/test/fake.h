/*
 * fake.h - a server for tests of the synchroniser: units, sets, bodies and clusters in memory; calls with a sanitizer-
 * visible end; and Git from its own command line, so that what we wrote is judged by somebody else.
 *
 * A test's own mistakes end the program.
 */
#ifndef RSYNC_TEST_FAKE_H
#define RSYNC_TEST_FAKE_H

#include "emco/plugin.h"
#include "plugins/rsync/bell.h"
#include "plugins/rsync/reconcile.h"
#include "plugins/rsync/test/shell.h"

#include <limits.h>
#include <pthread.h>

/* The plugin's one symbol, linked in. */
const emco_plugin *emco_plugin_entry(uint32_t host_abi);

enum { FAKE_MAX = 64, FAKE_STATES_MAX = 128, FAKE_TRIED_MAX = 8 };

/* A unit and the last report about it. */
struct fake_unit {
	emco_unit unit;
	char      desired[32], applied[32], tried[FAKE_TRIED_MAX][32];
	bool      needs_work, is_stolen;      /* stolen: the lease is lost                              */
	unsigned  reports;
	int32_t   outcome, reachable;
	int64_t   retry_after_ns;
	char      error[512];
	struct { char name[128], message[256]; int32_t state; } states[FAKE_STATES_MAX];
	size_t    state_count;
};

struct fake {
	emco_host        host;               /* first */
	char             dir[PATH_MAX];      /* removed by fake_done                                    */
	struct config    config;
	struct fake_unit units[FAKE_MAX];    size_t unit_count;
	struct { char name[32], *objects; } sets[FAKE_MAX];     size_t set_count;
	struct {
		char  name[64];
		char *kubeconfig, *type, *reference, *resource;
	} clusters[FAKE_MAX];
	size_t           cluster_count;
	pthread_mutex_t  lock;               /* guards units, log, what is counted; claim waits on changed */
	pthread_cond_t   changed;
	struct kube     *kube;               /* NULL unless a test opens one                            */
	struct bell      bell;
	bool             is_stopping;        /* calls are cancelled, none begins                        */
	void           (*on_renew)(struct fake *fake);
	unsigned         renewals;
	unsigned         refused_reports;    /* so many more are refused, as by a store that is away  */
	uint64_t         late_units;         /* a report of more units takes too long; 0: none does     */
	const char      *late_app;           /* as does any that names this app before all others are told */
	unsigned         accesses;                              /* how often one was asked for      */
	unsigned         late_reports, told_reports;
	void           (*on_bodies)(struct fake *fake);         /* before each page of bodies       */
	unsigned         pages, failing_page;                   /* of bodies; 0: none fails         */
	uint64_t         largest_page;
	char             log[65536];
};

void fake_init(struct fake *fake);
void fake_done(struct fake *fake);

/* objects: a JSON array of {"name", "body", "secret", "phase", "events"}; name missing: from the body. */
void fake_set(struct fake *fake, const char *name, const char *objects);

/* reference: JSON of the sync object's keys; resource: of the timers, NULL for none. */
void fake_git_cluster(struct fake *fake, const char *name, const char *reference, const char *resource);
void fake_cluster(struct fake *fake, const char *name, const char *kubeconfig, const char *git_ops_type);

/* A new unit, or a new desired set ("" nothing) of the one of that app and cluster; it needs work. */
struct fake_unit *fake_want(struct fake *fake, const char *app, const char *cluster, const char *set,
                            const char *event);

/* One pass over all units that need work, on this thread. */
void fake_run(struct fake *fake);

/* The state of an object in the last report, -1: not in it; and what was said of it. */
int32_t fake_state(const struct fake_unit *unit, const char *object);
const char *fake_message(const struct fake_unit *unit, const char *object);

/* So many reports of a unit, within ten seconds. */
bool fake_reported(struct fake *fake, const struct fake_unit *unit, unsigned reports);

#endif
