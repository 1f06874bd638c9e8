/* Objects made ready for a cluster, and how long a failed try waits. */
#include "plugins/rsync/test/fake.h"

#include "plugins/rsync/git_tree.h"
#include "plugins/rsync/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TAGGED  "\"labels\":{\"emco/deployment-id\":\"1-web\"}"

static void test_tags(void **state)
{
	static const struct { const char *title; uint32_t tag; const char *object, *want;
	} rows[] = {
		{ "no metadata", 0, "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}",
		  "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{" TAGGED ",\"namespace\":\"ns\"}}" },
		{ "labels and namespace are kept", 0, "{\"metadata\":{\"namespace\":\"own\",\"labels\":{\"a\":\"b\"}}}",
		  "{\"metadata\":{\"namespace\":\"own\",\"labels\":{\"a\":\"b\",\"emco/deployment-id\":\"1-web\"}}}" },
		{ "null labels, empty namespace", 0, "{\"metadata\":{\"labels\":null,\"namespace\":\"\"}}",
		  "{\"metadata\":{" TAGGED ",\"namespace\":\"ns\"}}" },
		{ "template without metadata", 0, "{\"metadata\":{},\"spec\":{\"template\":{}}}",
		  "{\"metadata\":{" TAGGED ",\"namespace\":\"ns\"},\"spec\":{\"template\":{\"metadata\":{" TAGGED
		  "}}}}" },
		{ "template that is a text", 0, "{\"metadata\":{},\"spec\":{\"template\":\"x\"}}",
		  "{\"metadata\":{" TAGGED ",\"namespace\":\"ns\"},\"spec\":{\"template\":\"x\"}}" },
		{ "namespace", 0, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\"}",
		  "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{" TAGGED "}}" },
		{ "a kind of that name in another group", 0, "{\"apiVersion\":\"x.io/v1\",\"kind\":\"Namespace\"}",
		  "{\"apiVersion\":\"x.io/v1\",\"kind\":\"Namespace\",\"metadata\":{" TAGGED
		  ",\"namespace\":\"ns\"}}" },
		{ "cluster role", 0, "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRole\"}",
		  "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRole\",\"metadata\":{" TAGGED
		  "}}" },
		{ "items of a list", 0, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"kind\":\"Pod\"}]}",
		  "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"kind\":\"Pod\",\"metadata\":{" TAGGED
		  ",\"namespace\":\"ns\"}}]}" },
		{ "crd for Flux", TAG_FLUX,
		  "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\"}",
		  "{\"apiVersion\":\"apiextensions.k8s.io/"
		  "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{" TAGGED
		  ",\"annotations\":{\"kustomize.toolkit.fluxcd.io/prune\":\"disabled\"}}}" },
		{ "labels that are none", 0, "{\"metadata\":{\"labels\":[]}}", "\"labels\" must be an object" },
		{ "metadata that is none", 0, "{\"metadata\":7}", "\"metadata\" must be an object" },
		{ "an item that is none", 0, "{\"kind\":\"List\",\"items\":[7]}", "an object was expected" },
		{ "lists too deep", 0,
		  "{\"kind\":\"List\",\"items\":[{\"kind\":\"List\",\"items\":[{\"kind\":\"List\",\"items\":["
		  "{\"kind\":\"List\",\"items\":[{\"kind\":\"List\",\"items\":[]}]}]}]}]}",
		  "lists of lists, more than 4 deep" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fault fault = { .code = EMCO_OK };
		json_t      *object = json_loads(rows[i].object, 0, NULL);

		if (object == NULL)
			fail_msg("%s: no JSON", rows[i].title);

		const emco_status status = object_tag(object, "1-web", "ns", rows[i].tag, &fault);
		char             *text = status == EMCO_OK ? json_dumps(object, JSON_COMPACT) : strdup(fault.text);
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].title, text);
		free(text);
		json_decref(object);
	}
}

/* -- a set, through a pass -- */

static struct fake fake;

