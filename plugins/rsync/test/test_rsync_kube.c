/* The target "kubernetes", on an API server in miniature: what is sent, what is not, whose it is, and what goes wrong. */
#include "plugins/rsync/test/fake.h"

#include "lib/kube/client.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define MAP(name, value) \
	"{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"},\"data\":{\"v\":\"" value "\"}}}"
#define DEPLOYMENT(image, replicas) \
	"{\"body\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{" replicas \
	"\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"image\":\"" image "\"}}}}}"
#define JOB(image) \
	"{\"body\":{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"once\"}," \
	"\"spec\":{\"template\":{\"spec\":{\"image\":\"" image "\"}}}}}"
#define CRD  CRD_SCOPED("Namespaced")
#define CRD_SCOPED(scope) \
	"{\"phase\":1,\"body\":{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\"," \
	"\"metadata\":{\"name\":\"things.x.io\"},\"spec\":{\"group\":\"x.io\",\"names\":{\"kind\":\"Thing\",\"plural\":\"things\"}," \
	"\"scope\":\"" scope "\",\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true}]}}}"
#define THING  "{\"body\":{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"t\"},\"spec\":{\"n\":1}}}"
#define IN_NS1(kind)  "/api/v1/namespaces/ns1/" kind

static struct fake fake;
static pid_t       servers[4];
static size_t      server_count;
static int         port;                         /* of edge+one */

/* -- API servers -- */

static void server_start(const char *cluster)
{
	char        port_file[PATH_MAX + 64], kubeconfig[1024];

	snprintf(port_file, sizeof port_file, "%s/%s.port", fake.dir, cluster);
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0) {
		execl("/usr/bin/python3", "python3", TEST_SOURCE_DIR "/api_server.py", port_file, (char *) NULL);
		_exit(1);
	}
	servers[server_count++] = child;
	for (int i = 0; i < 500 && access(port_file, R_OK) != 0; i++)
		usleep(20000);
	const int number = (int) strtol(shell("cat %s", port_file), NULL, 10);
	if (strcmp(cluster, "edge+one") == 0)
		port = number;
	snprintf(kubeconfig, sizeof kubeconfig,
	         "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n"
	         "clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:%d\"}\nusers:\n- name: u\n  user: {token: t}\n",
	         number);
	fake_cluster(&fake, cluster, kubeconfig, "");
}

/* One request, and the body of its answer. */
static json_t *request(const char *method, const char *path, const char *body)
{
	static char        text[1 << 20];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int          fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t             len = 0;
	ssize_t            n;

	to.sin_port = htons((uint16_t) port);
	assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof to), 0);
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path,
	        strlen(body), body);
	while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t) n;
	text[len] = '\0';
	close(fd);

	const char *start = strstr(text, "\r\n\r\n");
	json_t     *answer = start != NULL ? json_loads(start + 4, 0, NULL) : NULL;
	assert_non_null(answer);
	return answer;
}

static json_t *steer(const char *order, const char *value)
{
	char path[64];

	snprintf(path, sizeof path, "/_/%s", order);
	return request("POST", path, value);
}

static void do_steer(const char *order, const char *value)
{
	json_decref(steer(order, value));
}

