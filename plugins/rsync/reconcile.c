#include "plugins/rsync/reconcile.h"

#include "plugins/rsync/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000, DOUBLINGS_MAX = 40, REPORT_S = 30, LOOK_AGAIN_NS = 500 * NS_PER_MS,
       TELL_AGAIN_NS = 200 * NS_PER_MS, TOLD_UNITS = 256, TOLD_OBJECTS = 5000 };

static const struct target *const targets[] = { &target_kubernetes, &target_git };

/* -- where a unit goes -- */

const struct target *target_of(struct job *job)
{
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		if (targets[i]->takes(&job->access))
			return targets[i];
	if (job->access.git_ops_type.len > 0)
		fault_say(&job->fault, EMCO_E_UNIMPLEMENTED,
		          "no target for GitOps type \"%.*s\" in this version: use \"fluxcd\"",
		          STR_ARG(job->access.git_ops_type));
	else
		fault_say(&job->fault, EMCO_E_INVALID, "the cluster has neither a kubeconfig nor a GitOps type");
	return NULL;
}

/* Asking how a cluster is reached costs more than all else before the first request, so a target that knows is not told again. */
static bool job_find(struct pass *pass, struct job *job)
{
	const emco_unit *unit = job->unit;

	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		if (targets[i]->knows != NULL && targets[i]->knows(pass, job)) {
			job->target = targets[i];
			return true;
		}
	const emco_status status = pass->clusters->access(pass->call, unit->cluster, unit->level, unit->namespace_,
	                                                  &job->access);
	if (status != EMCO_OK) {
		fault_say(&job->fault, status, "%.*s", STR_ARG(pass->call->fault(pass->call)));
		return false;
	}
	job->target = target_of(job);
	return job->target != NULL && job->target->find(pass, job) == EMCO_OK;
}

static void job_prepare(struct pass *pass, struct job *job)
{
	const emco_unit *unit = job->unit;
	const char      *label = "";

	job->fault.reachable = -1;
	if (!job_find(pass, job) || unit->desired.len == 0)
		return;
	if (object_label(pass, unit, &label, &job->fault) == EMCO_OK)
		(void) object_set_read(pass, unit->desired, job->target, label, unit->namespace_, &job->desired,
		                       &job->fault);
}

/* -- the work -- */

static void begin_all(struct pass *pass)
{
	for (size_t i = 0; i < pass->count; i++) {
		struct job *job = &pass->jobs[i];

		if (!pass_alive(pass)) {
			fault_say(&job->fault, EMCO_E_DEADLINE, "not done in time");
			continue;
		}
		job_prepare(pass, job);
		if (job_is_live(job) && job->target->begin != NULL)
			job->target->begin(pass, job);
		int64_t next_ns;
		if (job->work != NULL)           /* the first requests go out while others are prepared */
			job->has_ended = job->target->go_on(pass, job, &next_ns);
	}
}

static void apply_all(struct pass *pass, struct job **group, bool *taken)
{
	for (size_t i = 0; i < pass->count; i++) {
		struct job *first = &pass->jobs[i];
		size_t      count = 0;

		if (!job_is_live(first) || taken[i] || first->target->apply == NULL)
			continue;
		for (size_t k = i; k < pass->count; k++) {
			struct job *job = &pass->jobs[k];

			if (taken[k] || !job_is_live(job) || job->target != first->target ||
			    !first->target->is_same(first, job))
				continue;
			taken[k] = true;
			group[count++] = job;
		}
		first->target->apply(pass, group, count);
	}
}
/* -- reports -- */

int64_t retry_delay_ns(const struct config *config, uint32_t attempts)
{
	int64_t delay_ms = config->retry_min_ms;

	for (uint32_t i = 0; i < attempts && i < DOUBLINGS_MAX && delay_ms < config->retry_max_ms; i++)
		delay_ms *= 2;
	if (delay_ms > config->retry_max_ms)
		delay_ms = config->retry_max_ms;

	const int64_t half_ns = delay_ms * NS_PER_MS / 2;
	return half_ns + (int64_t) random_below((uint64_t) half_ns + 1);
}

