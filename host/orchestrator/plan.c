#include "host/orchestrator/plan_priv.h"
#include "lib/base/random.h"

#include <inttypes.h>

/* -- tables by digest -------------------------------------------------------------------------------------------- */

static size_t bucket_of(const struct table *table, const struct digest *digest)
{
	uint64_t word;

	memcpy(&word, digest->bytes, sizeof word);
	return (size_t) word & (table->size - 1);
}

struct node *table_find(const struct table *table, const struct digest *digest)
{
	struct node *node = table->size > 0 ? table->buckets[bucket_of(table, digest)] : NULL;

	while (node != NULL && !digest_equal(&node->digest, digest))
		node = node->next;
	return node;
}

static enum status table_grow(struct table *table, struct error *err)
{
	struct table bigger = { NULL, table->size == 0 ? 64 : 4 * table->size, table->count };

	bigger.buckets = calloc(bigger.size, sizeof(struct node *));
	if (bigger.buckets == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < table->size; i++)
		for (struct node *node = table->buckets[i], *after; node != NULL; node = after) {
			struct node **bucket = &bigger.buckets[bucket_of(&bigger, &node->digest)];
			after = node->next;
			node->next = *bucket;
			*bucket = node;
		}
	free(table->buckets);
	*table = bigger;
	return ST_OK;
}

enum status table_add(struct table *table, struct node *node, struct error *err)
{
	if (table->count >= table->size) {
		const enum status st = table_grow(table, err);
		if (st != ST_OK)
			return st;
	}
	struct node **bucket = &table->buckets[bucket_of(table, &node->digest)];
	node->next = *bucket;
	*bucket = node;
	table->count++;
	return ST_OK;
}

void table_done(struct table *table)
{
	free(table->buckets);
}

/* -- life -------------------------------------------------------------------------------------------------------- */

struct plan *plan_new(struct sealer *sealer, const struct plan_meta *meta)
{
	struct plan *plan = calloc(1, sizeof *plan);

	if (plan == NULL)
		return NULL;
	arena_init(&plan->arena, PLAN_BYTES_MAX);
	plan->sealer = sealer;
	plan->meta = *meta;
	plan->id = random_id();
	snprintf(plan->id_text, sizeof plan->id_text, "%" PRId64, plan->id);
	return plan;
}

void plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	if (plan->is_open)
		plan_drop(plan);
	table_done(&plan->sets);
	table_done(&plan->bodies);
	free(plan->touched);
	arena_done(&plan->arena);
	free(plan);
}

void plan_use(struct plan *plan, struct db *db)          { plan->db = db; }
bool plan_is_stored(const struct plan *plan)             { return plan->store != NULL; }
int64_t plan_id(const struct plan *plan)                 { return plan->id; }
struct view plan_id_text(const struct plan *plan)        { return view_of(plan->id_text); }
const struct plan_meta *plan_meta(const struct plan *plan) { return &plan->meta; }

/* -- contents by digest ------------------------------------------------------------------------------------------ */

enum status plan_intern_body(struct plan *plan, struct view text, bool is_secret, bool is_borrowed,
                             struct body **ret_body, struct error *err)
{
	const struct digest digest = is_secret && plan->sealer != NULL ? seal_digest(plan->sealer, text) : digest_of(text);
	struct body        *body = (struct body *) table_find(&plan->bodies, &digest);