/* The text at a dotted path of an object on the server; "" when there is none. */
static const char *at(const char *path, const char *member)
{
	static char   text[512];
	json_t       *objects = steer("objects", "");
	const json_t *value = json_object_get(objects, path);
	char          name[128];

	for (const char *dot; value != NULL && *member != '\0'; member = *dot == '.' ? dot + 1 : dot) {
		dot = strchrnul(member, '.');
		snprintf(name, sizeof name, "%.*s", (int) (dot - member), member);
		for (char *c = name; *c != '\0'; c++)
			*c = *c == '~' ? '.' : *c;
		value = json_object_get(value, name);
	}
	text[0] = '\0';
	if (json_is_string(value))
		snprintf(text, sizeof text, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(text, sizeof text, "%lld", (long long) json_integer_value(value));
	else if (value != NULL)
		snprintf(text, sizeof text, "there");
	json_decref(objects);
	return text;
}

/* How many requests of a method came since the last look. */
static size_t count_requests(const char *method)
{
	json_t *log = steer("log", ""), *entry;
	size_t  count = 0, i;

	json_array_foreach(log, i, entry)
		count += strcmp(json_string_value(json_array_get(entry, 0)), method) == 0;
	json_decref(log);
	return count;
}

static int setup(void **state)
{
	const struct kube_options options = { .user_agent = "test" };
	struct error              err;

	(void) state;
	fake_init(&fake);
	server_count = 0;
	server_start("edge+one");
	assert_int_equal(kube_open(&options, &fake.kube, &err), ST_OK);
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	kube_close(fake.kube);
	for (size_t i = 0; i < server_count; i++) {
		kill(servers[i], SIGKILL);
		waitpid(servers[i], NULL, 0);
	}
	fake_done(&fake);
	return 0;
}

static struct fake_unit *bring(const char *app, const char *set)
{
	struct fake_unit *unit = fake_want(&fake, app, "edge+one", set, "instantiate");

	fake_run(&fake);
	return unit;
}

#define assert_done(unit)  do { assert_string_equal((unit)->error, ""); \
	assert_int_equal((unit)->outcome, EMCO_UNIT_DONE); } while (0)
#define assert_contains(text, part)  do { if (strstr((text), (part)) == NULL) \
	fail_msg("\"%s\" is not in \"%s\"", (part), (text)); } while (0)

static const char *message(const struct fake_unit *unit, const char *object)
{
	for (size_t i = 0; i < unit->state_count; i++)
		if (strcmp(unit->states[i].name, object) == 0)
			return unit->states[i].message;
	return "not in the report";
}

/* -- bringing and taking away -- */

static void test_objects_come_with_label_and_namespace_and_go_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "\"replicas\":2,") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	assert_int_equal(unit->reachable, 1);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_string_equal(at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4711-web");
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.template.metadata.labels.emco/deployment-id"),
	                    "4711-web");
	bring("web", "");
	assert_done(unit);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_DELETED);
	assert_string_equal(at(IN_NS1("configmaps/x"), ""), "");
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", ""), "");
}

/* As a proxy says it that has lost its way to the server: nothing is there, so nothing is to be taken away. */
static void test_nothing_counts_as_gone_because_a_proxy_finds_nothing(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	do_steer("fault", "{\"path\":\"/\",\"code\":404,\"text\":\"404 page not found\\n\",\"times\":99}");
	bring("web", "");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_RETRYING);
	assert_contains(unit->error, "what answers \"not found\" may stand before its API server");
	do_steer("clear", "{}");
	assert_string_equal(at(IN_NS1("configmaps/x"), ""), "there");
	bring("web", "");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), ""), "");
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", ""), "");
}

/* The same words of the API server itself, about a group that it does not have: it shows a list of those that it has. */
static void test_what_has_a_kind_that_is_not_there_need_not_go(void **state)
{
	(void) state;
	do_steer("fault", "{\"path\":\"^/api(s/no.dev)?/v[12]$\",\"code\":404,\"text\":\"404 page not found\\n\",\"times\":99}");
	fake_set(&fake, "v1", "[{\"name\":\"a+Thing\",\"body\":{\"apiVersion\":\"no.dev/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\"}}},"
	                      "{\"name\":\"b+Thing\",\"body\":{\"apiVersion\":\"v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"b\"}}}]");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "the cluster knows no kind \"Thing\"");
	bring("web", "");
	assert_done(unit);
}

static void test_only_what_has_changed_is_sent_and_what_left_is_taken_away(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "," MAP("z", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "1") "," MAP("y", "2") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	(void) count_requests("");
	bring("web", "v1");
	assert_done(unit);
	json_t *log = steer("log", "");
	assert_int_equal(json_array_size(log), 0);
	json_decref(log);
	bring("web", "v2");
	assert_done(unit);
	assert_int_equal(count_requests("PATCH"), 1);
	assert_string_equal(at(IN_NS1("configmaps/y"), "data.v"), "2");
	assert_string_equal(at(IN_NS1("configmaps/z"), ""), "");
	assert_int_equal(fake_state(unit, "z+ConfigMap"), EMCO_OBJECT_DELETED);
}

