/* Cluster providers, their clusters, and what is known about them. */
#include "host/resources/resources_priv.h"
#include "host/store/unit.h"

#include "lib/kube/config.h"
#include "schemas.h"      /* made from schemas/ */

#include <strings.h>

/* -- hooks ----------------------------------------------------------------------------------------------------------- */

/* A cluster is reached by its kubeconfig, or through Git by what a sync object says. */
static enum status check_access(const emco_change *change, struct error *err)
{
	auto_json *document = NULL, *previous = NULL;

	enum status st = hook_document(change, &document, err);
	if (st == ST_OK && change->previous.len > 0)
		st = json_read(view_from_abi(change->previous), &previous, err);
	if (st != ST_OK)
		return st;

	const char *type = json_string_at(document, "spec.gitOps.gitOpsType");
	if (*type != '\0') {
		if (*json_string_at(document, "spec.gitOps.gitOpsReferenceObject") == '\0')
			return fail_at(err, ST_INVALID, "/spec/gitOps/gitOpsReferenceObject",
			               "a cluster of \"gitOpsType\" \"%s\" needs a \"gitOpsReferenceObject\"", type);
		return ST_OK;
	}
	const bool has_one = previous != NULL && *json_string_at(previous, "spec.gitOps.gitOpsType") == '\0';
	if (change->files > 0 || has_one)
		return ST_OK;
	fail_at(err, ST_INVALID, "file", "a cluster without \"gitOpsType\" needs its kubeconfig, got no part \"file\"");
	return fail_hint(err, "Send the kubeconfig as file part \"file\" of multipart/form-data.");
}

/* Read as it is read when it is used, so that what is taken can be used. */
static emco_status kubeconfig_is_sound(emco_call *call, emco_str content)
{
	struct kube_config *config = NULL;
	struct error        err = { .code = ST_OK };
	const enum status   st = kube_config_read(view_from_abi(content), &config, &err);

	kube_config_free(config);
	return hook_end(call, st, &err);
}

/* As units call it, "provider+name"; NULL: out of memory. */
static const char *cluster_of(struct call *call, struct view path)
{
	const struct view cluster = path_name(path);
	const size_t      before = strlen("cluster-providers/"), between = strlen("/clusters/");

	return arena_printf(&call->arena, "%.*s+%.*s", (int) (path.len - before - between - cluster.len), path.ptr + before,
	                    (int) cluster.len, cluster.ptr);
}

/* What is there could not be taken away any more: nobody would know how to reach it. */
static enum status check_empty(struct call *call, struct view path, struct error *err)
{
	const struct view cluster = path_name(path);
	const char       *name = cluster_of(call, path);
	struct view       owner, app;
	struct db        *db = NULL;
	enum status       st = name == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : call_db(call, &db, err);

	if (st == ST_OK)
		st = unit_on_cluster(db, view_of(name), &call->arena, &owner, &app, err);
	if (st != ST_OK || owner.len == 0)
		return st;
	fail(err, ST_CONFLICT, "cluster \"%.*s\" still has app \"%.*s\" of \"%.*s\"", (int) cluster.len, cluster.ptr, (int) app.len,
	     app.ptr, (int) owner.len, owner.ptr);
	return fail_hint(err, "Terminate the deployment or place it elsewhere; if the cluster is gone, abandon it first.");
}

/*
 * Who works on it works where it was and, as soon as the change is committed, where it is: it is said in the same transaction,
 * or he would have ended before anybody heard of it.
 */
static enum status say_moved(struct call *call, struct view path, struct error *err)
{
	const char *name = cluster_of(call, path);
	struct db  *db = NULL;
	enum status st = name == NULL ? fail(err, ST_NO_MEMORY, "out of memory") : call_db(call, &db, err);

	return st == ST_OK ? unit_retry_cluster(db, view_of(name), err) : st;
}

