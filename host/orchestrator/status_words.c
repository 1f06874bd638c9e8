#include "host/orchestrator/status_priv.h"

/* In byte order, as Go writes a map. */
const struct deployed_word deployed_words[OBJECT_STATES] = {
	{ OBJECT_APPLIED,  "Applied"  }, { OBJECT_DELETED,  "Deleted"  }, { OBJECT_FAILED, "Failed" },
	{ OBJECT_PENDING,  "Pending"  }, { OBJECT_RETRYING, "Retrying" },
};

const struct ready_word ready_words[READY_STATES] = {
	{ READY_NOT_PRESENT, "NotPresent" }, { READY_NOT_READY, "NotReady" }, { READY_READY, "Ready" },
};

/* Kinds whose state the monitor reports; the others are listed without one. */
static const struct { const char *group, *version, *kind; } tracked[] = {
	{ "",     "v1", "ConfigMap" },   { "",     "v1", "Service" },     { "",      "v1", "Pod" },
	{ "apps", "v1", "Deployment" },  { "apps", "v1", "DaemonSet" },   { "apps",  "v1", "StatefulSet" },
	{ "batch", "v1", "Job" },        { "certificates.k8s.io", "v1", "CertificateSigningRequest" },
};

/* What a mode calls things. */
const struct mode_words mode_words[] = {
	[STATUS_RSYNC]    = { "status",         "rsyncStatus",    "rsyncStatus",    "readyStatus"  },
	[STATUS_CLUSTER]  = { "status",         "clusterStatus",  "clusterStatus",  "readyStatus"  },
	[STATUS_DEPLOYED] = { "deployedStatus", "deployedCounts", "deployedStatus", "connectivity" },
	[STATUS_READY]    = { "deployedStatus", "readyCounts",    "readyStatus",    "connectivity" },
};

const char *ready_word(enum ready state)
{
	for (size_t i = 0; i < ARRAY_LEN(ready_words); i++)
		if (ready_words[i].state == state)
			return ready_words[i].name;
	return "NotPresent";
}

const char *deployed_word(enum object_state state)
{
	for (size_t i = 0; i < ARRAY_LEN(deployed_words); i++)
		if (deployed_words[i].state == state)
			return deployed_words[i].name;
	return "Pending";
}

bool status_tracks(struct view api_version, struct view kind)
{
	const struct view group = object_group(api_version), version = object_version(api_version);

	for (size_t i = 0; i < ARRAY_LEN(tracked); i++)
		if (view_is(group, tracked[i].group) && view_is(version, tracked[i].version) && view_is(kind, tracked[i].kind))
			return true;
	return false;
}

bool entry_is_tracked(const struct set_entry *entry)
{
	return entry->phase != EMCO_PHASE_HOOK && status_tracks(entry->api_version, entry->kind);
}
