#include "tests/unit/registry/controllers_setup.h"

#include "host/registry/chain.h"
#include "host/registry/guard.h"
#include "host/store/resource.h"

#define RECORDER(rest)  rest "options = { journal = \"%JOURNAL%\"; };"

/* -- the records, scripted ------------------------------------------------------------------------------------------- */

static const struct { const char *path, *doc; } records[] = {
	{ "controllers/first",  "{\"spec\":{\"host\":\"h\",\"port\":1,\"type\":\"action\",\"priority\":1}}"             },
	{ "controllers/alias",  "{\"spec\":{\"host\":\"rec\",\"port\":1,\"type\":\"action\",\"priority\":2}}"           },
	{ "controllers/both",   "{\"spec\":{\"host\":\"rec\",\"port\":1,\"type\":\"\",\"priority\":3}}"                 },
	{ "controllers/remote", "{\"spec\":{\"host\":\"10.0.0.1\",\"port\":9053,\"type\":\"action\",\"priority\":1}}"   },
	{ "controllers/actor",  "{\"spec\":{\"host\":\"\",\"port\":0,\"type\":\"placement\",\"priority\":1}}"           },
};
static enum status broken;

enum status __wrap_resource_read(struct store *store, struct db *db, struct view path, struct buf *doc,
                                 uint64_t *ret_version, int64_t *ret_id, struct error *err);
enum status __wrap_resource_read(struct store *store, struct db *db, struct view path, struct buf *doc,
                                 uint64_t *ret_version, int64_t *ret_id, struct error *err)
{
	(void) store;
	(void) db;
	(void) ret_version;
	(void) ret_id;
	if (broken != ST_OK)
		return fail(err, broken, "the database is away");
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		if (view_is(path, records[i].path))
			return buf_add_text(doc, records[i].doc, err);
	return fail(err, ST_NOT_FOUND, "no");
}

/* -- building -------------------------------------------------------------------------------------------------------- */

static enum status build(struct setup *setup, const char *intents, struct arena *arena, struct chain *chain,
                         struct error *err)
{
	auto_json *value = json_loads(intents, 0, NULL);

	assert_non_null(value);
	return chain_build(setup->plugins, NULL, NULL, value, arena, chain, err);
}

static void begin(struct setup *setup)
{
	setup_begin(setup);
	setup_conf(setup, "1.conf", "test-recorder", RECORDER("name = \"rec\"; bind = [\"first\"]; "));
	setup_conf(setup, "2.conf", "test-placer", RECORDER("name = \"placer\"; priority = 900; "));
	setup_conf(setup, "3.conf", "test-actor", RECORDER("name = \"actor\"; priority = 5; "));
	setup_conf(setup, "4.conf", "test-recorder",
	           "name = \"fails\"; priority = 4; options = { journal = \"%JOURNAL%\"; fail_at = \"update\"; status = 5; };");
	setup_conf(setup, "5.conf", "test-recorder",
	           "name = \"declines\"; priority = 6; options = { journal = \"%JOURNAL%\"; fail_at = \"update\"; status = 1; };");
	setup_conf(setup, "6.conf", "test-recorder",
	           "name = \"lacks\"; priority = 7; options = { journal = \"%JOURNAL%\"; fail_at = \"post\"; status = 12; };");
	setup_conf(setup, "7.conf", "test-recorder",
	           "name = \"mute\"; priority = 3; options = { journal = \"%JOURNAL%\"; fail_at = \"post\"; status = 8; };");
	setup_conf(setup, "8.conf", "test-listener", RECORDER("name = \"hears\"; "));
	setup_start(setup);
	setup_journal(setup);
}

static const struct { const char *intents; enum status want; const char *want_text; } builds[] = {
	{ "[{\"genericPlacementIntent\":\"gpi\"}]", ST_OK, "" },
	{ "[]", ST_OK, "" },
	{ "[{\"dtc\":\"i\"}]", ST_NOT_FOUND,
	  "controller \"dtc\" is named in the group intents, but there is no such controller" },
	{ "[{\"remote\":\"i\"}]", ST_UPSTREAM, "controller \"remote\" is remote (10.0.0.1:9053), and no proxy plugin is loaded" },
	{ "[{\"actor\":\"i\"}]", ST_INVALID,
	  "controller \"actor\" is registered with type \"placement\", but plugin \"test-actor\" has no such role" },
	{ "[{\"placer\":7}]", ST_INVALID, "the intent of controller \"placer\" must be a name" },
};

