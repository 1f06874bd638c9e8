/* Lists: page after page, ended once, and in words when the server has none. */
#include "tests/unit/kube/fixture.h"

#include <pthread.h>

static struct kube         *kube;
static struct kube_cluster *cluster;

#define KINDS  "[{'body': '{\\\"kind\\\":\\\"APIResourceList\\\",\\\"resources\\\":[{\\\"name\\\":\\\"configmaps\\\"," \
	"\\\"namespaced\\\":true,\\\"kind\\\":\\\"ConfigMap\\\"}]}'}]"
#define ITEM(name)          "{\\\"metadata\\\":{\\\"name\\\":\\\"" name "\\\"}}"
#define PAGE(next, items)   "[{'body': '{\\\"metadata\\\":{\\\"continue\\\":\\\"" next "\\\"},\\\"items\\\":[" items "]}'}]"
#define NOTHING             "'body': '{\\\"metadata\\\":{},\\\"items\\\":[]}'"
#define LATE                "{'delay': 4, " NOTHING "}"
#define AT_ONCE             "{" NOTHING "}"
#define FIRST               "/api/v1/configmaps?limit=500&labelSelector=a%3Db"

static int set_up(void **state)
{
	(void) state;
	server_forget();
	server_rule("GET", "/api/v1", KINDS);
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

/* What was told, on the loop; waited counts the ends. */
struct told { struct waited waited; char names[256]; unsigned late; bool is_enough; };

static bool take(void *data, json_t *object, enum status st, const struct error *err)
{
	struct told *told = data;
	const size_t len = strlen(told->names);
	const bool   is_enough = told->is_enough;        /* who waits for the end may be gone after it */

	told->late += told->waited.count > 0;
	if (object == NULL)
		waited_done(&told->waited, st, NULL, err);
	else
		snprintf(told->names + len, sizeof told->names - len, "%s/%s/%s ", json_string_at(object, "apiVersion"),
		         json_string_at(object, "kind"), json_string_at(object, "metadata.name"));
	return !is_enough;
}

static void ask_for_list(struct told *told)
{
	*told = (struct told) { .late = 0 };
	waited_init(&told->waited);
	kube_list(cluster, VIEW("v1"), VIEW("ConfigMap"), "a=b", deadline_in_ms(15000), take, told);
}

static void list(struct told *told)
{
	ask_for_list(told);
	waited_until(&told->waited, 1);
}

static void test_pages_are_asked_for_until_there_is_no_next(void **state)
{
	struct told told;

	(void) state;
	server_rule("GET", FIRST, PAGE("x/+&y", ITEM("a") "," ITEM("b") ",7"));
	server_rule("GET", FIRST "&continue=x%2F%2B%26y", PAGE("z", ""));
	server_rule("GET", FIRST "&continue=z", PAGE("", ITEM("c")));
	list(&told);
	assert_int_equal(told.waited.st, ST_OK);
	assert_string_equal(told.names, "v1/ConfigMap/a v1/ConfigMap/b v1/ConfigMap/c ");
	assert_int_equal(told.late, 0);
	assert_int_equal(server_count("GET", "/api/v1/configmaps"), 3);
}

static void test_who_has_enough_gets_no_further_page(void **state)
{
	struct told told = { .is_enough = true };

	(void) state;
	server_rule("GET", FIRST, PAGE("n", ITEM("a") "," ITEM("b")));
	waited_init(&told.waited);
	kube_list(cluster, VIEW("v1"), VIEW("ConfigMap"), "a=b", deadline_in_ms(10000), take, &told);
	waited_until(&told.waited, 1);
	assert_int_equal(told.waited.st, ST_OK);
	assert_string_equal(told.names, "v1/ConfigMap/a v1/ConfigMap/b ");
	assert_int_equal(server_count("GET", "/api/v1/configmaps"), 1);
}

static void test_a_list_that_fails_says_why_and_what_came_before_was_told(void **state)
{
	static const struct { const char *answer; enum status st; const char *text; } rows[] = {
		{ "[{'code': 403, 'body': '{\\\"kind\\\":\\\"Status\\\",\\\"code\\\":403,\\\"reason\\\":\\\"Forbidden\\\",\\\"message\\\":"
		  "\\\"configmaps is forbidden\\\"}'}]", ST_FORBIDDEN, "configmaps is forbidden" },
		{ "[{'body': '{\\\"kind\\\":\\\"ConfigMap\\\"}'}]", ST_UPSTREAM, "no list of objects" },
		{ "[{'body': 'nonsense'}]", ST_UPSTREAM, "no list of objects" },
		{ "[{'code': 410, 'body': '{\\\"kind\\\":\\\"Status\\\",\\\"code\\\":410,\\\"reason\\\":\\\"Expired\\\",\\\"message\\\":"
		  "\\\"too old\\\"}'}]", ST_UNAVAILABLE, "too old" },
	};
	struct told told;

	(void) state;
	server_rule("GET", FIRST, PAGE("n", ITEM("a")));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		server_rule("GET", FIRST "&continue=n", rows[i].answer);
		list(&told);
		if (told.waited.st != rows[i].st || strstr(told.waited.text, rows[i].text) == NULL)
			print_error("%zu: %s: %s\n", i, status_name(told.waited.st), told.waited.text);
		assert_int_equal(told.waited.st, rows[i].st);
		assert_non_null(strstr(told.waited.text, rows[i].text));
		assert_string_equal(told.names, "v1/ConfigMap/a ");
		assert_int_equal(told.late, 0);
	}
}

