/* The target "git" on real local bare repositories, judged by Git's command line. */
#include "plugins/rsync/test/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BODY(kind, api, name, more) \
	"{\"body\":{\"apiVersion\":\"" api "\",\"kind\":\"" kind "\",\"metadata\":{\"name\":\"" name "\"}" more "}}"
#define WEB_1                                                                                                          \
	BODY("Deployment", "apps/v1", "web",                                                                           \
	     ",\"spec\":{\"replicas\":1,\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}}}}")
#define WEB_2                                                                                                          \
	BODY("Deployment", "apps/v1", "web",                                                                           \
	     ",\"spec\":{\"replicas\":2,\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}}}}")
#define CONFIG  BODY("ConfigMap", "v1", "settings", ",\"data\":{\"a\":\"b\"}")
#define SECRET  BODY("Secret", "v1", "password", ",\"data\":{\"p\":\"cXE=\"}")

static struct fake fake;
static char        repo[PATH_MAX + 32], reference[PATH_MAX + 128];

static int setup(void **state)
{
	(void) state;
	fake_init(&fake);
	snprintf(repo, sizeof repo, "%s/repo.git", fake.dir);
	shell("git init -q --bare %s", repo);
	snprintf(reference, sizeof reference, "{\"url\":\"%s\",\"branch\":\"main\"}", repo);
	fake_git_cluster(&fake, "edge+one", reference, NULL);
	fake_git_cluster(&fake, "edge+two", reference, "{\"syncInterval\":\"30\",\"timeOut\":\"90\"}");
	fake_set(&fake, "v1", "[" WEB_1 "," CONFIG "]");
	fake_set(&fake, "v2", "[" WEB_2 "," CONFIG "]");
	fake_set(&fake, "web", "[" WEB_1 "]");
	fake_set(&fake, "none", "[]");
	fake_set(&fake, "secret", "[" WEB_1 "," SECRET "]");
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	fake_done(&fake);
	return 0;
}

static const char *git(const char *arguments)
{
	return shell("git --git-dir=%s %s", repo, arguments);
}

static const char *files(void)
{
	return git("ls-tree -r --name-only main");
}

/* A value in a file, by a path of members: "metadata.name". */
static const char *value_in(const char *file, const char *path)
{
	return shell("git --git-dir=%s show 'main:%s' | python3 -c 'import json,sys,functools;"
	             "v=functools.reduce(lambda o,k:o.get(k,\"\"),\"%s\".split(\"|\"),json.load(sys.stdin));print(v)'",
	             repo, file, path);
}

#define APP  "clusters/edge+one/context/4711/app/"

static void test_first_apply_fills_an_empty_repository(void **state)
{
	const struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	fake_run(&fake);
	assert_string_equal(unit->error, "");
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_int_equal(unit->reachable, 1);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_APPLIED);
	assert_int_equal(fake_state(unit, "settings+ConfigMap"), EMCO_OBJECT_APPLIED);
	assert_string_equal(files(), "clusters/edge+one/4711.yaml\n"
	                             APP "web/settings+ConfigMap.yaml\n"
	                             APP "web/web+Deployment.yaml\n"
	                             "clusters/edge+one/kust4711.yaml");
	assert_string_equal(git("log --format='%an %ae%n%B' main"),
	                    "emcod emcod@localhost\n"
	                    "instantiate projects/p/composite-apps/ca/v1/deployment-intent-groups/g\n\n"
	                    "web: edge+one");
	assert_string_equal(
		git("show main:" APP "web/web+Deployment.yaml"),
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
		"\"labels\":{\"emco/deployment-id\":\"4711-web\"},\"namespace\":\"ns1\"},\"spec\":{\"replicas\":1,"
		"\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\",\"emco/deployment-id\":\"4711-web\"}}}}}");
	git("fsck --strict");
}

