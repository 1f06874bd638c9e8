/*
 * request.c - one request: from kube_send() to its call back.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"
#include "lib/kube/pages.h"

#include <assert.h>

/* A server that says "Retry-After: 0" does not mean at once. */
static const int64_t retry_min_ns = 100000000;

/*
 * How much longer a connection may take for each other that is made at the same time: a thousand TLS handshakes keep the
 * processors busy for seconds, and that is no fault of the clusters.
 */
static const int64_t patience_ns = 20000000;

enum { URL_MAX = 16 << 10, LOCATION_MAX = 128 << 10, DOWNLOAD_BUFFER = 16 << 10, UPLOAD_BUFFER = 16 << 10, SECRET_MIN = 8 };

static void *copy_in(char **to, const void *bytes, size_t len)
{
	char *at = *to;

	if (len > 0)
		memcpy(at, bytes, len);
	at[len] = '\0';
	*to += len + 1;
	return at;
}

struct call *call_new(struct kube_cluster *cluster, const struct kube_request *request, kube_done *done, void *data)
{
	const size_t path_len = strlen(request->path);
	struct call *call = calloc(1, sizeof *call + path_len + 1 + request->body.len + 1);
	char        *room = (char *) (call + 1);

	if (call == NULL)
		return NULL;
	call->path = copy_in(&room, request->path, path_len);
	call->body = (struct view) { copy_in(&room, request->body.ptr, request->body.len), request->body.len };
	snprintf(call->method, sizeof call->method, "%s", request->method);
	snprintf(call->content_type, sizeof call->content_type, "%s",
	         request->content_type != NULL ? request->content_type : "");
	call->deadline_ns = request->deadline_ns;
	call->is_hurried = request->is_hurried;
	call->done = done;
	call->data = data;
	buf_init(&call->answer, KUBE_ANSWER_MAX);
	call->cluster = cluster;
	cluster_keep(cluster);
	return call;
}

struct call *call_new_task(struct kube_cluster *cluster, call_task *task, void *data)
{
	struct call *call = calloc(1, sizeof *call);

	if (call == NULL)
		return NULL;
	call->task = task;
	call->data = data;
	buf_init(&call->answer, 0);
	call->cluster = cluster;
	cluster_keep(cluster);
	return call;
}

void kube_send(struct kube_cluster *cluster, const struct kube_request *request, kube_done *done, void *data)
{
	struct call *call = call_new(cluster, request, done, data);
	struct error err;

	if (call != NULL) {
		loop_post(cluster->loop, call);
		return;
	}
	fail(&err, ST_NO_MEMORY, "out of memory");
	done(data, ST_NO_MEMORY, NULL, &err);
}

/* -- libcurl's handle -- */

static void set_connecting(struct call *call, bool is_connecting)
{
	if (is_connecting != call->is_connecting)
		call->cluster->loop->connecting += is_connecting ? 1U : -1U;
	call->is_connecting = is_connecting;
}

/* NOTE: a handle keeps the room for what it has sent, 64 KB, until this is set, and the next use may be a watch for days. */
static void bound_upload(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long) UPLOAD_BUFFER);
}

static void put_easy(struct call *call)
{
	struct loop *loop = call->cluster->loop;

	set_connecting(call, false);
	if (call->easy == NULL)
		return;
	curl_multi_remove_handle(loop->multi, call->easy);
	curl_easy_reset(call->easy);
	bound_upload(call->easy);
	if (call->bytes == NULL && loop->easy_count < EASY_IDLE_MAX)      /* a stream's buffer is none for requests, nor theirs for it */
		loop->easy[loop->easy_count++] = call->easy;
	else
		curl_easy_cleanup(call->easy);
	call->easy = NULL;
}

static void call_free(struct call *call)
{
	struct loop *loop = call->cluster->loop;

	assert(call->state != CALL_WAITING);
	TAILQ_REMOVE(&loop->calls, call, link);
	timer_unset(&loop->timers, &call->timer);
	put_easy(call);
	settings_unref(call->settings);
	buf_done(&call->answer);
	kube_cluster_unref(call->cluster);
	free(call);
}

