#include "host/api/answer.h"
#include "host/api/status.h"

#include <setjmp.h>
#include <cmocka.h>

static const struct { enum status st; int want; } statuses[] = {
	{ ST_OK, 200 },              { ST_INVALID, 400 },      { ST_MALFORMED, 422 },         { ST_NOT_FOUND, 404 },
	{ ST_EXISTS, 409 },          { ST_CONFLICT, 409 },     { ST_PRECONDITION, 412 },      { ST_TOO_LARGE, 413 },
	{ ST_UNSUPPORTED_MEDIA, 415 }, { ST_NOT_ACCEPTABLE, 406 }, { ST_UNAUTHENTICATED, 401 }, { ST_FORBIDDEN, 403 },
	{ ST_UNAVAILABLE, 503 },     { ST_DEADLINE, 504 },     { ST_UPSTREAM, 502 },          { ST_NO_MEMORY, 503 },
	{ ST_INTERNAL, 500 },
};

static void test_every_status_has_a_code_and_every_code_a_reason(void **state)
{
	(void) state;
	assert_int_equal(ARRAY_LEN(statuses), ST_STATUS_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		assert_int_equal(status_http(statuses[i].st), statuses[i].want);
		assert_string_not_equal(http_reason(statuses[i].want), "Unknown");
		assert_int_equal(http_code_at(http_index(statuses[i].want)), statuses[i].want);
	}
	assert_int_equal(http_index(299), HTTP_CODE_COUNT - 1);
	assert_string_equal(http_reason(299), "Unknown");
}

static const struct {
	struct error   fault;
	struct verdict verdict;
	const char    *text, *problem;
} answers[] = {
	{ { ST_NOT_FOUND, "", "\"projects/p1\" does not exist", "" }, { .faults = 0 },
	  "\"projects/p1\" does not exist\n",
	  "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"\\\"projects/p1\\\" does not exist\","
	  "\"kind\":\"not_found\",\"request\":\"id\"}\n" },
	{ { ST_INVALID, "file", "part file must be there", "Send it." }, { .faults = 0 },
	  "part file must be there\nSend it.\n",
	  "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"part file must be there\",\"hint\":\"Send it.\","
	  "\"kind\":\"invalid\",\"request\":\"id\",\"errors\":[{\"field\":\"file\",\"detail\":\"part file must be there\"}]}\n" },
	{ { ST_INVALID, "/spec/x", "must be there", "" }, { .faults = 0 },
	  "/spec/x: must be there\n",
	  "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"/spec/x: must be there\","
	  "\"kind\":\"invalid\",\"request\":\"id\",\"errors\":[{\"field\":\"/spec/x\",\"detail\":\"must be there\"}]}\n" },
	{ { ST_INVALID, "/a", "x", "1 more." }, { .faults = 2, .fault = { { "/a", "x" }, { "", "y" } } },
	  "/a: x\nthe document: y\n",
	  "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"/a: x\","
	  "\"kind\":\"invalid\",\"request\":\"id\",\"errors\":[{\"field\":\"/a\",\"detail\":\"x\"},{\"field\":\"\",\"detail\":\"y\"}]}\n" },
};

static void test_a_fault_is_told_as_text_and_as_problem_document(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		auto_buf     text, problem;
		struct error err;
		buf_init(&text, 1 << 16);
		buf_init(&problem, 1 << 16);
		assert_int_equal(answer_text(&text, &answers[i].fault, &answers[i].verdict, &err), ST_OK);
		assert_string_equal(text.data, answers[i].text);
		assert_int_equal(answer_problem(&problem, status_http(answers[i].fault.code), &answers[i].fault,
		                                &answers[i].verdict, "id", &err), ST_OK);
		assert_string_equal(problem.data, answers[i].problem);
	}
}

static void test_faults_past_the_kept_ones_are_counted(void **state)
{
	struct verdict verdict = { .faults = FAULTS_MAX + 5 };
	struct error   fault = { .code = ST_INVALID }, err;
	auto_buf       text;

	(void) state;
	for (size_t i = 0; i < FAULTS_MAX; i++)
		verdict.fault[i] = (struct fault) { "/f", "t" };
	buf_init(&text, 1 << 16);
	assert_int_equal(answer_text(&text, &fault, &verdict, &err), ST_OK);
	assert_non_null(strstr(text.data, "/f: t\nand 5 more\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_has_a_code_and_every_code_a_reason),
		cmocka_unit_test(test_a_fault_is_told_as_text_and_as_problem_document),
		cmocka_unit_test(test_faults_past_the_kept_ones_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
