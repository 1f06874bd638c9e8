/*
 * work_hook.h - the Helm hooks of one unit.
 *
 * What is desired and what is applied decide which hooks run: nothing was there: those of an install; something else was:
 * those of an upgrade or a rollback; nothing is desired: those of a delete, as they were applied.  When both are equal none
 * run.  Once one has begun the event stays until desired moves.
 *
 * They go out one after another, in the order of the set.  One that does its work on the cluster is not waited for here: the
 * pass ends, and the unit is claimed again when the object is seen to change.  How far it has come travels with the unit, as
 * its progress; each object carries the move it was made for, so that one that is there already is awaited and not made again.
 */
#ifndef RSYNC_WORK_HOOK_H
#define RSYNC_WORK_HOOK_H

#include "plugins/rsync/work.h"

/* Which hooks a unit's move runs.  has_others: other sets than these two were begun since applied was true. */
enum hook_event hooks_event(const emco_unit *unit, bool has_others);

/* Fill work->hooks from the unit.  applied: NULL none. */
emco_status hooks_plan(struct work *work, const struct object_set *applied, bool has_others, struct fault *fault);

/* Is there one before, or after, everything else that has not run? */
static inline bool hooks_are_left(const struct hooks *hooks, bool is_post)
{
	return hooks->done < (is_post ? hooks->count : hooks->before) || hooks->state == HOOK_SUCCEEDED;
}

/* Go on with those before, or after, all else.  true: nothing is under way; see is_waiting, is_stuck. */
bool hooks_go_on(struct work *work, bool is_post);

/* Decide what an answer means. */
void hook_answered(struct item *item);

/* Notes of the hooks that belong to the event; the end of the notes. */
struct note *hooks_note(const struct work *work, struct note *note);

/* The job's fault when one has failed, what it waits for when it waits, and its progress in any case. */
void hooks_tell(struct work *work);

#endif