static int setup(void **state)
{
	(void) state;
	fake_init(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	fake_done(&fake);
	return 0;
}

static void with_set(const char *objects,
                     void (*look)(const struct object_set *set, emco_status status, const struct fault *fault))
{
	const emco_str     name = EMCO_STR("set");
	struct fault       fault = { .code = EMCO_OK };
	struct object_set *set = NULL, *again = NULL;
	emco_call         *call = fake.host.begin(&fake.host, EMCO_STR("test"), 10000000000LL);
	struct pass           pass = { .host = &fake.host, .units = fake.host.extension(&fake.host, EMCO_UNITS_1),
	                               .config = &fake.config, .call = call, .renewed_ns = now_ns() };

	fake_set(&fake, "set", objects);
	const emco_status status = object_set_read(&pass, name, &target_git, "1-web", EMCO_STR("ns"), &set, &fault);
	look(set, status, &fault);
	if (status == EMCO_OK || status == EMCO_E_INVALID) {      /* read once in a pass */
		assert_int_equal(object_set_read(&pass, name, &target_git, "1-web", EMCO_STR("ns"), &again, &fault),
		                 status);
		assert_ptr_equal(set, again);
	}
	fake.host.end(&fake.host, call);
}

static void look_numbers(const struct object_set *set, emco_status status, const struct fault *fault)
{
	(void) fault;
	assert_int_equal(status, EMCO_OK);
	assert_non_null(strstr(set->objects[0].text.ptr, "{\"cpu\":0.1,\"exact\":0.12345678901234568,\"one\":1.0,"
	                                                 "\"big\":9223372036854775807}}\n"));
}

static void test_numbers_stay_as_people_wrote_them(void **state)
{
	(void) state;
	with_set("[{\"body\":{\"kind\":\"X\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"cpu\":0.1,"
	         "\"exact\":0.12345678901234568,\"one\":1.0,\"big\":9223372036854775807}}}]", look_numbers);
}

static void look_number(const struct object_set *set, emco_status status, const struct fault *fault)
{
	(void) fault;
	assert_int_equal(status, EMCO_OK);
	assert_non_null(strstr(set->objects[0].text.ptr, "\"cpu\":0.1}"));
}

static void test_a_quantity_does_not_grow(void **state)
{
	(void) state;
	with_set("[{\"body\":{\"kind\":\"X\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"cpu\":0.1}}}]", look_number);
}

static void look_secret(const struct object_set *set, emco_status status, const struct fault *fault)
{
	(void) fault;
	assert_int_equal(status, EMCO_OK);
	assert_true(set->objects[0].is_secret);
	assert_true(set->objects[1].is_secret);
	assert_false(set->objects[2].is_secret);
	assert_ptr_equal(object_find(set, EMCO_STR("b+Other")), &set->objects[2]);
	assert_null(object_find(set, EMCO_STR("b+Oth")));
	assert_null(object_find(NULL, EMCO_STR("b")));
}

static void test_a_secret_is_seen_wherever_it_hides(void **state)
{
	(void) state;
	with_set("[{\"body\":{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"name\":\"l\"},\"items\":[{"
	         "\"apiVersion\":\"v1\","
	         "\"kind\":\"Secret\"}]}},{\"secret\":true,\"body\":{\"kind\":\"Sealed\",\"metadata\":{\"name\":\"a\"}}"
	         "},"
	         "{\"body\":{\"apiVersion\":\"x/v1\",\"kind\":\"Other\",\"metadata\":{\"name\":\"b\"}}}]",
	         look_secret);
}

static void look_bad(const struct object_set *set, emco_status status, const struct fault *fault)
{
	assert_int_equal(status, EMCO_E_INVALID);
	assert_string_equal(fault->text, "object \"a+X\": \"labels\" must be an object");
	assert_string_equal(set->objects[0].message, "\"labels\" must be an object");
	assert_null(set->objects[1].message);
}

static void test_a_bad_object_is_named(void **state)
{
	(void) state;
	with_set("[{\"body\":{\"kind\":\"X\",\"metadata\":{\"name\":\"a\",\"labels\":1}}},"
	         "{\"body\":{\"kind\":\"X\",\"metadata\":{\"name\":\"b\"}}}]", look_bad);
}

static void look_twice(const struct object_set *set, emco_status status, const struct fault *fault)
{
	(void) set;
	assert_int_equal(status, EMCO_E_INVALID);
	assert_string_equal(fault->text, "two objects are named \"a+X\"");
}

static void test_two_objects_of_one_name_are_refused(void **state)
{
	(void) state;
	with_set("[{\"body\":{\"kind\":\"X\",\"metadata\":{\"name\":\"a\"}}},{\"body\":{\"kind\":\"X\",\"metadata\":{"
	         "\"name\":\"a\"}}}]",
	         look_twice);
}

/* -- small rules -- */

static void test_names_that_make_a_path(void **state)
{
	static const struct { const char *name; bool is_safe;
	} rows[] = {
		{ "web+Deployment", true },
		{ "system:controller:x+ClusterRole", true },
		{ "..x", true },
		{ "é", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ ".git", false },
		{ ".GIT", false },
		{ "a/b", false },
		{ "a\\b", false },
		{ "a\nb", false },
		{ "a\x7f", false },
	};
	char longest[256];

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(git_name_is_safe(str_of(rows[i].name), 0), rows[i].is_safe);
	memset(longest, 'a', sizeof longest);
	assert_true(git_name_is_safe((emco_str) { longest, 250 }, 5));
	assert_false(git_name_is_safe((emco_str) { longest, 251 }, 5));
	assert_false(git_name_is_safe((emco_str) { "a\0b", 3 }, 0));
}

static void test_pauses_double_up_to_their_maximum(void **state)
{
	static const struct { uint32_t attempts; int64_t longest_ms;
	} rows[] = {
		{ 0, 1000 },
		{ 1, 2000 },
		{ 2, 4000 },
		{ 6, 64000 },
		{ 7, 120000 },
		{ 1000, 120000 },
		{ UINT32_MAX, 120000 },
	};
	const struct config config = { .retry_min_ms = 1000, .retry_max_ms = 120000 };

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (int again = 0; again < 100; again++) {
			const int64_t delay_ns = retry_delay_ns(&config, rows[i].attempts);

			assert_true(delay_ns >= rows[i].longest_ms * 500000 &&
			            delay_ns <= rows[i].longest_ms * 1000000);
		}
	}
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		TEST(test_numbers_stay_as_people_wrote_them),
		TEST(test_a_quantity_does_not_grow),
		TEST(test_a_secret_is_seen_wherever_it_hides),
		TEST(test_a_bad_object_is_named),
		TEST(test_two_objects_of_one_name_are_refused),
		cmocka_unit_test(test_names_that_make_a_path),
		cmocka_unit_test(test_pauses_double_up_to_their_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
