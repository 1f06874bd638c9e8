#include "tests/unit/orchestrator/helper.h"

#include "emco/app_context.h"
#include "host/orchestrator/manifest.h"

#define DOC(kind, name)  "---\n# Source: web/templates/" name ".yaml\napiVersion: v1\nkind: " kind "\nmetadata:\n  name: " name "\n"

static struct arena arena;

static int set_up(void **state)
{
	(void) state;
	arena_init(&arena, 64 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	arena_done(&arena);
	return 0;
}

static struct objects split(const char *text)
{
	struct objects objects;
	struct error   err;

	expect_ok(manifest_split(view_of(text), &arena, &objects, &err));
	return objects;
}

/* "crd:a+X main:b+Y hook(pre-install):c+Z" */
static void expect_objects(const char *text, const char *want)
{
	const struct objects objects = split(text);
	auto_buf             got;
	struct error         err;

	buf_init(&got, 1 << 16);
	for (size_t i = 0; i < objects.count; i++) {
		const struct object *object = &objects.at[i];
		expect_ok(buf_printf(&got, &err, "%s%s", i > 0 ? " " : "", object->phase == EMCO_PHASE_CRD ? "crd:" :
		                     object->phase == EMCO_PHASE_HOOK ? "hook(" : ""));
		if (object->phase == EMCO_PHASE_HOOK)
			expect_ok(buf_printf(&got, &err, "%.*s):", (int) object->events.len, object->events.ptr));
		expect_ok(buf_add_view(&got, object->name, &err));
	}
	assert_string_equal(got.data, want);
}

static const struct { const char *title, *text, *want; } rows[] = {
	{ "nothing",               "", "" },
	{ "blank documents",       "---\n\n---\n# only a comment\n---\n", "" },
	{ "one",                   DOC("ConfigMap", "a"), "a+ConfigMap" },
	{ "Helm's order",
	  DOC("Service", "s") DOC("ConfigMap", "c") DOC("Namespace", "n") DOC("Widget", "w") DOC("Deployment", "d") DOC("Secret", "x"),
	  "n+Namespace x+Secret c+ConfigMap s+Service d+Deployment w+Widget" },
	{ "unknown kinds by name", DOC("Zebra", "a") DOC("Ant", "b") DOC("Zebra", "c"), "b+Ant a+Zebra c+Zebra" },
	{ "equal kinds stay",      DOC("ConfigMap", "b") DOC("ConfigMap", "a"), "b+ConfigMap a+ConfigMap" },
	{ "CRDs first",            DOC("ConfigMap", "a") DOC("CustomResourceDefinition", "t"),
	  "crd:t+CustomResourceDefinition a+ConfigMap" },
	{ "hooks last, by weight and name",
	  DOC("Job", "late") "  annotations: {helm.sh/hook: 'Post-Install , pre-upgrade', helm.sh/hook-weight: '5'}\n"
	  DOC("Job", "b") "  annotations: {helm.sh/hook: pre-install}\n"
	  DOC("Job", "a") "  annotations: {helm.sh/hook: pre-install}\n"
	  DOC("Job", "first") "  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: -3}\n"
	  DOC("Job", "plain"),
	  "plain+Job hook(pre-install):first+Job hook(pre-install):a+Job hook(pre-install):b+Job "
	  "hook(post-install,pre-upgrade):late+Job" },
	{ "tests are dropped",     DOC("Pod", "t") "  annotations: {helm.sh/hook: test}\n"
	                           DOC("Pod", "u") "  annotations: {helm.sh/hook: 'test-success'}\n" DOC("Pod", "p"), "p+Pod" },
	{ "lists are flattened",
	  "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
	  "- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n", "b+Secret a+ConfigMap" },
	{ "lists of a kind too",
	  "apiVersion: v1\nkind: RoleList\nitems:\n- {metadata: {name: a}}\n", "a+Role" },
	{ "a second holder gets a suffix",
	  DOC("ConfigMap", "a") "  namespace: one\n" DOC("ConfigMap", "a") "  namespace: two\n", "a+ConfigMap a~2+ConfigMap" },
	{ "another group too",
	  "apiVersion: apps/v1\nkind: X\nmetadata: {name: a}\n---\napiVersion: other/v1\nkind: X\nmetadata: {name: a}\n",
	  "a+X a~2+X" },
};

static void test_documents_become_objects_in_order(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_objects(rows[i].text, rows[i].want);
}

static const struct { const char *text; enum status want; const char *words; } faults[] = {
	{ DOC("A", "a") "---\n# Source: web/templates/x.yaml\nkind: B\nmetadata: {name: b}\n", ST_INVALID, "\"web/templates/x.yaml\"" },
	{ "kind: B\nmetadata: {name: b}\n", ST_INVALID, "apiVersion" },
	{ "apiVersion: v1\nmetadata: {name: b}\n", ST_INVALID, "kind" },
	{ "apiVersion: v1\nkind: B\nmetadata: {generateName: b-}\n", ST_INVALID, "metadata.name" },
	{ "apiVersion: v1\nkind: B\nmetadata: {name: 5}\n", ST_INVALID, "metadata.name" },
	{ "just text\n", ST_INVALID, "an object was expected" },
	{ "- a\n", ST_INVALID, "document 1" },
	{ "a: [b\n", ST_MALFORMED, "" },
	{ DOC("Job", "a") "  annotations: {helm.sh/hook: before-lunch}\n", ST_INVALID, "before-lunch" },
	{ DOC("A", "same") DOC("A", "same"), ST_INVALID, "is there twice" },
	{ "apiVersion: v1\nkind: A/B\nmetadata: {name: a}\n", ST_INVALID, "\"/\"" },
};

static void test_documents_that_are_no_objects_are_refused_by_name(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct objects objects;
		struct error   err = { 0 };
		expect_status(faults[i].want, manifest_split(view_of(faults[i].text), &arena, &objects, &err), &err);
		expect_words(err.text, faults[i].words);
	}
}

