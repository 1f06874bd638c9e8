/*
 * The pure parts as tables: what is ready, what is mended before sending, what an answer means.
 */
#include "tests/unit/base/test.h"

#include "lib/kube/kube_priv.h"

/* JSON with ' for ". */
static json_t *read(const char *text)
{
	char        *copy = strdup(text);
	json_error_t error;

	for (char *quote = copy; (quote = strchr(quote, '\'')) != NULL;)
		*quote = '"';
	json_t *value = json_loads(copy, 0, &error);
	if (value == NULL)
		print_error("%s: %s\n", error.text, copy);
	free(copy);
	assert_non_null(value);
	return value;
}

#define DEPLOYMENT(rest) "{'apiVersion':'apps/v1','kind':'Deployment'," rest "}"
#define DAEMONS(rest)    "{'apiVersion':'apps/v1','kind':'DaemonSet'," rest "}"
#define STATEFUL(rest)   "{'apiVersion':'apps/v1','kind':'StatefulSet'," rest "}"
#define JOB(rest)        "{'apiVersion':'batch/v1','kind':'Job'," rest "}"
#define POD(rest)        "{'apiVersion':'v1','kind':'Pod'," rest "}"
#define SERVICE(rest)    "{'apiVersion':'v1','kind':'Service'," rest "}"
#define OTHER(rest)      "{'apiVersion':'x.dev/v1','kind':'Thing'," rest "}"

