#include "tests/unit/orchestrator/helper.h"

#include "emco/app_context.h"
#include "host/orchestrator/plan.h"
#include "lib/base/clock.h"

enum { CLUSTERS = 1000, OBJECTS = 100 };

static struct view made(struct arena *arena, const char *fmt, int number)
{
	char text[128];

	snprintf(text, sizeof text, "%s%04d", fmt, number);
	const char *copy = arena_text(arena, text);
	assert_non_null(copy);
	return view_of(copy);
}

static struct object object_of(struct arena *arena, int number, const char *extra)
{
	const char *name = arena_printf(arena, "o%04d+ConfigMap", number);
	const char *body = arena_printf(arena, "{\"kind\":\"ConfigMap\",\"n\":%d%s}", number, extra);

	assert_non_null(name);
	assert_non_null(body);
	return (struct object) {
		.name = view_of(name), .api_version = VIEW("v1"), .kind = VIEW("ConfigMap"), .namespace_ = VIEW(""),
		.events = VIEW(""), .body = view_of(body),
	};
}

struct scene { struct arena arena; struct plan *plan; struct objects objects; struct placement placement; };

static void scene_open(struct scene *scene, int clusters, int objects)
{
	static const struct plan_meta meta = { .project = { "p", 1 } };
	struct error err;

	arena_init(&scene->arena, 256 << 20);
	scene->objects.at = arena_alloc(&scene->arena, (size_t) objects + 1, sizeof(struct object));
	scene->objects.count = (size_t) objects;
	for (int i = 0; i < objects; i++)
		scene->objects.at[i] = object_of(&scene->arena, i, "");
	scene->placement = (struct placement) {
		.at = arena_alloc(&scene->arena, (size_t) clusters + 1, sizeof(struct place)), .count = (size_t) clusters,
	};
	for (int i = 0; i < clusters; i++)
		scene->placement.at[i] = (struct place) { made(&scene->arena, "p+c", i), 1 + (unsigned) i, true };
	scene->plan = plan_new(NULL, &meta);
	assert_non_null(scene->plan);
	expect_ok(plan_add_app(scene->plan, VIEW("web"), &scene->objects, &scene->placement, &err));
}

static void scene_close(struct scene *scene)
{
	plan_free(scene->plan);
	arena_done(&scene->arena);
}

static void expect_size(struct scene *scene, size_t slots, size_t sets, size_t manifests)
{
	const struct plan_size size = plan_size(scene->plan);

	assert_int_equal(size.slots, slots);
	assert_int_equal(size.sets, sets);
	assert_int_equal(size.manifests, manifests);
}

static struct plan_slot *at(struct scene *scene, int cluster)
{
	struct plan_slot *slot = plan_find(scene->plan, VIEW("web"), made(&scene->arena, "p+c", cluster));

	assert_non_null(slot);
	return slot;
}

static void test_a_thousand_clusters_share_one_set(void **state)
{
	struct scene scene;

	(void) state;
	scene_open(&scene, CLUSTERS, OBJECTS);
	expect_size(&scene, CLUSTERS, 1, OBJECTS);
	scene_close(&scene);
}

static void test_an_edit_of_one_cluster_makes_one_new_set(void **state)
{
	struct scene scene;
	struct error err;
	struct view  body;

	(void) state;
	scene_open(&scene, CLUSTERS, OBJECTS);
	const struct object changed = object_of(&scene.arena, 7, ",\"more\":true");
	plan_begin(scene.plan);
	expect_ok(plan_write_object(scene.plan, at(&scene, 3), &changed, &err));
	expect_ok(plan_body(scene.plan, at(&scene, 3), changed.name, &body, &err));
	assert_true(view_is(body, changed.body.ptr));
	expect_ok(plan_keep(scene.plan, &err));
	expect_size(&scene, CLUSTERS, 2, OBJECTS + 1);
	expect_ok(plan_body(scene.plan, at(&scene, 4), changed.name, &body, &err));
	assert_true(view_is(body, "{\"kind\":\"ConfigMap\",\"n\":7}"));
	scene_close(&scene);
}

static void test_the_same_edit_of_every_cluster_makes_one_new_set(void **state)
{
	struct scene scene;
	struct error err;

	(void) state;
	scene_open(&scene, CLUSTERS, OBJECTS);
	const int64_t begun = clock_ns();
	plan_begin(scene.plan);
	for (int c = 0; c < CLUSTERS; c++)
		for (int o = 0; o < 10; o++) {
			const struct object changed = object_of(&scene.arena, o, ",\"x\":1");
			expect_ok(plan_write_object(scene.plan, at(&scene, c), &changed, &err));
		}
	expect_ok(plan_keep(scene.plan, &err));
	print_message("10 edits on each of %d clusters: %.1f ms\n", CLUSTERS, (double) (clock_ns() - begun) / 1e6);
	expect_size(&scene, CLUSTERS, 1, OBJECTS);
	scene_close(&scene);
}

