#include "lib/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD        *sha256;       /* fetched once: a look-up by name costs more than hashing a small manifest */

static void sha256_fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* A wrong digest would give one content the name of another, silently and for ever: better no process than that. */
static void require(bool is_done)
{
	if (!is_done) {
		fputs("SHA-256 is not available or out of memory\n", stderr);
		abort();
	}
}

static const EVP_MD *algorithm(void)
{
	require(pthread_once(&sha256_once, sha256_fetch) == 0);
	require(sha256 != NULL);
	return sha256;
}

struct digest digest_of(struct view content)
{
	struct digest digest;

	require(EVP_Digest(content.ptr, content.len, digest.bytes, NULL, algorithm(), NULL) == 1);
	return digest;
}

struct digest digest_keyed(const unsigned char key[DIGEST_SIZE], struct view content)
{
	struct digest digest;

	require(HMAC(algorithm(), key, DIGEST_SIZE, (const unsigned char *) content.ptr, content.len, digest.bytes,
	             NULL) != NULL);
	return digest;
}

struct digest digest_of_parts(const struct view *parts, size_t count)
{
	struct digest digest;
	EVP_MD_CTX   *ctx = EVP_MD_CTX_new();

	require(ctx != NULL && EVP_DigestInit_ex(ctx, algorithm(), NULL) == 1);
	for (size_t i = 0; i < count; i++) {
		unsigned char length[8];            /* big-endian, so that every machine gives the same name */
		for (size_t b = 0; b < sizeof length; b++)
			length[b] = (unsigned char) ((uint64_t) parts[i].len >> (8 * (sizeof length - 1 - b)));
		require(EVP_DigestUpdate(ctx, length, sizeof length) == 1);
		require(EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) == 1);
	}
	require(EVP_DigestFinal_ex(ctx, digest.bytes, NULL) == 1);
	EVP_MD_CTX_free(ctx);
	return digest;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;      /* constant time: it may be a keyed one */
}

int digest_compare(const void *a, const void *b)
{
	return memcmp(((const struct digest *) a)->bytes, ((const struct digest *) b)->bytes, DIGEST_SIZE);
}

void digest_hex(const struct digest *digest, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		hex[2 * i] = digits[digest->bytes[i] >> 4];
		hex[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	hex[2 * DIGEST_SIZE] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool digest_from_hex(struct view hex, struct digest *ret_digest)
{
	struct digest digest;

	if (hex.len != DIGEST_HEX_SIZE - 1)
		return false;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		const int high = hex_value(hex.ptr[2 * i]), low = hex_value(hex.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		digest.bytes[i] = (unsigned char) (high << 4 | low);
	}
	*ret_digest = digest;
	return true;
}
