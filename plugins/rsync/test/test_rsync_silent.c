/* The target "git" on remotes that accept and then say nothing, over each protocol: bounded, and in nobody's way. */
#include "plugins/rsync/test/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

/* libgit2 1.5.1 of Debian loses the path of the known hosts with each SSH connection; nothing of ours ends in its files. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libgit2.so";
}

static struct fake fake;
static char        repo[PATH_MAX + 32];

static int setup(void **state)
{
	(void) state;
	fake_init(&fake);
	snprintf(repo, sizeof repo, "%s/repo.git", fake.dir);
	shell("git init -q --bare %s", repo);
	fake_set(&fake, "v1", WEB_1);
	fake_set(&fake, "v2", WEB_2);
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	fake_done(&fake);
	return 0;
}

static void test_silent_remote_ends_at_the_deadline(void **state)
{
	static const char *const schemes[] = { "http://127.0.0.1", "https://localhost", "git://127.0.0.1", "ssh://127.0.0.1" };
	int                      fd;
	const int                port = remote_port(true, &fd);

	(void) state;
	fake.config.remote_timeout_ms = 300;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		const struct fake_unit *unit = remote_want(&fake, schemes[i], port, "repo.git", TOKEN, "v1");
		const int64_t           begin_ns = now_ns();

		fake_run(&fake);
		assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
		assert_int_equal(unit->reachable, 0);
		if (i != 1)                      /* TLS has words of its own */
			assert_non_null(strstr(unit->error, "nothing for 300 ms"));
		assert_true(now_ns() - begin_ns < 20000000000LL);
	}
	close(fd);
}

/* What it is at the other end of a socket: it takes one connection, says a word, and is silent until its own end is closed. */
struct mute { int fd; const char *word; };

static void *mute_run(void *data)
{
	const struct mute *mute = data;
	char               bytes[4096];
	const int          fd = accept(mute->fd, NULL, NULL);

	assert_int_equal(write(fd, mute->word, strlen(mute->word)), strlen(mute->word));
	while (read(fd, bytes, sizeof bytes) > 0)
		continue;
	close(fd);
	return NULL;
}

/* It speaks SSH, and then no more: libssh2 reads the socket itself, and waits for ever. */
static void test_ssh_server_that_falls_silent_ends_at_the_deadline(void **state)
{
	struct mute             mute = { .word = "SSH-2.0-mute\r\n" };
	const int               port = remote_port(true, &mute.fd);
	const struct fake_unit *unit = remote_want(&fake, "ssh://127.0.0.1", port, "repo.git", TOKEN, "v1");
	pthread_t               thread;

	(void) state;
	fake.config.remote_timeout_ms = 500;
	assert_int_equal(pthread_create(&thread, NULL, mute_run, &mute), 0);
	const int64_t begin_ns = now_ns();
	fake_run(&fake);
	assert_true(now_ns() - begin_ns < 10000000000LL);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(unit->reachable, 0);
	assert_non_null(strstr(unit->error, "nothing for 500 ms"));
	pthread_join(thread, NULL);
	close(mute.fd);
}

/* Two workers, seven units of a remote that accepts and never answers, and then one of another remote. */
static void test_a_silent_remote_never_holds_all_workers(void **state)
{
	static const char *const schemes[] = { "http://127.0.0.1" };
	static const char *const apps[] = { "a", "b", "c", "d", "e", "f", "g" };
	char                     reference[PATH_MAX + 128];

	(void) state;
	snprintf(reference, sizeof reference, "{\"url\":\"%s\",\"branch\":\"main\"}", repo);
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		const emco_plugin *plugin = emco_plugin_entry(EMCO_ABI);
		emco_instance     *self = NULL;
		int                fd;

		__atomic_store_n(&fake.is_stopping, false, __ATOMIC_RELEASE);
		emco_call *call = fake.host.begin(&fake.host, EMCO_STR("test"), 60000000000LL);
		fake.config.remote_timeout_ms = 20000;
		fake.config.workers = 2;
		fake.config.batch = 1;
		remote_want(&fake, schemes[i], remote_port(true, &fd), "repo.git", TOKEN, "v1");
		for (size_t k = 0; k < sizeof apps / sizeof apps[0]; k++)
			fake_want(&fake, apps[k], "edge+one", "v1", "update");
		fake_git_cluster(&fake, "edge+two", reference, NULL);
		const struct fake_unit *other = fake_want(&fake, "web", "edge+two", i == 0 ? "v1" : "v2", "update");
		const unsigned          before = other->reports;

		assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
		assert_int_equal(plugin->start(self, call), EMCO_OK);
		assert_true(fake_reported(&fake, other, before + 1));
		assert_done(other);
		__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
		plugin->stop(self);
		plugin->destroy(self);
		fake.host.end(&fake.host, call);
		close(fd);
	}
}

