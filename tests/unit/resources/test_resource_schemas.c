#include "host/resources/resources.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* Every row of the host, as one set. */
static struct types *types;

static int setup(void **state)
{
	struct error err = { 0 };

	(void) state;
	types = types_new();
	enum status st = resources_types(types, &err);
	if (st == ST_OK)
		st = types_seal(types, &err);
	if (st != ST_OK)
		fprintf(stderr, "%s\n", err.text);
	return st == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void) state;
	types_free(types);
	return 0;
}

#define META(name)  "\"metadata\":{\"name\":\"" name "\",\"description\":\"\",\"userData1\":\"\",\"userData2\":\"\"}"
#define N           "{\"metadata\":{\"name\":\"n\"}"      /* the least a document needs, still open */
#define CA          "projects/p/composite-apps/ca/v1"
#define DIG         CA "/deployment-intent-groups/d"

/* path: of the item; the names in it come from the document.  want: what is stored and sent.  references: sorted. */
static const struct good { const char *type, *parent, *document, *want, *path, *references; } good[] = {
	{ "project", "", N ",\"other\":1}", "{" META("n") "}", "projects/n", "" },
	{ "project", "", "{\"MetaData\":{\"userdata2\":\"2\",\"NAME\":\"n\",\"description\":null,\"userData1\":\"1\"}}",
	  "{\"metadata\":{\"name\":\"n\",\"description\":\"\",\"userData1\":\"1\",\"userData2\":\"2\"}}", "projects/n", "" },
	{ "compositeAppVersion", "projects/p", "{\"spec\":{\"compositeAppVersion\":\"v1\"},\"metadata\":{\"name\":\"ca\"}}",
	  "{" META("ca") ",\"spec\":{\"compositeAppVersion\":\"v1\"}}", CA, "" },
	{ "compositeProfile", CA, N "}", "{" META("n") "}", CA "/composite-profiles/n", "" },
	{ "app", CA, N "}", "{" META("n") "}", CA "/apps/n", "" },
	{ "appDependency", CA "/apps/a", N ",\"spec\":{\"wait\":0,\"opStatus\":\"Ready\",\"app\":\"b\"}}",
	  "{" META("n") ",\"spec\":{\"app\":\"b\",\"opStatus\":\"Ready\"}}", CA "/apps/a/dependency/n", "" },
	{ "appDependency", CA "/apps/a", N ",\"spec\":{\"wait\":4096,\"opStatus\":\"deployed\",\"app\":\"b\"}}",
	  "{" META("n") ",\"spec\":{\"app\":\"b\",\"opStatus\":\"deployed\",\"wait\":4096}}", CA "/apps/a/dependency/n", "" },
	{ "appProfile", CA "/composite-profiles/cp", N ",\"spec\":{\"app\":\"a\"}}", "{" META("n") ",\"spec\":{\"app\":\"a\"}}",
	  CA "/composite-profiles/cp/profiles/n", CA "/apps/a" },
	{ "deploymentIntentGroup", CA,
	  N ",\"spec\":{\"logicalCloud\":\"lc\",\"version\":\"r1\",\"compositeProfile\":\"cp\"}}",
	  "{" META("n") ",\"spec\":{\"compositeProfile\":\"cp\",\"version\":\"r1\",\"overrideValues\":[],"
	  "\"logicalCloud\":\"lc\"}}",
	  CA "/deployment-intent-groups/n", CA "/composite-profiles/cp projects/p/logical-clouds/lc" },
	{ "deploymentIntentGroup", CA,
	  N ",\"spec\":{\"logicalCloud\":\"lc\",\"version\":\"r1\",\"compositeProfile\":\"cp\","
	  "\"overrideValues\":[{\"values\":{\"b\":\"2\",\"a\":\"<1>\"},\"app\":\"web\"},{\"app\":\"db\"}]}}",
	  "{" META("n") ",\"spec\":{\"compositeProfile\":\"cp\",\"version\":\"r1\",\"overrideValues\":["
	  "{\"app\":\"web\",\"values\":{\"a\":\"\\u003c1\\u003e\",\"b\":\"2\"}},{\"app\":\"db\",\"values\":{}}],"
	  "\"logicalCloud\":\"lc\"}}",
	  CA "/deployment-intent-groups/n", CA "/composite-profiles/cp projects/p/logical-clouds/lc" },
	{ "groupIntent", DIG, N ",\"spec\":{\"intent\":{\"ovnaction\":\"o\",\"genericPlacementIntent\":\"g\",\"dtc\":\"\"}}}",
	  "{" META("n") ",\"spec\":{\"intent\":{\"dtc\":\"\",\"genericPlacementIntent\":\"g\",\"ovnaction\":\"o\"}}}",
	  DIG "/intents/n", "controllers/dtc controllers/ovnaction" },
	{ "groupIntent", DIG, N ",\"spec\":{\"intent\":{}}}", "{" META("n") ",\"spec\":{\"intent\":{}}}", DIG "/intents/n", "" },
	{ "genericPlacementIntent", DIG, N ",\"spec\":{\"logicalCloud\":\"lc\"}}", "{" META("n") "}",
	  DIG "/generic-placement-intents/n", "" },
	{ "genericAppPlacementIntent", DIG "/generic-placement-intents/g", N ",\"spec\":{\"app\":\"a\"}}",
	  "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"app\":\"a\",\"intent\":{}}}",
	  DIG "/generic-placement-intents/g/app-intents/n", CA "/apps/a" },
	{ "genericAppPlacementIntent", DIG "/generic-placement-intents/g",
	  "{\"metadata\":{\"name\":\"n\",\"userData1\":\"\",\"description\":\"d\"},\"spec\":{\"app\":\"a\",\"intent\":{"
	  "\"anyOf\":[{\"clusterLabel\":\"south\",\"clusterProvider\":\"p1\"}],"
	  "\"allOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c1\",\"clusterLabel\":\"\"},"
	  "{\"clusterProvider\":\"p1\",\"clusterLabel\":\"east\",\"anyOf\":[]},"
	  "{\"anyOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c2\"},{\"clusterLabel\":\"w\",\"clusterProvider\":\"p1\"}]},"
	  "{\"clusterProvider\":\"p2\",\"anyOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c2\"}]}]}}}",
	  "{\"metadata\":{\"name\":\"n\",\"description\":\"d\"},\"spec\":{\"app\":\"a\",\"intent\":{"
	  "\"allOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c1\"},{\"clusterProvider\":\"p1\",\"clusterLabel\":\"east\"},"
	  "{\"anyOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c2\"},{\"clusterProvider\":\"p1\",\"clusterLabel\":\"w\"}]},"
	  "{\"clusterProvider\":\"p2\",\"anyOf\":[{\"clusterProvider\":\"p1\",\"cluster\":\"c2\"}]}],"
	  "\"anyOf\":[{\"clusterProvider\":\"p1\",\"clusterLabel\":\"south\"}]}}}",
	  DIG "/generic-placement-intents/g/app-intents/n",
	  "cluster-providers/p1/clusters/c1 cluster-providers/p1/clusters/c2 " CA "/apps/a" },
	{ "controller", "", N ",\"spec\":{\"host\":\"h\",\"port\":9031}}",
	  "{" META("n") ",\"spec\":{\"host\":\"h\",\"port\":9031,\"type\":\"\",\"priority\":0}}", "controllers/n", "" },
	{ "controller", "", N ",\"spec\":{\"priority\":1000000,\"type\":\"action\",\"port\":65535,\"host\":\"h\"}}",
	  "{" META("n") ",\"spec\":{\"host\":\"h\",\"port\":65535,\"type\":\"action\",\"priority\":1000000}}",
	  "controllers/n", "" },
	{ "controller", "", N "}", "{" META("n") ",\"spec\":{\"host\":\"\",\"port\":0,\"type\":\"\",\"priority\":0}}",
	  "controllers/n", "" },
	{ "clmController", "", N ",\"spec\":{\"port\":9061,\"host\":\"h\",\"priority\":0,\"type\":\"x\"}}",
	  "{" META("n") ",\"spec\":{\"host\":\"h\",\"port\":9061}}", "clm-controllers/n", "" },
	{ "dtcController", "", N ",\"spec\":{\"priority\":7,\"type\":\"action\",\"port\":9038,\"host\":\"h\"}}",
	  "{" META("n") ",\"spec\":{\"host\":\"h\",\"port\":9038,\"type\":\"action\",\"priority\":7}}", "dtc-controllers/n", "" },
	{ "clusterProvider", "", N ",\"spec\":{}}", "{" META("n") "}", "cluster-providers/n", "" },
	{ "cluster", "cluster-providers/p1", N "}",
	  "{" META("n") ",\"spec\":{\"gitOps\":{\"gitOpsType\":\"\",\"gitOpsReferenceObject\":\"\","
	  "\"gitOpsResourceObject\":\"\"}}}", "cluster-providers/p1/clusters/n", "" },
	{ "cluster", "cluster-providers/p1",
	  N ",\"spec\":{\"gitOps\":{\"gitOpsReferenceObject\":\"ref\",\"gitOpsType\":\"fluxcd\"}}}",
	  "{" META("n") ",\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxcd\",\"gitOpsReferenceObject\":\"ref\","
	  "\"gitOpsResourceObject\":\"\"}}}",
	  "cluster-providers/p1/clusters/n", "cluster-providers/p1/cluster-sync-objects/ref" },
	{ "clusterLabel", "cluster-providers/p1/clusters/c1", "{\"clusterlabel\":\"east\"}", "{\"clusterLabel\":\"east\"}",
	  "cluster-providers/p1/clusters/c1/labels/east", "" },
	{ "clusterKv", "cluster-providers/p1/clusters/c1", N ",\"spec\":{\"kv\":[{\"b\":\"2\",\"a\":\"\"},{}]}}",
	  "{" META("n") ",\"spec\":{\"kv\":[{\"a\":\"\",\"b\":\"2\"},{}]}}", "cluster-providers/p1/clusters/c1/kv-pairs/n", "" },
	{ "clusterSyncObject", "cluster-providers/p1", N ",\"spec\":{\"kv\":[]}}", "{" META("n") ",\"spec\":{\"kv\":[]}}",
	  "cluster-providers/p1/cluster-sync-objects/n", "" },
	{ "logicalCloud", "projects/p",
	  N ",\"spec\":{\"user\":{\"type\":\"certificate\",\"userName\":\"u\"},\"namespace\":\"ns1\"}}",
	  "{" META("n") ",\"spec\":{\"namespace\":\"ns1\",\"labels\":{},\"level\":\"1\",\"user\":{\"userName\":\"u\","
	  "\"type\":\"certificate\"}}}", "projects/p/logical-clouds/n", "" },
	{ "logicalCloud", "projects/p", N ",\"spec\":{\"level\":\"0\",\"labels\":{\"geo\":\"x\"}}}",
	  "{" META("n") ",\"spec\":{\"namespace\":\"\",\"labels\":{\"geo\":\"x\"},\"level\":\"0\",\"user\":{\"userName\":\"\","
	  "\"type\":\"\"}}}", "projects/p/logical-clouds/n", "" },
	{ "clusterReference", "projects/p/logical-clouds/lc", N ",\"spec\":{\"cluster\":\"c1\",\"clusterProvider\":\"p1\","
	  "\"loadbalancerIp\":\"0.0.0.0\"}}",
	  "{" META("n") ",\"spec\":{\"clusterProvider\":\"p1\",\"cluster\":\"c1\",\"loadBalancerIP\":\"0.0.0.0\","
	  "\"certificate\":\"\"}}",
	  "projects/p/logical-clouds/lc/cluster-references/n", "cluster-providers/p1/clusters/c1" },
	{ "clusterQuota", "projects/p/logical-clouds/lc", N ",\"spec\":{\"pods\":\"500\",\"limits.cpu\":\"400\"}}",
	  "{" META("n") ",\"spec\":{\"limits.cpu\":\"400\",\"pods\":\"500\"}}",
	  "projects/p/logical-clouds/lc/cluster-quotas/n", "" },
	{ "clusterQuota", "projects/p/logical-clouds/lc", N "}", "{" META("n") ",\"spec\":{}}",
	  "projects/p/logical-clouds/lc/cluster-quotas/n", "" },
	{ "logicalCloudKv", "projects/p/logical-clouds/lc", N ",\"spec\":{\"kv\":[{\"a\":1},{\"b\":{\"x\":null}}]}}",
	  "{" META("n") ",\"spec\":{\"kv\":[{\"a\":1},{\"b\":{\"x\":null}}]}}",
	  "projects/p/logical-clouds/lc/kv-pairs/n", "" },
	{ "userPermission", "projects/p/logical-clouds/lc",
	  N ",\"spec\":{\"verbs\":[\"get\"],\"resources\":[\"pods\"],\"apiGroups\":[\"\"]}}",
	  "{" META("n") ",\"spec\":{\"namespace\":\"\",\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}}",
	  "projects/p/logical-clouds/lc/user-permissions/n", "" },
};

