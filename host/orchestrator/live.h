/*
 * live.h - objects as their clusters have them now, which nobody keeps: asked of the synchroniser, of many places at once.
 *
 * Made, filled with places, asked once, and then looked at; one thread at a time.  What its plugin is left behind with lives on
 * without the others: nothing in it is borrowed.
 */
#ifndef HOST_ORCHESTRATOR_LIVE_H
#define HOST_ORCHESTRATOR_LIVE_H

#include "host/registry/plugins.h"
#include "host/store/context.h"

struct live;

/* Memory for places and answers together. */
enum { LIVE_MAX = 128 << 20 };

/* The instance that is asked: the first that can be.  NULL: none. */
struct instance *live_synchroniser(const struct plugins *plugins);

/* names: of objects that are of interest, copied; count 0: all.  NULL: no memory. */
struct live *live_new(struct instance *instance, struct store *store, const struct view *names, size_t count);
void         live_unref(struct live *live);              /* accepts NULL */

/* Is the object of interest?  "web+Deployment" */
bool live_is_shown(const struct live *live, struct view name);

/* An app on a cluster, and the kinds that are asked for there.  ST_NO_MEMORY: the place, or the kind, is left out. */
struct live_place;
enum status MUST_CHECK live_add(struct live *live, struct view app, struct view cluster, int64_t status_context,
                                struct live_place **ret_place, struct error *err);
enum status MUST_CHECK live_add_kind(struct live *live, struct live_place *place, struct view api_version, struct view kind,
                                     struct error *err);

/*
 * Ask, on a guarded thread, and wait until deadline_ns at most.  ST_OK, and what was told can be looked at, also when some or all
 * did not tell: that is only logged, with path.  ST_DEADLINE: the plugin has not come back; unref it, and do nothing else.
 * ST_TOO_LARGE: more than LIVE_MAX.
 */
enum status MUST_CHECK live_ask(struct live *live, struct view path, int64_t deadline_ns, struct error *err);

/* The object as JSON, for the life of live: that in namespace_, or, when it is not known (empty), the first.  Empty: it was not told. */
struct view live_body(const struct live *live, struct view app, struct view cluster, const struct set_entry *entry,
                      struct view namespace_);

#endif
