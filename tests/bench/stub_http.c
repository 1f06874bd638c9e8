/*
 * stub_http.c - TLS and HTTP/2 of the stub's hosts.
 */
#include "tests/bench/stub.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD = 16 << 10, BODY_MAX = 4 << 20, PATH_MAX_BYTES = 16 << 10, OUT_MAX = 64 << 20, STREAMS_MAX = 250 };

struct conn {
	enum ready_what   what;
	LIST_ENTRY(conn)  link;
	struct host      *host;
	int               fd;
	SSL              *tls;
	nghttp2_session  *session;
	char             *waiting;       /* what the socket did not take; NULL: nothing */
	size_t            waiting_len;
	bool              is_open, is_busy;
};

static SSL_CTX                   *context;
static nghttp2_session_callbacks *callbacks;

static int choose_h2(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *data)
{
	static const unsigned char h2[] = "\x02h2";
	union { const unsigned char **in; unsigned char **out; } same = { .in = out };

	(void) tls, (void) data;
	return SSL_select_next_proto(same.out, out_len, h2, sizeof h2 - 1, in, in_len) == OPENSSL_NPN_NEGOTIATED
	       ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* -- streams -- */

static void stream_free(struct stream *stream)
{
	if (stream->is_watch)
		LIST_REMOVE(stream, link);
	buf_done(&stream->path);
	buf_done(&stream->body);
	buf_done(&stream->out);
	free(stream);
}

static struct stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
	struct conn   *conn = data;
	struct stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = calloc(1, sizeof *stream);
	if (stream == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	stream->conn = conn;
	stream->host = conn->host;
	stream->id = frame->hd.stream_id;
	buf_init(&stream->path, PATH_MAX_BYTES);
	buf_init(&stream->body, BODY_MAX);
	buf_init(&stream->out, OUT_MAX);
	return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
	struct stream *stream = stream_of(session, frame->hd.stream_id);

	(void) flags, (void) data;
	if (stream == NULL || name[0] != ':')
		return 0;
	if (name_len == 5 && memcmp(name, ":path", 5) == 0)
		return buf_add(&stream->path, value, value_len, NULL) == ST_OK ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (name_len == 7 && memcmp(name, ":method", 7) == 0 && value_len < sizeof stream->method)
		memcpy(stream->method, value, value_len);
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len, void *data)
{
	struct stream *stream = stream_of(session, id);

	(void) flags, (void) data;
	if (stream == NULL)
		return 0;
	return buf_add(&stream->body, bytes, len, NULL) == ST_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
	struct stream *stream;

	(void) data;
	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	stream = stream_of(session, frame->hd.stream_id);
	if (stream != NULL)
		objects_answer(stream);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t why, void *data)
{
	struct stream *stream = stream_of(session, id);

	(void) why, (void) data;
	if (stream != NULL)
		stream_free(stream);
	return 0;
}

static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                        nghttp2_data_source *source, void *data)
{
	struct stream *stream = source->ptr;

	(void) session, (void) id, (void) data;
	if (stream->out_at == stream->out.len && stream->is_watch) {
		buf_clear(&stream->out);
		stream->out_at = 0;
		while (stream->out.len < len && objects_next_event(stream))
			continue;
		if (stream->out.len == 0) {
			stream->is_deferred = true;
			return NGHTTP2_ERR_DEFERRED;
		}
	}
	const size_t left = stream->out.len - stream->out_at, count = left < len ? left : len;
	if (count > 0)
		memcpy(to, stream->out.data + stream->out_at, count);
	stream->out_at += count;
	if (stream->out_at == stream->out.len && !stream->is_watch)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t) count;
}

void stream_answer(struct stream *stream, int code)
{
	nghttp2_data_provider provider = { .source = { .ptr = stream }, .read_callback = read_out };
	char                  number[4];
	union { const char *in; uint8_t *out; } texts[] = {
		{ ":status" }, { number }, { "content-type" }, { "application/json" },
	};
	nghttp2_nv head[] = {
		{ texts[0].out, texts[1].out, 7, 3, 0 },
		{ texts[2].out, texts[3].out, 12, 16, 0 },
	};

	snprintf(number, sizeof number, "%d", code);
	nghttp2_submit_response(stream->conn->session, stream->id, head, ARRAY_LEN(head), &provider);
}

/* -- connections -- */

static void conn_close(struct conn *conn)
{
	epoll_remove(conn->fd);
	LIST_REMOVE(conn, link);
	/* NOTE: streams that are still open are not told of by nghttp2_session_del. */
	for (int32_t id = 1, last = nghttp2_session_get_last_proc_stream_id(conn->session); id <= last; id += 2) {
		struct stream *stream = stream_of(conn->session, id);
		if (stream != NULL)
			stream_free(stream);
	}
	nghttp2_session_del(conn->session);
	SSL_free(conn->tls);
	close(conn->fd);
	free(conn->waiting);
	free(conn);
}