static void test_flux_objects_say_where_and_how_often(void **state)
{
	(void) state;
	fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	fake_run(&fake);
	assert_string_equal(
		git("show main:clusters/edge+two/kust4711.yaml"),
		"{\"apiVersion\":\"kustomize.toolkit.fluxcd.io/v1\",\"kind\":\"Kustomization\",\"metadata\":"
		"{\"name\":\"kust4711\",\"namespace\":\"ns1\"},\"spec\":{\"interval\":\"30s\",\"retryInterval\":"
	        "\"60s\","
		"\"timeout\":\"90s\",\"path\":\"clusters/edge+two/context/4711\",\"prune\":true,\"sourceRef\":"
		"{\"kind\":\"GitRepository\",\"name\":\"4711\"}}}");
	assert_string_equal(value_in("clusters/edge+two/4711.yaml", "apiVersion"), "source.toolkit.fluxcd.io/v1");
	assert_string_equal(value_in("clusters/edge+two/4711.yaml", "metadata|name"), "4711");
	assert_string_equal(value_in("clusters/edge+two/4711.yaml", "spec|url"), repo);
	assert_string_equal(value_in("clusters/edge+two/4711.yaml", "spec|interval"), "30s");
	assert_string_equal(value_in("clusters/edge+two/4711.yaml", "spec|ref|branch"), "main");
}

static void test_level_1_uses_the_account_of_the_namespace(void **state)
{
	(void) state;
	fake_want(&fake, "web", "edge+one", "v1", "instantiate")->unit.level = EMCO_STR("1");
	fake_run(&fake);
	assert_string_equal(value_in("clusters/edge+one/kust4711.yaml", "spec|serviceAccountName"), "ns1-sa");
}

static void test_logical_cloud_uses_the_source_of_flux_itself(void **state)
{
	(void) state;
	fake_want(&fake, "lc", "edge+one", "v1", "instantiate")->unit.owner = EMCO_STR("projects/p/logical-clouds/lc");
	fake_run(&fake);
	assert_string_equal(value_in("clusters/edge+one/kust4711.yaml", "metadata|namespace"), "flux-system");
	assert_string_equal(value_in("clusters/edge+one/kust4711.yaml", "spec|sourceRef|name"), "flux-system");
	assert_null(strstr(files(), "clusters/edge+one/4711.yaml"));
}

static void test_unchanged_repeat_adds_no_commit(void **state)
{
	struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	char              before[64];

	(void) state;
	fake_run(&fake);
	snprintf(before, sizeof before, "%s", git("rev-parse main"));
	unit->applied[0] = '\0';                /* as after a kill between push and report */
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(git("rev-parse main"), before);
	unit->unit.unsure = 1;                  /* as after its sync object was replaced */
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(git("rev-parse main"), before);
}

static void test_update_commits_only_what_changed(void **state)
{
	struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	fake_run(&fake);
	fake_want(&fake, "web", "edge+one", "v2", "update");
	fake_run(&fake);
	assert_string_equal(git("diff --name-status main~1 main"), "M\t" APP "web/web+Deployment.yaml");
	assert_string_equal(git("log -1 --format=%s main"),
	                    "update projects/p/composite-apps/ca/v1/deployment-intent-groups/g");

	fake_want(&fake, "web", "edge+one", "web", "update");
	fake_run(&fake);
	assert_string_equal(git("diff --name-status main~1 main"), "D\t" APP "web/settings+ConfigMap.yaml\n"
	                                                          "M\t" APP "web/web+Deployment.yaml");
	assert_int_equal(fake_state(unit, "settings+ConfigMap"), EMCO_OBJECT_DELETED);
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_APPLIED);
}

static void test_two_clusters_and_two_apps_make_one_commit(void **state)
{
	(void) state;
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	fake_want(&fake, "cache", "edge+two", "web", "instantiate");
	fake_run(&fake);
	assert_string_equal(git("rev-list --count main"), "1");
	assert_string_equal(git("log -1 --format=%b main"), "web: edge+one edge+two\ncache: edge+two");
	assert_string_equal(git("ls-tree -r --name-only main | wc -l"), "9");
}

