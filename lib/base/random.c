#include "lib/base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_fill(void *bytes, size_t len)
{
	unsigned char *to = bytes;

	while (len > 0) {
		const ssize_t n = getrandom(to, len, 0);
		if (n < 0 && errno != EINTR)
			abort();
		if (n > 0) {
			to += n;
			len -= (size_t) n;
		}
	}
}

int64_t random_id(void)
{
	uint64_t id = 0;

	while (id == 0 || id == INT64_MAX) {
		random_fill(&id, sizeof id);
		id &= INT64_MAX;
	}
	return (int64_t) id;
}
