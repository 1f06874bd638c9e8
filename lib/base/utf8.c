#include "lib/base/utf8.h"

/* Bytes of the well-formed character at text, 0 when it is none.  The ranges are those of Unicode, table 3-7. */
static size_t character(const unsigned char *text, size_t len)
{
	const unsigned char lead = text[0];
	unsigned char       low = 0x80, high = 0xBF;
	size_t              size;

	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (len < size)
		return 0;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	return size;
}

bool utf8_is_valid(struct view text)
{
	for (size_t i = 0, size; i < text.len; i += size) {
		size = character((const unsigned char *) text.ptr + i, text.len - i);
		if (size == 0)
			return false;
	}
	return true;
}

static bool starts_character(char c)
{
	return ((unsigned char) c & 0xC0) != 0x80;
}

size_t utf8_count(struct view text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += starts_character(text.ptr[i]);
	return count;
}

struct view utf8_cut(struct view text, size_t count)
{
	for (size_t i = 0; i < text.len; i++)
		if (starts_character(text.ptr[i]) && count-- == 0)
			return (struct view) { text.ptr, i };
	return text;
}

/* A character whose rest was cut off. */
static bool is_cut_short(const unsigned char *text, size_t len)
{
	static const unsigned char rests[][3] = { { 0x80, 0x80, 0x80 }, { 0x90, 0x80, 0x80 }, { 0xA0, 0x80, 0x80 } };
	unsigned char              whole[4];

	if (len >= sizeof whole)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rests); i++) {
		memcpy(whole, text, len);
		memcpy(whole + len, rests[i], sizeof whole - len);
		if (character(whole, sizeof whole) > len)
			return true;
	}
	return false;
}

void utf8_line(char *to, size_t size, struct view text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len;) {
		const unsigned char *at = (const unsigned char *) text.ptr + i;
		const size_t         whole = character(at, text.len - i), bytes = whole > 0 ? whole : 1;

		if (len + bytes >= size || (whole == 0 && is_cut_short(at, text.len - i)))
			break;
		if (whole > 1)
			memmove(to + len, at, whole);
		else
			to[len] = whole == 0 ? '?' : *at < ' ' || *at == 0x7F ? ' ' : (char) *at;
		len += bytes;
		i += bytes;
	}
	while (len > 0 && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
}

uint32_t utf8_next(struct view *text)
{
	const unsigned char lead = (unsigned char) text->ptr[0];
	const size_t        size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	uint32_t            point = size == 1 ? lead : lead & (0x7Fu >> size);

	for (size_t i = 1; i < size; i++)
		point = point << 6 | ((unsigned char) text->ptr[i] & 0x3Fu);
	text->ptr += size;
	text->len -= size;
	return point;
}
