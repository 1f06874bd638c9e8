/*
 * emco_testing.h - a server that fits into a unit test.
 *
 * A plugin's test is an ordinary program: it describes a small world as JSON, opens the plugin in it, calls its operations
 * and looks at the objects that came out.  No database, no network, no daemon.  The fake offers "emco.app-context/1",
 * "emco.resources/1" and "emco.clusters/1" under the server's rules: edits count only when a slot returns EMCO_OK, what a
 * call gives out is freed when the call ends (so a sanitizer sees a pointer that was kept), and every service can be made
 * to fail on its n-th use.
 *
 *     {
 *       "resources": { "projects/p/.../nearest-intents/near": { "metadata": {...}, "spec": {...} } },
 *       "types":     { "nearestIntent": ["projects/p/.../nearest-intents/near"] },
 *       "clusters":  { "edge+one": { "labels": ["east"], "values": { "zone": "a" }, "kubeconfig": "..." } },
 *       "contexts":  { "1": { "meta": { "owner": "projects/p/...", "project": "p" },
 *                             "apps": { "web": { "edge+one": { "group": "1", "objects": [ {"apiVersion": ...} ] } } } } }
 *     }
 *
 * Every member may be missing.  "types" says which resources emco.resources/1 lists for a type.  A test's own mistakes (a
 * world that is no JSON) end the program with a message.  One emco_testing belongs to one thread, except that the plugin's
 * own threads may call what they were given.
 */
#ifndef EMCO_TESTING_H
#define EMCO_TESTING_H

#include <emco/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct emco_testing emco_testing;

/* Owned by the caller.  world: JSON; NULL: an empty one. */
emco_testing *emco_testing_new(const char *world);
void emco_testing_free(emco_testing *testing);          /* closes first; accepts NULL */

/* The descriptor in a shared object, which stays loaded.  NULL, and a line on standard error. */
const emco_plugin *emco_testing_load(const char *path);

/* Fill the plugin's options from a JSON object (NULL: all defaults), then check, create, start.  What a slot returned, or
 * EMCO_E_INVALID for an option the table refuses.  options and slots are those of a server of this ABI. */
emco_status emco_testing_open(emco_testing *testing, const emco_plugin *plugin, const char *options);
void emco_testing_close(emco_testing *testing);         /* stop, destroy */

/* -- operations: what the slot returned; EMCO_E_UNIMPLEMENTED for one the plugin does not offer ------------------------ */

emco_status emco_testing_filter_clusters(emco_testing *testing, const char *context, const char *intent);
emco_status emco_testing_update_app_context(emco_testing *testing, const char *context, const char *intent,
                                            const char *from);
emco_status emco_testing_terminate_app_context(emco_testing *testing, const char *context);
emco_status emco_testing_post_event(emco_testing *testing, const char *context, int32_t event);
emco_status emco_testing_cluster_event(emco_testing *testing, const char *provider, const char *cluster, int32_t event);
emco_status emco_testing_health(emco_testing *testing);

/* -- looking: texts live until the next call of the same function ------------------------------------------------------ */

/* The last fault: its one line, the option or JSON pointer, the hint.  Empty when there was none. */
const char *emco_testing_text(const emco_testing *testing);
const char *emco_testing_field(const emco_testing *testing);
const char *emco_testing_hint(const emco_testing *testing);

/* "edge+one edge+two": the clusters of an app, in byte order. */
const char *emco_testing_clusters(emco_testing *testing, const char *context, const char *app);

/* "web+Deployment web+Service": the objects of an app on a cluster, in order.  NULL: no such cluster. */
const char *emco_testing_objects(emco_testing *testing, const char *context, const char *app, const char *cluster);

/* The value at a JSON pointer ("/metadata/annotations/emco~1trace"; "" for all): a string as it is, else as JSON with sorted
 * members.  NULL: not there. */
const char *emco_testing_value(emco_testing *testing, const char *context, const char *app, const char *cluster,
                               const char *object, const char *pointer);

/* What the plugin logged so far: "2 event.name text\n" for each event. */
const char *emco_testing_logged(const emco_testing *testing);

/* -- making the world fail ---------------------------------------------------------------------------------------------- */

/* cancelled() is 0 for so many questions, and 1 from then on; -1: always 0. */
void emco_testing_cancel_after(emco_testing *testing, int questions);

/* The n-th service from now fails with status: a function of an extension, or alloc (NULL).  0: none.  Did it come to that?
 * is in emco_testing_has_failed: count n up until it is 0, and every path of the plugin has met its fault. */
void emco_testing_fail_nth(emco_testing *testing, int n, emco_status status);
int  emco_testing_has_failed(const emco_testing *testing);

#ifdef __cplusplus
}
#endif
#endif
