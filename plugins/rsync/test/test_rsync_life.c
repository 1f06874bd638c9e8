/* The plugin as a server sees it: options, start, work on threads, stop. */
#include "plugins/rsync/test/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static struct fake        fake;
static const emco_plugin *plugin;
static emco_instance     *self;
static emco_call         *call;

static int setup(void **state)
{
	(void) state;
	fake_init(&fake);
	shell("git init -q --bare %s/a.git && git init -q --bare %s/b.git", fake.dir, fake.dir);
	fake_set(&fake, "v1",
	         "[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}}}]");
	plugin = emco_plugin_entry(EMCO_ABI);
	call = fake.host.begin(&fake.host, EMCO_STR("test"), 60000000000LL);
	self = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	fake.host.end(&fake.host, call);
	fake_done(&fake);
	return 0;
}

static void cluster(const char *name, const char *repo)
{
	char reference[PATH_MAX + 128];

	snprintf(reference, sizeof reference, "{\"url\":\"%s/%s\",\"branch\":\"main\"}", fake.dir, repo);
	fake_git_cluster(&fake, name, reference, NULL);
}

/* Wait until every unit has so many reports. */
static void wait_for_reports(unsigned reports)
{
	struct timespec until;
	bool            all = false;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&fake.lock);
	while (!all) {
		all = true;
		for (size_t i = 0; i < fake.unit_count; i++)
			all = all && fake.units[i].reports >= reports;
		if (!all)
			assert_int_equal(pthread_cond_timedwait(&fake.changed, &fake.lock, &until), 0);
	}
	pthread_mutex_unlock(&fake.lock);
}

static void test_the_table_says_what_it_is(void **state)
{
	(void) state;
	assert_string_equal(plugin->name, "rsync");
	assert_int_equal(plugin->roles, EMCO_ROLE_SYNCHRONISER | EMCO_ROLE_CLUSTER_LISTENER);
	assert_int_equal(plugin->config_size, sizeof(struct config));
	for (const emco_option *option = plugin->options; option->name != NULL; option++) {
		assert_non_null(option->dflt);
		assert_non_null(option->help);
	}
}

static void test_options_that_do_not_go_together_are_refused(void **state)
{
	(void) state;
	assert_int_equal(plugin->check(&fake.host, call, &fake.config), EMCO_OK);
	fake.config.remote_timeout_ms = fake.config.lease_ms / 2 + 1;
	assert_int_equal(plugin->check(&fake.host, call, &fake.config), EMCO_E_INVALID);
	assert_true(str_is(call->fault(call), "\"lease_ms\" must be at least twice \"remote_timeout_ms\""));
	fake.config.remote_timeout_ms = 100;
	fake.config.retry_max_ms = fake.config.retry_min_ms - 1;
	assert_int_equal(plugin->check(&fake.host, call, &fake.config), EMCO_E_INVALID);
}

static const void *nothing(const emco_host *host, const char *id)
{
	(void) host;
	(void) id;
	return NULL;
}

static void test_a_server_without_units_is_refused(void **state)
{
	(void) state;
	fake.host.extension = nothing;
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_E_UNIMPLEMENTED);
	assert_null(self);
}

static void test_workers_bring_two_repositories_up_to_date_and_stop(void **state)
{
	(void) state;
	fake.config.workers = 4;
	fake.config.batch = 2;                   /* several workers meet on one repository */
	cluster("edge+one", "a.git");
	cluster("edge+two", "b.git");
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);
	for (int i = 0; i < 8; i++) {
		static const char *const apps[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

		fake_want(&fake, apps[i], "edge+one", "v1", "instantiate");
		fake_want(&fake, apps[i], "edge+two", "v1", "instantiate");
	}
	wait_for_reports(1);
	assert_int_equal(plugin->health(self, call), EMCO_OK);
	__atomic_store_n(&fake.is_stopping, true, __ATOMIC_RELEASE);
	plugin->stop(self);
	plugin->destroy(self);
	for (size_t i = 0; i < fake.unit_count; i++)
		assert_string_equal(fake.units[i].error, "");
	assert_string_equal(shell("git --git-dir=%s/a.git ls-tree -r --name-only main | wc -l", fake.dir), "10");
	assert_string_equal(shell("git --git-dir=%s/b.git ls-tree -r --name-only main | wc -l", fake.dir), "10");
}

static emco_status broken_claim(emco_call *on, uint64_t limit, int64_t lease_ns, emco_units_each *each, void *data)
{
	(void) limit;
	(void) lease_ns;
	(void) each;
	(void) data;
	return (on->fail)(on, EMCO_E_UNAVAILABLE, EMCO_STR(""), EMCO_STR("the database is away"), EMCO_STR(""));
}

static const emco_units_1 broken_units = { .size = sizeof broken_units, .claim = broken_claim };
static const emco_clusters_1 no_clusters = { .size = sizeof no_clusters };

static const void *broken(const emco_host *host, const char *id)
{
	(void) host;
	return strcmp(id, EMCO_UNITS_1) == 0 ? (const void *) &broken_units : &no_clusters;
}

static void test_health_says_why_nothing_is_claimed(void **state)
{
	(void) state;
	fake.host.extension = broken;
	assert_int_equal(plugin->create(&fake.host, call, &fake.config, &self), EMCO_OK);
	assert_int_equal(plugin->start(self, call), EMCO_OK);
	for (int i = 0; i < 6000 && plugin->health(self, call) == EMCO_OK; i++) {
		const struct timespec moment = { .tv_nsec = 10000000 };

		nanosleep(&moment, NULL);
	}
	assert_int_equal(plugin->health(self, call), EMCO_E_UNAVAILABLE);
	assert_true(str_is(call->fault(call), "the database is away"));
	plugin->stop(self);                      /* without a cancelled call: the pause ends by itself */
	plugin->destroy(self);
	assert_non_null(strstr(fake.log, "rsync.claim_failed the database is away"));
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_table_says_what_it_is),
		TEST(test_options_that_do_not_go_together_are_refused),
		TEST(test_a_server_without_units_is_refused),
		TEST(test_workers_bring_two_repositories_up_to_date_and_stop),
		TEST(test_health_says_why_nothing_is_claimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
