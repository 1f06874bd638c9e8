#include "plugins/rsync/test/shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void must(bool is_so)
{
	if (!is_so)
		abort();
}

static RSYNC_PRINTF(2, 0) const char *run(bool is_needed, const char *fmt, va_list args)
{
	static _Thread_local char out[65536];
	char   command[8192];
	size_t len = 0, n;

	vsnprintf(command, sizeof command, fmt, args);
	FILE *pipe = popen(command, "r");
	must(pipe != NULL);
	while ((n = fread(out + len, 1, sizeof out - 1 - len, pipe)) > 0)
		len += n;
	out[len] = '\0';
	while (len > 0 && out[len - 1] == '\n')
		out[--len] = '\0';
	if (pclose(pipe) != 0 && is_needed) {
		fprintf(stderr, "%s\n%s\n", command, out);
		abort();
	}
	return out;
}

const char *shell(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const char *out = run(true, fmt, args);
	va_end(args);
	return out;
}

const char *shell_try(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const char *out = run(false, fmt, args);
	va_end(args);
	return out;
}
