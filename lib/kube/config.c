/*
 * Everything that a kubeconfig may say beyond the tables below is ignored, as kubectl does; what would run a program, read
 * a file of the daemon's host or weaken verification is refused, because ignoring it would change what the user meant.
 */
#include "lib/kube/config.h"

#include "lib/base/yaml.h"
#include "lib/kube/base64.h"

#include <arpa/inet.h>
#include <curl/curl.h>

enum { CONFIG_MAX = 1 << 20, TOKEN_MAX = 64 << 10, URL_LEN_MAX = 2048, HOST_LEN_MAX = 250 };

struct kube_config {
	struct kube_access access;
	char              *server;
	struct buf         ca, certificate, key;
	char              *texts;        /* of access, one after the other                             */
	size_t             texts_size;
	json_t            *document;     /* while it is read                                           */
};

struct refusal { const char *member, *why, *hint; };

static const struct refusal cluster_refusals[] = {
	{ "certificate-authority", "names a file",                        "Put the certificates into certificate-authority-data." },
	{ "proxy-url",             "asks for a proxy",                    "Clusters are reached directly." },
};

static const struct refusal user_refusals[] = {
	{ "exec",               "asks to run a program", "Use a client certificate or a token in the file itself." },
	{ "auth-provider",      "asks for an authentication provider",
	                                                 "Use a client certificate or a token in the file itself." },
	{ "client-certificate", "names a file",          "Put the certificate into client-certificate-data." },
	{ "client-key",         "names a file",          "Put the key into client-key-data." },
	{ "tokenFile",          "names a file",          "Put the token into token." },
	{ "as",                 "asks for impersonation", "Use the account's own credentials." },
	{ "as-groups",          "asks for impersonation", "Use the account's own credentials." },
	{ "as-uid",             "asks for impersonation", "Use the account's own credentials." },
	{ "as-user-extra",      "asks for impersonation", "Use the account's own credentials." },
};

static bool is_said(const json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) > 0;
	return value != NULL && !json_is_null(value) && !json_is_false(value);
}

static enum status refuse(const json_t *part, const char *what, const char *name, const struct refusal *refusals,
                          size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (is_said(json_object_get(part, refusals[i].member))) {
			fail(err, ST_INVALID, "%s \"%s\" %s (\"%s\"), which is refused", what, name, refusals[i].why,
			     refusals[i].member);
			return fail_hint(err, "%s", refusals[i].hint);
		}
	return ST_OK;
}

/* The entry of that name in `contexts: [{name: ..., context: {...}}]`. */
static enum status entry_of(const json_t *document, const char *list, const char *member, const char *name,
                            const json_t **ret_entry, struct error *err)
{
	json_t *item;
	size_t  i;

	json_array_foreach(json_object_get(document, list), i, item) {
		const char *its_name = json_string_value(json_object_get(item, "name"));
		json_t     *entry = json_object_get(item, member);
		if (its_name == NULL || strcmp(its_name, name) != 0)
			continue;
		if (!json_is_object(entry))
			return fail(err, ST_INVALID, "%s \"%s\" of the kubeconfig is empty", member, name);
		*ret_entry = entry;
		return ST_OK;
	}
	return fail(err, ST_INVALID, "kubeconfig has no %s \"%s\"", member, name);
}

static enum status name_of_context(const json_t *document, const char **ret_name, struct error *err)
{
	const char   *name = json_string_at(document, "current-context");
	const json_t *contexts = json_object_get(document, "contexts");

	if (name[0] == '\0' && json_array_size(contexts) == 1)
		name = json_string_at(json_array_get(contexts, 0), "name");
	if (name[0] == '\0')
		return fail(err, ST_INVALID, "kubeconfig has no \"current-context\"");
	*ret_name = name;
	return ST_OK;
}

/* The member as it stands; absent is "". */
static enum status text_of(const json_t *part, const char *what, const char *name, const char *member,
                           const char **ret_text, struct error *err)
{
	const json_t *value = json_object_get(part, member);

	if (value != NULL && !json_is_string(value) && !json_is_null(value))
		return fail(err, ST_INVALID, "\"%s\" of %s \"%s\" must be a string", member, what, name);
	*ret_text = json_is_string(value) ? json_string_value(value) : "";
	return ST_OK;
}

static enum status pem_of(const json_t *part, const char *what, const char *name, const char *member, struct buf *pem,
                          struct view *ret_pem, struct error *err)
{
	static const char begin[] = "-----BEGIN ";
	const char       *text;
	enum status       st = text_of(part, what, name, member, &text, err);

