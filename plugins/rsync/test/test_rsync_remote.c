/* The target "git" on remotes: Git's own HTTP server and daemon, and remotes that refuse or are gone. */
#include "plugins/rsync/test/remote.h"

#include <git2.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>


static struct fake fake;
static char        repo[PATH_MAX + 32];
static pid_t       child;

static int setup(void **state)
{
	(void) state;
	fake_init(&fake);
	snprintf(repo, sizeof repo, "%s/srv/repo.git", fake.dir);
	shell("mkdir %s/srv && git init -q --bare %s && git --git-dir=%s config http.receivepack true", fake.dir, repo,
	      repo);
	fake_set(&fake, "v1", WEB_1);
	fake_set(&fake, "v2", WEB_2);
	child = 0;
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	if (child > 0) {
		kill(child, SIGTERM);
		waitpid(child, NULL, 0);
	}
	fake_done(&fake);
	return 0;
}

static const char *git(const char *arguments)
{
	return shell("git --git-dir=%s %s", repo, arguments);
}

/* -- servers -- */

/* Start a program that prints its port. */
static int start(char *const *argv)
{
	int   ends[2];
	char  line[32] = "";

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	for (size_t len = 0; len < sizeof line - 1 && strchr(line, '\n') == NULL;) {
		const ssize_t n = read(ends[0], line + len, sizeof line - 1 - len);

		assert_true(n > 0);
		len += (size_t) n;
	}
	close(ends[0]);
	return (int) strtol(line, NULL, 10);
}

static int start_http(const char *certificate)
{
	char script[] = TEST_SOURCE_DIR "/git_server.py", python[] = "/usr/bin/python3", user[] = "someone",
	     token[] = TOKEN;
	char root[PATH_MAX + 8], pem[PATH_MAX];
	char *argv[] = { python, script, root, user, token, certificate != NULL ? pem : NULL, NULL };

	snprintf(root, sizeof root, "%s/srv", fake.dir);
	snprintf(pem, sizeof pem, "%s", certificate != NULL ? certificate : "");
	return start(argv);
}

/* -- what goes well -- */

static void test_http_remote_gets_one_commit_and_no_second(void **state)
{
	const int         port = start_http(NULL);
	struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");

	(void) state;
	fake_run(&fake);
	assert_done(unit);
	unit->applied[0] = '\0';
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");
	fake_run(&fake);
	assert_done(unit);
	shell("rm -rf %s/data/git", fake.dir);        /* the cache may go at any time */
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");
	fake_run(&fake);
	assert_done(unit);
	assert_string_equal(git("rev-list --count main"), "1");
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v2");
	fake_run(&fake);
	assert_done(unit);
	assert_string_equal(git("rev-list --count main"), "2");
	assert_string_equal(git("diff --name-only main~1 main"),
	                    "clusters/edge+one/context/4711/app/web/web+ConfigMap.yaml");
	git("fsck --strict");
	assert_string_equal(shell_try("grep -r '" TOKEN "' %s/data %s", fake.dir, repo), "");
	assert_null(strstr(fake.log, TOKEN));
}

