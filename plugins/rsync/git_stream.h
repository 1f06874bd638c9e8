/*
 * git_stream.h - TCP for libgit2, with deadlines.
 *
 * libgit2 1.5 connects and reads without any time limit: a remote that drops packets would hold a worker for ever.  So it
 * gets its sockets from here: connecting, and every silence while reading or writing, is bounded, and a cancelled pass
 * leaves within a moment.  TLS runs on top of these streams.  For SSH they bound connecting only, because libssh2 reads
 * from the socket itself and waits without a limit: a thread beside such a stream asks the kernel when bytes last went
 * either way, and shuts the socket when that is too long ago.
 */
#ifndef RSYNC_GIT_STREAM_H
#define RSYNC_GIT_STREAM_H

#include "plugins/rsync/pass.h"

/* Register with libgit2, for the whole process.  Streams opened outside of begin and end get 30 s. */
int git_stream_offer(void);

/*
 * Around a network operation on this thread: whose leases to keep alive, how long a silence may be, whether it is SSH.
 * Meanwhile pass->stands_ns says since when it goes on.
 */
void git_stream_begin(struct pass *pass, int64_t silence_ns, bool is_ssh);
bool git_stream_end(void);               /* true: SSH was shut because of a silence */

#endif
