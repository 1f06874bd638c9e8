/*
 * seal.h - what is secret at rest.
 *
 * AES-256-GCM with a random nonce for each value, under a key file of mode 0600.  The file holds lines "digest HEX" (one:
 * the key of keyed digests, never changed) and "seal N HEX" (the highest N seals, all open), so that keys can rotate.
 * A sealed value names its key, and is bound to where it lives (aad), so that it cannot be moved.  Any thread.
 */
#ifndef HOST_STORE_SEAL_H
#define HOST_STORE_SEAL_H

#include "lib/base/digest.h"

struct sealer;

/* ST_NOT_FOUND, ST_FORBIDDEN: readable by others; ST_INVALID names the line. */
enum status MUST_CHECK sealer_open(const char *key_file, struct sealer **ret_sealer, struct error *err);
void sealer_close(struct sealer *sealer);

/* Make a key file that is not there yet, mode 0600.  ST_EXISTS. */
enum status MUST_CHECK seal_key_make(const char *key_file, struct error *err);

/* Append the sealed or opened bytes.  aad: where the value lives, such as a path.  ST_FORBIDDEN: unknown key or altered. */
enum status MUST_CHECK seal(struct sealer *sealer, struct view plain, struct view aad, struct buf *out, struct error *err);
enum status MUST_CHECK unseal(struct sealer *sealer, struct view sealed, struct view aad, struct buf *out, struct error *err);

struct digest seal_digest(struct sealer *sealer, struct view plain);      /* keyed */

#endif
