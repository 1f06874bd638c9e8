#include "plugins/rsync/object.h"

#include <stdlib.h>
#include <string.h>

enum { BODIES = 128 };

struct reading { struct pass *pass; struct object_set *set; uint64_t room; struct fault *fault; };

static emco_status entry_take(void *data, const emco_set_entry *entry)
{
	struct reading    *reading = data;
	struct object_set *set = reading->set;

	if (set->count == reading->room) {
		const uint64_t room = reading->room > 0 ? 2 * reading->room : 16;
		struct object *more = pass_alloc(reading->pass, room, sizeof *more);

		if (more == NULL)
			return fault_say(reading->fault, EMCO_E_NO_MEMORY, "out of memory");
		if (set->count > 0)
			memcpy(more, set->objects, set->count * sizeof *more);
		set->objects = more;
		reading->room = room;
	}
	set->objects[set->count++] = (struct object) {
		.name = entry->object->name, .digest = entry->digest, .phase = entry->object->phase,
		.api_version = entry->object->api_version, .kind = entry->object->kind,
		.namespace_ = entry->object->namespace_,
		.events = entry->object->events, .is_secret = entry->secret != 0,
	};
	return EMCO_OK;
}

static int compare_names(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *) a, *y = *(struct object *const *) b;
	const size_t         len = (size_t) (x->name.len < y->name.len ? x->name.len : y->name.len);
	const int            order = len > 0 ? memcmp(x->name.ptr, y->name.ptr, len) : 0;

	return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static emco_status sort_names(struct pass *pass, struct object_set *set, struct fault *fault)
{
	set->by_name = pass_alloc(pass, set->count + 1, sizeof(struct object *));
	if (set->by_name == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < set->count; i++)
		set->by_name[i] = &set->objects[i];
	qsort(set->by_name, set->count, sizeof(struct object *), compare_names);
	for (size_t i = 1; i < set->count; i++)
		if (str_equal(set->by_name[i - 1]->name, set->by_name[i]->name))
			return fault_say(fault, EMCO_E_INVALID, "two objects are named \"%.*s\"",
			                 STR_ARG(set->by_name[i]->name));
	return EMCO_OK;
}

bool object_is_numbered(emco_str name)
{
	uint64_t at = name.len;

	while (at > 0 && name.ptr[at - 1] != '+')
		at--;
	const uint64_t end = at > 0 ? --at : 0;

	while (at > 0 && name.ptr[at - 1] >= '0' && name.ptr[at - 1] <= '9')
		at--;
	return at > 1 && at < end && name.ptr[at - 1] == '~';
}

static emco_status body_make(struct pass *pass, const struct object_set *set, struct object *object, emco_str body,
                             struct fault *fault)
{
	json_error_t where;
	json_t      *value = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &where);
	const char  *text = NULL;
	emco_status  status = EMCO_OK;

	if (!json_is_object(value))
		status = fault_say(fault, EMCO_E_INVALID, "it is no JSON object");
	if (status == EMCO_OK) {
		object->is_secret = object->is_secret || object_holds_secret(value);
		status = object_tag(value, set->label, pass_text(pass, set->namespace_),
		                    set->target->tag | (object_is_hook(object) && (set->target->tag & TAG_KUBE) != 0 ? TAG_HOOK : 0), fault);
	}
	/* So that who sees it knows which of them it is; the others have their names as they are. */
	if (status == EMCO_OK && (set->target->tag & TAG_KUBE) != 0 && object_is_numbered(object->name)) {
		const char *name = pass_text(pass, object->name);

		status = name != NULL ? object_mark(value, name, fault) : fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	}
	if (status == EMCO_OK && (set->target->tag & TAG_KUBE) != 0) {
		status = pieces_of(pass, value, &object->pieces, &object->piece_count, fault);
		json_decref(value);
		return status;
	}
	if (status == EMCO_OK)
		text = object_text(pass, value);
	if (text != NULL)
		object->text = str_of(text);
	else if (status == EMCO_OK)
		status = fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	json_decref(value);
	return status;
}

struct making { struct pass *pass; const struct object_set *set; struct object **objects; struct fault *fault; };

/* What is wrong with an object stays with it. */
static emco_status body_take(void *data, uint64_t index, emco_str body)
{
	struct making *making = data;
	struct object *object = making->objects[index];
	struct fault   own = { .code = EMCO_OK };

	if (body_make(making->pass, making->set, object, body, &own) != EMCO_OK) {
		if (own.code != EMCO_E_INVALID) {
			*making->fault = own;
			return own.code;
		}
		object->message = pass_text(making->pass, str_of(own.text));
		if (object->message == NULL)
			return fault_say(making->fault, EMCO_E_NO_MEMORY, "out of memory");
	}
	object->is_ready = true;
	return EMCO_OK;
}

