/* The extensions of the fake host, over the world's JSON. */
#include "testing_priv.h"

/* -- looking things up ----------------------------------------------------------------------------------------------- */

static json_t *member(json_t *value, const char *name)
{
	return json_object_get(value, name);
}

static json_t *find_context(emco_testing *testing, const char *context)
{
	return member(member(testing->world, "contexts"), context);
}

json_t *fake_app(emco_testing *testing, const char *context, const char *app)
{
	return member(member(find_context(testing, context), "apps"), app);
}

json_t *fake_objects(emco_testing *testing, const char *context, const char *app, const char *cluster)
{
	return member(member(fake_app(testing, context, app), cluster), "objects");
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? "" : text;
}

void fake_object_name(const json_t *object, char name[512])
{
	snprintf(name, 512, "%s+%s", text_at(json_object_get(object, "metadata"), "name"), text_at(object, "kind"));
}

json_t *fake_object(json_t *objects, const char *name, size_t *ret_index)
{
	json_t *object;
	char    found[512];
	size_t  i;

	json_array_foreach(objects, i, object) {
		fake_object_name(object, found);
		if (strcmp(found, name) == 0) {
			if (ret_index != NULL)
				*ret_index = i;
			return object;
		}
	}
	return NULL;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

json_t *fake_sorted(const json_t *object)
{
	const size_t count = json_object_size(object);
	const char **names = fake_need(calloc(count + 1, sizeof *names));
	json_t      *sorted = json_array(), *value;
	union { const json_t *in; json_t *out; } same = { .in = object };
	const char  *name;
	size_t       at = 0;

	json_object_foreach(same.out, name, value)
		names[at++] = name;
	qsort(names, count, sizeof *names, by_bytes);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(sorted, json_string(names[i]));
	free(names);
	return sorted;
}

static emco_str dump(struct fake_call *call, const json_t *value)
{
	char          *text = fake_need(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
	const emco_str copy = fake_str(call, text);

	free(text);
	return copy;
}

/* Every service begins so: the lock, which leave() opens, and its turn to fail, which opens it too. */
static emco_status enter(struct fake_call *call)
{
	pthread_mutex_lock(&call->testing->lock);
	const emco_status status = fake_turn(call->testing);
	if (status != EMCO_OK)
		pthread_mutex_unlock(&call->testing->lock);
	return status;
}

static emco_status leave(struct fake_call *call, emco_status status)
{
	pthread_mutex_unlock(&call->testing->lock);
	return status;
}

/* -- emco.app-context/1 ---------------------------------------------------------------------------------------------- */

static emco_status context_meta(emco_call *abi, emco_str context, emco_app_context_meta *ret_meta)
{
	struct fake_call *call = fake_call_of(abi);
	const json_t     *meta;
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	const char *id = fake_text(call, context);
	if (find_context(call->testing, id) == NULL)
		return leave(call, fake_fail(call, EMCO_E_NOT_FOUND, "app context \"%s\" does not exist", id));
	meta = member(find_context(call->testing, id), "meta");
	emco_app_context_meta found = {
		.size = ret_meta->size,
		.owner = fake_str(call, text_at(meta, "owner")), .project = fake_str(call, text_at(meta, "project")),
		.composite_app = fake_str(call, text_at(meta, "compositeApp")), .version = fake_str(call, text_at(meta, "version")),
		.release = fake_str(call, text_at(meta, "release")),
		.deployment_intent_group = fake_str(call, text_at(meta, "deploymentIntentGroup")),
		.namespace_ = fake_str(call, text_at(meta, "namespace")), .level = fake_str(call, text_at(meta, "level")),
		.logical_cloud = fake_str(call, text_at(meta, "logicalCloud")), .status_context = fake_str(call, id),
	};
	/* Never more than the plugin made room for. */
	memcpy(ret_meta, &found, ret_meta->size < sizeof found ? ret_meta->size : sizeof found);
	return leave(call, EMCO_OK);
}

static emco_status walk_app(struct fake_call *call, const char *context, const char *app,
                            emco_app_context_each_cluster *each, void *data)
{
	json_t     *names = fake_sorted(fake_app(call->testing, context, app)), *name;
	emco_status status = EMCO_OK;
	size_t      i;

	json_array_foreach(names, i, name) {
		const char   *cluster = json_string_value(name);
		const json_t *place = member(fake_app(call->testing, context, app), cluster);
		if (place == NULL)                                  /* dropped while walking */
			continue;
		status = each(data, fake_str(call, app), fake_str(call, cluster), fake_str(call, text_at(place, "group")));
		if (status != EMCO_OK)
			break;
	}
	json_decref(names);
	return status;
}

static emco_status context_each_cluster(emco_call *abi, emco_str context, emco_app_context_each_cluster *each, void *data)
{
	struct fake_call *call = fake_call_of(abi);
	json_t           *apps, *value;
	const char       *app;
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	const char *id = fake_text(call, context);
	if (find_context(call->testing, id) == NULL)
		return leave(call, fake_fail(call, EMCO_E_NOT_FOUND, "app context \"%s\" does not exist", id));
	apps = json_copy(member(find_context(call->testing, id), "apps"));
	json_object_foreach(apps, app, value) {
		status = walk_app(call, id, app, each, data);
		if (status != EMCO_OK)
			break;
	}
	json_decref(apps);
	return leave(call, status);
}

/* The clusters of an app, for an edit or a look; NULL, and status says why. */
static json_t *need_app(struct fake_call *call, emco_str context, emco_str app, emco_str cluster, bool is_edit,
                        emco_status *status)
{
	json_t *clusters = fake_app(call->testing, fake_text(call, context), fake_text(call, app));

	if (is_edit && !call->may_edit)
		*status = fake_fail(call, EMCO_E_FORBIDDEN, "app context \"%s\" can only be read here", fake_text(call, context));
	else if (member(clusters, fake_text(call, cluster)) == NULL)
		*status = fake_fail(call, EMCO_E_NOT_FOUND, "app \"%s\" is not on cluster \"%s\"", fake_text(call, app),
		                    fake_text(call, cluster));
	return *status == EMCO_OK ? clusters : NULL;
}

static emco_status context_drop_cluster(emco_call *abi, emco_str context, emco_str app, emco_str cluster)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	json_t *clusters = need_app(call, context, app, cluster, true, &status);
	if (clusters != NULL)
		json_object_del(clusters, fake_text(call, cluster));
	return leave(call, status);
}

static emco_object describe(struct fake_call *call, const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char   *events = text_at(json_object_get(metadata, "annotations"), "helm.sh/hook");
	char          name[512];

	fake_object_name(object, name);
	return (emco_object) {
		.size = sizeof(emco_object),
		.phase = events[0] != '\0' ? EMCO_PHASE_HOOK
		       : strcmp(text_at(object, "kind"), "CustomResourceDefinition") == 0 ? EMCO_PHASE_CRD : EMCO_PHASE_MAIN,
		.name = fake_str(call, name), .api_version = fake_str(call, text_at(object, "apiVersion")),
		.kind = fake_str(call, text_at(object, "kind")), .namespace_ = fake_str(call, text_at(metadata, "namespace")),
		.events = fake_str(call, events),
	};
}

static emco_status context_each_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster,
                                       emco_app_context_each_object *each, void *data)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);
	json_t           *object;
	size_t            i;

	if (status != EMCO_OK)
		return status;
	json_t *clusters = need_app(call, context, app, cluster, false, &status);
	json_t *objects = json_copy(member(member(clusters, fake_text(call, cluster)), "objects"));
	json_array_foreach(objects, i, object) {
		const emco_object found = describe(call, object);
		status = each(data, &found);
		if (status != EMCO_OK)
			break;
	}
	json_decref(objects);
	return leave(call, status);
}

