/*
 * migrate.h - the schema of the database, as numbered steps that only go forward.
 */
#ifndef HOST_STORE_MIGRATE_H
#define HOST_STORE_MIGRATE_H

#include "host/store/db.h"

struct migration {
	int         number;                  /* 1, 2, 3 ... without gaps; a released one never changes   */
	const char *name;                    /* what it brings, for people                               */
	const char *sql;                     /* several statements                                       */
};
extern const struct migration migrations[];
extern const size_t           migration_count;

/*
 * Bring the schema up to date, all missing steps in one transaction, under an advisory lock: any number of processes may
 * start at once.  ST_CONFLICT: the schema is newer than this program.  ret_applied: how many steps were missing.
 */
enum status MUST_CHECK migrate(struct db *db, int *ret_applied, struct error *err);

#endif