	if (st != ST_OK || text[0] == '\0')
		return st;
	st = base64_read(pem, view_of(text), err);
	if (st == ST_MALFORMED)
		return fail(err, ST_INVALID, "\"%s\" of %s \"%s\" is no base64", member, what, name);
	if (st != ST_OK)
		return st;
	if (memmem(pem->data, pem->len, begin, sizeof begin - 1) == NULL)
		return fail(err, ST_INVALID, "\"%s\" of %s \"%s\" holds no PEM block", member, what, name);
	*ret_pem = buf_view(pem);
	return ST_OK;
}

/* What may stand in an Authorization header. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* Or nothing at all. */
static bool is_host_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

	return strspn(text, letters) == strlen(text) && strlen(text) <= HOST_LEN_MAX;
}

static bool is_loopback(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return ntohl(address.s_addr) >> 24 == 127;
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static void curl_textp(char **text) { curl_free(*text); }
static void curl_urlp(CURLU **url) { curl_url_cleanup(*url); }

static bool has_part(CURLU *url, CURLUPart part)
{
	CLEANUP(curl_textp) char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK && text != NULL;
}

static enum status server_of(const json_t *cluster, const char *name, char **ret_server, struct error *err)
{
	CLEANUP(curl_textp) char *scheme = NULL, *host = NULL, *all = NULL;
	CLEANUP(curl_urlp) CURLU *url = curl_url();
	const char               *text;
	const enum status         st = text_of(cluster, "cluster", name, "server", &text, err);

	if (st != ST_OK)
		return st;
	if (url == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	if (text[0] == '\0')
		return fail(err, ST_INVALID, "cluster \"%s\" has no \"server\"", name);
	if (strlen(text) > URL_LEN_MAX || !is_plain(text) || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" is no URL", name);
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" must not hold a user or password", name);
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" must not hold a query or fragment", name);
	if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && is_loopback(host)))
		return fail(err, ST_INVALID, "\"server\" of cluster \"%s\" must begin with https://, got %s://", name, scheme);
	if (curl_url_get(url, CURLUPART_URL, &all, 0) != CURLUE_OK || (*ret_server = strdup(all)) == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t len = strlen(*ret_server); len > 0 && (*ret_server)[len - 1] == '/'; len--)
		(*ret_server)[len - 1] = '\0';
	return ST_OK;
}

static enum status read_cluster(struct kube_config *config, const char *name, struct error *err)
{
	const json_t *cluster;
	enum status   st = entry_of(config->document, "clusters", "cluster", name, &cluster, err);

	if (st != ST_OK)
		return st;
	if (is_said(json_object_get(cluster, "insecure-skip-tls-verify"))) {
		fail(err, ST_INVALID, "cluster \"%s\" asks to skip verification (\"insecure-skip-tls-verify\"), which is refused",
		     name);
		return fail_hint(err, "Put the server's authority into certificate-authority-data.");
	}
	st = refuse(cluster, "cluster", name, cluster_refusals, ARRAY_LEN(cluster_refusals), err);
	if (st == ST_OK)
		st = server_of(cluster, name, &config->server, err);
	if (st == ST_OK)
		st = text_of(cluster, "cluster", name, "tls-server-name", &config->access.server_name, err);
	if (st == ST_OK && !is_host_name(config->access.server_name))
		st = fail(err, ST_INVALID, "\"tls-server-name\" of cluster \"%s\" is no host name", name);
	if (st == ST_OK)
		st = pem_of(cluster, "cluster", name, "certificate-authority-data", &config->ca, &config->access.ca, err);
	if (st == ST_OK)
		config->access.server = config->server;
	return st;
}

static enum status read_user(struct kube_config *config, const char *name, struct error *err)
{
	struct kube_access *access = &config->access;
	const json_t       *user;
	enum status         st = entry_of(config->document, "users", "user", name, &user, err);

	if (st == ST_OK)
		st = refuse(user, "user", name, user_refusals, ARRAY_LEN(user_refusals), err);
	if (st == ST_OK)
		st = pem_of(user, "user", name, "client-certificate-data", &config->certificate, &access->certificate, err);
	if (st == ST_OK)
		st = pem_of(user, "user", name, "client-key-data", &config->key, &access->key, err);
	if (st == ST_OK)
		st = text_of(user, "user", name, "token", &access->token, err);
	if (st == ST_OK)
		st = text_of(user, "user", name, "username", &access->user, err);
	if (st == ST_OK)
		st = text_of(user, "user", name, "password", &access->password, err);
	if (st != ST_OK)
		return st;
	if ((access->certificate.len > 0) != (access->key.len > 0))
		return fail(err, ST_INVALID, "user \"%s\" has a client %s without its %s", name,
		            access->key.len > 0 ? "key" : "certificate", access->key.len > 0 ? "certificate" : "key");
	if (!is_plain(access->token) || strlen(access->token) > TOKEN_MAX)
		return fail(err, ST_INVALID, "\"token\" of user \"%s\" is no token: blanks, control characters or too long", name);
	if (strchr(access->user, ':') != NULL)
		return fail(err, ST_INVALID, "\"username\" of user \"%s\" must not hold \":\"", name);
	return ST_OK;
}

