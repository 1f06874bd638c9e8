/*
 * extension_units_priv.h - what the parts of "emco.units/1" share: work, reports, sets, and what is seen.
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

/* The row of a unit that was given out; NULL: a copy. */
const struct unit_row *units_row_of(const emco_unit *unit);

/* Hex digits in arena; nothing when it is not there. */
enum status MUST_CHECK units_digest(struct arena *arena, bool is_there, const struct digest *digest, emco_str *ret_text,
                                    struct error *err);

/* Slots of the table: extension_report.c, extension_sets.c, extension_sights.c. */
emco_status units_report(emco_call *abi, const emco_unit_report *reports, uint64_t count, uint64_t *ret_lost);
emco_status units_each_entry(emco_call *abi, emco_str set, emco_units_each_entry *each, void *data);
emco_status units_bodies(emco_call *abi, const emco_str *hex, uint64_t count, emco_units_each_body *each, void *data);
emco_status sights_watch(emco_call *abi, const emco_str *names, uint64_t count, int64_t lease_ns, emco_cluster_each *each,
                         void *data);
emco_status sights_observe(emco_call *abi, const emco_sight *sights, uint64_t count);

#endif