static size_t on_header(char *line, size_t one, size_t len, void *data)
{
	struct call *call = data;

	(void) line;
	if (!call->is_answered) {
		call->is_answered = true;
		set_connecting(call, false);
		cluster_answered(call->cluster);
	}
	return one * len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *data)
{
	struct call *call = data;
	long         code = 0;

	len *= one;
	if (call->bytes != NULL) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
		if (code == 200)
			return call->bytes(call->data, (struct view) { bytes, len }) ? len : 0;
	}
	return buf_add(&call->answer, bytes, len, NULL) == ST_OK ? len : 0;
}

static struct curl_blob blob_of(struct view bytes)
{
	union { const char *in; void *out; } same = { .in = bytes.ptr };

	return (struct curl_blob) { .data = same.out, .len = bytes.len, .flags = CURL_BLOB_NOCOPY };
}

/* NOTE: libcurl keeps pointers into the settings, which the call therefore holds while it runs. */
static void set_identity(CURL *easy, const struct kube_access *access)
{
	struct curl_blob ca = blob_of(access->ca), certificate = blob_of(access->certificate), key = blob_of(access->key);

	/* NOTE: a blob takes the place of the system's file of authorities, but not of its folder, which would be trusted too. */
	if (ca.len > 0) {
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (certificate.len > 0) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
		curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
	}
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);     /* kept by handle, and a cluster has none of its own */
}

/* What every transfer has in common: verified, direct, bounded in time, and none of the caller's environment. */
static void set_common(struct call *call)
{
	const struct kube_options *options = &call->cluster->kube->options;
	const struct kube_access  *access = kube_config_access(call->settings->config);
	CURL                      *easy = call->easy;
	const bool                 is_tls = strncmp(access->server, "https:", 6) == 0;
	const long                 left_ms = deadline_left_ms(call->deadline_ns);

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
	                 is_tls && !options->http1 ? (long) CURL_HTTP_VERSION_2TLS : (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, is_tls && !options->http1 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);      /* else a slow name server would hold up the loop */
#endif
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long) (call->bytes != NULL ? PAGES_MIN : DOWNLOAD_BUFFER));
	bound_upload(easy);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	                 (long) ((options->connect_ns + call->cluster->loop->connecting * patience_ns) / 1000000));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms > 0 ? left_ms : 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, sockets_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call->cluster->sockets);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, sockets_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->cluster->sockets);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	set_identity(easy, access);
}

/*
 * NOTE: when the whole process stood still, the time of a request may be over between its headers and its body, and who asked
 * may have lost the right to it.  libcurl looks at the time before, so this is the last place to look.
 */
static size_t on_send(char *room, size_t size, size_t count, void *data)
{
	struct call *call = data;
	const size_t left = call->body.len - call->sent, len = left < size * count ? left : size * count;

	if (deadline_past(call->deadline_ns))
		return CURL_READFUNC_ABORT;
	if (len > 0)
		memcpy(room, call->body.ptr + call->sent, len);
	call->sent += len;
	return len;
}

/* libcurl sends a request again when its connection turns out to be dead. */
static int on_rewind(void *data, curl_off_t offset, int origin)
{
	struct call *call = data;

	if (origin != SEEK_SET || offset < 0 || (uint64_t) offset > call->body.len)
		return CURL_SEEKFUNC_FAIL;
	call->sent = (size_t) offset;
	return CURL_SEEKFUNC_OK;
}

static bool set_request(struct call *call)
{
	const struct curl_slist *headers = settings_headers(call->settings, call->content_type);
	auto_buf                 url = BUF(URL_MAX);

	if (headers == NULL || buf_printf(&url, NULL, "%s%s", call->settings->base, call->path) != ST_OK)
		return false;
	if (call->settings->connect_to != NULL)
		curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->settings->connect_to);
	if (call->body.len > 0) {
		call->sent = 0;
		curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->body.len);
		curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
		curl_easy_setopt(call->easy, CURLOPT_SEEKFUNCTION, on_rewind);
		curl_easy_setopt(call->easy, CURLOPT_SEEKDATA, call);
	}
	curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, headers);
	return curl_easy_setopt(call->easy, CURLOPT_URL, url.data) == CURLE_OK;
}