static void test_readiness(void **state)
{
	static const struct row { const char *object; enum kube_ready want; const char *why; } rows[] = {
		{ POD("'status':{'conditions':[{'type':'Ready','status':'True'}]}"),               KUBE_READY,     "the pod is ready" },
		{ POD("'status':{'conditions':[{'type':'Ready','status':'False','message':'x'}]}"), KUBE_NOT_READY, "x" },
		{ POD("'metadata':{'deletionTimestamp':'t'},'status':{'conditions':[{'type':'Ready','status':'True'}]}"),
		                                                                                   KUBE_NOT_READY, "it is being deleted" },
		{ POD("'spec':{}"),                                                                KUBE_NOT_READY, "the pod is not ready" },
		{ POD("'status':{'phase':'Succeeded'}"),                                           KUBE_READY,     "the pod has done its work" },
		{ POD("'status':{'phase':'Failed','reason':'Evicted'}"),                           KUBE_FAILED,    "Evicted" },

		{ SERVICE("'spec':{'type':'ExternalName'}"),                                       KUBE_READY,     NULL },
		{ SERVICE("'spec':{'clusterIP':'None'}"),                                          KUBE_READY,     NULL },
		{ SERVICE("'spec':{}"),                                                            KUBE_NOT_READY, "the service has no address" },
		{ SERVICE("'spec':{'clusterIP':'10.0.0.1','type':'LoadBalancer'},'status':{'loadBalancer':{}}"),
		                                                                                   KUBE_NOT_READY, "the load balancer has no address" },
		{ SERVICE("'spec':{'clusterIP':'10.0.0.1','type':'LoadBalancer','externalIPs':['1.2.3.4']}"), KUBE_READY, NULL },
		{ SERVICE("'spec':{'clusterIP':'10.0.0.1','type':'LoadBalancer'},'status':{'loadBalancer':{'ingress':[]}}"), KUBE_READY, NULL },

		{ DEPLOYMENT("'spec':{}"),                                                         KUBE_NOT_READY, "0 of 1 replicas are ready" },
		{ DEPLOYMENT("'spec':{},'status':{'readyReplicas':1}"),                            KUBE_READY,     "1 of 1 replicas are ready" },
		{ DEPLOYMENT("'spec':{'replicas':0}"),                                             KUBE_READY,     "0 of 0 replicas are ready" },
		{ DEPLOYMENT("'spec':{'replicas':4},'status':{'readyReplicas':3}"),                KUBE_READY,     NULL },
		{ DEPLOYMENT("'spec':{'replicas':4},'status':{'readyReplicas':2}"),                KUBE_NOT_READY, "2 of 4 replicas are ready" },
		{ DEPLOYMENT("'spec':{'replicas':4,'strategy':{'type':'Recreate'}},'status':{'readyReplicas':3}"), KUBE_NOT_READY, NULL },
		{ DEPLOYMENT("'spec':{'replicas':4,'strategy':{'rollingUpdate':{'maxUnavailable':0,'maxSurge':0}}},'status':{'readyReplicas':3}"), KUBE_READY, NULL },
		{ DEPLOYMENT("'spec':{'replicas':10,'strategy':{'rollingUpdate':{'maxUnavailable':'35%'}}},'status':{'readyReplicas':7}"), KUBE_READY, NULL },
		{ DEPLOYMENT("'spec':{'replicas':10,'strategy':{'rollingUpdate':{'maxUnavailable':'35%'}}},'status':{'readyReplicas':6}"), KUBE_NOT_READY, NULL },
		{ DEPLOYMENT("'spec':{'paused':true}"),                                            KUBE_READY,     "the deployment is paused" },
		{ DEPLOYMENT("'metadata':{'generation':2},'spec':{},'status':{'observedGeneration':1,'readyReplicas':1}"),
		                                                                                   KUBE_NOT_READY, "the last change was not seen by its controller yet" },
		{ DEPLOYMENT("'spec':{},'status':{'conditions':[{'type':'Progressing','status':'False','reason':'ProgressDeadlineExceeded','message':'late'}]}"),
		                                                                                   KUBE_FAILED,    "late" },
		{ DEPLOYMENT("'spec':{},'status':{'conditions':[{'type':'ReplicaFailure','status':'True','message':'exceeded quota'}]}"),
		                                                                                   KUBE_NOT_READY, "exceeded quota" },

		{ DAEMONS("'spec':{'updateStrategy':{'type':'OnDelete'}}"),                        KUBE_READY,     NULL },
		{ DAEMONS("'spec':{}"),                                                            KUBE_NOT_READY, NULL },
		{ DAEMONS("'status':{'desiredNumberScheduled':0}"),                                KUBE_READY,     NULL },
		{ DAEMONS("'status':{'desiredNumberScheduled':3,'updatedNumberScheduled':2,'numberReady':3}"), KUBE_NOT_READY, "2 of 3 pods are updated" },
		{ DAEMONS("'status':{'desiredNumberScheduled':3,'updatedNumberScheduled':3,'numberReady':2}"), KUBE_READY, "2 of 3 pods are ready" },
		{ DAEMONS("'spec':{'updateStrategy':{'rollingUpdate':{'maxUnavailable':'34%'}}},'status':{'desiredNumberScheduled':3,'updatedNumberScheduled':3,'numberReady':1}"), KUBE_READY, NULL },

		{ STATEFUL("'spec':{}"),                                                           KUBE_NOT_READY, "0 of 1 replicas are updated" },
		{ STATEFUL("'spec':{'replicas':3},'status':{'updatedReplicas':3,'readyReplicas':2}"), KUBE_NOT_READY, "2 of 3 replicas are ready" },
		{ STATEFUL("'spec':{'replicas':3,'updateStrategy':{'rollingUpdate':{'partition':2}}},'status':{'updatedReplicas':1,'readyReplicas':3}"), KUBE_READY, NULL },
		{ STATEFUL("'spec':{'updateStrategy':{'type':'OnDelete'}}"),                       KUBE_READY,     NULL },

		{ JOB("'spec':{}"),                                                                KUBE_NOT_READY, "0 of 1 completions" },
		{ JOB("'spec':{},'status':{'succeeded':1}"),                                       KUBE_READY,     NULL },
		{ JOB("'spec':{'completions':3},'status':{'succeeded':2,'failed':6}"),             KUBE_NOT_READY, "2 of 3 completions" },
		{ JOB("'spec':{},'status':{'failed':7}"),                                          KUBE_FAILED,    NULL },
		{ JOB("'status':{'conditions':[{'type':'Failed','status':'True','reason':'BackoffLimitExceeded'}]}"), KUBE_FAILED, "BackoffLimitExceeded" },

		{ "{'apiVersion':'v1','kind':'ConfigMap'}",                                        KUBE_READY,     NULL },
		{ "{'apiVersion':'v1','kind':'Namespace','status':{'phase':'Terminating'}}",       KUBE_NOT_READY, "Terminating" },
		{ "{'apiVersion':'v1','kind':'PersistentVolumeClaim','status':{'phase':'Lost'}}",  KUBE_FAILED,    NULL },
		{ "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition'}",    KUBE_NOT_READY, "not established yet" },
		{ "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','status':{'conditions':[{'type':'Established','status':'True'}]}}",
		                                                                                   KUBE_READY,     NULL },

		{ OTHER("'spec':{}"),                                                              KUBE_READY,     "there" },
		{ OTHER("'metadata':{'generation':3},'status':{'observedGeneration':2,'conditions':[{'type':'Ready','status':'True'}]}"), KUBE_NOT_READY, NULL },
		{ OTHER("'status':{'conditions':[{'type':'Ready','status':'Unknown','reason':'R'}]}"), KUBE_NOT_READY, "R" },
		{ OTHER("'status':{'conditions':[{'type':'Available','status':'True'}]}"),         KUBE_READY,     NULL },
		{ OTHER("'status':{'conditions':[{'type':'Stalled','status':'True','message':'m'}]}"), KUBE_FAILED, "m" },
		{ OTHER("'status':'nonsense'"),                                                    KUBE_READY,     NULL },
		{ "[]",                                                                            KUBE_READY,     NULL },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json  *object = read(rows[i].object);
		char        why[200] = "";
		const enum kube_ready got = kube_object_ready(object, why, sizeof why);
		if (got != rows[i].want)
			print_error("%s: %s\n", rows[i].object, why);
		assert_int_equal(got, rows[i].want);
		assert_int_equal(kube_object_ready(object, NULL, 0), rows[i].want);
		if (rows[i].why != NULL)
			assert_string_equal(why, rows[i].why);
	}
}

