#include "tests/unit/kube/fixture.h"

#include "lib/kube/base64.h"
#include "lib/kube/kube_priv.h"

#include <arpa/inet.h>
#include <unistd.h>

static struct kube *kube;

static int set_up(void **state)
{
	(void) state;
	server_forget();
	kube = client_open();
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	kube_close(kube);
	return 0;
}

static void test_an_answer_comes_back_whatever_its_code(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/version", "[{'code': 200, 'body': '{}'}, {'code': 418, 'body': 'tea'}]");
	ask(cluster, "GET", "/version", 5000, &waited);
	assert_int_equal(waited.st, ST_OK);
	assert_int_equal(waited.code, 200);
	assert_string_equal(waited.body, "{}");
	ask(cluster, "GET", "/version", 5000, &waited);
	assert_int_equal(waited.code, 418);
	assert_string_equal(waited.body, "tea");

	auto_json *log = server_log();
	const json_t *headers = json_object_get(json_array_get(log, 0), "headers");
	assert_string_equal(json_string_value(json_object_get(headers, "Authorization")), "Bearer secret-token");
	assert_string_equal(json_string_value(json_object_get(headers, "User-Agent")), "emcod/test");
	assert_int_equal(json_int_at(json_array_get(log, 0), "port", 0), json_int_at(json_array_get(log, 1), "port", 1));
	kube_cluster_unref(cluster);
}

static void test_many_requests_share_few_connections_and_all_end(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/", "[{'body': '{}'}]");
	for (int i = 0; i < 300; i++)
		kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/x", .body = VIEW(""),
		                                            .deadline_ns = deadline_in_ms(20000) }, waited_done, &waited);
	waited_until(&waited, 300);
	const struct kube_cluster_state now = kube_cluster_state(cluster);
	assert_int_equal(now.requests, 300);
	assert_int_equal(now.failures, 0);
	assert_int_equal(now.in_flight, 0);
	assert_int_equal(now.waiting, 0);
	kube_cluster_unref(cluster);
}

