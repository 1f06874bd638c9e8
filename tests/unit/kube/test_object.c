#include "tests/unit/kube/fixture.h"

#include <pthread.h>

static struct kube         *kube;
static struct kube_cluster *cluster;

static const char core_kinds[] =
	"[{\"body\": \"{\\\"kind\\\":\\\"APIResourceList\\\",\\\"resources\\\":["
	"{\\\"name\\\":\\\"configmaps\\\",\\\"namespaced\\\":true,\\\"kind\\\":\\\"ConfigMap\\\"},"
	"{\\\"name\\\":\\\"namespaces\\\",\\\"namespaced\\\":false,\\\"kind\\\":\\\"Namespace\\\"},"
	"{\\\"name\\\":\\\"namespaces/status\\\",\\\"namespaced\\\":false,\\\"kind\\\":\\\"Namespace\\\"},"
	"{\\\"name\\\":\\\"../evil\\\",\\\"namespaced\\\":false,\\\"kind\\\":\\\"Evil\\\"}]}\"}]";

static int set_up(void **state)
{
	(void) state;
	server_forget();
	server_rule("GET", "/api/v1", core_kinds);
	kube = client_open();
	cluster = cluster_of(kube, "c", "https", "ca");
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	kube_cluster_unref(cluster);
	kube_close(kube);
	return 0;
}

static const struct kube_id config_map = {
	{ "v1", 2 }, { "ConfigMap", 9 }, { "web", 3 }, { "settings", 8 },
};

static void apply(const struct kube_apply *wanted, struct waited *waited)
{
	struct kube_apply apply = *wanted;
	const int         count = waited->count;

	apply.deadline_ns = deadline_in_ms(5000);
	apply.manager = "emco";
	if (apply.object.ptr == NULL)
		apply.object = VIEW("{\"kind\":\"ConfigMap\"}");
	kube_apply(cluster, &apply, waited_applied, waited);
	waited_until(waited, count + 1);
}

#define CONFIG_MAP(version) "{\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{\\\"annotations\\\":{\\\"l\\\":\\\"{\\\\\\\"resourceVersion\\\\\\\":\\\\\\\"9\\\\\\\"}\\\"},\\\"resourceVersion\\\":\\\"" version "\\\"}}"

static void test_apply_sends_one_patch_and_says_what_came_of_it(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	server_rule("PATCH", "/api/v1/namespaces/web/configmaps/settings",
	            "[{\"code\":201,\"body\":\"" CONFIG_MAP("5") "\"},{\"body\":\"" CONFIG_MAP("5") "\"},"
	            "{\"body\":\"" CONFIG_MAP("6") "\"},{\"body\":\"" CONFIG_MAP("6") "\"},{\"body\":\"surprise\"}]");
	apply(&(struct kube_apply) { .id = config_map, .force = true }, &waited);
	assert_int_equal(waited.outcome, KUBE_CREATED);
	assert_string_equal(waited.text, "");
	assert_non_null(strstr(waited.body, "resourceVersion"));
	apply(&(struct kube_apply) { .id = config_map, .known_version = VIEW("5") }, &waited);
	assert_int_equal(waited.outcome, KUBE_UNCHANGED);
	apply(&(struct kube_apply) { .id = config_map, .known_version = VIEW("5"), .dry_run = true }, &waited);
	assert_int_equal(waited.outcome, KUBE_CHANGED);
	apply(&(struct kube_apply) { .id = config_map }, &waited);
	assert_int_equal(waited.outcome, KUBE_CHANGED);
	apply(&(struct kube_apply) { .id = config_map }, &waited);
	assert_int_equal(waited.outcome, KUBE_LATER);
	assert_string_equal(waited.text, "the server's answer is no Kubernetes object: check \"server\" of the kubeconfig");

	auto_json *log = server_log();
	assert_string_equal(json_string_at(json_array_get(log, 0), "path"), "/api/v1");
	assert_string_equal(json_string_at(json_array_get(log, 1), "path"),
	                    "/api/v1/namespaces/web/configmaps/settings?fieldManager=emco&force=true");
	assert_string_equal(json_string_at(json_array_get(log, 1), "body"), "{\"kind\":\"ConfigMap\"}");
	assert_string_equal(json_string_at(json_array_get(log, 3), "path"),
	                    "/api/v1/namespaces/web/configmaps/settings?fieldManager=emco&force=false&dryRun=All");
	assert_int_equal(json_array_size(log), 6);
}

