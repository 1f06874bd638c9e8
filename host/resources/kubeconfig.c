/*
 * Is this a kubeconfig that can be used as it is, by a daemon, on another machine?
 *
 * What would run a program, read a file here, or trust anybody is refused, in every user and cluster of the file and not
 * only in those of the current context: two readers of one file need not agree which entry a name means.
 */
#include "host/resources/resources_priv.h"

#include "lib/base/yaml.h"

#include <strings.h>

/* -- servers --------------------------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* "127.0.0.1:6443", "[::1]", "localhost": what does not leave this machine. */
static bool is_loopback(const char *host, size_t len)
{
	if (len > 2 && host[0] == '[') {
		const char *end = memchr(host, ']', len);
		return end != NULL && end - host == 4 && memcmp(host, "[::1]", 5) == 0;
	}

	const char  *colon = memchr(host, ':', len);
	const size_t name = colon != NULL ? (size_t) (colon - host) : len;
	if (name == 9 && strncasecmp(host, "localhost", 9) == 0)
		return true;
	if (name < 9 || name > 15 || memcmp(host, "127.", 4) != 0)
		return false;
	for (size_t i = 0; i < name; i++)
		if ((host[i] < '0' || host[i] > '9') && host[i] != '.')
			return false;
	return true;
}

static enum status check_server(const char *cluster, const char *server, struct error *err)
{
	const bool   is_https = begins(server, "https://"), is_http = begins(server, "http://");
	const char  *host = server + (is_https ? 8 : is_http ? 7 : 0);
	const size_t len = strcspn(host, "/?#");

	if ((!is_https && !is_http) || len == 0)
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" must be an https URL, got \"%.100s\"",
		            cluster, server);
	if (memchr(host, '@', len) != NULL)
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" must not name a user", cluster);
	if (is_http && !is_loopback(host, len))
		return fail(err, ST_INVALID,
		            "\"server\" of cluster \"%s\" must be an https URL beyond this machine, got \"%.100s\"",
		            cluster, server);
	return ST_OK;
}

/* -- entries --------------------------------------------------------------------------------------------------------- */

static const char *const cluster_files[] = { "certificate-authority", NULL };
static const char *const user_files[]    = { "client-certificate", "client-key", "tokenFile", NULL };

static enum status check_files(const char *kind, const char *name, const json_t *entry, const char *const *members,
                               struct error *err)
{
	for (; *members != NULL; members++) {
		const char *path = json_string_at(entry, *members);
		if (*path == '\0')
			continue;
		fail(err, ST_INVALID,
		     "%s \"%s\" names the file \"%.80s\" in \"%s\": only what a kubeconfig contains is used", kind,
		     name, path, *members);
		return fail_hint(err, "Make one with: kubectl config view --raw --flatten");
	}
	return ST_OK;
}

static enum status check_cluster(const char *name, const json_t *cluster, struct error *err)
{
	const json_t *insecure = json_object_get(cluster, "insecure-skip-tls-verify");

	if (insecure != NULL && !json_is_false(insecure) && !json_is_null(insecure))
		return fail(err, ST_INVALID,
		            "cluster \"%s\" has \"insecure-skip-tls-verify\": a server that anybody may be is not used",
		            name);
	enum status st = check_files("cluster", name, cluster, cluster_files, err);
	return st == ST_OK ? check_server(name, json_string_at(cluster, "server"), err) : st;
}

static enum status check_user(const char *name, const json_t *user, struct error *err)
{
	const json_t *exec = json_object_get(user, "exec"), *provider = json_object_get(user, "auth-provider");

	if (exec != NULL && !json_is_null(exec))
		return fail(err, ST_INVALID,
		            "user \"%s\" wants to run the program \"%.80s\": \"exec\" is not allowed in a kubeconfig",
		            name, json_string_at(exec, "command"));
	if (provider != NULL && !json_is_null(provider))
		return fail(err, ST_INVALID, "user \"%s\" wants \"%.80s\": \"auth-provider\" is not allowed in a kubeconfig",
		            name, json_string_at(provider, "name"));
	return check_files("user", name, user, user_files, err);
}

