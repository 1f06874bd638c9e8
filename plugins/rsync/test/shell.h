/*
 * shell.h - commands for tests, and the end of a test that cannot go on.
 */
#ifndef RSYNC_TEST_SHELL_H
#define RSYNC_TEST_SHELL_H

#include "plugins/rsync/pass.h"

/* Ends the program unless it is so: in every build, unlike assert. */
void must(bool is_so);

/* What a shell command prints, without the last newline; the program ends when it fails.  Overwritten by the next call. */
const char *shell(const char *fmt, ...) RSYNC_PRINTF(1, 2);
/* The same, and its exit status does not matter. */
const char *shell_try(const char *fmt, ...) RSYNC_PRINTF(1, 2);

#endif
