/*
 * hello - civetweb's own limit: an empty handler that sends the same number of bytes as a small resource.
 *
 *     bench-hello PORT THREADS
 *
 * What the REST server is measured against: same library, same threads, same size of answer, nothing else.
 */
#include "lib/base/error.h"

#include <civetweb.h>
#include <signal.h>
#include <unistd.h>

static const char body[] =
	"{\"metadata\":{\"name\":\"p0000001\",\"description\":\"\",\"userData1\":\"\",\"userData2\":\"\"}}\n";

static char   answer[512];
static size_t answer_len;

static int say(struct mg_connection *conn, void *data)
{
	(void) data;
	mg_write(conn, answer, answer_len);
	return 200;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;

	const char *options[] = { "listening_ports", argv[1], "num_threads", argv[2], "enable_keep_alive", "yes",
	                          "keep_alive_timeout_ms", "5000", "tcp_nodelay", "1", NULL };
	sigset_t ending;
	int      number;

	answer_len = (size_t) snprintf(answer, sizeof answer,
	                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	                               "ETag: \"1-1\"\r\nX-Request-Id: 0123456789abcdef\r\n\r\n%s",
	                               sizeof body - 1, body);

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ending, NULL);
	mg_init_library(0);
	struct mg_context *context = mg_start(NULL, NULL, options);
	if (context == NULL)
		return 1;
	mg_set_request_handler(context, "/", say, NULL);
	sigwait(&ending, &number);
	mg_stop(context);
	return 0;
}