static void test_terminate_removes_flux_with_the_last_app(void **state)
{
	struct fake_unit *web = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	fake_want(&fake, "cache", "edge+one", "web", "instantiate");
	fake_run(&fake);
	fake_want(&fake, "web", "edge+one", "", "terminate");
	fake_run(&fake);
	assert_int_equal(web->outcome, EMCO_UNIT_DONE);
	assert_int_equal(fake_state(web, "web+Deployment"), EMCO_OBJECT_DELETED);
	assert_string_equal(web->applied, "");
	assert_string_equal(files(), "clusters/edge+one/4711.yaml\n" APP "cache/web+Deployment.yaml\n"
	                             "clusters/edge+one/kust4711.yaml");

	fake_want(&fake, "cache", "edge+one", "", "terminate");
	fake_run(&fake);
	assert_string_equal(files(), "");
	fake_want(&fake, "cache", "edge+one", "", "terminate");
	fake_run(&fake);
	assert_string_equal(git("rev-list --count main"), "3");
}

static void test_folder_of_an_earlier_context_goes(void **state)
{
	struct fake_unit *web = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	struct fake_unit *cache = fake_want(&fake, "cache", "edge+one", "web", "instantiate");

	(void) state;
	fake_run(&fake);
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	web->unit.status_context = EMCO_STR("4712");     /* ended and begun again before the end was done */
	web->unit.applied_context = EMCO_STR("4711");
	fake_run(&fake);
	assert_string_equal(files(), "clusters/edge+one/4711.yaml\nclusters/edge+one/4712.yaml\n" APP
	                             "cache/web+Deployment.yaml\n"
	                             "clusters/edge+one/context/4712/app/web/settings+ConfigMap.yaml\n"
	                             "clusters/edge+one/context/4712/app/web/web+Deployment.yaml\n"
	                             "clusters/edge+one/kust4711.yaml\nclusters/edge+one/kust4712.yaml");
	assert_string_equal(value_in("clusters/edge+one/kust4711.yaml", "spec|path"), "clusters/edge+one/context/4711");
	fake_want(&fake, "cache", "edge+one", "", "terminate");
	cache->unit.status_context = EMCO_STR("4712");
	cache->unit.applied_context = EMCO_STR("4711");
	fake_run(&fake);
	assert_int_equal(cache->outcome, EMCO_UNIT_DONE);
	assert_null(strstr(files(), "4711"));
}

static void test_terminate_on_an_empty_repository_makes_no_commit(void **state)
{
	const struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "", "terminate");

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(shell_try("git --git-dir=%s rev-parse -q --verify main", repo), "");
}

static void foreign_commit(struct fake *world)
{
	shell("rm -rf %s/other && git clone -q %s %s/other 2>/dev/null && cd %s/other && git checkout -q -B main && "
	      "mkdir -p clusters/edge+one && date +%%N > clusters/edge+one/foreign.yaml && git add . && "
	      "git commit -q -m foreign && git push -q origin main", world->dir, repo, world->dir, world->dir);
}

static void test_foreign_commit_between_fetch_and_push_survives(void **state)
{
	const struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	fake.on_renew = foreign_commit;          /* the leases are renewed between reading the tip and moving it */
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(git("rev-list --count main"), "2");
	assert_non_null(strstr(files(), "clusters/edge+one/foreign.yaml"));

	fake_want(&fake, "web", "edge+one", "v2", "update");
	fake.on_renew = foreign_commit;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(git("rev-list --count main"), "4");
	assert_string_equal(git("log --format=%s -2 main"),
	                    "update projects/p/composite-apps/ca/v1/deployment-intent-groups/g\nforeign");

	fake_want(&fake, "web", "edge+one", "", "terminate");
	fake_run(&fake);
	assert_string_equal(files(), "clusters/edge+one/foreign.yaml");
}