static emco_status cluster_changes(emco_call *call, emco_change *change)
{
	const struct view path = view_from_abi(change->path);
	struct error      err = { .code = ST_OK };
	enum status       st = change->kind == EMCO_CHANGE_DELETE ? check_empty(call_of(call), path, &err) : check_access(change, &err);

	if (st == ST_OK && change->kind == EMCO_CHANGE_REPLACE)
		st = say_moved(call_of(call), path, &err);
	return hook_end(call, st, &err);
}

/* What waits for another url or token is tried with it at once, in the same transaction. */
static emco_status sync_object_changes(emco_call *call, emco_change *change)
{
	struct error err = { .code = ST_OK };
	struct db   *db = NULL;
	enum status  st;

	if (change->kind != EMCO_CHANGE_REPLACE)
		return EMCO_OK;
	st = call_db(call_of(call), &db, &err);
	if (st == ST_OK)
		st = unit_retry_sync(db, view_from_abi(change->path), &err);
	return hook_end(call, st, &err);
}

/* -- views of the clusters of a provider ----------------------------------------------------------------------------- */

/* An array that is being written. */
struct array { struct buf *reply; size_t count; };

static enum status comma(struct array *array, struct error *err)
{
	return array->count++ > 0 ? buf_add_text(array->reply, ",", err) : ST_OK;
}

/* A provider that does not exist has no list; one without clusters has an empty one. */
static enum status check_exists(const struct ask *ask, struct db *db, struct error *err)
{
	auto_json *document = NULL;

	return ask_read(ask, db, ask->path, &document, err);
}

/* A page of clusters that is being written.  Past its limit nothing is: there is more. */
struct listing {
	struct ask  *ask;
	struct page  page;
	struct array array, labels;
	int64_t      id;                     /* of the cluster that labels are of          */
	struct view  last;                   /* of a page with a limit, its last one, in the request's arena */
};

static bool is_full(const struct listing *listing)
{
	return listing->page.limit > 0 && listing->array.count == listing->page.limit;
}

/* The next one, to be written by the caller; not *ret_is_on when the page ended before it. */
static enum status turn_to(struct listing *listing, struct view path, bool *ret_is_on, struct error *err)
{
	*ret_is_on = !is_full(listing);
	if (!*ret_is_on) {
		listing->ask->next = path_name(listing->last);
		listing->ask->next_limit = listing->page.limit;
		return ST_OK;
	}
	enum status st = comma(&listing->array, err);
	return st == ST_OK && listing->page.limit > 0 ? arena_keep(listing->ask->arena, path, &listing->last, err) : st;
}

static enum status list_begin(struct ask *ask, struct listing *ret_listing, struct error *err)
{
	*ret_listing = (struct listing) { .ask = ask, .array = { .reply = ask->reply }, .labels = { .reply = ask->reply } };
	enum status st = page_read(ask->type, ask->path, ask->parameters, ask->parameter_count, ask->arena, &ret_listing->page, err);
	return st == ST_OK ? buf_add_text(ask->reply, "[", err) : st;
}

/* All that carry the label are read for each page: they are looked up by it, and sorted only then. */
static enum status add_name(void *data, struct view path, struct error *err)
{
	struct listing *listing = data;
	bool            is_on;

	if (view_order(&path, &listing->page.after) <= 0)
		return ST_OK;
	enum status st = turn_to(listing, path, &is_on, err);
	return st == ST_OK && is_on ? buf_add_json(listing->array.reply, path_name(path), err) : st;
}

static enum status names_with_label(struct ask *ask, struct error *err)
{
	struct listing listing;
	auto_db       *db = NULL;

	enum status st = list_begin(ask, &listing, err);
	if (st == ST_OK)
		st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = check_exists(ask, db, err);
	if (st == ST_OK)
		st = resource_list_parents(db, VIEW("clusterLabel"), ask->value, ask->path, add_name, &listing, err);
	return st == ST_OK ? buf_add_text(ask->reply, "]", err) : st;
}

static enum status begin_labelled(struct listing *listing, const struct resource_item *cluster, struct error *err)
{
	auto_json *document = NULL;

