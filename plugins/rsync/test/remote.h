/*
 * remote.h - Git remotes for tests of the target "git": ports that nobody answers on, units that go to a remote, and two sets
 * of objects for them.
 */
#ifndef RSYNC_TEST_REMOTE_H
#define RSYNC_TEST_REMOTE_H

#include "plugins/rsync/test/fake.h"

#define WEB_1                                                                                                          \
	"[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"web\"},\"data\":{\"v\":"    \
	"\"1\"}}}]"
#define WEB_2                                                                                                          \
	"[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"web\"},\"data\":{\"v\":"    \
	"\"2\"}}}]"
#define TOKEN "tok3n-of-someone"

#define assert_done(unit)  do { if ((unit)->outcome != EMCO_UNIT_DONE) fail_msg("%s", (unit)->error); \
	assert_int_equal((unit)->reachable, 1); } while (0)

/* A port of 127.0.0.1 nobody answers on: bound, and listening when is_silent.  fd: the caller closes it. */
int remote_port(bool is_silent, int *ret_fd);

/* The unit of app "web" on the Git cluster "edge+one", which is at host:port/path. */
struct fake_unit *remote_want(struct fake *fake, const char *host, int port, const char *path, const char *token, const char *set);

#endif
