/* The apps of a deployment: charts, profiles, overrides, and what each waits for. */
#include "host/orchestrator/deployment_priv.h"

#include "host/store/resource.h"

/* Objects carry the label "<status context>-<app>": 63 characters, of which an id takes up to 19. */
enum { DEPENDENCIES_MAX = 4 << 20, WAITS_MAX = 1000, CIRCLE_SHOWN = 3, APP_NAME_MAX = 63 - 19 - 1 };

struct deployment_app *deployment_find_app(struct deployment *d, struct view name)
{
	for (size_t i = 0; i < d->app_count; i++)
		if (view_compare(d->apps[i].name, name) == 0)
			return &d->apps[i];
	return NULL;
}

struct taking { struct deployment *d; struct view *content; };

static enum status take_file(void *data, const struct resource_file_row *file, struct error *err)
{
	const struct taking *taking = data;

	return view_is(file->field, "file") ? arena_keep(&taking->d->arena, file->content, taking->content, err) : ST_OK;
}

static enum status read_file(struct deployment *d, struct orchestrator *o, struct db *db, struct view path,
                             struct view *ret_content, struct error *err)
{
	struct taking taking = { d, ret_content };

	return resource_files(o->store, db, path, take_file, &taking, err);
}

static enum status read_dependencies(struct deployment *d, struct orchestrator *o, struct db *db,
                                     struct deployment_app *app, struct error *err)
{
	struct deployment_list list;
	auto_json             *specs = json_array();
	auto_buf               text = BUF(DEPENDENCIES_MAX);
	enum status            st = deployment_list(&list, d, o, db, "appDependency", app->path, err);

	if (st != ST_OK || list.count == 0)
		return st;
	for (const struct deployment_item *item = list.first; item != NULL; item = item->next)
		if (json_array_append(specs, json_object_get(item->doc, "spec")) != 0)
			return fail(err, ST_NO_MEMORY, "out of memory");
	st = json_write(&text, specs, err);
	return st == ST_OK ? arena_keep(&d->arena, buf_view(&text), &app->dependencies, err) : st;
}

static enum status load_charts(struct deployment *d, struct orchestrator *o, struct db *db, struct error *err)
{
	struct deployment_list list;
	enum status st = deployment_list(&list, d, o, db, "app", d->composite_app_path, err);

	if (st != ST_OK)
		return st;
	d->apps = arena_alloc(&d->arena, list.count + 1, sizeof *d->apps);
	if (d->apps == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (const struct deployment_item *item = list.first; st == ST_OK && item != NULL; item = item->next) {
		struct deployment_app *app = &d->apps[d->app_count++];
		app->name = item->name;
		app->path = item->path;
		st = read_file(d, o, db, item->path, &app->chart, err);
		if (st == ST_OK)
			st = read_dependencies(d, o, db, app, err);
	}
	return st;
}

static enum status load_profiles(struct deployment *d, struct orchestrator *o, struct db *db, struct view profile_path,
                                 struct error *err)
{
	struct deployment_list list;
	enum status st = deployment_list_by_age(&list, d, o, db, "appProfile", profile_path, err);

	d->has_profile = st == ST_OK;
	if (st == ST_NOT_FOUND)                               /* named with all else that is missing */
		return ST_OK;
	for (const struct deployment_item *item = list.first; st == ST_OK && item != NULL; item = item->next) {
		struct deployment_app *app = deployment_find_app(d, json_text_at(item->doc, "spec.app"));
		if (app != NULL && app->profile.len == 0)
			st = read_file(d, o, db, item->path, &app->profile, err);
	}
	return st;
}

/* The first entry of an app counts. */
static void read_overrides(struct deployment *d)
{
	size_t  i;
	json_t *entry;

	json_array_foreach(json_at(d->doc, "spec.overrideValues"), i, entry) {
		struct deployment_app *app = deployment_find_app(d, json_text_at(entry, "app"));
		if (app != NULL && app->overrides == NULL)
			app->overrides = json_object_get(entry, "values");
	}
}

/* NOTE: a composite profile or a placement intent that does not exist is named as such, and not once more for each app. */
static enum status lacks_of(const struct deployment *d, const struct deployment_app *app, struct wanted *wanted, struct error *err)
{
	enum status st = ST_OK;

