/*
 * process.h - run one foreign program: bounded output, a deadline, a clean environment, nothing inherited.
 *
 * The child gets only the named environment, no descriptor of ours but its three, its own process group, and dies with
 * it at the deadline (TERM, then KILL).  Secrets go in by standard input: a command line is public.  Any thread.
 */
#ifndef LIB_BASE_PROCESS_H
#define LIB_BASE_PROCESS_H

#include "lib/base/buf.h"

struct process {
	const char *const *argv;        /* argv[0] is the path of the program; NULL-terminated       */
	const char *const *env;         /* "NAME=value", NULL-terminated; NULL: PATH and LANG only   */
	const char        *dir;         /* working directory; NULL: /                                */
	struct view        input;       /* standard input, borrowed                                  */
	int64_t            deadline_ns;
};

/*
 * Run to the end.  out and errors collect up to their maxima, or may be NULL: dropped.  Past out->max the child is ended
 * and ST_TOO_LARGE returned, past errors->max the rest is read and dropped.  ST_OK means it ran and exited; *ret_exit is
 * its exit status, or 128 + signal; what it left behind in its process group is killed.  ST_DEADLINE, ST_NOT_FOUND (no
 * such program), ST_INTERNAL.
 */
enum status MUST_CHECK process_run(const struct process *process, struct buf *out, struct buf *errors, int *ret_exit,
                                   struct error *err);

#endif
