/* "emco.clusters/1" and "emco.resources/1" on a real store. */
#include "tests/unit/rsync/world.h"

/* -- clusters -- */

static void create(const char *path, const char *parent, const char *type, const char *doc, bool is_secret,
                   const char *kubeconfig)
{
	struct error               err;
	struct resource_written    written;
	struct db                 *db = fixture_db(fixture);
	const struct resource_file  file = { .field = "file",
		                             .filename = VIEW("kubeconfig"),
		                             .media_type = VIEW("application/octet-stream"),
		                             .content = view_of(kubeconfig),
		                             .is_sealed = true };
	const struct resource_write write = {
		.path = view_of(path),
		.parent = view_of(parent),
		.name = view_of(strrchr(path, '/') + 1),
		.type = view_of(type),
		.doc = view_of(doc),
		.is_secret = is_secret,
		.files = &file,
		.file_count = kubeconfig != NULL,
		.is_replacing_files = kubeconfig != NULL,
	};

	assert_ok(resource_write(&fixture->store, db, &write, RESOURCE_CREATE, &written,
	                         &err));
	db_return(db);
}

#define PROVIDER  "cluster-providers/edge"
static const emco_clusters_1 *const clusters = &extension_clusters;

static int create_clusters(void **state)
{
	(void) state;
	create("cluster-providers/edge", "", "clusterProvider", "{}", false, NULL);
	create(PROVIDER "/clusters/kube", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"\"}}}", false,
	       "apiVersion: v1");
	create(PROVIDER "/clusters/git", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxcd\","
	       "\"gitOpsReferenceObject\":\"ref\",\"gitOpsResourceObject\":\"\"}}}", false, NULL);
	create(PROVIDER "/clusters/lost", PROVIDER, "cluster", "{\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxcd\","
	       "\"gitOpsReferenceObject\":\"nowhere\"}}}", false, NULL);
	create(PROVIDER "/cluster-sync-objects/ref", PROVIDER, "clusterSyncObject",
	       "{\"spec\":{\"kv\":[{\"url\":\"/x\",\"branch\":\"main\"},"
	       "{\"userName\":\"u\"},{\"url\":\"second\"}]}}",
	       true, NULL);
	create(PROVIDER "/clusters/git/labels/east", PROVIDER "/clusters/git", "clusterLabel",
	       "{\"clusterLabel\":\"east\"}", false, NULL);
	create(PROVIDER "/clusters/git/kv-pairs/kv1", PROVIDER "/clusters/git", "clusterKv",
	       "{\"spec\":{\"kv\":[{\"a\":\"1\"}]}}", false, NULL);
	create(PROVIDER "/clusters/git/kv-pairs/kv2", PROVIDER "/clusters/git", "clusterKv",
	       "{\"spec\":{\"kv\":[{\"b\":\"2\",\"c\":\"3\"}]}}", false, NULL);
	return 0;
}

static void test_access_merges_all_keys_of_the_sync_object(void **state)
{
	emco_cluster_access access;
	auto_call           call;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	assert_int_equal(clusters->access(&call.abi, EMCO_STR("edge+git"), EMCO_STR("1"), EMCO_STR("ns"), &access),
	                 EMCO_OK);
	assert_str(access.git_ops_type, "fluxcd");
	assert_str(access.kubeconfig, "");
	assert_str(access.reference_object, "{\"url\":\"/x\",\"branch\":\"main\",\"userName\":\"u\"}");
	assert_str(access.resource_object, "{}");
	assert_int_equal(
		clusters->access(&call.abi, EMCO_STR("edge+kube"), EMCO_STR("0"), EMCO_STR("default"), &access),
		EMCO_OK);
	assert_str(access.git_ops_type, "");
	assert_str(access.kubeconfig, "apiVersion: v1");
	assert_null(call.db);                    /* hundreds of calls wait for clusters, beside a few connections */
}

