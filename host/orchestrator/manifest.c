#include "host/orchestrator/manifest.h"

#include "emco/app_context.h"
#include "lib/base/yaml.h"

#include <ctype.h>
#include <inttypes.h>

enum { LIST_DEPTH_MAX = 4, BODY_MAX = 8 << 20, UNKNOWN_KIND = 1000 };

/* The order in which Helm installs; what is not here comes last, by kind. */
static const char *const install_order[] = {
	"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget",
	"ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
	"CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList",
	"Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController",
	"ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "Ingress", "APIService",
};

static const char *const hook_events[] = {
	"pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade", "pre-rollback",
	"post-rollback", "test", "test-success",
};

struct found {
	struct object object;           /* its name is still without a suffix */
	struct view   plain;            /* metadata.name                      */
	struct view   source;           /* "web/templates/a.yaml"; or empty   */
	int64_t       weight;
	int           rank;
	size_t        index;            /* of the document                    */
};

struct splitting {
	struct arena *arena;
	struct found *found;
	size_t        count, room;
	size_t        index;
	struct view   source;
};

static int rank_of(struct view kind)
{
	for (size_t i = 0; i < ARRAY_LEN(install_order); i++)
		if (view_is(kind, install_order[i]))
			return (int) i;
	return UNKNOWN_KIND;
}

/* Helm writes the path of the template above each document. */
static struct view source_of(struct view text)
{
	static const char mark[] = "# Source: ";
	const char *at = memmem(text.ptr, text.len, mark, sizeof mark - 1);

	if (at == NULL)
		return VIEW("");
	at += sizeof mark - 1;
	const size_t left = (size_t) (text.ptr + text.len - at);
	const char  *end = memchr(at, '\n', left);
	return (struct view) { at, end != NULL ? (size_t) (end - at) : left };
}

/* -- hooks -- */

static bool is_event(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(hook_events); i++)
		if (strlen(hook_events[i]) == len && memcmp(hook_events[i], word, len) == 0)
			return true;
	return false;
}

/* "Pre-Install , test" becomes "pre-install,test".  is_test: nothing but tests. */
static enum status read_events(struct view text, struct buf *events, bool *is_test, struct error *err)
{
	enum status st = ST_OK;

	*is_test = true;
	for (size_t at = 0; st == ST_OK && at <= text.len;) {
		const char *comma = memchr(text.ptr + at, ',', text.len - at);
		size_t      end = comma != NULL ? (size_t) (comma - text.ptr) : text.len;
		const size_t after = end + 1;
		char        word[32];
		size_t      len = 0;

		while (at < end && isspace((unsigned char) text.ptr[at]))
			at++;
		while (end > at && isspace((unsigned char) text.ptr[end - 1]))
			end--;
		while (at < end && len < sizeof word)
			word[len++] = (char) tolower((unsigned char) text.ptr[at++]);
		if (len > 0) {
			if (at < end || !is_event(word, len))
				return fail(err, ST_INVALID, "unknown hook event \"%.*s\"", (int) len, word);
			*is_test = *is_test && len >= 4 && memcmp(word, "test", 4) == 0;
			if (events->len > 0)
				st = buf_add(events, ",", 1, err);
			if (st == ST_OK)
				st = buf_add(events, word, len, err);
		}
		at = after;
	}
	return st;
}

static int64_t weight_of(const json_t *annotations)
{
	const json_t *weight = json_object_get(annotations, "helm.sh/hook-weight");

	if (json_is_integer(weight))
		return json_integer_value(weight);
	return json_is_string(weight) ? strtoll(json_string_value(weight), NULL, 10) : 0;
}

/* Fills phase, events and weight.  *ret_is_dropped: a hook that is only a test. */
static enum status
classify(const json_t *document, struct arena *arena, struct found *found, bool *ret_is_dropped, struct error *err)
{
	const json_t *annotations = json_at(document, "metadata.annotations");
	const json_t *hook = json_object_get(annotations, "helm.sh/hook");
	struct object *object = &found->object;
	bool          is_test;

	*ret_is_dropped = false;
	object->phase = EMCO_PHASE_MAIN;
	object->events = VIEW("");
	if (view_is(object->kind, "CustomResourceDefinition")) {
		object->phase = EMCO_PHASE_CRD;
		return ST_OK;
	}
	if (!json_is_string(hook))
		return ST_OK;

	auto_buf events = BUF(1024);
	const enum status st = read_events((struct view) { json_string_value(hook), json_string_length(hook) }, &events,
	                                   &is_test, err);
	if (st != ST_OK || events.len == 0)
		return st;
	object->phase = EMCO_PHASE_HOOK;
	found->weight = weight_of(annotations);
	*ret_is_dropped = is_test;
	return arena_keep(arena, buf_view(&events), &object->events, err);
}

/* -- documents -- */

