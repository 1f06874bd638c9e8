#include "plugins/rsync/versions.h"

#include "lib/base/clock.h"
#include "lib/base/json.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 10000 };

void version_free(struct version *version)
{
	free(version->cluster);
	free(version);
}

/* "v1.29.4", "v1.20.2-k3s1", "v1.29.1-eks-b9c9ed7": what begins like a version. */
static bool is_version(struct view text)
{
	return text.len >= 4 && text.len < sizeof((struct version *) NULL)->text && text.ptr[0] == 'v' && text.ptr[1] >= '0' &&
	       text.ptr[1] <= '9' && strspn(text.ptr, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-_") >= text.len;
}

/* On a loop of the client. */
static void answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct version  *version = data;
	struct versions *versions = version->versions;
	auto_json       *body = NULL;

	(void) err;
	if (st != ST_OK || answer->code != 200 || json_read(answer->body, &body, NULL) != ST_OK ||
	    !is_version(json_text_at(body, "gitVersion"))) {
		version_free(version);
		return;
	}
	memcpy(version->text, json_string_at(body, "gitVersion"), json_text_at(body, "gitVersion").len);
	version->next = atomic_load(&versions->told);
	while (!atomic_compare_exchange_weak(&versions->told, &version->next, version))
		continue;
}

void versions_ask(struct versions *versions, struct kube_cluster *cluster, const char *name)
{
	const struct kube_request request = {
		.method = "GET", .path = "/version", .body = VIEW(""), .deadline_ns = deadline_in_ms(ANSWER_MS),
	};
	struct version *version = calloc(1, sizeof *version);

	if (version == NULL || (version->cluster = strdup(name)) == NULL) {
		free(version);
		return;
	}
	version->versions = versions;
	kube_send(cluster, &request, answered, version);
}

struct version *versions_take(struct versions *versions)
{
	return atomic_exchange(&versions->told, NULL);
}

void versions_done(struct versions *versions)
{
	for (struct version *version = versions_take(versions), *next; version != NULL; version = next) {
		next = version->next;
		version_free(version);
	}
}