/* With other bounds than the fixture's. */
static void open_with(unsigned in_flight)
{
	kube_cluster_unref(cluster);
	kube_close(kube);
	assert_ok(kube_open(&(struct kube_options) { .loops = 1, .in_flight = in_flight }, &kube, NO_ERR));
	cluster = cluster_of(kube, "c", "https", "ca");
}

static void wait_for_requests(const char *path, size_t count)
{
	for (const int64_t until_ns = deadline_in_ms(10000); server_count("GET", path) < count; )
		assert_false(deadline_past(until_ns));
}

static void test_a_list_under_way_ends_with_its_deadline_or_its_client(void **state)
{
	struct told told = { .late = 0 }, other = { .late = 0 };

	(void) state;
	server_rule("GET", FIRST, "[{'delay': 30, 'body': ''}]");
	waited_init(&told.waited);
	waited_init(&other.waited);
	kube_list(cluster, VIEW("v1"), VIEW("ConfigMap"), "a=b", deadline_in_ms(300), take, &told);
	waited_until(&told.waited, 1);
	assert_int_equal(told.waited.st, ST_DEADLINE);
	assert_false(kube_cluster_state(cluster).is_open);       /* who was in a hurry says nothing of the cluster */
	assert_int_equal(kube_cluster_state(cluster).failures, 0);

	kube_list(cluster, VIEW("v1"), VIEW("ConfigMap"), "a=b", deadline_in_ms(60000), take, &other);
	wait_for_requests("/api/v1/configmaps", 2);
	kube_cluster_unref(cluster);
	cluster = NULL;
	kube_close(kube);
	kube = client_open();
	assert_int_equal(other.waited.count, 1);
	assert_int_not_equal(other.waited.st, ST_OK);
}

static void test_half_of_the_places_are_no_lists(void **state)
{
	enum { LISTS = 6, PLACES = 4 };
	struct told   told[LISTS];
	struct waited waited;

	(void) state;
	server_rule("GET", FIRST, "[" LATE "," LATE ",{'code': 429, 'headers': {'Retry-After': '1'}}," AT_ONCE "]");
	open_with(PLACES);
	for (size_t i = 0; i < LISTS; i++)
		ask_for_list(&told[i]);
	wait_for_requests(FIRST, PLACES / 2);
	waited_init(&waited);
	ask(cluster, "GET", "/version", 15000, &waited);
	assert_int_equal(server_count("GET", FIRST), PLACES / 2);
	for (size_t i = 0; i < LISTS; i++) {
		waited_until(&told[i].waited, 1);
		assert_int_equal(told[i].waited.st, ST_OK);
	}
	assert_int_equal(server_count("GET", FIRST), LISTS + 1);
	assert_int_equal(kube_cluster_state(cluster).waiting, 0);
}

static void test_a_list_waits_for_all_that_are_none(void **state)
{
	const struct kube_request request = {
		.method = "GET", .path = "/version", .body = VIEW(""), .deadline_ns = deadline_in_ms(15000),
	};
	struct told   told[2];
	struct waited waited;

	(void) state;
	server_rule("GET", FIRST, "[" LATE "," AT_ONCE "]");
	open_with(1);
	ask_for_list(&told[0]);
	wait_for_requests(FIRST, 1);
	ask_for_list(&told[1]);
	for (const int64_t until_ns = deadline_in_ms(10000); kube_cluster_state(cluster).waiting == 0; )
		assert_false(deadline_past(until_ns));
	waited_init(&waited);
	kube_send(cluster, &request, waited_done, &waited);
	waited_until(&told[1].waited, 1);

	auto_json *log = server_log();
	const size_t last = json_array_size(log) - 1;
	assert_int_equal(waited.count, 1);
	assert_string_equal(json_string_at(json_array_get(log, last - 1), "path"), "/version");
	assert_int_equal(told[0].waited.st, ST_OK);
	assert_int_equal(told[1].waited.st, ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages_are_asked_for_until_there_is_no_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_has_enough_gets_no_further_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_list_that_fails_says_why_and_what_came_before_was_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_list_under_way_ends_with_its_deadline_or_its_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_of_the_places_are_no_lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_list_waits_for_all_that_are_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