static void test_a_reason_is_cut_at_a_character(void **state)
{
	auto_json *object = read(POD("'status':{'conditions':[{'type':'Ready','status':'False','message':'caf\u00e9\u00e9\\nno'}]}"));
	char       why[16];

	(void) state;
	assert_int_equal(kube_object_ready(object, why, 7), KUBE_NOT_READY);
	assert_string_equal(why, "caf\u00e9");
	assert_int_equal(kube_object_ready(object, why, sizeof why), KUBE_NOT_READY);
	assert_string_equal(why, "caf\u00e9\u00e9 no");
}

static void test_objects_are_made_fit_for_old_servers(void **state)
{
	static const struct row { const char *in, *out, *fault; } rows[] = {
		{ SERVICE("'spec':{'ports':[{'port':80},{'port':53,'protocol':'UDP'}]}"),
		  SERVICE("'spec':{'ports':[{'port':80,'protocol':'TCP'},{'port':53,'protocol':'UDP'}]}"), NULL },
		{ SERVICE("'spec':{'ports':[{'port':53,'protocol':'UDP'},{'port':53}]}"),
		  SERVICE("'spec':{'ports':[{'port':53,'protocol':'UDP'},{'port':53,'protocol':'TCP'}]}"), NULL },
		{ SERVICE("'spec':{'ports':[{'port':80},{'port':80,'protocol':'TCP'}]}"), NULL,
		  "/spec/ports: items 0 and 1 have the same port \"80\"" },
		{ SERVICE("'spec':{}"), SERVICE("'spec':{}"), NULL },
		{ "{'apiVersion':'v1','kind':'Secret','stringData':{'a':'x'},'data':{'a':'b2xk','b':'Yg=='}}",
		  "{'apiVersion':'v1','kind':'Secret','data':{'a':'eA==','b':'Yg=='}}", NULL },
		{ "{'apiVersion':'v1','kind':'Secret','stringData':{'a':'x'}}", "{'apiVersion':'v1','kind':'Secret','data':{'a':'eA=='}}", NULL },
		{ "{'apiVersion':'v1','kind':'Secret','stringData':{'a':7}}", NULL, "/stringData/a: must be a string" },
		{ DEPLOYMENT("'spec':{'template':{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80}]}]}}}"),
		  DEPLOYMENT("'spec':{'template':{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80,'protocol':'TCP'}]}]}}}"), NULL },
		{ DEPLOYMENT("'spec':{'template':{'spec':{'containers':[{'name':'b'},{'name':'a','env':[{'name':'X'},{'name':'Y'},{'name':'X'}]}]}}}"), NULL,
		  "/spec/template/spec/containers/1/env: items 0 and 2 have the same name \"X\"" },
		{ "{'apiVersion':'batch/v1beta1','kind':'CronJob','spec':{'jobTemplate':{'spec':{'template':{'spec':{'initContainers':[{'name':'a'},{'name':'a'}]}}}}}}", NULL,
		  "/spec/jobTemplate/spec/template/spec/initContainers: items 0 and 1 have the same name \"a\"" },
		{ POD("'spec':{'containers':[{'name':'a','ports':[{'containerPort':53,'protocol':'UDP'},{'containerPort':53}]}]}"),
		  POD("'spec':{'containers':[{'name':'a','ports':[{'containerPort':53,'protocol':'UDP'},{'containerPort':53,'protocol':'TCP'}]}]}"), NULL },
		{ OTHER("'spec':{'ports':[{'port':80}]}"), OTHER("'spec':{'ports':[{'port':80}]}"), NULL },
		{ POD("'spec':'nonsense'"), POD("'spec':'nonsense'"), NULL },
		{ SERVICE("'spec':{'ports':['nonsense']}"), SERVICE("'spec':{'ports':['nonsense']}"), NULL },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json        *object = read(rows[i].in);
		struct error      err = { .code = ST_OK };
		char              said[400];
		const enum status st = kube_normalise(object, &err);
		snprintf(said, sizeof said, "%s: %s", err.field, err.text);
		if (rows[i].fault != NULL) {
			assert_int_equal(st, ST_INVALID);
			assert_string_equal(said, rows[i].fault);
			continue;
		}
		if (st != ST_OK)
			print_error("%s\n", said);
		assert_int_equal(st, ST_OK);
		auto_json *want = read(rows[i].out);
		assert_true(json_equal(object, want));
	}
}