static void test_what_is_dropped_leaves_nothing(void **state)
{
	struct scene scene;
	struct error err;
	struct view  body;

	(void) state;
	scene_open(&scene, 40, 3);
	const struct digest before = plan_slot_set(scene.plan, at(&scene, 0));
	plan_begin(scene.plan);
	for (int c = 0; c < 40; c++) {
		const struct object added = object_of(&scene.arena, 100 + c, "");
		expect_ok(plan_write_object(scene.plan, at(&scene, c), &added, &err));
		expect_ok(plan_drop_object(scene.plan, at(&scene, c), VIEW("o0001+ConfigMap"), &err));
	}
	expect_ok(plan_drop_cluster(scene.plan, at(&scene, 5), &err));
	assert_null(plan_find(scene.plan, VIEW("web"), made(&scene.arena, "p+c", 5)));
	plan_drop(scene.plan);

	expect_size(&scene, 40, 1, 3);
	for (int c = 0; c < 40; c++) {
		const struct digest now = plan_slot_set(scene.plan, at(&scene, c));
		assert_true(digest_equal(&before, &now));
	}
	expect_ok(plan_body(scene.plan, at(&scene, 5), VIEW("o0001+ConfigMap"), &body, &err));
	scene_close(&scene);
}

static void test_what_is_undone_by_hand_is_the_same_set_again(void **state)
{
	struct scene scene;
	struct error err;

	(void) state;
	scene_open(&scene, 2, 3);
	const struct object changed = object_of(&scene.arena, 1, ",\"x\":1"), back = object_of(&scene.arena, 1, "");
	plan_begin(scene.plan);
	expect_ok(plan_write_object(scene.plan, at(&scene, 0), &changed, &err));
	expect_ok(plan_keep(scene.plan, &err));
	plan_begin(scene.plan);
	expect_ok(plan_write_object(scene.plan, at(&scene, 0), &back, &err));
	expect_ok(plan_keep(scene.plan, &err));
	expect_size(&scene, 2, 1, 3);
	scene_close(&scene);
}

static void test_objects_may_be_written_and_dropped_while_walking(void **state)
{
	struct scene            scene;
	struct error            err;
	const struct set_entry *entries;
	size_t                  count;

	(void) state;
	scene_open(&scene, 1, 10);
	plan_begin(scene.plan);
	expect_ok(plan_entries(scene.plan, at(&scene, 0), &entries, &count, &err));
	assert_int_equal(count, 10);
	for (size_t i = 0; i < count; i++) {
		const struct object added = object_of(&scene.arena, 50 + (int) i, "");
		if (i % 2 == 0)
			expect_ok(plan_drop_object(scene.plan, at(&scene, 0), entries[i].name, &err));
		expect_ok(plan_write_object(scene.plan, at(&scene, 0), &added, &err));
	}
	expect_ok(plan_entries(scene.plan, at(&scene, 0), &entries, &count, &err));
	assert_int_equal(count, 15);
	assert_true(view_is(entries[0].name, "o0001+ConfigMap") && view_is(entries[14].name, "o0059+ConfigMap"));
	expect_ok(plan_keep(scene.plan, &err));
	scene_close(&scene);
}

static void test_nothing_is_edited_outside_of_a_call(void **state)
{
	struct scene scene;
	struct error err;

	(void) state;
	scene_open(&scene, 1, 1);
	const struct object object = object_of(&scene.arena, 0, "");
	expect_status(ST_CONFLICT, plan_write_object(scene.plan, at(&scene, 0), &object, &err), &err);
	expect_status(ST_CONFLICT, plan_drop_cluster(scene.plan, at(&scene, 0), &err), &err);
	plan_begin(scene.plan);
	expect_status(ST_NOT_FOUND, plan_drop_object(scene.plan, at(&scene, 0), VIEW("none+X"), &err), &err);
	scene_close(&scene);          /* an overlay that is open goes with the plan */
}

static void test_trimming_keeps_the_first_of_each_group(void **state)
{
	struct scene scene;
	struct error err;

	(void) state;
	scene_open(&scene, 6, 1);
	plan_free(scene.plan);
	for (size_t i = 0; i < 6; i++)
		scene.placement.at[i].group = i % 2 == 0 ? 1 : 20;
	scene.plan = plan_new(NULL, &(const struct plan_meta) { .project = VIEW("p") });
	expect_ok(plan_add_app(scene.plan, VIEW("web"), &scene.objects, &scene.placement, &err));
	plan_begin(scene.plan);
	expect_ok(plan_drop_cluster(scene.plan, at(&scene, 0), &err));
	expect_ok(plan_keep(scene.plan, &err));
	expect_ok(plan_trim(scene.plan, &err));
	expect_size(&scene, 2, 1, 1);
	assert_non_null(plan_find(scene.plan, VIEW("web"), VIEW("p+c0002")));
	assert_non_null(plan_find(scene.plan, VIEW("web"), VIEW("p+c0001")));

	plan_begin(scene.plan);
	expect_ok(plan_drop_cluster(scene.plan, at(&scene, 1), &err));
	expect_ok(plan_keep(scene.plan, &err));
	expect_status(ST_CONFLICT, plan_trim(scene.plan, &err), &err);
	expect_words(err.text, "app \"web\"");
	expect_words(err.text, "group 20");
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thousand_clusters_share_one_set),
		cmocka_unit_test(test_an_edit_of_one_cluster_makes_one_new_set),
		cmocka_unit_test(test_the_same_edit_of_every_cluster_makes_one_new_set),
		cmocka_unit_test(test_what_is_dropped_leaves_nothing),
		cmocka_unit_test(test_what_is_undone_by_hand_is_the_same_set_again),
		cmocka_unit_test(test_objects_may_be_written_and_dropped_while_walking),
		cmocka_unit_test(test_nothing_is_edited_outside_of_a_call),
		cmocka_unit_test(test_trimming_keeps_the_first_of_each_group),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
