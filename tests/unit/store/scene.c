#include "tests/unit/store/scene.h"

const char *const scene_c1[] = { "p+c1", NULL }, *const scene_c12[] = { "p+c1", "p+c2", NULL };

/* Of each owner and app: what the kept sums say that its units do not. */
static const char sums_sql[] =
	"WITH kept AS (SELECT owner, app, sum(placed) AS placed, sum(pending) AS pending, sum(applied) AS applied, sum(failed) AS failed,"
	" sum(retrying) AS retrying, sum(deleted) AS deleted, sum(ready) AS ready, sum(not_ready) AS not_ready, sum(absent) AS absent,"
	" sum(odd) AS odd, sum(busy) AS busy, sum(refused) AS refused, sum(left_busy) AS left_busy, sum(left_refused) AS left_refused"
	" FROM owner_status WHERE app <> '' GROUP BY owner, app),"
	"look AS (SELECT u.*, CASE WHEN is_wanted THEN coalesce(applied = set, false) AND label = status_context AND tried = '{}' AND NOT is_unsure"
	" ELSE applied IS NULL AND tried = '{}' END AS is_done FROM unit u),"
	"found AS (SELECT owner, app, count(*) FILTER (WHERE is_placed) AS placed,"
	" coalesce(sum(pending) FILTER (WHERE is_placed), 0) AS pending, coalesce(sum(applied_count) FILTER (WHERE is_placed), 0) AS applied,"
	" coalesce(sum(failed_count) FILTER (WHERE is_placed), 0) AS failed, coalesce(sum(retrying_count) FILTER (WHERE is_placed), 0) AS retrying,"
	" coalesce(sum(deleted_count) FILTER (WHERE is_placed AND NOT is_wanted), 0) AS deleted,"
	" coalesce(sum(ready_count) FILTER (WHERE is_placed), 0) AS ready, coalesce(sum(not_ready_count) FILTER (WHERE is_placed), 0) AS not_ready,"
	" coalesce(sum(greatest(tracked - member_count, 0)) FILTER (WHERE is_placed), 0) AS absent,"
	" count(*) FILTER (WHERE is_placed AND size > 0 AND pending + applied_count + failed_count + retrying_count + deleted_count = 0) AS odd,"
	" count(*) FILTER (WHERE NOT is_done AND is_wanted AND NOT is_failed) AS busy,"
	" count(*) FILTER (WHERE NOT is_done AND is_wanted AND is_failed) AS refused,"
	" count(*) FILTER (WHERE NOT is_done AND NOT is_wanted AND NOT is_failed) AS left_busy,"
	" count(*) FILTER (WHERE NOT is_done AND NOT is_wanted AND is_failed) AS left_refused FROM look GROUP BY owner, app)"
	"SELECT count(*) FROM ((TABLE kept EXCEPT TABLE found) UNION ALL (TABLE found EXCEPT TABLE kept)) AS differing";

void scene_check_sums(struct fixture *fixture)
{
	assert_int_equal(fixture_number(fixture, sums_sql), 0);
}

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
	const struct set_row set = { digest_of(buf_view(&text)), buf_view(&text), members, 2, 0, 2 };
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
	bool   wakes = false;

	outcome.kind = kind == UNIT_DONE ? UNIT_DONE : kind == UNIT_RETRY ? UNIT_RETRY : UNIT_FAILED;
	enum status st = unit_report(db, &outcome, 1, &stored, &wakes, err);
	db_return(db);
	scene_check_sums(fixture);
	return st == ST_OK && stored == 0 ? fail(err, ST_CONFLICT, "the lease is lost") : st;
}

void scene_move(struct fixture *fixture, int64_t owner, int64_t context, int64_t status_context)
{
	struct error err;
	struct db   *db = fixture_db(fixture);

	assert_ok(unit_move(db, owner, context, status_context, context != 0 ? "instantiate" : "terminate", &err));
	db_return(db);
	scene_check_sums(fixture);
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
	scene_check_sums(fixture);
	return units[index];
}