/* The objects of an app on a cluster, made when there are none. */
static json_t *need_objects(struct fake_call *call, emco_str context, emco_str app, emco_str cluster, bool is_edit,
                            emco_status *status)
{
	json_t *clusters = need_app(call, context, app, cluster, is_edit, status);
	json_t *place = member(clusters, fake_text(call, cluster));

	if (place != NULL && member(place, "objects") == NULL)
		json_object_set_new(place, "objects", json_array());
	return member(place, "objects");
}

static emco_status no_object(struct fake_call *call, const char *object)
{
	return fake_fail(call, EMCO_E_NOT_FOUND, "object \"%s\" does not exist", object);
}

static emco_status context_read_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str object,
                                       emco_str *ret_body)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	json_t *objects = need_objects(call, context, app, cluster, false, &status);
	json_t *found = fake_object(objects, fake_text(call, object), NULL);
	if (status == EMCO_OK && found == NULL)
		status = no_object(call, fake_text(call, object));
	if (status == EMCO_OK)
		*ret_body = dump(call, found);
	return leave(call, status);
}

static emco_status context_write_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str object,
                                        emco_str body)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);
	char              name[512];
	size_t            index = 0;

	if (status != EMCO_OK)
		return status;
	json_t *objects = need_objects(call, context, app, cluster, true, &status);
	json_t *value = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
	fake_object_name(value, name);
	if (status == EMCO_OK && value == NULL)
		status = fake_fail(call, EMCO_E_INVALID, "the body is no JSON (the fake host reads no YAML)");
	else if (status == EMCO_OK && strcmp(name, fake_text(call, object)) != 0)
		status = fake_fail(call, EMCO_E_INVALID, "the body is \"%s\", expected \"%s\"", name, fake_text(call, object));
	else if (status == EMCO_OK && text_at(value, "apiVersion")[0] == '\0')
		status = fake_fail(call, EMCO_E_INVALID, "the body has no apiVersion");
	if (status == EMCO_OK && fake_object(objects, name, &index) != NULL)
		json_array_set(objects, index, value);
	else if (status == EMCO_OK)
		json_array_append(objects, value);
	json_decref(value);
	return leave(call, status);
}

