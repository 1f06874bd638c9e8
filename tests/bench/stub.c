/*
 * stub.c - the stub's hosts, and the orders of whoever measures.
 *
 *     bench-stub HOSTS CERTIFICATE KEY        ports go out in the first line; then a line of orders gives a line of answer
 *
 * mark                   forget what was counted
 * stats                  what was counted since: JSON
 * lasts FROM TO          real time of the last apply at each of these hosts, in seconds
 * object HOST PATH       what was applied there, or "null"
 * freeze FROM TO | thaw  these hosts say nothing from now on, on connections that are open too
 * pods COUNT LABEL       every host has so many pods; they are listed, and events are about them
 * flip HOST POD 0|1      one event now; answered with its real time
 * emit HOSTS EVENTS      so many events at each of the first HOSTS, as fast as they are taken
 */
#include "tests/bench/stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BACKLOG = 64, NS_PER_S = 1000000000 };

struct pods pods;

static int          epoll;
static struct host *hosts;
static size_t       host_count;

int64_t now_real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * NS_PER_S + now.tv_nsec;
}

static double seconds(int64_t ns)
{
	return (double) ns / NS_PER_S;
}

void epoll_add(int fd, void *data)
{
	const enum ready_what *what = data;
	struct epoll_event     event = { .events = EPOLLIN, .data.ptr = data };

	if (*what == READY_CONN)
		event.events = EPOLLIN | EPOLLOUT | EPOLLET;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		perror("bench-stub: epoll_ctl");
}

void epoll_remove(int fd)
{
	(void) epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);        /* a frozen one is not there */
}

static bool host_open(struct host *host)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof address;

	host->what = READY_HOST;
	host->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (host->listener < 0 || bind(host->listener, (struct sockaddr *) &address, len) != 0 ||
	    listen(host->listener, BACKLOG) != 0 || getsockname(host->listener, (struct sockaddr *) &address, &len) != 0)
		return false;
	host->port = ntohs(address.sin_port);
	epoll_add(host->listener, host);
	return true;
}

/* -- orders -- */

static void mark(void)
{
	for (size_t i = 0; i < host_count; i++) {
		hosts[i].applies = hosts[i].requests = 0;
		hosts[i].first_ns = hosts[i].last_ns = 0;
	}
	pods.sent = 0;
	pods.first_ns = pods.last_ns = 0;
}

static void stats(void)
{
	uint64_t applies = 0, requests = 0, watches = 0, left = 0;
	int64_t  first_ns = INT64_MAX, last_ns = 0;

	for (size_t i = 0; i < host_count; i++) {
		const struct host *host = &hosts[i];
		struct stream     *watch;

		applies += host->applies;
		requests += host->requests;
		left += host->events_left;
		if (host->first_ns != 0 && host->first_ns < first_ns)
			first_ns = host->first_ns;
		if (host->last_ns > last_ns)
			last_ns = host->last_ns;
		LIST_FOREACH(watch, &host->watches, link)
			watches++;
	}
	printf("{\"applies\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"watches\":%" PRIu64 ",\"first\":%.6f,\"last\":%.6f,"
	       "\"events\":%" PRIu64 ",\"events_left\":%" PRIu64 ",\"events_first\":%.6f,\"events_last\":%.6f}\n",
	       applies, requests, watches, applies > 0 ? seconds(first_ns) : 0, seconds(last_ns), pods.sent, left,
	       seconds(pods.first_ns), seconds(pods.last_ns));
}

static void lasts(size_t from, size_t to)
{
	for (size_t i = from; i < to && i < host_count; i++)
		printf("%s%.6f", i > from ? " " : "", seconds(hosts[i].last_ns));
	printf("\n");
}

static struct stream *pods_watch(struct host *host)
{
	struct stream *watch;

	LIST_FOREACH(watch, &host->watches, link)
		if (objects_watches_pods(watch))
			return watch;
	return NULL;
}

static void flip(struct host *host, unsigned pod, bool is_ready)
{
	struct stream *watch = pods_watch(host);

	if (watch == NULL) {
		printf("null\n");
		return;
	}
	pod_event(&watch->out, pod, is_ready);
	printf("%.6f\n", seconds(now_real_ns()));
	stream_more(watch);
}

static void emit(size_t count, uint64_t events)
{
	pods.turn++;
	for (size_t i = 0; i < count && i < host_count; i++) {
		struct stream *watch = pods_watch(&hosts[i]);

		if (watch == NULL)
			continue;
		hosts[i].events_left = events;
		stream_more(watch);
	}
	printf("{}\n");
}

static void obey(const char *line)
{
	char           path[512];
	unsigned long  a = 0, b = 0, c = 0;

	if (strcmp(line, "mark") == 0) {
		mark();
		printf("{}\n");
	} else if (strcmp(line, "stats") == 0) {
		stats();
	} else if (sscanf(line, "lasts %lu %lu", &a, &b) == 2) {
		lasts(a, b);
	} else if (sscanf(line, "object %lu %511s", &a, path) == 2 && a < host_count) {
		const char *text = object_text(&hosts[a], path);
		printf("%s\n", text != NULL ? text : "null");
	} else if (sscanf(line, "freeze %lu %lu", &a, &b) == 2 || strcmp(line, "thaw") == 0) {
		for (size_t i = 0; i < host_count; i++)
			host_freeze(&hosts[i], i >= a && i < b);
		printf("{}\n");
	} else if (sscanf(line, "pods %u %63s", &pods.count, pods.label) == 2) {
		printf("{}\n");
	} else if (sscanf(line, "flip %lu %lu %lu", &a, &b, &c) == 3 && a < host_count) {
		flip(&hosts[a], (unsigned) b, c != 0);
	} else if (sscanf(line, "emit %lu %lu", &a, &b) == 2) {
		emit(a, b);
	} else {
		printf("\"no such order: %s\"\n", line);
	}
	fflush(stdout);
}

/* false: nobody measures any more. */
static bool read_orders(void)
{
	static char line[1024];
	static size_t len;
	const ssize_t count = read(STDIN_FILENO, line + len, sizeof line - 1 - len);

	if (count <= 0)
		return count < 0 && errno == EINTR;
	len += (size_t) count;
	line[len] = '\0';
	for (char *end; (end = strchr(line, '\n')) != NULL;) {
		*end = '\0';
		obey(line);
		len -= (size_t) (end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
	return len < sizeof line - 1;
}

int main(int argc, char **argv)
{
	static enum ready_what orders = READY_ORDERS;
	struct epoll_event     event[EVENTS_MAX];
	struct rlimit          files;
	bool                   goes_on = true;

	if (argc != 4 || (host_count = strtoul(argv[1], NULL, 10)) == 0) {
		fprintf(stderr, "usage: bench-stub HOSTS CERTIFICATE KEY\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	http_init(argv[2], argv[3]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	hosts = calloc(host_count, sizeof *hosts);
	epoll_add(STDIN_FILENO, &orders);
	for (size_t i = 0; i < host_count; i++) {
		if (!host_open(&hosts[i])) {
			perror("bench-stub: no more ports or files");
			return 1;
		}
		printf("%s%u", i > 0 ? " " : "", hosts[i].port);
	}
	printf("\n");
	fflush(stdout);
	while (goes_on) {
		const int count = epoll_wait(epoll, event, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			enum ready_what *what = event[i].data.ptr;

			if (*what == READY_ORDERS)
				goes_on = read_orders();
			else if (*what == READY_HOST)
				conn_accept(event[i].data.ptr);
			else
				conn_ready(event[i].data.ptr);
		}
	}
	return 0;
}