#define INSTALL  ": install its CustomResourceDefinition, or correct the object"

static void test_a_name_becomes_a_path_or_is_refused(void **state)
{
	static const struct row { struct kube_id id; const char *want; } rows[] = {
		{ { { "v1", 2 }, { "Namespace", 9 }, { "web", 3 }, { "a:B", 3 } },    "/api/v1/namespaces/a%3AB?"               },
		{ { { "v1", 2 }, { "ConfigMap", 9 }, { "", 0 }, { "x", 1 } },         "/api/v1/namespaces/default/configmaps/x?" },
		{ { { "v1", 2 }, { "ConfigMap", 9 }, { "..", 2 }, { "x", 1 } },       "\"..\" is no name of a namespace"        },
		{ { { "v1", 2 }, { "ConfigMap", 9 }, { "web", 3 }, { "..", 2 } },     "\"..\" is no name of an object"          },
		{ { { "v1", 2 }, { "ConfigMap", 9 }, { "web", 3 }, { "a/b", 3 } },    "\"a/b\" is no name of an object"         },
		{ { { "v1", 2 }, { "ConfigMap", 9 }, { "web", 3 }, { "a?b", 3 } },    "/api/v1/namespaces/web/configmaps/a%3Fb?" },
		{ { { "v1", 2 }, { "Evil", 4 }, { "web", 3 }, { "x", 1 } },           "the cluster knows no kind \"Evil\" in \"v1\"" INSTALL },
		{ { { "../v1", 5 }, { "ConfigMap", 9 }, { "web", 3 }, { "x", 1 } },   "\"../v1\" is no apiVersion"              },
		{ { { "v1", 2 }, { "Config/Map", 10 }, { "web", 3 }, { "x", 1 } },    "\"Config/Map\" is no kind"               },
		{ { { "no.such/v1", 10 }, { "Thing", 5 }, { "web", 3 }, { "x", 1 } }, "the cluster knows no kind \"Thing\" in \"no.such/v1\"" INSTALL },
	};

	(void) state;
	server_rule("PATCH", "/", "[{\"body\":\"" CONFIG_MAP("5") "\"}]");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct waited waited;
		waited_init(&waited);
		apply(&(struct kube_apply) { .id = rows[i].id }, &waited);
		if (rows[i].want[0] == '/') {
			auto_json *log = server_log();
			const char *path = json_string_at(json_array_get(log, json_array_size(log) - 1), "path");
			if (strncmp(path, rows[i].want, strlen(rows[i].want)) != 0)
				print_error("%zu: %s, want %s (%s)\n", i, path, rows[i].want, waited.text);
			assert_memory_equal(path, rows[i].want, strlen(rows[i].want));
		} else {
			assert_string_equal(waited.text, rows[i].want);
			assert_int_equal(waited.outcome, strstr(rows[i].want, "knows") ? KUBE_UNKNOWN_KIND : KUBE_REFUSED);
		}
	}
}

static void test_a_kind_that_comes_later_is_found_and_the_server_is_not_asked_all_the_time(void **state)
{
	const struct kube_id id = { VIEW("x.dev/v1"), VIEW("Thing"), VIEW("web"), VIEW("a") };
	const int64_t        deadline_ns = deadline_in_ms(5000);
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("PATCH", "/", "[{\"code\":201,\"body\":\"" CONFIG_MAP("5") "\"}]");
	for (int i = 0; i < 50; i++)
		apply(&(struct kube_apply) { .id = id }, &waited);
	assert_int_equal(waited.outcome, KUBE_UNKNOWN_KIND);
	assert_in_range(server_count("GET", "/apis/x.dev/v1"), 1, 5);
	server_rule("GET", "/apis/x.dev/v1", "[{\"body\":\"{\\\"resources\\\":[{\\\"name\\\":\\\"things\\\",\\\"kind\\\":"
	                                     "\\\"Thing\\\",\\\"namespaced\\\":true}]}\"}]");
	while (waited.outcome == KUBE_UNKNOWN_KIND && !deadline_past(deadline_ns))
		apply(&(struct kube_apply) { .id = id }, &waited);
	assert_int_equal(waited.outcome, KUBE_CREATED);
	assert_int_equal(server_count("PATCH", "/apis/x.dev/v1/namespaces/web/things/a"), 1);

	/* and one that went away is noticed at once, and not asked for again at once */
	server_rule("PATCH", "/", "[{'code':404,'body':'404 page not found'}]");
	server_rule("GET", "/apis/x.dev/v1", "[{'body':'{\\\"resources\\\":[]}'}]");
	const size_t asked = server_count("GET", "/apis/x.dev/v1");
	apply(&(struct kube_apply) { .id = id }, &waited);
	assert_int_equal(waited.outcome, KUBE_UNKNOWN_KIND);
	assert_true(waited.is_certain);
	apply(&(struct kube_apply) { .id = id }, &waited);
	assert_int_equal(server_count("GET", "/apis/x.dev/v1"), asked + 1);
}

