/*
 * normalise.c - what server-side apply of older API servers does not do right, done before sending.
 *
 * Lists of structures are merged by keys.  An absent key with a default (a port's protocol) makes them fail with 500 on
 * servers up to 1.20, and so do two items with the same keys; stringData is merged into data without ever being removed.
 */
#include "lib/kube/object.h"

#include "lib/kube/base64.h"

enum { DATA_MAX = 16 << 20 };

/* Where pods are described in the kinds that Kubernetes has. */
static const struct { const char *kind, *path; } pod_specs[] = {
	{ "Pod",                   "spec"                                },
	{ "Deployment",            "spec.template.spec"                  },
	{ "StatefulSet",           "spec.template.spec"                  },
	{ "DaemonSet",             "spec.template.spec"                  },
	{ "ReplicaSet",            "spec.template.spec"                  },
	{ "ReplicationController", "spec.template.spec"                  },
	{ "Job",                   "spec.template.spec"                  },
	{ "CronJob",               "spec.jobTemplate.spec.template.spec" },
	{ "PodTemplate",           "template.spec"                       },
};

static const char *const container_lists[] = { "containers", "initContainers", "ephemeralContainers" };

static enum status set_protocols(json_t *ports)
{
	json_t *port;
	size_t  i;

	json_array_foreach(ports, i, port) {
		const json_t *protocol = json_object_get(port, "protocol");
		if (json_is_object(port) && (protocol == NULL || json_is_null(protocol) || view_is(json_text_at(port, "protocol"), "")) &&
		    !json_is_object(protocol) && json_object_set_new(port, "protocol", json_string("TCP")) != 0)
			return ST_NO_MEMORY;
	}
	return ST_OK;
}

static bool same_member(const json_t *a, const json_t *b, const char *member)
{
	const json_t *x = json_object_get(a, member), *y = json_object_get(b, member);

	return (x == NULL || json_is_null(x)) ? (y == NULL || json_is_null(y)) : y != NULL && json_equal(x, y);
}

/* Two items with equal keys; keys: NULL-terminated. */
static enum status refuse_twins(const json_t *list, const char *where, const char *const *keys, struct error *err)
{
	const size_t count = json_array_size(list);

	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++) {
			const json_t *a = json_array_get(list, i), *b = json_array_get(list, k);
			char          value[128] = "";
			bool          is_same = json_is_object(a) && json_is_object(b);

			for (size_t n = 0; is_same && keys[n] != NULL; n++)
				is_same = json_object_get(a, keys[0]) != NULL && same_member(a, b, keys[n]);
			if (!is_same)
				continue;
			const json_t *key = json_object_get(a, keys[0]);
			if (json_is_string(key))
				snprintf(value, sizeof value, "%s", json_string_value(key));
			else if (json_is_integer(key))
				snprintf(value, sizeof value, "%lld", (long long) json_integer_value(key));
			return fail_at(err, ST_INVALID, where, "items %zu and %zu have the same %s \"%s\"", i, k, keys[0], value);
		}
	return ST_OK;
}

static enum status normalise_container(json_t *container, const char *at, struct error *err)
{
	static const char *const name[] = { "name", NULL }, *const port[] = { "containerPort", "protocol", NULL };
	char                     where[64];
	json_t                  *ports = json_object_get(container, "ports");

	if (set_protocols(ports) != ST_OK)
		return fail(err, ST_NO_MEMORY, "out of memory");
	snprintf(where, sizeof where, "%.55s/env", at);
	enum status st = refuse_twins(json_object_get(container, "env"), where, name, err);
	if (st != ST_OK)
		return st;
	snprintf(where, sizeof where, "%.55s/ports", at);
	return refuse_twins(ports, where, port, err);
}

static enum status normalise_pod(json_t *spec, const char *path, struct error *err)
{
	static const char *const name[] = { "name", NULL };
	char                     where[64], at[64];
	enum status              st = ST_OK;

	where[0] = '/';
	snprintf(where + 1, sizeof where - 1, "%s", path);
	for (char *dot = where; (dot = strchr(dot, '.')) != NULL;)
		*dot = '/';
	for (size_t i = 0; st == ST_OK && i < ARRAY_LEN(container_lists); i++) {
		json_t *list = json_object_get(spec, container_lists[i]), *container;
		size_t  k;

		snprintf(at, sizeof at, "%.40s/%.20s", where, container_lists[i]);
		st = refuse_twins(list, at, name, err);
		json_array_foreach(list, k, container) {
			snprintf(at, sizeof at, "%.32s/%.19s/%u", where, container_lists[i], (unsigned) k);
			if (st == ST_OK)
				st = normalise_container(container, at, err);
		}
	}
	snprintf(at, sizeof at, "%.40s/volumes", where);
	return st == ST_OK ? refuse_twins(json_object_get(spec, "volumes"), at, name, err) : st;
}

static enum status normalise_service(json_t *object, struct error *err)
{
	static const char *const keys[] = { "port", "protocol", NULL };
	json_t                  *ports = json_at(object, "spec.ports");

	if (set_protocols(ports) != ST_OK)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return refuse_twins(ports, "/spec/ports", keys, err);
}

static enum status encode_into(json_t *data, const char *name, const json_t *value, struct error *err)
{
	auto_buf    text = BUF(DATA_MAX);
	char        where[64];
	enum status st;

	snprintf(where, sizeof where, "/stringData/%.48s", name);
	if (json_is_null(value))
		return ST_OK;
	if (!json_is_string(value))
		return fail_at(err, ST_INVALID, where, "must be a string");
	st = base64_write(&text, (struct view) { json_string_value(value), json_string_length(value) }, err);
	if (st == ST_OK && json_object_set_new(data, name, json_stringn(text.data, text.len)) != 0)
		st = fail(err, ST_NO_MEMORY, "out of memory");
	if (text.cap > 0)
		explicit_bzero(text.data, text.cap);
	return st;
}

/* A key of stringData wins over one of data, as the server has it. */
static enum status normalise_secret(json_t *object, struct error *err)
{
	json_t     *texts = json_object_get(object, "stringData"), *data = json_object_get(object, "data");
	const char *name;
	json_t     *value;

	if (texts == NULL)
		return ST_OK;
	if (!json_is_object(texts) && !json_is_null(texts))
		return fail_at(err, ST_INVALID, "/stringData", "must be an object");
	if (!json_is_object(data) && json_object_size(texts) > 0) {
		data = json_object();
		if (data == NULL || json_object_set_new(object, "data", data) != 0)
			return fail(err, ST_NO_MEMORY, "out of memory");
	}
	json_object_foreach(texts, name, value) {
		const enum status st = encode_into(data, name, value, err);
		if (st != ST_OK)
			return st;
	}
	json_object_del(object, "stringData");
	return ST_OK;
}

enum status kube_normalise(json_t *object, struct error *err)
{
	const struct view kind = json_text_at(object, "kind"), version = json_text_at(object, "apiVersion");

	if (view_is(version, "v1") && view_is(kind, "Service"))
		return normalise_service(object, err);
	if (view_is(version, "v1") && view_is(kind, "Secret"))
		return normalise_secret(object, err);
	if (!view_is(version, "v1") && (version.len < 5 || (memcmp(version.ptr, "apps/", 5) != 0 && memcmp(version.ptr, "batch", 5) != 0)))
		return ST_OK;
	for (size_t i = 0; i < ARRAY_LEN(pod_specs); i++)
		if (view_is(kind, pod_specs[i].kind))
			return normalise_pod(json_at(object, pod_specs[i].path), pod_specs[i].path, err);
	return ST_OK;
}
