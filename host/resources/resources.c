/* All families, and the small things they share. */
#include "host/resources/resources_priv.h"

#include "lib/base/archive.h"

#include <pthread.h>

/* -- hooks and file checks ------------------------------------------------------------------------------------------- */

emco_status hook_end(emco_call *call, enum status st, const struct error *err)
{
	return st == ST_OK ? EMCO_OK : call_failed(call_of(call), err);
}

enum status hook_document(const emco_change *change, json_t **ret_document, struct error *err)
{
	return json_read(view_from_abi(change->document), ret_document, err);
}

enum status hook_replace(emco_call *call, emco_change *change, const json_t *document, struct error *err)
{
	auto_buf text = BUF(DOCUMENT_MAX);

	enum status st = json_write(&text, document, err);
	if (st != ST_OK)
		return st;
	const char *copy = arena_copy(&call_of(call)->arena, text.data, text.len);
	if (copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	change->new_document = (emco_str) { copy, text.len };
	return ST_OK;
}

emco_status archive_is_sound(emco_call *call, emco_str content)
{
	struct error err = { .code = ST_OK };

	return hook_end(call, archive_check(view_from_abi(content), &archive_default_limits, &err), &err);
}

/* -- views ----------------------------------------------------------------------------------------------------------- */

const struct ask_parameter *parameter_find(const struct ask_parameter *parameters, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (view_is(parameters[i].name, name))
			return &parameters[i];
	return NULL;
}

const struct ask_parameter *ask_find(const struct ask *ask, const char *name)
{
	return parameter_find(ask->parameters, ask->parameter_count, name);
}

enum status ask_db(const struct ask *ask, struct db **ret_db, struct error *err)
{
	return db_borrow(ask->orchestrator->store->pool, ask->deadline_ns, ret_db, err);
}

enum status ask_read(const struct ask *ask, struct db *db, struct view path, json_t **ret_document, struct error *err)
{
	auto_buf text = BUF(DOCUMENT_MAX);

	enum status st = resource_read(ask->orchestrator->store, db, path, &text, NULL, NULL, err);
	if (st != ST_OK)
		return st;
	return json_read(buf_view(&text), ret_document, err);
}

struct listing { ask_each *each; void *data; };

static enum status list_one(void *data, const struct resource_item *item, struct error *err)
{
	const struct listing *listing = data;
	auto_json            *document = NULL;

	enum status st = json_read(item->doc, &document, err);
	if (st != ST_OK)
		return st;
	return listing->each(listing->data, item->path, document, err);
}

enum status ask_list(const struct ask *ask, struct db *db, const char *type, struct view parent, ask_each *each,
                     void *data, struct error *err)
{
	struct listing listing = { each, data };

	return resource_list(ask->orchestrator->store, db, view_of(type), parent, VIEW(""), 0, list_one, &listing, err);
}

struct search {
	struct view   app;
	struct arena *arena;
	struct view   path;          /* found; empty: not yet */
	json_t       *document;
};

static enum status look_at_app(void *data, struct view path, const json_t *document, struct error *err)
{
	struct search *search = data;

	if (search->path.len > 0 || !view_is(search->app, json_string_at(document, "spec.app")))
		return ST_OK;
	search->document = json_incref(json_for_reading(document));
	return arena_keep(search->arena, path, &search->path, err);
}

enum status ask_of_app(const struct ask *ask, const char *type, struct view *ret_path, json_t **ret_document,
                       struct error *err)
{
	struct search search = { .app = ask->value, .arena = ask->arena, .path = VIEW("") };
	auto_db      *db = NULL;

	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = resource_list_by_age(ask->orchestrator->store, db, view_of(type), ask->path, list_one,
		                          &(struct listing) { look_at_app, &search }, err);
	if (st != ST_OK || ret_document == NULL) {
		json_decref(search.document);
		search.document = NULL;
	}
	if (st != ST_OK)
		return st;
	*ret_path = search.path;
	if (ret_document != NULL)
		*ret_document = search.document;
	return ST_OK;
}

struct view path_up(struct view path, size_t parts)
{
	for (; parts > 0 && path.len > 0; parts--) {
		const char *slash = memrchr(path.ptr, '/', path.len);
		path.len = slash != NULL ? (size_t) (slash - path.ptr) : 0;
	}
	return path;
}

struct view path_name(struct view path)
{
	const char *slash = memrchr(path.ptr, '/', path.len);

	if (slash == NULL)
		return path;
	return (struct view) { slash + 1, (size_t) (path.ptr + path.len - slash) - 1 };
}

enum status ask_flag(const struct ask *ask, const char *name, bool *ret_is, struct error *err)
{
	const struct ask_parameter *parameter = ask_find(ask, name);
	const struct view           value = parameter != NULL ? parameter->value : VIEW("false");

	if (view_is(value, "true") || view_is(value, "false")) {
		*ret_is = view_is(value, "true");
		return ST_OK;
	}
	return fail_at(err, ST_INVALID, name, "query parameter \"%s\" must be true or false, got \"%.*s\"", name, V(value));
}

/* -- families -------------------------------------------------------------------------------------------------------- */

static const struct family *const all[] = {
	&projects_family, &apps_family, &deployments_family, &placement_family, &controllers_family, &clusters_family,
	&clouds_family,
};

static struct family  families[ARRAY_LEN(all)];      /* written once, by gather */
static pthread_once_t gather_once = PTHREAD_ONCE_INIT;

static void gather(void)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		families[i] = *all[i];
}

const struct family *resources_families(size_t *ret_count)
{
	pthread_once(&gather_once, gather);
	*ret_count = ARRAY_LEN(families);
	return families;
}

enum status resources_types(struct types *types, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct family *family = all[i];
		enum status st = types_add(types, family->types, sizeof family->types[0], family->type_count, "emcod", err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}