static void test_what_stands_before_the_server_does_not_tell_what_is_missing(void **state)
{
	const struct kube_id id = { VIEW("y.dev/v1"), VIEW("Thing"), VIEW("web"), VIEW("a") };
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/apis/y.dev/v1", "[{'code':404,'body':'default backend - 404'}]");
	apply(&(struct kube_apply) { .id = id }, &waited);
	assert_int_equal(waited.outcome, KUBE_LATER);
	assert_string_equal(waited.text, "kinds of \"y.dev/v1\": default backend - 404");
}

/* "404 page not found" are an API server's words, and those of many a proxy. */
static void test_a_kind_is_certainly_not_there_only_when_the_api_server_shows_what_is(void **state)
{
	static const struct row { const char *place, *answer; struct kube_id id; bool want; } rows[] = {
		{ "/apis",  "[{'code':404,'body':'404 page not found'}]", { { "a.dev/v1", 8 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, false },
		{ "/apis",  "[{'body':'<html>'}]",                        { { "b.dev/v1", 8 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, false },
		{ "/apis",  "[{'body':'{\\\"groups\\\":[]}'}]",           { { "c.dev/v1", 8 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, false },
		{ "/apis",  "[{'body':'{\\\"kind\\\":\\\"APIGroupList\\\",\\\"groups\\\":[{\\\"versions\\\":[{\\\"groupVersion\\\":\\\"d.dev/v1\\\"}]}]}'}]",
		                                                          { { "d.dev/v1", 8 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, false },
		{ "/apis",  "[{'body':'{\\\"kind\\\":\\\"APIGroupList\\\",\\\"groups\\\":[{\\\"versions\\\":[{\\\"groupVersion\\\":\\\"d.dev/v1\\\"}]}]}'}]",
		                                                          { { "e.dev/v1", 8 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, true  },
		{ "/api",   "[{'body':'{\\\"kind\\\":\\\"APIVersions\\\",\\\"versions\\\":[\\\"v1\\\",\\\"v2\\\"]}'}]",
		                                                          { { "v2", 2 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, false },
		{ "/api",   "[{'body':'{\\\"kind\\\":\\\"APIVersions\\\",\\\"versions\\\":[\\\"v1\\\"]}'}]",
		                                                          { { "v3", 2 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, true  },
		{ "/api/v1", core_kinds,                                  { { "v1", 2 }, { "Thing", 5 }, { "web", 3 }, { "a", 1 } }, true  },
	};
	struct waited waited;
	char          path[64];

	(void) state;
	waited_init(&waited);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		server_rule("GET", rows[i].place, rows[i].answer);
		snprintf(path, sizeof path, "%s/%s", rows[i].place, rows[i].id.api_version.ptr);
		if (strcmp(rows[i].id.api_version.ptr, "v1") != 0)
			server_rule("GET", path, "[{'code':404,'body':'404 page not found'}]");
		kube_get(cluster, &rows[i].id, deadline_in_ms(5000), waited_applied, &waited);
		waited_until(&waited, (int) i + 1);
		assert_int_equal(waited.outcome, KUBE_UNKNOWN_KIND);
		if (waited.is_certain != rows[i].want)
			print_error("%zu: %s\n", i, waited.text);
		assert_int_equal(waited.is_certain, rows[i].want);
	}

	/* an API server that starts lists no group of definitions that it has not read; who may not ask goes by the list */
	static const struct { const char *group, *ready; bool want; } starts[] = {
		{ "f.dev/v1", "[{'code':500,'body':'[-]poststarthook/crd-informer-synced failed: reason withheld'}]", false },
		{ "g.dev/v1", "[{'code':503,'body':''}]",                                                             false },
		{ "j.dev/v1", "[{'code':429,'body':''}]",                                                             false },
		{ "h.dev/v1", "[{'code':403,'body':''}]",                                                             true  },
		{ "i.dev/v1", "[{'body':'ok'}]",                                                                      true  },
	};
	server_rule("GET", "/apis", "[{'body':'{\\\"kind\\\":\\\"APIGroupList\\\",\\\"groups\\\":[]}'}]");
	server_rule("GET", "/apis/", "[{'code':404,'body':'404 page not found'}]");
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		const struct kube_id id = { view_of(starts[i].group), VIEW("Thing"), VIEW("web"), VIEW("a") };
		server_rule("GET", "/readyz", starts[i].ready);
		kube_get(cluster, &id, deadline_in_ms(5000), waited_applied, &waited);
		waited_until(&waited, (int) (ARRAY_LEN(rows) + i) + 1);
		assert_int_equal(waited.outcome, KUBE_UNKNOWN_KIND);
		if (waited.is_certain != starts[i].want)
			print_error("%s: %s\n", starts[i].group, waited.text);
		assert_int_equal(waited.is_certain, starts[i].want);
	}

	/* an object whose kind is known, and then nothing more of the server; also while another kind is known to be missing */
	server_forget();
	server_rule("GET", "/api", "[{'code':404,'body':'404 page not found'}]");
	kube_delete(cluster, &config_map, VIEW(""), deadline_in_ms(5000), waited_applied, &waited);
	waited_until(&waited, (int) (ARRAY_LEN(rows) + ARRAY_LEN(starts)) + 1);
	assert_int_equal(waited.outcome, KUBE_UNKNOWN_KIND);
	assert_false(waited.is_certain);
}

static void test_discovery_is_asked_once_for_many(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	server_rule("PATCH", "/", "[{\"body\":\"" CONFIG_MAP("5") "\"}]");
	for (int i = 0; i < 100; i++)
		kube_apply(cluster, &(struct kube_apply) { .id = config_map, .manager = "emco", .object = VIEW("{}"),
		                                           .deadline_ns = deadline_in_ms(5000) }, waited_applied, &waited);
	waited_until(&waited, 100);
	assert_int_equal(server_count("GET", "/api/v1"), 1);
	assert_int_equal(server_count("PATCH", "/"), 100);
}

static void test_only_so_many_groups_are_remembered_and_the_oldest_is_asked_for_again(void **state)
{
	static const int numbers[] = { 299, 0 };
	enum { GROUPS = 300 };
	struct waited waited;
	char          version[32], path[64];

	(void) state;
	waited_init(&waited);
	/* both the kinds of a group and an object of it */
	server_rule("GET", "/apis/", "[{'body':'{\\\"kind\\\":\\\"Thing\\\",\\\"resources\\\":[{\\\"name\\\":\\\"things\\\",\\\"kind\\\":\\\"Thing\\\"}]}'}]");
	for (int i = 0; i < GROUPS + (int) ARRAY_LEN(numbers); i++) {
		snprintf(version, sizeof version, "g%d.dev/v1", i < GROUPS ? i : numbers[i - GROUPS]);
		kube_get(cluster, &(struct kube_id) { view_of(version), VIEW("Thing"), VIEW(""), VIEW("x") }, deadline_in_ms(5000),
		         waited_applied, &waited);
		waited_until(&waited, i + 1);
		assert_int_equal(waited.outcome, KUBE_UNCHANGED);
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		snprintf(path, sizeof path, "/apis/g%d.dev/", numbers[i]);
		assert_int_equal(server_count("GET", path), 3 + i);      /* two objects, and the kinds once, or again */
	}
}

static void test_delete_asks_in_the_background_and_knows_what_is_gone(void **state)
{
	static const struct row { const char *answer; enum kube_outcome want; } rows[] = {
		{ "[{'body':'{}','code':200}]", KUBE_LATER },
		{ "[{\"body\":\"{\\\"kind\\\":\\\"Status\\\",\\\"status\\\":\\\"Success\\\"}\",\"code\":200}]", KUBE_GONE },
		{ "[{\"body\":\"{\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{\\\"finalizers\\\":[\\\"x\\\"]}}\",\"code\":200}]", KUBE_DELETED },
		{ "[{\"body\":\"{\\\"kind\\\":\\\"Status\\\",\\\"message\\\":\\\"configmaps \\\\\\\"settings\\\\\\\" not found\\\",\\\"reason\\\":\\\"NotFound\\\"}\",\"code\":404}]", KUBE_GONE },
		{ "[{\"body\":\"{\\\"kind\\\":\\\"Status\\\",\\\"message\\\":\\\"Operation cannot be fulfilled on configmaps: Precondition failed: UID in precondition: 1, UID in object meta: 2\\\",\\\"reason\\\":\\\"Conflict\\\"}\",\"code\":409}]", KUBE_GONE },
		{ "[{\"body\":\"{\\\"kind\\\":\\\"Status\\\",\\\"message\\\":\\\"configmaps is forbidden\\\",\\\"reason\\\":\\\"Forbidden\\\"}\",\"code\":403}]", KUBE_REFUSED },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct waited waited;
		waited_init(&waited);
		server_rule("DELETE", "/", rows[i].answer);
		kube_delete(cluster, &config_map, i % 2 ? VIEW("u-1") : VIEW(""), deadline_in_ms(5000), waited_applied, &waited);
		waited_until(&waited, 1);
		assert_int_equal(waited.outcome, rows[i].want);
	}
	auto_json *log = server_log();
	assert_string_equal(json_string_at(json_array_get(log, 1), "body"),
	                    "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":\"Background\"}");
	assert_string_equal(json_string_at(json_array_get(log, 2), "body"),
	                    "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":\"Background\","
	                    "\"preconditions\":{\"uid\":\"u-1\"}}");
}

static void test_get_gives_the_object_or_says_that_it_is_gone(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/api/v1/namespaces/web/configmaps/settings",
	            "[{\"body\":\"" CONFIG_MAP("5") "\"},{\"code\":404,\"body\":\"{\\\"kind\\\":\\\"Status\\\","
	            "\\\"message\\\":\\\"configmaps not found\\\",\\\"reason\\\":\\\"NotFound\\\"}\"}]");
	kube_get(cluster, &config_map, deadline_in_ms(5000), waited_applied, &waited);
	waited_until(&waited, 1);
	assert_int_equal(waited.outcome, KUBE_UNCHANGED);
	assert_non_null(strstr(waited.body, "ConfigMap"));
	kube_get(cluster, &config_map, deadline_in_ms(5000), waited_applied, &waited);
	waited_until(&waited, 2);
	assert_int_equal(waited.outcome, KUBE_GONE);
}

#define STATUS(code, reason) "{\"code\":" code ",\"body\":\"{\\\"kind\\\":\\\"Status\\\",\\\"code\\\":" code ",\\\"message\\\":\\\"no\\\",\\\"reason\\\":\\\"" reason "\\\"}\"}"

/* An apply that is refused so may be one whose fields others hold; of a patch it is always the version. */
static void test_a_patch_is_sent_as_it_is_and_every_conflict_is_one_of_versions(void **state)
{
	static const enum kube_outcome wanted[] = { KUBE_CHANGED, KUBE_CONFLICT, KUBE_CONFLICT, KUBE_GONE, KUBE_REFUSED };
	struct waited waited;

	(void) state;
	waited_init(&waited);
	server_rule("PATCH", "/api/v1/namespaces/web/configmaps/settings",
	            "[{\"body\":\"" CONFIG_MAP("6") "\"}," STATUS("409", "Conflict") "," STATUS("409", "Surprise") ","
	            STATUS("404", "NotFound") "," STATUS("422", "Invalid") "]");
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		kube_patch(cluster, &config_map, VIEW("{\"metadata\":{}}"), deadline_in_ms(5000), waited_applied, &waited);
		waited_until(&waited, (int) i + 1);
		assert_int_equal(waited.outcome, wanted[i]);
	}
	auto_json *log = server_log();
	assert_string_equal(json_string_at(json_array_get(log, 1), "path"), "/api/v1/namespaces/web/configmaps/settings");
	assert_string_equal(json_string_at(json_array_get(log, 1), "body"), "{\"metadata\":{}}");
	assert_int_equal(json_array_size(log), ARRAY_LEN(wanted) + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apply_sends_one_patch_and_says_what_came_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_name_becomes_a_path_or_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_kind_that_comes_later_is_found_and_the_server_is_not_asked_all_the_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_stands_before_the_server_does_not_tell_what_is_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_kind_is_certainly_not_there_only_when_the_api_server_shows_what_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_discovery_is_asked_once_for_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_so_many_groups_are_remembered_and_the_oldest_is_asked_for_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_delete_asks_in_the_background_and_knows_what_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_get_gives_the_object_or_says_that_it_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_patch_is_sent_as_it_is_and_every_conflict_is_one_of_versions, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
