/* Which hooks run. */
#include "plugins/rsync/work_hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct row {
	const char     *title, *applied, *desired, *event, *old_context;
	bool            has_others;
	enum hook_event want;
} rows[] = {
	{ "nothing was there",                "",  "a", "instantiate", "",  false, HOOKS_INSTALL  },
	{ "an update adds the cluster",       "",  "a", "update",      "",  false, HOOKS_INSTALL  },
	{ "an install is tried again",        "",  "a", "instantiate", "",  true,  HOOKS_INSTALL  },
	{ "an earlier life's is there",       "a", "a", "instantiate", "7", false, HOOKS_INSTALL  },
	{ "another set",                      "a", "b", "update",      "",  false, HOOKS_UPGRADE  },
	{ "a migration is an upgrade",        "a", "b", "migrate",     "",  false, HOOKS_UPGRADE  },
	{ "a rollback",                       "b", "a", "rollback",    "",  false, HOOKS_ROLLBACK },
	{ "a rollback of what was begun",     "a", "a", "rollback",    "",  true,  HOOKS_ROLLBACK },
	{ "an update that changes nothing",   "a", "a", "update",      "",  false, HOOKS_NONE     },
	{ "a drift",                          "a", "a", "drift",       "",  false, HOOKS_NONE     },
	{ "it goes",                          "a", "",  "terminate",   "",  false, HOOKS_DELETE   },
	{ "an update drops the cluster",      "a", "",  "update",      "",  false, HOOKS_DELETE   },
	{ "it goes, and was never whole",     "",  "",  "terminate",   "",  true,  HOOKS_NONE     },
};

static void test_event_follows_from_what_is_applied_and_desired(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		const emco_unit   unit = {
			.size = sizeof unit, .applied = str_of(row->applied), .desired = str_of(row->desired), .event = str_of(row->event),
			.status_context = EMCO_STR("8"), .applied_context = str_of(row->old_context),
		};

		if (hooks_event(&unit, row->has_others) != row->want)
			fail_msg("%s: got %d, want %d", row->title, (int) hooks_event(&unit, row->has_others), (int) row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_event_follows_from_what_is_applied_and_desired) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
