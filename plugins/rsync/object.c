#include "plugins/rsync/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_LEN_MAX = 63, LIST_DEPTH_MAX = 4, REAL_DIGITS = 15, REAL_DIGITS_EXACT = 17, BODIES = 128 };

/* Kinds of Kubernetes itself that live in no namespace. */
static const struct { const char *group, *kind; } cluster_kinds[] = {
	{ "",                             "Namespace" },
	{ "",                             "Node" },
	{ "",                             "PersistentVolume" },
	{ "admissionregistration.k8s.io", "MutatingWebhookConfiguration" },
	{ "admissionregistration.k8s.io", "ValidatingAdmissionPolicy" },
	{ "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding" },
	{ "admissionregistration.k8s.io", "ValidatingWebhookConfiguration" },
	{ "apiextensions.k8s.io",         "CustomResourceDefinition" },
	{ "apiregistration.k8s.io",       "APIService" },
	{ "certificates.k8s.io",          "CertificateSigningRequest" },
	{ "certificates.k8s.io",          "ClusterTrustBundle" },
	{ "flowcontrol.apiserver.k8s.io", "FlowSchema" },
	{ "flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration" },
	{ "networking.k8s.io",            "IngressClass" },
	{ "node.k8s.io",                  "RuntimeClass" },
	{ "policy",                       "PodSecurityPolicy" },
	{ "rbac.authorization.k8s.io",    "ClusterRole" },
	{ "rbac.authorization.k8s.io",    "ClusterRoleBinding" },
	{ "scheduling.k8s.io",            "PriorityClass" },
	{ "storage.k8s.io",               "CSIDriver" },
	{ "storage.k8s.io",               "CSINode" },
	{ "storage.k8s.io",               "StorageClass" },
	{ "storage.k8s.io",               "VolumeAttachment" },
};

/* -- what an object is -- */