static enum status need_text(const json_t *document, const char *path, struct view *ret_text, struct error *err)
{
	const struct view text = json_text_at(document, path);

	if (text.len == 0)
		return fail(err, ST_INVALID, "an object needs %s, and it must be a text", path);
	if (memchr(text.ptr, '/', text.len) != NULL && strcmp(path, "apiVersion") != 0)
		return fail(err, ST_INVALID, "%s must have no \"/\", got \"%.*s\"", path, (int) text.len, text.ptr);
	*ret_text = text;
	return ST_OK;
}

static enum status write_body(const json_t *document, struct arena *arena, struct view *ret_body, struct error *err)
{
	auto_buf body = BUF(BODY_MAX);

	const enum status st = json_write(&body, document, err);
	return st == ST_OK ? arena_keep(arena, buf_view(&body), ret_body, err) : st;
}

static enum status
read_object(const json_t *document, struct arena *arena, struct found *found, bool *ret_is_dropped, struct error *err)
{
	struct object *object = &found->object;
	struct view    api_version, kind, name;
	enum status    st;

	if (!json_is_object(document))
		return fail(err, ST_INVALID, "an object was expected, with apiVersion, kind and metadata.name");
	if ((st = need_text(document, "apiVersion", &api_version, err)) != ST_OK ||
	    (st = need_text(document, "kind", &kind, err)) != ST_OK ||
	    (st = need_text(document, "metadata.name", &name, err)) != ST_OK)
		return st;
	if ((st = arena_keep(arena, api_version, &object->api_version, err)) != ST_OK ||
	    (st = arena_keep(arena, kind, &object->kind, err)) != ST_OK ||
	    (st = arena_keep(arena, name, &found->plain, err)) != ST_OK ||
	    (st = arena_keep(arena, json_text_at(document, "metadata.namespace"), &object->namespace_, err)) != ST_OK ||
	    (st = classify(document, arena, found, ret_is_dropped, err)) != ST_OK)
		return st;
	object->is_secret = view_is(kind, "Secret") && view_is(api_version, "v1");
	found->rank = rank_of(kind);
	return write_body(document, arena, &object->body, err);
}

static enum status name_object(struct found *found, struct arena *arena, size_t ordinal, struct error *err)
{
	const struct view plain = found->plain, kind = found->object.kind;
	const char *name = ordinal < 2
		? arena_printf(arena, "%.*s+%.*s", (int) plain.len, plain.ptr, (int) kind.len, kind.ptr)
		: arena_printf(arena, "%.*s~%zu+%.*s", (int) plain.len, plain.ptr, ordinal, (int) kind.len, kind.ptr);

	if (name == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	found->object.name = view_of(name);
	return ST_OK;
}

static bool is_list(const json_t *document)
{
	const struct view kind = json_text_at(document, "kind");

	return kind.len >= 4 && memcmp(kind.ptr + kind.len - 4, "List", 4) == 0 &&
	       json_is_array(json_object_get(document, "items")) && json_at(document, "metadata.name") == NULL;
}

/* Items of a "RoleList" may leave out what the list has said. */
static void complete_item(const json_t *list, json_t *item)
{
	const struct view kind = json_text_at(list, "kind");

	if (!json_is_object(item) || kind.len == 4)
		return;
	if (json_object_get(item, "kind") == NULL)
		json_object_set_new(item, "kind", json_stringn(kind.ptr, kind.len - 4));
	if (json_object_get(item, "apiVersion") == NULL)
		json_object_set(item, "apiVersion", json_object_get(list, "apiVersion"));
}

static enum status add_document(struct splitting *s, json_t *document, int depth, struct error *err)
{
	bool        is_dropped;
	enum status st;

	if (is_list(document)) {
		size_t  i;
		json_t *item;
		if (depth == LIST_DEPTH_MAX)
			return fail(err, ST_TOO_LARGE, "lists in lists, deeper than %d", LIST_DEPTH_MAX);
		json_array_foreach(json_object_get(document, "items"), i, item) {
			complete_item(document, item);
			st = add_document(s, item, depth + 1, err);
			if (st != ST_OK)
				return st;
		}
		return ST_OK;
	}

	if (s->count >= OBJECTS_MAX)
		return fail(err, ST_TOO_LARGE, "more than %d objects", OBJECTS_MAX);
	if (!arena_grow(s->arena, &s->found, s->count, 1, &s->room, sizeof *s->found))
		return fail(err, ST_NO_MEMORY, "out of memory");
	struct found *found = &s->found[s->count];
	memset(found, 0, sizeof *found);
	found->source = s->source;
	found->index = s->count;
	st = read_object(document, s->arena, found, &is_dropped, err);
	if (st == ST_OK && !is_dropped)
		s->count++;
	return st;
}

static enum status each_document(void *data, size_t index, json_t *document, struct view text, struct error *err)
{
	struct splitting *s = data;
	enum status       st;

