#include "plugins/rsync/piece.h"

#include "plugins/rsync/object.h"

#include <string.h>

enum { PIECES_MAX = 10000, LISTS_DEEP = 4 };

/* What others refer to, in Helm's order of installing; everything that is not here comes with the workloads. */
static const struct { const char *group, *kind; enum wave wave; } waves[] = {
	{ "",                             "Namespace",                      WAVE_NAMESPACE },
	{ "apiextensions.k8s.io",         "CustomResourceDefinition",       WAVE_CRD       },
	{ "",                             "ConfigMap",                      WAVE_BASE      },
	{ "",                             "LimitRange",                     WAVE_BASE      },
	{ "",                             "PersistentVolume",               WAVE_BASE      },
	{ "",                             "PersistentVolumeClaim",          WAVE_BASE      },
	{ "",                             "ResourceQuota",                  WAVE_BASE      },
	{ "",                             "Secret",                         WAVE_BASE      },
	{ "",                             "Service",                        WAVE_BASE      },
	{ "",                             "ServiceAccount",                 WAVE_BASE      },
	{ "networking.k8s.io",            "IngressClass",                   WAVE_BASE      },
	{ "networking.k8s.io",            "NetworkPolicy",                  WAVE_BASE      },
	{ "node.k8s.io",                  "RuntimeClass",                   WAVE_BASE      },
	{ "policy",                       "PodDisruptionBudget",            WAVE_BASE      },
	{ "policy",                       "PodSecurityPolicy",              WAVE_BASE      },
	{ "rbac.authorization.k8s.io",    "ClusterRole",                    WAVE_BASE      },
	{ "rbac.authorization.k8s.io",    "ClusterRoleBinding",             WAVE_BASE      },
	{ "rbac.authorization.k8s.io",    "Role",                           WAVE_BASE      },
	{ "rbac.authorization.k8s.io",    "RoleBinding",                    WAVE_BASE      },
	{ "scheduling.k8s.io",            "PriorityClass",                  WAVE_BASE      },
	{ "storage.k8s.io",               "StorageClass",                   WAVE_BASE      },
	{ "admissionregistration.k8s.io", "MutatingWebhookConfiguration",   WAVE_GATE      },
	{ "admissionregistration.k8s.io", "ValidatingWebhookConfiguration", WAVE_GATE      },
};

static struct view group_of(struct view api_version)
{
	const char *slash = api_version.len > 0 ? memchr(api_version.ptr, '/', api_version.len) : NULL;

	return slash != NULL ? (struct view) { api_version.ptr, (size_t) (slash - api_version.ptr) } : VIEW("");
}

