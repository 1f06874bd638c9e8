#include "plugins/rsync/pass.h"

#include "lib/base/error.h"
#include "lib/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* A lease that was not renewed for this part of its time counts as lost: the database's clock is not ours. */
enum { RENEW_AFTER = 33, LOST_AFTER = 90, STILL_AFTER = 10, PERCENT = 100 };

emco_status fault_say(struct fault *fault, emco_status code, const char *fmt, ...)
{
	va_list args;

	fault->code = code;
	va_start(args, fmt);
	vsnprintf(fault->text, sizeof fault->text, fmt, args);
	va_end(args);
	utf8_line(fault->text, sizeof fault->text, view_of(fault->text));
	return code;
}

emco_status status_of(int status)
{
	static const emco_status words[ST_STATUS_COUNT] = {
		[ST_OK] = EMCO_OK, [ST_INVALID] = EMCO_E_INVALID, [ST_MALFORMED] = EMCO_E_INVALID,
		[ST_NOT_FOUND] = EMCO_E_NOT_FOUND, [ST_EXISTS] = EMCO_E_EXISTS, [ST_CONFLICT] = EMCO_E_CONFLICT,
		[ST_TOO_LARGE] = EMCO_E_TOO_LARGE, [ST_UNAUTHENTICATED] = EMCO_E_FORBIDDEN,
		[ST_FORBIDDEN] = EMCO_E_FORBIDDEN, [ST_UNAVAILABLE] = EMCO_E_UNAVAILABLE,
		[ST_DEADLINE] = EMCO_E_DEADLINE, [ST_UPSTREAM] = EMCO_E_UPSTREAM, [ST_NO_MEMORY] = EMCO_E_NO_MEMORY,
	};
	const bool is_known = status >= 0 && status < ST_STATUS_COUNT;

	return is_known && (status == ST_OK || words[status] != EMCO_OK) ? words[status] : EMCO_E_INTERNAL;
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t random_below(uint64_t limit)
{
	uint64_t number = 0;

	if (limit == 0 || getrandom(&number, sizeof number, 0) != (ssize_t) sizeof number)
		return 0;
	return number % limit;
}

/* -- memory -- */

void *pass_alloc(struct pass *pass, uint64_t count, uint64_t size)
{
	return pass->call->alloc(pass->call, count, size);
}

char *pass_text(struct pass *pass, emco_str text)
{
	char *copy = pass_alloc(pass, text.len + 1, 1);

	if (copy != NULL && text.len > 0)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

char *pass_printf(struct pass *pass, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return NULL;

	char *text = pass_alloc(pass, (uint64_t) len + 1, 1);
	if (text == NULL)
		return NULL;
	va_start(args, fmt);
	vsnprintf(text, (size_t) len + 1, fmt, args);
	va_end(args);
	return text;
}

/* -- leases -- */

static bool is_past(const struct pass *pass, int64_t since_ns, int64_t percent)
{
	return now_ns() - since_ns > pass->config->lease_ms * 1000000 / PERCENT * percent;
}

static bool lease_is_older(const struct pass *pass, int64_t percent)
{
	return is_past(pass, pass->renewed_ns, percent);
}

int64_t pass_end_ns(const struct pass *pass)
{
	return pass->renewed_ns + pass->config->lease_ms * 1000000 / PERCENT * LOST_AFTER;
}

bool pass_renew(struct pass *pass)
{
	const int64_t begin_ns = now_ns();
	bool          all_known = true;

	for (size_t i = 0; i < pass->count; i++) {
		struct job *job = &pass->jobs[i];

		if (job->is_lost || job->is_reported)
			continue;
		const emco_status status = pass->units->renew(pass->call, job->unit, pass->config->lease_ms * 1000000);
		if (status == EMCO_E_CONFLICT)
			job->is_lost = true;
		else if (status != EMCO_OK)
			all_known = false;
	}
	if (all_known)
		pass->renewed_ns = begin_ns;
	for (size_t i = 0; !all_known && lease_is_older(pass, LOST_AFTER) && i < pass->count; i++)
		pass->jobs[i].is_lost = true;
	return !pass->call->cancelled(pass->call);
}

bool pass_alive(struct pass *pass)
{
	/* Who stood still does not know what has become of the leases meanwhile, however much of their time is left. */
	const bool stood_still = pass->looked_ns != 0 && is_past(pass, pass->looked_ns, STILL_AFTER);

	pass->looked_ns = now_ns();
	if (pass->call->cancelled(pass->call))
		return false;
	return (!stood_still && !lease_is_older(pass, RENEW_AFTER)) || pass_renew(pass);
}