/* What goes away by itself is tried again soon; what somebody must change is tried again rarely, or when desired moves. */
static int32_t outcome_of(emco_status code)
{
	switch (code) {
	case EMCO_OK:            return EMCO_UNIT_DONE;
	case EMCO_E_INVALID:
	case EMCO_E_NOT_FOUND:
	case EMCO_E_FORBIDDEN:
	case EMCO_E_TOO_LARGE:
	case EMCO_E_UNIMPLEMENTED: return EMCO_UNIT_FAILED;
	default:                 return EMCO_UNIT_RETRY;
	}
}

/* An object that could not be done is Applied while an equal one is there from before, and Pending otherwise. */
static int32_t state_of(const struct job *job, const struct object *object, const struct object_set *applied)
{
	const struct object *before = object_find(applied, object->name);

	if (job->fault.code == EMCO_OK)
		return EMCO_OBJECT_APPLIED;
	if (job->fault.code == EMCO_E_INVALID && object->message != NULL)
		return EMCO_OBJECT_FAILED;
	if (before != NULL && str_equal(before->digest, object->digest))
		return EMCO_OBJECT_APPLIED;
	return outcome_of(job->fault.code) == EMCO_UNIT_FAILED ? EMCO_OBJECT_FAILED : EMCO_OBJECT_PENDING;
}

/* NULL for an empty digest; a set that cannot be read leaves its objects out of the report. */
static struct object_set *names_read(struct pass *pass, emco_str digest)
{
	struct object_set *set = NULL;
	struct fault       fault = { .code = EMCO_OK };

	if (digest.len == 0 || object_set_read(pass, digest, NULL, "", EMCO_STR(""), &set, &fault) != EMCO_OK)
		return NULL;
	return set;
}

static void notes_add(struct pass *pass, const struct job *job, emco_unit_report *report)
{
	emco_object_state *states = pass_alloc(pass, job->note_count + 1, sizeof *states);

	if (states == NULL)
		return;
	report->objects = states;
	report->object_count = (uint32_t) job->note_count;
	for (size_t i = 0; i < job->note_count; i++) {
		const struct note *note = &job->notes[i];

		states[i] = (emco_object_state) {
			.size = sizeof *states, .state = note->state, .name = note->name,
			.message = str_of(note->message != NULL ? note->message : ""),
		};
	}
}

/* Desired objects in order, then those that were applied and are not desired any more. */
static void states_add(struct pass *pass, const struct job *job, emco_unit_report *report)
{
	const struct object_set *desired = job->desired != NULL ? job->desired : names_read(pass, job->unit->desired);
	const struct object_set *applied = names_read(pass, job->unit->applied);
	const size_t             most = (desired != NULL ? desired->count : 0) + (applied != NULL ? applied->count : 0);
	emco_object_state       *states = pass_alloc(pass, most + 1, sizeof *states);

	if (states == NULL)
		return;
	report->objects = states;
	for (size_t i = 0; desired != NULL && i < desired->count; i++) {
		const struct object *object = &desired->objects[i];
		const int32_t        state = state_of(job, object, applied);

		if (!object_is_wanted(object))
			continue;
		states[report->object_count++] = (emco_object_state) {
			.size = sizeof *states,
			.state = state,
			.name = object->name,
			.message =
				str_of(state == EMCO_OBJECT_FAILED && object->message != NULL ? object->message
				       : object->phase == EMCO_PHASE_HOOK ? "a hook: brought like any other object, as nobody orders what Flux does" : ""),
		};
	}
	for (size_t i = 0; applied != NULL && i < applied->count; i++) {
		if (object_find(desired, applied->objects[i].name) != NULL)
			continue;
		states[report->object_count++] = (emco_object_state) {
			.size = sizeof *states, .name = applied->objects[i].name, .message = EMCO_STR(""),
			.state = job->fault.code == EMCO_OK ? EMCO_OBJECT_DELETED : EMCO_OBJECT_APPLIED,
		};
	}
}

