#include "host/orchestrator/operation.h"

#include "host/orchestrator/dry_run.h"
#include "host/store/action.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <pthread.h>

/* Longer than the operation: a lease that ends while its holder lives would invite another. */
enum { LEASE_SLACK_MS = 30000, CLEAN_UP_MS = 5000 };

/* -- those that run ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t   running_lock = PTHREAD_MUTEX_INITIALIZER;     /* guards running and the links in it */
static struct operation *running;

/*
 * ST_CONFLICT: another operation of this process is on the owner.  So whoever is in the list is alone, and a row of this
 * process that it meets is a left-over.
 */
static enum status running_add(struct operation *operation, struct error *err)
{
	const struct operation *other;

	pthread_mutex_lock(&running_lock);
	for (other = running; other != NULL; other = other->next)
		if (other->o->store == operation->o->store && other->owner == operation->owner)
			break;
	const char *kind = other != NULL ? other->kind : NULL;           /* a literal: it outlives the operation */
	if (other == NULL) {
		operation->next = running;
		running = operation;
	}
	pthread_mutex_unlock(&running_lock);
	if (kind == NULL)
		return ST_OK;
	fail(err, ST_CONFLICT, "\"%s\": %s is running", operation->path.ptr, kind);
	return fail_hint(err, "Wait until it has ended.");
}

static void running_remove(struct operation *operation)
{
	pthread_mutex_lock(&running_lock);
	for (struct operation **at = &running; *at != NULL; at = &(*at)->next) {
		if (*at == operation) {
			*at = operation->next;
			break;
		}
	}
	pthread_mutex_unlock(&running_lock);
}

/* -- life --------------------------------------------------------------------------------------------------------- */