/*
 * false: the connection is broken.
 *
 * NOTE: what went wrong on another connection stays in the thread's queue, and SSL_get_error takes it for this one's.
 */
static bool send_record(struct conn *conn, const char *record, size_t len)
{
	ERR_clear_error();
	const int sent = SSL_write(conn->tls, record, (int) len);

	if (sent > 0) {
		free(conn->waiting);
		conn->waiting = NULL;
		return true;
	}
	if (SSL_get_error(conn->tls, sent) != SSL_ERROR_WANT_WRITE)
		return false;
	if (conn->waiting == NULL) {
		conn->waiting = malloc(len);
		conn->waiting_len = len;
		if (conn->waiting != NULL)
			memcpy(conn->waiting, record, len);
	}
	return conn->waiting != NULL;
}

static bool conn_flush(struct conn *conn)
{
	static char record[2 * RECORD + 64];     /* what was begun is at most a frame of 16 KB and its head */
	bool        is_well = conn->waiting == NULL || send_record(conn, conn->waiting, conn->waiting_len);

	while (is_well && conn->waiting == NULL) {
		const uint8_t *piece;
		ssize_t        len;
		size_t         count = 0;

		while (count < RECORD && (len = nghttp2_session_mem_send(conn->session, &piece)) > 0) {
			memcpy(record + count, piece, (size_t) len);
			count += (size_t) len;
		}
		if (count == 0)
			break;
		is_well = send_record(conn, record, count);
	}
	return is_well;
}

static bool conn_read(struct conn *conn)
{
	uint8_t bytes[RECORD];
	int     count;

	do {
		ERR_clear_error();
		count = SSL_read(conn->tls, bytes, sizeof bytes);
		if (count > 0 && nghttp2_session_mem_recv(conn->session, bytes, (size_t) count) < 0)
			return false;
	} while (count > 0);
	return SSL_get_error(conn->tls, count) == SSL_ERROR_WANT_READ;
}

static bool conn_open(struct conn *conn)
{
	const nghttp2_settings_entry entry = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX };
	const int                    done = SSL_accept(conn->tls);

	if (done != 1)
		return SSL_get_error(conn->tls, done) == SSL_ERROR_WANT_READ || SSL_get_error(conn->tls, done) == SSL_ERROR_WANT_WRITE;
	conn->is_open = true;
	return nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &entry, 1) == 0;
}

void conn_ready(struct conn *conn)
{
	bool is_well = conn->is_open || conn_open(conn);

	conn->is_busy = true;
	if (is_well && conn->is_open)
		is_well = conn_read(conn) && conn_flush(conn);
	conn->is_busy = false;
	if (!is_well)
		conn_close(conn);
}

void stream_more(struct stream *stream)
{
	struct conn *conn = stream->conn;

	if (stream->is_deferred) {
		stream->is_deferred = false;
		nghttp2_session_resume_data(conn->session, stream->id);
	}
	if (!conn->is_busy && !stream->host->is_frozen && !conn_flush(conn))
		shutdown(conn->fd, SHUT_RDWR);   /* closed when its own turn comes */
}

void conn_accept(struct host *host)
{
	const int on = 1;
	const int fd = accept4(host->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn = fd >= 0 ? calloc(1, sizeof *conn) : NULL;

	if (conn == NULL)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	conn->what = READY_CONN;
	conn->host = host;
	conn->fd = fd;
	conn->tls = SSL_new(context);
	SSL_set_fd(conn->tls, fd);
	SSL_set_accept_state(conn->tls);
	nghttp2_session_server_new(&conn->session, callbacks, conn);
	LIST_INSERT_HEAD(&host->conns, conn, link);
	epoll_add(fd, conn);
}

void host_freeze(struct host *host, bool is_frozen)
{
	struct conn *conn;

	if (host->is_frozen == is_frozen)
		return;
	host->is_frozen = is_frozen;
	if (is_frozen)
		epoll_remove(host->listener);
	else
		epoll_add(host->listener, host);
	LIST_FOREACH(conn, &host->conns, link)
		if (is_frozen)
			epoll_remove(conn->fd);
		else
			epoll_add(conn->fd, conn);       /* edge triggered: what has come meanwhile is told of at once */
}

void http_init(const char *certificate, const char *key)
{
	context = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "bench-stub: \"%s\" and \"%s\" are no certificate with its key\n", certificate, key);
		exit(1);
	}
	SSL_CTX_set_alpn_select_cb(context, choose_h2, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
}