static emco_status bodies_make(struct making *making, size_t count)
{
	struct pass *pass = making->pass;
	emco_str    *digests = pass_alloc(pass, count, sizeof *digests);

	if (digests == NULL)
		return fault_say(making->fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		digests[i] = making->objects[i]->digest;

	const emco_status status = pass->units->bodies(pass->call, digests, count, body_take, making);
	if (status == EMCO_OK || making->fault->code != EMCO_OK)
		return status;
	for (size_t i = 0; i < count; i++)
		if (!making->objects[i]->is_ready)
			return fault_say(making->fault, status, "could not read the object \"%.*s\"", STR_ARG(making->objects[i]->name));
	return fault_say(making->fault, status, "could not read the objects");
}

emco_status objects_ready(struct pass *pass, const struct object_set *set, struct object **objects, size_t count,
                          struct fault *fault)
{
	struct making making = { .pass = pass, .set = set, .objects = pass_alloc(pass, BODIES, sizeof(struct object *)), .fault = fault };
	size_t        gathered = 0;

	if (making.objects == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		if (!objects[i]->is_ready)
			making.objects[gathered++] = objects[i];
		if (gathered == 0 || (gathered < BODIES && i + 1 < count))
			continue;
		if (!pass_alive(pass))
			return fault_say(fault, EMCO_E_DEADLINE, "not done in time");
		const emco_status status = bodies_make(&making, gathered);
		if (status != EMCO_OK)
			return status;
		gathered = 0;
	}
	return EMCO_OK;
}

/* The first object that cannot be made ready gives the fault. */
static emco_status all_ready(struct pass *pass, struct object_set *set, struct fault *fault)
{
	const emco_status status = objects_ready(pass, set, set->by_name, set->count, fault);

	for (size_t i = 0; status == EMCO_OK && i < set->count; i++)
		if (set->objects[i].message != NULL)
			return fault_say(fault, EMCO_E_INVALID, "object \"%.*s\": %s", STR_ARG(set->objects[i].name), set->objects[i].message);
	return status;
}

emco_status object_set_read(struct pass *pass, emco_str digest, const struct target *target, const char *label,
                            emco_str namespace_, struct object_set **ret_set, struct fault *fault)
{
	for (struct object_set *set = pass->sets; set != NULL; set = set->next)
		if (str_equal(set->digest, digest) && set->target == target &&
		    (target == NULL || (strcmp(set->label, label) == 0 && str_equal(set->namespace_, namespace_)))) {
			*ret_set = set;
			if (set->fault.code != EMCO_OK)
				*fault = set->fault;
			return set->fault.code;
		}

	struct object_set *set = pass_alloc(pass, 1, sizeof *set);
	if (set == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	*set = (struct object_set) { .digest = digest, .target = target, .label = label, .namespace_ = namespace_ };

	struct reading reading = { .pass = pass, .set = set, .fault = fault };
	emco_status    status = pass->units->each_entry(pass->call, digest, entry_take, &reading);

	if (status != EMCO_OK)
		return fault->code != EMCO_OK ? status
		                              : fault_say(fault, status, "could not read the set of objects: %.*s",
		                                          STR_ARG(pass->call->fault(pass->call)));
	status = sort_names(pass, set, fault);
	if (status == EMCO_OK && target != NULL && (target->tag & TAG_KUBE) == 0)
		status = all_ready(pass, set, fault);
	if (status == EMCO_OK || status == EMCO_E_INVALID) {
		if (status != EMCO_OK)
			set->fault = *fault;
		set->next = pass->sets;
		pass->sets = set;
	}
	*ret_set = set;
	return status;
}

bool object_is_wanted(const struct object *object)
{
	static const char *const events[] = { "pre-install", "post-install", "pre-upgrade", "post-upgrade" };

	if (object->phase != EMCO_PHASE_HOOK)
		return true;
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (object->events.len > 0 &&
		    memmem(object->events.ptr, object->events.len, events[i], strlen(events[i])) != NULL)
			return true;
	return false;
}

struct object *object_find(const struct object_set *set, emco_str name)
{
	struct object  key = { .name = name }, *at = &key;
	struct object **found = set == NULL || set->count == 0
	                            ? NULL
	                            : bsearch(&at, set->by_name, set->count, sizeof(struct object *), compare_names);

	return found != NULL ? *found : NULL;
}
