/*
 * given.h - a deployment that is applied and watched, what watchers tell of it, and what its status says then.
 *
 * A test begins with given and ends with given_done.  Whatever is told is of the cluster "p+c1".
 */
#ifndef TESTS_UNIT_STORE_GIVEN_H
#define TESTS_UNIT_STORE_GIVEN_H

#include "tests/unit/store/scene.h"

/* Of watchers: a new one begins anew to tell what is there. */
enum { SESSION = 7, NEXT_SESSION = 8 };

static const struct object_row applied[] = { { { "one+ConfigMap", 13 }, { "", 0 }, OBJECT_APPLIED, true },
                                             { { "two+ConfigMap", 13 }, { "", 0 }, OBJECT_APPLIED, true } };

/* A deployment whose one unit is applied, and the arena of the test. */
struct given {
	struct fixture *fixture;
	struct arena    arena;
	int64_t         owner, context;
	struct db      *db;
};

/* Take the right to watch, as the process of store, for so long.  False: another has it. */
static inline bool watch(struct given *g, struct store *store, int64_t lease_ms)
{
	const struct view clusters[] = { VIEW("p+c1") };
	struct view      *mine = NULL;
	size_t            count = 0;
	struct error      err;

	assert_ok(unit_watch(store, g->db, clusters, 1, lease_ms * 1000000, &g->arena, &mine, &count, &err));
	assert_true(count <= 1 && (count == 0 || view_is(mine[0], "p+c1")));
	return count == 1;
}

/* Two objects on each of the clusters.  path: of its owner, another for each test.  The fixture's store may watch. */
static inline struct given given(struct fixture *fixture, const char *path, const char *const *clusters)
{
	struct given     g = { .fixture = fixture, .owner = fixture_create(fixture, path) };
	struct unit_row *units = NULL;
	struct error     err;

	arena_init(&g.arena, 4 << 20);
	g.context = scene_context(fixture, g.owner, path, clusters);
	scene_move(fixture, g.owner, g.context, g.context);
	const size_t count = scene_claim(fixture, &fixture->store, &g.arena, &units, LEASE_MS);
	for (size_t i = 0; i < count; i++)
		assert_ok(scene_report(fixture, &units[i], UNIT_DONE, 0, applied, 2, &err));
	g.db = fixture_db(fixture);
	assert_true(watch(&g, &fixture->store, 5000));
	return g;
}

/* Ended like every deployment here, so that tests do not see each other's units. */
static inline void given_done(struct given *g)
{
	char sql[96];

	db_return(g->db);
	snprintf(sql, sizeof sql, "DELETE FROM unit WHERE owner = %lld", (long long) g->owner);
	fixture_run(g->fixture, sql);
	fixture_run(g->fixture, "DELETE FROM cluster_watch");
	arena_done(&g->arena);
}

/* An object of the app "web", for observe. */
static inline struct seen_row row(const struct given *g, const char *name, enum seen_state state, unsigned flags)
{
	return (struct seen_row) {
		.status_context = g->context, .app = VIEW("web"), .name = view_of(name), .api_version = VIEW("v1"), .reason = VIEW("why"),
		.state = state, .flags = flags,
	};
}

/* As the process of store tells it. */
static inline void observe_by(struct store *store, struct given *g, int64_t session, const struct seen_row *rows, size_t count)
{
	struct seen_row *seen = arena_alloc(&g->arena, count + 1, sizeof *seen);
	struct error     err;
	bool             heals = false;

	for (size_t i = 0; i < count; i++) {
		seen[i] = rows[i];
		seen[i].session = session;
		seen[i].cluster = VIEW("p+c1");
	}
	assert_ok(unit_observe(store, g->db, seen, count, &heals, &err));
}

static inline void observe(struct given *g, int64_t session, const struct seen_row *rows, size_t count)
{
	observe_by(&g->fixture->store, g, session, rows, count);
}

/* By who has the right to watch. */
static inline void observe_whole(struct given *g, int64_t session)
{
	const struct view kinds[] = { VIEW("v1|ConfigMap"), VIEW("v1|Pod") };
	struct error      err;

	assert_true(watch(g, &g->fixture->store, 5000));
	assert_ok(unit_observe_whole(&g->fixture->store, g->db, VIEW("p+c1"), session, kinds, 2, &err));
}

static inline void observe_lost(struct given *g, const char *why)
{
	struct error err;

	assert_ok(unit_observe_lost(&g->fixture->store, g->db, VIEW("p+c1"), view_of(why), &err));
}

/* The unit on "p+c1". */
static inline struct unit_status now(struct given *g)
{
	return scene_status(g->fixture, g->owner, 0, &g->arena);
}

#endif