	if (app->name.len > APP_NAME_MAX)
		st = wanted_lack(wanted, ST_CONFLICT, "Create the app under a shorter name.", err,
		                 "the name of app \"%.*s\" is too long for the label that its objects carry: "
		                 "%zu characters, %d at most", V(app->name), app->name.len, APP_NAME_MAX);
	if (st == ST_OK && app->chart.len == 0)
		st = wanted_lack(wanted, ST_CONFLICT, "Upload it with a PUT.", err, "app \"%.*s\" has no chart", V(app->name));
	if (st == ST_OK && d->has_profile && app->profile.len == 0)
		st = wanted_lack(wanted, ST_CONFLICT, "Create the profile first.", err,
		                 "app \"%.*s\" has no profile in composite profile \"%.*s\"", V(app->name),
		                 V(d->profile_name));
	if (st == ST_OK && d->has_placement && app->intent == NULL)
		st = wanted_lack(wanted, ST_CONFLICT, "Create the intent first.", err,
		                 "app \"%.*s\" has no placement intent in \"%.*s\"", V(app->name),
		                 V(d->placement_name));
	return st;
}

enum status deployment_lacks(const struct deployment *d, struct wanted *wanted, struct error *err)
{
	enum status st = ST_OK;

	if (d->placement_name.len == 0)
		st = wanted_lack(wanted, ST_NOT_FOUND, "Name one in a group intent.", err,
		                 "no group intent of \"%.*s\" names a genericPlacementIntent", V(d->name));
	if (st == ST_OK && d->app_count == 0)
		st = wanted_lack(wanted, ST_CONFLICT, "Add an app first.", err,
		                 "composite app \"%.*s\", version \"%.*s\", has no apps: nothing would be deployed",
		                 V(d->composite_app), V(d->version));
	for (size_t i = 0; st == ST_OK && i < d->app_count; i++)
		st = lacks_of(d, &d->apps[i], wanted, err);
	return st;
}

/* The apps on the way to the one that is looked at, the last first. */
struct way { size_t at, depth; const struct way *before; };

/* Who is waited for is on the way already: from there on it is the circle, of a long one the last part. */
static enum status circle(const struct deployment *d, const struct way *way, size_t at, struct error *err)
{
	size_t   members[CIRCLE_SHOWN], count = 0;
	auto_buf names = BUF(200);

	for (; way != NULL && count < CIRCLE_SHOWN; way = way->at == at ? NULL : way->before)
		members[count++] = way->at;
	if (members[count - 1] != at)
		IGNORE(buf_add_text(&names, "\u2026 for ", NULL));
	while (count-- > 0)
		IGNORE(buf_printf(&names, NULL, "\"%.*s\" for ", V(d->apps[members[count]].name)));
	fail(err, ST_CONFLICT, "apps wait for each other in a circle: %s\"%.*s\"", names.data, V(d->apps[at].name));
	return fail_hint(err, "Delete one of these dependencies.");
}

/* Depth first; state: 0 not seen, 1 on the way, 2 done. */
static enum status walk(struct deployment *d, size_t at, char *state, const struct way *before, struct error *err)
{
	const struct way way = { at, before != NULL ? before->depth + 1 : 1, before };
	auto_json       *specs = NULL;
	size_t           i;
	json_t          *spec;
	enum status      st = ST_OK;

	if (state[at] == 2 || d->apps[at].dependencies.len == 0)
		return ST_OK;
	if (state[at] == 1)
		return circle(d, before, at, err);
	if (way.depth > WAITS_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d apps wait for one another in a row", WAITS_MAX);
	state[at] = 1;
	st = json_read(d->apps[at].dependencies, &specs, err);
	json_array_foreach(specs, i, spec) {
		const struct view            name = json_text_at(spec, "app");
		const struct deployment_app *other = deployment_find_app(d, name);
		if (other == NULL) {
			fail(err, ST_CONFLICT, "app \"%.*s\" waits for \"%.*s\", which is no app of \"%.*s\"", V(d->apps[at].name), V(name),
			     V(d->composite_app_path));
			return fail_hint(err, "Create that app, or delete the dependency.");
		}
		st = walk(d, (size_t) (other - d->apps), state, &way, err);
		if (st != ST_OK)
			return st;
	}
	state[at] = 2;
	return st;
}

enum status deployment_check_dependencies(struct deployment *d, struct error *err)
{
	char       *state = arena_alloc(&d->arena, d->app_count + 1, 1);
	enum status st = state != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");

	for (size_t i = 0; st == ST_OK && i < d->app_count; i++)
		st = walk(d, i, state, NULL, err);
	return st;
}

enum status deployment_load_apps(struct deployment *d, struct orchestrator *o, struct db *db, struct view profile_path,
                                 struct error *err)
{
	enum status st = load_charts(d, o, db, err);

	if (st == ST_OK)
		st = load_profiles(d, o, db, profile_path, err);
	if (st == ST_OK)
		read_overrides(d);
	return st;
}
