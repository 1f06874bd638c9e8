/*
 * fanout_loop.c - the limit: libcurl's multi handles, one a thread, and nothing that a program would need besides.
 *
 * Handles are set up once and used again; only path and body change.
 */
#include "tests/bench/fanout.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, PATH_MAX_BYTES = 1024, CONNECTIONS = 4 * HOSTS_A_SHARD, EVENTS_MAX = 128 };

struct shard {
	const struct fanout *fanout;
	size_t               number;
	CURLM               *multi;
	CURL               **idle;
	size_t               idle_count;
	int                  epoll;
	long                 timeout_ms;
	size_t               away;           /* requests under way */
	struct curl_slist   *head;
	struct shard_work    work;
	struct buf          *bodies;
	bool                 is_connecting;
};

static struct shard shards[SHARDS_MAX];

static size_t take_body(char *bytes, size_t one, size_t len, void *data)
{
	struct buf *answer = data;

	(void) one;
	return buf_add(answer, bytes, len, NULL) == ST_OK ? len : 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
	struct shard      *shard = data;
	struct epoll_event event = { .data.fd = fd };

	(void) easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(shard->epoll, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
	if (epoll_ctl(shard->epoll, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
		epoll_ctl(shard->epoll, known == NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(shard->multi, fd, shard);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *data)
{
	struct shard *shard = data;

	(void) multi;
	shard->timeout_ms = ms;
	return 0;
}

static struct curl_blob blob_of(struct view bytes)
{
	union { const char *in; void *out; } same = { .in = bytes.ptr };

	return (struct curl_blob) { .data = same.out, .len = bytes.len, .flags = CURL_BLOB_NOCOPY };
}

static CURL *easy_new(struct shard *shard)
{
	const struct kube_access *access = kube_config_access(shard->fanout->hosts[0].config);
	struct curl_blob          ca = blob_of(access->ca), certificate = blob_of(access->certificate), key = blob_of(access->key);
	CURL                     *easy = curl_easy_init();
	struct buf               *answer = calloc(1, sizeof *answer);

	buf_init(answer, BODY_MAX);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
	if (certificate.len > 0) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
		curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
	}
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, answer);
	return easy;
}

/* false: nothing is left to be begun. */
static bool begin_next(struct shard *shard)
{
	const struct fanout *fanout = shard->fanout;
	struct buf           url = BUF(PATH_MAX_BYTES), path = BUF(PATH_MAX_BYTES);
	size_t               host, object;

	if (!fanout_next(fanout, &shard->work, shard->number, &host, &object) || (shard->is_connecting && object > 0))
		return false;
	CURL *easy = shard->idle_count > 0 ? shard->idle[--shard->idle_count] : easy_new(shard);
	fanout_path(object, &path);
	IGNORE(buf_printf(&url, NULL, "%s%s", kube_config_access(fanout->hosts[host].config)->server,
	                  shard->is_connecting ? "/api/v1" : path.data));
	curl_easy_setopt(easy, CURLOPT_URL, url.data);
	if (shard->is_connecting) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);        /* a type without a body is not acceptable */
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
	} else {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) shard->bodies[object].len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, shard->bodies[object].data);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PATCH");
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, shard->head);
	}
	curl_multi_add_handle(shard->multi, easy);
	shard->away++;
	buf_done(&url);
	buf_done(&path);
	return true;
}

static void read_messages(struct shard *shard)
{
	const CURLMsg *message;
	int            left;

	while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
		CURL  *easy = message->easy_handle;
		char  *answer = NULL;
		long   code = 0;

		if (message->data.result != CURLE_OK)
			fanout_die("a request", curl_easy_strerror(message->data.result));
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &answer);
		if (code != 200 && code != 201)
			fanout_die("the server refuses a request", ((struct buf *) (void *) answer)->data);
		buf_clear((struct buf *) (void *) answer);
		curl_multi_remove_handle(shard->multi, easy);
		shard->idle[shard->idle_count++] = easy;
		shard->away--;
		begin_next(shard);
	}
}

static void *shard_run(void *data)
{
	struct shard      *shard = data;
	struct epoll_event event[EVENTS_MAX];
	int                running;

	for (size_t i = 0; i < shard->fanout->in_flight && begin_next(shard); i++)
		continue;
	while (shard->away > 0) {
		const int count = epoll_wait(shard->epoll, event, EVENTS_MAX, (int) shard->timeout_ms);

		if (count == 0 || shard->timeout_ms == 0) {
			shard->timeout_ms = -1;          /* told of once */
			curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		for (int i = 0; i < count; i++) {
			const int what = (event[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (event[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			                 (event[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
			curl_multi_socket_action(shard->multi, event[i].data.fd, what, &running);
		}
		read_messages(shard);
	}
	return NULL;
}

static void run_all(const struct fanout *fanout, bool is_connecting)
{
	pthread_t   threads[SHARDS_MAX];
	struct buf *bodies = calloc(fanout->objects, sizeof *bodies);

	for (size_t i = 0; i < fanout->objects; i++) {
		buf_init(&bodies[i], BODY_MAX);
		fanout_body(fanout, i, &bodies[i]);
	}
	for (size_t i = 0; i < fanout->shards; i++) {
		shards[i].bodies = bodies;
		shards[i].is_connecting = is_connecting;
		atomic_store(&shards[i].work.next, 0);
		if (pthread_create(&threads[i], NULL, shard_run, &shards[i]) != 0)
			fanout_die("a thread", "could not be started");
	}
	for (size_t i = 0; i < fanout->shards; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < fanout->objects; i++)
		buf_done(&bodies[i]);
	free(bodies);
}

static void connect_all(const struct fanout *fanout)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (size_t i = 0; i < fanout->shards; i++) {
		struct shard *shard = &shards[i];

		shard->fanout = fanout;
		shard->number = i;
		shard->multi = curl_multi_init();
		shard->idle = calloc(fanout->in_flight + 1, sizeof(CURL *));
		shard->epoll = epoll_create1(EPOLL_CLOEXEC);
		shard->head = curl_slist_append(NULL, "Content-Type: application/apply-patch+yaml");
		shard->head = curl_slist_append(shard->head, "Accept: application/json");
		curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
		curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
		curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
		curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
		curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
		curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long) CONNECTIONS);
	}
	run_all(fanout, true);
}

static void run(const struct fanout *fanout)
{
	run_all(fanout, false);
}

const struct fanout_way fanout_loop = { .name = "loop", .connect = connect_all, .run = run };