static json_t *read_text(const char *text)
{
	struct error err = { 0 };
	json_t      *value;

	if (json_read(view_of(text), &value, &err) != ST_OK)
		fail_msg("%s: %s", text, err.text);
	return value;
}

/* A copy of the canonical text, in arena. */
static const char *text_of(const json_t *value, struct arena *arena)
{
	auto_buf text;

	buf_init(&text, 1 << 20);
	assert_int_equal(json_write(&text, value, NULL), ST_OK);
	return arena_text(arena, text.data);
}

static const char *references_of(const struct type *type, struct view path, const json_t *value, struct arena *arena)
{
	struct view     *paths = NULL;
	struct type_path target;
	size_t           count = 0;
	const char      *all = "";

	assert_int_equal(type_references(types, type, path, value, arena, &paths, &count, NULL), ST_OK);
	for (size_t i = 0; i < count; i++) {
		if (!type_path_parse(types, paths[i], &target) || !target.is_item)
			fail_msg("\"%.*s\" is no path of a resource", (int) paths[i].len, paths[i].ptr);
		all = arena_printf(arena, "%s%s%.*s", all, i > 0 ? " " : "", (int) paths[i].len, paths[i].ptr);
	}
	return all;
}

static void test_good_documents_come_out_as_clients_know_them(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		auto_arena         arena = { .max = 1 << 22 };
		auto_json         *input = read_text(good[i].document), *value = NULL, *again = NULL;
		const struct type *type = types_find(types, view_of(good[i].type));
		struct verdict     verdict = { .faults = 0 };
		struct view        path, name;
		struct error       err = { 0 };
		assert_non_null(type);
		if (schema_check(type->schema, input, &arena, &verdict, &value, &err) != ST_OK)
			fail_msg("%s: %s: %s", good[i].document, err.field, err.text);
		assert_string_equal(text_of(value, &arena), good[i].want);
		assert_int_equal(type_item_path(type, view_of(good[i].parent), value, &arena, &path, &name, NULL), ST_OK);
		assert_true(view_is(path, good[i].path));
		assert_string_equal(references_of(type, path, value, &arena), good[i].references);

		/* What was sent out is taken back unchanged. */
		assert_int_equal(schema_check(type->schema, value, &arena, &verdict, &again, NULL), ST_OK);
		assert_string_equal(text_of(again, &arena), good[i].want);
	}
}

