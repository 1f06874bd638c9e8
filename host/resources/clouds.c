/* Logical clouds: a namespace with its user and rights on a set of clusters, and its life cycle. */
#include "host/resources/resources_priv.h"

#include "schemas.h"      /* made from schemas/ */

/* -- hooks ----------------------------------------------------------------------------------------------------------- */

/* A DNS-1123 subdomain: labels of lower-case letters, digits and "-", joined by "."; one label when labels_max is 1. */
static bool is_dns_name(const char *name, size_t len_max, size_t labels_max)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t            labels = 0;

	if (strlen(name) > len_max)
		return false;
	for (;;) {
		const size_t len = strcspn(name, ".");
		if (len == 0 || len > 63 || ++labels > labels_max)
			return false;
		if (memchr(letters, name[0], sizeof letters - 1) == NULL ||
		    memchr(letters, name[len - 1], sizeof letters - 1) == NULL)
			return false;
		for (size_t i = 1; i + 1 < len; i++)
			if (name[i] != '-' && memchr(letters, name[i], sizeof letters - 1) == NULL)
				return false;
		if (name[len] == '\0')
			return true;
		name += len + 1;
	}
}

/* Level 1 makes objects of these names on every cluster: say now what Kubernetes would refuse later. */
static enum status check_level_1(const json_t *document, struct error *err)
{
	const char *name = json_string_at(document, "metadata.name");
	const char *namespace_ = json_string_at(document, "spec.namespace");
	const char *user = json_string_at(document, "spec.user.userName");

	if (!is_dns_name(name, 253, SIZE_MAX))
		return fail_at(err, ST_INVALID, "/metadata/name",
		               "the name of a logical cloud of level 1 must be lower-case letters, digits, \"-\" and "
		               "\".\", got \"%s\"",
		               name);
	if (*namespace_ == '\0')
		return fail_at(err, ST_INVALID, "/spec/namespace", "a logical cloud of level 1 needs a \"namespace\"");
	if (!is_dns_name(namespace_, 63, 1))
		return fail_at(err, ST_INVALID, "/spec/namespace",
		               "\"namespace\" must be 1 to 63 lower-case letters, digits and \"-\", got \"%.70s\"",
		               namespace_);
	if (strcmp(namespace_, "default") == 0 || strncmp(namespace_, "kube-", 5) == 0)
		return fail_at(err, ST_INVALID, "/spec/namespace",
		               "\"namespace\" must not be one of the cluster's own, got \"%s\"", namespace_);
	if (*user == '\0')
		return fail_at(err, ST_INVALID, "/spec/user/userName",
		               "a logical cloud of level 1 needs a \"userName\"");
	if (strncmp(user, "system:", 7) == 0)
		return fail_at(err, ST_INVALID, "/spec/user/userName",
		               "\"userName\" must not begin with \"system:\", got \"%s\"", user);
	return ST_OK;
}

static enum status set_member(json_t *document, const char *name, const char *value, struct error *err)
{
	if (json_object_set_new(json_at(document, "spec"), name, json_string(value)) != 0)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return ST_OK;
}

/* An empty level means 1; level 0 lives in the namespace "default" whatever was sent. */
static enum status complete_cloud(emco_call *call, emco_change *change, struct error *err)
{
	auto_json *document = NULL;

	enum status st = hook_document(change, &document, err);
	if (st != ST_OK)
		return st;
	const char *const level = json_string_at(document, "spec.level");
	const bool        is_level_0 = strcmp(level, "0") == 0;
	const bool        is_renamed = is_level_0 && strcmp(json_string_at(document, "spec.namespace"), "default") != 0;
	const bool        is_levelled = *level == '\0';

	if (is_levelled)
		st = set_member(document, "level", "1", err);
	if (st == ST_OK && is_renamed)
		st = set_member(document, "namespace", "default", err);
	if (st == ST_OK && !is_level_0)
		st = check_level_1(document, err);
	if (st == ST_OK && (is_renamed || is_levelled))
		st = hook_replace(call, change, document, err);
	return st;
}

static emco_status cloud_changes(emco_call *call, emco_change *change)
{
	struct error err = { .code = ST_OK };
	enum status  st = ST_OK;
	struct db   *db;

	if (change->kind != EMCO_CHANGE_DELETE)
		st = complete_cloud(call, change, &err);
	if (st == ST_OK && change->kind != EMCO_CHANGE_CREATE) {
		st = call_db(call_of(call), &db, &err);
		if (st == ST_OK)
			st = cloud_check_change(db, view_from_abi(change->path), change->kind == EMCO_CHANGE_DELETE,
			                        &err);
	}
	return hook_end(call, st, &err);
}