static void test_a_server_that_is_not_the_one_we_know_is_named(void **state)
{
	static const struct row { const char *port, *ca, *want; } rows[] = {
		{ "https",   "other", "self-signed certificate in certificate chain" },
		{ "expired", "ca",    "certificate has expired" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_cluster *cluster = cluster_of(kube, rows[i].port, rows[i].port, rows[i].ca);
		struct waited        waited;
		waited_init(&waited);
		ask(cluster, "GET", "/version", 5000, &waited);
		assert_int_equal(waited.st, ST_UNAVAILABLE);
		if (strstr(waited.text, rows[i].want) == NULL)
			print_error("%s\n", waited.text);
		assert_non_null(strstr(waited.text, rows[i].want));
		assert_non_null(strstr(waited.text, "https://127.0.0.1:"));
		assert_null(strstr(waited.text, "secret-token"));
		kube_cluster_unref(cluster);
	}
	assert_int_equal(server_count("GET", "/"), 0);
}

static void test_retry_after_is_honoured_while_there_is_time(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        waited;
	const int64_t        begin = clock_ns();

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/a", "[{'code': 429, 'headers': {'Retry-After': '1'}}, {'code': 503, 'headers': {'Retry-After': '0'}}, "
	                         "{'body': '{}'}]");
	server_rule("GET", "/b", "[{'code': 429, 'headers': {'Retry-After': '60'}, 'body': 'busy'}, {'body': '{}'}]");
	server_rule("GET", "/c", "[{'code': 429, 'body': 'busy'}, {'body': '{}'}]");
	ask(cluster, "GET", "/a", 10000, &waited);
	assert_int_equal(waited.code, 200);
	assert_true(clock_ns() - begin >= 1000000000);
	ask(cluster, "GET", "/b", 10000, &waited);
	assert_int_equal(waited.code, 429);
	ask(cluster, "GET", "/c", 10000, &waited);
	assert_int_equal(waited.code, 429);
	kube_cluster_unref(cluster);
}

static void test_what_breaks_on_the_way_is_said(void **state)
{
	static const struct row { const char *answer; int64_t ms; enum status want; const char *text; } rows[] = {
		{ "[{'break': 'half', 'body': 'xxxxxxxxxx'}]",   3000, ST_UNAVAILABLE, "bytes remaining"  },
		{ "[{'break': 'garbage'}]",                      3000, ST_UPSTREAM,    "HTTP/0.9"         },
		{ "[{'break': 'before'}]",                       3000, ST_UNAVAILABLE, ""                 },
		{ "[{'delay': 3, 'body': '{}'}]",                 200, ST_DEADLINE,    "timed out"        },
		{ "[{'size': 68000000}]",                       20000, ST_TOO_LARGE,   "an answer of more than 67108864 bytes" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char                 name[16];
		struct waited        waited;
		snprintf(name, sizeof name, "c%zu", i);
		struct kube_cluster *cluster = cluster_of(kube, name, "https", "ca");
		waited_init(&waited);
		server_rule("GET", "/", rows[i].answer);
		ask(cluster, "GET", "/x", rows[i].ms, &waited);
		if (waited.st != rows[i].want || strstr(waited.text, rows[i].text) == NULL)
			print_error("%zu: %s %s\n", i, status_name(waited.st), waited.text);
		assert_int_equal(waited.st, rows[i].want);
		assert_non_null(strstr(waited.text, rows[i].text));
		kube_cluster_unref(cluster);
	}
}

static void test_a_redirect_is_not_followed_and_names_its_target(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        waited;
	struct error         err;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/x", "[{'code': 302, 'headers': {'Location': 'https://evil.example/steal'}}]");
	ask(cluster, "GET", "/x", 3000, &waited);
	assert_int_equal(waited.code, 302);
	const struct kube_answer answer = { .code = 302, .body = VIEW(""), .location = VIEW("https://evil.example/steal") };
	assert_status(kube_answer_fail(&answer, "cluster \"c\"", &err), ST_UPSTREAM, &err,
	              "cluster \"c\": the server redirects to https://evil.example/steal, which is not followed: "
	              "check \"server\" of the kubeconfig");
	kube_cluster_unref(cluster);
}

static void test_a_credential_that_is_repeated_is_hidden(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/x", "[{'code': 502, 'body': 'you said: Bearer secret-token, secret-token'}]");
	ask(cluster, "GET", "/x", 3000, &waited);
	assert_int_equal(waited.code, 502);
	assert_string_equal(waited.body, "you said: Bearer ************, ************");

	waited_init(&waited);
	server_rule("GET", "/y", "[{'code': 302, 'headers': {'Location': 'https://x.example/?token=secret-token&more'}}]");
	ask(cluster, "GET", "/y", 3000, &waited);
	assert_string_equal(waited.location, "https://x.example/?token=************&more");
	kube_cluster_unref(cluster);
}

static void test_the_circuit_opens_fails_at_once_and_closes_with_the_first_answer(void **state)
{
	struct kube_cluster *cluster;
	struct waited        waited;
	auto_buf             good = BUF(20000), bad = BUF(20000);

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/", "[{'body': '{}'}]");
	kubeconfig_of("https", "ca", NULL, &good);
	assert_ok(buf_add_text(&bad, "contexts: [{name: x, context: {cluster: c}}]\n"
	                             "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n", NO_ERR));
	assert_ok(kube_cluster_ref(kube, VIEW("c"), buf_view(&bad), &cluster, NO_ERR));
	assert_true(kube_cluster_state(cluster).is_reachable);
	ask(cluster, "GET", "/x", 3000, &waited);
	assert_int_equal(waited.st, ST_UNAVAILABLE);
	assert_string_equal(waited.hint, "Check that the API server runs, and \"server\" of the kubeconfig.");
	assert_true(kube_cluster_state(cluster).is_open);
	assert_false(kube_cluster_state(cluster).is_reachable);
	assert_non_null(strstr(kube_cluster_state(cluster).error, "127.0.0.1:1"));
	ask(cluster, "GET", "/x", 3000, &waited);
	assert_int_equal(waited.st, ST_UNAVAILABLE);
	assert_int_equal(kube_cluster_state(cluster).requests, 1);

	/* new bytes of its kubeconfig: tried at once, many at a time, and well */
	kube_cluster_unref(cluster);
	assert_ok(kube_cluster_ref(kube, VIEW("c"), buf_view(&good), &cluster, NO_ERR));
	for (int i = 0; i < 20; i++)
		kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/x", .body = VIEW(""),
		                                            .deadline_ns = deadline_in_ms(10000) }, waited_done, &waited);
	waited_until(&waited, 22);
	assert_int_equal(kube_cluster_state(cluster).requests, 21);
	assert_int_equal(waited.st, ST_OK);
	assert_false(kube_cluster_state(cluster).is_open);
	assert_string_equal(kube_cluster_state(cluster).error, "");
	kube_cluster_unref(cluster);
}