#define LONG16   "0123456789abcdef"
#define LONG128  LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16
#define LONG512  LONG128 LONG128 LONG128 LONG128
#define PATTERN  "must match ^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$, got "
#define ALL_OF   "must be one of: \"clusterProvider\" and \"cluster\"; \"clusterProvider\" and \"clusterLabel\"; " \
                 "\"anyOf\", got an object"
#define ANY_OF   "must be one of: one \"cluster\"; all clusters with a \"clusterLabel\", got an object"
#define PLACE(intent)  N ",\"spec\":{\"app\":\"a\",\"intent\":{" intent "}}}"

/* Each has exactly the faults that it lists: field, text, field, text. */
static const struct bad { const char *type, *document, *want[8]; } bad[] = {
	{ "project", "{}", { "/metadata/name", "\"name\" is required" } },
	{ "project", "[]", { "", "must be an object, got an array" } },
	{ "project", "{\"metadata\":7}", { "/metadata", "must be an object, got a number" } },
	{ "project", "{\"metadata\":{\"name\":\"\"}}", { "/metadata/name", PATTERN "\"\"" } },
	{ "project", "{\"metadata\":{\"name\":\"a b\"}}", { "/metadata/name", PATTERN "\"a b\"" } },
	{ "project", "{\"metadata\":{\"name\":\"a\\n\"}}", { "/metadata/name", PATTERN "\"a \"" } },
	{ "project", "{\"metadata\":{\"name\":\"" LONG128 "0\"}}",
	  { "/metadata/name", "must be at most 128 characters, got 129" } },
	{ "project", "{\"metadata\":{\"name\":\"a\",\"description\":\"" LONG512 LONG512 "0\",\"userData1\":\"" LONG512 "1\","
	  "\"userData2\":7}}",
	  { "/metadata/description", "must be at most 1024 characters, got 1025",
	    "/metadata/userData1", "must be at most 512 characters, got 513",
	    "/metadata/userData2", "must be a string, got a number" } },
	{ "compositeAppVersion", N "}", { "/spec", "\"spec\" is required" } },
	{ "compositeAppVersion", N ",\"spec\":{\"compositeAppVersion\":\"v/1\"}}",
	  { "/spec/compositeAppVersion", PATTERN "\"v/1\"" } },
	{ "appDependency", N ",\"spec\":{\"opStatus\":\"up\",\"wait\":4097}}",
	  { "/spec/app", "\"app\" is required", "/spec/opStatus", "must be one of \"ready\", \"deployed\", got \"up\"",
	    "/spec/wait", "must be 0 to 4096, got 4097" } },
	{ "appDependency", N ",\"spec\":{\"app\":\"a\",\"opStatus\":\"ready\",\"wait\":1.5}}",
	  { "/spec/wait", "must be an integer, got 1.5" } },
	{ "appProfile", N ",\"spec\":{\"app\":\"\"}}", { "/spec/app", PATTERN "\"\"" } },
	{ "deploymentIntentGroup", N ",\"spec\":{\"overrideValues\":{}}}",
	  { "/spec/compositeProfile", "\"compositeProfile\" is required", "/spec/version", "\"version\" is required",
	    "/spec/logicalCloud", "\"logicalCloud\" is required", "/spec/overrideValues", "must be an array, got an object" } },
	{ "deploymentIntentGroup", N ",\"spec\":{\"compositeProfile\":\"c\",\"version\":\"v\",\"logicalCloud\":\"l\","
	  "\"overrideValues\":[{\"values\":{\"a\":1}},{\"app\":\"a\",\"values\":{\"a\":\"" LONG128 "0\"}}]}}",
	  { "/spec/overrideValues/0/app", "\"app\" is required",
	    "/spec/overrideValues/0/values/a", "must be a string, got a number",
	    "/spec/overrideValues/1/values/a", "must be at most 128 characters, got 129" } },
	{ "deploymentIntentGroup", N ",\"spec\":{\"compositeProfile\":\"c\",\"version\":\"R.1\",\"logicalCloud\":\"l\"}}",
	  { "/spec/version", "must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$, got \"R.1\"" } },
	{ "groupIntent", N ",\"spec\":{}}", { "/spec/intent", "\"intent\" is required" } },
	{ "groupIntent", N ",\"spec\":{\"intent\":{\"dtc\":1}}}", { "/spec/intent/dtc", "must be a string, got a number" } },
	{ "genericAppPlacementIntent", N ",\"spec\":{}}", { "/spec/app", "\"app\" is required" } },
	{ "genericAppPlacementIntent", PLACE("\"allOf\":[{}]"), { "/spec/intent/allOf/0", ALL_OF } },
	{ "genericAppPlacementIntent", PLACE("\"allOf\":[{\"clusterProvider\":\"p\"}]"), { "/spec/intent/allOf/0", ALL_OF } },
	{ "genericAppPlacementIntent", PLACE("\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c\",\"clusterLabel\":\"l\"}]"),
	  { "/spec/intent/allOf/0", "must be only one of: \"clusterProvider\" and \"cluster\"; \"clusterProvider\" and "
	    "\"clusterLabel\"; \"anyOf\", got what fits 2 of them" } },
	{ "genericAppPlacementIntent",
	  PLACE("\"allOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c\",\"anyOf\":[{\"clusterProvider\":\"p\","
	        "\"cluster\":\"c\"}]}]"),
	  { "/spec/intent/allOf/0", "must be only one of: \"clusterProvider\" and \"cluster\"; \"clusterProvider\" and "
	    "\"clusterLabel\"; \"anyOf\", got what fits 2 of them" } },
	{ "genericAppPlacementIntent", PLACE("\"anyOf\":[{\"cluster\":\"c\"}]"),
	  { "/spec/intent/anyOf/0/clusterProvider", "\"clusterProvider\" is required" } },
	{ "genericAppPlacementIntent", PLACE("\"anyOf\":[{\"clusterProvider\":\"p\"}]"), { "/spec/intent/anyOf/0", ANY_OF } },
	{ "genericAppPlacementIntent", PLACE("\"allOf\":[{\"anyOf\":[{\"clusterProvider\":\"p\",\"cluster\":\"c\","
	  "\"clusterLabel\":\"l\"}]}]"),
	  { "/spec/intent/allOf/0/anyOf/0", "must be only one of: one \"cluster\"; all clusters with a \"clusterLabel\", got "
	    "what fits 2 of them" } },
	{ "controller", N ",\"spec\":{\"priority\":1000001,\"port\":65536,\"type\":\"other\",\"host\":\"" LONG128 "0\"}}",
	  { "/spec/host", "must be at most 128 characters, got 129", "/spec/port", "must be 0 to 65535, got 65536",
	    "/spec/type", "must be one of \"\", \"placement\", \"action\", got \"other\"",
	    "/spec/priority", "must be 0 to 1000000, got 1000001" } },
	{ "controller", N ",\"spec\":{\"priority\":-1}}", { "/spec/priority", "must be 0 to 1000000, got -1" } },
	{ "clmController", N ",\"spec\":{\"port\":0,\"host\":\"\"}}",
	  { "/spec/host", "must be at least 1 character, got 0", "/spec/port", "must be 1 to 65535, got 0" } },
	{ "dtcController", N ",\"spec\":{\"type\":\"placement\"}}",
	  { "/spec/port", "\"port\" is required", "/spec/priority", "\"priority\" is required",
	    "/spec/type", "must match action, got \"placement\"" } },
	{ "cluster", N ",\"spec\":{\"gitOps\":{\"gitOpsType\":\"fluxv2\",\"gitOpsReferenceObject\":\"a/b\"}}}",
	  { "/spec/gitOps/gitOpsType", "must be one of \"\", \"fluxcd\", \"azureArcV2\", \"anthos\", got \"fluxv2\"",
	    "/spec/gitOps/gitOpsReferenceObject",
	    "must match ^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$, got \"a/b\"" } },
	{ "clusterLabel", "{}", { "/clusterLabel", "\"clusterLabel\" is required" } },
	{ "clusterLabel", "{\"clusterLabel\":\"a,b\"}", { "/clusterLabel", PATTERN "\"a,b\"" } },
	{ "clusterKv", N ",\"spec\":{}}", { "/spec/kv", "\"kv\" is required" } },
	{ "clusterKv", N ",\"spec\":{\"kv\":[\"a\",{\"b\":3},{\"c\":\"" LONG128 "0\"}]}}",
	  { "/spec/kv/0", "must be an object, got a string", "/spec/kv/1/b", "must be a string, got a number",
	    "/spec/kv/2/c", "must be at most 128 characters, got 129" } },
	{ "clusterSyncObject", N ",\"spec\":{\"kv\":[{\"gitToken\":7}]}}",
	  { "/spec/kv/0/gitToken", "must be a string, got a number" } },
	{ "logicalCloud", N ",\"spec\":{\"level\":\"2\",\"labels\":{\"a\":1},\"user\":{\"userName\":\"" LONG16 "01234\"}}}",
	  { "/spec/labels/a", "must be a string, got a number", "/spec/level", "must be one of \"\", \"0\", \"1\", got \"2\"",
	    "/spec/user/userName", "must be at most 20 characters, got 21" } },
	{ "clusterReference", N ",\"spec\":{\"cluster\":\"\",\"loadBalancerIP\":\"" LONG16 "0\"}}",
	  { "/spec/clusterProvider", "\"clusterProvider\" is required", "/spec/cluster", PATTERN "\"\"",
	    "/spec/loadBalancerIP", "must be at most 16 characters, got 17" } },
	{ "clusterQuota", N ",\"spec\":{\"pods\":500}}", { "/spec/pods", "must be a string, got a number" } },
	{ "logicalCloudKv", N ",\"spec\":{\"kv\":[1]}}", { "/spec/kv/0", "must be an object, got a number" } },
	{ "userPermission", N ",\"spec\":{}}",
	  { "/spec/apiGroups", "\"apiGroups\" is required", "/spec/resources", "\"resources\" is required",
	    "/spec/verbs", "\"verbs\" is required" } },
};

