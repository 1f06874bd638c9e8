/*
 * metrics_objects.c - a series for each object of the types that have a gauge, as clients of EMCO's dashboards expect them.
 *
 * Labels are the variables of the path, as in emco_app{project,composite_app,composite_app_version,name}.  The store is asked
 * at every scrape, so what is deleted is gone from the next; at most so many series are shown.
 */
#include "host/api/metrics.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { READ_MS = 2000, LABEL_MAX = 64, NAMES_BYTES_MAX = 1 << 16 };

/* "compositeAppVersion" is composite_app_version */
static void snake(const char *word, char *ret_label)
{
	size_t len = 0;

	for (; *word != '\0' && len < LABEL_MAX - 2; word++) {
		if (*word >= 'A' && *word <= 'Z' && len > 0)
			ret_label[len++] = '_';
		ret_label[len++] = (char) (*word >= 'A' && *word <= 'Z' ? *word - 'A' + 'a' : *word == '-' || *word == '.' ? '_' : *word);
	}
	ret_label[len] = '\0';
}

static struct view next_part(struct view *rest)
{
	const char  *slash = memchr(rest->ptr, '/', rest->len);
	const size_t len = slash != NULL ? (size_t) (slash - rest->ptr) : rest->len, step = len + (slash != NULL);
	const struct view part = { rest->ptr, len };

	*rest = (struct view) { rest->ptr + step, rest->len - step };
	return part;
}

/* An ancestor's variables by their own names, first; the object's as name and, when it has two, version. */
static enum status print_labels(struct buf *out, const struct type *type, struct view *rest, bool is_own, struct error *err)
{
	static const char *const own[TYPE_VARIABLES_MAX] = { "name", "version" };
	enum status st = type->parent != NULL ? print_labels(out, type->parent, rest, false, err) : ST_OK;

	(void) next_part(rest);                              /* the collection's segment */
	for (size_t i = 0; st == ST_OK && i < type->variable_count; i++) {
		const struct view value = next_part(rest);
		char              label[LABEL_MAX];

		snake(type->variables[i], label);
		st = buf_printf(out, err, "%s%s=", out->data[out->len - 1] == '{' ? "" : ",", is_own ? own[i] : label);
		if (st == ST_OK)
			st = buf_add_json(out, value, err);
	}
	return st;
}

struct objects {
	const struct api  *api;
	struct buf        *out;
	const struct type *last;
	uint64_t           count;
};

static enum status print_object(void *data, struct view name, struct view path, struct error *err)
{
	struct objects    *objects = data;
	const struct type *type = types_find(objects->api->types, name);
	struct view        rest = path;
	enum status        st = ST_OK;

	if (type == NULL || type->row->gauge == NULL || objects->count == objects->api->options.metrics_objects)
		return ST_OK;
	if (type != objects->last)
		st = buf_printf(objects->out, err, "# HELP %s One for each \"%s\".\n# TYPE %s gauge\n", type->row->gauge, type->row->name,
		                type->row->gauge);
	objects->last = type;
	objects->count++;
	if (st == ST_OK)
		st = buf_printf(objects->out, err, "%s{", type->row->gauge);
	if (st == ST_OK)
		st = print_labels(objects->out, type, &rest, true, err);
	return st == ST_OK ? buf_add_text(objects->out, "} 1\n", err) : st;
}

/* Those with a gauge, and what they are below. */
static enum status types_shown(const struct types *types, struct arena *arena, struct view **ret_names, size_t *ret_count,
                               struct error *err)
{
	const size_t most = types_count(types);
	bool        *is_shown = arena_alloc(arena, most + 1, sizeof *is_shown);
	struct view *names = arena_alloc(arena, most + 1, sizeof *names);
	size_t       count = 0;

	if (is_shown == NULL || names == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = most; i-- > 0;) {                    /* children first */
		const struct type *type = types_at(types, i);
		is_shown[i] = is_shown[i] || type->row->gauge != NULL;
		for (size_t k = 0; is_shown[i] && type->parent != NULL && k < i; k++)
			is_shown[k] = is_shown[k] || types_at(types, k) == type->parent;
		if (is_shown[i])
			names[count++] = view_of(type->row->name);
	}
	*ret_names = names;
	*ret_count = count;
	return ST_OK;
}

/* NOTE: what is not known is left out: the rest of the numbers is needed most when the database is away. */
enum status metrics_print_objects(const struct api *api, struct buf *out, struct error *err)
{
	const uint64_t limit = api->options.metrics_objects;
	struct objects objects = { .api = api, .out = out };
	const size_t   before = out->len;
	auto_arena     arena = ARENA(NAMES_BYTES_MAX);
	auto_db       *db = NULL;
	struct view   *names;
	size_t         count;

	if (limit == 0)
		return ST_OK;
	enum status st = types_shown(api->types, &arena, &names, &count, err);
	if (st == ST_OK)
		st = db_borrow(api->store->pool, deadline_in_ms(READ_MS), &db, err);
	if (st == ST_OK)
		st = resource_walk(db, names, count, limit + 1, print_object, &objects, err);
	if (st != ST_OK) {
		log_warning("metrics.no_objects", "error", err->text);
		buf_cut(out, before);
		return ST_OK;
	}
	return buf_printf(out, err, "# HELP emco_objects_shown Objects that have a series here; at most metrics_objects.\n"
	                  "# TYPE emco_objects_shown gauge\nemco_objects_shown %llu\n", (unsigned long long) objects.count);
}
