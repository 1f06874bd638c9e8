#include "host/store/seal.h"

#include "lib/base/hex.h"
#include "lib/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A sealed value: version (1 byte), key number (4, most significant first), nonce (12), ciphertext, tag (16).
 * Version and number are authenticated with aad, so a value cannot be made to name another key.
 */
enum {
	SEAL_VERSION = 1, HEAD_BYTES = 5, NONCE_BYTES = 12, TAG_BYTES = 16, KEY_BYTES = 32,
	KEYS_MAX = 64, KEY_FILE_MAX = 64 * 1024
};

struct seal_key {
	uint32_t      number;
	unsigned char bytes[KEY_BYTES];
};

struct sealer {
	unsigned char   digest_key[DIGEST_SIZE];
	bool            has_digest_key;
	struct seal_key keys[KEYS_MAX];
	size_t          count, newest;       /* keys; index of the one that seals */
};

/* -- key file -- */

static bool read_key(const char *hex, unsigned char key[KEY_BYTES])
{
	if (strlen(hex) != 2 * KEY_BYTES)
		return false;
	for (size_t i = 0; i < KEY_BYTES; i++) {
		const int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}

/* One line, cut into words in place.  Returns what is wrong with it, or NULL. */
static const char *read_line(struct sealer *sealer, char *line)
{
	char       *rest = NULL;
	const char *word = strtok_r(line, " \t\r", &rest);

	if (word == NULL || word[0] == '#')
		return NULL;
	if (strcmp(word, "digest") == 0) {
		const char *hex = strtok_r(NULL, " \t\r", &rest);
		if (sealer->has_digest_key)
			return "a second digest key";
		if (hex == NULL || !read_key(hex, sealer->digest_key))
			return "expected \"digest\" and 64 hexadecimal digits";
		sealer->has_digest_key = true;
	} else if (strcmp(word, "seal") == 0) {
		struct seal_key *key = &sealer->keys[sealer->count];
		const char *number = strtok_r(NULL, " \t\r", &rest), *hex = strtok_r(NULL, " \t\r", &rest);
		char       *end = NULL;
		const unsigned long value = number != NULL ? strtoul(number, &end, 10) : 0;

		if (sealer->count == KEYS_MAX)
			return "more than 64 keys";
		if (value == 0 || value > UINT32_MAX || *end != '\0' || hex == NULL || !read_key(hex, key->bytes))
			return "expected \"seal\", a number from 1 and 64 hexadecimal digits";
		for (size_t i = 0; i < sealer->count; i++)
			if (sealer->keys[i].number == value)
				return "a second key of this number";
		key->number = (uint32_t) value;
		if (sealer->count == 0 || key->number > sealer->keys[sealer->newest].number)
			sealer->newest = sealer->count;
		sealer->count++;
	} else {
		return "expected \"digest\" or \"seal\"";
	}
	return strtok_r(NULL, " \t\r", &rest) == NULL ? NULL : "something after the key";
}

static enum status read_lines(struct sealer *sealer, const char *path, char *text, struct error *err)
{
	size_t number = 0;

	for (char *line = text, *next; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		number++;
		const char *wrong = read_line(sealer, line);
		if (wrong != NULL)
			return fail(err, ST_INVALID, "%s:%zu: %s", path, number, wrong);
	}
	if (!sealer->has_digest_key || sealer->count == 0)
		return fail(err, ST_INVALID, "%s: has no %s key", path, sealer->has_digest_key ? "seal" : "digest");
	return ST_OK;
}

/* Check the very file that is read: between a check by name and an open, another could be put in its place. */
static enum status read_private(const char *path, char *text, size_t size, struct error *err)
{
	struct stat stat_now;
	size_t      len = 0;
	ssize_t     n = 0;
	const int   fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return fail(err, errno == ENOENT ? ST_NOT_FOUND : ST_FORBIDDEN, "key file \"%s\": %s", path, strerror(errno));
	if (fstat(fd, &stat_now) != 0 || !S_ISREG(stat_now.st_mode)) {
		close(fd);
		return fail(err, ST_INVALID, "key file \"%s\" is not a regular file", path);
	}
	if ((stat_now.st_mode & 077) != 0) {
		close(fd);
		fail(err, ST_FORBIDDEN, "key file \"%s\" has mode %04o, expected 0600", path, stat_now.st_mode & 07777u);
		return fail_hint(err, "Others may have read it: make new keys, or set its mode to 0600.");
	}
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t) n;
	close(fd);
	if (n < 0)
		return fail(err, ST_FORBIDDEN, "key file \"%s\": %s", path, strerror(errno));
	if (len == size - 1)
		return fail(err, ST_INVALID, "key file \"%s\" is larger than %zu bytes", path, size - 1);
	text[len] = '\0';
	return strlen(text) == len ? ST_OK : fail(err, ST_INVALID, "key file \"%s\" holds a NUL", path);
}

