#include "host/resources/resources_priv.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define CONTEXT   "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
#define CLUSTERS  "clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: YQ==}}]\n"
#define USERS     "users: [{name: u, user: {client-certificate-data: YQ==, client-key-data: YQ==}}]\n"
#define HEAD      "apiVersion: v1\nkind: Config\ncurrent-context: x\n"

#define SERVER(url)     HEAD CONTEXT USERS "clusters: [{name: c, cluster: {server: '" url "'}}]\n"
#define CLUSTER(body)   HEAD CONTEXT USERS "clusters: [{name: c, cluster: {server: 'https://h', " body "}}]\n"
#define USER(body)      HEAD CONTEXT CLUSTERS "users: [{name: u, user: {" body "}}]\n"

static const char *const good[] = {
	HEAD CONTEXT CLUSTERS USERS,
	"kind: Config\n" CONTEXT CLUSTERS USERS,
	"kind: Config\ncurrent-context: ''\n" CONTEXT CLUSTERS USERS,
	"{\"kind\":\"Config\",\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\",\"user\":\"u\"}},"
	"{\"name\":\"y\",\"context\":{}}],\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://h\"}}],"
	"\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]}",
	SERVER("HTTPS://edge.example/k8s/clusters/c1"), SERVER("http://127.0.0.1:8001"), SERVER("http://localhost"),
	SERVER("http://[::1]:8001"), SERVER("http://LOCALHOST:1/x"),
	CLUSTER("insecure-skip-tls-verify: false"), CLUSTER("certificate-authority: ''"),
	USER("exec: null"), USER("auth-provider: ~"), USER(""),
};

static void test_a_kubeconfig_that_contains_all_it_needs_is_taken(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct error err = { 0 };
		if (kubeconfig_check(view_of(good[i]), &err) != ST_OK)
			fail_msg("%s: %s", good[i], err.text);
		assert_int_equal(err.code, ST_OK);
	}
}

