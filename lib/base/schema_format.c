#include "lib/base/schema_priv.h"

#include <arpa/inet.h>
#include <ctype.h>

static bool is_dns_label(struct view text)
{
	if (text.len == 0 || text.len > 63 || text.ptr[0] == '-' || text.ptr[text.len - 1] == '-')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!(text.ptr[i] >= 'a' && text.ptr[i] <= 'z') && !isdigit((unsigned char) text.ptr[i]) && text.ptr[i] != '-')
			return false;
	return true;
}

static bool is_ipv4(struct view text)
{
	char           copy[INET_ADDRSTRLEN];
	struct in_addr address;

	if (text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET, copy, &address) == 1;
}

static bool is_ipv4_cidr(struct view text)
{
	const char *slash = memchr(text.ptr, '/', text.len);

	if (slash == NULL || !is_ipv4((struct view) { text.ptr, (size_t) (slash - text.ptr) }))
		return false;

	const struct view bits = { slash + 1, text.len - (size_t) (slash + 1 - text.ptr) };
	if (bits.len == 1)
		return isdigit((unsigned char) bits.ptr[0]) != 0;
	if (bits.len != 2 || !isdigit((unsigned char) bits.ptr[1]))
		return false;
	return bits.ptr[0] == '1' || bits.ptr[0] == '2' || (bits.ptr[0] == '3' && bits.ptr[1] <= '2');
}

static bool is_mac(struct view text)
{
	if (text.len != 17 || (text.ptr[2] != ':' && text.ptr[2] != '-'))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (i % 3 == 2 ? text.ptr[i] != text.ptr[2] : !isxdigit((unsigned char) text.ptr[i]))
			return false;
	return true;
}

static const struct format formats[] = {
	{ "dns-label", is_dns_label, "a DNS label (a-z, 0-9, \"-\" between them, at most 63)" },
	{ "ipv4",      is_ipv4,      "an IPv4 address (10.0.0.1)"                             },
	{ "ipv4-cidr", is_ipv4_cidr, "an IPv4 network (10.0.0.0/24)"                          },
	{ "mac",       is_mac,       "a MAC address (02:00:00:00:00:01)"                      },
};

const struct format *format_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
