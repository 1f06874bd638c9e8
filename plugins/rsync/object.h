/*
 * object.h - the objects of a set, made ready for a cluster.
 *
 * Every object gets the label emco/deployment-id, by which status finds it and prune knows it as ours, and a namespace when
 * it has none.  A set is made ready once in a pass for all the clusters that share it.
 */
#ifndef RSYNC_OBJECT_H
#define RSYNC_OBJECT_H

#include "plugins/rsync/piece.h"
#include "plugins/rsync/target.h"

#include <jansson.h>

#define DEPLOYMENT_LABEL  "emco/deployment-id"
#define NAME_MARK         "emco/object"  /* annotation: of several that have one name and kind in a set, this is "web~2+ConfigMap" */

struct object {
	emco_str      name;              /* "web+Deployment"                                     */
	emco_str      api_version, kind, namespace_;
	emco_str      digest;            /* of the stored body                                   */
	emco_str      text;              /* tagged JSON and a newline; empty when not ready      */
	struct piece *pieces;            /* with TAG_KUBE: what is sent                          */
	size_t        piece_count;
	bool          is_ready;          /* objects_ready was here: pieces, or message           */
	int32_t       phase;
	emco_str      events;            /* of a hook                                            */
	bool          is_secret;
	const char   *message;           /* why it cannot be sent; NULL                          */
	unsigned char git_id[20];        /* of the text, as Git names it; set by the Git target  */
};

struct object_set {
	struct object_set   *next;
	emco_str             digest;
	const struct target *target;     /* NULL: names and digests only                         */
	const char          *label;
	emco_str             namespace_;
	struct object       *objects;        size_t count;
	struct object      **by_name;            /* sorted                                       */
	bool                 is_hashed;          /* git_id is set                                */
	struct fault         fault;              /* of its first object that cannot be made ready */
};

/* "<status context>-<app>" in the pass's memory.  EMCO_E_INVALID: no label value. */
emco_status object_label(struct pass *pass, const emco_unit *unit, const char **ret_label, struct fault *fault);

/*
 * The set, from this pass or read now.  target NULL: only names and digests, no bodies.  An object that cannot be made
 * ready has a message; the first one is the fault, and the set is still returned.
 */
emco_status object_set_read(struct pass *pass, emco_str digest, const struct target *target, const char *label,
                            emco_str namespace_, struct object_set **ret_set, struct fault *fault);

/*
 * With TAG_KUBE bodies are read when they are needed: most objects of most sets are on the cluster already.  EMCO_OK also
 * when some cannot be made ready, which their messages say.  Other faults are of the pass.
 */
emco_status objects_ready(struct pass *pass, const struct object_set *set, struct object **objects, size_t count,
                          struct fault *fault);

/*
 * "web~2+ConfigMap": the set holds several of that name and kind, as objects of several namespaces or as hooks, and the name of
 * the entry is not the object's.
 */
bool object_is_numbered(emco_str name);

/* A Helm hook is no part of what is there: work_hook.h runs it. */
static inline bool object_is_hook(const struct object *object)
{
	return object->phase == EMCO_PHASE_HOOK;
}

/* Where nobody can run hooks, those that install or upgrade are objects like others; the other hooks are left out. */
bool object_is_wanted(const struct object *object);

/* The items of a List; NULL for anything else. */
json_t *object_items(const json_t *object);

/* One line of JSON and a newline, in the pass's memory.  NULL: no memory. */
const char *object_text(struct pass *pass, const json_t *object);

/* The object of a name; NULL. */
struct object *object_find(const struct object_set *set, emco_str name);

/* Tag one object in place: labels, namespace, and with TAG_FLUX what keeps a CRD alive when its file goes. */
emco_status object_tag(json_t *object, const char *label, const char *namespace_, uint32_t tag, struct fault *fault);

/* Write its name in the set into it, as NAME_MARK. */
emco_status object_mark(json_t *object, const char *name, struct fault *fault);

/* Also as an item of a List. */
bool object_holds_secret(const json_t *object);

#endif