static void test_a_set_that_was_only_tried_is_put_right(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," MAP("w", "2") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = bring("web", "v1");
	do_steer("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "no luck");
	assert_int_equal(fake_state(unit, "w+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_RETRYING);
	assert_string_equal(at(IN_NS1("configmaps/y"), "data.v"), "1");          /* nothing goes before all is there */
	do_steer("clear", "{}");
	bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(at(IN_NS1("configmaps/w"), ""), "");
}

/* As a service account gets its secrets: a controller sets something in an object of which we do not know that we made it. */
static void test_what_a_try_without_an_end_has_made_is_ours(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," DEPLOYMENT("i", "") "]");
	do_steer("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	do_steer("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"manager\":\"controller\",\"set\":{\"secrets\":\"s\"}}");
	do_steer("clear", "{}");
	bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "secrets"), "s");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "1");
}

/* libcurl repeats what a broken connection has carried out: the answer then speaks of an object that is there already. */
static void test_what_the_first_request_of_two_has_made_is_ours(void **state)
{
	(void) state;
	json_decref(request("PATCH", IN_NS1("configmaps/x") "?fieldManager=emco-4711-web",
	                    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"ns1\","
	                    "\"labels\":{\"emco/deployment-id\":\"4711-web\"}},\"data\":{\"v\":\"1\"}}"));
	do_steer("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"manager\":\"controller\",\"set\":{\"secrets\":\"s\"}}");
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "secrets"), "s");
}

static void test_a_definition_is_awaited_before_its_resources_and_stays(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" THING "," CRD "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at("/apis/x.io/v1/namespaces/ns1/things/t", "spec.n"), "1");
	bring("web", "");
	assert_done(unit);
	assert_string_equal(at("/apis/x.io/v1/namespaces/ns1/things/t", ""), "");
	assert_string_equal(at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io", "kind"),
	                    "CustomResourceDefinition");
	unit = bring("other", "v1");             /* definitions are everybody's */
	assert_done(unit);
	assert_string_equal(at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io",
	                       "metadata.labels.emco/deployment-id"), "4711-other");
}

static void test_a_kind_that_nobody_serves_is_tried_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" THING "," MAP("x", "1") "]");
	struct fake_unit *unit = bring("web", "v1");
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
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	bring("web", "");
	assert_done(unit);
	assert_string_equal(at("/api/v1/namespaces/own", ""), "");
	unit = bring("lost", "lost");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "namespaces \"no\" not found");
}

/* -- whose it is -- */

static void test_an_object_of_another_deployment_is_refused_and_left_to_it(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("mine", "1") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," MAP("y", "2") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v3", "[" DEPLOYMENT("j", "") "]");
	struct fake_unit *first = bring("one", "v1"), *second = bring("two", "v2"), *third = bring("three", "v3");
	assert_done(first);
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	assert_string_equal(message(second, "x+ConfigMap"), "it belongs to deployment \"4711-one\", which was first");
	assert_int_equal(fake_state(second, "y+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_string_equal(message(third, "web+Deployment"), "it belongs to deployment \"4711-two\", which was first");
	bring("two", "");
	assert_done(second);
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(at(IN_NS1("configmaps/y"), ""), "");
}

static void foreign(const char *path, const char *body)
{
	char query[512];

	snprintf(query, sizeof query, "%s?fieldManager=kubectl", path);
	json_decref(request("PATCH", query, body));
}

static void test_objects_of_others_are_taken_over_only_when_asked(void **state)
{
	(void) state;
	foreign(IN_NS1("configmaps/x"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"v\":\"0\"}}");
	foreign(IN_NS1("configmaps/same"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"same\"},\"data\":{\"v\":\"1\"}}");
	foreign("/apis/apps/v1/namespaces/ns1/deployments/web",
	        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"template\":{\"spec\":{\"image\":\"i\"}}}}");
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("same", "1") "," DEPLOYMENT("i", "") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(message(unit, "x+ConfigMap"), "applied by others");
	assert_contains(message(unit, "x+ConfigMap"), "conflict with \"kubectl\"");
	assert_contains(message(unit, "same+ConfigMap"), "applied by others");
	assert_contains(message(unit, "web+Deployment"), "applied by others");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "0");
	assert_string_equal(at(IN_NS1("configmaps/same"), "metadata.labels"), "");
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", "metadata.labels"), "");
	fake.config.takeover = 1;
	bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "1");
	assert_string_equal(at(IN_NS1("configmaps/same"), "metadata.labels.emco/deployment-id"), "4711-web");
}