	enum status st = json_read(cluster->doc, &document, err);
	if (st == ST_OK)
		st = buf_add_text(listing->array.reply, "{\"metadata\":", err);
	if (st == ST_OK)
		st = json_write(listing->array.reply, json_at(document, "metadata"), err);
	if (st == ST_OK)
		st = buf_add_text(listing->array.reply, ",\"labels\":[", err);
	listing->labels.count = 0;
	listing->id = cluster->id;
	return st;
}

static enum status end_labelled(struct listing *listing, struct error *err)
{
	return listing->array.count > 0 ? buf_add_text(listing->array.reply, "]}", err) : ST_OK;
}

/* A row for each label, those of one cluster one after the other. */
static enum status add_labelled(void *data, const struct resource_item *cluster, const struct resource_item *label,
                                struct error *err)
{
	struct listing *listing = data;
	bool            is_on = true;
	enum status     st = ST_OK;

	if (cluster->id != listing->id) {
		if (!is_full(listing))
			st = end_labelled(listing, err);
		if (st == ST_OK)
			st = turn_to(listing, cluster->path, &is_on, err);
		if (st == ST_OK && is_on)
			st = begin_labelled(listing, cluster, err);
	}
	if (st != ST_OK || !is_on || label == NULL)
		return st;
	st = comma(&listing->labels, err);
	return st == ST_OK ? buf_add_view(listing->labels.reply, label->doc, err) : st;
}

/* In any case, as EMCO reads it. */
static bool is_word(struct view value, const char *word)
{
	return value.len == strlen(word) && strncasecmp(value.ptr, word, value.len) == 0;
}

static enum status clusters_with_labels(struct ask *ask, struct error *err)
{
	struct listing listing;
	auto_db       *db = NULL;
	bool           is_asked = is_word(ask->value, "true");
	enum status    st = ST_OK;

	if (!is_asked && !is_word(ask->value, "false"))
		st = ask_flag(ask, "withLabels", &is_asked, err);
	ask->is_plain = !is_asked;
	if (st != ST_OK || !is_asked)
		return st;
	st = list_begin(ask, &listing, err);
	if (st == ST_OK)
		st = ask_db(ask, &db, err);
	/* One more than the page holds tells that there is another. */
	if (st == ST_OK)
		st = resource_list_children(ask->orchestrator->store, db, VIEW("cluster"), VIEW("clusterLabel"), ask->path,
		                            listing.page.after, listing.page.limit > 0 ? listing.page.limit + 1 : 0, add_labelled,
		                            &listing, err);
	if (st == ST_OK)
		st = end_labelled(&listing, err);
	return st == ST_OK ? buf_add_text(ask->reply, "]", err) : st;
}

/* -- GET ...?key=K: one value of a key-value set ---------------------------------------------------------------------- */

static enum status value_of_key(struct ask *ask, struct error *err)
{
	const struct view key = ask->value;
	auto_json        *document = NULL;
	auto_db          *db = NULL;
	json_t           *value = NULL;

	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = ask_read(ask, db, ask->path, &document, err);
	if (st != ST_OK)
		return st;

	const json_t *sets = json_at(document, "spec.kv");
	for (size_t i = 0; value == NULL && i < json_array_size(sets); i++)
		value = json_object_getn(json_array_get(sets, i), key.ptr, key.len);
	if (value == NULL)
		return fail(err, ST_NOT_FOUND, "\"%.*s\" has no key \"%.*s\"", (int) path_name(ask->path).len,
		            path_name(ask->path).ptr, (int) key.len, key.ptr);
	st = buf_add_text(ask->reply, "{\"value\":", err);
	if (st == ST_OK)
		st = json_write(ask->reply, value, err);
	return st == ST_OK ? buf_add_text(ask->reply, "}", err) : st;
}

/* -- verbs ----------------------------------------------------------------------------------------------------------- */

static enum status abandon(struct ask *ask, struct error *err)
{
	bool        is_forced;
	enum status st = ask_flag(ask, "force", &is_forced, err);