static void check_bad(const struct bad *row)
{
	auto_arena         arena = { .max = 1 << 22 };
	auto_json         *input = read_text(row->document);
	const struct type *type = types_find(types, view_of(row->type));
	struct verdict     verdict = { .faults = 0 };
	json_t            *value = NULL;
	struct error       err = { 0 };
	size_t             wanted = 0;

	assert_non_null(type);
	assert_int_equal(schema_check(type->schema, input, &arena, &verdict, &value, &err), ST_INVALID);
	assert_null(value);
	while (wanted < 4 && row->want[2 * wanted] != NULL)
		wanted++;
	for (size_t i = 0; i < verdict.faults && i < FAULTS_MAX; i++)
		if (i >= wanted || strcmp(verdict.fault[i].field, row->want[2 * i]) != 0 ||
		    strcmp(verdict.fault[i].text, row->want[2 * i + 1]) != 0)
			fail_msg("%s %s: fault %zu: %s: %s", row->type, row->document, i, verdict.fault[i].field,
			         verdict.fault[i].text);
	assert_int_equal(verdict.faults, wanted);
}

static void test_bad_documents_are_told_each_of_their_faults(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_bad(&bad[i]);
}

static void test_a_token_of_a_sync_object_may_be_longer_than_other_values(void **state)
{
	const struct type *type = types_find(types, VIEW("clusterSyncObject"));

	(void) state;
	for (int len = 4096; len <= 4097; len++) {
		auto_arena     arena = { .max = 1 << 20 };
		auto_json     *input = NULL, *value = NULL;
		struct verdict verdict = { .faults = 0 };
		char           token[4098] = "";
		struct error   err = { 0 };
		memset(token, 'x', (size_t) len);
		input = json_pack("{s{ss}s{s[{ss}]}}", "metadata", "name", "n", "spec", "kv", "gitToken", token);
		enum status st = schema_check(type->schema, input, &arena, &verdict, &value, &err);
		assert_int_equal(st, len == 4096 ? ST_OK : ST_INVALID);
		if (st != ST_OK)
			assert_string_equal(verdict.fault[0].text, "must be at most 4096 characters, got 4097");
	}
}

