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

/* A pod of a job is done, not ready. */
static bool is_ready(const json_t *object, char *reason, size_t size)
{
	const char *phase = text_at(json_object_get(object, "status"), "phase");

	if (strcmp(text_at(object, "kind"), "Pod") == 0 &&
	    json_object_get(json_object_get(json_object_get(object, "metadata"), "labels"), "job-name") != NULL)
		return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
	return kube_object_ready(object, reason, size) == KUBE_READY;
}

static struct sighting *with_texts(struct sighting filled, const char *key, const char *label, const char *name,
                                   const char *text)
{
	const char *const texts[] = { key, label, name, text };
	const char      **places[4];
	size_t            room = 0;

	for (size_t i = 0; i < 4; i++)
		room += strlen(texts[i]) + 1;
	struct sighting *sighting = malloc(sizeof *sighting + room);
	if (sighting == NULL)
		return NULL;
	*sighting = filled;
	places[0] = &sighting->key;
	places[1] = &sighting->label;
	places[2] = &sighting->name;
	places[3] = &sighting->text;

	char *at = (char *) (sighting + 1);
	for (size_t i = 0; i < 4; i++) {
		const size_t size = strlen(texts[i]) + 1;

		memcpy(at, texts[i], size);
		*places[i] = at;
		at += size;
	}
	return sighting;
}

struct sighting *sighting_new(enum kube_event event, const json_t *object, const char *text)
{
	const json_t   *metadata = json_object_get(object, "metadata");
	const char     *label = text_at(json_object_get(metadata, "labels"), DEPLOYMENT_LABEL);
	struct sighting sighting = { .event = event };
	struct policy   policy;
	struct fault    fault;
	char            reason[REASON_MAX] = "", key[NAME_MAX_BYTES], name[NAME_MAX_BYTES];

	if (object == NULL)
		return with_texts(sighting, "", "", "", text != NULL ? text : "");
	if (label[0] == '\0' || text_at(metadata, "name")[0] == '\0')
		return NULL;
	snprintf(key, sizeof key, "%s/%s", text_at(metadata, "namespace"), text_at(metadata, "name"));
	snprintf(name, sizeof name, "%s+%s", text_at(metadata, "name"), text_at(object, "kind"));
	if (event != KUBE_REMOVED) {
		sighting.is_ready = is_ready(object, reason, sizeof reason);
		(void) policy_read(object, &policy, &fault);     /* what has no meaning was never applied */
		sighting.drift = policy.drift;
		fields_note(&sighting, metadata, label, &policy);
	}
	sighting.is_hook = json_object_get(json_object_get(metadata, "annotations"), "emco/hook") != NULL;
	sighting.is_member = !has_controller(metadata) && !sighting.is_hook;
	return with_texts(sighting, key, label, name, sighting.is_ready ? "" : reason);
}
