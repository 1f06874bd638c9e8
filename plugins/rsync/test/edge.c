#include "plugins/rsync/test/edge.h"

#include "lib/kube/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS_MAX = 4 };

struct fake fake;

static pid_t  servers[SERVERS_MAX];
static size_t server_count;
static int    port;                              /* of edge+one */

void edge_start(const char *cluster)
{
	char        port_file[PATH_MAX + 64], kubeconfig[1024];

	snprintf(port_file, sizeof port_file, "%s/%s.port", fake.dir, cluster);
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0) {
		execl("/usr/bin/python3", "python3", TEST_SOURCE_DIR "/api_server.py", port_file, (char *) NULL);
		_exit(1);
	}
	must(child > 0 && server_count < SERVERS_MAX);
	servers[server_count++] = child;
	for (int i = 0; i < 500 && access(port_file, R_OK) != 0; i++)
		usleep(20000);
	const int number = (int) strtol(shell("cat %s", port_file), NULL, 10);
	if (strcmp(cluster, "edge+one") == 0)
		port = number;
	snprintf(kubeconfig, sizeof kubeconfig,
	         "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n"
	         "clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:%d\"}\nusers:\n- name: u\n  user: {token: t}\n",
	         number);
	fake_cluster(&fake, cluster, kubeconfig, "");
}

json_t *edge_request(const char *method, const char *path, const char *body)
{
	static char        text[1 << 20];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int          fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t             len = 0;
	ssize_t            n;

	to.sin_port = htons((uint16_t) port);
	must(connect(fd, (struct sockaddr *) &to, sizeof to) == 0);
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path,
	        strlen(body), body);
	while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t) n;
	text[len] = '\0';
	close(fd);

	const char *start = strstr(text, "\r\n\r\n");
	json_t     *answer = start != NULL ? json_loads(start + 4, 0, NULL) : NULL;
	must(answer != NULL);
	return answer;
}

json_t *edge_steer(const char *order, const char *value)
{
	char path[64];

	snprintf(path, sizeof path, "/_/%s", order);
	return edge_request("POST", path, value);
}

void edge_do(const char *order, const char *value)
{
	json_decref(edge_steer(order, value));
}

const char *edge_at(const char *path, const char *member)
{
	static char   text[512];
	json_t       *objects = edge_steer("objects", "");
	const json_t *value = json_object_get(objects, path);
	char          name[128];

	for (const char *dot; value != NULL && *member != '\0'; member = *dot == '.' ? dot + 1 : dot) {
		dot = strchrnul(member, '.');
		snprintf(name, sizeof name, "%.*s", (int) (dot - member), member);
		for (char *c = name; *c != '\0'; c++)
			*c = *c == '~' ? '.' : *c;
		value = json_object_get(value, name);
	}
	text[0] = '\0';
	if (json_is_string(value))
		snprintf(text, sizeof text, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(text, sizeof text, "%lld", (long long) json_integer_value(value));
	else if (value != NULL)
		snprintf(text, sizeof text, "there");
	json_decref(objects);
	return text;
}

size_t edge_requests(const char *method)
{
	json_t *log = edge_steer("log", ""), *entry;
	size_t  count = 0, i;

	json_array_foreach(log, i, entry)
		count += strcmp(json_string_value(json_array_get(entry, 0)), method) == 0;
	json_decref(log);
	return count;
}

int edge_setup(void **state)
{
	const struct kube_options options = { .user_agent = "test" };
	struct error              err;

	(void) state;
	fake_init(&fake);
	server_count = 0;
	edge_start("edge+one");
	must(kube_open(&options, &fake.kube, &err) == ST_OK);
	return 0;
}

int edge_teardown(void **state)
{
	(void) state;
	kube_close(fake.kube);
	for (size_t i = 0; i < server_count; i++) {
		kill(servers[i], SIGKILL);
		waitpid(servers[i], NULL, 0);
	}
	fake_done(&fake);
	return 0;
}

struct fake_unit *edge_bring(const char *app, const char *set)
{
	struct fake_unit *unit = fake_want(&fake, app, "edge+one", set, "instantiate");

	fake_run(&fake);
	return unit;
}
