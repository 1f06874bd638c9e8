/*
 * world.h - a store with a project and a deployment, and calls of a plugin on it.
 */
#ifndef TESTS_UNIT_RSYNC_WORLD_H
#define TESTS_UNIT_RSYNC_WORLD_H

#include "tests/unit/store/fixture.h"

#include "host/orchestrator/extensions.h"
#include "host/registry/call.h"

#define OWNER  "projects/p/deployment-intent-groups/g"

/* The group's; there is one store a program. */
static struct fixture *fixture;

static inline int open_world(void **state)
{
	(void) fixture_open(state);
	fixture = *state;
	fixture_create(fixture, "projects/p");
	fixture_create(fixture, OWNER);
	return 0;
}

static inline void begin(struct call *call, uint32_t roles, int64_t limit_ms)
{
	call_init(call, &fixture->store, "rsync", roles, deadline_in_ms(limit_ms));
}

static inline bool str_is(emco_str text, const char *want)
{
	return view_is(view_from_abi(text), want);
}

#define assert_str(text, want)  assert_string_equal(arena_copy_of(text), want)
static inline const char *arena_copy_of(emco_str text)
{
	static char copy[4096];

	snprintf(copy, sizeof copy, "%.*s", (int) text.len, text.len > 0 ? text.ptr : "");
	return copy;
}

#endif
