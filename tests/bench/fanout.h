/*
 * fanout.h - many objects to many API servers: the same work for lib/kube and for a bare libcurl loop.
 *
 * Hosts are spread over shards.  A shard walks its work object by object, within an object host by host, with so many
 * requests under way; whoever ends one begins the next.
 */
#ifndef TESTS_BENCH_FANOUT_H
#define TESTS_BENCH_FANOUT_H

#include "lib/base/buf.h"
#include "lib/kube/config.h"

#include <stdatomic.h>

enum { SHARDS_MAX = 64, HOSTS_A_SHARD = 500 };

struct fanout {
	struct fanout_host {
		struct kube_config *config;
		struct view         kubeconfig;
	} *hosts;
	size_t      host_count, objects, bytes, shards, in_flight;     /* in_flight: of a shard */
	unsigned    turn;                /* changes every object */
	const char *label;
};

/* What is to be done next in a shard; false: nothing. */
struct shard_work { _Atomic(size_t) next; };
bool fanout_next(const struct fanout *fanout, struct shard_work *work, size_t shard, size_t *ret_host, size_t *ret_object);

/* Object number `object` of this turn, as JSON, and its path with query. */
void fanout_body(const struct fanout *fanout, size_t object, struct buf *body);
void fanout_path(size_t object, struct buf *path);

/* How: connect to all hosts once, then run a turn of all objects as often as asked for.  Failures end the process. */
struct fanout_way {
	const char *name;
	void (*connect)(const struct fanout *fanout);
	void (*run)(const struct fanout *fanout);
};
extern const struct fanout_way fanout_loop;      /* fanout_loop.c: libcurl and nothing else */
extern const struct fanout_way fanout_kube;      /* fanout_kube.c: lib/kube                 */

_Noreturn void fanout_die(const char *what, const char *why);

#endif