static emco_status context_drop_object(emco_call *abi, emco_str context, emco_str app, emco_str cluster, emco_str object)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);
	size_t            index = 0;

	if (status != EMCO_OK)
		return status;
	json_t *objects = need_objects(call, context, app, cluster, true, &status);
	if (status == EMCO_OK && fake_object(objects, fake_text(call, object), &index) == NULL)
		status = no_object(call, fake_text(call, object));
	if (status == EMCO_OK)
		json_array_remove(objects, index);
	return leave(call, status);
}

static const emco_app_context_1 app_context = {
	.size = sizeof(emco_app_context_1), .meta = context_meta, .each_cluster = context_each_cluster,
	.drop_cluster = context_drop_cluster, .each_object = context_each_object, .read_object = context_read_object,
	.write_object = context_write_object, .drop_object = context_drop_object,
};

/* -- emco.resources/1 ------------------------------------------------------------------------------------------------ */

static emco_status resources_read(emco_call *abi, emco_str path, emco_str *ret_document)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	const char *name = fake_text(call, path);
	json_t     *found = member(member(call->testing->world, "resources"), name);
	if (found == NULL)
		status = fake_fail(call, EMCO_E_NOT_FOUND, "\"%s\" does not exist", name);
	else
		*ret_document = dump(call, found);
	return leave(call, status);
}

static emco_status resources_each(emco_call *abi, emco_str type, emco_str parent, emco_resource_each *each, void *data)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);
	json_t           *item;
	size_t            i;

	if (status != EMCO_OK)
		return status;
	json_t *list = json_copy(member(member(call->testing->world, "types"), fake_text(call, type)));
	json_array_foreach(list, i, item) {
		const char *path = json_string_value(item);
		json_t     *found = member(member(call->testing->world, "resources"), path);
		if (found == NULL || strncmp(path, fake_text(call, parent), parent.len) != 0)
			continue;
		status = each(data, fake_str(call, path), dump(call, found));
		if (status != EMCO_OK)
			break;
	}
	json_decref(list);
	return leave(call, status);
}

static const emco_resources_1 resources = {
	.size = sizeof(emco_resources_1), .read = resources_read, .each = resources_each,
};

/* -- emco.clusters/1 ------------------------------------------------------------------------------------------------- */

