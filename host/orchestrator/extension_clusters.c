/*
 * extension_clusters.c - "emco.clusters/1": what the server knows about clusters, on the store's resources.
 *
 * "provider+cluster" names "cluster-providers/provider/clusters/cluster".  Access records come out of the cluster itself:
 * its kubeconfig file, or for a GitOps cluster the sync objects it names, with all key-value pairs merged.
 */
#include "host/orchestrator/extensions.h"

#include "host/registry/call.h"
#include "host/store/resource.h"
#include "lib/base/json.h"
#include "lib/base/name.h"

enum {
	NAMES_LIMIT = 256 << 20,        /* bytes of a list of paths: a million clusters           */
};

#define TYPE_CLUSTER  VIEW("cluster")
#define TYPE_LABEL    VIEW("clusterLabel")
#define TYPE_KV       VIEW("clusterKv")
#define KUBECONFIG    "file"

/* The path of a cluster, in the call's memory.  ST_INVALID: no "provider+cluster". */
static enum status cluster_path(struct call *call, struct view cluster, struct view *ret_path,
                                struct view *ret_provider, struct error *err)
{
	const char *plus = memchr(cluster.ptr, '+', cluster.len);
	const size_t provider_len = plus != NULL ? (size_t) (plus - cluster.ptr) : 0;
	const struct view provider = { cluster.ptr, provider_len };
	const struct view name = { cluster.ptr + provider_len + 1, plus != NULL ? cluster.len - provider_len - 1 : 0 };

	if (plus == NULL || !name_is_valid(provider) || !name_is_valid(name))
		return fail(err, ST_INVALID, "a cluster is named \"provider+cluster\", got \"%.*s\"", (int) cluster.len,
		            cluster.ptr);

	const char *path = arena_printf(&call->arena, "cluster-providers/%.*s/clusters/%.*s", (int) provider.len,
	                                provider.ptr, (int) name.len, name.ptr);
	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	*ret_path = view_of(path);
	if (ret_provider != NULL)
		*ret_provider = provider;
	return ST_OK;
}

/* -- labels -- */

static enum status find_label(struct call *call, emco_str cluster, emco_str label, bool *ret_has, struct error *err)
{
	struct view  path = VIEW(""), missing;
	struct db   *db = NULL;
	size_t       count = 0;
	enum status  st = cluster_path(call, view_from_abi(cluster), &path, NULL, err);

	if (st != ST_OK)
		return st;
	if (!name_is_valid(view_from_abi(label))) {
		*ret_has = false;
		return ST_OK;
	}

