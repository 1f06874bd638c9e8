#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/placement.h"
#include "lib/base/clock.h"

/* Providers p and q; label east: p+c1 p+c2 p+c3; west: p+c3; none: nothing. */
static enum status labelled(void *data, struct view provider, struct view label, const struct view **ret_clusters,
                            size_t *ret_count, struct error *err)
{
	static const struct view east[] = { { "c3", 2 }, { "c1", 2 }, { "c2", 2 } };

	(void) data;
	if (!view_is(provider, "p") && !view_is(provider, "q"))
		return fail(err, ST_NOT_FOUND, "no such provider");
	*ret_clusters = east;
	*ret_count = !view_is(provider, "p") ? 0 : view_is(label, "east") ? 3 : view_is(label, "west") ? 1 : 0;
	return ST_OK;
}

#define C(name)      "{\"clusterProvider\":\"p\",\"cluster\":\"" name "\"}"
#define L(label)     "{\"clusterProvider\":\"p\",\"clusterLabel\":\"" label "\"}"
#define ANY(entries) "{\"anyOf\":[" entries "]}"

static const struct { const char *title, *all_of, *any_of, *cloud; enum status st; const char *want; } rows[] = {
	{ "one by name",          C("c1"),               "",                   "c1 c2",    ST_OK,        "c1:1!" },
	{ "two by name",          C("c2") "," C("c1"),   "",                   "c1 c2",    ST_OK,        "c1:2! c2:1!" },
	{ "by label",             L("east"),             "",                   "c1 c2 c3", ST_OK,        "c1:2! c2:3! c3:1!" },
	{ "any of two",           "",                    C("c2") "," C("c1"),  "c1 c2",    ST_OK,        "c1:1 c2:1" },
	{ "any of a label",       "",                    L("east"),            "c1 c2 c3", ST_OK,        "c1:1 c2:1 c3:1" },
	{ "nested",               C("c1") "," ANY(C("c2") "," C("c3")), "",  "c1 c2 c3", ST_OK,        "c1:1! c2:2 c3:2" },
	{ "both",                 C("c1"),               C("c2"),              "c1 c2",    ST_OK,        "c1:1! c2:2" },
	{ "twice mandatory",      C("c1") "," L("east"), "",                   "c1 c2 c3", ST_OK,        "c1:1! c2:4! c3:2!" },
	{ "mandatory wins",       C("c1"),               C("c1") "," C("c2"),  "c1 c2",    ST_OK,        "c1:1!" },
	{ "alternatives outside", "",                    L("east"),            "c2",       ST_OK,        "c2:1" },
	{ "the later group",      ANY(C("c1") "," C("c2")), C("c1") "," C("c3"), "c1 c2 c3", ST_OK,    "c1:2 c2:1 c3:2" },
	{ "not the last one",     ANY(C("c1")),          C("c1") "," C("c3"),  "c1 c3",    ST_OK,        "c1:1 c3:2" },
	{ "an entry twice",       "",                    C("c1") "," C("c1"),  "c1",       ST_OK,        "c1:1" },
	{ "empty label beside",   C("c1") "," L("none"), "",                   "c1",       ST_OK,        "c1:1!" },
	{ "outside the cloud",    C("c9"),               "",                   "c1",       ST_CONFLICT,  "mandatory cluster \"p+c9\"" },
	{ "label outside",        L("east"),             "",                   "c1 c3",    ST_CONFLICT,  "mandatory cluster \"p+c2\"" },
	{ "empty group",          C("c1"),               C("c9"),              "c1",       ST_CONFLICT,  "cluster \"c9\" of provider \"p\"" },
	{ "empty nested group",   ANY(L("none")),        "",                   "c1",       ST_CONFLICT,  "label \"none\"" },
	{ "empty label",          L("none"),             "",                   "c1",       ST_CONFLICT,  "label \"none\"" },
	{ "nothing",              "",                    "",                   "c1",       ST_CONFLICT,  "names no cluster" },
	{ "unknown provider",     "{\"clusterProvider\":\"x\",\"clusterLabel\":\"a\"}", "", "c1", ST_NOT_FOUND, "no cluster provider \"x\"" },
	{ "both in one entry",    "{\"clusterProvider\":\"p\",\"clusterLabel\":\"a\",\"cluster\":\"c1\"}", "", "c1", ST_INVALID, "either" },
	{ "no cloud",             C("c1"),               "",                   "",         ST_CONFLICT,  "p+c1" },
};

static size_t read_cloud(const char *text, struct view *clusters, char names[][16])
{
	size_t count = 0;

	while (*text != '\0') {
		const size_t len = strcspn(text, " ");
		snprintf(names[count], 16, "p+%.*s", (int) len, text);
		clusters[count] = view_of(names[count]);
		count++;
		text += len + (text[len] == ' ');
	}
	return count;
}

