/* Whose an object is on a cluster: of which deployment, of which of its lives, of others, and which of its fields. */
#include "plugins/rsync/test/edge.h"

/* "x" without what MAP sets. */
#define OTHER_KEY  "{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"w\":\"2\"}}}"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_an_object_of_another_deployment_is_refused_and_left_to_it(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("mine", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," MAP("y", "2") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v3", "[" DEPLOYMENT("j", "") "]");
	struct fake_unit *first = edge_bring("one", "v1"), *second = edge_bring("two", "v2"), *third = edge_bring("three", "v3");
	assert_done(first);
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	assert_string_equal(fake_message(second, "x+ConfigMap"), "it belongs to deployment \"4711-one\", which was first");
	assert_int_equal(fake_state(second, "y+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_string_equal(fake_message(third, "web+Deployment"), "it belongs to deployment \"4711-two\", which was first");
	edge_bring("two", "");
	assert_done(second);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(edge_at(IN_NS1("configmaps/y"), ""), "");
}

static void foreign(const char *path, const char *body)
{
	char query[512];

	snprintf(query, sizeof query, "%s?fieldManager=kubectl", path);
	json_decref(edge_request("PATCH", query, body));
}

static void test_objects_of_others_are_taken_over_only_when_asked(void **state)
{
	(void) state;
	foreign(IN_NS1("configmaps/x"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"v\":\"0\"}}");
	foreign(IN_NS1("configmaps/same"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"same\"},\"data\":{\"v\":\"1\"}}");
	foreign("/apis/apps/v1/namespaces/ns1/deployments/web",
	        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"template\":{\"spec\":{\"image\":\"i\"}}}}");
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("same", "1") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(fake_message(unit, "x+ConfigMap"), "applied by others");
	assert_contains(fake_message(unit, "x+ConfigMap"), "conflict with \"kubectl\"");
	assert_contains(fake_message(unit, "same+ConfigMap"), "applied by others");
	assert_contains(fake_message(unit, "web+Deployment"), "applied by others");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "0");
	assert_string_equal(edge_at(IN_NS1("configmaps/same"), "metadata.labels"), "");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "metadata.labels"), "");
	fake.config.takeover = 1;
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(edge_at(IN_NS1("configmaps/same"), "metadata.labels.emco/deployment-id"), "4711-web");
}

/* As a service account gets its secrets: a controller sets something in an object of which we do not know that we made it. */
static void test_what_a_try_without_an_end_has_made_is_ours(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "") "]");
	edge_do("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	edge_do("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"manager\":\"controller\",\"set\":{\"secrets\":\"s\"}}");
	edge_do("clear", "{}");
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "secrets"), "s");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
}

/* libcurl repeats what a broken connection has carried out: the answer then speaks of an object that is there already. */
static void test_what_the_first_request_of_two_has_made_is_ours(void **state)
{
	(void) state;
	json_decref(edge_request("PATCH", IN_NS1("configmaps/x") "?fieldManager=emco-4711-web",
	                    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"ns1\","
	                    "\"labels\":{\"emco/deployment-id\":\"4711-web\"}},\"data\":{\"v\":\"1\"}}"));
	edge_do("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"manager\":\"controller\",\"set\":{\"secrets\":\"s\"}}");
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "secrets"), "s");
}

static void test_what_others_set_is_set_back_but_for_an_autoscalers_replicas(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" DEPLOYMENT("i", "\"replicas\":1,") "," MAP("x", "1") "]");
	fake_set(&fake, "v2", "[" DEPLOYMENT("j", "\"replicas\":1,") "," MAP("x", "2") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_do("edit", "{\"path\":\"/apis/apps/v1/namespaces/ns1/deployments/web\",\"manager\":\"hpa\",\"set\":{\"spec.replicas\":5}}");
	edge_do("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"set\":{\"data.v\":\"7\"}}");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.template.spec.image"), "j");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.replicas"), "5");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "2");
}

#define TUNED(image, more) \
	"{\"body\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"annotations\":" \
	"{\"emco/ignore-fields\":\".spec.template.spec.tuned, .spec.paused\"" more "}}," \
	"\"spec\":{\"paused\":false,\"template\":{\"spec\":{\"image\":\"" image "\",\"tuned\":{\"cpu\":1,\"memory\":1}}}}}}"

static void test_ignored_fields_stay_as_others_have_set_them(void **state)
{
	static const char web[] = "/apis/apps/v1/namespaces/ns1/deployments/web";

	(void) state;
	fake_set(&fake, "v1", "[" TUNED("i", "") "]");
	fake_set(&fake, "v2", "[" TUNED("j", "") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_do("edit", "{\"path\":\"/apis/apps/v1/namespaces/ns1/deployments/web\",\"manager\":\"vpa\",\"set\":"
	                 "{\"spec.template.spec.tuned.cpu\":7,\"spec.template.spec.image\":\"stolen\"}}");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at(web, "spec.template.spec.tuned.cpu"), "7");
	assert_string_equal(edge_at(web, "spec.template.spec.tuned.memory"), "1");
	assert_string_equal(edge_at(web, "spec.template.spec.image"), "j");
	assert_string_equal(edge_at(web, "spec.paused"), "there");
}

