/*
 * history.h - what was done with an owner: who asked for which operation, when, and what became of it.
 *
 * The last HISTORY_MAX of an owner are kept.  An operation is noted in the transaction that ends it, so what is there has
 * happened, and what has happened is there.
 */
#ifndef HOST_STORE_HISTORY_H
#define HOST_STORE_HISTORY_H

#include "host/store/action.h"

#define HISTORY_MAX  "1000"

/* Of a statement that adds one to owner $1: the oldest go, so that with it there are HISTORY_MAX. */
#define SQL_HISTORY_TRIM \
	"DELETE FROM history WHERE owner = $1 AND seq <= (SELECT seq FROM history WHERE owner = $1 ORDER BY seq DESC OFFSET " \
	HISTORY_MAX " - 1 LIMIT 1)"

struct history_row {
	int64_t     seq;
	struct view operation, client, request, began, ended;    /* times as RFC 3339, UTC         */
	struct view outcome;                                     /* "done", "failed", "lost"       */
	int64_t     revision;                                    /* that it made; 0: none          */
	struct view error;
	struct view peer;                                        /* the other one of a migration   */
	struct view warning;                                     /* of what followed a commit      */
};

/* A step that was one transaction, in it. */
enum status MUST_CHECK history_add(struct db *db, int64_t owner, const char *kind, const struct asker *asker, struct error *err);

/* Of the operation with that token, once it has ended.  Nothing when it is not there any more. */
enum status MUST_CHECK history_warn(struct db *db, int64_t owner, int64_t token, struct view warning, struct error *err);

/* Newest first: at most limit, those before seq `before` (0: from the newest). */
typedef enum status history_each(void *data, const struct history_row *row, struct error *err);
enum status MUST_CHECK history_list(struct db *db, int64_t owner, int64_t before, uint64_t limit, history_each *each, void *data,
                                    struct error *err);

#endif
