/* Two families, one form. */
#include "lib/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool address_split(const char *address, char host[ADDRESS_HOST_MAX], unsigned *ret_port)
{
	const char *colon = strrchr(address, ':');
	size_t      len = colon == NULL ? 0 : (size_t) (colon - address);
	char       *end;

	if (len == 0 || len >= ADDRESS_HOST_MAX || colon[1] < '0' || colon[1] > '9')
		return false;
	const unsigned long port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return false;
	if (address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len) != NULL) {
		return false;
	}
	memcpy(host, address, len);
	host[len] = '\0';
	*ret_port = (unsigned) port;
	return true;
}

bool address_read(const char *address, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	char     host[ADDRESS_HOST_MAX];
	unsigned port;

	if (!address_split(address, host, &port))
		return false;
	memset(ret_address, 0, sizeof *ret_address);
	if (address[0] == '[') {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *) ret_address;
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t) port);
		*ret_len = sizeof *six;
		return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
	}
	struct sockaddr_in *four = (struct sockaddr_in *) ret_address;
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t) port);
	*ret_len = sizeof *four;
	return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

bool address_is_valid(const char *address)
{
	struct sockaddr_storage read;
	socklen_t               len;

	return address_read(address, &read, &len);
}

bool address_is_loopback(const char *address)
{
	struct sockaddr_storage read;
	socklen_t               len;

	return address_read(address, &read, &len) && address_is_near(&read);
}

bool address_is_near(const struct sockaddr_storage *peer)
{
	switch (peer->ss_family) {
	case AF_UNIX:  return true;
	case AF_INET:  return ntohl(((const struct sockaddr_in *) peer)->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) peer)->sin6_addr);
	default:       return false;
	}
}
