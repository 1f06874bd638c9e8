/*
 * render.h - applications rendered by the real Helm.
 *
 * Each app is rendered once per operation by `helm template`, in a private folder that is removed afterwards, with a
 * deadline, bounded output and a clean environment.  The result is kept under the digest of all that went in, so an
 * unchanged app starts no process.  Renders run in parallel; their number is bounded over the whole process.
 */
#ifndef HOST_ORCHESTRATOR_RENDER_H
#define HOST_ORCHESTRATOR_RENDER_H

#include "host/orchestrator/object.h"
#include "host/store/store.h"

struct renderer;

struct renderer_options {
	const char *helm;               /* path of the program                             */
	const char *data_dir;           /* private folder for what can be made again       */
	unsigned    renders;            /* at once                                         */
	int64_t     limit_ns;           /* of one run of Helm                              */
};

/* Folders left behind by processes that are gone are removed.  Helm itself is looked at on first use. */
enum status MUST_CHECK renderer_open(const struct renderer_options *options, struct renderer **ret_renderer,
                                     struct error *err);
void renderer_close(struct renderer *renderer);         /* accepts NULL; no render may be running */

/* What makes the objects of one app.  Everything is borrowed. */
struct render {
	struct view   app;
	struct view   chart, profile;   /* archives                                         */
	const json_t *overrides;        /* key → text in --set syntax, in order; NULL: none */
	struct view   release, namespace_, kube_version;
	/* Filled: */
	struct arena  arena;            /* owns the objects; arena_done it, also after a failure */
	struct objects objects;
};

/*
 * Render all.  The first failing app, in order, ends in err: "app \"web\": ...".
 * ST_INVALID, ST_MALFORMED, ST_TOO_LARGE: chart, profile or overrides are at fault.  ST_UPSTREAM: Helm refused, in
 * its own words, or cannot be run.  ST_DEADLINE.  ST_UNAVAILABLE: no render became free in time.  store may be NULL:
 * nothing is kept.  A store that is away costs the keeping only.  Any thread.
 */
enum status MUST_CHECK render_all(struct renderer *renderer, struct store *store, struct render *renders, size_t count,
                                  int64_t deadline_ns, struct error *err);

/* A DNS-1123 label of at most RELEASE_LEN_MAX: what Helm accepts as a release, and Kubernetes as a namespace. */
enum { RELEASE_LEN_MAX = 53 };
bool release_is_valid(struct view name);

/* Where no cluster tells its version: behind Git, and before one has answered for the first time. */
#define KUBE_VERSION_DEFAULT "v1.29.0"

/* By major, minor and patch: -1, 0, 1.  What is no number is 0: "v1.20+" is "v1.20.0". */
int kube_version_compare(struct view a, struct view b);

#endif
