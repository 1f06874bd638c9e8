/*
 * pass.h - one pass of a worker: a batch of units of one owner, and what is known about each.
 *
 * A pass is looked after by one thread at a time: the worker that began it, or the one for stragglers when clusters keep it
 * waiting.  It lives on two calls: the units belong to the call they were claimed on, everything else to the call the work is
 * done on, and dies with it.  While a pass works, pass_alive keeps its leases fresh: whatever may take long calls it.  A
 * unit whose lease is lost belongs to somebody else from that moment: nothing more is published for it.
 */
#ifndef RSYNC_PASS_H
#define RSYNC_PASS_H

#include "emco/clusters.h"
#include "emco/units.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RSYNC_PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define RSYNC_MUST_CHECK    __attribute__((warn_unused_result))

struct bell;
struct kube;
struct object_set;
struct target;
struct work;

/* The options of rsync.conf. */
struct config {
	int64_t  workers, batch, lease_ms, work_limit_ms;
	int64_t  retry_min_ms, retry_max_ms, retry_failed_ms;
	int64_t  remote_timeout_ms;
	int32_t  local_remotes;
	emco_str ssh_key_file, author, email;
	int64_t  wait_limit_ms, patience_ms, hook_timeout_ms;
	emco_str immutable, drift;
	int32_t  takeover, keep_crds;
};

/* Why a unit could not be done.  Fixed size: reporting "out of memory" needs no memory. */
struct fault {
	emco_status code;               /* EMCO_OK: no fault                                       */
	int32_t     reachable;          /* as in a report: 1, 0, -1 not tried                      */
	char        text[512];          /* one line                                                */
};

/* Fill fault and return code.  Over-long text is cut. */
emco_status fault_say(struct fault *fault, emco_status code, const char *fmt, ...) RSYNC_PRINTF(3, 4);

/* What a report says of one object. */
struct note {
	emco_str    name;
	int32_t     state;              /* EMCO_OBJECT_...                                         */
	const char *message;            /* NULL: none                                              */
};

/* One unit on its way. */
struct job {
	const emco_unit     *unit;
	emco_cluster_access  access;
	const struct target *target;
	void                *place;     /* the target's: where it goes                             */
	struct object_set   *desired;   /* NULL: nothing shall be there                            */
	struct fault         fault;
	bool                 is_lost;   /* the lease                                               */
	bool                 has_ended, is_reported;
	bool                 is_slow;   /* its report alone took too long: others are told first  */
	struct work         *work;      /* what goes on in the background; NULL: nothing           */
	const struct note   *notes;     /* by a target that knows each object's state; NULL: none  */
	size_t               note_count;
	const char          *progress;  /* NULL: none                                              */
	bool                 is_waiting;                /* for awaits, at its stage                */
	int64_t              again_ms;
	emco_str             awaits;
	const char          *stage;
};

struct pass {
	const emco_host       *host;
	const emco_units_1    *units;
	const emco_clusters_1 *clusters;
	const struct config   *config;
	emco_call             *call;           /* of the work                                      */
	struct job            *jobs, **ended;  /* ended: room for as many                          */
	size_t                 count;
	struct object_set     *sets;           /* read in this pass, newest first                  */
	int64_t                renewed_ns;     /* when every lease was last known to be ours       */
	int64_t                looked_ns;      /* when pass_alive was last called                  */
	int64_t                report_ns;      /* not to be told before: the store was away        */
	size_t                 told_max;       /* units in one report since one took too long; 0: no limit of the pass's */
	struct kube           *kube;
	_Atomic(struct bell *) bell;           /* of the thread that looks after it                */
	struct pass           *next;           /* in the list of whoever looks after many          */
	emco_call             *claim;          /* the call the units live on                       */
	_Atomic int64_t       *stands_ns;      /* of the worker: since when it waits for a remote; NULL: nobody asks */
};

/*
 * To be called at least every second while a pass works; cheap.  Renews the leases when a third of their time has gone.
 * false: the pass is cancelled, return soon.  [thread] the pass's.
 */
bool pass_alive(struct pass *pass);

/* Renew all leases now: before anything is published.  Lost ones are marked; false as above. */
bool pass_renew(struct pass *pass);

/* Until when the leases are surely ours: what asks for a change goes out before, or not at all. */
int64_t pass_end_ns(const struct pass *pass);

/* Does the job still want to be done: no fault, lease ours? */
static inline bool job_is_live(const struct job *job)
{
	return job->fault.code == EMCO_OK && !job->is_lost && !job->is_reported;
}

/* Memory of the pass, zeroed.  NULL when there is none left. */
void *pass_alloc(struct pass *pass, uint64_t count, uint64_t size) RSYNC_MUST_CHECK;
char *pass_text(struct pass *pass, emco_str text) RSYNC_MUST_CHECK;
char *pass_printf(struct pass *pass, const char *fmt, ...) RSYNC_PRINTF(2, 3) RSYNC_MUST_CHECK;

static inline bool str_equal(emco_str a, emco_str b)
{
	return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool str_is(emco_str a, const char *text)
{
	return a.len == __builtin_strlen(text) && __builtin_memcmp(a.len > 0 ? a.ptr : "", text, a.len) == 0;
}
static inline emco_str str_of(const char *text)
{
	return (emco_str) { text, __builtin_strlen(text) };
}
#define STR_ARG(s)  (int) ((s).len > 4096 ? 4096 : (s).len), (s).len > 0 ? (s).ptr : ""      /* for "%.*s" */

/* Has the server that gave out a struct heard of a member? */
#define EMCO_HAS_MEMBER(ptr, member) \
	((ptr)->size >= offsetof(__typeof__(*(ptr)), member) + sizeof((ptr)->member))

/* The status context whose folder and labels the applied objects carry, when it is not the unit's; else empty. */
static inline emco_str unit_old_context(const emco_unit *unit)
{
	const bool is_told = unit->size >= offsetof(emco_unit, applied_context) + sizeof unit->applied_context;

	return is_told && !str_equal(unit->applied_context, unit->status_context) ? unit->applied_context
	                                                                          : EMCO_STR("");
}

/* By which a target may know the way to the cluster; 0: by nothing. */
static inline uint64_t unit_access(const emco_unit *unit)
{
	return EMCO_HAS_MEMBER(unit, access) ? unit->access : 0;
}

int64_t now_ns(void);                   /* monotonic */
emco_status status_of(int status);      /* lib/base's words in the ABI's */
uint64_t random_below(uint64_t limit);  /* for jitter only */

#endif