static void test_a_cluster_is_known_by_its_tag_while_it_is_made_of_that_kubeconfig(void **state)
{
	struct kube_cluster *cluster, *known;
	auto_buf             first = BUF(20000), second = BUF(20000);

	(void) state;
	kubeconfig_of("https", "ca", NULL, &first);
	assert_ok(buf_add_text(&second, "contexts: [{name: x, context: {cluster: c}}]\n"
	                                "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n", NO_ERR));
	assert_null(kube_cluster_known(kube, VIEW("t"), 7));
	assert_ok(kube_cluster_ref_tagged(kube, VIEW("t"), buf_view(&first), 7, &cluster, NO_ERR));
	known = kube_cluster_known(kube, VIEW("t"), 7);
	assert_ptr_equal(known, cluster);
	kube_cluster_unref(known);
	assert_null(kube_cluster_known(kube, VIEW("t"), 8));
	assert_null(kube_cluster_known(kube, VIEW("t"), 0));
	assert_null(kube_cluster_known(kube, VIEW("u"), 7));
	kube_cluster_unref(cluster);

	/* The same bytes without a tag keep it, others without one have none. */
	assert_ok(kube_cluster_ref(kube, VIEW("t"), buf_view(&first), &cluster, NO_ERR));
	kube_cluster_unref(cluster);
	known = kube_cluster_known(kube, VIEW("t"), 7);
	assert_ptr_equal(known, cluster);
	kube_cluster_unref(known);
	assert_ok(kube_cluster_ref(kube, VIEW("t"), buf_view(&second), &cluster, NO_ERR));
	kube_cluster_unref(cluster);
	assert_null(kube_cluster_known(kube, VIEW("t"), 7));
	assert_ok(kube_cluster_ref_tagged(kube, VIEW("t"), buf_view(&second), 9, &cluster, NO_ERR));
	kube_cluster_unref(cluster);
	assert_null(kube_cluster_known(kube, VIEW("t"), 7));
	known = kube_cluster_known(kube, VIEW("t"), 9);
	assert_ptr_equal(known, cluster);
	kube_cluster_unref(known);
}

static void test_a_cluster_that_nobody_holds_is_forgotten_with_its_tag_after_a_while(void **state)
{
	struct kube         *quick;
	struct kube_cluster *held, *dropped, *known;
	struct waited        waited;
	auto_buf             text = BUF(20000);

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/", "[{'body': '{}'}]");
	kubeconfig_of("https", "ca", NULL, &text);
	assert_ok(kube_open(&(struct kube_options) { .loops = 1, .keep_ns = 50000000 }, &quick, NO_ERR));
	assert_ok(kube_cluster_ref_tagged(quick, VIEW("held"), buf_view(&text), 7, &held, NO_ERR));
	assert_ok(kube_cluster_ref_tagged(quick, VIEW("dropped"), buf_view(&text), 7, &dropped, NO_ERR));
	ask(dropped, "GET", "/x", 5000, &waited);
	assert_int_equal(waited.st, ST_OK);
	kube_cluster_unref(dropped);

	/* Looked for more rarely than it is kept: who finds it holds it, and it would stay. */
	known = dropped;
	for (int i = 0; i < 100 && known != NULL; i++) {
		usleep(200000);
		known = kube_cluster_known(quick, VIEW("dropped"), 7);
		kube_cluster_unref(known);
	}
	assert_null(known);
	known = kube_cluster_known(quick, VIEW("held"), 7);
	assert_ptr_equal(known, held);
	kube_cluster_unref(known);
	assert_ok(kube_cluster_ref_tagged(quick, VIEW("dropped"), buf_view(&text), 8, &dropped, NO_ERR));
	ask(dropped, "GET", "/x", 5000, &waited);
	assert_int_equal(waited.st, ST_OK);
	kube_cluster_unref(dropped);
	kube_cluster_unref(held);
	kube_close(quick);
}

