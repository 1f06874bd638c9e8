#include "host/api/route.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const char any_schema[] = "{\"type\":\"object\"}";

static const emco_resource_type rows[] = {
	{ .name = "project", .segment = "projects", .names = "metadata.name", .schema = any_schema },
	{ .name = "version", .parent = "project", .segment = "composite-apps", .variables = "compositeApp version",
	  .names = "metadata.name spec.version", .schema = any_schema, .flags = EMCO_RESOURCE_NO_PUT },
	{ .name = "group", .parent = "version", .segment = "groups", .names = "metadata.name", .schema = any_schema },
};

static enum status nothing(struct ask *ask, struct error *err)
{
	(void) ask;
	(void) err;
	return ST_OK;
}

static const struct query_option dry[] = { { "dryRun", "Only say it.", NULL }, { NULL, NULL, NULL } };
static const struct query_option output[] = {
	{ "output", "How much.", NULL }, { "app", "Which.", NULL }, { NULL, NULL, NULL },
};

static const struct verb verbs[] = {
	{ .type = "group", .name = "instantiate", .success = 202, .handler = nothing, .summary = "Deploy.", .options = dry,
	  .body_schema = any_schema },
};

static const struct look looks[] = {
	{ .type = "group",   .is_item = true,  .segment = "status", .handler = nothing, .by = { NULL, "State.", NULL },
	  .options = output },
	{ .type = "project", .is_item = false, .by = { "label", "Of a label.", NULL }, .handler = nothing },
	{ .type = "project", .is_item = false, .by = { "full", "In full.", NULL },  .handler = nothing },
	{ .type = "project", .is_item = true,  .by = { "label", NULL, NULL }, .handler = nothing },
	{ .type = "version", .is_item = false, .segment = "summary", .handler = nothing },
};

static const struct family family = { .verbs = verbs, .verb_count = 1, .looks = looks, .look_count = ARRAY_LEN(looks) };

static struct types  *types;
static struct routes *routes;

