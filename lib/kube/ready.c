/*
 * ready.c - does an object do its work?
 *
 * The rules for the built-in kinds are EMCO's; a missing member has Kubernetes' default.  What was changed but not yet seen
 * by its controller (observedGeneration) is not ready, whatever its old status says.
 */
#include "lib/kube/object.h"

#include "lib/base/safe.h"
#include "lib/base/utf8.h"

#include <inttypes.h>

/* One line why; any of it may be NULL. */
struct say { char *text; size_t size; };

static enum kube_ready PRINTF(3, 4) answer(const struct say *say, enum kube_ready ready, const char *fmt, ...)
{
	va_list args;

	if (say->text == NULL || say->size == 0)
		return ready;
	va_start(args, fmt);
	vsnprintf(say->text, say->size, fmt, args);
	va_end(args);
	utf8_line(say->text, say->size, view_of(say->text));
	return ready;
}

static const json_t *condition_of(const json_t *object, const char *type)
{
	json_t *item;
	size_t  i;

	json_array_foreach(json_at(object, "status.conditions"), i, item)
		if (view_is(json_text_at(item, "type"), type))
			return item;
	return NULL;
}

static bool condition_is(const json_t *object, const char *type, const char *status)
{
	const json_t *condition = condition_of(object, type);

	return condition != NULL && view_is(json_text_at(condition, "status"), status);
}

/* The controller's own words, or ours. */
static const char *words_of(const json_t *condition, const char *ours)
{
	const char *message = json_string_at(condition, "message");

	if (message[0] == '\0')
		message = json_string_at(condition, "reason");
	return message[0] != '\0' ? message : ours;
}

/* "25%" or 1, of total; -1 when it is neither. */
static int64_t share_of(const json_t *value, int64_t total, bool round_up)
{
	if (json_is_integer(value))
		return json_integer_value(value);
	if (!json_is_string(value))
		return -1;
	char         *end;
	const long    percent = strtol(json_string_value(value), &end, 10);
	if (end == json_string_value(value) || percent < 0 || percent > 10000 || total < 0 || total > INT32_MAX)
		return -1;
	return (percent * total + (round_up ? 99 : 0)) / 100;
}

static int64_t bounded(int64_t number)
{
	return number < 0 ? 0 : number > INT32_MAX ? INT32_MAX : number;
}

static enum kube_ready ready_pod(const json_t *object, const struct say *say)
{
	const char *phase = json_string_at(object, "status.phase");

	if (strcmp(phase, "Succeeded") == 0)
		return answer(say, KUBE_READY, "the pod has done its work");
	if (strcmp(phase, "Failed") == 0)
		return answer(say, KUBE_FAILED, "%s", words_of(json_object_get(object, "status"), "the pod has failed"));
	if (condition_is(object, "Ready", "True"))
		return answer(say, KUBE_READY, "the pod is ready");
	return answer(say, KUBE_NOT_READY, "%s",
	              words_of(condition_of(object, "Ready"), "the pod is not ready"));
}

static enum kube_ready ready_service(const json_t *object, const struct say *say)
{
	const struct view type = json_text_at(object, "spec.type");

	if (view_is(type, "ExternalName"))
		return answer(say, KUBE_READY, "a name of elsewhere");
	if (json_text_at(object, "spec.clusterIP").len == 0)
		return answer(say, KUBE_NOT_READY, "the service has no address");
	if (view_is(type, "LoadBalancer") && json_array_size(json_at(object, "spec.externalIPs")) == 0 &&
	    !json_is_array(json_at(object, "status.loadBalancer.ingress")))
		return answer(say, KUBE_NOT_READY, "the load balancer has no address");
	return answer(say, KUBE_READY, "the service has an address");
}

/* As Kubernetes has it: surge rounded up, unavailable rounded down; both 0 would never move, so 1. */
static int64_t unavailable_of_deployment(const json_t *object, int64_t replicas)
{
	const struct view type = json_text_at(object, "spec.strategy.type");
	const json_t     *rolling = json_at(object, "spec.strategy.rollingUpdate");

	if ((type.len > 0 && !view_is(type, "RollingUpdate")) || replicas == 0)
		return 0;
	int64_t surge = share_of(json_object_get(rolling, "maxSurge"), replicas, true);
	int64_t unavailable = share_of(json_object_get(rolling, "maxUnavailable"), replicas, false);
	if (surge < 0)
		surge = (25 * replicas + 99) / 100;
	if (unavailable < 0)
		unavailable = 25 * replicas / 100;
	if (surge == 0 && unavailable == 0)
		unavailable = 1;
	return unavailable > replicas ? replicas : unavailable;
}

