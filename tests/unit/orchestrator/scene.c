#include "tests/unit/orchestrator/scene.h"

#include "host/resources/resources.h"

static const char template[] =
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-{{ .Chart.Name }}}\ndata: {text: {{ .Values.text | quote }}}\n"
	"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s-{{ .Chart.Name }}}\nstringData: {password: hunter2}\n";

/* -- the scene ------------------------------------------------------------------------------------------------------- */

void put_file(struct fixture *fixture, const char *type, const char *path, const char *doc, struct view content)
{
	const char *last = strrchr(path, '/'), *before = last;
	struct error err;

	while (*--before != '/' && before > path)
		continue;
	if (strcmp(type, "compositeAppVersion") == 0)
		for (int i = 0; i < 2 - 1; i++)
			while (*--before != '/')
				continue;
	const struct resource_file file = {
		.field = "file", .filename = VIEW("f.tgz"), .media_type = VIEW("application/gzip"), .content = content,
	};
	const bool is_owner = strcmp(type, "deploymentIntentGroup") == 0 || strcmp(type, "logicalCloud") == 0;
	const struct resource_write write = {
		.path = view_of(path), .parent = { path, before > path ? (size_t) (before - path) : 0 }, .type = view_of(type),
		.name = view_of(last + 1), .doc = view_of(doc), .is_owner = is_owner, .files = &file,
		.file_count = content.len > 0, .is_replacing_files = content.len > 0,
	};
	struct resource_written written;
	auto_db *db = fixture_db(fixture);
	expect_status(ST_OK, resource_write(&fixture->store, db, &write, RESOURCE_CREATE_OR_REPLACE,
	                                    &written, &err), &err);
}

void put(struct fixture *fixture, const char *type, const char *path, const char *doc)
{
	put_file(fixture, type, path, doc, VIEW(""));
}

static void put_reference(struct fixture *fixture, const char *cluster)
{
	char path[128], doc[128];

	snprintf(path, sizeof path, CLOUD "/cluster-references/%s", cluster);
	snprintf(doc, sizeof doc, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"clusterProvider\":\"p\",\"cluster\":\"%s\"}}",
	         cluster, cluster);
	put(fixture, "clusterReference", path, doc);
}

void put_profile(struct fixture *fixture, const char *app, const char *values)
{
	const struct view content = profile_of(values);
	char              path[128], doc[128];

	snprintf(path, sizeof path, PROFILES "/%s", app);
	snprintf(doc, sizeof doc, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"app\":\"%s\"}}", app, app);
	put_file(fixture, "appProfile", path, doc, content);
	free((void *) (uintptr_t) content.ptr);
}

static void put_app(struct fixture *fixture, const char *app)
{
	const struct view content = chart_of(app, template, "text: chart\n");
	char              path[128], doc[128];

	snprintf(path, sizeof path, VERSION "/apps/%s", app);
	snprintf(doc, sizeof doc, "{\"metadata\":{\"name\":\"%s\"}}", app);
	put_file(fixture, "app", path, doc, content);
	free((void *) (uintptr_t) content.ptr);
	put_profile(fixture, app, "text: profile\n");
}

void put_intent(struct fixture *fixture, const char *app, const char *intent)
{
	char path[160], doc[512];

	snprintf(path, sizeof path, DIG "/generic-placement-intents/gpi/app-intents/%s", app);
	snprintf(doc, sizeof doc, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"app\":\"%s\",\"intent\":%s}}", app, app, intent);
	put(fixture, "genericAppPlacementIntent", path, doc);
}

static const char dig_doc[] = "{\"metadata\":{\"name\":\"dig\"},\"spec\":{\"compositeProfile\":\"cp\",\"version\":\"r1\","
	"\"overrideValues\":[{\"app\":\"db\",\"values\":{\"text\":\"override\"}}],\"logicalCloud\":\"lc\"}}";

