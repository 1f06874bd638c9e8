/* Group intents become links in order of priority, bound to instances; then one slot of each link is called in turn. */
#include "host/registry/chain.h"

#include "host/registry/instance.h"
#include "host/store/resource.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { RECORD_BYTES = 1 << 20, LINKS_MAX = 1024 };

static const char placement_key[] = "genericPlacementIntent";      /* names the built-in placement, no controller */

/* -- building -------------------------------------------------------------------------------------------------------- */

/* What a deployment needs of /v2/controllers/NAME; views live in the arena. */
struct record {
	bool        is_there;
	struct view host, type;
	int64_t     port, priority;
};

static enum status read_record(struct store *store, struct db *db, struct view name, struct arena *arena,
                               struct record *record, struct error *err)
{
	struct error fault;
	auto_buf     doc = BUF(RECORD_BYTES);
	json_t      *value;

	const char *path = arena_printf(arena, "controllers/%.*s", (int) name.len, name.ptr);
	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the chain of controllers");
	enum status st = resource_read(store, db, view_of(path), &doc, NULL, NULL, &fault);
	if (st == ST_NOT_FOUND)
		return ST_OK;
	if (st != ST_OK) {
		if (err != NULL)
			*err = fault;
		return st;
	}
	st = json_read(buf_view(&doc), &value, err);
	if (st == ST_OK)
		st = json_own(arena, value, err);
	if (st != ST_OK)
		return st;
	*record = (struct record) {
		.is_there = true, .host = json_text_at(value, "spec.host"), .type = json_text_at(value, "spec.type"),
		.port = json_int_at(value, "spec.port", 0), .priority = json_int_at(value, "spec.priority", 0),
	};
	return ST_OK;
}

/* The plugin's roles say what it can do; the record's type, where it says one, which of it is wanted. */
static enum status choose_roles(struct link *link, struct view type, struct error *err)
{
	const uint32_t roles = link->instance->plugin->roles;
	const bool     is_typed = view_is(type, "placement") || view_is(type, "action");

	link->is_placement = (roles & EMCO_ROLE_PLACEMENT) != 0 && (!is_typed || view_is(type, "placement"));
	link->is_action = (roles & EMCO_ROLE_ACTION) != 0 && (!is_typed || view_is(type, "action"));
	if (!is_typed || link->is_placement || link->is_action)
		return ST_OK;
	IGNORE(fail(err, ST_INVALID, "controller \"%.*s\" is registered with type \"%.*s\", but plugin \"%s\" has no such role",
	            (int) link->controller.len, link->controller.ptr, (int) type.len, type.ptr, link->instance->plugin->name));
	return fail_hint(err, "Correct spec.type of the controller.");
}

static enum status bind_link(const struct plugins *plugins, struct store *store, struct db *db, struct arena *arena,
                             struct link *link, struct error *err)
{
	const struct view name = link->controller;
	struct record     record = { 0 };

	enum status st = read_record(store, db, name, arena, &record, err);
	if (st != ST_OK)
		return st;
	link->instance = record.is_there ? plugins_bind(plugins, name, record.host) : plugins_find(plugins, name);
	if (link->instance == NULL && !record.is_there) {
		fail(err, ST_NOT_FOUND, "controller \"%.*s\" is named in the group intents, but there is no such controller", V(name));
		return fail_hint(err, "Load a plugin under that name, create a record in /v2/controllers, or take it out of the intents.");
	}
	if (link->instance == NULL)
		return fail(err, ST_UPSTREAM, "controller \"%.*s\" is remote (%.*s:%lld), and no proxy plugin is loaded",
		            (int) name.len, name.ptr, (int) record.host.len, record.host.ptr, (long long) record.port);
	link->priority = record.priority > 0 ? record.priority : link->instance->priority;
	return choose_roles(link, record.type, err);
}

static int by_priority(const void *a, const void *b)
{
	const struct link *one = a, *other = b;
	int order = (one->priority > other->priority) - (one->priority < other->priority);

	if (order == 0)
		order = view_compare(one->controller, other->controller);
	return order != 0 ? order : view_compare(one->intent, other->intent);
}

static bool has_link(const struct chain *chain, struct view controller, struct view intent)
{
	for (size_t i = 0; i < chain->count; i++)
		if (view_compare(chain->links[i].controller, controller) == 0 && view_compare(chain->links[i].intent, intent) == 0)
			return true;
	return false;
}