static bool carries(const json_t *cluster, const char *label)
{
	json_t *item;
	size_t  i;

	json_array_foreach(json_object_get(cluster, "labels"), i, item) {
		if (!json_is_string(item))
			fake_die("a cluster's labels must be texts");
		if (strcmp(json_string_value(item), label) == 0)
			return true;
	}
	return false;
}

static emco_status clusters_has_label(emco_call *abi, emco_str cluster, emco_str label, int32_t *ret_has)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	*ret_has = carries(member(member(call->testing->world, "clusters"), fake_text(call, cluster)), fake_text(call, label));
	return leave(call, EMCO_OK);
}

static emco_status clusters_each(emco_call *abi, emco_str provider, emco_str label, emco_cluster_each *each, void *data)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);
	json_t           *name;
	size_t            i;

	if (status != EMCO_OK)
		return status;
	json_t *all = member(call->testing->world, "clusters"), *names = fake_sorted(all);
	json_array_foreach(names, i, name) {
		const char *cluster = json_string_value(name);
		if (strncmp(cluster, fake_text(call, provider), provider.len) != 0 || cluster[provider.len] != '+' ||
		    (label.len > 0 && !carries(member(all, cluster), fake_text(call, label))))
			continue;
		status = each(data, fake_str(call, cluster));
		if (status != EMCO_OK)
			break;
	}
	json_decref(names);
	return leave(call, status);
}

static emco_status clusters_value(emco_call *abi, emco_str cluster, emco_str key, emco_str *ret_value)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	if (status != EMCO_OK)
		return status;
	json_t *found = member(member(member(call->testing->world, "clusters"), fake_text(call, cluster)), "values");
	found = member(found, fake_text(call, key));
	if (found == NULL)
		status = fake_fail(call, EMCO_E_NOT_FOUND, "cluster \"%s\" has no value \"%s\"", fake_text(call, cluster),
		                   fake_text(call, key));
	else
		*ret_value = dump(call, found);
	return leave(call, status);
}

static emco_status clusters_access(emco_call *abi, emco_str cluster, emco_str level, emco_str namespace_,
                                   emco_cluster_access *ret_access)
{
	struct fake_call *call = fake_call_of(abi);
	emco_status       status = enter(call);

	(void) level;
	(void) namespace_;
	if (status != EMCO_OK)
		return status;
	const json_t *found = member(member(call->testing->world, "clusters"), fake_text(call, cluster));
	if ((call->testing->plugin.roles & EMCO_ROLE_SYNCHRONISER) == 0)
		status = fake_fail(call, EMCO_E_FORBIDDEN, "only a synchroniser may have the access of a cluster");
	else if (found == NULL)
		status = fake_fail(call, EMCO_E_NOT_FOUND, "cluster \"%s\" does not exist", fake_text(call, cluster));
	if (status == EMCO_OK) {
		const emco_cluster_access access = {
			.size = ret_access->size, .kubeconfig = fake_str(call, text_at(found, "kubeconfig")),
			.git_ops_type = fake_str(call, text_at(found, "gitOpsType")), .reference_object = EMCO_STR("{}"),
			.resource_object = EMCO_STR("{}"),
		};
		memcpy(ret_access, &access, ret_access->size < sizeof access ? ret_access->size : sizeof access);
	}
	return leave(call, status);
}

static const emco_clusters_1 clusters = {
	.size = sizeof(emco_clusters_1), .has_label = clusters_has_label, .each = clusters_each, .value = clusters_value,
	.access = clusters_access,
};

/* -- by identifier --------------------------------------------------------------------------------------------------- */

static const struct { const char *id; const void *table; } offered[] = {
	{ EMCO_APP_CONTEXT_1, &app_context },
	{ EMCO_RESOURCES_1,   &resources   },
	{ EMCO_CLUSTERS_1,    &clusters    },
};

const void *fake_extension(const emco_host *host, const char *id)
{
	(void) host;
	for (size_t i = 0; i < sizeof offered / sizeof offered[0]; i++)
		if (strcmp(offered[i].id, id) == 0)
			return offered[i].table;
	return NULL;
}