static void test_an_intent_that_names_no_usable_controller_is_told(void **state)
{
	struct setup setup;

	(void) state;
	begin(&setup);
	for (size_t i = 0; i < ARRAY_LEN(builds); i++) {
		struct error err = { 0 };
		struct chain chain = { 0 };
		auto_arena   arena;
		arena_init(&arena, 1 << 20);
		assert_int_equal(builds[i].want, build(&setup, builds[i].intents, &arena, &chain, &err));
		assert_string_equal(builds[i].want_text, err.text);
		assert_int_equal(0, chain.count);
	}
	broken = ST_UNAVAILABLE;
	struct error err = { 0 };
	struct chain chain = { 0 };
	auto_arena   arena;
	arena_init(&arena, 1 << 20);
	assert_int_equal(ST_UNAVAILABLE, build(&setup, "[{\"placer\":\"i\"}]", &arena, &chain, &err));
	broken = ST_OK;
	setup_end(&setup);
}

static void test_links_stand_in_order_of_priority_then_name_then_intent(void **state)
{
	static const struct { const char *controller, *intent; int64_t priority; bool places, acts; } want[] = {
		{ "first",    "f", 1,   false, true  },
		{ "alias",    "1", 2,   false, true  },
		{ "both",     "a", 3,   true,  true  },
		{ "both",     "b", 3,   true,  true  },
		{ "declines", "d", 6,   true,  true  },
		{ "placer",   "p", 900, true,  false },
	};
	struct error err = { 0 };
	struct setup setup;
	struct chain chain = { 0 };
	auto_arena   arena;

	(void) state;
	begin(&setup);
	arena_init(&arena, 1 << 20);
	assert_int_equal(ST_OK, build(&setup, "[{\"placer\":\"p\",\"both\":\"b\",\"genericPlacementIntent\":\"g\"},"
	                                      "{\"both\":\"a\",\"alias\":\"1\",\"declines\":\"d\"},"
	                                      "{\"first\":\"f\",\"both\":\"b\"}]", &arena, &chain, &err));
	assert_int_equal(ARRAY_LEN(want), chain.count);
	for (size_t i = 0; i < chain.count; i++) {
		assert_true(view_is(chain.links[i].controller, want[i].controller));
		assert_true(view_is(chain.links[i].intent, want[i].intent));
		assert_int_equal(want[i].priority, chain.links[i].priority);
		assert_int_equal(want[i].places, chain.links[i].is_placement);
		assert_int_equal(want[i].acts, chain.links[i].is_action);
	}
	setup_end(&setup);
}

/* -- running --------------------------------------------------------------------------------------------------------- */

struct overlays { char text[256]; int begun; enum status end; };

static void *overlay_begin(void *data)
{
	struct overlays *overlays = data;

	return (void *) (intptr_t) ++overlays->begun;
}

static enum status overlay_end(void *data, void *overlay, bool ok, struct error *err)
{
	struct overlays *overlays = data;
	const size_t     len = strlen(overlays->text);

	snprintf(overlays->text + len, sizeof overlays->text - len, "%d%s ", (int) (intptr_t) overlay, ok ? "+" : "-");
	return overlays->end == ST_OK ? ST_OK : fail(err, overlays->end, "the edits cannot be folded");
}