static void test_bodies_are_compact_and_secrets_are_known(void **state)
{
	const struct objects objects = split("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: n\nstringData: {b: x, a: y}\n");

	(void) state;
	assert_int_equal(objects.count, 1);
	assert_true(objects.at[0].is_secret);
	assert_true(view_is(objects.at[0].namespace_, "n"));
	assert_true(view_is(objects.at[0].body, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
	                    "\"namespace\":\"n\"},\"stringData\":{\"b\":\"x\",\"a\":\"y\"}}"));
}

static void test_objects_survive_the_cache_and_nothing_else_does(void **state)
{
	struct objects objects = split(DOC("ConfigMap", "a") DOC("Job", "h") "  annotations: {helm.sh/hook: pre-install}\n"), back;
	struct error   err;
	auto_buf       text;

	(void) state;
	buf_init(&text, 1 << 16);
	expect_ok(objects_encode(&objects, &text, &err));
	expect_ok(objects_decode(buf_view(&text), &arena, &back, &err));
	assert_int_equal(back.count, 2);
	assert_true(view_is(back.at[1].name, "h+Job") && view_is(back.at[1].events, "pre-install"));
	assert_int_equal(back.at[1].phase, EMCO_PHASE_HOOK);
	assert_memory_equal(back.at[0].body.ptr, objects.at[0].body.ptr, objects.at[0].body.len);
	for (size_t len = 0; len < text.len; len++)
		expect_status(ST_MALFORMED, objects_decode((struct view) { text.data, len }, &arena, &back, &err), &err);
	assert_int_equal(objects_decode(VIEW("objects/1 99999999999999\n"), &arena, &back, &err), ST_MALFORMED);
}

static const struct { const char *name, *plain; } names[] = {
	{ "web+Deployment", "web" }, { "web~2+Deployment", "web" }, { "a+b+Role", "a+b" }, { "plain", "plain" },
	{ "~2+X", "~2" }, { "a~+X", "a~" }, { "a~x2+X", "a~x2" },
};

static void test_the_plain_name_is_without_kind_and_suffix(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!view_is(object_plain_name(view_of(names[i].name)), names[i].plain))
			fail_msg("\"%s\" is not \"%s\"", names[i].name, names[i].plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_documents_become_objects_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_documents_that_are_no_objects_are_refused_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bodies_are_compact_and_secrets_are_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_objects_survive_the_cache_and_nothing_else_does, set_up, tear_down),
		cmocka_unit_test(test_the_plain_name_is_without_kind_and_suffix),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
