/* The extension as a plugin sees it: edits of a call count or vanish as a whole. */
#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/extensions.h"
#include "host/orchestrator/overlay.h"
#include "host/registry/call.h"
#include "lib/base/clock.h"

#define BODY(name, more)  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"}" more "}"

struct scene {
	struct plan      *plan;
	struct overlay    overlay;
	struct chain_call chain;
	struct call       call;
	emco_str          context;
};

static struct object objects[] = {
	{ .name = { "a+ConfigMap", 11 }, .api_version = { "v1", 2 }, .kind = { "ConfigMap", 9 }, .namespace_ = { "", 0 },
	  .events = { "", 0 }, .body = { BODY("a", ""), sizeof(BODY("a", "")) - 1 } },
};
static struct place places[] = { { { "p+c1", 4 }, 1, true }, { { "p+c2", 4 }, 1, false } };

static void scene_open(struct scene *scene)
{
	const struct objects   set = { objects, 1 };
	const struct placement placement = { .at = places, .count = 2 };
	const struct plan_meta meta = { .project = VIEW("x"), .owner = VIEW("projects/x"), .release = VIEW("r1") };
	struct error           err;

	scene->plan = plan_new(NULL, &meta);
	expect_ok(plan_add_app(scene->plan, VIEW("web"), &set, &placement, &err));
	overlay_for(&scene->overlay, scene->plan, &scene->chain);
	call_init(&scene->call, NULL, "test", 0, deadline_in_ms(10000));
	scene->call.overlay = scene->chain.begin(scene->chain.data);
	scene->context = view_to_abi(plan_id_text(scene->plan));
}

static void scene_end(struct scene *scene, bool ok)
{
	struct error err;

	expect_ok(scene->chain.end(scene->chain.data, scene->call.overlay, ok, &err));
	scene->call.overlay = scene->chain.begin(scene->chain.data);
}

static void scene_close(struct scene *scene)
{
	call_done(&scene->call);
	plan_free(scene->plan);
}

static const emco_app_context_1 *const ext = &extension_app_context;

static emco_str read_it(struct scene *scene, const char *cluster, const char *object, emco_status want)
{
	emco_str body = { "", 0 };

	assert_int_equal(ext->read_object(&scene->call.abi, scene->context, EMCO_STR("web"), view_to_abi(view_of(cluster)),
	                                  view_to_abi(view_of(object)), &body), want);
	return body;
}

static emco_status write_it(struct scene *scene, const char *object, const char *body)
{
	return ext->write_object(&scene->call.abi, scene->context, EMCO_STR("web"), EMCO_STR("p+c1"),
	                         view_to_abi(view_of(object)), view_to_abi(view_of(body)));
}

static void test_edits_of_a_call_that_fails_vanish(void **state)
{
	struct scene scene;

	(void) state;
	scene_open(&scene);
	assert_int_equal(write_it(&scene, "a+ConfigMap", BODY("a", ",\"data\":{\"x\":\"1\"}")), EMCO_OK);
	assert_int_equal(write_it(&scene, "b+ConfigMap", BODY("b", "")), EMCO_OK);
	assert_int_equal(ext->drop_cluster(&scene.call.abi, scene.context, EMCO_STR("web"), EMCO_STR("p+c2")), EMCO_OK);
	scene_end(&scene, false);
	assert_true(view_is(view_from_abi(read_it(&scene, "p+c1", "a+ConfigMap", EMCO_OK)), BODY("a", "")));
	read_it(&scene, "p+c1", "b+ConfigMap", EMCO_E_NOT_FOUND);
	read_it(&scene, "p+c2", "a+ConfigMap", EMCO_OK);
	scene_close(&scene);
}

static void test_edits_of_a_call_that_succeeds_stay(void **state)
{
	struct scene scene;

	(void) state;
	scene_open(&scene);
	assert_int_equal(write_it(&scene, "b+ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"), EMCO_OK);
	assert_int_equal(ext->drop_object(&scene.call.abi, scene.context, EMCO_STR("web"), EMCO_STR("p+c2"),
	                                  EMCO_STR("a+ConfigMap")), EMCO_OK);
	scene_end(&scene, true);
	assert_true(view_is(view_from_abi(read_it(&scene, "p+c1", "b+ConfigMap", EMCO_OK)), BODY("b", "")));
	read_it(&scene, "p+c2", "a+ConfigMap", EMCO_E_NOT_FOUND);
	scene_close(&scene);
}