static bool views_equal(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

enum wave wave_of(struct view api_version, struct view kind)
{
	const struct view group = group_of(api_version);

	for (size_t i = 0; i < sizeof waves / sizeof waves[0]; i++)
		if (view_is(kind, waves[i].kind) && view_is(group, waves[i].group))
			return waves[i].wave;
	return WAVE_REST;
}

bool piece_is_same(const struct kube_id *a, const struct kube_id *b)
{
	return views_equal(a->name, b->name) && views_equal(a->kind, b->kind) &&
	       views_equal(a->namespace_, b->namespace_) &&
	       views_equal(group_of(a->api_version), group_of(b->api_version));
}

static struct view kept(struct pass *pass, struct view view)
{
	const char *copy = pass_text(pass, (emco_str) { view.ptr, view.len });

	return copy != NULL ? (struct view) { copy, view.len } : VIEW("");
}

static emco_status piece_make(struct pass *pass, json_t *object, struct piece *piece, struct fault *fault)
{
	const json_t  *spec = json_object_get(object, "spec");
	struct policy  policy;
	struct error   err = { 0 };
	struct kube_id id;
	const char    *text;

	if (kube_normalise(object, &err) != ST_OK || kube_id_of(object, &id, &err) != ST_OK)
		return fault_say(fault, err.code == ST_NO_MEMORY ? EMCO_E_NO_MEMORY : EMCO_E_INVALID, "%s", err.text);
	if (policy_read(object, &policy, fault) != EMCO_OK)
		return fault->code;
	text = object_text(pass, object);
	*piece = (struct piece) {
		.id = { kept(pass, id.api_version), kept(pass, id.kind), kept(pass, id.namespace_), kept(pass, id.name) },
		.text = text != NULL ? view_of(text) : VIEW(""),
		.wave = wave_of(id.api_version, id.kind),
		.has_template = json_is_object(json_object_get(spec, "template")),
		.policy = policy,
		.has_ignored = policy_has_ignored(&policy, object),
	};
	piece->policy.ignored = kept(pass, policy.ignored);
	if (text == NULL || piece->id.name.len == 0 || piece->id.kind.len == 0)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	return EMCO_OK;
}

static size_t count_deep(const json_t *object, int depth)
{
	const json_t *items = object_items(object), *item;
	size_t        count = 0, i;

	if (items == NULL || depth >= LISTS_DEEP)
		return 1;
	json_array_foreach(items, i, item)
		count += count_deep(item, depth + 1);
	return count;
}

static emco_status add_deep(struct pass *pass, json_t *object, struct piece *pieces, size_t *count, int depth,
                            struct fault *fault)
{
	json_t     *items = object_items(object), *item;
	emco_status status = EMCO_OK;
	size_t      i;

	if (items == NULL || depth >= LISTS_DEEP)
		return piece_make(pass, object, &pieces[(*count)++], fault);
	json_array_foreach(items, i, item) {
		status = add_deep(pass, item, pieces, count, depth + 1, fault);
		if (status != EMCO_OK)
			break;
	}
	return status;
}

emco_status pieces_of(struct pass *pass, json_t *object, struct piece **ret_pieces, size_t *ret_count,
                      struct fault *fault)
{
	const size_t  most = count_deep(object, 0);
	struct piece *pieces = most <= PIECES_MAX ? pass_alloc(pass, most + 1, sizeof *pieces) : NULL;
	size_t        count = 0;

	if (most > PIECES_MAX)
		return fault_say(fault, EMCO_E_INVALID, "a list of more than %d objects", PIECES_MAX);
	if (pieces == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");

	const emco_status status = add_deep(pass, object, pieces, &count, 0, fault);
	if (status != EMCO_OK)
		return status;
	*ret_pieces = pieces;
	*ret_count = count;
	return EMCO_OK;
}

struct view piece_without_ignored(struct pass *pass, const struct piece *piece, const json_t *conflict)
{
	const json_t *causes = json_object_get(json_object_get(conflict, "details"), "causes"), *cause;
	json_t       *object = json_loadb(piece->text.ptr, piece->text.len, 0, NULL);
	const char   *text = NULL;
	size_t        i;

	json_array_foreach(causes, i, cause) {
		const char *field = json_string_value(json_object_get(cause, "field"));

		if (field != NULL && policy_ignores(&piece->policy, view_of(field)))
			(void) field_remove(object, view_of(field));
	}
	if (object != NULL)
		text = object_text(pass, object);
	json_decref(object);
	return text != NULL ? view_of(text) : VIEW("");
}

static bool member_add(json_t *object, const char *name, struct view value)
{
	return value.len == 0 || json_object_set_new(object, name, json_stringn(value.ptr, value.len)) == 0;
}

struct view piece_bare(struct pass *pass, const struct kube_id *id)
{
	json_t     *object = json_object(), *metadata = json_object();
	const char *text = NULL;

	if (member_add(object, "apiVersion", id->api_version) && member_add(object, "kind", id->kind) &&
	    member_add(metadata, "name", id->name) && member_add(metadata, "namespace", id->namespace_) &&
	    json_object_set(object, "metadata", metadata) == 0)
		text = object_text(pass, object);
	json_decref(metadata);
	json_decref(object);
	return text != NULL ? view_of(text) : VIEW("");
}
