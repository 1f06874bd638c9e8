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

/* When to look at a unit that is not done: now, or when the lease of whoever works on it ends, also when it was stopped. */
#define SQL_SOON \
	"CASE WHEN u.lease IS NOT NULL AND u.lease_until > statement_timestamp() THEN u.lease_until ELSE statement_timestamp() END"

/* Desired has moved: what was noted about hooks was about another. */
#define SQL_NEW_MOVE  "move = u.move + 1, progress = '', awaits = ''"

/* A watcher prolongs its right every second or two: one that has not for so long is dead, and nobody sees the cluster. */
#define SQL_STALE  "interval '5 seconds'"

#define SQL_AFTER_US(time, parameter)  time " + " parameter "::bigint * interval '1 microsecond'"
#define SQL_IN_US(parameter)  SQL_AFTER_US("statement_timestamp()", parameter)

/*
 * What an app waits for, as a unit_wait w: is all there that is wanted of the other app, and, when it is to be ready, is all of it
 * seen to be?  Who waits: units that are to be brought somewhere and have not been begun.
 */
#define SQL_IS_UNBEGUN(u)  "(" u ".is_wanted AND " u ".set IS DISTINCT FROM " u ".applied AND " u ".set <> ALL (" u ".tried))"
#define SQL_UNSEEN \
	"(SELECT count(*) FROM unit n LEFT JOIN cluster_watch c ON c.cluster = n.cluster WHERE n.owner = w.owner AND n.app = w.on_app" \
	" AND n.is_wanted AND n.tracked > 0 AND (c.seen_at IS NULL OR c.is_lost OR c.until < statement_timestamp() - " SQL_STALE "))"
#define SQL_IS_BROUGHT \
	"NOT EXISTS (SELECT FROM owner_status s WHERE s.owner = w.owner AND s.app = w.on_app" \
	" HAVING sum(busy) + sum(refused) > 0 OR (w.is_ready AND sum(not_ready) + sum(absent) > 0))"
#define SQL_IS_MET  "(" SQL_IS_BROUGHT " AND (NOT w.is_ready OR " SQL_UNSEEN " = 0))"

/*
 * Rows tell of units that have changed, and whether anybody waits for their apps: let go on who waits no more.  Sets
 * *ret_wakes when there is one, and leaves it else.
 */
struct rows;
enum status MUST_CHECK unit_wait_look(struct db *db, const struct rows *units, size_t id_column, size_t awaited_column,
                                      bool *ret_wakes, struct error *err);

/* Write down what the apps of a context wait for; 0: nothing. */
enum status MUST_CHECK unit_wait_write(struct db *db, int64_t owner, int64_t context, struct error *err);

/* The columns of a struct unit_row: of a unit, resource r of its owner, and its context x if there is one. */
#define SQL_UNIT_ROW(c) \
	c ".id, " c ".owner, " c ".generation, " c ".status_context, " c ".context, r.path, " c ".app, " c ".cluster, " c ".event," \
	" coalesce(x.meta, ''), " c ".is_wanted, " c ".set, " c ".applied, " c ".attempts, " c ".label," \
	" (SELECT string_agg(t, ''::bytea) FROM unnest(" c ".tried) AS t), " c ".is_unsure, " c ".move, " c ".progress"

/* Who locks several units locks them in the order of their ids: a report does so too, and one would wait for the other. */
#define SQL_HELD(which)  "WITH held AS MATERIALIZED (SELECT u.id FROM unit u WHERE " which " ORDER BY u.id FOR NO KEY UPDATE)"

struct rows;

/* Units of rows that begin with SQL_UNIT_ROW.  Takes rows into arena, where views of the units point. */
enum status MUST_CHECK unit_rows_take(struct rows *rows, int64_t lease, struct arena *arena, struct unit_row **ret_units,
                                      size_t *ret_count, struct error *err);

/* Forget those of the tried sets that name nothing that another does not name.  The unit is claimed. */
enum status MUST_CHECK unit_fold(struct db *db, struct arena *arena, struct unit_row *unit, struct error *err);

#endif
