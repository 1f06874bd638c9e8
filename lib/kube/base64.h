/*
 * base64.h - the encoding in which Kubernetes keeps bytes inside text: secrets, certificates.
 */
#ifndef LIB_KUBE_BASE64_H
#define LIB_KUBE_BASE64_H

#include "lib/base/buf.h"

/* Append the encoding of bytes, padded, in one line.  ST_TOO_LARGE, ST_NO_MEMORY. */
enum status MUST_CHECK base64_write(struct buf *buf, struct view bytes, struct error *err);

/* Append what text encodes; line breaks and blanks are skipped.  ST_MALFORMED: another character, or cut short. */
enum status MUST_CHECK base64_read(struct buf *buf, struct view text, struct error *err);

#endif
