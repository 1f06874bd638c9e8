#include "tests/unit/kube/fixture.h"

#include <pthread.h>
#include <unistd.h>

static struct kube         *kube;
static struct kube_cluster *cluster;

/* What was seen, as one line: "+a +b SYNCED ~a -b LOST(why)". */
static struct {
	pthread_mutex_t lock;
	char            text[8192];
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void see(void *data, enum kube_event event, const json_t *object, const char *text)
{
	static const char *const marks[] = { "+", "~", "-", "SYNCED", "LOST" };

	(void) data;
	pthread_mutex_lock(&seen.lock);
	const size_t len = strlen(seen.text);
	snprintf(seen.text + len, sizeof seen.text - len, "%s%s%s%s%s ", marks[event],
	         object != NULL ? json_string_at(object, "metadata.name") : "", text[0] ? "(" : "", text, text[0] ? ")" : "");
	if (object != NULL && (json_string_at(object, "kind")[0] == '\0' || json_string_at(object, "apiVersion")[0] == '\0'))
		snprintf(seen.text, sizeof seen.text, "an object without a kind");
	pthread_mutex_unlock(&seen.lock);
}

static bool has_seen(const char *part)
{
	pthread_mutex_lock(&seen.lock);
	const bool has = strstr(seen.text, part) != NULL;
	pthread_mutex_unlock(&seen.lock);
	return has;
}

static void until_seen(const char *part)
{
	const int64_t deadline_ns = deadline_in_ms(15000);

	while (!has_seen(part) && !deadline_past(deadline_ns))
		usleep(5000);
	if (!has_seen(part))
		print_error("want %s, got %s\n", part, seen.text);
	assert_true(has_seen(part));
}

static int set_up(void **state)
{
	(void) state;
	server_forget();
	seen.text[0] = '\0';
	server_rule("GET", "/api/v1", "[{\"body\":\"{\\\"resources\\\":[{\\\"name\\\":\\\"pods\\\",\\\"kind\\\":\\\"Pod\\\","
	                              "\\\"namespaced\\\":true}]}\"}]");
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

#define Q "\\\""
#define LIST(version, next, items) "{\"body\":\"{" Q "metadata" Q ":{" Q "resourceVersion" Q ":" Q version Q "," \
	Q "continue" Q ":" Q next Q "}," Q "items" Q ":[" items "]}\"}"
#define ITEM(name) "{" Q "metadata" Q ":{" Q "name" Q ":" Q name Q "}}"
#define EVENT(type, name, version) "\"{" Q "type" Q ":" Q type Q "," Q "object" Q ":{" Q "kind" Q ":" Q "Pod" Q "," \
	Q "apiVersion" Q ":" Q "v1" Q "," Q "metadata" Q ":{" Q "name" Q ":" Q name Q "," Q "resourceVersion" Q ":" Q version Q "}}}\\n\""
#define GONE "\"{" Q "type" Q ":" Q "ERROR" Q "," Q "object" Q ":{" Q "kind" Q ":" Q "Status" Q "," Q "code" Q ":410," \
	Q "message" Q ":" Q "too old resource version" Q "}}\\n\""
#define LISTING "/api/v1/pods?limit"
#define WATCHING "/api/v1/pods?watch"

static struct kube_watch *watch_pods(void)
{
	struct kube_watch *watch = kube_watch_open(cluster, VIEW("v1"), VIEW("Pod"), "emco/deployment-id=1-a", see, NULL);

	assert_non_null(watch);
	return watch;
}

static void test_lists_in_pages_then_streams(void **state)
{
	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "p 2", ITEM("a") "," ITEM("b")) "," LIST("7", "", ITEM("c")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[" EVENT("MODIFIED", "a", "8") "," EVENT("DELETED", "b", "9") ","
	                             EVENT("BOOKMARK", "", "12") ",0.3]},{\"stream\":[" EVENT("ADDED", "d", "13") ",5]}]");
	struct kube_watch *watch = watch_pods();
	until_seen("+a +b +c SYNCED ~a -b +d ");
	kube_watch_close(watch);
	auto_json *log = server_log();
	assert_string_equal(json_string_at(json_array_get(log, 1), "path"),
	                    "/api/v1/pods?limit=500&labelSelector=emco%2Fdeployment-id%3D1-a");
	assert_string_equal(json_string_at(json_array_get(log, 2), "path"),
	                    "/api/v1/pods?limit=500&labelSelector=emco%2Fdeployment-id%3D1-a&continue=p%202");
	assert_non_null(strstr(json_string_at(json_array_get(log, 3), "path"), "resourceVersion=7"));
	assert_non_null(strstr(json_string_at(json_array_get(log, 3), "path"), "allowWatchBookmarks=true"));
	assert_non_null(strstr(json_string_at(json_array_get(log, 4), "path"), "resourceVersion=12"));
}

static void test_an_expired_version_lists_again(void **state)
{
	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "," LIST("20", "", ITEM("b")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[" EVENT("MODIFIED", "a", "8") "," GONE ",3]},{'code':200,\"stream\":[9]}]");
	server_rule("GET", WATCHING, "[{\"stream\":[" EVENT("MODIFIED", "a", "8") "," GONE ",3]},{\"stream\":[9]}]");
	struct kube_watch *watch = watch_pods();
	until_seen("+a SYNCED ~a LOST(the server no longer has the history since the last event; listing again) +b SYNCED");
	kube_watch_close(watch);
}

static void test_an_answer_of_410_lists_again(void **state)
{
	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "]");
	server_rule("GET", WATCHING, "[{\"code\":410,\"body\":\"{}\"},{\"stream\":[9]}]");
	struct kube_watch *watch = watch_pods();
	until_seen("+a SYNCED LOST(the server no longer has the history since the last event; listing again) +a SYNCED");
	kube_watch_close(watch);
}

static void test_a_broken_stream_goes_on_where_it_was(void **state)
{
	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[" EVENT("MODIFIED", "a", "8") "],\"break\":\"half\"},"
	                             "{\"stream\":[\"{" Q "type" Q ":" Q "MODIF\", 0.1, \"IED" Q "," Q "object" Q ":{" Q "kind" Q ":" Q "Pod" Q ","
	                             Q "apiVersion" Q ":" Q "v1" Q "," Q "metadata" Q ":{" Q "name" Q ":" Q "z" Q "," Q "resourceVersion" Q ":" Q "9" Q "}}}\\n\",5]}]");
	struct kube_watch *watch = watch_pods();
	until_seen("+a SYNCED ~a ~z ");
	assert_int_equal(server_count("GET", LISTING), 1);
	kube_watch_close(watch);
}