static void test_what_others_set_is_set_back_but_for_an_autoscalers_replicas(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" DEPLOYMENT("i", "\"replicas\":1,") "," MAP("x", "1") "]");
	fake_set(&fake, "v2", "[" DEPLOYMENT("j", "\"replicas\":1,") "," MAP("x", "2") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	do_steer("edit", "{\"path\":\"/apis/apps/v1/namespaces/ns1/deployments/web\",\"manager\":\"hpa\",\"set\":{\"spec.replicas\":5}}");
	do_steer("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"set\":{\"data.v\":\"7\"}}");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.template.spec.image"), "j");
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.replicas"), "5");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "2");
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
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	do_steer("edit", "{\"path\":\"/apis/apps/v1/namespaces/ns1/deployments/web\",\"manager\":\"vpa\",\"set\":"
	                 "{\"spec.template.spec.tuned.cpu\":7,\"spec.template.spec.image\":\"stolen\"}}");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at(web, "spec.template.spec.tuned.cpu"), "7");
	assert_string_equal(at(web, "spec.template.spec.tuned.memory"), "1");
	assert_string_equal(at(web, "spec.template.spec.image"), "j");
	assert_string_equal(at(web, "spec.paused"), "there");
}

static void test_a_policy_without_meaning_is_refused(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" TUNED("i", ",\"emco/drift\":\"maybe\"") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(message(unit, "web+Deployment"), "annotation \"emco/drift\": expected \"heal\" or \"report\", got \"maybe\"");
}

static void test_a_unit_that_is_unsure_sends_everything_again(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	struct fake_unit *unit = bring("web", "v1");
	do_steer("delete", "{\"path\":\"" IN_NS1("configmaps/x") "\"}");
	unit->unit.unsure = 1;
	bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "1");
}

static void test_a_new_label_is_put_on_all_and_the_old_managers_fields_go(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "]");
	fake_set(&fake, "v2", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"w\":\"2\"}}}]");
	struct fake_unit *unit = bring("web", "v1");
	unit->unit.status_context = EMCO_STR("4712");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4712-web");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.w"), "2");
	assert_string_equal(at(IN_NS1("configmaps/y"), ""), "");
}

/* -- what goes wrong -- */

static void test_what_earlier_lives_have_begun_is_ours_and_their_fields_go(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"first\":\"1\"}}},"
	                      MAP("y", "1") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v2", "[" MAP("x", "2") "," DEPLOYMENT("i", "") "]");
	fake_set(&fake, "v3", "[" MAP("x", "3") "]");
	do_steer("fault", "{\"path\":\"deployments\",\"code\":500,\"message\":\"no luck\",\"times\":9}");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	unit->unit.status_context = EMCO_STR("4712");
	bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_string_equal(at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4712-web");
	do_steer("clear", "{}");
	unit->unit.status_context = EMCO_STR("4713");
	bring("web", "v3");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/x"), "metadata.labels.emco/deployment-id"), "4713-web");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.v"), "3");
	assert_string_equal(at(IN_NS1("configmaps/x"), "data.first"), "");
	assert_string_equal(at(IN_NS1("configmaps/y"), ""), "");
}

static void test_replicas_of_an_earlier_life_are_no_autoscalers(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" DEPLOYMENT("i", "\"replicas\":1,") "]");
	fake_set(&fake, "v2", "[" DEPLOYMENT("i", "\"replicas\":2,") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	unit->unit.status_context = EMCO_STR("4712");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at("/apis/apps/v1/namespaces/ns1/deployments/web", "spec.replicas"), "2");
}