static const char *text_at(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static bool is_of_group(const json_t *object, const char *group)
{
	const char  *version = text_at(object, "apiVersion");
	const char  *slash = strchr(version, '/');
	const size_t len = slash != NULL ? (size_t) (slash - version) : 0;

	return strlen(group) == len && memcmp(version, group, len) == 0;
}

static bool is_cluster_scoped(const json_t *object)
{
	const char *kind = text_at(object, "kind");

	for (size_t i = 0; i < sizeof cluster_kinds / sizeof cluster_kinds[0]; i++)
		if (strcmp(cluster_kinds[i].kind, kind) == 0 && is_of_group(object, cluster_kinds[i].group))
			return true;
	return false;
}

json_t *object_items(const json_t *object)
{
	json_t *items = json_object_get(object, "items");

	return strcmp(text_at(object, "kind"), "List") == 0 && json_is_array(items) ? items : NULL;
}

static bool holds_secret(const json_t *object, int depth)
{
	json_t *item, *items = object_items(object);
	size_t  i;

	if (strcmp(text_at(object, "kind"), "Secret") == 0 && is_of_group(object, ""))
		return true;
	json_array_foreach(items, i, item) {
		if (depth < LIST_DEPTH_MAX && holds_secret(item, depth + 1))
			return true;
	}
	return false;
}

/* -- tagging -- */

/* The object at a member, made when it is missing or null.  Borrowed. */
static emco_status object_within(json_t *parent, const char *member, json_t **ret_object, struct fault *fault)
{
	json_t *value = json_object_get(parent, member);

	if (value != NULL && !json_is_null(value) && !json_is_object(value))
		return fault_say(fault, EMCO_E_INVALID, "\"%s\" must be an object", member);
	if (!json_is_object(value)) {
		value = json_object();
		if (json_object_set_new(parent, member, value) != 0)
			return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	}
	*ret_object = value;
	return EMCO_OK;
}

/* metadata.<map>.<key> = value */
static emco_status metadata_set(json_t *object, const char *map, const char *key, const char *value,
                                struct fault *fault)
{
	json_t     *metadata = NULL, *pairs = NULL;
	emco_status status = object_within(object, "metadata", &metadata, fault);

	if (status == EMCO_OK)
		status = object_within(metadata, map, &pairs, fault);
	if (status == EMCO_OK && json_object_set_new(pairs, key, json_string(value)) != 0)
		status = fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	return status;
}

static emco_status namespace_default(json_t *object, const char *namespace_, struct fault *fault)
{
	json_t     *metadata = NULL;
	emco_status status = object_within(object, "metadata", &metadata, fault);

	if (status != EMCO_OK || namespace_[0] == '\0' || text_at(metadata, "namespace")[0] != '\0' ||
	    is_cluster_scoped(object))
		return status;
	if (json_object_set_new(metadata, "namespace", json_string(namespace_)) != 0)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	return EMCO_OK;
}

/* NOTE: pods of a hook come and go, and are not the deployment's: only the hook itself is seen. */
static emco_status tag_one(json_t *object, const char *label, const char *namespace_, uint32_t tag, struct fault *fault)
{
	json_t     *template = json_object_get(json_object_get(object, "spec"), "template");
	emco_status status = metadata_set(object, "labels", DEPLOYMENT_LABEL, label, fault);

	if (status == EMCO_OK && json_is_object(template) && (tag & TAG_HOOK) == 0)
		status = metadata_set(template, "labels", DEPLOYMENT_LABEL, label, fault);
	if (status == EMCO_OK)
		status = namespace_default(object, namespace_, fault);

	/* NOTE: pruning a CRD deletes every custom resource of its kind on the cluster, whoever made it. */
	if (status == EMCO_OK && (tag & TAG_FLUX) != 0 &&
	    strcmp(text_at(object, "kind"), "CustomResourceDefinition") == 0)
		status = metadata_set(object, "annotations", "kustomize.toolkit.fluxcd.io/prune", "disabled", fault);
	return status;
}

static emco_status tag_deep(json_t *object, const char *label, const char *namespace_, uint32_t tag, int depth,
                            struct fault *fault)
{
	json_t     *item, *items = object_items(object);
	emco_status status = EMCO_OK;
	size_t      i;

	if (!json_is_object(object))
		return fault_say(fault, EMCO_E_INVALID, "an object was expected");
	if (items == NULL)
		return tag_one(object, label, namespace_, tag, fault);
	if (depth >= LIST_DEPTH_MAX)
		return fault_say(fault, EMCO_E_INVALID, "lists of lists, more than %d deep", LIST_DEPTH_MAX);
	json_array_foreach(items, i, item) {
		status = tag_deep(item, label, namespace_, tag, depth + 1, fault);
		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

emco_status object_tag(json_t *object, const char *label, const char *namespace_, uint32_t tag, struct fault *fault)
{
	return tag_deep(object, label, namespace_, tag, 0, fault);
}

/* "[A-Za-z0-9]" at both ends, "-", "_" and "." between, as Kubernetes checks it. */
static bool is_label_value(const char *text)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char inner[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const size_t      len = strlen(text);

	return len > 0 && strspn(text, inner) == len && strchr(ends, text[0]) != NULL &&
	       strchr(ends, text[len - 1]) != NULL;
}

emco_status object_label(struct pass *pass, const emco_unit *unit, const char **ret_label, struct fault *fault)
{
	const char *label = pass_printf(pass, "%.*s-%.*s", STR_ARG(unit->status_context), STR_ARG(unit->app));

	if (label == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	if (strlen(label) > LABEL_LEN_MAX)
		return fault_say(fault, EMCO_E_INVALID,
		                 "app \"%.*s\": the label " DEPLOYMENT_LABEL
		                 " holds at most %d characters, \"%s\" has %zu; "
		                 "choose a shorter app name",
		                 STR_ARG(unit->app), LABEL_LEN_MAX, label, strlen(label));
	if (!is_label_value(label))
		return fault_say(fault, EMCO_E_INVALID,
		                 "app \"%.*s\": \"%s\" is no value for the label " DEPLOYMENT_LABEL, STR_ARG(unit->app),
		                 label);
	*ret_label = label;
	return EMCO_OK;
}

/* -- reading sets -- */

/* NOTE: jansson writes 17 digits, so 0.1 would become 0.10000000000000001, which a Kubernetes quantity rounds up. */
static void write_real(FILE *out, double number)
{
	char text[64];

	for (int digits = REAL_DIGITS; digits <= REAL_DIGITS_EXACT; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (char *c = text; *c != '\0'; c++)
		if (*c == ',')                   /* of a locale */
			*c = '.';
	fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

/* false: no memory. */
static bool write_value(FILE *out, const json_t *value)
{
	union { const json_t *in; json_t *out; } same = { .in = value };     /* the iteration macros take no const */
	const char *key, *between = "";
	bool        is_whole = true;
	json_t     *item;
	size_t      i;

	if (json_is_object(value)) {
		fputc('{', out);
		json_object_foreach(same.out, key, item) {
			json_t *name = json_string(key);

			fputs(between, out);
			is_whole = is_whole && write_value(out, name);
			fputc(':', out);
			is_whole = is_whole && write_value(out, item);
			json_decref(name);
			between = ",";
		}
		fputc('}', out);
	} else if (json_is_array(value)) {
		fputc('[', out);
		json_array_foreach(same.out, i, item) {
			fputs(i > 0 ? "," : "", out);
			is_whole = is_whole && write_value(out, item);
		}
		fputc(']', out);
	} else if (json_is_real(value)) {
		write_real(out, json_real_value(value));
	} else {
		is_whole = json_dumpf(value, out, JSON_ENCODE_ANY) == 0;
	}
	return is_whole;
}

const char *object_text(struct pass *pass, const json_t *object)
{
	char  *text = NULL;
	size_t len = 0;
	FILE  *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;

	const bool  is_written = write_value(out, object) && fputc('\n', out) != EOF;
	const bool  is_whole = is_written && ferror(out) == 0;
	const bool  is_closed = fclose(out) == 0;
	const char *kept = is_whole && is_closed ? pass_text(pass, (emco_str) { text, len }) : NULL;

	free(text);
	return kept;
}

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
		object->is_secret = object->is_secret || holds_secret(value, 0);
		status = object_tag(value, set->label, pass_text(pass, set->namespace_),
		                    set->target->tag | (object_is_hook(object) && (set->target->tag & TAG_KUBE) != 0 ? TAG_HOOK : 0), fault);
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
