/* Addresses in numbers: their form, and which of them are this machine. */
#include "tests/unit/base/test.h"

#include "lib/base/address.h"

#include <sys/un.h>

static void test_addresses_of_both_families_and_what_is_none(void **state)
{
	static const struct { const char *text; bool is_valid, is_loopback; } rows[] = {
		{ "127.0.0.1:9015", true, true },    { "127.9.9.9:0", true, true },       { "[::1]:65535", true, true },
		{ "128.0.0.1:9015", true, false },   { "0.0.0.0:80", true, false },       { "[2001:db8::1]:80", true, false },
		{ "[::]:80", true, false },          { "[::ffff:127.0.0.1]:80", true, false },
		{ "::1:80", false, false },          { "127.0.0.1", false, false },       { "127.0.0.1:", false, false },
		{ "127.0.0.1:65536", false, false }, { "127.0.0.1:+1", false, false },    { "127.0.0.1:8x", false, false },
		{ "localhost:80", false, false },    { ":80", false, false },             { "[127.0.0.1]:80", false, false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (address_is_valid(rows[i].text) != rows[i].is_valid || address_is_loopback(rows[i].text) != rows[i].is_loopback)
			print_error("%s\n", rows[i].text);
		assert_int_equal(address_is_valid(rows[i].text), rows[i].is_valid);
		assert_int_equal(address_is_loopback(rows[i].text), rows[i].is_loopback);
	}
}

static void test_a_peer_is_near_on_a_unix_socket_or_a_loopback_address(void **state)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };
	socklen_t               len;

	(void) state;
	assert_true(address_is_near(&peer));
	assert_true(address_read("[::1]:1", &peer, &len) && address_is_near(&peer));
	assert_true(address_read("192.0.2.1:1", &peer, &len) && !address_is_near(&peer));
	assert_true(address_read("[2001:db8::1]:1", &peer, &len) && !address_is_near(&peer));
	peer.ss_family = AF_UNSPEC;
	assert_false(address_is_near(&peer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_of_both_families_and_what_is_none),
		cmocka_unit_test(test_a_peer_is_near_on_a_unix_socket_or_a_loopback_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