static const struct { const char *object, *body, *words; } refused[] = {
	{ "b+ConfigMap", BODY("a", ""), "is called \"a+ConfigMap\"" },
	{ "a+Secret", BODY("a", ""), "is called" },
	{ "a", BODY("a", ""), "is called" },
	{ "a+ConfigMap", "{\"kind\":\"ConfigMap\"}", "apiVersion" },
	{ "a+ConfigMap", "{", "" },
	{ "a+ConfigMap", "", "" },
	{ "a+ConfigMap", "a: [", "" },
};

static void test_bodies_that_are_no_such_object_are_refused(void **state)
{
	struct scene scene;

	(void) state;
	scene_open(&scene);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(write_it(&scene, refused[i].object, refused[i].body), EMCO_E_INVALID);
		expect_words(scene.call.error.text, refused[i].words);
	}
	assert_int_equal(write_it(&scene, "a~2+ConfigMap", BODY("a", "")), EMCO_OK);
	scene_close(&scene);
}

static emco_status count_cluster(void *data, emco_str app, emco_str cluster, emco_str group)
{
	size_t *count = data;

	assert_true(view_is(view_from_abi(app), "web") && view_is(view_from_abi(group), "1") && cluster.len == 4);
	++*count;
	return EMCO_OK;
}

struct dropping { struct scene *scene; size_t count; };

static emco_status drop_each(void *data, emco_str app, emco_str cluster, emco_str group)
{
	struct dropping *dropping = data;

	(void) group;
	dropping->count++;
	return ext->drop_cluster(&dropping->scene->call.abi, dropping->scene->context, app, cluster);
}

static void test_clusters_may_be_dropped_while_walking(void **state)
{
	struct scene    scene;
	struct dropping dropping = { &scene, 0 };
	size_t          count = 0;

	(void) state;
	scene_open(&scene);
	assert_int_equal(ext->each_cluster(&scene.call.abi, scene.context, count_cluster, &count), EMCO_OK);
	assert_int_equal(count, 2);
	assert_int_equal(ext->each_cluster(&scene.call.abi, scene.context, drop_each, &dropping), EMCO_OK);
	assert_int_equal(dropping.count, 2);
	count = 0;
	assert_int_equal(ext->each_cluster(&scene.call.abi, scene.context, count_cluster, &count), EMCO_OK);
	assert_int_equal(count, 0);
	scene_close(&scene);
}

static void test_an_older_plugin_gets_the_members_it_knows(void **state)
{
	struct scene          scene;
	emco_app_context_meta meta = { .size = offsetof(emco_app_context_meta, release) };

	(void) state;
	scene_open(&scene);
	meta.release = EMCO_STR("untouched");
	assert_int_equal(ext->meta(&scene.call.abi, scene.context, &meta), EMCO_OK);
	assert_true(view_is(view_from_abi(meta.project), "x") && view_is(view_from_abi(meta.release), "untouched"));
	meta.size = sizeof meta;
	assert_int_equal(ext->meta(&scene.call.abi, scene.context, &meta), EMCO_OK);
	assert_true(view_is(view_from_abi(meta.release), "r1"));
	assert_true(view_is(view_from_abi(meta.status_context), scene.context.ptr));
	scene_close(&scene);
}

static void test_a_context_of_no_such_name_is_not_found(void **state)
{
	static const char *const names[] = { "", "x", "-1", "99999999999999999999", "0" };
	struct scene             scene;
	size_t                   count = 0;

	(void) state;
	scene_open(&scene);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(ext->each_cluster(&scene.call.abi, view_to_abi(view_of(names[i])), count_cluster, &count),
		                 EMCO_E_NOT_FOUND);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits_of_a_call_that_fails_vanish),
		cmocka_unit_test(test_edits_of_a_call_that_succeeds_stay),
		cmocka_unit_test(test_bodies_that_are_no_such_object_are_refused),
		cmocka_unit_test(test_clusters_may_be_dropped_while_walking),
		cmocka_unit_test(test_an_older_plugin_gets_the_members_it_knows),
		cmocka_unit_test(test_a_context_of_no_such_name_is_not_found),
	};

	return cmocka_run_group_tests_name("app_context", tests, NULL, NULL);
}