#define STATUS(code, reason, message) code, "{'kind':'Status','apiVersion':'v1','status':'Failure','message':'" message \
	"','reason':'" reason "','code':" #code "}"

static void test_an_answer_is_told_by_its_reason_and_words(void **state)
{
	static const struct row { int code; const char *body; enum kube_outcome want; } rows[] = {
		{ STATUS(404, "NotFound", "namespaces \\'web\\' not found"),                                          KUBE_NO_NAMESPACE },
		{ STATUS(404, "NotFound", "configmaps \\'web\\' not found"),                                          KUBE_GONE         },
		{ STATUS(404, "NotFound", "the server could not find the requested resource"),                        KUBE_UNKNOWN_KIND },
		{ 404, "404 page not found\n",                                                                        KUBE_UNKNOWN_KIND },
		{ 404, "default backend - 404",                                                                       KUBE_LATER        },
		{ 404, "namespaces \"web\" not found",                                                              KUBE_LATER        },
		{ 404, "<html>",                                                                                      KUBE_LATER        },
		{ STATUS(403, "Forbidden", "configmaps \\'x\\' is forbidden: unable to create new content in namespace web because it is being terminated"), KUBE_NO_NAMESPACE },
		{ STATUS(403, "Forbidden", "configmaps \\'x\\' is forbidden: User \\'u\\' cannot patch resource \\'configmaps\\' in API group \\'\\' in the namespace \\'web\\'"), KUBE_REFUSED },
		{ STATUS(403, "Forbidden", "pods \\'x\\' is forbidden: status unknown for quota: q"),                 KUBE_LATER        },
		{ STATUS(401, "Unauthorized", "Unauthorized"),                                                        KUBE_REFUSED      },
		{ STATUS(409, "Conflict", "Apply failed with 1 conflict: conflict with \\'kubectl\\' using apps/v1: .spec.replicas"), KUBE_CONFLICT },
		{ STATUS(409, "Conflict", "Operation cannot be fulfilled on deployments.apps \\'x\\': the object has been modified; please apply your changes to the latest version and try again"), KUBE_LATER },
		{ STATUS(409, "AlreadyExists", "object is being deleted: configmaps \\'x\\' already exists"),         KUBE_LATER        },
		{ STATUS(422, "Invalid", "Job.batch \\'x\\' is invalid: spec.template: Invalid value: core.PodTemplateSpec{}: field is immutable"), KUBE_IMMUTABLE },
		{ STATUS(422, "Invalid", "StatefulSet.apps \\'x\\' is invalid: spec: Forbidden: updates to statefulset spec for fields other than replicas are forbidden"), KUBE_IMMUTABLE },
		{ STATUS(422, "Invalid", "RoleBinding.rbac.authorization.k8s.io \\'x\\' is invalid: roleRef: Invalid value: rbac.RoleRef{}: cannot change roleRef"), KUBE_IMMUTABLE },
		{ STATUS(422, "Invalid", "Pod \\'x\\' is invalid: spec: Forbidden: pod updates may not change fields other than image"), KUBE_IMMUTABLE },
		{ STATUS(422, "Invalid", "Service \\'x\\' is invalid: spec.ports: Required value"),                   KUBE_REFUSED      },
		{ STATUS(500, "InternalError", "Internal error occurred: failed to create typed patch object: errors: .spec.ports: duplicate entries for key"), KUBE_REFUSED },
		{ STATUS(500, "InternalError", "Internal error occurred: failed calling webhook \\'x\\'"),            KUBE_LATER        },
		{ STATUS(400, "BadRequest", "admission webhook \\'x\\' denied the request: no"),                      KUBE_REFUSED      },
		{ STATUS(400, "BadRequest", "json: cannot unmarshal"),                                                KUBE_REFUSED      },
		{ STATUS(500, "", "etcdserver: request is too large"),                                                KUBE_REFUSED      },
		{ STATUS(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),                 KUBE_REFUSED      },
		{ STATUS(415, "UnsupportedMediaType", "the body of the request was in an unknown format"),            KUBE_REFUSED      },
		{ STATUS(429, "TooManyRequests", "too many requests"),                                                KUBE_LATER        },
		{ STATUS(504, "Timeout", "Timeout: request did not complete within requested timeout"),               KUBE_LATER        },
		{ 503, "upstream connect error",                                                                      KUBE_LATER        },
		{ 302, "<html>",                                                                                      KUBE_REFUSED      },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct answer_status status;
		char                *body = strdup(rows[i].body);
		for (char *c = body; *c != '\0'; c++)
			if (*c == '\'')
				*c = '"';
		answer_read(&(struct kube_answer) { .code = rows[i].code, .body = view_of(body), .location = VIEW("") }, &status);
		if (answer_outcome(&status) != rows[i].want)
			print_error("%zu: got %d: %s\n", i, answer_outcome(&status), status.message);
		assert_int_equal(answer_outcome(&status), rows[i].want);
		free(body);
	}
}

static void test_timers_come_in_order(void **state)
{
	struct timer  timers[200] = { 0 };
	struct timer *root = NULL;
	int64_t       last = -1;
	size_t        count = 0;

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(timers); i++)
		timer_set(&root, &timers[i], (int64_t) (i * 7919 % 211));
	for (size_t i = 0; i < ARRAY_LEN(timers); i += 3)
		timer_unset(&root, &timers[i]);
	for (size_t i = 1; i < ARRAY_LEN(timers); i += 6)
		timer_set(&root, &timers[i], (int64_t) (i * 104729 % 307));
	timer_unset(&root, &timers[0]);
	for (; root != NULL; count++) {
		assert_true(root->at_ns >= last);
		last = root->at_ns;
		timer_unset(&root, root);
	}
	assert_int_equal(count, 133);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readiness),
		cmocka_unit_test(test_a_reason_is_cut_at_a_character),
		cmocka_unit_test(test_objects_are_made_fit_for_old_servers),
		cmocka_unit_test(test_an_answer_is_told_by_its_reason_and_words),
		cmocka_unit_test(test_timers_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
