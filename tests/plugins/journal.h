/*
 * journal.h - a file in which test plugins write down what was done to them, one line each.
 */
#ifndef TESTS_PLUGINS_JOURNAL_H
#define TESTS_PLUGINS_JOURNAL_H

#include <emco/plugin.h>

#include <stdio.h>

static inline void journal(const char *file, const char *who, const char *what, emco_str context, emco_str intent)
{
	FILE *out = fopen(file, "a");

	if (out == NULL)
		return;
	fprintf(out, "%s %s", who, what);
	if (context.len > 0)
		fprintf(out, " %.*s", (int) context.len, context.ptr);
	if (intent.len > 0)
		fprintf(out, " %.*s", (int) intent.len, intent.ptr);
	fputc('\n', out);
	fclose(out);
}

#endif