static int set_up(void **state)
{
	struct error err;

	(void) state;
	types = types_new();
	assert_int_equal(types_add(types, rows, sizeof rows[0], ARRAY_LEN(rows), "emcod", &err), ST_OK);
	assert_int_equal(types_seal(types, &err), ST_OK);
	assert_int_equal(routes_new(types, &family, 1, &routes, &err), ST_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	routes_free(routes);
	types_free(types);
	return 0;
}

enum { G = 1 << METHOD_GET, P = 1 << METHOD_POST, U = 1 << METHOD_PUT, D = 1 << METHOD_DELETE, NO_PATH = 255, NO_METHOD = 254 };

static const struct row {
	enum method method;
	const char *path;
	unsigned    operation;
	unsigned    allowed;
	const char *want_path, *want_parent;
} table[] = {
	{ METHOD_GET,    "healthz",                                   OPERATION_HEALTH,  G,         "", "" },
	{ METHOD_POST,   "healthz",                                   NO_METHOD,         G,         "", "" },
	{ METHOD_GET,    "v2/openapi.json",                           OPERATION_OPENAPI, G,         "", "" },
	{ METHOD_GET,    "v2",                                        NO_PATH,           0,         "", "" },
	{ METHOD_GET,    "v1/projects",                               NO_PATH,           0,         "", "" },
	{ METHOD_GET,    "v2/projects",                               OPERATION_LIST,    G | P,     "", "" },
	{ METHOD_POST,   "v2/projects",                               OPERATION_CREATE,  G | P,     "", "" },
	{ METHOD_PUT,    "v2/projects",                               NO_METHOD,         G | P,     "", "" },
	{ METHOD_COUNT,  "v2/projects",                               NO_METHOD,         G | P,     "", "" },
	{ METHOD_GET,    "v2/projects/p1",                            OPERATION_READ,    G | U | D, "projects/p1", "" },
	{ METHOD_PUT,    "v2/projects/p1",                            OPERATION_REPLACE, G | U | D, "projects/p1", "" },
	{ METHOD_GET,    "v2/projects/a b",                           NO_PATH,           0,         "", "" },
	{ METHOD_GET,    "v2/projects/-a",                            NO_PATH,           0,         "", "" },
	{ METHOD_GET,    "v2/projects/p1/nothing",                    NO_PATH,           0,         "", "" },
	{ METHOD_POST,   "v2/projects/p1/composite-apps",             OPERATION_CREATE,  G | P,     "projects/p1", "projects/p1" },
	{ METHOD_GET,    "v2/projects/p1/composite-apps/ca",          NO_PATH,           0,         "", "" },
	{ METHOD_DELETE, "v2/projects/p1/composite-apps/ca/v1",       OPERATION_DELETE,  G | D,     "projects/p1/composite-apps/ca/v1", "projects/p1" },
	{ METHOD_PUT,    "v2/projects/p1/composite-apps/ca/v1",       NO_METHOD,         G | D,     "", "" },
	{ METHOD_GET,    "v2/projects/p1/composite-apps/summary",     OPERATION_LOOK,    G,         "projects/p1", "projects/p1" },
	{ METHOD_GET,    "v2/projects/p1/composite-apps/a/b/groups/g/status", OPERATION_LOOK, G,
	  "projects/p1/composite-apps/a/b/groups/g", "projects/p1/composite-apps/a/b" },
	{ METHOD_POST,   "v2/projects/p1/composite-apps/a/b/groups/g/instantiate", OPERATION_VERB, P,
	  "projects/p1/composite-apps/a/b/groups/g", "projects/p1/composite-apps/a/b" },
	{ METHOD_GET,    "v2/projects/p1/composite-apps/a/b/groups/g/instantiate", NO_METHOD, P, "", "" },
	{ METHOD_POST,   "v2/projects/p1/composite-apps/a/b/groups/g/destroy", NO_PATH, 0, "", "" },
	{ METHOD_GET,    "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", NO_PATH, 0, "", "" },
};

static void test_paths_lead_where_the_rows_say(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct row *row = &table[i];
		struct match match = { .allowed = 0 };
		const bool found = routes_match(routes, row->method, view_of(row->path), &match);
		if (found != (row->operation != NO_PATH))
			fail_msg("%s: found %d", row->path, found);
		if (!found)
			continue;
		assert_int_equal(match.allowed, row->allowed);
		if (row->operation == NO_METHOD) {
			assert_null(match.endpoint);
			continue;
		}
		assert_non_null(match.endpoint);
		assert_int_equal(match.endpoint->operation, row->operation);
		assert_true(view_is(match.path, row->want_path));
		assert_true(view_is(match.parent, row->want_parent));
	}
}

static void test_views_without_a_path_stand_before_the_plain_answer_in_order(void **state)
{
	struct match match;

	(void) state;
	assert_true(routes_match(routes, METHOD_GET, VIEW("v2/projects"), &match));
	assert_int_equal(match.endpoint->look_count, 2);
	assert_string_equal(match.endpoint->looks[0]->by.name, "label");
	assert_string_equal(match.endpoint->looks[1]->by.name, "full");
}

static void test_a_parameter_is_known_where_a_table_names_it(void **state)
{
	static const struct { enum method method; const char *path, *known, *unknown; } asked[] = {
		{ METHOD_GET,    "v2/projects",                                                  "label",    "dryRun"   },
		{ METHOD_GET,    "v2/projects",                                                  "full",     "ful"      },
		{ METHOD_GET,    "v2/projects",                                                  "continue", "limits"   },
		{ METHOD_GET,    "v2/projects",                                                  "limit",    ""         },
		{ METHOD_GET,    "v2/projects/p1",                                               "label",    "full"     },
		{ METHOD_GET,    "v2/projects/p1",                                               NULL,       "limit"    },
		{ METHOD_DELETE, "v2/projects/p1",                                               NULL,       "label"    },
		{ METHOD_POST,   "v2/projects",                                                  NULL,       "label"    },
		{ METHOD_GET,    "v2/projects/p1/composite-apps/ca/v1/groups/g/status",          "output",   "dryRun"   },
		{ METHOD_GET,    "v2/projects/p1/composite-apps/ca/v1/groups/g/status",          "app",      "limit"    },
		{ METHOD_POST,   "v2/projects/p1/composite-apps/ca/v1/groups/g/instantiate",     "dryRun",   "output"   },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct match match;
		assert_true(routes_match(routes, asked[i].method, view_of(asked[i].path), &match));
		assert_non_null(match.endpoint);
		if (asked[i].known != NULL)
			assert_true(endpoint_takes(match.endpoint, view_of(asked[i].known)));
		assert_false(endpoint_takes(match.endpoint, view_of(asked[i].unknown)));
	}
}

