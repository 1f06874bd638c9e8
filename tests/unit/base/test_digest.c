#include "tests/unit/base/test.h"

#include "lib/base/digest.h"

static void assert_hex(struct digest digest, const char *want)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(&digest, hex);
	assert_string_equal(hex, want);
}

static void test_plain_digests_are_sha_256(void **state)
{
	(void) state;
	assert_hex(digest_of(VIEW("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hex(digest_of(VIEW("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, test case 6 has a long key; ours are always 32 bytes, so this one was computed with openssl. */
static void test_keyed_digests_depend_on_the_key(void **state)
{
	unsigned char key[DIGEST_SIZE] = { 0 };

	(void) state;
	assert_hex(digest_keyed(key, VIEW("")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	struct digest a = digest_keyed(key, VIEW("abc"));
	key[0] = 1;
	struct digest b = digest_keyed(key, VIEW("abc"));
	assert_false(digest_equal(&a, &b));
}

static void test_parts_do_not_run_into_each_other(void **state)
{
	const struct view one[] = { VIEW("ab"), VIEW("c") }, other[] = { VIEW("a"), VIEW("bc") };
	struct digest     a = digest_of_parts(one, 2), b = digest_of_parts(other, 2), c = digest_of_parts(one, 2);

	(void) state;
	assert_false(digest_equal(&a, &b));
	assert_true(digest_equal(&a, &c));
	assert_int_equal(digest_compare(&a, &c), 0);
	assert_int_equal(digest_compare(&a, &b) < 0, digest_compare(&b, &a) > 0);
}

static void test_hex_reads_back_and_nothing_else_does(void **state)
{
	const struct digest digest = digest_of(VIEW("abc"));
	struct digest       again;
	char                hex[DIGEST_HEX_SIZE];

	(void) state;
	digest_hex(&digest, hex);
	assert_true(digest_from_hex(view_of(hex), &again));
	assert_true(digest_equal(&digest, &again));
	assert_false(digest_from_hex((struct view) { hex, 63 }, &again));
	hex[5] = 'A';
	assert_false(digest_from_hex(view_of(hex), &again));
	hex[5] = 'g';
	assert_false(digest_from_hex(view_of(hex), &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_digests_are_sha_256),
		cmocka_unit_test(test_keyed_digests_depend_on_the_key),
		cmocka_unit_test(test_parts_do_not_run_into_each_other),
		cmocka_unit_test(test_hex_reads_back_and_nothing_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