static void say_fault(const struct pass *pass, const struct job *job, int64_t delay_ns)
{
	char text[1024];

	snprintf(text, sizeof text, "%.*s app=%.*s cluster=%.*s: %s; next try in %lld ms", STR_ARG(job->unit->owner),
	         STR_ARG(job->unit->app), STR_ARG(job->unit->cluster), job->fault.text,
	         (long long) (delay_ns / NS_PER_MS));
	pass->host->log(pass->host, EMCO_LOG_WARNING, EMCO_STR("rsync.unit_not_done"), str_of(text));
}

static emco_unit_report report_of(struct pass *pass, const struct job *job)
{
	emco_unit_report report = {
		.size = sizeof report, .outcome = outcome_of(job->fault.code), .reachable = job->fault.reachable, .unit = job->unit,
		.error = str_of(job->fault.code != EMCO_OK ? job->fault.text : ""),
	};

	if (job->progress != NULL)
		report.progress = str_of(job->progress);
	if (job->is_waiting) {
		report.outcome = EMCO_UNIT_WAITS;
		report.awaits = job->awaits;
		report.stage = str_of(job->stage);
		report.retry_after_ns = job->again_ms * NS_PER_MS;
	} else if (report.outcome == EMCO_UNIT_RETRY)
		report.retry_after_ns = retry_delay_ns(pass->config, job->unit->attempts);
	else if (report.outcome == EMCO_UNIT_FAILED)
		report.retry_after_ns = pass->config->retry_failed_ms * NS_PER_MS;
	if (job->notes != NULL)
		notes_add(pass, job, &report);
	else
		states_add(pass, job, &report);
	return report;
}

static void job_close(struct job *job)
{
	job->is_reported = true;
	if (job->target != NULL && job->target->drop != NULL)
		job->target->drop(job);
}

/* A store that is away or busy comes back, and the leases are ours until they are lost. */
static bool is_passing(emco_status status)
{
	return status == EMCO_E_UNAVAILABLE || status == EMCO_E_DEADLINE;
}

/* What took too long once does so again: half of it may not. */
static void tell_less(struct pass *pass, struct job **jobs, size_t count)
{
	if (count > 1)
		pass->told_max = count / 2;
	else
		jobs[0]->is_slow = true;
}

/* false: to be told again.  What the store does not take is told one by one, so that it keeps nothing else from being told. */
static bool tell(struct pass *pass, struct job **jobs, const emco_unit_report *reports, size_t count)
{
	const emco_status status = pass->units->report(pass->call, reports, count, NULL);

	if (status == EMCO_E_DEADLINE)
		tell_less(pass, jobs, count);
	if (is_passing(status))
		return false;
	if (status != EMCO_OK && count > 1) {
		bool is_told = true;

		for (size_t i = 0; i < count; i++)
			is_told = is_told && tell(pass, &jobs[i], &reports[i], 1);
		return is_told;
	}
	if (status != EMCO_OK)
		pass->host->log(pass->host, EMCO_LOG_WARNING, EMCO_STR("rsync.report_lost"), pass->call->fault(pass->call));
	for (size_t i = 0; i < count; i++) {
		if (reports[i].outcome != EMCO_UNIT_DONE && reports[i].outcome != EMCO_UNIT_WAITS)
			say_fault(pass, jobs[i], reports[i].retry_after_ns);
		job_close(jobs[i]);
	}
	return true;
}

static int compare_slow(const void *a, const void *b)
{
	const struct job *x = *(struct job *const *) a, *y = *(struct job *const *) b;

	return x->is_slow != y->is_slow ? x->is_slow - y->is_slow : (x > y) - (x < y);
}

