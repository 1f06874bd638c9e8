#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/lifecycle.h"

static void test_every_state_has_one_edge_for_every_event(void **state)
{
	unsigned seen[LIFE_COUNT][ON_COUNT] = { { 0 } };

	(void) state;
	for (size_t i = 0; i < life_edge_count; i++) {
		assert_non_null(life_edges[i].why);
		seen[life_edges[i].from][life_edges[i].on]++;
	}
	for (unsigned from = 0; from < LIFE_COUNT; from++)
		for (unsigned on = 0; on < ON_COUNT; on++)
			if (seen[from][on] != 1)
				fail_msg("%s on %s has %u edges", life_name((enum life) from), life_event_name((enum life_event) on),
				         seen[from][on]);
	assert_int_equal(life_edge_count, LIFE_COUNT * ON_COUNT);
}

static void test_every_outcome_has_one_gate_for_every_event_of_a_cloud(void **state)
{
	(void) state;
	for (unsigned outcome = OUTCOME_NONE; outcome <= OUTCOME_TERMINATE_FAILED; outcome++)
		for (unsigned on = 0; on < CLOUD_EVENTS; on++) {
			unsigned count = 0;
			for (size_t i = 0; i < cloud_gate_count; i++)
				count += cloud_gates[i].outcome == outcome && cloud_gates[i].on == on;
			assert_int_equal(count, 1);
		}
}

static const struct { const char *state; enum life_event on; enum status want; const char *words; } steps[] = {
	{ "Created",      ON_APPROVE,     ST_OK,       ""                           },
	{ "Created",      ON_INSTANTIATE, ST_CONFLICT, "must be Approved"           },
	{ "Created",      ON_REPLACE,     ST_OK,       ""                           },
	{ "Approved",     ON_INSTANTIATE, ST_OK,       ""                           },
	{ "Approved",     ON_REPLACE,     ST_CONFLICT, "not in state Created"       },
	{ "Instantiated", ON_INSTANTIATE, ST_CONFLICT, "already been instantiated"  },
	{ "Instantiated", ON_DELETE,      ST_CONFLICT, "must be terminated"         },
	{ "Terminated",   ON_TERMINATE,   ST_CONFLICT, "is not instantiated"        },
	{ "Terminated",   ON_INSTANTIATE, ST_OK,       ""                           },
	{ "Created",      ON_STOP,        ST_CONFLICT, "has not been approved"      },
	{ "Approved",     ON_STOP,        ST_CONFLICT, "nothing to stop"            },
	{ "Instantiated", ON_STOP,        ST_OK,       ""                           },
	{ "Terminated",   ON_STOP,        ST_OK,       ""                           },
	{ "TerminateStopped", ON_STOP,    ST_CONFLICT, "has been stopped already"   },
	{ "TerminateStopped", ON_TERMINATE, ST_OK,     ""                           },
	{ "Sleeping",     ON_APPROVE,     ST_INTERNAL, "unknown state \"Sleeping\"" },
};

static void test_refusals_name_the_deployment_and_say_why(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct error err = { 0 };
		enum life    to;
		expect_status(steps[i].want, life_check(steps[i].state, steps[i].on, VIEW("dig1"), &to, &err), &err);
		expect_words(err.text, steps[i].words);
		if (steps[i].want != ST_OK)
			expect_words(err.text, "\"dig1\"");
	}
}

#define UNIT(wanted, done, failed)  { .is_wanted = (wanted), .is_done = (done), .is_failed = (failed) }

static const struct { const char *title, *state; struct unit_status units[3]; size_t count; bool is_replaced; const char *want; } outcomes[] = {
	{ "never",                 "Created",      { UNIT(0, 0, 0) }, 0, false, "Created"           },
	{ "approved again",        "Approved",     { UNIT(0, 1, 0) }, 1, false, "Created"           },
	{ "nothing to do",         "Instantiated", { UNIT(0, 0, 0) }, 0, false, "Instantiated"      },
	{ "one to go",             "Instantiated", { UNIT(1, 1, 0), UNIT(1, 0, 0) }, 2, false, "Instantiating"     },
	{ "one refused",           "Instantiated", { UNIT(1, 0, 0), UNIT(1, 0, 1) }, 2, false, "InstantiateFailed" },
	{ "all there",             "Instantiated", { UNIT(1, 1, 0), UNIT(1, 1, 0) }, 2, false, "Instantiated"      },
	{ "left-overs do not hold it up", "Instantiated", { UNIT(1, 1, 0), UNIT(0, 0, 0) }, 2, false, "Instantiated" },
	{ "but the old one waits", "Instantiated", { UNIT(1, 1, 0), UNIT(0, 0, 0) }, 2, true, "Updating"      },
	{ "the old one is done",   "Instantiated", { UNIT(1, 1, 0), UNIT(0, 1, 0) }, 2, true, "Updated"       },
	{ "the old one failed",    "Instantiated", { UNIT(1, 1, 0), UNIT(0, 0, 1) }, 2, true, "UpdatedFailed" },
	{ "ending",                "Terminated",   { UNIT(0, 0, 0), UNIT(0, 1, 0) }, 2, false, "Terminating"     },
	{ "ended",                 "Terminated",   { UNIT(0, 1, 0) }, 1, false, "Terminated"      },
	{ "cannot end",            "Terminated",   { UNIT(0, 0, 1) }, 1, false, "TerminateFailed" },
};

static void test_what_became_of_it_follows_from_the_units(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		const char *got = outcome_name(outcome_of(outcomes[i].state, outcomes[i].units, outcomes[i].count,
		                                          outcomes[i].is_replaced));
		if (strcmp(got, outcomes[i].want) != 0)
			fail_msg("%s: expected %s, got %s", outcomes[i].title, outcomes[i].want, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_has_one_edge_for_every_event),
		cmocka_unit_test(test_every_outcome_has_one_gate_for_every_event_of_a_cloud),
		cmocka_unit_test(test_refusals_name_the_deployment_and_say_why),
		cmocka_unit_test(test_what_became_of_it_follows_from_the_units),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