static enum status read_document(struct kube_config *config, struct error *err)
{
	const json_t *context;
	const char   *name, *cluster, *user;
	enum status   st = ST_OK;

	if (json_string_at(config->document, "kind")[0] != '\0' && strcmp(json_string_at(config->document, "kind"), "Config") != 0)
		return fail(err, ST_INVALID, "not a kubeconfig: expected \"kind\" \"Config\", got \"%s\"",
		            json_string_at(config->document, "kind"));
	if (!json_is_object(config->document) ||
	    (json_object_get(config->document, "clusters") == NULL && json_object_get(config->document, "contexts") == NULL))
		return fail(err, ST_INVALID, "not a kubeconfig: it has no \"clusters\" and no \"contexts\"");
	st = name_of_context(config->document, &name, err);
	if (st == ST_OK)
		st = entry_of(config->document, "contexts", "context", name, &context, err);
	if (st == ST_OK)
		st = text_of(context, "context", name, "cluster", &cluster, err);
	if (st == ST_OK)
		st = text_of(context, "context", name, "user", &user, err);
	if (st == ST_OK)
		st = text_of(context, "context", name, "namespace", &config->access.namespace_, err);
	if (st == ST_OK && cluster[0] == '\0')
		st = fail(err, ST_INVALID, "context \"%s\" names no cluster", name);
	if (st == ST_OK)
		st = read_cluster(config, cluster, err);
	if (st == ST_OK && user[0] != '\0')
		st = read_user(config, user, err);
	return st;
}

/* Tokens and keys stand among the strings of the document; none of them is shared. */
static void wipe(const json_t *value)
{
	const char   *name;
	const json_t *item;
	size_t        i;

	if (json_is_string(value)) {
		union { const char *in; char *out; } same = { .in = json_string_value(value) };
		explicit_bzero(same.out, json_string_length(value));
	}
	json_array_foreach(value, i, item)
		wipe(item);
	json_object_foreach(json_for_reading(value), name, item)
		wipe(item);
}

static void drop_document(struct kube_config *config)
{
	wipe(config->document);
	json_decref(config->document);
	config->document = NULL;
}

/* A file is a hundred times what is needed of it, and may hold the secrets of other users and clusters. */
static enum status keep_texts(struct kube_config *config, struct error *err)
{
	struct kube_access *access = &config->access;
	const char **const  texts[] = { &access->server_name, &access->namespace_, &access->token, &access->user, &access->password };
	char               *at;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		config->texts_size += strlen(*texts[i]) + 1;
	at = config->texts = malloc(config->texts_size);
	if (at == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const size_t size = strlen(*texts[i]) + 1;

		*texts[i] = memcpy(at, *texts[i], size);
		at += size;
	}
	drop_document(config);
	return ST_OK;
}

enum status kube_config_read(struct view kubeconfig, struct kube_config **ret_config, struct error *err)
{
	struct kube_config *config;
	enum status         st;

	if (kubeconfig.len > CONFIG_MAX)
		return fail(err, ST_TOO_LARGE, "kubeconfig of more than %d bytes", CONFIG_MAX);
	config = calloc(1, sizeof *config);
	if (config == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	buf_init(&config->ca, CONFIG_MAX);
	buf_init(&config->certificate, CONFIG_MAX);
	buf_init(&config->key, CONFIG_MAX);
	config->access = (struct kube_access) {
		.server = "", .server_name = "", .namespace_ = "", .ca = VIEW(""), .certificate = VIEW(""), .key = VIEW(""),
		.token = "", .user = "", .password = "",
	};
	st = yaml_read(kubeconfig, YAML_KUBERNETES, &config->document, err);
	if (st == ST_OK)
		st = read_document(config, err);
	else
		fail_within(err, "kubeconfig");
	if (st == ST_OK)
		st = keep_texts(config, err);
	if (st != ST_OK) {
		kube_config_free(config);
		return st;
	}
	*ret_config = config;
	return ST_OK;
}

static void wipe_buf(struct buf *buf)
{
	if (buf->cap > 0)
		explicit_bzero(buf->data, buf->cap);
	buf_done(buf);
}

void kube_config_free(struct kube_config *config)
{
	if (config == NULL)
		return;
	drop_document(config);
	if (config->texts != NULL)
		explicit_bzero(config->texts, config->texts_size);
	free(config->texts);
	wipe_buf(&config->ca);
	wipe_buf(&config->certificate);
	wipe_buf(&config->key);
	free(config->server);
	free(config);
}

const struct kube_access *kube_config_access(const struct kube_config *config)
{
	return &config->access;
}
