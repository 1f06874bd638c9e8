/* Who inherits what of metadata.managedFields: joined, kept apart, and told from a lack of memory. */
#include "tests/unit/base/fail_alloc.h"
#include "tests/unit/base/test.h"

#include "lib/kube/managers.h"

/* JSON with ' for ". */
static json_t *read(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *quote = copy; (quote = strchr(quote, '\'')) != NULL;)
		*quote = '"';
	json_t *value = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(value);
	return value;
}

static bool is_old(void *data, const char *manager)
{
	(void) data;
	return strncmp(manager, "old", 3) == 0;
}

#define OBJECT(entries)     "{'metadata':{'resourceVersion':'7','managedFields':[" entries "]}}"
#define ENTRY(who, how, version, fields) "{'manager':'" who "','operation':'" how "','apiVersion':'" version "','fieldsV1':" fields "}"
#define APPLIED(who, fields) ENTRY(who, "Apply", "apps/v1", fields)
#define STATUS(who, fields)  "{'manager':'" who "','operation':'Apply','apiVersion':'apps/v1','subresource':'status','fieldsV1':" fields "}"

static void assert_inherits(const char *object_text, const char *want)
{
	auto_json *object = read(object_text), *before = json_deep_copy(object), *wanted = want != NULL ? read(want) : NULL, *patch = NULL;

	assert_ok(managers_inherit(object, "heir", is_old, NULL, &patch, NO_ERR));
	assert_true(json_equal(object, before));
	if (want == NULL)
		assert_null(patch);
	else if (!json_equal(patch, wanted))
		print_error("of %s, got %s\n", object_text, json_dumps(patch, JSON_COMPACT));
	assert_true(want == NULL || json_equal(patch, wanted));
}

static void test_what_is_picked_is_the_heirs(void **state)
{
	static const struct { const char *object, *patch; } rows[] = {
		{ "{'metadata':{'resourceVersion':'7'}}", NULL },
		{ OBJECT(""), NULL },
		{ OBJECT(APPLIED("other", "{'f:a':{}}")), NULL },
		{ OBJECT(APPLIED("heir", "{'f:a':{}}")), NULL },
		{ OBJECT(ENTRY("old1", "Update", "apps/v1", "{'f:a':{}}")), NULL },
		{ OBJECT(APPLIED("old1", "{'f:a':{}}")), OBJECT(APPLIED("heir", "{'f:a':{}}")) },
		{ OBJECT(APPLIED("old1", "{'f:a':{'f:x':{}}}") "," APPLIED("other", "{'f:b':{}}") "," APPLIED("heir", "{'f:a':{'.':{}}}")),
		  OBJECT(APPLIED("other", "{'f:b':{}}") "," APPLIED("heir", "{'f:a':{'.':{},'f:x':{}}}")) },
		{ OBJECT("{'manager':'old1','operation':'Apply'}"), NULL },
		{ OBJECT("{'manager':'old1','operation':'Apply','fieldsV1':{'f:a':{}}}" "," "{'manager':'old2','operation':'Apply','fieldsV1':{'f:b':{}}}"),
		  OBJECT("{'manager':'heir','operation':'Apply','fieldsV1':{'f:a':{},'f:b':{}}}") },
		{ OBJECT(APPLIED("old1", "{'f:a':{}}") "," APPLIED("old2", "{'f:b':{}}")),
		  OBJECT(APPLIED("heir", "{'f:a':{},'f:b':{}}")) },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_inherits(rows[i].object, rows[i].patch);
}

/* ".spec.x" of v1 may be nothing, or something else, in v1beta1. */
static void test_fields_of_another_version_or_subresource_are_not_joined(void **state)
{
	static const struct { const char *object, *patch; } rows[] = {
		{ OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}") "," APPLIED("heir", "{'f:b':{}}")), NULL },
		{ OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}") "," APPLIED("old2", "{'f:c':{}}") "," APPLIED("heir", "{'f:b':{}}")),
		  OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}") "," APPLIED("heir", "{'f:b':{},'f:c':{}}")) },
		{ OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}") "," APPLIED("old2", "{'f:c':{}}")),
		  OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}") "," APPLIED("heir", "{'f:c':{}}")) },
		{ OBJECT(ENTRY("old1", "Apply", "apps/v1beta1", "{'f:a':{}}")), OBJECT(ENTRY("heir", "Apply", "apps/v1beta1", "{'f:a':{}}")) },
		{ OBJECT(STATUS("old1", "{'f:status':{}}")), NULL },
		{ OBJECT(STATUS("heir", "{'f:status':{}}") "," APPLIED("old1", "{'f:a':{}}")),
		  OBJECT(STATUS("heir", "{'f:status':{}}") "," APPLIED("heir", "{'f:a':{}}")) },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_inherits(rows[i].object, rows[i].patch);
}

#define TWO OBJECT(APPLIED("old1", "{'f:a':{'f:x':{}}}") "," APPLIED("old2", "{'f:b':{'.':{}}}") "," APPLIED("old3", "{'f:b':{'f:y':{}}}"))

static void test_a_lack_of_memory_is_no_empty_inheritance(void **state)
{
	auto_json  *object = read(TWO), *want = read(OBJECT(APPLIED("heir", "{'f:a':{'f:x':{}},'f:b':{'.':{},'f:y':{}}}")));
	enum status st = ST_NO_MEMORY;

	(void) state;
	for (alloc_fail_at = 1; st != ST_OK; alloc_fail_at++) {
		struct error err = { .code = ST_OK };
		auto_json   *patch = NULL;

		alloc_count = 0;
		st = managers_inherit(object, "heir", is_old, NULL, &patch, &err);
		const size_t stop = alloc_fail_at;
		alloc_fail_at = 0;
		assert_true(st == ST_OK || st == ST_NO_MEMORY);
		assert_true(st == ST_OK ? json_equal(patch, want) : patch == NULL);
		assert_int_equal(err.code, st);
		alloc_fail_at = stop;
	}
	assert_true(alloc_fail_at > 10);
	alloc_fail_at = 0;
}

static json_t *deep(size_t levels)
{
	json_t *inner = json_object();

	for (size_t i = 0; i < levels; i++)
		inner = json_pack("{s:o}", "f:a", inner);
	return inner;
}

static void test_what_is_too_deep_to_be_joined_is_said(void **state)
{
	auto_json   *object = read(TWO), *patch = NULL;
	struct error err = { .code = ST_OK };
	json_t      *entries = json_at(object, "metadata.managedFields");

	(void) state;
	for (size_t i = 0; i < 3; i++)
		json_object_set_new(json_array_get(entries, i), "fieldsV1", deep(65));
	assert_status(ST_TOO_LARGE, managers_inherit(object, "heir", is_old, NULL, &patch, &err), &err,
	              "managedFields are nested deeper than 64 levels");
	assert_null(patch);
	for (size_t i = 0; i < 3; i++)
		json_object_set_new(json_array_get(entries, i), "fieldsV1", deep(64));
	assert_ok(managers_inherit(object, "heir", is_old, NULL, &patch, NO_ERR));
	assert_non_null(patch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_picked_is_the_heirs),
		cmocka_unit_test(test_fields_of_another_version_or_subresource_are_not_joined),
		cmocka_unit_test(test_a_lack_of_memory_is_no_empty_inheritance),
		cmocka_unit_test(test_what_is_too_deep_to_be_joined_is_said),
	};

	json_set_alloc_funcs(malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