	return st == ST_OK ? cluster_abandon(ask->orchestrator, ask->path, &ask->asker, is_forced, ask->deadline_ns, ask->reply, err)
	                   : st;
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_file kubeconfig_file[] = {
	{
		.part = "file", .filename = "kubeconfig", .flags = EMCO_FILE_SEALED, .limit_bytes = KUBECONFIG_MAX,
		.check = kubeconfig_is_sound,
	},
};

static const emco_reference cluster_references[] = {
	{ .at = "spec.gitOps", .target = "cluster-providers/{clusterProvider}/cluster-sync-objects/{.gitOpsReferenceObject}" },
	{ .at = "spec.gitOps", .target = "cluster-providers/{clusterProvider}/cluster-sync-objects/{.gitOpsResourceObject}" },
};

static const emco_resource_type types[] = {
	{
		.name = "clusterProvider", .segment = "cluster-providers", .schema = schema_cluster_provider,
		.flags = EMCO_RESOURCE_PUT_201,
		.summary = "Who owns a set of clusters.",
	},
	{
		.name = "cluster", .parent = "clusterProvider", .segment = "clusters",
		.schema = schema_cluster, .flags = EMCO_RESOURCE_EVENTS, EMCO_REFERENCES(cluster_references),
		EMCO_FILES(kubeconfig_file), .before_change = cluster_changes,
		.summary = "A cluster to deploy to.",
	},
	{
		.name = "clusterLabel", .parent = "cluster", .segment = "labels", .names = "clusterLabel",
		.schema = schema_cluster_label, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "A label of a cluster, for placement.",
	},
	{
		.name = "clusterKv", .parent = "cluster", .segment = "kv-pairs",
		.schema = schema_cluster_kv, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "Facts about a cluster that controllers look up by key.",
	},
	{
		.name = "clusterSyncObject", .parent = "clusterProvider", .segment = "cluster-sync-objects",
		.schema = schema_cluster_sync_object, .flags = EMCO_RESOURCE_PUT_201 | EMCO_RESOURCE_SECRET,
		.before_change = sync_object_changes,
		.summary = "Access to a Git repository or a cloud, for clusters that are reached through Git.",
	},
};

static const struct query_option abandon_options[] = {
	{ "force", "true: also one that has answered the last who asked.", SCHEMA_BOOLEAN },
	{ NULL, NULL, NULL },
};

static const struct verb verbs[] = {
	{ "cluster", "abandon", 200, abandon, "Give up a cluster that is gone; answers what stays behind on it.", abandon_options, NULL,
	  "{\"$ref\":\"#/components/schemas/Abandoned\"}", NULL },
};

static const struct look looks[] = {
	{ "cluster",           false, NULL, { "withLabels", "Clusters, each with its labels.", SCHEMA_BOOLEAN },
	  clusters_with_labels, page_options,
	  "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"metadata\":{\"type\":\"object\"},\"labels\":{\"type\":"
	  "\"array\",\"items\":{\"$ref\":\"#/components/schemas/clusterLabel\"}}},\"required\":[\"metadata\",\"labels\"]}}" },
	{ "cluster",           false, NULL, { "label", "Names of the clusters that carry a label.", NULL }, names_with_label, page_options,
	  "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}" },
	{ "clusterKv",         true,  NULL, { "key", "The value of one key.", NULL }, value_of_key, NULL, "{}" },
	{ "clusterSyncObject", true,  NULL, { "key", "The value of one key.", NULL }, value_of_key, NULL, "{}" },
};

static const struct named_schema answers[] = { { "Abandoned", schema_abandoned } };

const struct family clusters_family = {
	.types = types, .type_count = ARRAY_LEN(types), .verbs = verbs, .verb_count = ARRAY_LEN(verbs),
	.looks = looks, .look_count = ARRAY_LEN(looks), .answers = answers, .answer_count = ARRAY_LEN(answers),
};