/* false: some are to be told again.  After one that took too long the call has no time left for others. */
static bool tell_all(struct pass *pass, struct job **ended, size_t count)
{
	emco_unit_report *reports = pass_alloc(pass, count, sizeof *reports);
	const size_t      most = pass->told_max > 0 && pass->told_max < TOLD_UNITS ? pass->told_max : TOLD_UNITS;
	bool              is_told = reports != NULL;
	size_t            first = 0, objects = 0;

	qsort(ended, count, sizeof(struct job *), compare_slow);
	for (size_t i = 0; is_told && i < count; i++) {
		reports[i] = report_of(pass, ended[i]);
		objects += reports[i].object_count;
		if (i + 1 < count && i + 1 - first < most && objects < TOLD_OBJECTS)
			continue;
		is_told = tell(pass, &ended[first], &reports[first], i + 1 - first);
		first = i + 1;
		objects = 0;
	}
	return is_told;
}

/* NULL: the server stops.  The leases end with its liveness, and the units are claimed again. */
static bool report_all(struct pass *pass, struct job **ended, size_t count)
{
	emco_call         *work = pass->call;
	struct object_set *sets = pass->sets;
	emco_call         *report = pass->host->begin(pass->host, EMCO_STR("rsync.report"), (int64_t) REPORT_S * NS_PER_S);
	bool               is_told = true;

	if (report != NULL) {
		pass->call = report;
		is_told = tell_all(pass, ended, count);
		pass->sets = sets;               /* those read for the report go with its call */
		pass->call = work;
		pass->host->end(pass->host, report);
	}
	for (size_t i = 0; report == NULL && i < count; i++)
		job_close(ended[i]);
	return is_told;
}

void reconcile(struct pass *pass)
{
	struct job **group = pass_alloc(pass, pass->count, sizeof(struct job *));
	bool        *taken = pass_alloc(pass, pass->count, sizeof(bool));
	int64_t      next_ns;

	for (size_t i = 0; (group == NULL || taken == NULL) && i < pass->count; i++)
		fault_say(&pass->jobs[i].fault, EMCO_E_NO_MEMORY, "out of memory");
	if (group != NULL && taken != NULL) {
		begin_all(pass);
		apply_all(pass, group, taken);
	}
	(void) reconcile_go_on(pass, &next_ns);
}

/* Has it ended?  Else *next_ns is when to look again. */
static bool job_go_on(struct pass *pass, struct job *job, int64_t *next_ns)
{
	int64_t job_next_ns = 0;

	if (job->work == NULL || job->has_ended)
		return true;
	job->has_ended = job->target->go_on(pass, job, &job_next_ns);
	if (!job->has_ended && job_next_ns != 0 && job_next_ns < *next_ns)
		*next_ns = job_next_ns;
	return job->has_ended;
}

size_t reconcile_go_on(struct pass *pass, int64_t *ret_next_ns)
{
	const bool   is_due = now_ns() >= pass->report_ns;
	size_t       left = 0, count = 0;
	int64_t      next_ns = now_ns() + LOOK_AGAIN_NS;
	struct job **ended = pass->ended;

	(void) pass_alive(pass);
	for (size_t i = 0; i < pass->count; i++) {
		struct job *job = &pass->jobs[i];

		if (job->is_reported)
			continue;
		if (!job_go_on(pass, job, &next_ns))
			left++;
		else if (job->is_lost)
			job_close(job);
		else
			ended[count++] = job;
	}
	if (count > 0 && is_due && !report_all(pass, ended, count))
		pass->report_ns = now_ns() + TELL_AGAIN_NS;
	for (size_t i = 0; i < count; i++)
		left += !ended[i]->is_reported;
	if (count > 0 && pass->report_ns > now_ns() && pass->report_ns < next_ns)
		next_ns = pass->report_ns;
	*ret_next_ns = next_ns;
	return left;
}

void reconcile_drop(struct pass *pass)
{
	for (size_t i = 0; i < pass->count; i++)
		if (pass->jobs[i].target != NULL && pass->jobs[i].target->drop != NULL)
			pass->jobs[i].target->drop(&pass->jobs[i]);
}
