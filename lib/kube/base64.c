#include "lib/kube/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum status base64_write(struct buf *buf, struct view bytes, struct error *err)
{
	char *to = buf_room(buf, (bytes.len + 2) / 3 * 4, err);

	if (to == NULL)
		return err != NULL ? err->code : ST_TOO_LARGE;
	for (size_t i = 0; i < bytes.len; i += 3) {
		const size_t left = bytes.len - i;
		uint32_t     word = (uint32_t) (unsigned char) bytes.ptr[i] << 16;

		if (left > 1)
			word |= (uint32_t) (unsigned char) bytes.ptr[i + 1] << 8;
		if (left > 2)
			word |= (uint32_t) (unsigned char) bytes.ptr[i + 2];
		*to++ = letters[word >> 18];
		*to++ = letters[word >> 12 & 63];
		*to++ = left > 1 ? letters[word >> 6 & 63] : '=';
		*to++ = left > 2 ? letters[word & 63] : '=';
	}
	buf->len += (bytes.len + 2) / 3 * 4;
	buf->data[buf->len] = '\0';
	return ST_OK;
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum status base64_read(struct buf *buf, struct view text, struct error *err)
{
	char    *to = buf_room(buf, text.len / 4 * 3 + 3, err);
	size_t   made = 0, count = 0, pads = 0;
	uint32_t word = 0;

	if (to == NULL)
		return err != NULL ? err->code : ST_TOO_LARGE;
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.ptr[i];
		const int  value = value_of(c);

		if (is_blank(c))
			continue;
		if (c == '=' && (count + pads) % 4 >= 2 && pads < 2) {
			pads++;
			continue;
		}
		if (value < 0 || pads > 0)
			goto malformed;
		word = word << 6 | (uint32_t) value;
		count++;
		if (count % 4 == 0) {
			to[made++] = (char) (word >> 16);
			to[made++] = (char) (word >> 8);
			to[made++] = (char) word;
			word = 0;
		}
	}
	if ((count + pads) % 4 != 0)
		goto malformed;
	if (pads == 1) {
		to[made++] = (char) (word >> 10);
		to[made++] = (char) (word >> 2);
	} else if (pads == 2) {
		to[made++] = (char) (word >> 4);
	}
	buf->len += made;
	buf->data[buf->len] = '\0';
	return ST_OK;

malformed:
	buf->data[buf->len] = '\0';
	return fail(err, ST_MALFORMED, "no base64");
}
