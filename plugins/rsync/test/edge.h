/*
 * edge.h - the cluster "edge+one" for tests of the target "kubernetes": an API server in miniature (api_server.py) that a
 * test asks, edits and makes fail, and the server in memory of fake.h that has units for it.
 *
 * edge_setup and edge_teardown go around each test.  A test's own mistakes end the program.
 */
#ifndef RSYNC_TEST_EDGE_H
#define RSYNC_TEST_EDGE_H

#include "plugins/rsync/test/fake.h"

#include <jansson.h>

/* Entries of a set, for fake_set. */
#define MAP(name, value) \
	"{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"},\"data\":{\"v\":\"" value "\"}}}"
#define DEPLOYMENT(image, replicas) \
	"{\"body\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{" replicas \
	"\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"image\":\"" image "\"}}}}}"
#define JOB(image) \
	"{\"body\":{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"once\"}," \
	"\"spec\":{\"template\":{\"spec\":{\"image\":\"" image "\"}}}}}"

/* A path on the API server. */
#define IN_NS1(kind)  "/api/v1/namespaces/ns1/" kind

#define assert_done(unit)  do { assert_string_equal((unit)->error, ""); \
	assert_int_equal((unit)->outcome, EMCO_UNIT_DONE); } while (0)
#define assert_contains(text, part)  do { if (strstr((text), (part)) == NULL) \
	fail_msg("\"%s\" is not in \"%s\"", (part), (text)); } while (0)

extern struct fake fake;                     /* fresh for each test, with "edge+one" in it and a client open */

int edge_setup(void **state);
int edge_teardown(void **state);

/* An API server for one more cluster; it ends with the test. */
void edge_start(const char *cluster);

/* A new unit on edge+one, or a new desired set ("" nothing) of the one of that app, and one pass. */
struct fake_unit *edge_bring(const char *app, const char *set);

/* One request to edge+one, and the body of its answer: owned. */
json_t *edge_request(const char *method, const char *path, const char *body);

/* An order to api_server.py, which lists them, and its answer: owned by the caller, or dropped by edge_do. */
json_t *edge_steer(const char *order, const char *value);
void edge_do(const char *order, const char *value);

/* The text at a dotted path of an object on edge+one ("~" for a dot in a name); "" when there is none.  Overwritten by
 * the next call. */
const char *edge_at(const char *path, const char *member);

/* How many requests of a method came since the last look. */
size_t edge_requests(const char *method);

#endif