/* As many silent remotes as there are workers, and then one that works: it waits for none of them. */
static void test_silent_remotes_as_many_as_workers_hold_nobody_up(void **state)
{
	enum { WORKERS = 3, LIMIT_MS = 20000 };
	static const char *const names[WORKERS] = { "edge+dead1", "edge+dead2", "edge+dead3" };
	const emco_plugin *plugin = emco_plugin_entry(EMCO_ABI);
	emco_call         *call = fake.host.begin(&fake.host, EMCO_STR("test"), 60000000000LL);
	emco_instance     *self = NULL;
	char               reference[PATH_MAX + 256];
	int                fds[WORKERS];
	const struct fake_unit *dead[WORKERS];

	(void) state;
	fake.config.remote_timeout_ms = LIMIT_MS;
	fake.config.workers = WORKERS;
	fake.config.batch = 1;
	for (size_t i = 0; i < WORKERS; i++) {
		const char *scheme = i == 0 ? "ssh" : i == 1 ? "git" : "http";

		snprintf(reference, sizeof reference, "{\"url\":\"%s://127.0.0.1:%d/repo.git\",\"branch\":\"main\",\"userName\":\"someone\","
		         "\"gitToken\":\"" TOKEN "\",\"repoName\":\"repo\"}", scheme, remote_port(true, &fds[i]));
		fake_git_cluster(&fake, names[i], reference, NULL);
		dead[i] = fake_want(&fake, "web", names[i], "v1", "update");
	}
	snprintf(reference, sizeof reference, "{\"url\":\"%s\",\"branch\":\"main\"}", repo);
	fake_git_cluster(&fake, "edge+good", reference, NULL);
	const struct fake_unit *good = fake_want(&fake, "web", "edge+good", "v1", "update");
	const int64_t           begin_ns = now_ns();

	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);
	assert_true(fake_reported(&fake, good, 1));
	assert_true(now_ns() - begin_ns < LIMIT_MS / 2 * 1000000LL);
	assert_done(good);
	__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
	plugin->stop(self);
	plugin->destroy(self);
	fake.host.end(&fake.host, call);
	for (size_t i = 0; i < WORKERS; i++) {
		assert_int_equal(dead[i]->reports, 0);           /* each was waited for all the time */
		close(fds[i]);
	}
}

static void *stop_soon(void *data)
{
	usleep(300000);
	__atomic_store_n(&((struct fake *) data)->is_stopping, true, __ATOMIC_RELEASE);
	return NULL;
}

static void stop_while_silent(const char *scheme)
{
	int                     fd;
	const int               port = remote_port(true, &fd);
	const struct fake_unit *unit = remote_want(&fake, scheme, port, "repo.git", TOKEN, "v1");
	const emco_plugin      *plugin = emco_plugin_entry(EMCO_ABI);
	emco_instance          *self = NULL;
	emco_call              *call = fake.host.begin(&fake.host, EMCO_STR("test"), 60000000000LL);
	pthread_t               thread;

	fake.config.remote_timeout_ms = 30000;
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);

	const int64_t begin_ns = now_ns();
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &fake), 0);
	pthread_join(thread, NULL);
	plugin->stop(self);
	assert_true(now_ns() - begin_ns < 15000000000LL);
	assert_int_equal(unit->reports, 0);       /* the server stops: the lease speaks for us */
	plugin->destroy(self);
	fake.host.end(&fake.host, call);
	close(fd);
}

static void test_a_stop_does_not_wait_for_a_silent_remote(void **state)
{
	(void) state;
	stop_while_silent("http://127.0.0.1");
}

static void test_a_stop_does_not_wait_for_a_silent_ssh_server(void **state)
{
	(void) state;
	stop_while_silent("ssh://127.0.0.1");
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_silent_remote_ends_at_the_deadline),
		TEST(test_ssh_server_that_falls_silent_ends_at_the_deadline),
		TEST(test_a_silent_remote_never_holds_all_workers),
		TEST(test_silent_remotes_as_many_as_workers_hold_nobody_up),
		TEST(test_a_stop_does_not_wait_for_a_silent_remote),
		TEST(test_a_stop_does_not_wait_for_a_silent_ssh_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