typedef enum status check_entry(const char *name, const json_t *entry, struct error *err);

/* Every {name, MEMBER: {...}} of a list.  *ret_is_there: one of them is called wanted. */
static enum status check_list(const json_t *config, const char *list, const char *member, check_entry *check,
                              const char *wanted, bool *ret_is_there, struct error *err)
{
	const json_t *entries = json_object_get(config, list);
	bool          is_there = false;

	if (!json_is_array(entries))
		return fail(err, ST_INVALID, "\"%s\" must be a list", list);
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i), *body = json_object_get(entry, member);
		const char   *name = json_string_at(entry, "name");
		if (*name == '\0' || !json_is_object(body))
			return fail(err, ST_INVALID, "entry %zu of \"%s\" must have \"name\" and \"%s\"", i + 1, list,
			            member);
		enum status st = check(name, body, err);
		if (st != ST_OK)
			return st;
		is_there = is_there || strcmp(name, wanted) == 0;
	}
	*ret_is_there = is_there;
	return ST_OK;
}

/* -- the whole ------------------------------------------------------------------------------------------------------- */

/* The context that counts: the current one, or the only one.  Borrowed from config. */
static enum status find_context(const json_t *config, const json_t **ret_context, struct error *err)
{
	const json_t *contexts = json_object_get(config, "contexts");
	const char   *current = json_string_at(config, "current-context");
	const size_t  count = json_array_size(contexts);

	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(contexts, i);
		if (*current != '\0' ? strcmp(json_string_at(entry, "name"), current) != 0 : count > 1)
			continue;
		*ret_context = json_object_get(entry, "context");
		return ST_OK;
	}
	if (*current != '\0')
		return fail(err, ST_INVALID, "\"current-context\" names \"%s\", and there is no such context", current);
	return fail(err, ST_INVALID, "has %zu contexts and no \"current-context\", expected one to use", count);
}

static enum status check_config(const json_t *config, struct error *err)
{
	const json_t *context = NULL;
	bool          is_there = false;

	if (!json_is_object(config) || strcmp(json_string_at(config, "kind"), "Config") != 0)
		return fail(err, ST_INVALID, "must be of kind \"Config\", got %s%s%s",
		            json_is_object(config) ? "\"" : "no object", json_string_at(config, "kind"),
		            json_is_object(config) ? "\"" : "");
	enum status st = find_context(config, &context, err);
	if (st != ST_OK)
		return st;

	const char *const cluster = json_string_at(context, "cluster"), *const user = json_string_at(context, "user");
	st = check_list(config, "clusters", "cluster", check_cluster, cluster, &is_there, err);
	if (st == ST_OK && !is_there)
		st = fail(err, ST_INVALID, "its context names cluster \"%s\", and there is no such cluster", cluster);
	if (st == ST_OK)
		st = check_list(config, "users", "user", check_user, user, &is_there, err);
	if (st == ST_OK && !is_there)
		st = fail(err, ST_INVALID, "its context names user \"%s\", and there is no such user", user);
	return st;
}

enum status kubeconfig_check(struct view content, struct error *err)
{
	auto_json *config = NULL;

	if (content.len > KUBECONFIG_MAX)
		return fail(err, ST_TOO_LARGE, "kubeconfig: must be at most %d bytes, got %zu", KUBECONFIG_MAX,
		            content.len);
	enum status st = yaml_read(content, YAML_KUBERNETES, &config, err);
	if (st == ST_OK)
		st = check_config(config, err);
	return st == ST_OK ? ST_OK : fail_within(err, "kubeconfig");
}

emco_status kubeconfig_is_sound(emco_call *call, emco_str content)
{
	struct error err = { .code = ST_OK };

	return hook_end(call, kubeconfig_check(view_from_abi(content), &err), &err);
}