static void fail_to_start(struct call *call)
{
	struct error err;

	fail(&err, ST_NO_MEMORY, "cluster \"%s\": out of memory, or a path too long", call->cluster->name);
	call_fail(call, ST_NO_MEMORY, &err);
}

void call_start(struct call *call)
{
	struct kube_cluster *cluster = call->cluster;
	struct loop         *loop = cluster->loop;

	call->state = CALL_RUNNING;
	call->started_ns = clock_ns();
	if (call->bytes == NULL)
		cluster_began(call);
	atomic_fetch_add(&cluster->requests, 1);
	buf_clear(&call->answer);
	call->is_answered = false;
	call->error[0] = '\0';
	settings_unref(call->settings);
	call->settings = cluster_settings(cluster);
	call->easy = call->bytes == NULL && loop->easy_count > 0 ? loop->easy[--loop->easy_count] : curl_easy_init();
	if (call->easy == NULL) {
		fail_to_start(call);
		return;
	}
	set_connecting(call, !cluster->is_connected);
	set_common(call);
	if (!set_request(call) || curl_multi_add_handle(loop->multi, call->easy) != CURLM_OK)
		fail_to_start(call);
}

/* -- the end -- */

static void go_on(struct timer *timer)
{
	struct call *call = TIMER_OWNER(timer, struct call, timer);

	call->state = CALL_POSTED;
	cluster_offer(call);
}

/* Wait as long as the server asked for, when there is time for it. */
static bool may_repeat(struct call *call, const struct kube_answer *answer)
{
	const int64_t pause_ns = answer->retry_after_ns < retry_min_ns ? retry_min_ns : answer->retry_after_ns;

	if ((answer->code != 429 && answer->code != 503) || !answer->has_retry_after || call->bytes != NULL ||
	    clock_ns() + pause_ns >= call->deadline_ns)
		return false;
	put_easy(call);
	call->state = CALL_PAUSED;
	call->timer.fire = go_on;
	timer_set(&call->cluster->loop->timers, &call->timer, clock_ns() + pause_ns);
	cluster_ended(call);
	return true;
}

static bool has_retry_after(const struct call *call)
{
	struct curl_header *header;

	return curl_easy_header(call->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
}

/* What is very short is a word as well. */
void call_hide_credential(const struct call *call, char *text, size_t text_len)
{
	const struct view authorization = buf_view(&call->settings->authorization);
	const char       *scheme = memchr(authorization.ptr, ':', authorization.len);
	const char       *secret = scheme != NULL ? strchr(scheme + 2, ' ') + 1 : NULL;
	const size_t      len = secret != NULL ? strlen(secret) : 0;
	char             *at = text, *const end = text + text_len;

	while (len >= SECRET_MIN && at < end && (at = memmem(at, (size_t) (end - at), secret, len)) != NULL) {
		memset(at, '*', len);
		at += len;
	}
}

static void finish_answered(struct call *call)
{
	struct kube_answer answer = { .body = buf_view(&call->answer) };
	char              *location = NULL;
	auto_buf           place = BUF(LOCATION_MAX);
	long               code = 0;
	curl_off_t         retry_after_s = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &location);
	answer.code = (int) code;
	if (code < 200 || code > 299 || answer.body.len == 0 || answer.body.ptr[0] != '{')
		call_hide_credential(call, call->answer.data, call->answer.len);
	answer.has_retry_after = has_retry_after(call);
	answer.retry_after_ns = retry_after_s < 0 || retry_after_s > 86400 ? 0 : retry_after_s * 1000000000;
	if (location != NULL && buf_add_text(&place, location, NULL) == ST_OK) {
		call_hide_credential(call, place.data, place.len);
		answer.location = buf_view(&place);
	}
	if (may_repeat(call, &answer))
		return;
	put_easy(call);
	cluster_ended(call);
	call->done(call->data, ST_OK, &answer, NULL);
	call_free(call);
}

struct trouble { CURLcode code; enum status st; const char *hint; };

