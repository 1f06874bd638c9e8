/*
 * settings.c - a kubeconfig made ready for libcurl, and the open sockets of a cluster.
 */
#include "lib/kube/kube_priv.h"

#include "lib/kube/base64.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTHORIZATION_MAX = 128 << 10 };

/* A peer that is silent is asked whether it lives; what nobody acknowledges for so long is a broken connection. */
enum { KEEPALIVE_IDLE_S = 15, KEEPALIVE_EVERY_S = 5, KEEPALIVE_TIMES = 3, UNACKNOWLEDGED_MS = 30000 };

static enum status write_authorization(struct buf *to, const struct kube_access *access, struct error *err)
{
	enum status st;

	if (access->token[0] != '\0')
		return buf_printf(to, err, "Authorization: Bearer %s", access->token);
	if (access->user[0] == '\0' && access->password[0] == '\0')
		return ST_OK;
	struct buf pair = BUF(AUTHORIZATION_MAX / 2);
	st = buf_printf(&pair, err, "%s:%s", access->user, access->password);
	if (st == ST_OK)
		st = buf_add_text(to, "Authorization: Basic ", err);
	if (st == ST_OK)
		st = base64_write(to, buf_view(&pair), err);
	if (pair.cap > 0)
		explicit_bzero(pair.data, pair.cap);
	buf_done(&pair);
	return st;
}

static void curl_textp(char **text) { curl_free(*text); }
static void curl_urlp(CURLU **url) { curl_url_cleanup(*url); }

/*
 * tls-server-name: libcurl has no option for it.  So the URL bears that name, which is then sent and verified, and
 * connections are led to the server itself.
 */
static bool set_server(struct settings *settings, const struct kube_access *access)
{
	CLEANUP(curl_textp) char *host = NULL, *port = NULL, *base = NULL;
	CLEANUP(curl_urlp) CURLU *url = curl_url();
	char                      lead[1024];

	if (access->server_name[0] == '\0') {
		settings->base = strdup(access->server);
		return settings->base != NULL;
	}
	if (url == NULL || curl_url_set(url, CURLUPART_URL, access->server, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_HOST, access->server_name, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_URL, &base, 0) != CURLUE_OK)
		return false;
	snprintf(lead, sizeof lead, "%.250s:%s:%.250s:%s", access->server_name, port, host, port);
	settings->connect_to = curl_slist_append(NULL, lead);
	settings->base = strdup(base);
	for (size_t len = settings->base != NULL ? strlen(settings->base) : 0; len > 0 && settings->base[len - 1] == '/'; len--)
		settings->base[len - 1] = '\0';
	return settings->base != NULL && settings->connect_to != NULL;
}

struct settings *settings_new(struct kube_config *config)
{
	struct settings *settings = calloc(1, sizeof *settings);
	struct error     err;

	if (settings == NULL) {
		kube_config_free(config);
		return NULL;
	}
	atomic_init(&settings->refs, 1);
	settings->config = config;
	buf_init(&settings->authorization, AUTHORIZATION_MAX);
	snprintf(settings->host, sizeof settings->host, "%s", kube_config_access(config)->server);
	if (!set_server(settings, kube_config_access(config)) ||
	    write_authorization(&settings->authorization, kube_config_access(config), &err) != ST_OK) {
		settings_unref(settings);
		return NULL;
	}
	return settings;
}

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *item = list; item != NULL; item = item->next)
		explicit_bzero(item->data, strlen(item->data));
	curl_slist_free_all(list);
}

void settings_unref(struct settings *settings)
{
	if (settings == NULL || atomic_fetch_sub(&settings->refs, 1) > 1)
		return;
	for (size_t i = 0; i < settings->header_lists; i++)
		free_headers(settings->headers[i].list);
	if (settings->authorization.cap > 0)
		explicit_bzero(settings->authorization.data, settings->authorization.cap);
	buf_done(&settings->authorization);
	curl_slist_free_all(settings->connect_to);
	free(settings->base);
	kube_config_free(settings->config);
	free(settings);
}

static bool add_header(struct curl_slist **list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

const struct curl_slist *settings_headers(struct settings *settings, const char *content_type)
{
	struct header_list *made = settings->headers;
	struct curl_slist  *list = NULL;
	char                type[sizeof made->content_type + 16];

	for (size_t i = 0; i < settings->header_lists; i++, made++)
		if (strcmp(made->content_type, content_type) == 0)
			return made->list;
	if (settings->header_lists == HEADER_LISTS)
		return NULL;
	snprintf(made->content_type, sizeof made->content_type, "%s", content_type);
	snprintf(type, sizeof type, "Content-Type: %s", content_type);
	if (!add_header(&list, "Accept: application/json") || !add_header(&list, "Expect:") ||
	    (content_type[0] != '\0' && !add_header(&list, type)) ||
	    (settings->authorization.len > 0 && !add_header(&list, settings->authorization.data))) {
		free_headers(list);
		return NULL;
	}
	made->list = list;
	settings->header_lists++;
	return list;
}

/* -- sockets -- */

/*
 * NOTE: libcurl closes a socket that never came to a connection without a word, and its number is soon another's, of the
 * database perhaps: only what still is the socket we have made may be shut down.
 */
static void forget_closed(struct sockets *sockets)
{
	struct stat about;

	for (size_t i = 0; i < sockets->count;)
		if (fstat(sockets->open[i].fd, &about) == 0 && S_ISSOCK(about.st_mode) && about.st_ino == sockets->open[i].inode)
			i++;
		else
			sockets->open[i] = sockets->open[--sockets->count];
}

curl_socket_t sockets_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	static const struct { int level, name, value; } options[] = {
		{ SOL_SOCKET,  SO_KEEPALIVE,     1                 },
		{ IPPROTO_TCP, TCP_KEEPIDLE,     KEEPALIVE_IDLE_S  },
		{ IPPROTO_TCP, TCP_KEEPINTVL,    KEEPALIVE_EVERY_S },
		{ IPPROTO_TCP, TCP_KEEPCNT,      KEEPALIVE_TIMES   },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS },
	};
	struct sockets *sockets = data;
	struct stat     about;

	(void) purpose;
	forget_closed(sockets);
	if (sockets->count == sockets->cap) {
		const size_t cap = sockets->cap > 0 ? 2 * sockets->cap : 4;
		struct open_socket *more = realloc(sockets->open, cap * sizeof *more);
		if (more == NULL)
			return CURL_SOCKET_BAD;
		sockets->open = more;
		sockets->cap = cap;
	}
	const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (fstat(fd, &about) != 0) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
	sockets->open[sockets->count++] = (struct open_socket) { fd, about.st_ino };
	return fd;
}

static void free_unused(struct sockets *sockets)
{
	if (sockets->has_owner || sockets->count > 0)
		return;
	free(sockets->open);
	free(sockets);
}

int sockets_close(void *data, curl_socket_t fd)
{
	struct sockets *sockets = data;

	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->open[i].fd == fd) {
			sockets->open[i] = sockets->open[--sockets->count];
			break;
		}
	close(fd);
	free_unused(sockets);
	return 0;
}

void sockets_break(struct sockets *sockets)
{
	forget_closed(sockets);
	for (size_t i = 0; i < sockets->count; i++)
		shutdown(sockets->open[i].fd, SHUT_RDWR);
}

void sockets_let_go(struct sockets *sockets)
{
	if (sockets == NULL)
		return;
	sockets_break(sockets);
	sockets->has_owner = false;
	free_unused(sockets);
}
