#include "lib/base/clock.h"

#include <limits.h>

int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t deadline_in_ms(int64_t ms)
{
	return clock_ns() + ms * 1000000;
}

int deadline_left_ms(int64_t deadline_ns)
{
	const int64_t left_ns = deadline_ns - clock_ns();

	if (left_ns <= 0)
		return 0;
	const int64_t left_ms = (left_ns + 999999) / 1000000;
	return left_ms > INT_MAX ? INT_MAX : (int) left_ms;
}

bool deadline_past(int64_t deadline_ns)
{
	return clock_ns() >= deadline_ns;
}

void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void wall_text(int64_t ms, char text[WALL_TEXT_SIZE])
{
	const time_t seconds = (time_t) (ms / 1000);
	struct tm    utc;

	gmtime_r(&seconds, &utc);
	size_t len = strftime(text, WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	const int fraction = (int) (ms % 1000);
	if (fraction > 0) {
		len += (size_t) snprintf(text + len, WALL_TEXT_SIZE - len, ".%03d", fraction);
		while (text[len - 1] == '0')
			len--;
	}
	snprintf(text + len, WALL_TEXT_SIZE - len, "Z");
}
