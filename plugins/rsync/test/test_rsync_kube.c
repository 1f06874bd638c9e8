/* The target "kubernetes", on an API server in miniature: what is sent, what is not, and what goes wrong. */
#include "plugins/rsync/test/edge.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define CRD  CRD_SCOPED("Namespaced")
#define CRD_SCOPED(scope) \
	"{\"phase\":1,\"body\":{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\"," \
	"\"metadata\":{\"name\":\"things.x.io\"},\"spec\":{\"group\":\"x.io\",\"names\":{\"kind\":\"Thing\",\"plural\":\"things\"}," \
	"\"scope\":\"" scope "\",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true}]}}}"
#define THING  "{\"body\":{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"t\"},\"spec\":{\"n\":1}}}"

/* -- bringing and taking away -- */

static void test_objects_come_with_label_and_namespace_and_go_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "\"replicas\":2,") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_int_equal(unit->reachable, 1);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4711-web");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.template.metadata.labels.emco/deployment-id"),
	                    "4711-web");
	edge_bring("web", "");
	assert_done(unit);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_DELETED);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), ""), "");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", ""), "");
}

/* As a proxy says it that has lost its way to the server: nothing is there, so nothing is to be taken away. */
static void test_nothing_counts_as_gone_because_a_proxy_finds_nothing(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_do("fault", "{\"path\":\"/\",\"code\":404,\"text\":\"404 page not found\\n\",\"times\":99}");
	edge_bring("web", "");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_RETRYING);
	assert_contains(unit->error, "what answers \"not found\" may stand before its API server");
	edge_do("clear", "{}");
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), ""), "there");
	edge_bring("web", "");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), ""), "");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", ""), "");
}

/* The same words of the API server itself, about a group that it does not have: it shows a list of those that it has. */
static void test_what_has_a_kind_that_is_not_there_need_not_go(void **state)
{
	(void) state;
	edge_do("fault", "{\"path\":\"^/api(s/no.dev)?/v[12]$\",\"code\":404,\"text\":\"404 page not found\\n\",\"times\":99}");
	fake_set(&fake, "v1", "[{\"name\":\"a+Thing\",\"body\":{\"apiVersion\":\"no.dev/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\"}}},"
	                      "{\"name\":\"b+Thing\",\"body\":{\"apiVersion\":\"v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"b\"}}}]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "the cluster knows no kind \"Thing\"");
	edge_bring("web", "");
	assert_done(unit);
}

static void test_only_what_has_changed_is_sent_and_what_left_is_taken_away(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "," MAP("z", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "1") "," MAP("y", "2") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	(void) edge_requests("");
	edge_bring("web", "v1");
	assert_done(unit);
	json_t *log = edge_steer("log", "");
	assert_int_equal(json_array_size(log), 0);
	json_decref(log);
	edge_bring("web", "v2");
	assert_done(unit);
	assert_int_equal(edge_requests("PATCH"), 1);
	assert_string_equal(edge_at(IN_NS1("configmaps/y"), "data.v"), "2");
	assert_string_equal(edge_at(IN_NS1("configmaps/z"), ""), "");
	assert_int_equal(fake_state(unit, "z+ConfigMap"), EMCO_OBJECT_DELETED);
}

static void test_a_way_that_is_known_is_not_asked_for_again(void **state)
{
	const struct { uint64_t access; unsigned asked; } turns[] = { { 7, 1 }, { 7, 0 }, { 8, 1 }, { 8, 0 }, { 0, 1 }, { 0, 1 } };

	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
		const unsigned before = fake.accesses;
		unit->unit.access = turns[i].access;
		edge_bring("web", i % 2 == 0 ? "v2" : "v1");
		assert_done(unit);
		assert_int_equal(fake.accesses - before, turns[i].asked);
	}
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
}

