/* What a synchroniser tells of clusters when somebody wants to see their objects. */
#include "plugins/rsync/test/edge.h"

#include "plugins/rsync/reading.h"

#include "lib/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { FOUND_MAX = 16, NS_PER_MS = 1000000, LABEL_MAX = 64 };

static struct {
	struct { uint64_t query; char name[64]; json_t *body; } found[FOUND_MAX];
	size_t      count;
	emco_status answer;                  /* to each; what is told after another than EMCO_OK is too much */
} told;

static emco_status take(void *data, uint64_t query, emco_str name, emco_str body)
{
	assert_null(data);
	assert_true(told.count < FOUND_MAX && (told.answer == EMCO_OK || told.count == 0));
	told.found[told.count].query = query;
	snprintf(told.found[told.count].name, sizeof told.found[0].name, "%.*s", STR_ARG(name));
	told.found[told.count].body = json_loadb(body.ptr, (size_t) body.len, 0, NULL);
	assert_non_null(told.found[told.count].body);
	told.count++;
	return told.answer;
}

static void forget(void)
{
	for (size_t i = 0; i < told.count; i++)
		json_decref(told.found[i].body);
	memset(&told, 0, sizeof told);
}

static const json_t *found(uint64_t query, const char *name)
{
	for (size_t i = 0; i < told.count; i++)
		if (told.found[i].query == query && strcmp(told.found[i].name, name) == 0)
			return told.found[i].body;
	return NULL;
}

static const emco_str kinds[] = {
	{ "v1|ConfigMap", 12 }, { "apps/v1|Deployment", 18 }, { "lamps.test/v1|Lamp", 18 }, { "nonsense", 8 },
};

static emco_object_query query_of(const char *cluster, const char *label)
{
	return (emco_object_query) { .size = sizeof(emco_object_query), .cluster = str_of(cluster), .label = str_of(label),
	                             .kinds = kinds, .kind_count = sizeof kinds / sizeof kinds[0] };
}

static emco_status read_within(int ms, const emco_object_query *queries, uint64_t count)
{
	emco_call        *call = fake.host.begin(&fake.host, EMCO_STR("reading"), (int64_t) ms * NS_PER_MS);
	const emco_status status = reading_run(fake.kube, fake.host.extension(&fake.host, EMCO_CLUSTERS_1), call, queries, count,
	                                       take, NULL);

	fake.host.end(&fake.host, call);
	return status;
}

/* The label that an object of the app has on edge+one. */
static const char *label_of(const char *path)
{
	static char label[LABEL_MAX];

	snprintf(label, sizeof label, "%s", edge_at(path, "metadata.labels.emco/deployment-id"));
	assert_true(label[0] != '\0');
	return label;
}

static void test_objects_are_told_as_they_are_and_only_those_of_the_label(void **state)
{
	char one[LABEL_MAX];

	(void) state;
	fake_set(&fake, "s", "[" MAP("a", "1") "," DEPLOYMENT("x", "") "]");
	fake_set(&fake, "t", "[" MAP("b", "1") "]");
	assert_done(edge_bring("web", "s"));
	assert_done(edge_bring("db", "t"));
	snprintf(one, sizeof one, "%s", label_of(IN_NS1("configmaps/a")));
	const emco_object_query queries[] = { query_of("edge+one", one), query_of("edge+one", label_of(IN_NS1("configmaps/b"))),
	                                      query_of("edge+none", one) };
	edge_do("edit", "{\"path\":\"" IN_NS1("configmaps/a") "\",\"set\":{\"data.v\":\"theirs\"}}");

	const unsigned before = fake.accesses;
	assert_int_equal(read_within(10000, queries, 3), EMCO_OK);
	assert_int_equal(fake.accesses - before, 2);
	assert_int_equal(told.count, 3);
	const json_t *map = found(0, "a+ConfigMap");
	assert_non_null(map);
	assert_non_null(found(0, "web+Deployment"));
	assert_non_null(found(1, "b+ConfigMap"));
	assert_string_equal(json_string_value(json_object_get(json_object_get(map, "data"), "v")), "theirs");
	assert_string_equal(json_string_value(json_object_get(map, "kind")), "ConfigMap");
	assert_non_null(json_object_get(json_object_get(map, "metadata"), "uid"));
	assert_null(json_object_get(json_object_get(map, "metadata"), "managedFields"));
	forget();
}

static void test_who_is_silent_is_not_waited_for_and_hides_nobody_else(void **state)
{
	(void) state;
	fake_set(&fake, "s", "[" MAP("a", "1") "," DEPLOYMENT("x", "") "]");
	assert_done(edge_bring("web", "s"));
	const emco_object_query query = query_of("edge+one", label_of(IN_NS1("configmaps/a")));
	edge_do("fault", "{\"method\":\"GET\",\"path\":\"deployments\",\"code\":0,\"times\":9}");

	const int64_t begin_ns = clock_ns();
	assert_int_equal(read_within(1000, &query, 1), EMCO_E_UNAVAILABLE);
	assert_true(clock_ns() - begin_ns < 1000LL * NS_PER_MS);
	assert_int_equal(told.count, 1);
	assert_non_null(found(0, "a+ConfigMap"));
	forget();
}

static void test_who_has_enough_is_told_no_more(void **state)
{
	(void) state;
	fake_set(&fake, "s", "[" MAP("a", "1") "," MAP("b", "1") "," DEPLOYMENT("x", "") "]");
	assert_done(edge_bring("web", "s"));
	const emco_object_query query = query_of("edge+one", label_of(IN_NS1("configmaps/a")));

	told.answer = EMCO_E_TOO_LARGE;
	assert_int_equal(read_within(10000, &query, 1), EMCO_E_TOO_LARGE);
	assert_int_equal(told.count, 1);
	forget();
}

static void *stop_soon(void *data)
{
	(void) data;
	usleep(300000);
	__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_a_server_that_stops_waits_for_no_cluster(void **state)
{
	(void) state;
	fake_set(&fake, "s", "[" MAP("a", "1") "]");
	assert_done(edge_bring("web", "s"));
	const emco_object_query query = query_of("edge+one", label_of(IN_NS1("configmaps/a")));
	pthread_t               stopping;
	edge_do("fault", "{\"method\":\"GET\",\"path\":\"configmaps\",\"code\":0,\"times\":9}");

	assert_int_equal(pthread_create(&stopping, NULL, stop_soon, NULL), 0);
	const int64_t begin_ns = clock_ns();
	assert_int_equal(read_within(60000, &query, 1), EMCO_E_UNAVAILABLE);
	assert_in_range(clock_ns() - begin_ns, 250LL * NS_PER_MS, 10000LL * NS_PER_MS);
	assert_int_equal(told.count, 0);
	pthread_join(stopping, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects_are_told_as_they_are_and_only_those_of_the_label, edge_setup, edge_teardown),
		cmocka_unit_test_setup_teardown(test_who_is_silent_is_not_waited_for_and_hides_nobody_else, edge_setup, edge_teardown),
		cmocka_unit_test_setup_teardown(test_who_has_enough_is_told_no_more, edge_setup, edge_teardown),
		cmocka_unit_test_setup_teardown(test_a_server_that_stops_waits_for_no_cluster, edge_setup, edge_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