/* One pair of the intents; the same pair in two group intents is one link. */
static enum status add_link(struct chain *chain, struct arena *arena, const char *key, const json_t *value,
                            struct error *err)
{
	const struct view controller = view_of(key);
	const struct view intent = { json_string_value(value), json_string_length(value) };
	struct link       link = { 0 };

	if (!json_is_string(value))
		return fail(err, ST_INVALID, "the intent of controller \"%s\" must be a name", key);
	if (has_link(chain, controller, intent))
		return ST_OK;
	enum status st = arena_keep(arena, controller, &link.controller, err);
	if (st == ST_OK)
		st = arena_keep(arena, intent, &link.intent, err);
	if (st == ST_OK)
		chain->links[chain->count++] = link;
	return st;
}

static size_t count_pairs(const json_t *intents)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(intents); i++)
		count += json_object_size(json_array_get(intents, i));
	return count;
}

enum status chain_build(const struct plugins *plugins, struct store *store, struct db *db, const json_t *intents,
                        struct arena *arena, struct chain *ret_chain, struct error *err)
{
	struct chain chain = { 0 };
	enum status  st = ST_OK;
	const size_t most = count_pairs(intents);
	const char  *key;
	json_t      *value;

	if (most > LINKS_MAX)
		return fail(err, ST_TOO_LARGE, "group intents must name at most %d controllers, got %zu", LINKS_MAX, most);
	chain.links = arena_alloc(arena, most + 1, sizeof *chain.links);
	if (chain.links == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the chain of controllers");
	for (size_t i = 0; i < json_array_size(intents); i++) {
		json_object_foreach(json_array_get(intents, i), key, value) {
			if (strcmp(key, placement_key) != 0)
				st = add_link(&chain, arena, key, value, err);
			if (st != ST_OK)
				return st;
		}
	}
	for (size_t i = 0; i < chain.count; i++) {
		st = bind_link(plugins, store, db, arena, &chain.links[i], err);
		if (st != ST_OK)
			return st;
	}
	qsort(chain.links, chain.count, sizeof *chain.links, by_priority);
	*ret_chain = chain;
	return ST_OK;
}

enum status chain_join(const struct chain *one, const struct chain *other, struct arena *arena, struct chain *ret_chain,
                       struct error *err)
{
	const size_t count = one->count + other->count;
	struct link *links = arena_alloc(arena, count + 1, sizeof *links);