	const char *at =
		arena_printf(&call->arena, "%.*s/labels/%.*s", (int) path.len, path.ptr, (int) label.len, label.ptr);
	if (at == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	path = view_of(at);
	st = call_db(call, &db, err);
	if (st == ST_OK)
		st = resource_missing(db, &path, 1, &missing, &count, err);
	if (st == ST_OK)
		*ret_has = count == 0;
	return st;
}

static emco_status has_label(emco_call *abi, emco_str cluster, emco_str label, int32_t *ret_has)
{
	struct call *call = call_of(abi);
	struct error err = { 0 };
	bool         has = false;

	const enum status st = find_label(call, cluster, label, &has, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_has = has;
	return EMCO_OK;
}

/* -- walking a provider -- */

/* Names are gathered before the first call back, which may use the call's connection for something else. */
struct names {
	struct call *call;
	struct view  provider;
	struct name { struct name *next; emco_str cluster; } *first, **last;
};

static enum status names_add(struct names *names, struct view path, struct error *err)
{
	const char  *slash = memrchr(path.ptr, '/', path.len);
	const char  *cluster = slash != NULL ? slash + 1 : path.ptr;
	const size_t cluster_len = path.len - (size_t) (cluster - path.ptr);
	struct name *name = arena_alloc(&names->call->arena, 1, sizeof *name);
	const char  *text = arena_printf(&names->call->arena, "%.*s+%.*s", (int) names->provider.len,
	                                 names->provider.ptr, (int) cluster_len, cluster);

	if (name == NULL || text == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	name->cluster = (emco_str) { text, strlen(text) };
	*names->last = name;
	names->last = &name->next;
	return ST_OK;
}

static enum status names_add_item(void *data, const struct resource_item *item, struct error *err)
{
	return names_add(data, item->path, err);
}

static enum status names_add_path(void *data, struct view path, struct error *err)
{
	return names_add(data, path, err);
}

static enum status names_read(struct names *names, struct view label, struct error *err)
{
	struct call *call = names->call;
	struct db   *db = NULL;

	if (!name_is_valid(names->provider))
		return fail(err, ST_INVALID, "\"%.*s\" is no name of a cluster provider", (int) names->provider.len,
		            names->provider.ptr);

	const char *provider = arena_printf(&call->arena, "cluster-providers/%.*s", (int) names->provider.len,
	                                    names->provider.ptr);
	if (provider == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	enum status st = call_db(call, &db, err);
	if (st != ST_OK)
		return st;
	if (label.len > 0)
		return resource_list_parents(db, TYPE_LABEL, label, view_of(provider), names_add_path, names, err);
	return resource_list(call->store, db, TYPE_CLUSTER, view_of(provider), VIEW(""), 0, names_add_item, names, err);
}

static emco_status each_cluster(emco_call *abi, emco_str provider, emco_str label, emco_cluster_each *each, void *data)
{
	struct call *call = call_of(abi);
	struct names names = { .call = call, .provider = view_from_abi(provider), .first = NULL };
	struct error err = { 0 };

	names.last = &names.first;
	const enum status st = names_read(&names, view_from_abi(label), &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	for (const struct name *name = names.first; name != NULL; name = name->next) {
		const emco_status status = each(data, name->cluster);

		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

/* -- key-value pairs: spec.kv is a list of objects, each with any number of keys -- */

static enum status json_keep(struct call *call, const json_t *value, emco_str *ret_text, struct error *err)
{
	auto_buf text = BUF(RESOURCE_DOC_MAX);

	enum status st = json_write(&text, value, err);
	if (st != ST_OK)
		return st;

	const char *kept = arena_copy(&call->arena, text.data, text.len);
	if (kept == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	*ret_text = (emco_str) { kept, text.len };
	return ST_OK;
}

struct wanted { struct call *call; const char *key; emco_str value; bool is_found; };

static enum status value_find(void *data, const struct resource_item *item, struct error *err)
{
	struct wanted *wanted = data;
	auto_json     *doc = NULL;
	size_t         i;
	json_t        *pair;

	if (wanted->is_found)
		return ST_OK;

	enum status st = json_read(item->doc, &doc, err);
	if (st != ST_OK)
		return st;
	json_array_foreach(json_at(doc, "spec.kv"), i, pair) {
		const json_t *value = json_object_get(pair, wanted->key);

		if (value == NULL)
			continue;
		wanted->is_found = true;
		return json_keep(wanted->call, value, &wanted->value, err);
	}
	return ST_OK;
}

static emco_status value(emco_call *abi, emco_str cluster, emco_str key, emco_str *ret_value)
{
	struct call  *call = call_of(abi);
	struct view   path = VIEW("");
	struct error  err = { 0 };
	struct db    *db = NULL;
	struct wanted wanted = { .call = call, .key = arena_copy(&call->arena, key.ptr, key.len) };
	enum status   st = cluster_path(call, view_from_abi(cluster), &path, NULL, &err);

	if (st == ST_OK && wanted.key == NULL)
		st = fail(&err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK)
		st = call_db(call, &db, &err);
	if (st == ST_OK)
		st = resource_list(call->store, db, TYPE_KV, path, VIEW(""), 0, value_find, &wanted, &err);
	call_db_done(call);
	if (st == ST_OK && !wanted.is_found)
		st = fail(&err, ST_NOT_FOUND, "cluster \"%.*s\" has no key \"%s\"", (int) cluster.len, cluster.ptr,
		          wanted.key);
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_value = wanted.value;
	return EMCO_OK;
}

/* -- access -- */

static enum status document_read(struct call *call, struct view path, json_t **ret_doc, struct error *err)
{
	struct db *db = NULL;
	auto_buf   text = BUF(RESOURCE_DOC_MAX);

	enum status st = call_db(call, &db, err);
	if (st == ST_OK)
		st = resource_read(call->store, db, path, &text, NULL, NULL, err);
	return st == ST_OK ? json_read(buf_view(&text), ret_doc, err) : st;
}

/* All keys of all items as one object; a key that comes twice keeps its first value, as EMCO's readers see it. */
static enum status sync_object_read(struct call *call, struct view provider, const char *name, emco_str *ret_object,
                                    struct error *err)
{
	auto_json  *doc = NULL, *merged = json_object();
	const char *key;
	json_t     *pair, *kv;
	size_t      i;

	if (merged == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (name[0] == '\0')
		return json_keep(call, merged, ret_object, err);
	if (!name_is_valid(view_of(name)))
		return fail(err, ST_INVALID, "\"%s\" is no name of a cluster sync object", name);

	const char *path = arena_printf(&call->arena, "cluster-providers/%.*s/cluster-sync-objects/%s",
	                                (int) provider.len, provider.ptr, name);
	if (path == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");

	enum status st = document_read(call, view_of(path), &doc, err);
	if (st != ST_OK)
		return st;
	json_array_foreach(json_at(doc, "spec.kv"), i, pair) {
		json_object_foreach(pair, key, kv) {
			if (json_object_get(merged, key) == NULL && json_object_set(merged, key, kv) != 0)
				return fail(err, ST_NO_MEMORY, "out of memory");
		}
	}
	return json_keep(call, merged, ret_object, err);
}

struct kubeconfig { struct call *call; emco_str text; };

static enum status kubeconfig_take(void *data, const struct resource_file_row *file, struct error *err)
{
	struct kubeconfig *kubeconfig = data;

	if (!view_is(file->field, KUBECONFIG))
		return ST_OK;

	const char *kept = arena_copy(&kubeconfig->call->arena, file->content.ptr, file->content.len);
	if (kept == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	kubeconfig->text = (emco_str) { kept, file->content.len };
	return ST_OK;
}

/* NOTE: a logical cloud's user must never get the administrator's rights because its own record is missing. */
static enum status kubeconfig_read(struct call *call, struct view path, struct view level, emco_str *ret_text,
                                   struct error *err)
{
	struct kubeconfig kubeconfig = { .call = call, .text = EMCO_STR("") };
	struct db        *db = NULL;

	if (level.len > 0 && !view_is(level, "0"))
		return fail(err, ST_NOT_FOUND, "\"%.*s\" has no access record of level \"%.*s\"", (int) path.len,
		            path.ptr, (int) level.len, level.ptr);

	enum status st = call_db(call, &db, err);
	if (st == ST_OK)
		st = resource_files(call->store, db, path, kubeconfig_take, &kubeconfig, err);
	if (st == ST_OK && kubeconfig.text.len == 0)
		st = fail(err, ST_NOT_FOUND, "\"%.*s\" has no kubeconfig and names no GitOps type", (int) path.len,
		          path.ptr);
	if (st == ST_OK)
		*ret_text = kubeconfig.text;
	return st;
}

/* GitOps: one record for all levels, because the Git repository is the cluster's, and Flux impersonates the user. */
static enum status access_read(struct call *call, struct view cluster, struct view level, emco_cluster_access *out,
                               struct error *err)
{
	struct view path, provider;
	auto_json  *doc = NULL;

	if ((call->roles & EMCO_ROLE_SYNCHRONISER) == 0)
		return fail(err, ST_FORBIDDEN, "\"%s\" is no synchroniser: it may not read access records", call->who);

	enum status st = cluster_path(call, cluster, &path, &provider, err);
	if (st == ST_OK)
		st = document_read(call, path, &doc, err);
	if (st != ST_OK)
		return st;

	const struct view type = json_text_at(doc, "spec.gitOps.gitOpsType");
	if (type.len == 0)
		return kubeconfig_read(call, path, level, &out->kubeconfig, err);

	const char *kept = arena_copy(&call->arena, type.ptr, type.len);
	if (kept == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	out->git_ops_type = (emco_str) { kept, type.len };
	st = sync_object_read(call, provider, json_string_at(doc, "spec.gitOps.gitOpsReferenceObject"),
	                      &out->reference_object, err);
	if (st == ST_OK)
		st = sync_object_read(call, provider, json_string_at(doc, "spec.gitOps.gitOpsResourceObject"),
		                      &out->resource_object, err);
	return st;
}

static emco_status access(emco_call *abi, emco_str cluster, emco_str level, emco_str namespace_,
                          emco_cluster_access *ret_access)
{
	struct call        *call = call_of(abi);
	struct error        err = { 0 };
	emco_cluster_access out = {
		.size = sizeof out, .kubeconfig = EMCO_STR(""), .git_ops_type = EMCO_STR(""),
		.reference_object = EMCO_STR("{}"), .resource_object = EMCO_STR("{}"),
	};

	(void) namespace_;             /* chooses among records of level 1, which logical clouds bring */
	const enum status st = access_read(call, view_from_abi(cluster), view_from_abi(level), &out, &err);
	call_db_done(call);
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_access = out;
	return EMCO_OK;
}

const emco_clusters_1 extension_clusters = {
	.size = sizeof extension_clusters,
	.has_label = has_label, .each = each_cluster, .value = value, .access = access,
};
