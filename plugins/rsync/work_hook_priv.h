/*
 * work_hook_priv.h - between work_hook.c, which hooks run and how far they are, and work_hook_answer.c, what becomes of one.
 */
#ifndef RSYNC_WORK_HOOK_PRIV_H
#define RSYNC_WORK_HOOK_PRIV_H

#include "plugins/rsync/work_hook.h"

#define HOOK_MARK  "emco/hook"                   /* annotation: "<move>-<stage>"                                  */

/* The one that is under way, or that is cleaned up. */
const struct hook *hook_now(const struct work *work);

/* "pre-install".  Lives in the pass; "" without memory. */
const char *hooks_stage(struct work *work, bool is_post);

/* What its object carries; NULL without memory. */
const char *hook_mark(struct work *work);

/* Without a policy, as Helm has it: the one before is deleted. */
bool hook_has_policy(const struct piece *piece, const char *policy);

#endif