static void test_every_type_has_a_good_document_here(void **state)
{
	(void) state;
	for (size_t i = 0; i < types_count(types); i++) {
		bool is_there = false;
		for (size_t k = 0; k < ARRAY_LEN(good); k++)
			is_there = is_there || strcmp(types_at(types, i)->row->name, good[k].type) == 0;
		if (!is_there)
			fail_msg("no good document of type %s", types_at(types, i)->row->name);
		assert_non_null(types_at(types, i)->row->summary);
	}
}

/* What the manual of the API shows is what can be sent, and comes back as it is. */
static void test_every_type_has_an_example_in_its_stored_shape(void **state)
{
	(void) state;
	for (size_t i = 0; i < types_count(types); i++) {
		const struct type *type = types_at(types, i);
		const json_t      *example = json_array_get(json_object_get(schema_document(type->schema), "examples"), 0);
		auto_arena     arena = ARENA(1 << 20);
		auto_json     *value = NULL;
		struct verdict verdict = { .faults = 0 };
		struct error   err = { .code = ST_OK };
		if (example == NULL)
			fail_msg("no example of type %s", type->row->name);
		if (schema_check(type->schema, example, &arena, &verdict, &value, &err) != ST_OK)
			fail_msg("%s: %s: %s", type->row->name, err.field, err.text);
		assert_int_equal(verdict.unknowns, 0);
		if (!json_equal(value, json_for_reading(example)))
			fail_msg("the example of type %s is not as it is stored", type->row->name);
	}
}

