/*
 * extension_units_priv.h - what the two halves of "emco.units/1" share: work, and what is seen.
 */
#ifndef HOST_ORCHESTRATOR_EXTENSION_UNITS_PRIV_H
#define HOST_ORCHESTRATOR_EXTENSION_UNITS_PRIV_H

#include "host/orchestrator/extensions.h"
#include "host/registry/call.h"
#include "host/store/unit.h"

/* How much of a struct version 1.0 of the extension had, when member was its last: those who know less may not call. */
#define SIZE_THROUGH(type, member)  (offsetof(type, member) + sizeof(((type *) NULL)->member))

/* The element of an array whose elements may be older and shorter than ours: size is the first one's. */
static inline const void *units_at(const void *first, uint32_t size, uint64_t index)
{
	return (const char *) first + index * size;
}

/* The rights of the synchroniser's role, and a connection; call_db_done gives it back. */
enum status MUST_CHECK units_enter(struct call *call, struct db **ret_db, struct error *err);

/* Can the text be stored as it is?  And foreign words made so, in the call's memory. */
bool             units_is_text(struct view text);
enum status MUST_CHECK units_words(struct call *call, emco_str text, struct view *ret_words, struct error *err);

/* Slots of the table, in extension_sights.c. */
emco_status sights_watch(emco_call *abi, const emco_str *names, uint64_t count, int64_t lease_ns, emco_cluster_each *each,
                         void *data);
emco_status sights_observe(emco_call *abi, const emco_sight *sights, uint64_t count);

#endif