	if (links == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the chain of controllers");
	if (one->count > 0)
		memcpy(links, one->links, one->count * sizeof *links);
	if (other->count > 0)
		memcpy(links + one->count, other->links, other->count * sizeof *links);
	qsort(links, count, sizeof *links, by_priority);
	*ret_chain = (struct chain) { links, count };
	return ST_OK;
}

/* -- running --------------------------------------------------------------------------------------------------------- */

/* One slot and what it is handed. */
struct turn { const struct chain_call *call; const struct link *link; };

static emco_status turn_place(const struct instance *instance, emco_call *call, void *data)
{
	const struct turn *turn = data;
	const emco_plugin *plugin = instance->plugin;

	if (!EMCO_HAS(plugin, filter_clusters))
		return EMCO_E_UNIMPLEMENTED;
	return plugin->filter_clusters(instance->self, call, view_to_abi(turn->call->context), view_to_abi(turn->link->intent));
}

static emco_status turn_act(const struct instance *instance, emco_call *call, void *data)
{
	const struct turn *turn = data;
	const emco_plugin *plugin = instance->plugin;

	if (!EMCO_HAS(plugin, update_app_context))
		return EMCO_E_UNIMPLEMENTED;
	return plugin->update_app_context(instance->self, call, view_to_abi(turn->call->context),
	                                  view_to_abi(turn->link->intent), view_to_abi(turn->call->from));
}

static emco_status turn_terminate(const struct instance *instance, emco_call *call, void *data)
{
	const struct turn *turn = data;
	const emco_plugin *plugin = instance->plugin;

	if (!EMCO_HAS(plugin, terminate_app_context))
		return EMCO_E_UNIMPLEMENTED;
	return plugin->terminate_app_context(instance->self, call, view_to_abi(turn->call->context));
}

static emco_status turn_post(const struct instance *instance, emco_call *call, void *data)
{
	const struct turn *turn = data;
	const emco_plugin *plugin = instance->plugin;

	if (!EMCO_HAS(plugin, post_event))
		return EMCO_E_UNIMPLEMENTED;
	return plugin->post_event(instance->self, call, view_to_abi(turn->call->context), turn->call->event);
}

struct step {
	instance_slot *slot;
	const char    *word;
	bool           may_lack;         /* not implemented is as good as done                       */
	bool           is_per_intent;    /* called for each intent; else once for each controller    */
	bool           goes_on;          /* a failure does not keep the others from being told       */
};

static const struct step steps[] = {
	[CHAIN_PLACE]     = { turn_place,     "filter_clusters",       false, true,  false },
	[CHAIN_ACT]       = { turn_act,       "update_app_context",    false, true,  false },
	[CHAIN_TERMINATE] = { turn_terminate, "terminate_app_context", true,  false, false },
	[CHAIN_POST]      = { turn_post,      "post_event",            true,  false, true  },
};

/* Links of one controller are neighbours. */
static bool has_part(const struct chain *chain, size_t index, enum chain_step step)
{
	const struct link *link = &chain->links[index];
	const bool is_again = index > 0 && view_compare(chain->links[index - 1].controller, link->controller) == 0;

	if (is_again && !steps[step].is_per_intent)
		return false;
	switch (step) {
	case CHAIN_PLACE:     return link->is_placement;
	case CHAIN_ACT:
	case CHAIN_TERMINATE: return link->is_action;
	default:              return true;
	}
}

static enum status take_turn(const struct link *link, struct store *store, const struct chain_call *call,
                             int64_t deadline_ns, struct error *err)
{
	const struct step *step = &steps[call->step];
	struct turn        turn = { call, link };
	emco_status        answer = EMCO_DECLINED;
	void              *overlay = call->begin != NULL ? call->begin(call->data) : NULL;

	enum status st = instance_call(link->instance, store, step->slot, &turn, overlay, deadline_ns, &answer, err);
	if (st == ST_OK && answer == EMCO_E_UNIMPLEMENTED && !step->may_lack)
		st = fail(err, ST_UPSTREAM, "controller \"%s\" does not implement %s", link->instance->name, step->word);
	if (call->end != NULL) {
		struct error ending = { 0 };
		const enum status kept = call->end(call->data, overlay, st == ST_OK && answer == EMCO_OK, &ending);
		if (st == ST_OK && kept != ST_OK) {
			if (err != NULL)
				*err = ending;
			st = kept;
			IGNORE(fail_within(err, "controller \"%s\"", link->instance->name));
		}
	}
	return st;
}

/*
 * Who can neither place nor act was named by mistake, and its intent would mean nothing.  Told before anything is placed,
 * not where the chain is built: what runs already must still come to its end.
 */
static enum status check_parts(const struct chain *chain, struct error *err)
{
	for (size_t i = 0; i < chain->count; i++) {
		const struct link *link = &chain->links[i];
		if (link->is_placement || link->is_action)
			continue;
		IGNORE(fail(err, ST_INVALID, "controller \"%.*s\" is named in the group intents, but plugin \"%s\" neither places nor acts",
		            (int) link->controller.len, link->controller.ptr, link->instance->plugin->name));
		return fail_hint(err, "Take it out of the group intents.");
	}
	return ST_OK;
}

enum status chain_run(const struct chain *chain, struct store *store, const struct chain_call *call, int64_t deadline_ns,
                      struct error *err)
{
	enum status first = call->step == CHAIN_PLACE ? check_parts(chain, err) : ST_OK;

	if (first != ST_OK)
		return first;
	for (size_t i = 0; i < chain->count; i++) {
		struct error fault = { 0 };
		if (!has_part(chain, i, call->step))
			continue;
		const enum status st = take_turn(&chain->links[i], store, call, deadline_ns, &fault);
		if (st == ST_OK)
			continue;
		if (first == ST_OK) {
			first = st;
			if (err != NULL)
				*err = fault;
		} else {
			log_warning("chain.failed", "controller", chain->links[i].instance->name, "text", fault.text);
		}
		if (!steps[call->step].goes_on)
			break;
	}
	return first;
}
