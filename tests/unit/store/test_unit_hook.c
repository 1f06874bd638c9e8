/* Sets with hooks that a store held before hooks ran by themselves: what counts when its schema changes, and that it goes on. */
#include "tests/unit/store/scene.h"

#include "host/store/migrate.h"

enum { PHASE_MAIN, PHASE_CRD, PHASE_HOOK };

#define TEXT(literal) { literal, sizeof(literal) - 1 }
#define ENTRY(name_, version_, kind_, phase_, ...) \
	{ .name = TEXT(name_), .api_version = TEXT(version_), .kind = TEXT(kind_), .namespace_ = TEXT("d"), .phase = (phase_), __VA_ARGS__ }
#define EVENTS(text_) .events = TEXT(text_)

static const struct set_entry mixed[] = {
	ENTRY("t+CustomResourceDefinition", "apiextensions.k8s.io/v1", "CustomResourceDefinition", PHASE_CRD, EVENTS("")),
	ENTRY("a+ConfigMap",  "v1",       "ConfigMap", PHASE_MAIN, EVENTS("")),
	ENTRY("a+Job",        "batch/v1", "Job",       PHASE_MAIN, EVENTS("")),
	ENTRY("a+Ingress",    "networking.k8s.io/v1", "Ingress", PHASE_MAIN, EVENTS("")),
	ENTRY("h-pre+Job",    "batch/v1", "Job",       PHASE_HOOK, EVENTS("pre-install,pre-upgrade")),
	ENTRY("h-key+Secret", "v1",       "Secret",    PHASE_HOOK, EVENTS("pre-install"), .is_secret = true),
	ENTRY("h-bye+Pod",    "v1",       "Pod",       PHASE_HOOK, EVENTS("post-delete")),
};
static const struct set_entry only_hooks[] = {
	ENTRY("h-one+ConfigMap", "v1", "ConfigMap", PHASE_HOOK, EVENTS("pre-install")),
	ENTRY("h-two+Service",   "v1", "Service",   PHASE_HOOK, EVENTS("post-install")),
};
static const struct set_entry no_hooks[] = {
	ENTRY("a+ConfigMap",  "v1",      "ConfigMap",  PHASE_MAIN, EVENTS("")),
	ENTRY("b+Deployment", "apps/v1", "Deployment", PHASE_MAIN, EVENTS("")),
};

/* counted, tracked: as they were then, with the hooks that install; counts, tracks: as they are now. */
static const struct older {
	const char             *path, *cluster;
	const struct set_entry *entries;
	size_t                  count;
	int64_t                 counted, tracked, counts, tracks;
} olders[] = {
	{ "projects/mixed", "p+c1", mixed,      ARRAY_LEN(mixed),      6, 3, 4, 2 },
	{ "projects/only",  "p+c2", only_hooks, ARRAY_LEN(only_hooks), 2, 2, 0, 0 },
	{ "projects/none",  "p+c3", no_hooks,   ARRAY_LEN(no_hooks),   2, 2, 2, 2 },
};

static int64_t write_older(struct fixture *fixture, const struct older *older, int64_t owner)
{
	const struct manifest_row manifest = { digest_of(VIEW("body")), VIEW("body"), false };
	struct context_row   context = { .owner = owner, .meta = VIEW("{}"), .plan = VIEW("{}") };
	struct set_entry     entries[ARRAY_LEN(mixed)];
	struct digest        members[ARRAY_LEN(mixed)];
	auto_buf             text = BUF(4096);
	struct error         err;
	struct db           *db = fixture_db(fixture);

	for (size_t i = 0; i < older->count; i++) {
		entries[i] = older->entries[i];
		entries[i].manifest = members[i] = manifest.digest;
	}
	assert_ok(set_encode(entries, older->count, &text, &err));
	const struct set_row set = { digest_of(buf_view(&text)), buf_view(&text), members, older->count,
	                             (int64_t) older->count - older->counted, older->tracked };
	const struct placement_row place = { VIEW("web"), view_of(older->cluster), VIEW(""), set.digest };
	assert_ok(db_begin(db, &err));
	assert_ok(context_write(&fixture->store, db, &context, &manifest, 1, &set, 1, &place, 1, &err));
	assert_ok(db_commit(db, &err));
	db_return(db);
	return context.id;
}

static void migrate_hooks(struct fixture *fixture)
{
	int steps = 0;

	fixture_run(fixture, "ALTER TABLE unit DROP move, DROP progress, DROP awaits, DROP stage");
	for (size_t i = 0; i < migration_count; i++)
		if (strcmp(migrations[i].name, "hooks of units") == 0) {
			fixture_run(fixture, migrations[i].sql);
			steps++;
		}
	assert_int_equal(steps, 1);
}

static long long sum_of(struct fixture *fixture, const char *what, int64_t owner)
{
	char sql[256];

	snprintf(sql, sizeof sql, "SELECT %s FROM unit u JOIN resource_set s ON s.digest = u.set WHERE u.owner = %lld", what, (long long) owner);
	return fixture_number(fixture, sql);
}

static void test_hooks_of_before_count_no_more_and_their_units_go_on(void **state)
{
	struct fixture      *fixture = *state;
	struct error         err;
	struct unit_row     *units = NULL;
	int64_t              owners[ARRAY_LEN(olders)];
	struct owner_status  status;
	auto_arena           arena;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(olders); i++) {
		owners[i] = fixture_create(fixture, olders[i].path);
		const int64_t context = write_older(fixture, &olders[i], owners[i]);
		scene_move(fixture, owners[i], context, context);
		assert_int_equal(sum_of(fixture, "u.size", owners[i]), olders[i].counted);
		assert_int_equal(sum_of(fixture, "u.tracked", owners[i]), olders[i].tracked);
	}
	migrate_hooks(fixture);
	scene_check_sums(fixture);
	for (size_t i = 0; i < ARRAY_LEN(olders); i++) {
		assert_int_equal(sum_of(fixture, "s.size", owners[i]), olders[i].counts);
		assert_int_equal(sum_of(fixture, "s.tracked", owners[i]), olders[i].tracks);
		assert_int_equal(sum_of(fixture, "u.size", owners[i]), olders[i].counts);
		assert_int_equal(sum_of(fixture, "u.tracked", owners[i]), olders[i].tracks);
	}

	struct db *db = fixture_db(fixture);
	assert_ok(owner_status_read(db, owners[0], false, &status, &err));
	assert_int_equal(status.absent, 2);              /* nothing of it is seen yet, and no hook is missed */
	for (size_t noted = 0; noted < ARRAY_LEN(olders);) {
		const size_t count = scene_claim(fixture, &fixture->store, &arena, &units, LEASE_MS);

		assert_true(count > 0);
		for (size_t i = 0; i < count; i++, noted++) {
			const struct unit_outcome note = { .kind = UNIT_DONE, .reachable = 1, .error = VIEW(""), .unit = &units[i],
			                                   .progress = VIEW("install 1"), .awaits = VIEW("h+Job"), .stage = VIEW("pre-install") };
			size_t stored = 0;
			bool   wakes;

			assert_true(units[i].move == 0 && units[i].progress.len == 0);
			assert_ok(unit_report(db, &note, 1, &stored, &wakes, &err));
			assert_int_equal(stored, 1);
		}
	}
	db_return(db);
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM unit WHERE progress = 'install 1' AND applied = set"), ARRAY_LEN(olders));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hooks_of_before_count_no_more_and_their_units_go_on) };

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
