#include "plugins/rsync/sighting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 256, NAME_MAX_BYTES = 512 };

static const char *text_at(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 14695981039346656037u;           /* FNV-1a */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * 1099511628211u;
	return hash | 1;
}

/* What "emco-<label>" owns, or of a definition "emco", without what others may set. */
static void fields_note(struct sighting *sighting, const json_t *metadata, const char *label, const struct policy *policy)
{
	const json_t *fields = json_object_get(metadata, "managedFields"), *entry;
	char          manager[NAME_MAX_BYTES];
	size_t        i;

	snprintf(manager, sizeof manager, "emco-%s", label);
	json_array_foreach(fields, i, entry) {
		const char *name = text_at(entry, "manager");
		if ((strcmp(name, manager) != 0 && strcmp(name, SHARED_MANAGER) != 0) || strcmp(text_at(entry, "operation"), "Apply") != 0)
			continue;

		json_t *owned = json_deep_copy(json_object_get(entry, "fieldsV1"));
		policy_disown(policy, owned);
		char *text = json_dumps(owned, JSON_COMPACT | JSON_SORT_KEYS);
		sighting->fields = text != NULL ? hash_of(text) : 0;
		sighting->since = (hash_of(text_at(entry, "time")) & ~(uint64_t) EMCO_SEEN_PLACE) |
		                  (hash_of(text_at(metadata, "namespace")) & EMCO_SEEN_PLACE);
		free(text);
		json_decref(owned);
	}
}

static bool has_controller(const json_t *metadata)
{
	const json_t *owners = json_object_get(metadata, "ownerReferences"), *owner;
	size_t        i;

	json_array_foreach(owners, i, owner)
		if (json_is_true(json_object_get(owner, "controller")))
			return true;
	return false;
}

/*
 * The name in its set, when that holds several of its name and kind: "web~2+ConfigMap", as we have written on it.
 *
 * NOTE: controllers copy annotations to what they make, and people to what they make of it: it must be this object's.
 */
static bool is_name_of(const char *mark, const char *name, const char *kind)
{
	const size_t len = strlen(name);

	if (strncmp(mark, name, len) != 0 || mark[len] != '~')
		return false;
	mark += len + 1;
	const size_t digits = strspn(mark, "0123456789");
	return digits > 0 && mark[digits] == '+' && strcmp(mark + digits + 1, kind) == 0;
}

void sighting_name(const json_t *object, char *name, size_t size)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char   *plain = text_at(metadata, "name"), *kind = text_at(object, "kind");
	const char   *mark = text_at(json_object_get(metadata, "annotations"), NAME_MARK);

	if (is_name_of(mark, plain, kind))
		snprintf(name, size, "%s", mark);
	else
		snprintf(name, size, "%s+%s", plain, kind);
}

/* A pod of a job is done, not ready. */
static bool is_ready(const json_t *object, char *reason, size_t size)
{
	const char *phase = text_at(json_object_get(object, "status"), "phase");

	if (strcmp(text_at(object, "kind"), "Pod") == 0 &&
	    json_object_get(json_object_get(json_object_get(object, "metadata"), "labels"), "job-name") != NULL)
		return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
	return kube_object_ready(object, reason, size) == KUBE_READY;
}

static struct sighting *with_texts(struct sighting filled, const char *path, const char *label, const char *text)
{
	const char *const texts[] = { path, label, text };
	const char      **places[ARRAY_LEN(texts)];
	size_t            room = 0;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		room += strlen(texts[i]) + 1;
	struct sighting *sighting = malloc(sizeof *sighting + room);
	if (sighting == NULL)
		return NULL;
	*sighting = filled;
	places[0] = &sighting->key.ptr;
	places[1] = &sighting->label;
	places[2] = &sighting->text;

	char *at = (char *) (sighting + 1);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const size_t size = strlen(texts[i]) + 1;

		memcpy(at, texts[i], size);
		*places[i] = at;
		at += size;
	}
	sighting->name = strchr(sighting->key.ptr, '/') + 1;
	return sighting;
}

struct sighting *sighting_new(enum kube_event event, const json_t *object, const char *text)
{
	const json_t   *metadata = json_object_get(object, "metadata");
	const char     *label = text_at(json_object_get(metadata, "labels"), DEPLOYMENT_LABEL);
	struct sighting sighting = { .event = event };
	struct policy   policy;
	struct fault    fault;
	const char     *space = text_at(metadata, "namespace"), *plain = text_at(metadata, "name");
	char            reason[REASON_MAX] = "", name[NAME_MAX_BYTES], path[NAME_MAX_BYTES];

	if (object == NULL)
		return with_texts(sighting, "/", "", text != NULL ? text : "");
	sighting_name(object, name, sizeof name);
	sighting.key.len = strlen(space) + 1 + strlen(plain);
	if (label[0] == '\0' || plain[0] == '\0' || strchr(space, '/') != NULL ||
	    (size_t) snprintf(path, sizeof path, "%s/%s", space, name) >= sizeof path)
		return NULL;
	if (event != KUBE_REMOVED) {
		sighting.is_ready = is_ready(object, reason, sizeof reason);
		(void) policy_read(object, &policy, &fault);     /* what has no meaning was never applied */
		sighting.drift = policy.drift;
		fields_note(&sighting, metadata, label, &policy);
	}
	sighting.is_hook = json_object_get(json_object_get(metadata, "annotations"), "emco/hook") != NULL;
	sighting.is_member = !has_controller(metadata) && !sighting.is_hook;
	return with_texts(sighting, path, label, sighting.is_ready ? "" : reason);
}