static const struct bad { const char *text; enum status want; const char *said; } bad[] = {
	{ "", ST_MALFORMED, NULL },
	{ "[", ST_MALFORMED, NULL },
	{ "\x01", ST_MALFORMED, NULL },
	{ "just words", ST_INVALID, "kubeconfig: must be of kind \"Config\", got no object" },
	{ "apiVersion: v1", ST_INVALID, "kubeconfig: must be of kind \"Config\", got \"\"" },
	{ "kind: Deployment", ST_INVALID, "kubeconfig: must be of kind \"Config\", got \"Deployment\"" },
	{ "kind: Config", ST_INVALID, "kubeconfig: has 0 contexts and no \"current-context\", expected one to use" },
	{ "kind: Config\ncontexts: [{name: a}, {name: b}]", ST_INVALID,
	  "kubeconfig: has 2 contexts and no \"current-context\", expected one to use" },
	{ "kind: Config\ncurrent-context: z\n" CONTEXT CLUSTERS USERS, ST_INVALID,
	  "kubeconfig: \"current-context\" names \"z\", and there is no such context" },
	{ HEAD "contexts: [{name: x, context: {cluster: d, user: u}}]\n" CLUSTERS USERS, ST_INVALID,
	  "kubeconfig: its context names cluster \"d\", and there is no such cluster" },
	{ HEAD "contexts: [{name: x, context: {cluster: c, user: v}}]\n" CLUSTERS USERS, ST_INVALID,
	  "kubeconfig: its context names user \"v\", and there is no such user" },
	{ HEAD "contexts: [{name: x}]\n" CLUSTERS USERS, ST_INVALID,
	  "kubeconfig: its context names cluster \"\", and there is no such cluster" },
	{ HEAD CONTEXT USERS, ST_INVALID, "kubeconfig: \"clusters\" must be a list" },
	{ HEAD CONTEXT CLUSTERS "users: {}", ST_INVALID, "kubeconfig: \"users\" must be a list" },
	{ HEAD CONTEXT CLUSTERS "users: [7]", ST_INVALID, "kubeconfig: entry 1 of \"users\" must have \"name\" and \"user\"" },
	{ HEAD CONTEXT USERS "clusters: [{name: c}]", ST_INVALID,
	  "kubeconfig: entry 1 of \"clusters\" must have \"name\" and \"cluster\"" },
	{ SERVER(""), ST_INVALID, "kubeconfig: \"server\" of cluster \"c\" must be an https URL, got \"\"" },
	{ SERVER("10.0.0.1:6443"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL, got \"10.0.0.1:6443\"" },
	{ SERVER("https://"), ST_INVALID, "kubeconfig: \"server\" of cluster \"c\" must be an https URL, got \"https://\"" },
	{ SERVER("file:///etc/passwd"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL, got \"file:///etc/passwd\"" },
	{ SERVER("http://10.0.0.1"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL beyond this machine, got \"http://10.0.0.1\"" },
	{ SERVER("http://127.evil.example"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL beyond this machine, got \"http://127.evil.example\"" },
	{ SERVER("http://localhost.evil.example"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL beyond this machine, got "
	  "\"http://localhost.evil.example\"" },
	{ SERVER("http://[::2]"), ST_INVALID,
	  "kubeconfig: \"server\" of cluster \"c\" must be an https URL beyond this machine, got \"http://[::2]\"" },
	{ SERVER("http://127.0.0.1@evil.example"), ST_INVALID, "kubeconfig: \"server\" of cluster \"c\" must not name a user" },
	{ CLUSTER("insecure-skip-tls-verify: true"), ST_INVALID,
	  "kubeconfig: cluster \"c\" has \"insecure-skip-tls-verify\": a server that anybody may be is not used" },
	{ CLUSTER("certificate-authority: /etc/ca.pem"), ST_INVALID,
	  "kubeconfig: cluster \"c\" names the file \"/etc/ca.pem\" in \"certificate-authority\": only what a kubeconfig contains "
	  "is used" },
	{ USER("client-certificate: a.pem"), ST_INVALID,
	  "kubeconfig: user \"u\" names the file \"a.pem\" in \"client-certificate\": only what a kubeconfig contains is used" },
	{ USER("client-key: a.key"), ST_INVALID,
	  "kubeconfig: user \"u\" names the file \"a.key\" in \"client-key\": only what a kubeconfig contains is used" },
	{ USER("tokenFile: /run/token"), ST_INVALID,
	  "kubeconfig: user \"u\" names the file \"/run/token\" in \"tokenFile\": only what a kubeconfig contains is used" },
	{ USER("exec: {command: aws, args: [eks]}"), ST_INVALID,
	  "kubeconfig: user \"u\" wants to run the program \"aws\": \"exec\" is not allowed in a kubeconfig" },
	{ USER("exec: true"), ST_INVALID,
	  "kubeconfig: user \"u\" wants to run the program \"\": \"exec\" is not allowed in a kubeconfig" },
	{ USER("auth-provider: {name: gcp}"), ST_INVALID,
	  "kubeconfig: user \"u\" wants \"gcp\": \"auth-provider\" is not allowed in a kubeconfig" },
	/* An entry that is not the context's own counts, too. */
	{ HEAD CONTEXT CLUSTERS "users: [{name: u, user: {}}, {name: v, user: {exec: {command: sh}}}]", ST_INVALID,
	  "kubeconfig: user \"v\" wants to run the program \"sh\": \"exec\" is not allowed in a kubeconfig" },
	{ HEAD CONTEXT CLUSTERS USERS "---\nkind: Config\n", ST_MALFORMED, NULL },
};

static void test_a_kubeconfig_that_reaches_beyond_itself_is_refused(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };
		enum status  st = kubeconfig_check(view_of(bad[i].text), &err);
		if (st != bad[i].want || (bad[i].said != NULL && strcmp(err.text, bad[i].said) != 0))
			fail_msg("%s: %s: %s", bad[i].text, status_name(st), err.text);
		assert_memory_equal(err.text, "kubeconfig: ", 12);
	}
}

static void test_files_are_refused_with_the_way_out(void **state)
{
	struct error err = { 0 };

	(void) state;
	assert_int_equal(kubeconfig_check(view_of(USER("client-key: a.key")), &err), ST_INVALID);
	assert_string_equal(err.hint, "Make one with: kubectl config view --raw --flatten");
}

static void test_a_kubeconfig_is_at_most_a_mebibyte(void **state)
{
	(void) state;
	for (size_t size = KUBECONFIG_MAX; size <= KUBECONFIG_MAX + 1; size++) {
		char        *text = malloc(size);
		struct error err = { 0 };
		assert_non_null(text);
		memset(text, '#', size);
		memcpy(text, HEAD CONTEXT CLUSTERS USERS, sizeof HEAD CONTEXT CLUSTERS USERS - 1);
		assert_int_equal(kubeconfig_check((struct view) { text, size }, &err), size == KUBECONFIG_MAX ? ST_OK : ST_TOO_LARGE);
		if (size > KUBECONFIG_MAX)
			assert_string_equal(err.text, "kubeconfig: must be at most 1048576 bytes, got 1048577");
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_kubeconfig_that_contains_all_it_needs_is_taken),
		cmocka_unit_test(test_a_kubeconfig_that_reaches_beyond_itself_is_refused),
		cmocka_unit_test(test_files_are_refused_with_the_way_out),
		cmocka_unit_test(test_a_kubeconfig_is_at_most_a_mebibyte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