	if (body != NULL) {
		*ret_body = body;
		return ST_OK;
	}
	body = arena_alloc(&plan->arena, 1, sizeof *body);
	if (body != NULL && !is_borrowed)
		text.ptr = arena_copy(&plan->arena, text.ptr, text.len);
	if (body == NULL || text.ptr == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	body->node.digest = digest;
	body->text = text;
	body->is_secret = is_secret;
	*ret_body = body;
	return table_add(&plan->bodies, &body->node, err);
}

static enum status copy_set(struct plan *plan, struct set *set, const struct set_entry *entries,
                            struct body *const *bodies, size_t count, struct error *err)
{
	set->entries = arena_alloc(&plan->arena, count + 1, sizeof *set->entries);
	set->bodies = arena_alloc(&plan->arena, count + 1, sizeof(struct body *));
	set->manifests = arena_alloc(&plan->arena, count + 1, sizeof *set->manifests);
	if (set->entries == NULL || set->bodies == NULL || set->manifests == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (count > 0) {
		memcpy(set->entries, entries, count * sizeof *entries);
		memcpy(set->bodies, bodies, count * sizeof(struct body *));
	}
	for (size_t i = 0; i < count; i++)
		set->manifests[i] = entries[i].manifest;
	set->count = count;
	return ST_OK;
}

enum status plan_intern_set(struct plan *plan, const struct set_entry *entries, struct body *const *bodies,
                            size_t count, struct set **ret_set, struct error *err)
{
	auto_buf    text = BUF(64 << 20);
	enum status st;

	st = set_encode(entries, count, &text, err);
	if (st != ST_OK)
		return st;
	const struct digest digest = digest_of(buf_view(&text));
	struct set         *set = (struct set *) table_find(&plan->sets, &digest);
	if (set != NULL) {
		*ret_set = set;
		return ST_OK;
	}

	set = arena_alloc(&plan->arena, 1, sizeof *set);
	const char *copy = arena_copy(&plan->arena, text.data, text.len);
	if (set == NULL || copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	set->node.digest = digest;
	set->text = (struct view) { copy, text.len };
	st = copy_set(plan, set, entries, bodies, count, err);
	if (st == ST_OK)
		st = table_add(&plan->sets, &set->node, err);
	if (st == ST_OK)
		*ret_set = set;
	return st;
}

/* -- making ------------------------------------------------------------------------------------------------------ */

static enum status set_of_objects(struct plan *plan, const struct objects *objects, struct set **ret_set,
                                  struct error *err)
{
	struct set_entry *entries = arena_alloc(&plan->arena, objects->count + 1, sizeof *entries);
	struct body     **bodies = arena_alloc(&plan->arena, objects->count + 1, sizeof(struct body *));

	if (entries == NULL || bodies == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->at[i];
		const enum status    st = plan_intern_body(plan, object->body, object->is_secret, true, &bodies[i], err);
		if (st != ST_OK)
			return st;
		entries[i] = (struct set_entry) {
			.name = object->name, .api_version = object->api_version, .kind = object->kind,
			.namespace_ = object->namespace_, .events = object->events, .phase = object->phase,
			.is_secret = object->is_secret, .manifest = bodies[i]->node.digest,
		};
	}
	return plan_intern_set(plan, entries, bodies, objects->count, ret_set, err);
}

enum status plan_add_app(struct plan *plan, struct view app, const struct objects *objects,
                         const struct placement *placement, struct error *err)
{
	struct set *set;
	enum status st = set_of_objects(plan, objects, &set, err);

	if (st != ST_OK)
		return st;
	struct plan_slot *slots = arena_alloc(&plan->arena, placement->count + 1, sizeof *slots);
	if (slots == NULL || !arena_grow(&plan->arena, &plan->apps, plan->app_count, 1, &plan->app_room, sizeof *plan->apps))
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < placement->count; i++) {
		const char *group = arena_printf(&plan->arena, "%u", placement->at[i].group);
		if (group == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		slots[i] = (struct plan_slot) {
			.app = (unsigned) plan->app_count, .cluster = placement->at[i].cluster, .group = view_of(group), .set = set,
		};
	}
	plan->apps[plan->app_count++] = (struct plan_app) {
		.name = app, .slots = slots, .count = placement->count, .intent = placement->intent, .whys = placement->whys,
		.why_count = placement->why_count,
	};
	return ST_OK;
}

enum status plan_add_dependencies(struct plan *plan, struct view app, struct view json, struct error *err)
{
	for (size_t i = 0; i < plan->app_count; i++)
		if (view_order(&plan->apps[i].name, &app) == 0) {
			plan->apps[i].dependencies = json;
			return ST_OK;
		}
	return fail(err, ST_NOT_FOUND, "the context has no app \"%.*s\"", (int) app.len, app.ptr);
}

/* -- trimming ---------------------------------------------------------------------------------------------------- */

static int by_group(const void *a, const void *b)
{
	struct plan_slot *const *left = a, *const *right = b;
	const int order = view_order(&(*left)->group, &(*right)->group);

	return order != 0 ? order : *left < *right ? -1 : *left > *right;
}

static enum status trim_app(struct plan *plan, struct plan_app *app, struct error *err)
{
	struct plan_slot **order = arena_alloc(&plan->arena, app->count + 1, sizeof *order);

	if (order == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < app->count; i++)
		order[i] = &app->slots[i];
	qsort(order, app->count, sizeof(struct plan_slot *), by_group);

	for (size_t i = 0, end; i < app->count; i = end) {
		bool has_one = false;
		for (end = i; end < app->count && view_order(&order[i]->group, &order[end]->group) == 0; end++) {
			if (has_one)
				order[end]->is_dropped = true;
			has_one = has_one || !order[end]->is_dropped;
		}
		if (!has_one)
			return fail(err, ST_CONFLICT,
			            "app \"%.*s\": of the clusters that intent \"%.*s\" allows, placement controllers left none of group %.*s, "
			            "which began with \"%.*s\"", V(app->name), V(app->intent), V(order[i]->group), V(order[i]->cluster));
	}
	return ST_OK;
}

enum status plan_trim(struct plan *plan, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < plan->app_count; i++)
		st = trim_app(plan, &plan->apps[i], err);
	return st;
}

/* -- reading ----------------------------------------------------------------------------------------------------- */

size_t plan_app_count(const struct plan *plan)
{
	return plan->app_count;
}

struct view plan_app(const struct plan *plan, size_t app)
{
	return plan->apps[app].name;
}

size_t plan_slot_count(const struct plan *plan, size_t app)
{
	return plan->apps[app].count;
}

struct plan_slot *plan_slot(const struct plan *plan, size_t app, size_t slot)
{
	struct plan_slot *at = &plan->apps[app].slots[slot];