/* The certificate is the server's to fill: a client's would end in a kubeconfig. */
static emco_status reference_changes(emco_call *call, emco_change *change)
{
	struct error err = { .code = ST_OK };
	auto_json   *document = NULL;

	if (change->kind == EMCO_CHANGE_DELETE)
		return EMCO_OK;
	enum status st = hook_document(change, &document, &err);
	if (st == ST_OK && *json_string_at(document, "spec.certificate") != '\0') {
		st = set_member(document, "certificate", "", &err);
		if (st == ST_OK)
			st = hook_replace(call, change, document, &err);
	}
	return hook_end(call, st, &err);
}

/* A quota limits the cloud's own namespace, and level 0 has none. */
static enum status check_quota(emco_call *call, const emco_change *change, struct error *err)
{
	const struct view cloud = path_up(view_from_abi(change->path), 2);
	auto_json        *document = NULL;
	struct db        *db;
	auto_buf          text = BUF(DOCUMENT_MAX);

	enum status st = call_db(call_of(call), &db, err);
	if (st == ST_OK)
		st = resource_read(call_of(call)->store, db, cloud, &text, NULL, NULL, err);
	if (st == ST_OK)
		st = json_read(buf_view(&text), &document, err);
	if (st == ST_OK && strcmp(json_string_at(document, "spec.level"), "0") == 0)
		return fail(err, ST_INVALID,
		            "a cluster quota needs a logical cloud of level 1, and \"%.*s\" has level 0",
		            (int) path_name(cloud).len, path_name(cloud).ptr);
	return st;
}

static emco_status quota_changes(emco_call *call, emco_change *change)
{
	struct error err = { .code = ST_OK };

	if (change->kind == EMCO_CHANGE_DELETE)
		return EMCO_OK;
	return hook_end(call, check_quota(call, change, &err), &err);
}

/* -- verbs and views ------------------------------------------------------------------------------------------------- */

static enum status instantiate(struct ask *ask, struct error *err)
{
	return cloud_instantiate(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, err);
}

static enum status terminate(struct ask *ask, struct error *err)
{
	return cloud_terminate(ask->orchestrator, ask->path, &ask->asker, ask->deadline_ns, err);
}

static enum status show_status(struct ask *ask, struct error *err)
{
	struct status_query query;

	enum status st = status_query_read(ask, STATUS_OF_CLOUD, &query, err);
	if (st != ST_OK)
		return st;
	return cloud_status(ask->orchestrator, ask->path, &query, ask->deadline_ns, ask->reply, err);
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_reference cluster_reference_references[] = {
	{ .at = "spec", .target = "cluster-providers/{.clusterProvider}/clusters/{.cluster}" },
};

static const emco_resource_type types[] = {
	{
		.name = "logicalCloud", .parent = "project", .segment = "logical-clouds",
		.schema = schema_logical_cloud, .before_change = cloud_changes,
		.flags = EMCO_RESOURCE_OWNER | EMCO_RESOURCE_PUT_OLD | EMCO_RESOURCE_PUT_201,
		.summary = "A namespace with its user and rights on a set of clusters.",
	},
	{
		.name = "clusterReference", .parent = "logicalCloud", .segment = "cluster-references",
		.schema = schema_cluster_reference, .flags = EMCO_RESOURCE_NO_PUT,
		EMCO_REFERENCES(cluster_reference_references), .before_change = reference_changes,
		.summary = "A cluster of the logical cloud.",
	},
	{
		.name = "clusterQuota", .parent = "logicalCloud", .segment = "cluster-quotas",
		.schema = schema_cluster_quota, .flags = EMCO_RESOURCE_NO_PUT, .before_change = quota_changes,
		.summary = "A ResourceQuota for the namespace of the logical cloud.",
	},
	{
		.name = "logicalCloudKv", .parent = "logicalCloud", .segment = "kv-pairs",
		.schema = schema_logical_cloud_kv, .flags = EMCO_RESOURCE_NO_PUT,
		.summary = "Notes about a logical cloud, kept for its users.",
	},
	{
		.name = "userPermission", .parent = "logicalCloud", .segment = "user-permissions",
		.schema = schema_user_permission, .flags = EMCO_RESOURCE_NO_PUT,
		.summary = "What the user of the logical cloud may do in a namespace, or on the cluster.",
	},
};

static const struct verb verbs[] = {
	{ "logicalCloud", "instantiate", 202, instantiate, "Make the namespace, its user and rights on every cluster.", NULL, NULL, NULL, NULL },
	{ "logicalCloud", "terminate",   202, terminate,   "Take them off every cluster.", NULL, NULL, NULL, NULL },
};

static const struct look looks[] = {
	{ "logicalCloud", true, "status", { NULL, "State, and what became of each object.", NULL }, show_status,
	  &status_options[STATUS_OPTIONS_OF_APPS], STATUS_SCHEMA },
};

const struct family clouds_family = {
	.types = types, .type_count = ARRAY_LEN(types), .verbs = verbs, .verb_count = ARRAY_LEN(verbs),
	.looks = looks, .look_count = ARRAY_LEN(looks),
};