static const struct trouble troubles[] = {
	{ CURLE_OPERATION_TIMEDOUT,       ST_DEADLINE,    "It did not answer in time: check that it runs, and the network between." },
	{ CURLE_ABORTED_BY_CALLBACK,      ST_DEADLINE,    "This process stood still meanwhile." },
	{ CURLE_OUT_OF_MEMORY,            ST_NO_MEMORY,   "" },
	{ CURLE_COULDNT_RESOLVE_HOST,     ST_UNAVAILABLE, "Check the name in \"server\" of the kubeconfig." },
	{ CURLE_COULDNT_CONNECT,          ST_UNAVAILABLE, "Check that the API server runs, and \"server\" of the kubeconfig." },
	{ CURLE_SSL_CONNECT_ERROR,        ST_UNAVAILABLE, "What answers there does not speak TLS as an API server does: check "
	                                                  "\"server\" of the kubeconfig." },
	{ CURLE_PEER_FAILED_VERIFICATION, ST_UNAVAILABLE, "Compare certificate-authority-data and server of the kubeconfig with "
	                                                  "the certificate that the server shows." },
	{ CURLE_SSL_CERTPROBLEM,          ST_UNAVAILABLE, "Check the client's certificate and key in the kubeconfig." },
	{ CURLE_SSL_CACERT_BADFILE,       ST_UNAVAILABLE, "Check certificate-authority-data of the kubeconfig." },
	{ CURLE_UNSUPPORTED_PROTOCOL,     ST_UPSTREAM,    "The server does not speak HTTP: check \"server\" of the kubeconfig." },
	{ CURLE_WEIRD_SERVER_REPLY,       ST_UPSTREAM,    "The server does not speak HTTP: check \"server\" of the kubeconfig." },
	{ CURLE_OK,                       ST_UNAVAILABLE, "" },
};

/* libcurl keeps to itself why it could not connect. */
static const char *words_of(const struct call *call, CURLcode code, char words[CURL_ERROR_SIZE])
{
	long reason = 0;

	if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &reason) == CURLE_OK && reason > 0)
		snprintf(words, CURL_ERROR_SIZE, "could not connect: %s", strerrordesc_np((int) reason));
	else
		snprintf(words, CURL_ERROR_SIZE, "%s", call->error[0] != '\0' ? call->error : curl_easy_strerror(code));
	return words;
}

static enum status describe(const struct call *call, CURLcode code, struct error *err)
{
	const struct trouble *trouble = troubles;
	char                  words[CURL_ERROR_SIZE];

	while (trouble->code != CURLE_OK && trouble->code != code)
		trouble++;
	if (code == CURLE_WRITE_ERROR && call->bytes == NULL) {
		fail(err, ST_TOO_LARGE, "cluster \"%s\" at %s: an answer of more than %zu bytes", call->cluster->name,
		     call->settings->host, call->answer.max);
		return fail_hint(err, "No API server answers like this: check \"server\" of the kubeconfig.");
	}
	fail(err, trouble->st, "cluster \"%s\" at %s: %s", call->cluster->name, call->settings->host, words_of(call, code, words));
	return trouble->hint[0] != '\0' ? fail_hint(err, "%s", trouble->hint) : err->code;
}

void call_finish(struct call *call, CURLcode code)
{
	struct error err;

	if (code == CURLE_OK) {
		finish_answered(call);
		return;
	}
	const bool        is_shut = cluster_shuts_out(call);
	const enum status st = describe(call, code, &err);
	put_easy(call);
	if (!call->is_answered)
		cluster_failed(call, code, &err);
	if (is_shut)
		cluster_refuse(call);
	else
		call_fail(call, st, &err);
}

static void leave(struct call *call)
{
	if (call->state == CALL_WAITING)
		cluster_unqueue(call);
	put_easy(call);
	if (call->task == NULL)
		cluster_ended(call);
}

void call_fail(struct call *call, enum status st, const struct error *err)
{
	leave(call);
	if (call->task == NULL)
		call->done(call->data, st, NULL, err);
	call_free(call);
}

void call_cancel(struct call *call)
{
	leave(call);
	call_free(call);
}

void call_here(struct call *call)
{
	TAILQ_INSERT_TAIL(&call->cluster->loop->calls, call, link);
	cluster_offer(call);
}
