/*
 * unit_priv.h - the words of SQL that the files about units share.
 */
#ifndef HOST_STORE_UNIT_PRIV_H
#define HOST_STORE_UNIT_PRIV_H

#include "host/store/unit.h"

/* Is what shall be there there, under the right label, and nothing else?  For a unit u. */
#define SQL_IS_EMPTY  "(NOT u.is_wanted AND u.applied IS NULL AND u.tried = '{}')"
#define SQL_IS_DONE \
	"CASE WHEN u.is_wanted THEN coalesce(u.applied = u.set, false) AND u.label = u.status_context AND u.tried = '{}'" \
	" AND NOT u.is_unsure" \
	" ELSE u.applied IS NULL AND u.tried = '{}' END"

#define SQL_IN_US(parameter)  "statement_timestamp() + " parameter "::bigint * interval '1 microsecond'"

#endif
