/*
 * address.h - "127.0.0.1:9015" and "[::1]:9015": an address in numbers and a port, as options give them.
 *
 * Nothing is looked up, so nothing waits.  Pure.
 */
#ifndef LIB_BASE_ADDRESS_H
#define LIB_BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_HOST_MAX = 64 };

/* Host without brackets, and port.  False: it has not that form, whatever the host is. */
bool address_split(const char *address, char host[ADDRESS_HOST_MAX], unsigned *ret_port);

/* For bind and connect.  False: it is no address in numbers. */
bool address_read(const char *address, struct sockaddr_storage *ret_address, socklen_t *ret_len);

bool address_is_valid(const char *address);
bool address_is_loopback(const char *address);

/* A peer's: is it on this machine?  A Unix socket, or a loopback address. */
bool address_is_near(const struct sockaddr_storage *peer);

#endif
