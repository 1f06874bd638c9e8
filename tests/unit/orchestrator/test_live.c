/* What a synchroniser tells of clusters, and what is made of it when it lies, fails, is late or does not come back. */
#include "tests/unit/registry/controllers_setup.h"

#include "host/orchestrator/live.h"
#include "host/registry/guard.h"

#undef fail_msg
#define fail_msg(...)  do { print_error(__VA_ARGS__); print_error("\n"); _fail(__FILE__, __LINE__); } while (0)

#define OBJECT(kind, rest)  "{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"" kind "\\\"," rest "}"
#define MAP(space, value)   OBJECT("ConfigMap", "\\\"metadata\\\":{\\\"namespace\\\":\\\"" space "\\\"},\\\"v\\\":" value)

static struct setup setup;

/* live asks "edge+two" for app "web" and "edge+one" for "web" and "db": in another order than that. */
static struct live *begin(const char *rest, const struct view *names, size_t count)
{
	static const struct { struct view app, cluster; } places[] = {
		{ { "web", 3 }, { "edge+two", 8 } }, { { "web", 3 }, { "edge+one", 8 } }, { { "db", 2 }, { "edge+one", 8 } },
	};
	struct live_place *place;
	struct error       err;

	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-teller", rest);
	setup_start(&setup);
	struct live *live = live_new(live_synchroniser(setup.plugins), NULL, names, count);
	assert_non_null(live);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		assert_int_equal(ST_OK, live_add(live, places[i].app, places[i].cluster, 7, &place, &err));
		assert_int_equal(ST_OK, live_add_kind(live, place, VIEW("v1"), VIEW("ConfigMap"), &err));
	}
	return live;
}

static void end(struct live *live)
{
	live_unref(live);
	assert_int_equal(0, guard_drain(deadline_in_ms(20000)));
	setup_end(&setup);
}

static enum status ask(struct live *live, int ms, struct error *err)
{
	memset(err, 0, sizeof *err);
	return live_ask(live, VIEW("projects/p"), deadline_in_ms(ms), err);
}

static void assert_body(const struct live *live, const char *app, const char *cluster, const char *name, const char *space,
                        const char *part)
{
	const struct set_entry entry = { .name = view_of(name), .api_version = VIEW("v1"), .kind = VIEW("ConfigMap") };
	const struct view      body = live_body(live, view_of(app), view_of(cluster), &entry, view_of(space));

	if ((body.len == 0) != (part == NULL) || (part != NULL && memmem(body.ptr, body.len, part, strlen(part)) == NULL))
		fail_msg("%s on %s, %s in \"%s\": \"%.*s\"", app, cluster, name, space, V(body));
}

static void test_each_place_has_its_own_and_each_namespace(void **state)
{
	struct error err;
	struct live *live = begin("options = { tells = [\"0|a+ConfigMap|" MAP("x", "1") "\", \"1|a+ConfigMap|" MAP("x", "2") "\","
	                          " \"1|a+ConfigMap|" MAP("n", "3") "\", \"1|a+ConfigMap|" MAP("m", "4") "\", \"2|b+ConfigMap|" MAP("n", "5")
	                          "\"]; };", NULL, 0);

	(void) state;
	assert_int_equal(ST_OK, ask(live, 10000, &err));
	assert_body(live, "db", "edge+one", "a+ConfigMap", "x", "\"v\":1");       /* by cluster, then app */
	assert_body(live, "web", "edge+one", "a+ConfigMap", "n", "\"v\":3");
	assert_body(live, "web", "edge+one", "a+ConfigMap", "x", "\"v\":2");
	assert_body(live, "web", "edge+one", "a+ConfigMap", "elsewhere", NULL);
	assert_body(live, "web", "edge+one", "a+ConfigMap", "", "\"v\":4");       /* the first, whatever was told first */
	assert_body(live, "web", "edge+two", "b+ConfigMap", "n", "\"v\":5");
	assert_body(live, "web", "edge+two", "a+ConfigMap", "n", NULL);
	assert_body(live, "web", "edge+three", "a+ConfigMap", "n", NULL);
	assert_body(live, "db", "edge+one", "b+ConfigMap", "n", NULL);
	const struct set_entry other = { .name = VIEW("a+ConfigMap"), .api_version = VIEW("maps.test/v1"), .kind = VIEW("ConfigMap") };
	assert_int_equal(0, live_body(live, VIEW("web"), VIEW("edge+one"), &other, VIEW("n")).len);
	end(live);
}

