#include "plugins/rsync/test/remote.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int remote_port(bool is_silent, int *ret_fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof at;
	const int          fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(bind(fd, (struct sockaddr *) &at, sizeof at) == 0);
	must(!is_silent || listen(fd, 8) == 0);
	must(getsockname(fd, (struct sockaddr *) &at, &len) == 0);
	*ret_fd = fd;
	return ntohs(at.sin_port);
}

struct fake_unit *remote_want(struct fake *fake, const char *host, int port, const char *path, const char *token, const char *set)
{
	char reference[512];

	snprintf(reference, sizeof reference, "{\"url\":\"%s:%d/%s\",\"branch\":\"main\",\"userName\":\"someone\","
	                                      "\"gitToken\":\"%s\",\"repoName\":\"repo\"}", host, port, path, token);
	fake_git_cluster(fake, "edge+one", reference, NULL);
	return fake_want(fake, "web", "edge+one", set, "update");
}