static void test_what_access_refuses(void **state)
{
	static const struct { const char *cluster, *level; emco_status want; const char *text;
	} rows[] = {
		{ "edge+none", "0", EMCO_E_NOT_FOUND, NULL },
		{ "edge", "0", EMCO_E_INVALID, "a cluster is named \"provider+cluster\", got \"edge\"" },
		{ "a+b/c", "0", EMCO_E_INVALID, NULL },
		{ "edge+lost", "0", EMCO_E_NOT_FOUND, NULL },
		{ "edge+kube", "1", EMCO_E_NOT_FOUND,
		  "\"cluster-providers/edge/clusters/kube\" has no access record of level \"1\"" },
	};
	emco_cluster_access access;
	auto_call           call, stranger;

	(void) state;
	begin(&call, EMCO_ROLE_SYNCHRONISER, 30000);
	begin(&stranger, EMCO_ROLE_PLACEMENT, 30000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(clusters->access(&call.abi, view_to_abi(view_of(rows[i].cluster)),
		                                  view_to_abi(view_of(rows[i].level)), EMCO_STR("ns"), &access),
		                 rows[i].want);
		if (rows[i].text != NULL)
			assert_str(call.abi.fault(&call.abi), rows[i].text);
	}
	assert_int_equal(clusters->access(&stranger.abi, EMCO_STR("edge+git"), EMCO_STR("0"), EMCO_STR("ns"), &access),
	                 EMCO_E_FORBIDDEN);
}

static emco_status name_cluster(void *data, emco_str cluster)
{
	char *names = data;

	snprintf(names + strlen(names), 256 - strlen(names), "%.*s ", (int) cluster.len, cluster.ptr);
	return EMCO_OK;
}

static void test_labels_values_and_lists_of_clusters(void **state)
{
	char      all[256] = "", east[256] = "";
	int32_t   has = -1;
	emco_str  value;
	auto_call call;

	(void) state;
	begin(&call, EMCO_ROLE_PLACEMENT, 30000);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+git"), EMCO_STR("east"), &has), EMCO_OK);
	assert_int_equal(has, 1);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+kube"), EMCO_STR("east"), &has), EMCO_OK);
	assert_int_equal(has, 0);
	assert_int_equal(clusters->has_label(&call.abi, EMCO_STR("edge+git"), EMCO_STR("a/b"), &has), EMCO_OK);
	assert_int_equal(has, 0);
	assert_int_equal(clusters->value(&call.abi, EMCO_STR("edge+git"), EMCO_STR("c"), &value), EMCO_OK);
	assert_str(value, "\"3\"");
	assert_int_equal(clusters->value(&call.abi, EMCO_STR("edge+git"), EMCO_STR("d"), &value), EMCO_E_NOT_FOUND);
	assert_int_equal(clusters->each(&call.abi, EMCO_STR("edge"), EMCO_STR(""), name_cluster, all), EMCO_OK);
	assert_string_equal(all, "edge+git edge+kube edge+lost ");
	assert_int_equal(clusters->each(&call.abi, EMCO_STR("edge"), EMCO_STR("east"), name_cluster, east), EMCO_OK);
	assert_string_equal(east, "edge+git ");
	assert_null(call.db);
}

/* -- resources -- */

struct walk { struct call *call; size_t count; char last[64]; };

static emco_status walk_one(void *data, emco_str path, emco_str document)
{
	struct walk *walk = data;
	emco_str     again;

	/* a call back may ask for something else on the same call */
	assert_int_equal(extension_resources.read(&walk->call->abi, path, &again), EMCO_OK);
	assert_true(again.len == document.len);
	snprintf(walk->last, sizeof walk->last, "%.*s", (int) path.len, path.ptr);
	return ++walk->count == 1000 ? EMCO_DECLINED : EMCO_OK;
}

static void test_lists_go_over_many_pages(void **state)
{
	struct walk walk = { .count = 0 };
	auto_call   call;
	emco_str    document;

	(void) state;
	begin(&call, EMCO_ROLE_ACTION, 60000);
	walk.call = &call;
	for (int i = 0; i < 128 * 2; i++) {      /* a whole number of pages */
		char path[64];

		snprintf(path, sizeof path, "projects/many-%03d", i);
		create(path, "", "many", "{}", false, NULL);
	}
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR(""), walk_one, &walk), EMCO_OK);
	assert_int_equal(walk.count, 256);
	assert_string_equal(walk.last, "projects/many-255");
	walk.count = 900;
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR(""), walk_one, &walk),
	                 EMCO_DECLINED);
	assert_string_equal(walk.last, "projects/many-099");
	assert_int_equal(extension_resources.each(&call.abi, EMCO_STR("many"), EMCO_STR("no/where"), walk_one, &walk),
	                 EMCO_E_NOT_FOUND);
	assert_int_equal(extension_resources.read(&call.abi, EMCO_STR("no/where"), &document), EMCO_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_access_merges_all_keys_of_the_sync_object, create_clusters),
		cmocka_unit_test(test_what_access_refuses),
		cmocka_unit_test(test_labels_values_and_lists_of_clusters),
		cmocka_unit_test(test_lists_go_over_many_pages),
	};

	return cmocka_run_group_tests(tests, open_world, fixture_close);
}