static void test_what_is_no_object_or_nobody_asked_for_is_passed_over(void **state)
{
	const struct view names[] = { VIEW("a"), VIEW("b") };
	struct error      err;
	struct live      *live = begin("options = { tells = [\"0|a+ConfigMap|nonsense\", \"0|a+ConfigMap|[1]\", \"0|a+ConfigMap|\","
	                               " \"0|a+Secret|" OBJECT("Secret", "\\\"data\\\":1") "\", \"0|hidden+ConfigMap|" MAP("n", "1")
	                               "\", \"0|b~2+ConfigMap|" MAP("n", "2") "\"]; };", names, ARRAY_LEN(names));

	(void) state;
	assert_int_equal(ST_OK, ask(live, 10000, &err));
	assert_body(live, "db", "edge+one", "a+ConfigMap", "n", NULL);
	assert_body(live, "db", "edge+one", "a+Secret", "n", NULL);
	assert_body(live, "db", "edge+one", "hidden+ConfigMap", "n", NULL);
	assert_body(live, "db", "edge+one", "b~2+ConfigMap", "n", "\"v\":2");
	end(live);
}

static void test_what_was_told_counts_also_when_the_rest_fails_or_is_late(void **state)
{
	static const char *const rows[] = { "status = 8;", "ms = 60000;", "status = 9;" };
	char                     rest[512];
	struct error             err;

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(rest, sizeof rest, "options = { tells = [\"0|a+ConfigMap|" MAP("n", "1") "\"]; %s };", rows[i]);
		struct live *live = begin(rest, NULL, 0);
		assert_int_equal(ST_OK, ask(live, 400, &err));
		assert_body(live, "db", "edge+one", "a+ConfigMap", "n", "\"v\":1");
		assert_false(plugins_at(setup.plugins, 0)->is_quarantined);
		end(live);
	}
	struct live *live = begin("options = { tells = [\"9|a+ConfigMap|{}\", \"0|a+ConfigMap|" MAP("n", "1") "\"]; };", NULL, 0);
	assert_int_equal(ST_OK, ask(live, 5000, &err));       /* of no query of ours: it was refused, and told no more */
	assert_body(live, "db", "edge+one", "a+ConfigMap", "n", NULL);
	end(live);
}

static void test_who_does_not_come_back_is_left_behind_with_what_is_his(void **state)
{
	struct error err;
	struct live *live = begin("options = { tells = [\"0|a+ConfigMap|" MAP("n", "1") "\"]; ms = 1500; heeds = false; };", NULL, 0);
	const int64_t begin_ns = clock_ns();

	(void) state;
	assert_int_equal(ST_DEADLINE, ask(live, 200, &err));
	assert_true(clock_ns() - begin_ns < 1400000000);
	assert_non_null(strstr(err.text, "did not answer"));
	end(live);
}

static void test_more_than_there_is_room_for_is_said_with_what_to_do(void **state)
{
	struct error err;
	struct live *live = begin("options = { repeat = 1000; pad = 1048576; tells = [\"0|a+ConfigMap|" MAP("n", "1") "\"]; };", NULL, 0);

	(void) state;
	assert_int_equal(ST_TOO_LARGE, ask(live, 60000, &err));
	assert_non_null(strstr(err.text, "more than 128 MB"));
	assert_non_null(strstr(err.hint, "\"resource\""));
	end(live);
}

static void test_nobody_is_asked_where_nobody_can_tell(void **state)
{
	struct error err;

	(void) state;
	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-slow", "");
	setup_start(&setup);
	assert_null(live_synchroniser(setup.plugins));
	assert_null(live_synchroniser(NULL));
	setup_end(&setup);

	setup_begin(&setup);
	setup_conf(&setup, "1.conf", "test-teller", "options = { tells = [\"0|a+ConfigMap|{}\"]; };");
	setup_start(&setup);
	struct live *live = live_new(live_synchroniser(setup.plugins), NULL, NULL, 0);
	assert_int_equal(ST_OK, ask(live, 1000, &err));
	assert_int_equal(0, plugins_at(setup.plugins, 0)->calls);
	end(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_place_has_its_own_and_each_namespace),
		cmocka_unit_test(test_what_is_no_object_or_nobody_asked_for_is_passed_over),
		cmocka_unit_test(test_what_was_told_counts_also_when_the_rest_fails_or_is_late),
		cmocka_unit_test(test_who_does_not_come_back_is_left_behind_with_what_is_his),
		cmocka_unit_test(test_more_than_there_is_room_for_is_said_with_what_to_do),
		cmocka_unit_test(test_nobody_is_asked_where_nobody_can_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