static enum kube_ready ready_deployment(const json_t *object, const struct say *say)
{
	const int64_t replicas = bounded(json_int_at(object, "spec.replicas", 1));
	const int64_t ready = bounded(json_int_at(object, "status.readyReplicas", 0));
	const json_t *progress = condition_of(object, "Progressing");

	if (json_is_true(json_at(object, "spec.paused")))
		return answer(say, KUBE_READY, "the deployment is paused");
	if (ready >= replicas - unavailable_of_deployment(object, replicas))
		return answer(say, KUBE_READY, "%" PRId64 " of %" PRId64 " replicas are ready", ready, replicas);
	if (progress != NULL && view_is(json_text_at(progress, "reason"), "ProgressDeadlineExceeded"))
		return answer(say, KUBE_FAILED, "%s", words_of(progress, "no progress within the deadline"));
	if (condition_is(object, "ReplicaFailure", "True"))
		return answer(say, KUBE_NOT_READY, "%s", words_of(condition_of(object, "ReplicaFailure"), "replicas fail"));
	return answer(say, KUBE_NOT_READY, "%" PRId64 " of %" PRId64 " replicas are ready", ready, replicas);
}

static enum kube_ready ready_daemon_set(const json_t *object, const struct say *say)
{
	const struct view type = json_text_at(object, "spec.updateStrategy.type");
	const int64_t     desired = bounded(json_int_at(object, "status.desiredNumberScheduled", 0));
	const int64_t     updated = bounded(json_int_at(object, "status.updatedNumberScheduled", 0));
	const int64_t     ready = bounded(json_int_at(object, "status.numberReady", 0));
	int64_t           unavailable;

	if (type.len > 0 && !view_is(type, "RollingUpdate"))
		return answer(say, KUBE_READY, "updated by hand");
	if (!json_is_object(json_object_get(object, "status")) || json_at(object, "status.desiredNumberScheduled") == NULL)
		return answer(say, KUBE_NOT_READY, "the daemon set was not seen by its controller yet");
	if (updated != desired)
		return answer(say, KUBE_NOT_READY, "%" PRId64 " of %" PRId64 " pods are updated", updated, desired);
	unavailable = share_of(json_at(object, "spec.updateStrategy.rollingUpdate.maxUnavailable"), desired, true);
	if (unavailable < 0)
		unavailable = 1;
	return answer(say, ready >= desired - unavailable ? KUBE_READY : KUBE_NOT_READY,
	              "%" PRId64 " of %" PRId64 " pods are ready", ready, desired);
}

static enum kube_ready ready_stateful_set(const json_t *object, const struct say *say)
{
	const struct view type = json_text_at(object, "spec.updateStrategy.type");
	const int64_t     replicas = bounded(json_int_at(object, "spec.replicas", 1));
	const int64_t     partition = bounded(json_int_at(object, "spec.updateStrategy.rollingUpdate.partition", 0));
	const int64_t     updated = bounded(json_int_at(object, "status.updatedReplicas", 0));
	const int64_t     ready = bounded(json_int_at(object, "status.readyReplicas", 0));

	if (type.len > 0 && !view_is(type, "RollingUpdate"))
		return answer(say, KUBE_READY, "updated by hand");
	if (updated < replicas - partition)
		return answer(say, KUBE_NOT_READY, "%" PRId64 " of %" PRId64 " replicas are updated", updated,
		              replicas - partition);
	return answer(say, ready == replicas ? KUBE_READY : KUBE_NOT_READY, "%" PRId64 " of %" PRId64 " replicas are ready",
	              ready, replicas);
}

static enum kube_ready ready_job(const json_t *object, const struct say *say)
{
	const int64_t limit = json_int_at(object, "spec.backoffLimit", 6);
	const int64_t completions = bounded(json_int_at(object, "spec.completions", 1));
	const int64_t succeeded = bounded(json_int_at(object, "status.succeeded", 0));
	const int64_t failed = bounded(json_int_at(object, "status.failed", 0));

	if (condition_is(object, "Failed", "True"))
		return answer(say, KUBE_FAILED, "%s", words_of(condition_of(object, "Failed"), "the job has failed"));
	if (condition_is(object, "Complete", "True"))
		return answer(say, KUBE_READY, "the job is complete");
	if (failed > limit)
		return answer(say, KUBE_FAILED, "%" PRId64 " pods have failed, at most %" PRId64 " may", failed, limit);
	return answer(say, succeeded >= completions ? KUBE_READY : KUBE_NOT_READY,
	              "%" PRId64 " of %" PRId64 " completions", succeeded, completions);
}

