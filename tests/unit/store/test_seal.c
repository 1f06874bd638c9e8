/* Sealing: what comes back, what is refused, and which key files are taken. */
#include "tests/unit/store/fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static const char path[] = "/tmp/emcod-test-seal.key";

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

#define HEX(digit)  digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit
#define KEY(digit)  HEX(digit) HEX(digit) HEX(digit) HEX(digit)

static void test_a_made_key_file_seals_and_opens(void **state)
{
	struct sealer *sealer = NULL;
	struct error   err;
	auto_buf       sealed, again, open;

	(void) state;
	buf_init(&sealed, 4096);
	buf_init(&again, 4096);
	buf_init(&open, 4096);
	unlink(path);
	assert_ok(seal_key_make(path, &err));
	assert_status(ST_EXISTS, seal_key_make(path, &err), &err);
	assert_ok(sealer_open(path, &sealer, &err));
	assert_ok(seal(sealer, VIEW("secret"), VIEW("here"), &sealed, &err));
	assert_ok(seal(sealer, VIEW("secret"), VIEW("here"), &again, &err));
	assert_true(sealed.len == again.len && memcmp(sealed.data, again.data, sealed.len) != 0);
	assert_null(memmem(sealed.data, sealed.len, "secret", 6));
	assert_ok(unseal(sealer, buf_view(&sealed), VIEW("here"), &open, &err));
	assert_string_equal(open.data, "secret");
	buf_clear(&sealed);
	assert_ok(seal(sealer, VIEW(""), VIEW(""), &sealed, &err));
	assert_ok(unseal(sealer, buf_view(&sealed), VIEW(""), &open, &err));
	assert_string_equal(open.data, "secret");
	sealer_close(sealer);
}

static void test_every_altered_byte_is_refused(void **state)
{
	struct sealer *sealer = NULL;
	struct error   err;
	auto_buf       sealed, open;

	(void) state;
	buf_init(&sealed, 4096);
	buf_init(&open, 4096);
	assert_ok(sealer_open(path, &sealer, &err));
	assert_ok(seal(sealer, VIEW("secret"), VIEW("here"), &sealed, &err));
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.data[i] ^= 1;
		assert_status(ST_FORBIDDEN, unseal(sealer, buf_view(&sealed), VIEW("here"), &open, &err), &err);
		sealed.data[i] ^= 1;
	}
	for (size_t len = 0; len < sealed.len; len++)
		assert_status(ST_FORBIDDEN, unseal(sealer, (struct view) { sealed.data, len }, VIEW("here"), &open, &err), &err);
	assert_status(ST_FORBIDDEN, unseal(sealer, buf_view(&sealed), VIEW("there"), &open, &err), &err);
	assert_string_equal(err.text, "a secret in the database is not as it was sealed");
	assert_int_equal(open.len, 0);
	sealer_close(sealer);
}

static void test_a_rotated_key_opens_what_the_old_one_sealed(void **state)
{
	struct sealer *sealer = NULL;
	struct error   err;
	auto_buf       old, new, open;

	(void) state;
	buf_init(&old, 4096);
	buf_init(&new, 4096);
	buf_init(&open, 4096);
	write_file("digest " KEY("0") "\nseal 1 " KEY("1") "\n", 0600);
	assert_ok(sealer_open(path, &sealer, &err));
	const struct digest digest = seal_digest(sealer, VIEW("x"));
	assert_ok(seal(sealer, VIEW("secret"), VIEW(""), &old, &err));
	sealer_close(sealer);

	write_file("# rotated\ndigest " KEY("0") "\nseal 2 " KEY("2") "\n\nseal 1 " KEY("1") "\n", 0600);
	assert_ok(sealer_open(path, &sealer, &err));
	const struct digest same = seal_digest(sealer, VIEW("x"));
	assert_true(digest_equal(&digest, &same));
	assert_ok(unseal(sealer, buf_view(&old), VIEW(""), &open, &err));
	assert_ok(seal(sealer, VIEW("secret"), VIEW(""), &new, &err));
	assert_int_equal(new.data[4], 2);
	sealer_close(sealer);

	write_file("digest " KEY("0") "\nseal 2 " KEY("2") "\n", 0600);
	assert_ok(sealer_open(path, &sealer, &err));
	assert_status(ST_FORBIDDEN, unseal(sealer, buf_view(&old), VIEW(""), &open, &err), &err);
	assert_string_equal(err.text, "a secret in the database was sealed with a key that the key file lacks");
	sealer_close(sealer);
}

static const struct { const char *text; mode_t mode; enum status want; const char *words; } files[] = {
	{ "",                                                    0600, ST_INVALID,   "/tmp/emcod-test-seal.key: has no digest key"     },
	{ "digest " KEY("0") "\n",                               0600, ST_INVALID,   "/tmp/emcod-test-seal.key: has no seal key"       },
	{ "digest 00\n",                                         0600, ST_INVALID,   "/tmp/emcod-test-seal.key:1: expected \"digest\" and 64 hexadecimal digits" },
	{ "digest " KEY("0") "\ndigest " KEY("0") "\n",          0600, ST_INVALID,   "/tmp/emcod-test-seal.key:2: a second digest key" },
	{ "seal 0 " KEY("0") "\n",                               0600, ST_INVALID,   "/tmp/emcod-test-seal.key:1: expected \"seal\", a number from 1 and 64 hexadecimal digits" },
	{ "seal 1 " KEY("0") "\nseal 1 " KEY("0") "\n",          0600, ST_INVALID,   "/tmp/emcod-test-seal.key:2: a second key of this number" },
	{ "seal 1 " KEY("0") " x\n",                             0600, ST_INVALID,   "/tmp/emcod-test-seal.key:1: something after the key" },
	{ "hello\n",                                             0600, ST_INVALID,   "/tmp/emcod-test-seal.key:1: expected \"digest\" or \"seal\"" },
	{ "digest " KEY("0") "\nseal 1 " KEY("0") "\n",          0640, ST_FORBIDDEN, "key file \"/tmp/emcod-test-seal.key\" has mode 0640, expected 0600" },
};

static void test_a_faulty_key_file_is_refused_with_its_line(void **state)
{
	struct sealer *sealer = NULL;
	struct error   err;

	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		write_file(files[i].text, files[i].mode);
		assert_status(files[i].want, sealer_open(path, &sealer, &err), &err);
		assert_string_equal(err.text, files[i].words);
		assert_null(sealer);
	}
	unlink(path);
	assert_status(ST_NOT_FOUND, sealer_open(path, &sealer, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_made_key_file_seals_and_opens),
		cmocka_unit_test(test_every_altered_byte_is_refused),
		cmocka_unit_test(test_a_rotated_key_opens_what_the_old_one_sealed),
		cmocka_unit_test(test_a_faulty_key_file_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