static void test_git_daemon_is_a_remote_too(void **state)
{
	int  fd;
	char port[16], port_option[32], base[PATH_MAX + 32];
	char *argv[] = { (char[]) { "git" },
		         (char[]) { "daemon" },
		         (char[]) { "--reuseaddr" },
		         (char[]) { "--listen=127.0.0.1" },
		         port_option,
		         base,
		         (char[]) { "--export-all" },
		         (char[]) { "--enable=receive-pack" },
		         (char[]) { "--log-destination=none" },
		         NULL };

	(void) state;
	snprintf(port, sizeof port, "%d", remote_port(false, &fd));
	snprintf(port_option, sizeof port_option, "--port=%s", port);
	snprintf(base, sizeof base, "--base-path=%s/srv", fake.dir);
	close(fd);
	child = fork();
	if (child == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	shell("for i in $(seq 200); do git ls-remote -q git://127.0.0.1:%s/repo.git >/dev/null 2>&1 && exit 0; sleep "
	      "0.05; done; "
	      "exit 1",
	      port);

	const struct fake_unit *unit = remote_want(&fake, "git://127.0.0.1", (int) strtol(port, NULL, 10), "repo.git", "", "v1");
	fake_run(&fake);
	assert_done(unit);
	assert_string_equal(git("rev-list --count main"), "1");
}

static void foreign_commit(struct fake *world)
{
	shell("rm -rf %s/other && git clone -q %s %s/other 2>/dev/null && cd %s/other && git checkout -q -B main && "
	      "date +%%N > foreign && git add . && git commit -q -m foreign && git push -q origin main",
	      world->dir, repo, world->dir, world->dir);
}

static void test_foreign_commit_between_fetch_and_push_survives(void **state)
{
	const int         port = start_http(NULL);
	struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");

	(void) state;
	fake.on_renew = foreign_commit;
	fake_run(&fake);
	assert_done(unit);
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v2");
	fake.on_renew = foreign_commit;
	fake_run(&fake);
	assert_done(unit);
	assert_string_equal(git("log --format=%s main"),
	                    "update projects/p/composite-apps/ca/v1/deployment-intent-groups/g\nforeign\n"
	                    "update projects/p/composite-apps/ca/v1/deployment-intent-groups/g\nforeign");
}

static void test_broken_cache_is_made_anew(void **state)
{
	const int         port = start_http(NULL);
	struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");

	(void) state;
	fake_run(&fake);
	assert_done(unit);
	shell("for d in %s/data/git/*/; do rm -r $d/objects $d/HEAD; done", fake.dir);
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v2");
	fake_run(&fake);
	assert_done(unit);
	shell("for d in %s/data/git/*/; do find $d/objects -type f -delete; done", fake.dir);
	remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	unit->needs_work = true;                      /* the next try has a new one */
	fake_run(&fake);
	assert_done(unit);
	assert_string_equal(git("rev-list --count main"), "3");
}

static void test_tls_is_checked_and_runs_over_our_streams(void **state)
{
	char              pem[PATH_MAX + 16];
	struct fake_unit *unit;
	int               port;

	(void) state;
	snprintf(pem, sizeof pem, "%s/pem", fake.dir);
	shell("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
	      "subjectAltName=DNS:localhost "
	      "-addext basicConstraints=critical,CA:TRUE -keyout %s -out %s.crt 2>/dev/null && cat %s.crt >> %s",
	      pem, pem, pem, pem);
	port = start_http(pem);
	unit = remote_want(&fake, "https://localhost", port, "repo.git", TOKEN, "v1");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_non_null(strstr(unit->error, "could not reach \"https://localhost:"));
	assert_null(strstr(unit->error, TOKEN));
	shell("cp %s.crt %s/authority", pem, fake.dir);
	snprintf(pem, sizeof pem, "%s/authority", fake.dir);
	assert_int_equal(git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, pem, NULL), 0);
	remote_want(&fake, "https://localhost", port, "repo.git", TOKEN, "v1");
	fake_run(&fake);
	assert_done(unit);
}

/* -- what does not -- */

static void test_wrong_token_is_refused_and_never_told(void **state)
{
	const struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", start_http(NULL), "repo.git", "wr0ng", "v1");

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_int_equal(unit->reachable, 1);
	assert_non_null(strstr(unit->error, "the remote refused \"userName\" and \"gitToken\""));
	assert_null(strstr(unit->error, "wr0ng"));
	assert_null(strstr(fake.log, "wr0ng"));
}

static void test_missing_repository_says_what_the_server_said(void **state)
{
	const struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", start_http(NULL), "nothing.git", TOKEN, "v1");

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(unit->reachable, 1);
	assert_non_null(strstr(unit->error, "404"));
}

static void test_hook_that_declines_is_quoted(void **state)
{
	const struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", start_http(NULL), "repo.git", TOKEN, "v1");

	(void) state;
	shell("printf '#!/bin/sh\\necho branch is protected: %s >&2\\nexit 1\\n' > %s/hooks/pre-receive && "
	      "chmod +x %s/hooks/pre-receive", TOKEN, repo, repo);
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_non_null(strstr(unit->error, "refused the push to branch \"main\""));
	assert_non_null(strstr(unit->error, "branch is protected"));
	assert_null(strstr(unit->error, TOKEN));
	assert_int_equal(fake_state(unit, "web+ConfigMap"), EMCO_OBJECT_PENDING);
}

static void test_closed_port_is_tried_again(void **state)
{
	int                     fd;
	const int               port = remote_port(false, &fd);
	const struct fake_unit *unit = remote_want(&fake, "http://127.0.0.1", port, "repo.git", TOKEN, "v1");
	char                    text[128];

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(unit->reachable, 0);
	snprintf(text, sizeof text, "could not reach \"http://127.0.0.1:%d/repo.git\": connect: Connection refused",
	         port);
	assert_string_equal(unit->error, text);
	assert_non_null(strstr(fake.log, "rsync.unit_not_done"));
	close(fd);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_http_remote_gets_one_commit_and_no_second),
		TEST(test_git_daemon_is_a_remote_too),
		TEST(test_foreign_commit_between_fetch_and_push_survives),
		TEST(test_broken_cache_is_made_anew),
		TEST(test_wrong_token_is_refused_and_never_told),
		TEST(test_missing_repository_says_what_the_server_said),
		TEST(test_hook_that_declines_is_quoted),
		TEST(test_closed_port_is_tried_again),
		TEST(test_tls_is_checked_and_runs_over_our_streams),      /* last: it changes libgit2's authorities */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
