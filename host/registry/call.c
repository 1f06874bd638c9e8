/* Status numbers cross the boundary through one table; the rest is what stands behind an emco_call: arena, deadline, fault. */
#include "host/registry/call.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"

enum { CALL_ARENA_BYTES = 256 << 20 };

/* -- status: the one table ------------------------------------------------------------------------------------------- */

static const emco_status abi_of[ST_STATUS_COUNT] = {
	[ST_OK]                = EMCO_OK,
	[ST_INVALID]           = EMCO_E_INVALID,
	[ST_MALFORMED]         = EMCO_E_INVALID,
	[ST_NOT_FOUND]         = EMCO_E_NOT_FOUND,
	[ST_EXISTS]            = EMCO_E_EXISTS,
	[ST_CONFLICT]          = EMCO_E_CONFLICT,
	[ST_PRECONDITION]      = EMCO_E_CONFLICT,
	[ST_TOO_LARGE]         = EMCO_E_TOO_LARGE,
	[ST_UNSUPPORTED_MEDIA] = EMCO_E_INVALID,
	[ST_NOT_ACCEPTABLE]    = EMCO_E_INVALID,
	[ST_UNAUTHENTICATED]   = EMCO_E_FORBIDDEN,
	[ST_FORBIDDEN]         = EMCO_E_FORBIDDEN,
	[ST_UNAVAILABLE]       = EMCO_E_UNAVAILABLE,
	[ST_DEADLINE]          = EMCO_E_DEADLINE,
	[ST_UPSTREAM]          = EMCO_E_UPSTREAM,
	[ST_NO_MEMORY]         = EMCO_E_NO_MEMORY,
	[ST_INTERNAL]          = EMCO_E_INTERNAL,
};

/* A plugin's own bug or gap is a foreign party's fault to us, not our bug: ST_UPSTREAM. */
static const struct { enum status st; const char *word; } host_of[] = {
	[EMCO_OK]              = { ST_OK,          "ok" },
	[EMCO_DECLINED]        = { ST_OK,          "declined" },
	[EMCO_E_INVALID]       = { ST_INVALID,     "invalid" },
	[EMCO_E_NOT_FOUND]     = { ST_NOT_FOUND,   "not found" },
	[EMCO_E_EXISTS]        = { ST_EXISTS,      "exists already" },
	[EMCO_E_CONFLICT]      = { ST_CONFLICT,    "conflict" },
	[EMCO_E_TOO_LARGE]     = { ST_TOO_LARGE,   "too large" },
	[EMCO_E_FORBIDDEN]     = { ST_FORBIDDEN,   "forbidden" },
	[EMCO_E_UNAVAILABLE]   = { ST_UNAVAILABLE, "unavailable" },
	[EMCO_E_DEADLINE]      = { ST_DEADLINE,    "deadline passed" },
	[EMCO_E_UPSTREAM]      = { ST_UPSTREAM,    "a foreign party refused" },
	[EMCO_E_NO_MEMORY]     = { ST_NO_MEMORY,   "out of memory" },
	[EMCO_E_UNIMPLEMENTED] = { ST_UPSTREAM,    "not implemented" },
	[EMCO_E_INTERNAL]      = { ST_UPSTREAM,    "internal fault" },
};

emco_status status_to_abi(enum status st)
{
	return (unsigned) st < ST_STATUS_COUNT ? abi_of[st] : EMCO_E_INTERNAL;
}

enum status status_from_abi(emco_status status)
{
	return (uint32_t) status < ARRAY_LEN(host_of) ? host_of[status].st : ST_UPSTREAM;
}

/* -- what the plugin sees -------------------------------------------------------------------------------------------- */

static const struct call *call_seen(const emco_call *call)
{
	return (const struct call *) (const void *) call;
}

static int32_t abi_cancelled(const emco_call *abi)
{
	const struct call *call = call_seen(abi);

	return (call->cancelled != NULL && __atomic_load_n(call->cancelled, __ATOMIC_RELAXED)) ||
	       (call->ends_with_leases && store_losses(call->store) != call->losses) || deadline_past(call->deadline_ns);
}

static int64_t abi_left_ns(const emco_call *abi)
{
	const int64_t left_ns = call_seen(abi)->deadline_ns - clock_ns();

	return left_ns > 0 ? left_ns : 0;
}

