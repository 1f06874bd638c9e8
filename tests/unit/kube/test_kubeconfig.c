#include "tests/unit/base/test.h"

#include "lib/kube/base64.h"
#include "lib/kube/config.h"

/* base64 of "-----BEGIN X-----\n" */
#define PEM "LS0tLS1CRUdJTiBYLS0tLS0K"
#define HEAD "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u, namespace: web}}]\n"
#define CLUSTER(text) "clusters: [{name: c, cluster: {" text "}}]\n"
#define USER(text) "users: [{name: u, user: {" text "}}]\n"
#define GOOD_CLUSTER CLUSTER("server: 'https://192.0.2.1:6443/'")

static void test_a_kubeconfig_says_how_to_reach_one_cluster(void **state)
{
	struct kube_config *config;

	(void) state;
	assert_ok(kube_config_read(view_of(HEAD CLUSTER("server: 'https://192.0.2.1:6443//', tls-server-name: api.x, "
	                                                "certificate-authority-data: " PEM)
	                                   USER("client-certificate-data: " PEM ", client-key-data: " PEM ", token: abc.DEF-1")),
	                           &config, NO_ERR));
	const struct kube_access *access = kube_config_access(config);
	assert_string_equal(access->server, "https://192.0.2.1:6443");
	assert_string_equal(access->server_name, "api.x");
	assert_string_equal(access->namespace_, "web");
	assert_string_equal(access->token, "abc.DEF-1");
	assert_true(view_is(access->ca, "-----BEGIN X-----\n"));
	assert_true(view_is(access->certificate, "-----BEGIN X-----\n"));
	assert_true(view_is(access->key, "-----BEGIN X-----\n"));
	kube_config_free(config);
	kube_config_free(NULL);

	assert_ok(kube_config_read(view_of("{\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
	                                   "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://localhost:8080\"}}]}"),
	                           &config, NO_ERR));
	assert_string_equal(kube_config_access(config)->server, "http://localhost:8080");
	assert_string_equal(kube_config_access(config)->token, "");
	kube_config_free(config);
}