/* Texts of JSON, read by whoever describes the API. */
static bool is_schema(const char *text)
{
	auto_json *schema = json_loads(text, 0, NULL);

	return json_is_object(schema);
}

static void test_every_verb_and_view_belongs_to_a_type(void **state)
{
	size_t               count;
	const struct family *family = resources_families(&count);

	(void) state;
	assert_int_equal(count, 7);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < family[i].verb_count; k++) {
			const struct verb *verb = &family[i].verbs[k];
			assert_non_null(types_find(types, view_of(verb->type)));
			assert_true(verb->handler != NULL && verb->summary != NULL);
			assert_true(verb->success == 200 || verb->success == 202);
			assert_true(verb->answer_schema == NULL || is_schema(verb->answer_schema));
		}
		for (size_t k = 0; k < family[i].look_count; k++) {
			const struct look *look = &family[i].looks[k];
			assert_non_null(types_find(types, view_of(look->type)));
			assert_true(look->handler != NULL && (look->by.summary != NULL || look->by.name != NULL));
			assert_true(look->by.summary == NULL || is_schema(look->answer_schema));
		}
	}
}

static void test_what_put_answers_is_what_clients_of_each_type_expect(void **state)
{
	static const struct { const char *type; uint32_t flags; } want[] = {
		{ "project", EMCO_RESOURCE_PUT_200 }, { "compositeAppVersion", EMCO_RESOURCE_PUT_201 },
		{ "compositeProfile", EMCO_RESOURCE_PUT_201 }, { "app", EMCO_RESOURCE_PUT_201 },
		{ "appDependency", EMCO_RESOURCE_PUT_201 }, { "appProfile", EMCO_RESOURCE_PUT_201 },
		{ "deploymentIntentGroup", EMCO_RESOURCE_OWNER }, { "groupIntent", 0 }, { "genericPlacementIntent", 0 },
		{ "genericAppPlacementIntent", 0 }, { "controller", EMCO_RESOURCE_PUT_201 },
		{ "clmController", EMCO_RESOURCE_PUT_200 }, { "dtcController", 0 }, { "clusterProvider", EMCO_RESOURCE_PUT_201 },
		{ "cluster", EMCO_RESOURCE_EVENTS }, { "clusterLabel", EMCO_RESOURCE_PUT_201 },
		{ "clusterKv", EMCO_RESOURCE_PUT_201 }, { "clusterSyncObject", EMCO_RESOURCE_PUT_201 | EMCO_RESOURCE_SECRET },
		{ "logicalCloud", EMCO_RESOURCE_OWNER | EMCO_RESOURCE_PUT_OLD | EMCO_RESOURCE_PUT_201 },
		{ "clusterReference", EMCO_RESOURCE_NO_PUT }, { "clusterQuota", EMCO_RESOURCE_NO_PUT },
		{ "logicalCloudKv", EMCO_RESOURCE_NO_PUT }, { "userPermission", EMCO_RESOURCE_NO_PUT },
	};

	(void) state;
	assert_int_equal(types_count(types), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(types_find(types, view_of(want[i].type))->row->flags, want[i].flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_documents_come_out_as_clients_know_them),
		cmocka_unit_test(test_bad_documents_are_told_each_of_their_faults),
		cmocka_unit_test(test_a_token_of_a_sync_object_may_be_longer_than_other_values),
		cmocka_unit_test(test_every_type_has_a_good_document_here),
		cmocka_unit_test(test_every_type_has_an_example_in_its_stored_shape),
		cmocka_unit_test(test_every_verb_and_view_belongs_to_a_type),
		cmocka_unit_test(test_what_put_answers_is_what_clients_of_each_type_expect),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