static void test_a_slow_request_beside_quick_ones_opens_no_circuit(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	struct waited        slow, quick;

	(void) state;
	waited_init(&slow);
	waited_init(&quick);
	server_rule("GET", "/quick", "[{'body': '{}'}]");
	server_rule("GET", "/slow", "[{'delay': 3, 'body': '{}'}]");
	kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/slow", .body = VIEW(""),
	                                            .deadline_ns = deadline_in_ms(600) }, waited_done, &slow);
	for (int i = 0; i < 5; i++)
		ask(cluster, "GET", "/quick", 3000, &quick);
	waited_until(&slow, 1);
	assert_int_equal(slow.st, ST_DEADLINE);
	assert_false(kube_cluster_state(cluster).is_open);
	assert_true(kube_cluster_state(cluster).is_reachable);
	kube_cluster_unref(cluster);
}

static void test_silence_opens_the_circuit_and_one_answer_closes_it(void **state)
{
	struct kube_cluster *cluster = cluster_of(kube, "c", "https", "ca");
	const int64_t        deadline_ns = deadline_in_ms(10000);
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/x", "[{'body': '{}'}, {'delay': 2, 'body': '{}'}]");
	ask(cluster, "GET", "/x", 3000, &waited);
	assert_int_equal(waited.st, ST_OK);
	for (int i = 0; i < 40; i++)
		kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/x", .body = VIEW(""),
		                                            .deadline_ns = deadline_in_ms(400) }, waited_done, &waited);
	waited_until(&waited, 41);
	assert_true(kube_cluster_state(cluster).is_open);
	assert_int_equal(kube_cluster_state(cluster).waiting, 0);
	server_rule("GET", "/x", "[{'body': '{}'}]");
	do
		ask(cluster, "GET", "/x", 3000, &waited);
	while (waited.st != ST_OK && !deadline_past(deadline_ns));
	assert_int_equal(waited.st, ST_OK);
	assert_true(kube_cluster_state(cluster).is_reachable);
	kube_cluster_unref(cluster);
}

/* The second waits for the first one's connection, makes its own when that is given up, and has it broken at once. */
static void test_what_fails_because_the_circuit_opens_is_told_what_opened_it(void **state)
{
	struct sockaddr_in   address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t            size = sizeof address;
	const int            silent = socket(AF_INET, SOCK_STREAM, 0);
	struct kube_cluster *cluster;
	struct waited        first, second;
	auto_buf             text = BUF(1000);

	(void) state;
	waited_init(&first);
	waited_init(&second);
	assert_int_equal(bind(silent, (struct sockaddr *) &address, size), 0);
	assert_int_equal(listen(silent, 16), 0);
	assert_int_equal(getsockname(silent, (struct sockaddr *) &address, &size), 0);
	assert_ok(buf_printf(&text, NO_ERR, "contexts: [{name: x, context: {cluster: c}}]\n"
	                     "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:%d'}}]\n", ntohs(address.sin_port)));
	assert_ok(kube_cluster_ref(kube, VIEW("c"), buf_view(&text), &cluster, NO_ERR));
	kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/x", .body = VIEW(""),
	                                            .deadline_ns = deadline_in_ms(300) }, waited_done, &first);
	kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/y", .body = VIEW(""),
	                                            .deadline_ns = deadline_in_ms(4000) }, waited_done, &second);
	waited_until(&first, 1);
	waited_until(&second, 1);
	kube_cluster_unref(cluster);
	close(silent);
	assert_int_equal(first.st, ST_DEADLINE);
	assert_non_null(strstr(first.text, "timed out after"));
	assert_string_equal(first.hint, "It did not answer in time: check that it runs, and the network between.");
	assert_int_equal(second.st, ST_UNAVAILABLE);
	assert_string_equal(second.text, first.text);
	assert_string_equal(second.hint, first.hint);
}

/* libcurl closes a socket that was refused without telling: its number may be anybody's by the time all are shut down. */
static void test_only_our_own_sockets_are_shut_down(void **state)
{
	struct curl_sockaddr address = { .family = AF_INET, .socktype = SOCK_STREAM };
	struct sockets      *sockets = calloc(1, sizeof *sockets);
	int                  pair[2];
	char                 byte = 'x';

	(void) state;
	sockets->has_owner = true;
	const int fd = sockets_open(sockets, CURLSOCKTYPE_IPCXN, &address);
	assert_true(fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[0], fd), fd);
	sockets_break(sockets);
	assert_int_equal(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
	assert_int_equal(read(pair[1], &byte, 1), 1);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	sockets_let_go(sockets);
}

