/*
 * work.h - one unit on its way to an API server.
 *
 * Desired objects that are not there yet go out wave by wave; when all are there, what is not desired any more is taken
 * away, in the opposite order, and seen to be gone.  Answers come on the loops of the Kubernetes client: they are put
 * aside there, and everything is decided on the thread that looks after the pass.
 *
 * Who owns an object?  Each app on a cluster applies under a field manager of its own, emco-<deployment id label>, and does
 * not force its first apply: the API server itself then refuses what another app or another tool has set.  An object that
 * was applied before is ours, and what others have set since is set back, except the replicas of an autoscaler.
 *
 * Custom resource definitions stay when their deployment goes, and several may bring the same: they are applied under one
 * manager by all, the last one counts, and their label tells who that was.
 */
#ifndef RSYNC_WORK_H
#define RSYNC_WORK_H

#include "plugins/rsync/object.h"

enum action {
	ACTION_LOOK,                     /* whose is it?  Before the first apply, and after a conflict    */
	ACTION_APPLY,
	ACTION_ESTABLISHED,              /* a CRD that was applied: wait until it is served               */
	ACTION_INHERIT,                  /* what managers of earlier lives have set becomes this one's    */
	ACTION_RELEASE,                  /* of an object that was not ours after all                      */
	ACTION_REPLACE,                  /* delete what cannot be changed ...                             */
	ACTION_REPLACED,                 /* ... and wait until it is gone, then apply                     */
	ACTION_FIND,                     /* of a removal: is it there, and ours?                          */
	ACTION_DELETE,
	ACTION_GONE,                     /* wait until it is gone                                         */
	ACTIONS
};

enum item_state { ITEM_WAITS, ITEM_AWAY, ITEM_PAUSES, ITEM_DONE, ITEM_FAILED, ITEM_LATER };

/* One piece: at most one request of it is under way. */
struct item {
	struct item          *next;      /* among the answers                                             */
	struct work          *work;
	const struct object  *object;
	const struct piece   *piece;     /* without a text: its body is not read yet                      */
	enum item_state       state;
	enum action           action;
	bool                  is_known;  /* it was ours before                                            */
	bool                  is_looked_at, is_forced;
	bool                  is_hook;
	bool                  is_older;  /* it carries the label of an earlier life of the deployment     */
	struct view           inheritance;       /* the patch that does it                                */
	unsigned              inherited;         /* how often that was tried                              */
	bool                  was_applied;
	struct view           text;      /* what is applied                                               */
	char                  uid[64];
	int64_t               again_ns, pause_ns, until_ns;
	const char           *message;   /* why not                                                       */
	const char           *stays;     /* why it is not taken away; NULL: it goes                       */

	/* The answer; its texts are allocated. */
	enum kube_outcome     outcome;
	bool                  is_certain;        /* that the kind is unknown                              */
	char                 *said, *body;
	size_t                body_len;
};

/* Which hooks run: work_hook.h. */
enum hook_event { HOOKS_NONE, HOOKS_INSTALL, HOOKS_UPGRADE, HOOKS_ROLLBACK, HOOKS_DELETE, HOOK_EVENTS };

struct hook {
	struct object      *object;
	const struct piece *piece;
	bool                is_post;
};

/* What is known of the hook that is not done yet; succeeded: of all before, and those that go then are deleted. */
enum hook_state { HOOK_NEW = '-', HOOK_AWAITED = 'w', HOOK_SUCCEEDED = 's', HOOK_HAS_FAILED = 'f' };

struct hooks {
	enum hook_event  event;
	struct hook     *all;                    /* before, then after                                */
	size_t           count, before, done;
	size_t           cleaning;               /* succeeded: those before it are still to be looked at */
	enum hook_state  state;
	uint64_t         main_generation;        /* for which all else is there; 0: none              */
	char             uid[64];                /* of the hook that is not done                      */
	int64_t          begun_ms;               /* wall time                                         */
	int64_t          again_ms;               /* awaited: when to look again                       */
	bool             is_waiting, is_stuck;   /* the pass ends here                                */
	enum { AFTER_APPLY, AFTER_SUCCESS, AFTER_FAILURE } after;      /* of a deletion               */
	const char      *why;                    /* why it failed, or what it waits for               */
	struct item      item;
};

/* What a unit goes through, in this order.  Definitions come before the hooks, which may need them. */
enum step { STEP_DEFINE, STEP_BEFORE, STEP_BRING, STEP_PRUNE, STEP_AFTER };

struct work {
	enum step              step;
	struct hooks           hooks;
	struct pass           *pass;
	struct job            *job;
	struct kube_cluster   *cluster;
	const char            *label, *old_label;        /* old: under which it was applied; NULL: the same */
	const char            *manager;
	struct item           *items, *removals;
	size_t                 item_count, removal_count;
	size_t                 away;     /* requests under way                                            */
	size_t                 at;       /* the next item that may be of this wave                        */
	int                    wave;     /* of what is sent now                                           */
	bool                   is_cut, has_crd, has_namespace, was_tried;
	struct fault           fault;    /* of reading bodies: the job's when what is under way has ended */
	int64_t                next_ns;  /* when an item has paused                                       */
	_Atomic(struct item *) answers;  /* newest first                                                  */
};

#define MANAGER_PREFIX  "emco-"         /* before a label                                                */
#define SHARED_MANAGER  "emco"          /* of definitions, which belong to all deployments               */

/* The field manager an item is applied under. */
const char *item_manager(const struct item *item);

/* Send what the item's action says.  work_send.c */
void item_send(struct item *item);

/* Take what has come back, in order; NULL when nothing has. */
struct item *work_answers(struct work *work);
void         item_forget_answer(struct item *item);

/* Decide what an answer means: the next action, or an end.  work_apply.c, work_prune.c */
void item_applied(struct item *item);
void item_removed(struct item *item);

/* Why the server did not do it, in its own words. */
const char *item_said(const struct item *item);

/* What the server said about an object, parsed; NULL when it said nothing.  Owned by the caller. */
json_t *item_body(const struct item *item);

/* The same where there must be one; NULL: there is none, and the item has ended for now. */
json_t *item_body_or_end(struct item *item);

/* The deployment whose label an object carries; "" none. */
const char *body_label(const json_t *body);
bool        body_is_ours(struct work *work, const json_t *body);
/* Ours, or of an earlier life of the deployment.  When that cannot be found out the job has a fault. */
bool        label_is_ours(struct work *work, const char *label);

/* Ends of an item.  message: NULL keeps what is there. */
void item_end(struct item *item, enum item_state state, const char *fmt, ...) RSYNC_PRINTF(3, 4);
/* The server is away, or for now unable: the rest of the unit goes on only when others can be asked. */
void item_end_later(struct item *item);
/* The same action again after a pause that grows, until until_ns; then LATER with the message. */
void item_again(struct item *item, const char *fmt, ...) RSYNC_PRINTF(2, 3);
void item_next(struct item *item, enum action action);

/* Which pieces have to go out, and which have to go.  Bodies are read when their turn comes.  work_plan.c */
emco_status work_plan(struct work *work, struct fault *fault);

/* What is sent of an item, and how, now that its body is known.  work_body.c */
void item_fill(struct item *item, const struct piece *piece);

/*
 * See to it that an item's body is there, and with it those of a page that come after it.  The item has ended when there is
 * something wrong with it; false: with the pass, and the work has the fault.
 */
bool item_ready(struct item *item);

#endif
