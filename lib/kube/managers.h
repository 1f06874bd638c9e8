/*
 * managers.h - who has set what of an object: metadata.managedFields.
 *
 * A field that two managers have applied stays until both leave it out, so a manager that is never coming back holds on to
 * his for ever.  What he owns is given to his heir instead: the heir's next apply then takes away what it leaves out.
 * Pure; any thread.
 */
#ifndef LIB_KUBE_MANAGERS_H
#define LIB_KUBE_MANAGERS_H

#include "lib/base/json.h"

typedef bool managers_pick(void *data, const char *manager);

/*
 * A merge patch that gives heir all that the picked managers have applied, for this very version of the object.  Owned by the
 * caller; NULL: none of them is there, or there is no memory.
 */
json_t *managers_inherit(const json_t *object, const char *heir, managers_pick *pick, void *data);

#endif