	if (document == NULL || json_is_null(document))
		return ST_OK;
	st = arena_keep(s->arena, source_of(text), &s->source, err);
	if (st != ST_OK)
		return st;
	st = add_document(s, document, 0, err);
	if (st == ST_INVALID || st == ST_TOO_LARGE)
		return s->source.len > 0 ? fail_within(err, "\"%.*s\"", (int) s->source.len, s->source.ptr)
		                         : fail_within(err, "document %zu", index + 1);
	return st;
}

/* -- order and names -- */

static int phase_order(int phase)
{
	return phase == EMCO_PHASE_CRD ? 0 : phase == EMCO_PHASE_MAIN ? 1 : 2;
}

static int by_order(const void *left, const void *right)
{
	const struct found *a = left, *b = right;
	int order = phase_order(a->object.phase) - phase_order(b->object.phase);

	if (order == 0 && a->object.phase == EMCO_PHASE_HOOK) {
		order = a->weight < b->weight ? -1 : a->weight > b->weight;
		if (order == 0)
			order = view_compare(a->plain, b->plain);
	} else if (order == 0) {
		order = a->rank - b->rank;
		if (order == 0 && a->rank == UNKNOWN_KIND)
			order = view_compare(a->object.kind, b->object.kind);
	}
	return order != 0 ? order : a->index < b->index ? -1 : 1;
}

/* By outside name; the holders of one name by identity, then as they are to be applied. */
static int by_name(const void *left, const void *right)
{
	const struct found *a = *(struct found *const *) left, *b = *(struct found *const *) right;
	int order = view_compare(a->plain, b->plain);

	if (order == 0)
		order = view_compare(a->object.kind, b->object.kind);
	return order != 0 ? order : a < b ? -1 : a > b;
}

static bool is_same_object(const struct found *a, const struct found *b)
{
	return a->object.phase != EMCO_PHASE_HOOK && b->object.phase != EMCO_PHASE_HOOK &&
	       view_compare(a->object.namespace_, b->object.namespace_) == 0 &&
	       view_compare(object_group(a->object.api_version), object_group(b->object.api_version)) == 0;
}

static enum status rendered_twice(const struct found *a, const struct found *b, struct error *err)
{
	return fail(err, ST_INVALID, "%.*s \"%.*s\" is there twice, in \"%.*s\" and in \"%.*s\"",
	            (int) a->object.kind.len, a->object.kind.ptr, (int) a->plain.len, a->plain.ptr,
	            (int) a->source.len, a->source.ptr, (int) b->source.len, b->source.ptr);
}

/* All holders of one name and kind: each its own suffix, unless two of them are the same object. */
static enum status name_holders(struct splitting *s, struct found **holder, size_t count, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < count; i++) {
		for (size_t k = 0; k < i; k++)
			if (is_same_object(holder[k], holder[i]))
				return rendered_twice(holder[k], holder[i], err);
		st = name_object(holder[i], s->arena, i + 1, err);
	}
	return st;
}

static enum status name_all(struct splitting *s, struct error *err)
{
	struct found **order = arena_alloc(s->arena, s->count + 1, sizeof *order);
	enum status    st = ST_OK;

	if (order == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < s->count; i++)
		order[i] = &s->found[i];
	qsort(order, s->count, sizeof(struct found *), by_name);

	for (size_t i = 0, end; st == ST_OK && i < s->count; i = end) {
		for (end = i + 1; end < s->count && view_compare(order[i]->plain, order[end]->plain) == 0 &&
		                  view_compare(order[i]->object.kind, order[end]->object.kind) == 0; end++)
			continue;
		st = name_holders(s, order + i, end - i, err);
	}
	return st;
}

enum status manifest_split(struct view text, struct arena *arena, struct objects *ret_objects, struct error *err)
{
	struct splitting s = { .arena = arena };
	struct objects   objects;
	enum status      st = yaml_read_all(text, YAML_KUBERNETES, each_document, &s, err);

	if (st != ST_OK)
		return st;
	if (s.count > 0)
		qsort(s.found, s.count, sizeof *s.found, by_order);
	st = name_all(&s, err);
	if (st != ST_OK)
		return st;

	objects.count = s.count;
	objects.at = arena_alloc(arena, s.count + 1, sizeof *objects.at);
	if (objects.at == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < s.count; i++)
		objects.at[i] = s.found[i].object;
	*ret_objects = objects;
	return ST_OK;
}

enum status manifest_object(const json_t *document, struct arena *arena, struct object *ret_object, struct error *err)
{
	struct found found = { .index = 0 };
	bool         is_dropped;
	enum status  st = read_object(document, arena, &found, &is_dropped, err);

	if (st == ST_OK)
		st = name_object(&found, arena, 1, err);
	if (st == ST_OK)
		*ret_object = found.object;
	return st;
}