static enum kube_ready ready_always(const json_t *object, const struct say *say)
{
	(void) object;
	return answer(say, KUBE_READY, "there");
}

static enum kube_ready ready_namespace(const json_t *object, const struct say *say)
{
	const struct view phase = json_text_at(object, "status.phase");

	return answer(say, view_is(phase, "Active") || phase.len == 0 ? KUBE_READY : KUBE_NOT_READY, "%s",
	              phase.len > 0 ? phase.ptr : "there");
}

static enum kube_ready ready_claim(const json_t *object, const struct say *say)
{
	if (view_is(json_text_at(object, "status.phase"), "Lost"))
		return answer(say, KUBE_FAILED, "the claim has lost its volume");
	return answer(say, KUBE_READY, "%s", json_string_at(object, "status.phase"));      /* many wait for their first pod */
}

static enum kube_ready ready_crd(const json_t *object, const struct say *say)
{
	if (condition_is(object, "NamesAccepted", "False"))
		return answer(say, KUBE_FAILED, "%s", words_of(condition_of(object, "NamesAccepted"), "its names are taken"));
	if (condition_is(object, "Established", "True"))
		return answer(say, KUBE_READY, "established");
	return answer(say, KUBE_NOT_READY, "not established yet");
}

/* What controllers of other kinds agree on. */
static enum kube_ready ready_generic(const json_t *object, const struct say *say)
{
	static const char *const good[] = { "Ready", "Available", "Succeeded" };

	if (condition_is(object, "Stalled", "True"))
		return answer(say, KUBE_FAILED, "%s", words_of(condition_of(object, "Stalled"), "stalled"));
	if (condition_is(object, "Reconciling", "True"))
		return answer(say, KUBE_NOT_READY, "%s", words_of(condition_of(object, "Reconciling"), "reconciling"));
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const json_t *condition = condition_of(object, good[i]);
		if (condition == NULL)
			continue;
		return answer(say, view_is(json_text_at(condition, "status"), "True") ? KUBE_READY : KUBE_NOT_READY, "%s",
		              words_of(condition, good[i]));
	}
	return answer(say, KUBE_READY, "there");
}

static const struct rule {
	const char        *group, *kind;
	bool               has_generation;
	enum kube_ready  (*ready)(const json_t *object, const struct say *say);
} rules[] = {
	{ "",                     "Pod",                       false, ready_pod          },
	{ "",                     "Service",                   false, ready_service      },
	{ "",                     "ConfigMap",                 false, ready_always       },
	{ "",                     "Secret",                    false, ready_always       },
	{ "",                     "Namespace",                 false, ready_namespace    },
	{ "",                     "PersistentVolumeClaim",     false, ready_claim        },
	{ "apps",                 "Deployment",                true,  ready_deployment   },
	{ "apps",                 "DaemonSet",                 true,  ready_daemon_set   },
	{ "apps",                 "StatefulSet",               true,  ready_stateful_set },
	{ "batch",                "Job",                       false, ready_job          },
	{ "certificates.k8s.io",  "CertificateSigningRequest", false, ready_always       },
	{ "apiextensions.k8s.io", "CustomResourceDefinition",  false, ready_crd          },
};
static const struct rule other = { NULL, NULL, true, ready_generic };

static const struct rule *rule_of(const json_t *object)
{
	const struct view version = json_text_at(object, "apiVersion"), kind = json_text_at(object, "kind");
	const char       *slash = version.len > 0 ? memchr(version.ptr, '/', version.len) : NULL;
	const struct view group = { version.ptr, slash != NULL ? (size_t) (slash - version.ptr) : 0 };

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (view_is(group, rules[i].group) && view_is(kind, rules[i].kind))
			return &rules[i];
	return &other;
}

enum kube_ready kube_object_ready(const json_t *object, char *reason, size_t size)
{
	const struct say   say = { reason, size };
	const struct rule *rule = rule_of(object);
	const int64_t      generation = json_int_at(object, "metadata.generation", 0);
	const int64_t      observed = json_int_at(object, "status.observedGeneration", generation);

	if (json_text_at(object, "metadata.deletionTimestamp").len > 0)
		return answer(&say, KUBE_NOT_READY, "it is being deleted");
	if (rule->has_generation && observed < generation)
		return answer(&say, KUBE_NOT_READY, "the last change was not seen by its controller yet");
	return rule->ready(object, &say);
}