/* Foreign words end in JSON answers and in the log: what is not UTF-8 is not passed on. */
static struct view words_of(emco_str text)
{
	const struct view words = view_from_abi(text);

	return utf8_is_valid(words) ? words : VIEW("(a text that is not UTF-8)");
}

static emco_status abi_fail(emco_call *abi, emco_status status, emco_str field, emco_str text, emco_str hint)
{
	struct call      *call = call_of(abi);
	const struct view where = words_of(field), what = words_of(text), todo = words_of(hint);
	char              name[sizeof call->error.field];

	snprintf(name, sizeof name, "%.*s", (int) (where.len < sizeof name ? where.len : sizeof name - 1), where.ptr);
	IGNORE(fail_at(&call->error, status_from_abi(status), name, "%.*s",
	               (int) (what.len < INT16_MAX ? what.len : INT16_MAX), what.ptr));
	if (todo.len > 0)
		IGNORE(fail_hint(&call->error, "%.*s", (int) (todo.len < INT16_MAX ? todo.len : INT16_MAX), todo.ptr));
	return status;
}

static void *abi_alloc(emco_call *abi, uint64_t count, uint64_t size)
{
	return arena_alloc(&call_of(abi)->arena, (size_t) count, (size_t) size);
}

static emco_str abi_fault(const emco_call *abi)
{
	return view_to_abi(view_of(call_seen(abi)->error.text));
}

static const emco_call call_slots = {
	.size = sizeof(emco_call), .abi = EMCO_ABI, .cancelled = abi_cancelled, .left_ns = abi_left_ns,
	.fail = abi_fail, .alloc = abi_alloc, .fault = abi_fault,
};

/* -- what the host sees ---------------------------------------------------------------------------------------------- */

void call_init(struct call *call, struct store *store, const char *who, uint32_t roles, int64_t deadline_ns)
{
	*call = (struct call) {
		.abi = call_slots, .store = store, .who = who, .roles = roles, .deadline_ns = deadline_ns,
	};
	arena_init(&call->arena, CALL_ARENA_BYTES);
}

void call_done(struct call *call)
{
	if (call->db != NULL && !call->is_lent)
		db_return(call->db);
	call->db = NULL;
	arena_done(&call->arena);
}

struct call *call_of(emco_call *call)
{
	return (struct call *) (void *) call;
}

enum status call_db(struct call *call, struct db **ret_db, struct error *err)
{
	if (call->reading != NULL)
		return fail(err, ST_CONFLICT, "\"%s\" has not ended: its call back may ask this call for memory only", call->reading);
	if (call->db == NULL) {
		if (call->store == NULL)
			return fail(err, ST_UNAVAILABLE, "there is no store to ask yet");
		enum status st = db_borrow(call->store->pool, call->deadline_ns, &call->db, err);
		if (st != ST_OK)
			return st;
	}
	*ret_db = call->db;
	return ST_OK;
}

void call_db_done(struct call *call)
{
	if (call->db == NULL || call->is_lent || call->overlay != NULL || call->reading != NULL)
		return;
	db_return(call->db);
	call->db = NULL;
}

void call_lend(struct call *call, struct db *db)
{
	call->db = db;
	call->is_lent = true;
}

emco_status call_failed(struct call *call, const struct error *err)
{
	call->error = *err;
	return status_to_abi(err->code);
}

/* NOTE: the plugin's last words count only when they belong to what it returned: it may have met a fault and got over it. */
enum status call_result(struct call *call, emco_status status, struct error *err)
{
	if (status == EMCO_OK || status == EMCO_DECLINED)
		return ST_OK;
	const bool is_known = (uint32_t) status < ARRAY_LEN(host_of);
	const bool is_said = call->error.text[0] != '\0' && (!is_known || status_from_abi(status) == call->error.code ||
	                                                     status_to_abi(call->error.code) == status);
	if (!is_said && is_known)
		return fail(err, host_of[status].st, "controller \"%s\": %s, and no reason given", call->who,
		            host_of[status].word);
	if (!is_said)
		return fail(err, ST_UPSTREAM, "controller \"%s\": returned the unknown status %d", call->who, (int) status);
	if (err != NULL)
		*err = call->error;
	IGNORE(fail_within(err, "controller \"%s\"", call->who));
	return call->error.code == ST_OK ? status_from_abi(status) : call->error.code;
}
