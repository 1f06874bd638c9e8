/*
 * fixture.h - the scripted server of server.py, a client that speaks to it, and answers that are waited for.
 */
#ifndef TESTS_UNIT_KUBE_FIXTURE_H
#define TESTS_UNIT_KUBE_FIXTURE_H

#include "tests/unit/base/test.h"

#include "lib/base/clock.h"
#include "lib/kube/object.h"

struct server {
	int     pid, in;
	FILE   *out;
	json_t *hello;             /* ports and certificates */
};
extern struct server server;

int  server_start(void **state);         /* group set-up and tear-down */
int  server_stop(void **state);
void server_forget(void);
/* answers: JSON list, with ' for ". */
void server_rule(const char *method, const char *path, const char *answers);
json_t *server_log(void);                /* owned by the caller */
size_t  server_count(const char *method, const char *path);      /* requests whose path begins so */

/* A kubeconfig for "https", "expired" or "http"; ca: "ca" or "other"; user: YAML of the user, or NULL for a token. */
void kubeconfig_of(const char *port, const char *ca, const char *user, struct buf *text);

struct kube         *client_open(void);
struct kube_cluster *cluster_of(struct kube *kube, const char *name, const char *port, const char *ca);

/* -- answers -- */

struct waited {
	pthread_mutex_t lock;
	pthread_cond_t  changed;
	int             count;
	enum status     st;
	int             code;
	int64_t         at_ns;
	enum kube_outcome outcome;
	bool            is_certain;
	char            body[4096], text[4096], hint[200], location[200];
};
void waited_init(struct waited *waited);
void waited_until(struct waited *waited, int count);     /* fails the test after 20 s */
void waited_done(void *data, enum status st, const struct kube_answer *answer, const struct error *err);
void waited_applied(void *data, const struct kube_result *result);

/* Send and wait. */
void ask(struct kube_cluster *cluster, const char *method, const char *path, int64_t ms, struct waited *waited);

#endif