void put_scene(struct fixture *fixture)
{
	put(fixture, "clusterProvider", "cluster-providers/p", "{}");
	put(fixture, "cluster", "cluster-providers/p/clusters/c1", "{}");
	put(fixture, "cluster", "cluster-providers/p/clusters/c2", "{}");
	put(fixture, "clusterLabel", "cluster-providers/p/clusters/c1/labels/edge", "{}");
	put(fixture, "clusterLabel", "cluster-providers/p/clusters/c2/labels/edge", "{}");
	put(fixture, "project", "projects/x", "{}");
	put(fixture, "logicalCloud", CLOUD, "{\"spec\":{\"level\":\"0\",\"namespace\":\"default\"}}");
	put_reference(fixture, "c1");
	put_reference(fixture, "c2");
	put(fixture, "compositeAppVersion", VERSION, "{}");
	put(fixture, "compositeProfile", VERSION "/composite-profiles/cp", "{}");
	put_app(fixture, "web");
	put_app(fixture, "db");
	put(fixture, "deploymentIntentGroup", DIG, dig_doc);
	put(fixture, "genericPlacementIntent", DIG "/generic-placement-intents/gpi", "{}");
	put_intent(fixture, "web", "{\"allOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"edge\"}]}");
	put_intent(fixture, "db", "{\"anyOf\":[{\"clusterProvider\":\"p\",\"clusterLabel\":\"edge\"}]}");
	put(fixture, "groupIntent", DIG "/intents/all", "{\"spec\":{\"intent\":{\"genericPlacementIntent\":\"gpi\"}}}");
}

void put_other(struct fixture *fixture, const char *release, const char *cloud)
{
	static const char *const intents[] = { "web", "db" };
	char doc[512];

	snprintf(doc, sizeof doc, "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"compositeProfile\":\"cp\",\"version\":\"%s\","
	         "\"overrideValues\":[{\"app\":\"db\",\"values\":{\"text\":\"override\"}}],\"logicalCloud\":\"%s\"}}", release, cloud);
	put(fixture, "deploymentIntentGroup", OTHER, doc);
	put(fixture, "genericPlacementIntent", OTHER "/generic-placement-intents/gpi", "{}");
	for (size_t i = 0; i < ARRAY_LEN(intents); i++) {
		char path[192], intent[512];
		snprintf(path, sizeof path, OTHER "/generic-placement-intents/gpi/app-intents/%s", intents[i]);
		snprintf(intent, sizeof intent, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"app\":\"%s\",\"intent\":{\"%s\":[{\"clusterProvider\":\"p\","
		         "\"clusterLabel\":\"edge\"}]}}}", intents[i], intents[i], i == 0 ? "allOf" : "anyOf");
		put(fixture, "genericAppPlacementIntent", path, intent);
	}
	put(fixture, "groupIntent", OTHER "/intents/all", "{\"spec\":{\"intent\":{\"genericPlacementIntent\":\"gpi\"}}}");
}

struct orchestrator o;

void scene_open(struct fixture *fixture, struct plugins *plugins)
{
	struct error err;

	o = (struct orchestrator) {
		.store = &fixture->store, .types = types_new(), .plugins = plugins,
		.options = { .helm = helm_noted(), .data_dir = scratch_folder(), .renders = 2, .operations = 4, .revisions = 4,
		             .render_limit_ns = (int64_t) 60e9, .operation_limit_ns = (int64_t) 120e9 },
	};
	expect_ok(resources_types(o.types, &err));
	expect_ok(types_seal(o.types, &err));
	expect_ok(orchestrator_open(&o, &err));
	put_scene(fixture);
}

void scene_close(void)
{
	orchestrator_close(&o);
	types_free(o.types);
}

int scene_set_up(void **state)
{
	if (fixture_open(state) != 0)
		return -1;
	scene_open(*state, NULL);
	return 0;
}

int scene_tear_down(void **state)
{
	scene_close();
	return fixture_close(state);
}

void synchronise(struct fixture *fixture)
{
	fixture_run(fixture, "UPDATE unit SET applied = CASE WHEN is_wanted THEN set END, label = status_context, tried = '{}',"
	                     " due_at = NULL, reachable = 1, applied_count = CASE WHEN is_wanted THEN pending + applied_count ELSE 0 END,"
	                     " deleted_count = CASE WHEN is_wanted THEN 0 ELSE applied_count END, pending = 0");
}

int64_t soon(void)
{
	return deadline_in_ms(60000);
}