static void test_stray_file_in_the_app_folder_goes_and_others_stay(void **state)
{
	(void) state;
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	shell("git clone -q %s %s/other && cd %s/other && mkdir " APP "web/sub && echo x > " APP "web/sub/x && "
	      "echo x > " APP "web/stray.yaml && git rm -q " APP "web/settings+ConfigMap.yaml && mkdir " APP "other && "
	      "echo x > " APP "other/kept && git add . && git commit -q -m stray && git push -q origin main",
	      repo, fake.dir, fake.dir);
	fake_want(&fake, "web", "edge+one", "v2", "update");
	fake_run(&fake);
	assert_string_equal(git("ls-tree -r --name-only main " APP),
	                    APP "other/kept\n" APP "web/settings+ConfigMap.yaml\n" APP "web/web+Deployment.yaml");
}

static void test_file_in_the_way_of_one_unit_does_not_stop_the_other(void **state)
{
	(void) state;
	shell("git clone -q %s %s/other 2>/dev/null && cd %s/other && git checkout -q -B main && mkdir -p "
	      "clusters/edge+one && "
	      "echo x > clusters/edge+one/context && git add . && git commit -q -m x && git push -q origin main",
	      repo, fake.dir, fake.dir);

	const struct fake_unit *one = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	const struct fake_unit *two = fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(one->outcome, EMCO_UNIT_FAILED);
	assert_non_null(strstr(one->error, "must be a folder"));
	assert_int_equal(two->outcome, EMCO_UNIT_DONE);
	assert_non_null(strstr(files(), "clusters/edge+two/kust4711.yaml"));
}

static void test_stolen_unit_is_not_published(void **state)
{
	struct fake_unit       *stolen = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	const struct fake_unit *ours = fake_want(&fake, "web", "edge+two", "v1", "instantiate");

	(void) state;
	stolen->is_stolen = true;
	fake_run(&fake);
	assert_int_equal(stolen->reports, 0);
	assert_int_equal(ours->outcome, EMCO_UNIT_DONE);
	assert_null(strstr(files(), "edge+one"));
}

static void test_secret_is_refused_unless_the_sync_object_allows_it(void **state)
{
	struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "secret", "instantiate");
	char              allowing[sizeof reference + 64];

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_true(unit->retry_after_ns == 300 * 1000000000LL);
	assert_non_null(strstr(unit->error, "\"password+Secret\""));
	assert_non_null(strstr(unit->error, "\"plainSecrets\""));
	assert_int_equal(fake_state(unit, "password+Secret"), EMCO_OBJECT_FAILED);
	assert_string_equal(shell_try("git --git-dir=%s rev-parse -q --verify main", repo), "");

	snprintf(allowing, sizeof allowing, "{\"url\":\"file://%s\",\"branch\":\"main\",\"plainSecrets\":\"true\"}",
	         repo);
	fake_git_cluster(&fake, "edge+one", allowing, NULL);
	fake_want(&fake, "web", "edge+one", "secret", "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_non_null(strstr(files(), "password+Secret.yaml"));
}