static void test_a_set_that_was_only_tried_is_put_right(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," MAP("w", "2") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	edge_do("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	edge_bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "no luck");
	assert_int_equal(fake_state(unit, "w+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_RETRYING);
	assert_string_equal(edge_at(IN_NS1("configmaps/y"), "data.v"), "1");          /* nothing goes before all is there */
	edge_do("clear", "{}");
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(edge_at(IN_NS1("configmaps/w"), ""), "");
}

static void test_a_definition_is_awaited_before_its_resources_and_stays(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" THING "," CRD "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/x.io/v1/namespaces/ns1/things/t", "spec.n"), "1");
	edge_bring("web", "");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/x.io/v1/namespaces/ns1/things/t", ""), "");
	assert_string_equal(edge_at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io", "kind"),
	                    "CustomResourceDefinition");
	unit = edge_bring("other", "v1");             /* definitions are everybody's */
	assert_done(unit);
	assert_string_equal(edge_at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io",
	                       "metadata.labels.emco/deployment-id"), "4711-other");
}

static void test_a_kind_that_nobody_serves_is_tried_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" THING "," MAP("x", "1") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "t+Thing");
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_APPLIED);
}

static void test_a_namespace_comes_first_and_goes_last(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"own\"}}},"
	                      "{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"own\"}}}]");
	fake_set(&fake, "lost", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"no\"}}}]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_bring("web", "");
	assert_done(unit);
	assert_string_equal(edge_at("/api/v1/namespaces/own", ""), "");
	unit = edge_bring("lost", "lost");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "namespaces \"no\" not found");
}

static void test_a_unit_that_is_unsure_sends_everything_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	edge_do("delete", "{\"path\":\"" IN_NS1("configmaps/x") "\"}");
	unit->unit.unsure = 1;
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/x"), "data.v"), "1");
}

/* -- what goes wrong -- */

static void test_an_immutable_change_is_refused_or_replaces(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" JOB("i") "]");
	fake_set(&fake, "v2", "[" JOB("j") "]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(fake_message(unit, "once+Job"), "field is immutable");
	fake.config.immutable = EMCO_STR("replace");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at("/apis/batch/v1/namespaces/ns1/jobs/once", "spec.template.spec.image"), "j");
}

static void test_a_definition_is_not_replaced_with_all_that_is_made_of_it(void **state)
{
	static const char crd[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io";

	(void) state;
	fake_set(&fake, "v1", "[" THING "," CRD "]");
	fake_set(&fake, "v2", "[" CRD_SCOPED("Cluster") "]");
	struct fake_unit *first = edge_bring("web", "v1");
	assert_done(first);
	edge_do("fault", "{\"path\":\"customresourcedefinitions\",\"method\":\"PATCH\",\"code\":422,\"reason\":\"Invalid\","
	                  "\"message\":\"spec.scope: Invalid value: field is immutable\",\"times\":9}");
	fake.config.immutable = EMCO_STR("replace");
	struct fake_unit *second = edge_bring("other", "v2");
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	edge_bring("other", "v2");                                 /* begun before: it looks first whose the definition is */
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	assert_contains(fake_message(second, "things.x.io+CustomResourceDefinition"), "a definition is not replaced");
	assert_string_equal(edge_at(crd, "spec.scope"), "Namespaced");
	edge_do("clear", "{}");
}

static void test_a_refused_object_fails_alone_in_the_servers_words(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "," DEPLOYMENT("i", "") "]");
	edge_do("fault", "{\"path\":\"configmaps/x\",\"method\":\"PATCH\",\"code\":403,\"reason\":\"Forbidden\",\"message\":"
	                  "\"configmaps x is forbidden: quota\",\"times\":9}");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(unit->error, "object \"x+ConfigMap\": ");
	assert_contains(unit->error, "forbidden: quota");
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_FAILED);
	assert_int_equal(fake_state(unit, "y+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_APPLIED);
	edge_do("clear", "{}");
	edge_bring("web", "v1");
	assert_done(unit);
}

static void test_an_object_that_cannot_be_sent_fails_alone(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") ",{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":7},\"name\":\"s+Service\"}]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "s+Service"), EMCO_OBJECT_FAILED);
}

static void test_an_object_with_a_finalizer_is_waited_for_and_named(void **state)
{
	(void) state;
	fake.config.wait_limit_ms = 300;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.io/b\"]}}}]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	edge_bring("web", "");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "it waits for the finalizer \"a.io/b\"");
	edge_do("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"unset\":[\"metadata.finalizers\"]}");
	edge_do("delete", "{\"path\":\"" IN_NS1("configmaps/x") "\"}");
	edge_bring("web", "");
	assert_done(unit);
}

static void test_a_server_that_is_gone_is_retrying_and_others_go_on(void **state)
{
	(void) state;
	edge_start("edge+two");
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake_cluster(&fake, "edge+gone",
	             "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n"
	             "clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:9\"}\nusers:\n- name: u\n  user: {token: t}\n", "");
	fake_cluster(&fake, "edge+mad", "kind: [", "");
	struct fake_unit *gone = fake_want(&fake, "web", "edge+gone", "v1", "instantiate");
	struct fake_unit *mad = fake_want(&fake, "web", "edge+mad", "v1", "instantiate");
	struct fake_unit *two = fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	struct fake_unit *one = edge_bring("web", "v1");
	assert_done(one);
	assert_done(two);
	assert_int_equal(gone->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(gone->reachable, 0);
	assert_int_equal(mad->outcome, EMCO_UNIT_FAILED);
	assert_contains(mad->error, "edge+mad");
}

static void test_what_the_store_does_not_take_now_is_told_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake.refused_reports = 3;
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_int_equal(fake.refused_reports, 0);
	assert_int_equal(unit->reports, 1);
}

/* Two can be stored at a time. */
static void test_what_takes_too_long_to_store_is_told_in_halves(void **state)
{
	static const char *const apps[] = { "a", "b", "c", "d", "e", "f", "g" };
	const size_t             count = sizeof apps / sizeof apps[0];

	(void) state;
	fake_set(&fake, "v1", "[]");
	for (size_t i = 0; i < count; i++)
		fake_want(&fake, apps[i], "edge+one", "v1", "instantiate");
	fake.late_units = 2;
	fake_run(&fake);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fake.units[i].reports, 1);
	assert_int_equal(fake.late_reports, 2);                                /* seven, three */
	assert_int_equal(fake.told_reports, 7);
}

