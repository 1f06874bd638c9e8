/*
 * object_tag.c - what rsync writes into an object before it goes out: its label, its namespace, its marks.
 */
#include "plugins/rsync/object.h"

#include <string.h>

enum { LABEL_LEN_MAX = 63, LIST_DEPTH_MAX = 4 };

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

emco_status object_mark(json_t *object, const char *name, struct fault *fault)
{
	return metadata_set(object, "annotations", NAME_MARK, name, fault);
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

bool object_holds_secret(const json_t *object)
{
	return holds_secret(object, 0);
}

/* -- the label's value -- */

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