static void test_label_of_64_characters_is_refused_and_one_of_63_is_not(void **state)
{
	static const char app[] = "an-app-with-a-name-that-just-does-not-fit-into-a-label-123"; /* 58, and "4711-" */
	const struct fake_unit *unit;

	(void) state;
	unit = fake_want(&fake, app, "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	unit = fake_want(&fake, "an-app-with-a-name-that-just-does-not-fit-into-a-label-1234", "edge+one", "v1",
	                 "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_non_null(strstr(unit->error, "emco/deployment-id holds at most 63 characters"));
	assert_non_null(strstr(unit->error, "has 64"));
}

static void test_object_names_stay_inside_the_app_folder(void **state)
{
	static const char *const bad[] = { "../x+ConfigMap", "a/b+ConfigMap", "/etc+ConfigMap", "a\\\\b+ConfigMap",
		                           "a\\nb+ConfigMap" };

	(void) state;
	fake_set(&fake, "rbac",
	         "[{\"name\":\"system:web..x+ClusterRole\",\"body\":{\"apiVersion\":\"rbac.authorization.k8s.io/v1\","
	         "\"kind\":\"ClusterRole\",\"metadata\":{\"name\":\"system:web..x\"}}}]");
	fake_want(&fake, "web", "edge+one", "rbac", "instantiate");
	fake_run(&fake);
	assert_string_equal(value_in(APP "web/system:web..x+ClusterRole.yaml", "metadata|namespace"), "");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const struct fake_unit *unit;
		char                    name[16], text[256];

		snprintf(name, sizeof name, "bad%zu", i);
		snprintf(text, sizeof text, "[{\"name\":\"%s\",\"body\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
		                            "\"metadata\":{\"name\":\"x\"}}}]", bad[i]);
		fake_set(&fake, name, text);
		unit = fake_want(&fake, "web", "edge+one", name, "update");
		fake_run(&fake);
		assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
		assert_non_null(strstr(unit->error, "its name makes no file name"));
	}
	assert_string_equal(git("rev-list --count main"), "1");
	fake_want(&fake, "..", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(fake.units[1].outcome, EMCO_UNIT_FAILED);
}

static void test_missing_keys_are_named(void **state)
{
	static const struct { const char *reference, *want;
	} rows[] = {
		{ "{}", "has no \"url\"" },
		{ "{\"url\":\"/x\"}", "has no \"branch\"" },
		{ "{\"url\":\"https://h/r\",\"branch\":\"main\"}", "has no \"userName\"" },
		{ "{\"url\":\"https://h/r\",\"branch\":\"main\",\"userName\":\"u\"}", "has no \"gitToken\"" },
		{ "{\"url\":\"ssh://h/r\",\"branch\":\"main\",\"userName\":\"u\"}", "names no \"ssh_key_file\"" },
		{ "{\"url\":\"git@h:r\",\"branch\":\"main\",\"userName\":\"u\"}", "names no \"ssh_key_file\"" },
		{ "{\"url\":\"https://u:qqq@h/r\",\"branch\":\"main\"}", "must not hold a password" },
		{ "{\"url\":\"https://qqq@h/r\",\"branch\":\"main\"}", "must not hold a user" },
		{ "{\"url\":\"ftp://h/r\",\"branch\":\"main\"}", "must begin with https://" },
		{ "{\"url\":\"https:///r\",\"branch\":\"main\"}", "names no host" },
		{ "{\"url\":\"a b\",\"branch\":\"main\"}", "must not hold spaces" },
		{ "{\"url\":\"/x\",\"branch\":\"a..b\"}", "must be a branch name, got \"a..b\"" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fake_unit *unit;

		fake_git_cluster(&fake, "edge+one", rows[i].reference, NULL);
		unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
		fake_run(&fake);
		assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
		if (strstr(unit->error, rows[i].want) == NULL)
			fail_msg("row %zu: %s", i, unit->error);
		assert_null(strstr(unit->error, "qqq"));
		assert_int_equal(unit->reachable, -1);
	}
	fake_git_cluster(&fake, "edge+one", reference, "{\"syncInterval\":\"soon\"}");
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_non_null(strstr(fake.units[0].error, "\"syncInterval\""));
}

static void test_other_targets_say_that_they_are_missing(void **state)
{
	const struct fake_unit *one, *two;

	(void) state;
	fake_cluster(&fake, "edge+one", "", "");
	fake_cluster(&fake, "edge+two", "", "azureArcV2");
	one = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	two = fake_want(&fake, "web", "edge+two", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(one->outcome, EMCO_UNIT_FAILED);
	assert_string_equal(one->error, "the cluster has neither a kubeconfig nor a GitOps type");
	assert_int_equal(two->outcome, EMCO_UNIT_FAILED);
	assert_string_equal(two->error, "no target for GitOps type \"azureArcV2\" in this version: use \"fluxcd\"");
}

static void test_missing_repository_is_tried_again(void **state)
{
	struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	shell("mv %s %s.away", repo, repo);
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	assert_int_equal(unit->reachable, 0);
	assert_non_null(strstr(unit->error, "could not reach \""));
	assert_non_null(strstr(unit->error, "no Git repository is there"));
	assert_int_equal(fake_state(unit, "web+Deployment"), EMCO_OBJECT_PENDING);
	assert_true(unit->retry_after_ns >= 500000000 && unit->retry_after_ns <= 1000000000);
	shell("mv %s.away %s", repo, repo);
	unit->needs_work = true;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
}

/* Killed while it moved the branch: Git's lock file stays, and would hold everybody up for ever. */
static void test_lock_of_a_killed_writer_is_waited_for_and_then_removed(void **state)
{
	struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");

	(void) state;
	shell("touch %s/refs/heads/main.lock", repo);
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_RETRY);
	shell("touch -d '1 minute ago' %s/refs/heads/main.lock", repo);
	unit->needs_work = true;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_non_null(strstr(files(), "web+Deployment.yaml"));
}

static void test_working_tree_and_forbidden_paths_are_refused(void **state)
{
	struct fake_unit *unit;
	char              text[PATH_MAX + 64];

	(void) state;
	shell("git init -q %s/work", fake.dir);
	snprintf(text, sizeof text, "{\"url\":\"%s/work\",\"branch\":\"main\"}", fake.dir);
	fake_git_cluster(&fake, "edge+one", text, NULL);
	unit = fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_non_null(strstr(unit->error, "must be a bare repository"));
	fake.config.local_remotes = 0;
	fake_want(&fake, "web", "edge+one", "v1", "instantiate");
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_FAILED);
	assert_non_null(strstr(unit->error, "local_remotes = false"));
}

static void test_hooks_that_install_are_files_and_others_are_not(void **state)
{
	(void) state;
	fake_set(&fake, "hooks",
	         "[{\"phase\":2,\"events\":\"pre-install,pre-upgrade\",\"body\":{\"apiVersion\":\"batch/"
	         "v1\",\"kind\":\"Job\","
	         "\"metadata\":{\"name\":\"before\"}}},{\"phase\":2,\"events\":\"pre-delete\",\"body\":{\"apiVersion\":"
	         "\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"after\"}}}]");
	fake_want(&fake, "web", "edge+one", "hooks", "instantiate");
	fake_run(&fake);
	assert_string_equal(git("ls-tree -r --name-only main " APP), APP "web/before+Job.yaml");
}

static void test_an_app_without_objects_needs_no_flux(void **state)
{
	const struct fake_unit *unit = fake_want(&fake, "web", "edge+one", "none", "instantiate");

	(void) state;
	fake_run(&fake);
	assert_int_equal(unit->outcome, EMCO_UNIT_DONE);
	assert_string_equal(shell_try("git --git-dir=%s rev-parse -q --verify main", repo), "");
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_apply_fills_an_empty_repository),
		TEST(test_flux_objects_say_where_and_how_often),
		TEST(test_level_1_uses_the_account_of_the_namespace),
		TEST(test_logical_cloud_uses_the_source_of_flux_itself),
		TEST(test_unchanged_repeat_adds_no_commit),
		TEST(test_update_commits_only_what_changed),
		TEST(test_two_clusters_and_two_apps_make_one_commit),
		TEST(test_terminate_removes_flux_with_the_last_app),
		TEST(test_folder_of_an_earlier_context_goes),
		TEST(test_terminate_on_an_empty_repository_makes_no_commit),
		TEST(test_foreign_commit_between_fetch_and_push_survives),
		TEST(test_stray_file_in_the_app_folder_goes_and_others_stay),
		TEST(test_file_in_the_way_of_one_unit_does_not_stop_the_other),
		TEST(test_stolen_unit_is_not_published),
		TEST(test_secret_is_refused_unless_the_sync_object_allows_it),
		TEST(test_label_of_64_characters_is_refused_and_one_of_63_is_not),
		TEST(test_object_names_stay_inside_the_app_folder),
		TEST(test_missing_keys_are_named),
		TEST(test_other_targets_say_that_they_are_missing),
		TEST(test_missing_repository_is_tried_again),
		TEST(test_lock_of_a_killed_writer_is_waited_for_and_then_removed),
		TEST(test_working_tree_and_forbidden_paths_are_refused),
		TEST(test_hooks_that_install_are_files_and_others_are_not),
		TEST(test_an_app_without_objects_needs_no_flux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