static void test_a_policy_without_meaning_is_refused(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" TUNED("i", ",\"emco/drift\":\"maybe\"") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(fake_message(unit, "web+Deployment"), "annotation \"emco/drift\": expected \"heal\" or \"report\", got \"maybe\"");
}

static void test_a_new_label_is_put_on_all_and_the_old_managers_fields_go(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	fake_set(&fake, "v2", "[" OTHER_KEY "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	unit->unit.status_context = EMCO_STR("4712");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4712-web");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.w"), "2");
	assert_string_equal(edge_at(IN_NS1("configmaps/y"), ""), "");
}

/* The object goes, changes, or has become invalid while it is looked at: the first PATCH is the inheritance. */
static void test_an_inheritance_that_is_disturbed_goes_on(void **state)
{
	static const char *const faults[] = {
		"{\"path\":\"configmaps/x\",\"method\":\"PATCH\",\"code\":404,\"reason\":\"NotFound\",\"message\":\"not found\"}",
		"{\"path\":\"configmaps/x\",\"method\":\"PATCH\",\"code\":409,\"reason\":\"Conflict\",\"message\":\"modified\"}",
		"{\"path\":\"configmaps/x\",\"method\":\"PATCH\",\"code\":422,\"reason\":\"Invalid\",\"message\":\"is invalid by now\"}",
	};
	static const char *const contexts[] = { "4712", "4713", "4714" };

	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake_set(&fake, "v2", "[" OTHER_KEY "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		edge_do("fault", faults[i]);
		unit->unit.status_context = str_of(contexts[i]);
		edge_bring("web", i % 2 == 0 ? "v2" : "v1");
		assert_done(unit);
		assert_string_equal(edge_at(IN_NS1("configmaps/x"), i % 2 == 0 ? "data.v" : "data.w"), "");
		assert_string_equal(edge_at(IN_NS1("configmaps/x"), i % 2 == 0 ? "data.w" : "data.v"), i % 2 == 0 ? "2" : "1");
	}
}

/* After a terminate that has come to its end nothing is looked at first. */
static void test_a_life_after_a_clean_end_begins_like_the_first(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	edge_bring("web", "");
	assert_done(unit);
	unit->unit.status_context = EMCO_STR("4712");
	edge_requests("GET");
	edge_bring("web", "v1");
	assert_done(unit);
	assert_int_equal(edge_requests("GET"), 0);
}

static void test_what_earlier_lives_have_begun_is_ours_and_their_fields_go(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"first\":\"1\"}}},"
	                      MAP("y", "1") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v3", "[" MAP("x", "3") "]");
	edge_do("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	unit->unit.status_context = EMCO_STR("4712");
	edge_bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4712-web");
	edge_do("clear", "{}");
	unit->unit.status_context = EMCO_STR("4713");
	edge_bring("web", "v3");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4713-web");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "3");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.first"), "");
	assert_string_equal(edge_at(IN_NS1("configmaps/y"), ""), "");
}

static void test_replicas_of_an_earlier_life_are_no_autoscalers(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" DEPLOYMENT("i", "\"replicas\":1,") "]");
	fake_set(&fake, "v2", "[" DEPLOYMENT("i", "\"replicas\":2,") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	unit->unit.status_context = EMCO_STR("4712");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.replicas"), "2");
}

static void test_what_was_terminated_and_is_wanted_again_is_replaced_when_it_must(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" JOB("i") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	unit->unit.status_context = EMCO_STR("4712");
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/batch/v1/namespaces/ns1/jobs/once", "metadata.labels.emco/deployment-id"), "4712-web");
}

#define T(function)  cmocka_unit_test_setup_teardown(function, edge_setup, edge_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_object_of_another_deployment_is_refused_and_left_to_it),
		T(test_objects_of_others_are_taken_over_only_when_asked),
		T(test_what_a_try_without_an_end_has_made_is_ours),
		T(test_what_the_first_request_of_two_has_made_is_ours),
		T(test_what_others_set_is_set_back_but_for_an_autoscalers_replicas),
		T(test_ignored_fields_stay_as_others_have_set_them),
		T(test_a_policy_without_meaning_is_refused),
		T(test_a_new_label_is_put_on_all_and_the_old_managers_fields_go),
		T(test_an_inheritance_that_is_disturbed_goes_on),
		T(test_a_life_after_a_clean_end_begins_like_the_first),
		T(test_what_earlier_lives_have_begun_is_ours_and_their_fields_go),
		T(test_replicas_of_an_earlier_life_are_no_autoscalers),
		T(test_what_was_terminated_and_is_wanted_again_is_replaced_when_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