enum status sealer_open(const char *key_file, struct sealer **ret_sealer, struct error *err)
{
	struct sealer *sealer = calloc(1, sizeof *sealer);
	char          *text = calloc(1, KEY_FILE_MAX);

	enum status st = sealer == NULL || text == NULL ? fail(err, ST_NO_MEMORY, "out of memory")
	                                                : read_private(key_file, text, KEY_FILE_MAX, err);
	if (st == ST_OK)
		st = read_lines(sealer, key_file, text, err);
	if (text != NULL)
		OPENSSL_cleanse(text, KEY_FILE_MAX);
	free(text);
	if (st != ST_OK) {
		sealer_close(sealer);
		return st;
	}
	*ret_sealer = sealer;
	return ST_OK;
}

void sealer_close(struct sealer *sealer)
{
	if (sealer == NULL)
		return;
	OPENSSL_cleanse(sealer, sizeof *sealer);
	free(sealer);
}

static void print_hex(const unsigned char key[KEY_BYTES], char hex[2 * KEY_BYTES + 1])
{
	for (size_t i = 0; i < KEY_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
}

/* Written beside and then linked: nobody ever sees half a key file, and one that is there is never replaced. */
static enum status write_new(const char *path, const char *text, size_t len, struct error *err)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof temporary, "%s.%ld", path, (long) getpid()) >= (int) sizeof temporary)
		return fail(err, ST_INVALID, "the path of the key file is too long");

	const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, ST_INTERNAL, "could not write \"%s\": %s", temporary, strerror(errno));
	const bool is_written = write(fd, text, len) == (ssize_t) len && fsync(fd) == 0;
	const int  fault = errno;
	close(fd);

	enum status st = ST_OK;
	if (!is_written)
		st = fail(err, ST_INTERNAL, "could not write \"%s\": %s", temporary, strerror(fault));
	else if (link(temporary, path) != 0)
		st = errno == EEXIST ? fail(err, ST_EXISTS, "key file \"%s\" exists already", path)
		                     : fail(err, ST_INTERNAL, "could not write \"%s\": %s", path, strerror(errno));
	unlink(temporary);
	return st;
}

enum status seal_key_make(const char *key_file, struct error *err)
{
	unsigned char keys[2][KEY_BYTES];
	char          hex[2][2 * KEY_BYTES + 1], text[512];

	random_fill(keys, sizeof keys);
	print_hex(keys[0], hex[0]);
	print_hex(keys[1], hex[1]);
	const int len = snprintf(text, sizeof text,
		"# emcod's keys.  Whoever reads this file reads every secret in the database; without it they are lost.\n"
		"# The digest key never changes.  To rotate, add a line \"seal 2 ...\"; keep the old ones.\n"
		"digest %s\nseal 1 %s\n", hex[0], hex[1]);
	const enum status st = write_new(key_file, text, (size_t) len, err);
	OPENSSL_cleanse(keys, sizeof keys);
	OPENSSL_cleanse(hex, sizeof hex);
	OPENSSL_cleanse(text, sizeof text);
	return st;
}

/* -- sealing -- */