static void unref(void *data)
{
	struct operation *operation = data;
	union { const char *in; char *out; } path = { operation->path.ptr }, target = { operation->input.target.ptr };

	if (__atomic_sub_fetch(&operation->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	running_remove(operation);
	if (operation->also != NULL)
		unref(operation->also);
	buf_done(&operation->report);
	free(path.out);
	free(target.out);
	free(operation);
}

static struct operation *operation_new(struct orchestrator *o, struct view path, const char *kind, operation_work *work,
                                       const struct operation_input *input)
{
	struct operation *operation = calloc(1, sizeof *operation);
	char             *copy = strndup(path.ptr, path.len);
	char             *target = input != NULL ? strndup(input->target.ptr, input->target.len) : NULL;

	if (operation == NULL || copy == NULL || (input != NULL && target == NULL)) {
		free(operation);
		free(copy);
		free(target);
		return NULL;
	}
	operation->o = o;
	operation->path = (struct view) { copy, path.len };
	operation->kind = kind;
	operation->work = work;
	operation->report = BUF(DRY_RUN_MAX);
	if (input != NULL) {
		operation->input = *input;
		operation->input.target.ptr = target;
		snprintf(operation->client, sizeof operation->client, "%.*s", (int) input->asker.client.len, input->asker.client.ptr);
		snprintf(operation->request, sizeof operation->request, "%.*s", (int) input->asker.request.len,
		         input->asker.request.ptr);
		operation->input.asker.client = view_of(operation->client);
		operation->input.asker.request = view_of(operation->request);
	}
	operation->refs = 1;
	return operation;
}

/* -- the row ----------------------------------------------------------------------------------------------------- */

static enum status take_row(struct operation *operation, struct db *db, struct error *err)
{
	struct store *store = operation->o->store;
	const int64_t lease_ns = operation->deadline_ns - clock_ns() + (int64_t) LEASE_SLACK_MS * 1000000;
	auto_buf      doc = BUF(RESOURCE_DOC_MAX);
	struct error  row;
	enum status   st = resource_read(store, db, operation->path, &doc, NULL, &operation->owner, err);

	if (st == ST_OK && operation->input.dry != DRY_NOT)
		return operation_check_none(db, operation->owner, err);
	if (st == ST_OK && (st = running_add(operation, err)) == ST_CONFLICT &&
	    operation_check_none(db, operation->owner, &row) == ST_CONFLICT)
		*err = row;                      /* it knows since when; the list knows that it runs before there is a row */
	if (st == ST_OK)
		st = operation_begin(store, db, operation->owner, operation->kind, &operation->input.asker, operation->input.target, lease_ns, true,
		                     &operation->token, err);
	if (st == ST_OK)
		__atomic_store_n(&operation->holds_row, true, __ATOMIC_RELEASE);
	return st;
}

/* why: it failed; NULL: it did not.  revision: that it has made, 0 none. */
struct ending { const struct operation *operation; const char *why; int64_t revision; };

static enum status end_row(struct db *db, void *data, struct error *err)
{
	const struct ending    *ending = data;
	const struct operation *operation = ending->operation;

	return operation_end(db, operation->owner, operation->token, ending->revision, ending->why, err);
}

/*
 * The row goes whatever became of the operation's own deadline.  If the database is away the row stays, and the next
 * operation of this process on the owner takes it over, as another process does when the lease ends.
 */
static void drop_row(struct operation *operation, const char *why)
{
	struct operation *also = __atomic_load_n(&operation->also, __ATOMIC_ACQUIRE);
	struct error      err;

	if (also != NULL)
		drop_row(also, why);
	struct ending ending = { operation, why, 0 };
	if (__atomic_exchange_n(&operation->holds_row, false, __ATOMIC_ACQ_REL) &&
	    db_transaction(operation->o->store->pool, deadline_in_ms(CLEAN_UP_MS), end_row, &ending, &err) != ST_OK)
		log_warning("operation.row_stays", "path", operation->path.ptr, "kind", operation->kind, "error", err.text);
	running_remove(operation);               /* now: the next one would take over a row that is being ended, as lost */
}

enum status operation_also(struct operation *operation, struct db *db, struct view path, struct error *err)
{
	struct operation *also = operation_new(operation->o, path, operation->kind, NULL, &(struct operation_input) {
		.asker = operation->input.asker, .target = operation->path, .dry = operation->input.dry,
	});

	if (also == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	also->deadline_ns = operation->deadline_ns;
	const enum status st = take_row(also, db, err);
	if (st != ST_OK)
		unref(also);
	else
		__atomic_store_n(&operation->also, also, __ATOMIC_RELEASE);
	return st;
}

/* -- running ----------------------------------------------------------------------------------------------------- */

static enum status begin(struct operation *operation, struct error *err)
{
	auto_db          *db = NULL;
	const enum status st = db_borrow(operation->o->store->pool, operation->deadline_ns, &db, err);

	return st == ST_OK ? take_row(operation, db, err) : st;
}

/* What is remembered of a failure: all that its asker was told. */
struct reason { char text[sizeof((struct error *) 0)->text + sizeof((struct error *) 0)->hint + 2]; };

static struct reason reason_of(const struct error *err)
{
	struct reason reason;

	snprintf(reason.text, sizeof reason.text, "%s%s%s", err->text, *err->hint != '\0' ? ". " : "", err->hint);
	return reason;
}

static enum status run(struct guard *guard, void *data, struct error *err)
{
	struct operation *operation = data;
	enum status       st = begin(operation, err);

	(void) guard;
	if (st != ST_OK)
		return st;
	struct error local = { .code = ST_OK };
	st = operation->work(operation, &local);
	drop_row(operation, reason_of(&local).text);
	if (st != ST_OK && err != NULL)
		*err = local;
	return st;
}

static enum status run_guarded(struct operation *operation, int64_t *ret_revision, struct error *err)
{
	__atomic_add_fetch(&operation->refs, 1, __ATOMIC_RELAXED);
	enum status st = guard_run(run, operation, unref, operation->deadline_ns, err);

	/* The thread may have been left behind in a controller, and then the row is ours to end. */
	drop_row(operation, st != ST_OK ? reason_of(err).text : "it was given up");
	/* A controller that is only told after the commit, and fails or stays away then, changes no outcome. */
	if (st != ST_OK && __atomic_load_n(&operation->is_committed, __ATOMIC_ACQUIRE)) {
		log_warning("operation.late_after_commit", "path", operation->path.ptr, "kind", operation->kind, "error", err->text);
		st = ST_OK;
	}
	if (st == ST_OK && ret_revision != NULL)
		*ret_revision = operation->revision;
	return st;
}

enum status operation_run(struct orchestrator *o, struct view path, const char *kind, operation_work *work,
                          const struct operation_input *input, int64_t deadline_ns, int64_t *ret_revision, struct error *err)
{
	const int64_t limit_ns = clock_ns() + o->options.operation_limit_ns;
	const unsigned limit = o->options.operations > 0 ? o->options.operations : 1;
	struct error  local;
	enum status   st;

	if (__atomic_add_fetch(&o->running, 1, __ATOMIC_ACQ_REL) > limit) {
		__atomic_sub_fetch(&o->running, 1, __ATOMIC_ACQ_REL);
		fail(err, ST_UNAVAILABLE, "%u operations are running, and more are not begun", limit);
		return fail_hint(err, "Try again later.");
	}
	struct operation *operation = operation_new(o, path, kind, work, input);
	if (operation != NULL) {
		operation->deadline_ns = deadline_ns < limit_ns ? deadline_ns : limit_ns;
		st = run_guarded(operation, ret_revision, &local);
		if (st == ST_OK && operation->input.dry != DRY_NOT)
			st = buf_add_view(input->reply, buf_view(&operation->report), &local);
		if (st != ST_OK && err != NULL)
			*err = local;
		unref(operation);
	} else {
		st = fail(err, ST_NO_MEMORY, "out of memory");
	}
	__atomic_sub_fetch(&o->running, 1, __ATOMIC_ACQ_REL);
	return st;
}

/* -- the commit -------------------------------------------------------------------------------------------------- */

struct commit { struct operation *operation; db_work *write; void *data; };

static enum status write_and_end(struct db *db, void *data, struct error *err)
{
	const struct commit *commit = data;
	enum status          st = commit->write(db, commit->data, err);

	if (st == ST_OK)                      /* write has locked it */
		st = resource_check_seen(db, commit->operation->path, &commit->operation->input.asker.seen, err);
	if (st == ST_OK && commit->operation->also != NULL)
		st = end_row(db, &(struct ending) { commit->operation->also, NULL, commit->operation->also->revision }, err);
	return st == ST_OK ? end_row(db, &(struct ending) { commit->operation, NULL, commit->operation->revision }, err) : st;
}

enum status operation_commit(struct operation *operation, db_work *write, void *data, struct error *err)
{
	struct commit commit = { operation, write, data };
	struct store *store = operation->o->store;

	if (!__atomic_load_n(&operation->holds_row, __ATOMIC_ACQUIRE))
		return fail(err, ST_DEADLINE, "the operation was given up");
	const enum status st = db_transaction(store->pool, operation->deadline_ns, write_and_end, &commit, err);
	if (st != ST_OK)
		return st;
	__atomic_store_n(&operation->is_committed, true, __ATOMIC_RELEASE);
	__atomic_store_n(&operation->holds_row, false, __ATOMIC_RELEASE);
	if (operation->also != NULL)
		__atomic_store_n(&operation->also->holds_row, false, __ATOMIC_RELEASE);
	store_notify(store, CHANNEL_UNITS);
	store_notify(store, CHANNEL_STATUS);
	return ST_OK;
}