static void test_what_is_wrong_is_named(void **state)
{
	static const struct row { const char *text; enum status st; const char *want; } rows[] = {
		{ "",                           ST_MALFORMED, NULL },
		{ "a: [",                       ST_MALFORMED, NULL },
		{ "{}",                         ST_INVALID,   "not a kubeconfig: it has no \"clusters\" and no \"contexts\"" },
		{ "[]",                         ST_INVALID,   "not a kubeconfig: it has no \"clusters\" and no \"contexts\"" },
		{ "kind: Pod\ncontexts: []",    ST_INVALID,   "not a kubeconfig: expected \"kind\" \"Config\", got \"Pod\"" },
		{ "contexts: []",               ST_INVALID,   "kubeconfig has no \"current-context\"" },
		{ "current-context: y\n" GOOD_CLUSTER, ST_INVALID, "kubeconfig has no context \"y\"" },
		{ HEAD,                         ST_INVALID,   "kubeconfig has no cluster \"c\"" },
		{ HEAD GOOD_CLUSTER,            ST_INVALID,   "kubeconfig has no user \"u\"" },
		{ HEAD CLUSTER(""),             ST_INVALID,   "cluster \"c\" has no \"server\"" },
		{ HEAD CLUSTER("server: 7"),    ST_INVALID,   "\"server\" of cluster \"c\" must be a string" },
		{ HEAD CLUSTER("server: 'http://192.0.2.1'"),      ST_INVALID, "\"server\" of cluster \"c\" must begin with https://, got http://" },
		{ HEAD CLUSTER("server: 'http://127.evil.example'"), ST_INVALID, "\"server\" of cluster \"c\" must begin with https://, got http://" },
		{ HEAD CLUSTER("server: 'file:///etc/passwd'"),    ST_INVALID, NULL },
		{ HEAD CLUSTER("server: 'https://a:b@192.0.2.1'"), ST_INVALID, "\"server\" of cluster \"c\" must not hold a user or password" },
		{ HEAD CLUSTER("server: 'https://192.0.2.1/?x=y'"), ST_INVALID, "\"server\" of cluster \"c\" must not hold a query or fragment" },
		{ HEAD CLUSTER("server: 'https://x', insecure-skip-tls-verify: true"), ST_INVALID,
		  "cluster \"c\" asks to skip verification (\"insecure-skip-tls-verify\"), which is refused" },
		{ HEAD CLUSTER("server: 'https://x', certificate-authority: /etc/ca.crt"), ST_INVALID,
		  "cluster \"c\" names a file (\"certificate-authority\"), which is refused" },
		{ HEAD CLUSTER("server: 'https://x', tls-server-name: 'a b:1'"), ST_INVALID, "\"tls-server-name\" of cluster \"c\" is no host name" },
		{ HEAD CLUSTER("server: 'https://x', proxy-url: 'http://y'"), ST_INVALID,
		  "cluster \"c\" asks for a proxy (\"proxy-url\"), which is refused" },
		{ HEAD CLUSTER("server: 'https://x', certificate-authority-data: '!!'"), ST_INVALID,
		  "\"certificate-authority-data\" of cluster \"c\" is no base64" },
		{ HEAD CLUSTER("server: 'https://x', certificate-authority-data: eHl6"), ST_INVALID,
		  "\"certificate-authority-data\" of cluster \"c\" holds no PEM block" },
		{ HEAD GOOD_CLUSTER USER("exec: {command: rm}"), ST_INVALID, "user \"u\" asks to run a program (\"exec\"), which is refused" },
		{ HEAD GOOD_CLUSTER USER("auth-provider: {name: gcp}"), ST_INVALID,
		  "user \"u\" asks for an authentication provider (\"auth-provider\"), which is refused" },
		{ HEAD GOOD_CLUSTER USER("tokenFile: /etc/passwd"), ST_INVALID, "user \"u\" names a file (\"tokenFile\"), which is refused" },
		{ HEAD GOOD_CLUSTER USER("client-key: /etc/key"),   ST_INVALID, "user \"u\" names a file (\"client-key\"), which is refused" },
		{ HEAD GOOD_CLUSTER USER("as: admin"),              ST_INVALID, "user \"u\" asks for impersonation (\"as\"), which is refused" },
		{ HEAD GOOD_CLUSTER USER("client-key-data: " PEM),  ST_INVALID, "user \"u\" has a client key without its certificate" },
		{ HEAD GOOD_CLUSTER USER("token: \"a\\r\\nEvil: 1\""), ST_INVALID,
		  "\"token\" of user \"u\" is no token: blanks, control characters or too long" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_config *config = NULL;
		struct error        err = { .code = ST_OK };
		const enum status   st = kube_config_read(view_of(rows[i].text), &config, &err);
		if (st != rows[i].st || (rows[i].want != NULL && strcmp(err.text, rows[i].want) != 0))
			print_error("%zu: %s: %s\n", i, status_name(st), err.text);
		assert_int_equal(st, rows[i].st);
		assert_null(config);
		if (rows[i].want != NULL)
			assert_string_equal(err.text, rows[i].want);
	}
}

static void test_base64_there_and_back(void **state)
{
	static const struct row { const char *plain, *coded; } rows[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xff\xfe\xfd", "//79" },
	};
	static const char *const bad[] = { "Z", "Zg=", "Zg", "Zg==Zg==", "=", "Z===", "Zm9v=", "Zm$v" };

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf coded = BUF(100), plain = BUF(100);
		assert_ok(base64_write(&coded, view_of(rows[i].plain), NO_ERR));
		assert_string_equal(coded.data, rows[i].coded);
		assert_ok(base64_read(&plain, view_of(rows[i].coded), NO_ERR));
		assert_string_equal(plain.data, rows[i].plain);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_buf     plain = BUF(100);
		struct error err;
		assert_status(base64_read(&plain, view_of(bad[i]), &err), ST_MALFORMED, &err, "no base64");
		assert_int_equal(plain.len, 0);
	}
	auto_buf plain = BUF(100);
	assert_ok(base64_read(&plain, view_of("Zm9\n v\r\n"), NO_ERR));
	assert_string_equal(plain.data, "foo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_kubeconfig_says_how_to_reach_one_cluster),
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_base64_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