static void test_a_report_that_takes_too_long_by_itself_keeps_no_other_from_being_told(void **state)
{
	static const char *const apps[] = { "a", "slow", "c", "d" };

	(void) state;
	fake_set(&fake, "v1", "[]");
	for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++)
		fake_want(&fake, apps[i], "edge+one", "v1", "instantiate");
	fake.late_app = "slow";
	fake_run(&fake);
	for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++)
		assert_int_equal(fake.units[i].reports, 1);
	assert_int_equal(fake.late_reports, 3);                                /* with three, with one, alone */
}

/* -- bodies are read a page at a time -- */

enum { MAPS = 100 };

/* Maps with a value, and a Deployment first, whose wave comes after theirs. */
static void set_of_maps(const char *name, const char *value)
{
	char   text[32768] = "[" DEPLOYMENT("i", "");
	size_t used = strlen(text);

	for (int i = 0; i < MAPS; i++)
		used += (size_t) snprintf(text + used, sizeof text - used,
		                          ",{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m%d\"},"
		                          "\"data\":{\"v\":\"%s\"}}}", i, value);
	snprintf(text + used, sizeof text - used, "]");
	fake_set(&fake, name, text);
}

static size_t patched_early;

static void look_for_patches(struct fake *of)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (int i = 0; of->pages == 2 && patched_early == 0 && i < 1000; i++) {
		patched_early = edge_requests("PATCH");
		nanosleep(&pause, NULL);
	}
}

static void test_objects_go_out_while_others_are_read(void **state)
{
	(void) state;
	set_of_maps("v1", "1");
	set_of_maps("v2", "2");
	patched_early = 0;
	fake.on_bodies = look_for_patches;
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_true(patched_early > 0);
	assert_int_equal(fake.largest_page, 32);
	assert_int_equal(fake.pages, 5);                               /* 32, 32, 32 and 4 maps; the next wave */
	fake.on_bodies = NULL;
	fake.pages = 0;
	(void) edge_requests("");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_int_equal(fake.pages, 4);                               /* of what goes out, not of what was there */
	assert_int_equal(edge_requests("PATCH"), MAPS);
	assert_string_equal(edge_at(IN_NS1("configmaps/m99"), "data.v"), "2");
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.template.spec.image"), "i");
}