static void test_what_is_no_watch_is_a_loss_that_says_so(void **state)
{
	static const struct row { const char *list, *stream, *want; } rows[] = {
		{ "[{\"body\":\"nonsense\"}]", "[{}]", "LOST(the server's answer is no list of objects) " },
		{ "[{\"code\":403,\"body\":\"{" Q "kind" Q ":" Q "Status" Q "," Q "message" Q ":" Q "pods is forbidden" Q "}\"}]", "[{}]",
		  "LOST(pods is forbidden) " },
		{ "[" LIST("7", "", "") "]", "[{\"stream\":[\"nonsense\\n\"]}]", "SYNCED LOST(the server's watch sends what is no JSON) " },
		{ "[" LIST("7", "", "") "]", "[{\"stream\":[\"{}\\n\"]}]", "SYNCED LOST(the server's watch sends what is no object) " },
		{ "[" LIST("7", "", "") "]", "[{\"stream\":[]}]", "SYNCED LOST(the server ends every watch at once) " },
		{ "[" LIST("7", "", "") "]", "[{\"stream\":[\"{" Q "type" Q ":" Q "ERROR" Q "," Q "object" Q ":{" Q "message" Q ":" Q "no, Bearer secret-token" Q "}}\\n\"]}]",
		  "SYNCED LOST(no, Bearer ************) " },
		{ "[" LIST("7", "", "") "]", "[{\"stream\":[\"{" Q "type" Q ":" Q "ERROR" Q "," Q "object" Q ":{}}\\n\"]}]",
		  "SYNCED LOST(the server ends the watch and does not say why) " },
		{ "[{\"break\":\"half\",\"body\":\"xxxxxxxxx\"}]", "[{}]", "LOST(cluster \"c\" at https://127.0.0.1:" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		seen.text[0] = '\0';
		server_rule("GET", LISTING, rows[i].list);
		server_rule("GET", WATCHING, rows[i].stream);
		struct kube_watch *watch = watch_pods();
		until_seen(rows[i].want);
		kube_watch_close(watch);
	}
}

static void test_a_watch_comes_back_when_the_cluster_does(void **state)
{
	struct kube_cluster *dead;
	auto_buf             bad = BUF(20000), good = BUF(20000);

	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[5]}]");
	assert_ok(buf_add_text(&bad, "contexts: [{name: x, context: {cluster: c}}]\n"
	                             "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n", NO_ERR));
	assert_ok(kube_cluster_ref(kube, VIEW("d"), buf_view(&bad), &dead, NO_ERR));
	struct kube_watch *watch = kube_watch_open(dead, VIEW("v1"), VIEW("Pod"), "", see, NULL);
	until_seen("LOST(");
	kubeconfig_of("https", "ca", NULL, &good);
	kube_cluster_unref(dead);
	assert_ok(kube_cluster_ref(kube, VIEW("d"), buf_view(&good), &dead, NO_ERR));
	until_seen("+a SYNCED");
	kube_watch_close(watch);
	kube_cluster_unref(dead);
}

static void test_closing_is_safe_at_any_time(void **state)
{
	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[5]}]");
	for (unsigned i = 0; i < 40; i++) {
		struct kube_watch *watch = watch_pods();
		usleep(i * 500);
		kube_watch_close(watch);
	}
}

static void test_closing_the_client_ends_a_watch_that_may_be_closed_afterwards(void **state)
{
	struct kube         *other = client_open();
	struct kube_cluster *its = cluster_of(other, "c", "https", "ca");

	(void) state;
	server_rule("GET", LISTING, "[" LIST("7", "", ITEM("a")) "]");
	server_rule("GET", WATCHING, "[{\"stream\":[5]}]");
	struct kube_watch *watch = kube_watch_open(its, VIEW("v1"), VIEW("Pod"), "", see, NULL);
	until_seen("SYNCED");
	kube_cluster_unref(its);
	kube_close(other);
	kube_watch_close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lists_in_pages_then_streams, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_expired_version_lists_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_of_410_lists_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_broken_stream_goes_on_where_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_watch_is_a_loss_that_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_watch_comes_back_when_the_cluster_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closing_is_safe_at_any_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closing_the_client_ends_a_watch_that_may_be_closed_afterwards, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