static inline void cipher_clearp(EVP_CIPHER_CTX **ctx) { EVP_CIPHER_CTX_free(*ctx); }
#define auto_cipher CLEANUP(cipher_clearp) EVP_CIPHER_CTX

enum status seal(struct sealer *sealer, struct view plain, struct view aad, struct buf *out, struct error *err)
{
	if (plain.len > INT_MAX / 2 || aad.len > INT_MAX)
		return fail(err, ST_TOO_LARGE, "a secret of %zu bytes is too large to seal", plain.len);

	const struct seal_key *key = &sealer->keys[sealer->newest];
	const size_t total = HEAD_BYTES + NONCE_BYTES + plain.len + TAG_BYTES;
	char        *room = buf_room(out, total, err);
	if (room == NULL)
		return total > out->max - out->len ? ST_TOO_LARGE : ST_NO_MEMORY;

	unsigned char *head = (unsigned char *) room, *nonce = head + HEAD_BYTES, *body = nonce + NONCE_BYTES;
	head[0] = SEAL_VERSION;
	for (int i = 0; i < 4; i++)
		head[1 + i] = (unsigned char) (key->number >> (24 - 8 * i));
	random_fill(nonce, NONCE_BYTES);

	auto_cipher *ctx = EVP_CIPHER_CTX_new();
	int len = 0;
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &len, head, HEAD_BYTES) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &len, (const unsigned char *) aad.ptr, (int) aad.len) != 1 ||
	    EVP_EncryptUpdate(ctx, body, &len, (const unsigned char *) plain.ptr, (int) plain.len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, body + plain.len, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + plain.len) != 1)
		return fail(err, ST_INTERNAL, "could not seal a secret");
	out->len += total;
	out->data[out->len] = '\0';
	return ST_OK;
}

static const struct seal_key *key_of(const struct sealer *sealer, const unsigned char *head)
{
	uint32_t number = 0;

	for (int i = 1; i < HEAD_BYTES; i++)
		number = number << 8 | head[i];
	for (size_t i = 0; i < sealer->count; i++)
		if (sealer->keys[i].number == number)
			return &sealer->keys[i];
	return NULL;
}

enum status unseal(struct sealer *sealer, struct view sealed, struct view aad, struct buf *out, struct error *err)
{
	const unsigned char *head = (const unsigned char *) sealed.ptr;

	if (sealed.len < HEAD_BYTES + NONCE_BYTES + TAG_BYTES || sealed.len > INT_MAX || head[0] != SEAL_VERSION)
		return fail(err, ST_FORBIDDEN, "a secret in the database is not as it was sealed");
	const struct seal_key *key = key_of(sealer, head);
	if (key == NULL) {
		fail(err, ST_FORBIDDEN, "a secret in the database was sealed with a key that the key file lacks");
		return fail_hint(err, "Put the old key back into the key file.");
	}

	const unsigned char *nonce = head + HEAD_BYTES, *body = nonce + NONCE_BYTES;
	const size_t len = sealed.len - HEAD_BYTES - NONCE_BYTES - TAG_BYTES;
	unsigned char tag[TAG_BYTES];
	memcpy(tag, body + len, TAG_BYTES);
	char *room = buf_room(out, len, err);
	if (room == NULL)
		return len > out->max - out->len ? ST_TOO_LARGE : ST_NO_MEMORY;

	auto_cipher *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	if (ctx == NULL || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, head, HEAD_BYTES) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *) aad.ptr, (int) aad.len) != 1 ||
	    EVP_DecryptUpdate(ctx, (unsigned char *) room, &n, body, (int) len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1)
		return fail(err, ST_INTERNAL, "could not open a secret");
	if (EVP_DecryptFinal_ex(ctx, (unsigned char *) room + len, &n) != 1) {
		OPENSSL_cleanse(room, len);
		return fail(err, ST_FORBIDDEN, "a secret in the database is not as it was sealed");
	}
	out->len += len;
	if (len > 0)
		out->data[out->len] = '\0';
	return ST_OK;
}

struct digest seal_digest(struct sealer *sealer, struct view plain)
{
	return digest_keyed(sealer->digest_key, plain);
}