	return at->is_dropped ? NULL : at;
}

static int by_cluster(const void *key, const void *slot)
{
	return view_order(key, &((const struct plan_slot *) slot)->cluster);
}

struct plan_slot *plan_find(const struct plan *plan, struct view app, struct view cluster)
{
	for (size_t i = 0; i < plan->app_count; i++) {
		const struct plan_app *at = &plan->apps[i];
		if (view_order(&at->name, &app) != 0 || at->count == 0)
			continue;
		struct plan_slot *slot = bsearch(&cluster, at->slots, at->count, sizeof *at->slots, by_cluster);
		return slot != NULL && !slot->is_dropped ? slot : NULL;
	}
	return NULL;
}

struct view plan_slot_cluster(const struct plan_slot *slot)
{
	return slot->cluster;
}

struct view plan_slot_group(const struct plan_slot *slot)
{
	return slot->group;
}

bool plan_slot_why(const struct plan *plan, const struct plan_slot *slot, struct plan_why *ret_why)
{
	const struct plan_app *app = &plan->apps[slot->app];
	const unsigned long    group = strtoul(slot->group.ptr, NULL, 10);      /* made by us, NUL after it */
	size_t                 low = 0, high = app->why_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (app->whys[middle].last_group < group)
			low = middle + 1;
		else
			high = middle;
	}
	if (group == 0 || low == app->why_count)
		return false;
	*ret_why = (struct plan_why) { app->intent, app->whys[low].because, app->whys[low].is_mandatory };
	return true;
}

void plan_explain_drops(struct plan *plan, struct view why)
{
	for (size_t i = 0; i < plan->app_count; i++)
		for (size_t k = 0; k < plan->apps[i].count; k++) {
			struct plan_slot *slot = &plan->apps[i].slots[k];
			if (slot->is_dropped && slot->dropped_why.ptr == NULL)
				slot->dropped_why = why;
		}
}

bool plan_dropped(const struct plan *plan, size_t app, size_t slot, struct view *ret_cluster, struct view *ret_why)
{
	const struct plan_slot *at = &plan->apps[app].slots[slot];

	if (!at->is_dropped)
		return false;
	*ret_cluster = at->cluster;
	*ret_why = at->dropped_why;
	return true;
}

struct digest plan_slot_set(struct plan *plan, struct plan_slot *slot)
{
	if (plan_settle(plan, slot, NULL) != ST_OK)
		return (struct digest) { { 0 } };
	return slot->set->node.digest;
}

enum status plan_entries(struct plan *plan, struct plan_slot *slot, const struct set_entry **ret_entries,
                         size_t *ret_count, struct error *err)
{
	enum status st = plan_settle(plan, slot, err);

	if (st == ST_OK && slot->set->entries == NULL)
		st = plan_fetch_set(plan, slot->set, err);
	if (st != ST_OK)
		return st;
	*ret_entries = slot->set->entries;
	*ret_count = slot->set->count;
	return ST_OK;
}

enum status plan_body(struct plan *plan, struct plan_slot *slot, struct view name, struct view *ret_body,
                      struct error *err)
{
	struct set *set = slot->set;

	if (set->entries == NULL) {
		const enum status st = plan_fetch_set(plan, set, err);
		if (st != ST_OK)
			return st;
	}
	for (size_t i = 0; i < set->count; i++) {
		if (view_order(&set->entries[i].name, &name) != 0)
			continue;
		if (set->bodies[i] == NULL) {
			const enum status st = plan_fetch_body(plan, &set->entries[i], &set->bodies[i], err);
			if (st != ST_OK)
				return st;
		}
		*ret_body = set->bodies[i]->text;
		return ST_OK;
	}
	return fail(err, ST_NOT_FOUND, "there is no object \"%.*s\" on cluster \"%.*s\"", (int) name.len, name.ptr,
	            (int) slot->cluster.len, slot->cluster.ptr);
}
