/*
 * operation.h - one life-cycle operation, from the moment its owner is taken to the commit.
 *
 * An operation runs on a guarded thread, so that a controller that does not return is left behind.  Its row in the
 * store keeps others off the same owner; the row ends in the transaction that carries the outcome, or on the failure
 * path, and is taken over when this process dies.
 */
#ifndef HOST_ORCHESTRATOR_OPERATION_H
#define HOST_ORCHESTRATOR_OPERATION_H

#include "host/orchestrator/orchestrator.h"

struct operation;

/* On the guarded thread.  A status other than ST_OK leaves nothing behind, unless operation_commit has succeeded. */
typedef enum status operation_work(struct operation *operation, struct error *err);

/* What it was asked for, besides the owner. */
struct operation_input {
	struct asker asker;                  /* for the history                            */
	enum { DRY_NOT, DRY_ALL, DRY_SUMMARY } dry;      /* only tell what would be done   */
	struct buf  *reply;                  /* where to tell it                           */
	int64_t     revision;                /* of a rollback                              */
	struct view target;                  /* of a migration: path of the other deployment */
};

static inline struct asker asker_of(const struct asker *asker)
{
	return asker != NULL ? *asker : (struct asker) { .client = VIEW(""), .request = VIEW("") };
}

struct operation {
	struct orchestrator *o;
	struct view          path;           /* of the owner; owned by the operation       */
	const char          *kind;           /* "instantiate"                              */
	int64_t              owner;          /* id                                         */
	int64_t              deadline_ns;
	operation_work      *work;
	struct operation_input input;
	int64_t              token;          /* of its row                                 */
	struct operation    *next;           /* in the list of those that run              */
	struct operation    *also;           /* see operation_also; atomic                 */
	int64_t              revision;       /* filled by the work before its commit       */
	struct buf           report;         /* filled by the work of a dry run: it may outlive who asked */
	char                 client[64], request[128];       /* what input.asker points at */
	/* Atomic: */
	unsigned             refs;
	bool                 holds_row;      /* whoever clears it ends the row             */
	bool                 is_committed;
};

/*
 * Run the operation on the owner at path.  input, which is copied, and ret_revision may be NULL.  A dry run has no row: its
 * work writes a report and commits nothing, and is refused while an operation is on the owner.
 * ST_NOT_FOUND: no such owner.  ST_CONFLICT: another operation runs on it.  ST_UNAVAILABLE: too many operations at
 * once.  And what the work says.
 */
enum status MUST_CHECK operation_run(struct orchestrator *o, struct view path, const char *kind, operation_work *work,
                                     const struct operation_input *input, int64_t deadline_ns, int64_t *ret_revision, struct error *err);

/*
 * Hold another owner as well, until the operation ends; operation->also names it.  Once.  ST_NOT_FOUND; ST_CONFLICT: an
 * operation is on that one.
 */
enum status MUST_CHECK operation_also(struct operation *operation, struct db *db, struct view path, struct error *err);

/*
 * Do the last step in one transaction with the end of what is held.  write must be repeatable, and lock the operation's
 * resource.  Once only.  ST_PRECONDITION: that is no longer what the asker has seen.
 */
enum status MUST_CHECK operation_commit(struct operation *operation, db_work *write, void *data, struct error *err);

/*
 * After the commit: all controllers of the chain are told, whatever the first says.  What one could not do with it is logged
 * and stands in the history as a warning.  call: a CHAIN_POST.
 */
void operation_tell(const struct operation *operation, const struct chain *chain, const struct chain_call *call);

#endif