static void test_intents_resolve_as_the_table_says(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char             text[1024], names[8][16], got[256] = "";
		struct view      cloud[8];
		struct placement placement;
		struct error     err = { 0 };
		auto_json       *intent = NULL;
		auto_arena       arena;

		arena_init(&arena, 1 << 20);
		snprintf(text, sizeof text, "{\"allOf\":[%s],\"anyOf\":[%s]}", rows[i].all_of, rows[i].any_of);
		expect_ok(json_read(view_of(text), &intent, &err));
		const struct placement_ask ask = {
			.app = VIEW("web"), .intent_name = VIEW("i1"), .intent = intent, .cloud = cloud,
			.cloud_count = read_cloud(rows[i].cloud, cloud, names), .labelled = labelled,
		};
		const enum status st = placement_resolve(&ask, &arena, &placement, &err);
		if (st != rows[i].st)
			fail_msg("%s: expected %s, got %s: %s", rows[i].title, status_name(rows[i].st), status_name(st), err.text);
		if (st != ST_OK) {
			expect_words(err.text, rows[i].want);
			expect_words(err.text, "app \"web\": placement intent \"i1\"");
			continue;
		}
		for (size_t k = 0; k < placement.count; k++) {
			const size_t len = strlen(got);
			snprintf(got + len, sizeof got - len, "%s%.*s:%u%s", k > 0 ? " " : "", (int) placement.at[k].cluster.len - 2,
			         placement.at[k].cluster.ptr + 2, placement.at[k].group, placement.at[k].is_mandatory ? "!" : "");
		}
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].title, rows[i].want, got);
	}
}

static void test_it_says_why_and_what_it_passed_over(void **state)
{
	static const struct view cloud[] = { { "p+c1", 4 }, { "p+c2", 4 }, { "p+c3", 4 } };
	struct placement placement;
	struct error     err = { 0 };
	auto_json       *intent = NULL;
	auto_arena       arena = ARENA(1 << 20);

	(void) state;
	expect_ok(json_read(VIEW("{\"allOf\":[" C("c1") "," C("c1") "," L("west") "," ANY(C("c1") "," C("c8") "," C("c7") "," L("east"))
	                         "],\"anyOf\":[" C("c2") "," C("c9") "]}"), &intent, &err));
	struct placement_ask ask = {
		.app = VIEW("web"), .intent_name = VIEW("i1"), .intent = intent, .cloud = cloud, .cloud_count = ARRAY_LEN(cloud),
		.labelled = labelled, .explains = true,
	};
	expect_ok(placement_resolve(&ask, &arena, &placement, &err));
	assert_true(view_is(placement.intent, "i1"));
	static const struct { unsigned last; bool is_mandatory; const char *because; } whys[] = {
		{ 2, true,  "" },
		{ 3, true,  "label \"west\" of provider \"p\"" },
		{ 4, false, "one of cluster \"c1\" of provider \"p\", cluster \"c8\" of provider \"p\", cluster \"c7\" of provider \"p\" and 1 more" },
		{ 5, false, "one of cluster \"c2\" of provider \"p\", cluster \"c9\" of provider \"p\"" },
	};
	assert_int_equal(placement.why_count, ARRAY_LEN(whys));
	for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
		assert_int_equal(placement.whys[i].last_group, whys[i].last);
		assert_int_equal(placement.whys[i].is_mandatory, whys[i].is_mandatory);
		assert_true(view_is(placement.whys[i].because, whys[i].because));
	}
	static const char *const passed[] = { "p+c7", "p+c8", "p+c9" };
	assert_int_equal(placement.passed_count, ARRAY_LEN(passed));
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		assert_true(view_is(placement.passed[i].cluster, passed[i]));
		assert_string_equal(placement.passed[i].why, "the logical cloud does not have it");
	}
	ask.explains = false;
	expect_ok(placement_resolve(&ask, &arena, &placement, &err));
	assert_int_equal(placement.passed_count, 0);

	/* An anyOf that a mandatory cluster satisfies wants no other. */
	ask.explains = true;
	auto_json *other = NULL;
	expect_ok(json_read(VIEW("{\"allOf\":[" C("c1") "],\"anyOf\":[" C("c1") "," C("c2") "]}"), &other, &err));
	ask.intent = other;
	expect_ok(placement_resolve(&ask, &arena, &placement, &err));
	assert_int_equal(placement.passed_count, 1);
	assert_true(view_is(placement.passed[0].cluster, "p+c2"));
	assert_string_equal(placement.passed[0].why, "its anyOf has a mandatory cluster already");
}

enum { MANY = 100000 };

static enum status many(void *data, struct view provider, struct view label, const struct view **ret_clusters,
                        size_t *ret_count, struct error *err)
{
	(void) provider, (void) label, (void) err;
	*ret_clusters = data;
	*ret_count = MANY;
	return ST_OK;
}

static void test_a_hundred_thousand_alternatives_are_chosen_from_at_once(void **state)
{
	static char      names[MANY][16];
	static struct view cloud[MANY], plain[MANY];
	struct placement placement;
	struct error     err;
	auto_json       *intent = NULL;
	auto_arena       arena;

	(void) state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "p+c%06zu", i);
		cloud[i] = view_of(names[i]);
		plain[i] = view_of(names[i] + 2);
	}
	arena_init(&arena, 256 << 20);
	expect_ok(json_read(VIEW("{\"anyOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"x\"}]}"), &intent, &err));
	const struct placement_ask ask = {
		.app = VIEW("web"), .intent_name = VIEW("i1"), .intent = intent, .cloud = cloud, .cloud_count = MANY,
		.labelled = many, .data = plain,
	};
	const int64_t begun = clock_ns();
	expect_ok(placement_resolve(&ask, &arena, &placement, &err));
	print_message("placement of %d candidates: %.2f ms\n", MANY, (double) (clock_ns() - begun) / 1e6);
	assert_int_equal(placement.count, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_says_why_and_what_it_passed_over),
		cmocka_unit_test(test_intents_resolve_as_the_table_says),
		cmocka_unit_test(test_a_hundred_thousand_alternatives_are_chosen_from_at_once),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