static const struct run {
	const char *title, *intents;
	enum chain_step step;
	enum status want;
	const char *want_text, *want_journal, *want_overlays;
} runs[] = {
	{ "placement takes its own", "[{\"placer\":\"p\",\"both\":\"b\",\"first\":\"f\"}]", CHAIN_PLACE, ST_OK, "",
	  "rec filter 17 b; placer filter 17 p", "1+ 2+ " },
	{ "action takes its own", "[{\"placer\":\"p\",\"both\":\"b\",\"first\":\"f\"}]", CHAIN_ACT, ST_OK, "",
	  "rec update 17 f; rec update 17 b", "1+ 2+ " },
	{ "a declined link is passed over, its edits are dropped", "[{\"declines\":\"d\",\"first\":\"f\",\"lacks\":\"l\"}]",
	  CHAIN_ACT, ST_OK, "", "rec update 17 f; declines update 17 d; lacks update 17 l", "1+ 2- 3+ " },
	{ "a failing link ends it", "[{\"fails\":\"x\",\"first\":\"f\",\"lacks\":\"l\"}]", CHAIN_ACT, ST_CONFLICT,
	  "controller \"fails\": the test wants it so", "rec update 17 f; fails update 17 x", "1+ 2- " },
	{ "terminate is told once for each controller", "[{\"both\":\"a\"},{\"both\":\"b\",\"placer\":\"p\"}]", CHAIN_TERMINATE,
	  ST_OK, "", "rec terminate 17", "1+ " },
	{ "events go to all, in order, whatever one says", "[{\"mute\":\"m\",\"placer\":\"p\",\"lacks\":\"l\",\"first\":\"f\"}]",
	  CHAIN_POST, ST_UNAVAILABLE, "controller \"mute\": the test wants it so",
	  "rec post 17; mute post 17; lacks post 17; placer post 17", "1+ 2- 3- 4+ " },
	{ "who neither places nor acts is refused before anybody is called", "[{\"placer\":\"p\",\"hears\":\"h\"}]", CHAIN_PLACE,
	  ST_INVALID, "controller \"hears\" is named in the group intents, but plugin \"test-listener\" neither places nor acts",
	  "", "" },
	{ "but what runs comes to its end", "[{\"first\":\"f\",\"hears\":\"h\"}]", CHAIN_TERMINATE, ST_OK, "",
	  "rec terminate 17", "1+ " },
	{ "an empty chain", "[]", CHAIN_ACT, ST_OK, "", "", "" },
};

static void test_each_step_calls_its_links_in_order(void **state)
{
	struct setup setup;

	(void) state;
	begin(&setup);
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct error    err = { 0 };
		struct overlays overlays = { .begun = 0 };
		struct chain    chain = { 0 };
		auto_arena      arena;
		print_message("%s\n", runs[i].title);
		arena_init(&arena, 1 << 20);
		assert_int_equal(ST_OK, build(&setup, runs[i].intents, &arena, &chain, &err));
		const struct chain_call call = {
			.step = runs[i].step, .context = VIEW("17"), .begin = overlay_begin, .end = overlay_end, .data = &overlays,
		};
		assert_int_equal(runs[i].want, chain_run(&chain, NULL, &call, deadline_in_ms(5000), &err));
		assert_string_equal(runs[i].want_text, err.text);
		assert_string_equal(runs[i].want_journal, setup_journal(&setup));
		assert_string_equal(runs[i].want_overlays, overlays.text);
	}
	setup_end(&setup);
}

static void test_edits_that_cannot_be_kept_are_the_controllers_fault(void **state)
{
	struct error    err = { 0 };
	struct overlays overlays = { .end = ST_INVALID };
	struct setup    setup;
	struct chain    chain = { 0 };
	auto_arena      arena;

	(void) state;
	begin(&setup);
	arena_init(&arena, 1 << 20);
	assert_int_equal(ST_OK, build(&setup, "[{\"first\":\"f\",\"declines\":\"d\"}]", &arena, &chain, &err));
	const struct chain_call call = {
		.step = CHAIN_ACT, .context = VIEW("17"), .begin = overlay_begin, .end = overlay_end, .data = &overlays,
	};
	assert_int_equal(ST_INVALID, chain_run(&chain, NULL, &call, deadline_in_ms(5000), &err));
	assert_string_equal("controller \"rec\": the edits cannot be folded", err.text);
	assert_int_equal(1, overlays.begun);
	setup_end(&setup);
}

static void test_nothing_is_called_past_the_deadline(void **state)
{
	struct error err = { 0 };
	struct setup setup;
	struct chain chain = { 0 };
	auto_arena   arena;

	(void) state;
	begin(&setup);
	arena_init(&arena, 1 << 20);
	assert_int_equal(ST_OK, build(&setup, "[{\"first\":\"f\"}]", &arena, &chain, &err));
	const struct chain_call call = { .step = CHAIN_ACT, .context = VIEW("17") };
	assert_int_equal(ST_DEADLINE, chain_run(&chain, NULL, &call, clock_ns(), &err));
	assert_string_equal("no time is left to call controller \"rec\"", err.text);
	assert_string_equal("", setup_journal(&setup));
	setup_end(&setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_intent_that_names_no_usable_controller_is_told),
		cmocka_unit_test(test_links_stand_in_order_of_priority_then_name_then_intent),
		cmocka_unit_test(test_each_step_calls_its_links_in_order),
		cmocka_unit_test(test_edits_that_cannot_be_kept_are_the_controllers_fault),
		cmocka_unit_test(test_nothing_is_called_past_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