static void test_endpoints_are_numbered_in_order_of_their_patterns(void **state)
{
	(void) state;
	for (size_t i = 0; i < routes_count(routes); i++) {
		assert_int_equal(routes_at(routes, i)->index, i);
		if (i > 0)
			assert_true(strcmp(routes_at(routes, i - 1)->pattern, routes_at(routes, i)->pattern) <= 0);
	}
}

static void test_a_verb_takes_a_document_only_when_its_row_says_so(void **state)
{
	struct match match;

	(void) state;
	assert_true(routes_match(routes, METHOD_POST, VIEW("v2/projects/p1/composite-apps/a/b/groups/g/instantiate"), &match));
	assert_non_null(match.endpoint->body);
	assert_true(routes_match(routes, METHOD_POST, VIEW("v2/projects"), &match));
	assert_null(match.endpoint->body);
}

static void test_two_answers_to_one_path_are_refused(void **state)
{
	static const struct verb same[] = {
		{ .type = "group", .name = "stop", .handler = nothing }, { .type = "group", .name = "stop", .handler = nothing },
	};
	static const struct verb bad[] = {
		{ .type = "group", .name = "stop", .handler = nothing, .body_schema = "{\"kind\":\"object\"}" },
	};
	static const struct verb stray[] = { { .type = "nobody", .name = "stop", .handler = nothing } };
	const struct family twice = { .verbs = same, .verb_count = 2 }, lost = { .verbs = stray, .verb_count = 1 };
	const struct family crooked = { .verbs = bad, .verb_count = 1 };
	struct routes *made = NULL;
	struct error   err;

	(void) state;
	assert_int_equal(routes_new(types, &twice, 1, &made, &err), ST_INVALID);
	assert_string_equal(err.text, "two answers to POST /v2/projects/{project}/composite-apps/{compositeApp}/{version}"
	                              "/groups/{group}/stop");
	assert_int_equal(routes_new(types, &lost, 1, &made, &err), ST_INVALID);
	assert_string_equal(err.text, "verb \"stop\" is for type \"nobody\", which does not exist");
	assert_int_equal(routes_new(types, &crooked, 1, &made, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "the body of verb \"stop\": "));
	assert_non_null(strstr(err.text, "\"kind\""));
	assert_null(made);
}

static void test_the_list_of_routes_has_a_line_for_each(void **state)
{
	auto_buf     out;
	struct error err;
	size_t       lines = 0;

	(void) state;
	buf_init(&out, 1 << 16);
	assert_int_equal(routes_print(routes, &out, &err), ST_OK);
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, routes_count(routes));
	assert_non_null(strstr(out.data, "GET    /v2/projects[?label=|full=]  List the projects\n"));
	assert_non_null(strstr(out.data, "GET    /v2/projects/{project}  Read a project\n"));      /* what only refuses is not offered */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_lead_where_the_rows_say),
		cmocka_unit_test(test_views_without_a_path_stand_before_the_plain_answer_in_order),
		cmocka_unit_test(test_a_parameter_is_known_where_a_table_names_it),
		cmocka_unit_test(test_endpoints_are_numbered_in_order_of_their_patterns),
		cmocka_unit_test(test_a_verb_takes_a_document_only_when_its_row_says_so),
		cmocka_unit_test(test_two_answers_to_one_path_are_refused),
		cmocka_unit_test(test_the_list_of_routes_has_a_line_for_each),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
