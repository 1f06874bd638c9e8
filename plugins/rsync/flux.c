#include "plugins/rsync/flux.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_API         "source.toolkit.fluxcd.io/v1"
#define KUSTOMIZATION_API  "kustomize.toolkit.fluxcd.io/v1"
#define FLUX_HOME          "flux-system"
#define CLOUDS             "/logical-clouds/"

/*
 * A logical cloud makes its own namespace, so nothing of Flux can wait in it: its objects live where Flux was installed,
 * and use the source that is there.
 */
static bool is_cloud(const emco_unit *unit)
{
	const emco_str owner = unit->owner;
	const char    *at = owner.len > 0 ? memmem(owner.ptr, owner.len, CLOUDS, sizeof CLOUDS - 1) : NULL;

	if (at == NULL)
		return false;

	const char *name = at + sizeof CLOUDS - 1;
	return memchr(name, '/', owner.len - (uint64_t) (name - owner.ptr)) == NULL;
}

static const char *namespace_of(struct pass *pass, const emco_unit *unit)
{
	if (is_cloud(unit))
		return FLUX_HOME;
	return unit->namespace_.len > 0 ? pass_text(pass, unit->namespace_) : "default";
}

/* Takes object. */
static const char *text_of(struct pass *pass, json_t *object)
{
	char       *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	const char *kept = text != NULL ? pass_printf(pass, "%s\n", text) : NULL;

	free(text);
	json_decref(object);
	return kept;
}

const char *flux_source(struct pass *pass, const struct git_settings *settings, const emco_unit *unit, emco_str context)
{
	const char *name = pass_text(pass, context), *space = namespace_of(pass, unit);

	if (is_cloud(unit))
		return "";
	if (name == NULL || space == NULL)
		return NULL;

	json_t *spec = json_pack("{s:s, s:s, s:{s:s}}", "url", settings->url, "interval", "30s", "ref", "branch",
	                         settings->branch);
	if (spec != NULL && settings->secret_ref[0] != '\0')
		json_object_set_new(spec, "secretRef", json_pack("{s:s}", "name", settings->secret_ref));
	return text_of(pass, json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", SOURCE_API,
	                               "kind", "GitRepository", "metadata", "name", name, "namespace", space,
	                               "spec", spec));
}

const char *flux_kustomization(struct pass *pass, const struct git_settings *settings, const emco_unit *unit,
                               emco_str context)
{
	const char *source = pass_text(pass, context), *space = namespace_of(pass, unit);
	const char *name = pass_printf(pass, "kust%.*s", STR_ARG(context));
	const char *path = pass_printf(pass, "clusters/%.*s/context/%.*s", STR_ARG(unit->cluster), STR_ARG(context));
	const char *sync = pass_printf(pass, "%llds", (long long) settings->sync_s);
	const char *retry = pass_printf(pass, "%llds", (long long) settings->retry_s);
	const char *timeout = pass_printf(pass, "%llds", (long long) settings->timeout_s);
	const char *account = space != NULL ? pass_printf(pass, "%s-sa", space) : NULL;

	if (source == NULL || name == NULL || path == NULL || sync == NULL || retry == NULL || timeout == NULL ||
	    account == NULL)
		return NULL;

	json_t *spec = json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:s, s:s}}", "interval", sync, "retryInterval", retry,
	                         "timeout", timeout, "path", path, "prune", 1,
	                         "sourceRef", "kind", "GitRepository", "name", is_cloud(unit) ? FLUX_HOME : source);
	/* Level 1: Flux acts as the logical cloud's user, whose account is named after its namespace. */
	if (spec != NULL && str_is(unit->level, "1") && !is_cloud(unit))
		json_object_set_new(spec, "serviceAccountName", json_string(account));
	return text_of(pass, json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", KUSTOMIZATION_API,
	                               "kind", "Kustomization", "metadata", "name", name, "namespace", space,
	                               "spec", spec));
}
