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
 * A merge patch that gives heir what the picked managers have applied in his version of the API, for this very version of the
 * object; he who has applied nothing yet begins with that of one of them.  *ret_patch: owned by the caller; NULL: there is
 * nothing to give.  ST_NO_MEMORY; ST_TOO_LARGE beyond 64 levels.
 */
enum status MUST_CHECK managers_inherit(const json_t *object, const char *heir, managers_pick *pick, void *data,
                                        json_t **ret_patch, struct error *err);

#endif