static void test_an_immutable_change_is_refused_or_replaces(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" JOB("i") "]");
	fake_set(&fake, "v2", "[" JOB("j") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	bring("web", "v2");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(message(unit, "once+Job"), "field is immutable");
	fake.config.immutable = EMCO_STR("replace");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at("/apis/batch/v1/namespaces/ns1/jobs/once", "spec.template.spec.image"), "j");
}

static void test_what_was_terminated_and_is_wanted_again_is_replaced_when_it_must(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" JOB("i") "]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	unit->unit.status_context = EMCO_STR("4712");
	bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at("/apis/batch/v1/namespaces/ns1/jobs/once", "metadata.labels.emco/deployment-id"), "4712-web");
}

static void test_a_definition_is_not_replaced_with_all_that_is_made_of_it(void **state)
{
	static const char crd[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.x.io";

	(void) state;
	fake_set(&fake, "v1", "[" THING "," CRD "]");
	fake_set(&fake, "v2", "[" CRD_SCOPED("Cluster") "]");
	struct fake_unit *first = bring("web", "v1");
	assert_done(first);
	do_steer("fault", "{\"path\":\"customresourcedefinitions\",\"method\":\"PATCH\",\"code\":422,\"reason\":\"Invalid\","
	                  "\"message\":\"spec.scope: Invalid value: field is immutable\",\"times\":9}");
	fake.config.immutable = EMCO_STR("replace");
	struct fake_unit *second = bring("other", "v2");
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	bring("other", "v2");                                 /* begun before: it looks first whose the definition is */
	assert_int_equal(second->outcome, EMCO_UNIT_FAILED);
	assert_contains(message(second, "things.x.io+CustomResourceDefinition"), "a definition is not replaced");
	assert_string_equal(at(crd, "spec.scope"), "Namespaced");
	do_steer("clear", "{}");
}

static void test_a_refused_object_fails_alone_in_the_servers_words(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") "," MAP("y", "1") "," DEPLOYMENT("i", "") "]");
	do_steer("fault", "{\"path\":\"configmaps/x\",\"method\":\"PATCH\",\"code\":403,\"reason\":\"Forbidden\",\"message\":"
	                  "\"configmaps x is forbidden: quota\",\"times\":9}");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_contains(unit->error, "object \"x+ConfigMap\": ");
	assert_contains(unit->error, "forbidden: quota");
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_FAILED);
	assert_int_equal(fake_state(unit, "y+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_APPLIED);
	do_steer("clear", "{}");
	bring("web", "v1");
	assert_done(unit);
}

static void test_an_object_that_cannot_be_sent_fails_alone(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[" MAP("x", "1") ",{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":7},\"name\":\"s+Service\"}]");
	struct fake_unit *unit = bring("web", "v1");
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_int_equal(fake_state(unit, "x+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "s+Service"), EMCO_OBJECT_FAILED);
}

static void test_an_object_with_a_finalizer_is_waited_for_and_named(void **state)
{
	(void) state;
	fake.config.wait_limit_ms = 300;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.io/b\"]}}}]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	bring("web", "");
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_contains(unit->error, "it waits for the finalizer \"a.io/b\"");
	do_steer("edit", "{\"path\":\"" IN_NS1("configmaps/x") "\",\"unset\":[\"metadata.finalizers\"]}");
	do_steer("delete", "{\"path\":\"" IN_NS1("configmaps/x") "\"}");
	bring("web", "");
	assert_done(unit);
}

static void test_a_server_that_is_gone_is_retrying_and_others_go_on(void **state)
{
	(void) state;
	server_start("edge+two");
	fake_set(&fake, "v1", "[" MAP("x", "1") "]");
	fake_cluster(&fake, "edge+gone",
	             "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n"
	             "clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:9\"}\nusers:\n- name: u\n  user: {token: t}\n", "");
	fake_cluster(&fake, "edge+mad", "kind: [", "");
	struct fake_unit *gone = fake_want(&fake, "web", "edge+gone", "v1", "instantiate");
	struct fake_unit *mad = fake_want(&fake, "web", "edge+mad", "v1", "instantiate");
	struct fake_unit *two = fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	struct fake_unit *one = bring("web", "v1");
	assert_done(one);
	assert_done(two);
	assert_int_equal(gone->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(gone->reachable, 0);
	assert_int_equal(mad->outcome, EMCO_UNIT_FAILED);
	assert_contains(mad->error, "edge+mad");
}

static void test_the_items_of_a_list_are_objects_of_their_own(void **state)
{
	(void) state;
	fake_set(&fake, "v1", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"l\"},\"items\":["
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}},"
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\"}}]}}]");
	fake_set(&fake, "v2", "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"l\"},\"items\":["
	                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\"}}]}}]");
	struct fake_unit *unit = bring("web", "v1");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/a"), "kind"), "ConfigMap");
	bring("web", "v2");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/a"), "kind"), "");
	assert_string_equal(at(IN_NS1("configmaps/b"), "kind"), "ConfigMap");
	bring("web", "");
	assert_done(unit);
	assert_string_equal(at(IN_NS1("configmaps/b"), "kind"), "");
}

/* -- as a whole -- */

/* Reports of a unit within ten seconds. */
static bool is_reported(const struct fake_unit *unit, unsigned reports)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&fake.lock);
		const bool is_so = unit->reports >= reports;
		pthread_mutex_unlock(&fake.lock);
		if (is_so)
			return true;
		usleep(10000);
	}
	return false;
}

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
	do_steer("fault", "{\"path\":\"configmaps/silent\",\"code\":0,\"times\":99}");
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);
	silent = fake_want(&fake, "s", "edge+one", "silent", "instantiate");
	const int64_t begun_ns = now_ns();
	alive = fake_want(&fake, apps[0], "edge+one", "v1", "instantiate");
	for (size_t i = 1; i < 8; i++)
		fake_want(&fake, apps[i], "edge+one", i % 4 == 1 ? "silent" : "v1", "instantiate");
	assert_true(is_reported(alive, 1));
	assert_true(now_ns() - begun_ns < 5000000000LL);
	assert_done(alive);
	assert_int_equal(silent->reports, 0);
	__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
	plugin->stop(self);
	plugin->destroy(self);
	fake.host.end(&fake.host, call);
}