static void test_a_store_that_goes_away_between_two_pages_ends_the_try(void **state)
{
	(void) state;
	set_of_maps("v1", "1");
	fake.failing_page = 3;
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "could not read the object");
	assert_int_equal(fake_state(unit, "m0+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "m64+ConfigMap"), EMCO_OBJECT_PENDING);
	assert_string_equal(edge_at("/apis/apps/v1/namespaces/ns1/deployments/web", ""), "");
	edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/m99"), "data.v"), "1");
}

static void test_the_items_of_a_list_are_objects_of_their_own(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"l\"},\"items\":["
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}},"
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\"}}]}}]");
	fake_set(&fake, "v2", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"l\"},\"items\":["
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\"}}]}}]");
	struct fake_unit *unit = edge_bring("web", "v1");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/a"), "kind"), "ConfigMap");
	edge_bring("web", "v2");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/a"), "kind"), "");
	assert_string_equal(edge_at(IN_NS1("configmaps/b"), "kind"), "ConfigMap");
	edge_bring("web", "");
	assert_done(unit);
	assert_string_equal(edge_at(IN_NS1("configmaps/b"), "kind"), "");
}

/* -- as a whole -- */

static void test_silent_clusters_hold_no_worker_and_a_stop_leaves_them(void **state)
{
	static const char *const apps[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	const emco_plugin *plugin = emco_plugin_entry(EMCO_ABI);
	emco_call         *call = fake.host.begin(&fake.host, EMCO_STR("test"), 60000000000LL);
	struct fake_unit  *alive, *silent;
	emco_instance     *self = NULL;

	(void) state;
	fake.config.workers = 1;
	fake.config.batch = 1;
	fake.config.remote_timeout_ms = 30000;
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake_set(&fake, "silent", "[" MAP("silent", "1") "]");
	edge_do("fault", "{\"path\":\"configmaps/silent\",\"code\":0,\"times\":99}");
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);
	silent = fake_want(&fake, "s", "edge+one", "silent", "instantiate");
	const int64_t begun_ns = now_ns();
	alive = fake_want(&fake, apps[0], "edge+one", "v1", "instantiate");
	for (size_t i = 1; i < 8; i++)
		fake_want(&fake, apps[i], "edge+one", i % 4 == 1 ? "silent" : "v1", "instantiate");
	assert_true(fake_reported(&fake, alive, 1));
	assert_true(now_ns() - begun_ns < 5000000000LL);
	assert_done(alive);
	assert_int_equal(silent->reports, 0);
	__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
	plugin->stop(self);
	plugin->destroy(self);
	fake.host.end(&fake.host, call);
}

#define T(function)  cmocka_unit_test_setup_teardown(function, edge_setup, edge_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_objects_come_with_label_and_namespace_and_go_again),
		T(test_nothing_counts_as_gone_because_a_proxy_finds_nothing),
		T(test_what_has_a_kind_that_is_not_there_need_not_go),
		T(test_only_what_has_changed_is_sent_and_what_left_is_taken_away),
		T(test_a_set_that_was_only_tried_is_put_right),
		T(test_a_definition_is_awaited_before_its_resources_and_stays),
		T(test_a_kind_that_nobody_serves_is_tried_again),
		T(test_a_namespace_comes_first_and_goes_last),
		T(test_a_unit_that_is_unsure_sends_everything_again),
		T(test_an_immutable_change_is_refused_or_replaces),
		T(test_a_definition_is_not_replaced_with_all_that_is_made_of_it),
		T(test_a_refused_object_fails_alone_in_the_servers_words),
		T(test_an_object_that_cannot_be_sent_fails_alone),
		T(test_an_object_with_a_finalizer_is_waited_for_and_named),
		T(test_a_server_that_is_gone_is_retrying_and_others_go_on),
		T(test_a_way_that_is_known_is_not_asked_for_again),
		T(test_what_the_store_does_not_take_now_is_told_again),
		T(test_what_takes_too_long_to_store_is_told_in_halves),
		T(test_a_report_that_takes_too_long_by_itself_keeps_no_other_from_being_told),
		T(test_objects_go_out_while_others_are_read),
		T(test_a_store_that_goes_away_between_two_pages_ends_the_try),
		T(test_the_items_of_a_list_are_objects_of_their_own),
		T(test_silent_clusters_hold_no_worker_and_a_stop_leaves_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
