/*
 * object.h - one Kubernetes object of an application, as it is planned, stored and handed to synchronisers.
 *
 * Outside it is called "name+Kind".  Two objects may share that (another namespace or API group): the second holder
 * gets "name~2+Kind"; "~" is in no Kubernetes name that can meet a URL.
 */
#ifndef HOST_ORCHESTRATOR_OBJECT_H
#define HOST_ORCHESTRATOR_OBJECT_H

#include "lib/base/json.h"

enum { OBJECTS_MAX = 20000 };

struct object {
	struct view name;               /* "web+Deployment"                          */
	struct view api_version, kind, namespace_;
	struct view events;             /* of a hook: "pre-install,post-upgrade"     */
	struct view body;               /* compact JSON, members in the given order  */
	int         phase;              /* EMCO_PHASE_...                            */
	bool        is_secret;
};

/* In order: custom resource definitions, the main objects as they are to be applied, hooks by weight. */
struct objects {
	struct object *at;
	size_t         count;
};

/* "apps" of "apps/v1"; empty for the core group.  And the "v1". */
struct view object_group(struct view api_version);
struct view object_version(struct view api_version);

/* metadata.name as the outside name tells it: "web" of "web+Deployment" and of "web~2+Deployment". */
struct view object_plain_name(struct view name);

/* false: a hook that only deletes, rolls back or tests: nothing that an operation which brings something is said to bring. */
bool object_is_brought(int phase, struct view events);

/* Does a hook of these events, "pre-install,post-upgrade", run before or after an "upgrade"? */
bool object_hook_is_of(struct view events, const char *event);

/* As bytes and back, for caches.  Views of decoded objects point into text, which must outlive them. */
enum status MUST_CHECK objects_encode(const struct objects *objects, struct buf *out, struct error *err);
enum status MUST_CHECK objects_decode(struct view text, struct arena *arena, struct objects *ret_objects,
                                      struct error *err);

#endif