#define T(function)  cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_objects_come_with_label_and_namespace_and_go_again),
		T(test_nothing_counts_as_gone_because_a_proxy_finds_nothing),
		T(test_what_has_a_kind_that_is_not_there_need_not_go),
		T(test_only_what_has_changed_is_sent_and_what_left_is_taken_away),
		T(test_a_set_that_was_only_tried_is_put_right),
		T(test_what_a_try_without_an_end_has_made_is_ours),
		T(test_what_the_first_request_of_two_has_made_is_ours),
		T(test_a_definition_is_awaited_before_its_resources_and_stays),
		T(test_a_kind_that_nobody_serves_is_tried_again),
		T(test_a_namespace_comes_first_and_goes_last),
		T(test_an_object_of_another_deployment_is_refused_and_left_to_it),
		T(test_objects_of_others_are_taken_over_only_when_asked),
		T(test_what_others_set_is_set_back_but_for_an_autoscalers_replicas),
		T(test_ignored_fields_stay_as_others_have_set_them),
		T(test_a_policy_without_meaning_is_refused),
		T(test_a_unit_that_is_unsure_sends_everything_again),
		T(test_a_new_label_is_put_on_all_and_the_old_managers_fields_go),
		T(test_what_earlier_lives_have_begun_is_ours_and_their_fields_go),
		T(test_replicas_of_an_earlier_life_are_no_autoscalers),
		T(test_an_immutable_change_is_refused_or_replaces),
		T(test_what_was_terminated_and_is_wanted_again_is_replaced_when_it_must),
		T(test_a_definition_is_not_replaced_with_all_that_is_made_of_it),
		T(test_a_refused_object_fails_alone_in_the_servers_words),
		T(test_an_object_that_cannot_be_sent_fails_alone),
		T(test_an_object_with_a_finalizer_is_waited_for_and_named),
		T(test_a_server_that_is_gone_is_retrying_and_others_go_on),
		T(test_the_items_of_a_list_are_objects_of_their_own),
		T(test_silent_clusters_hold_no_worker_and_a_stop_leaves_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
