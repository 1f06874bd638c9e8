/*
 * testing_priv.h - what the files of the fake host share.
 */
#ifndef EMCO_TESTING_PRIV_H
#define EMCO_TESTING_PRIV_H

#include "emco_testing.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory of a call, newest first. */
struct fake_block {
	struct fake_block *next;
	max_align_t        data[];
};

struct fake_call {
	emco_call          abi;           /* first */
	emco_testing      *testing;
	struct fake_call  *next;          /* of the plugin's own calls                              */
	bool               may_edit;
	struct fake_block *blocks;
};

struct fake_host {
	emco_host     abi;                /* first */
	emco_testing *testing;
};

struct emco_testing {
	json_t            *world;
	struct fake_host   host;
	emco_plugin        plugin;        /* as big as ours: what an older one lacks is NULL       */
	emco_instance     *self;
	void              *config;
	json_t            *options;       /* owns the texts in config                              */
	void             **lists;         /* and its lists                                         */
	size_t             list_count;
	bool               is_open, is_created, is_started;
	pthread_mutex_t    lock;          /* guards the world, what is below and the log; recursive  */
	struct fake_call  *own;
	int                cancel_after, fail_in;
	emco_status        fail_status;
	bool               has_failed;
	char               field[64], text[256], hint[160];
	char              *log, *clusters, *objects, *value;
};

void  fake_die(const char *what) __attribute__((noreturn));
void *fake_need(void *memory);                             /* ends the program when NULL */

void fake_call_init(struct fake_call *call, emco_testing *testing, bool may_edit);
void fake_call_done(struct fake_call *call);
static inline struct fake_call *fake_call_of(emco_call *call) { return (struct fake_call *) (void *) call; }

/* Memory of the call that cannot be made to fail: for what the fake itself gives out. */
void       *fake_memory(struct fake_call *call, size_t size);
const char *fake_text(struct fake_call *call, emco_str text);
emco_str    fake_str(struct fake_call *call, const char *text);
emco_status fake_fail(struct fake_call *call, emco_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Is it this service's turn to fail?  Then its status, else EMCO_OK.  Under the lock. */
emco_status fake_turn(emco_testing *testing);

/* Fill config from JSON against the option table. */
emco_status fake_options(emco_testing *testing, const emco_plugin *plugin, const char *options);

const void *fake_extension(const emco_host *host, const char *id);

/* The clusters of an app in a context, or NULL; the objects of one. */
json_t *fake_app(emco_testing *testing, const char *context, const char *app);
json_t *fake_objects(emco_testing *testing, const char *context, const char *app, const char *cluster);
json_t *fake_object(json_t *objects, const char *name, size_t *ret_index);
void    fake_object_name(const json_t *object, char name[512]);

/* The names of an object's members in byte order; free it with json_decref. */
json_t *fake_sorted(const json_t *object);

#endif
