/*
 * plugins_priv.h - what plugins.c, plugin_host.c and instance.c share.
 */
#ifndef HOST_REGISTRY_PLUGINS_PRIV_H
#define HOST_REGISTRY_PLUGINS_PRIV_H

#include "host/registry/call.h"
#include "host/registry/plugins.h"

#include <pthread.h>

struct controller;

/* The table a plugin holds; first member, so that its pointer is ours. */
struct own_host {
	emco_host          abi;
	struct controller *controller;
};

/* A call that the plugin began itself. */
struct own_call {
	struct call      call;            /* first */
	struct own_call *next;
	char             what[64];
};

/* An instance, and what only the registry knows of it.  Never moves. */
struct controller {
	struct instance  instance;        /* first                                                          */
	struct plugins  *plugins;
	emco_plugin      plugin;          /* checked copy                                                   */
	struct own_host  host;
	void            *config;
	size_t           bind_count;      /* of instance.aliases, the first so many are the file's `bind`   */
	bool             is_created, is_started;

	pthread_mutex_t  lock;            /* guards is_busy, is_asked and own                               */
	pthread_cond_t   freed;           /* is_busy or is_asked became false                               */
	bool             is_busy;         /* a serial plugin is in a call                                   */
	bool             is_asked;        /* how it is, and it has not answered yet                         */
	struct own_call *own;
	int32_t          in_flight;       /* atomic: calls not returned                                     */
	int32_t          left_behind;     /* atomic: of those, the ones nobody waits for any more           */
};

struct plugins {
	struct controller **items;        /* in the order of their files: the order of start                */
	struct instance   **by_name;
	size_t              count;
	struct store       *store;
	char               *data_dir;     /* NULL: none                                                     */
	struct arena        arena;
	pthread_mutex_t     lock;         /* guards is_quarantined of all instances                         */
	bool                is_stopping;  /* atomic                                                         */
};

static inline struct controller *controller_of(const struct instance *instance)
{
	union { const struct instance *in; struct controller *out; } same = { .in = instance };

	return same.out;
}

/* Fill the host table of a controller; data_dir is borrowed from the arena. */
void host_init(struct controller *controller, const char *data_dir);

/* End the calls that a stopped plugin forgot. */
void host_done(struct controller *controller);

#endif
