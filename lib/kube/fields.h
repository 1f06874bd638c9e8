/*
 * fields.h - the fields of an object by the names that API servers give them in conflicts.
 *
 * ".spec.replicas", ".metadata.annotations.example.com/owner", ".spec.template.spec.containers[name=\"web\"].image".  Such a
 * name is not quoted, so it has a meaning only beside an object: each step is compared with what stands there.  The same
 * names say what a manager owns (metadata.managedFields[].fieldsV1).  Pure; any thread.
 */
#ifndef LIB_KUBE_FIELDS_H
#define LIB_KUBE_FIELDS_H

#include "lib/base/json.h"

/*
 * The next name of a list that is separated by spaces, line ends or commas outside brackets; *rest goes on after it.  false:
 * there is none.
 */
bool field_next(struct view *rest, struct view *ret_name);

/* Does it look like a name at all: ".a" and what may follow? */
bool field_is_name(struct view name);

/* Is other the field, or a part of it? */
bool field_covers(struct view name, struct view other);

/* Is the field set in the object? */
bool field_is_set(const json_t *object, struct view name);

/* Take the field out of an object; true: it was there. */
bool field_remove(json_t *object, struct view name);

/* Take the field, and all of its parts, out of fieldsV1; what is empty then goes too. */
bool field_disown(json_t *owned, struct view name);

#endif