static void test_closing_ends_every_request(void **state)
{
	struct kube_cluster *cluster;
	struct kube         *other = client_open();
	struct waited        waited;

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/", "[{'delay': 2, 'body': '{}'}]");
	cluster = cluster_of(other, "c", "https", "ca");
	for (int i = 0; i < 50; i++)
		kube_send(cluster, &(struct kube_request) { .method = "GET", .path = "/x", .body = VIEW(""),
		                                            .deadline_ns = deadline_in_ms(20000) }, waited_done, &waited);
	kube_cluster_unref(cluster);
	kube_close(other);
	assert_int_equal(waited.count, 50);
	assert_int_equal(waited.st, ST_DEADLINE);
}

static void test_a_client_certificate_is_shown(void **state)
{
	struct kube_cluster *cluster;
	struct waited        waited;
	auto_buf             text = BUF(20000), user = BUF(20000);

	(void) state;
	waited_init(&waited);
	server_rule("GET", "/", "[{'body': '{}'}]");
	/* base64 of both, by way of the fixture's own authority field */
	auto_buf certificate = BUF(10000), key = BUF(10000);

	assert_ok(base64_write(&certificate, json_text_at(server.hello, "certificate"), NO_ERR));
	assert_ok(base64_write(&key, json_text_at(server.hello, "key"), NO_ERR));
	assert_ok(buf_printf(&user, NO_ERR, "{client-certificate-data: %s, client-key-data: %s}", certificate.data, key.data));
	kubeconfig_of("https", "ca", user.data, &text);
	assert_ok(kube_cluster_ref(kube, VIEW("c"), buf_view(&text), &cluster, NO_ERR));
	ask(cluster, "GET", "/shown", 15000, &waited);
	kube_cluster_unref(cluster);
	assert_int_equal(waited.st, ST_OK);
	auto_json *log = server_log();          /* the server may only now read what the test before has left */
	size_t     i = 0;
	while (i < json_array_size(log) && !view_is(json_text_at(json_array_get(log, i), "path"), "/shown"))
		i++;
	assert_string_equal(json_string_at(json_array_get(log, i), "user"), "client");
}

static void test_another_name_for_tls_is_what_is_verified(void **state)
{
	static const struct row { const char *name; enum status want; } rows[] = {
		{ "localhost", ST_OK }, { "api.example", ST_UNAVAILABLE },
	};

	(void) state;
	server_rule("GET", "/", "[{'body': '{}'}]");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_cluster *cluster;
		struct waited        waited;
		auto_buf             text = BUF(20000), more = BUF(20000);
		waited_init(&waited);
		kubeconfig_of("https", "ca", NULL, &text);
		char *at = strstr(text.data, "certificate-authority-data");
		assert_ok(buf_printf(&more, NO_ERR, "%.*stls-server-name: %s, %s", (int) (at - text.data), text.data, rows[i].name, at));
		assert_ok(kube_cluster_ref(kube, view_of(rows[i].name), buf_view(&more), &cluster, NO_ERR));
		ask(cluster, "GET", "/x", 15000, &waited);
		assert_int_equal(waited.st, rows[i].want);
		kube_cluster_unref(cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_answer_comes_back_whatever_its_code, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_requests_share_few_connections_and_all_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_server_that_is_not_the_one_we_know_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_retry_after_is_honoured_while_there_is_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_breaks_on_the_way_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_redirect_is_not_followed_and_names_its_target, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_credential_that_is_repeated_is_hidden, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_circuit_opens_fails_at_once_and_closes_with_the_first_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_cluster_is_known_by_its_tag_while_it_is_made_of_that_kubeconfig, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_cluster_that_nobody_holds_is_forgotten_with_its_tag_after_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_slow_request_beside_quick_ones_opens_no_circuit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silence_opens_the_circuit_and_one_answer_closes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_fails_because_the_circuit_opens_is_told_what_opened_it, set_up, tear_down),
		cmocka_unit_test(test_only_our_own_sockets_are_shut_down),
		cmocka_unit_test_setup_teardown(test_closing_ends_every_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_client_certificate_is_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_name_for_tls_is_what_is_verified, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
