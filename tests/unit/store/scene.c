#include "tests/unit/store/scene.h"

const char *const scene_c1[] = { "p+c1", NULL }, *const scene_c12[] = { "p+c1", "p+c2", NULL };

int64_t scene_context(struct fixture *fixture, int64_t owner, const char *content, const char *const *clusters)
{
	struct error         err;
	struct context_row   context = { .owner = owner, .meta = VIEW("{\"project\":\"p\"}"), .plan = VIEW("{}") };
	struct placement_row placements[4];
	size_t               count = 0;
	auto_buf             text;

	buf_init(&text, 4096);
	const struct manifest_row manifest = { digest_of(view_of(content)), view_of(content), false };
	const struct set_entry    entries[] = {
		{ .name = VIEW("one+ConfigMap"), .api_version = VIEW("v1"), .kind = VIEW("ConfigMap"), .namespace_ = VIEW("d"), .events = VIEW(""), .manifest = manifest.digest },
		{ .name = VIEW("two+ConfigMap"), .api_version = VIEW("v1"), .kind = VIEW("ConfigMap"), .namespace_ = VIEW("d"), .events = VIEW(""), .manifest = manifest.digest },
	};
	assert_ok(set_encode(entries, 2, &text, &err));
	const struct digest  members[] = { manifest.digest, manifest.digest };
	const struct set_row set = { digest_of(buf_view(&text)), buf_view(&text), members, 2 };
	for (; clusters[count] != NULL; count++)
		placements[count] = (struct placement_row) { VIEW("web"), view_of(clusters[count]), VIEW(""), set.digest };
	struct db *db = fixture_db(fixture);
	assert_ok(db_begin(db, &err));
	assert_ok(context_write(&fixture->store, db, &context, &manifest, 1, &set, 1, placements, count, &err));
	assert_ok(db_commit(db, &err));
	db_return(db);
	return context.id;
}

size_t scene_claim(struct fixture *fixture, struct store *store, struct arena *arena, struct unit_row **units, int64_t lease_ms)
{
	struct error err;
	size_t       count = 0;
	int64_t      next_ns = -1;
	struct db   *db = fixture_db(fixture);

	assert_ok(unit_claim(store, db, 100, lease_ms * 1000000, arena, units, &count, &next_ns, &err));
	assert_true(next_ns >= 0);
	db_return(db);
	return count;
}

enum status scene_report(struct fixture *fixture, const struct unit_row *unit, int kind, int64_t retry_ms,
                          const struct object_row *objects, size_t count, struct error *err)
{
	struct db *db = fixture_db(fixture);
	struct unit_outcome outcome = { .retry_after_ns = retry_ms * 1000000, .reachable = 1, .error = VIEW(""),
	                                .objects = objects, .object_count = count, .unit = unit };
	size_t stored = 0;

	outcome.kind = kind == UNIT_DONE ? UNIT_DONE : kind == UNIT_RETRY ? UNIT_RETRY : UNIT_FAILED;
	enum status st = unit_report(db, &outcome, 1, &stored, err);
	db_return(db);
	return st == ST_OK && stored == 0 ? fail(err, ST_CONFLICT, "the lease is lost") : st;
}

void scene_move(struct fixture *fixture, int64_t owner, int64_t context, int64_t status_context)
{
	struct error err;
	struct db   *db = fixture_db(fixture);

	assert_ok(unit_move(db, owner, context, status_context, context != 0 ? "instantiate" : "terminate", &err));
	db_return(db);
}

struct unit_status scene_status(struct fixture *fixture, int64_t owner, size_t index, struct arena *arena)
{
	struct error        err;
	struct unit_status *units = NULL;
	size_t              count = 0;
	struct db          *db = fixture_db(fixture);

	assert_ok(unit_list(db, owner, arena, &units, &count, &err));
	assert_true(index < count);
	db_return(db);
	return units[index];
}
