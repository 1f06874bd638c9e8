/*
 * The text of a resource set: a line for each entry, in order, its parts separated by tabs.  It is canonical because a
 * part is written in one way only: a backslash stands before t, n, r and itself.
 *
 *     name  apiVersion  kind  namespace  events  phase  S|P  digest
 */
#include "host/store/context.h"

#include "host/store/db_priv.h"

enum { PARTS = 8 };

static enum status add_part(struct buf *out, struct view part, char end, struct error *err)
{
	if (memchr(part.ptr != NULL ? part.ptr : "", '\0', part.len) != NULL)
		return fail(err, ST_INVALID, "the name of an object holds a NUL");

	size_t      from = 0;
	enum status st = ST_OK;

	for (size_t i = 0; i < part.len && st == ST_OK; i++) {
		const char c = part.ptr[i];
		const char *escape = c == '\t' ? "\\t" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\\' ? "\\\\" : NULL;
		if (escape == NULL)
			continue;
		st = buf_add(out, part.ptr + from, i - from, err);
		if (st == ST_OK)
			st = buf_add(out, escape, 2, err);
		from = i + 1;
	}
	if (st == ST_OK)
		st = buf_add(out, part.ptr + from, part.len - from, err);
	return st == ST_OK ? buf_add(out, &end, 1, err) : st;
}

static enum status encode_entry(const struct set_entry *entry, struct buf *out, struct error *err)
{
	const struct view words[] = { entry->name, entry->api_version, entry->kind, entry->namespace_, entry->events };
	char        hex[DIGEST_HEX_SIZE];
	enum status st = ST_OK;

	for (size_t i = 0; i < ARRAY_LEN(words) && st == ST_OK; i++)
		st = add_part(out, words[i], '\t', err);
	digest_hex(&entry->manifest, hex);
	return st == ST_OK ? buf_printf(out, err, "%d\t%c\t%s\n", entry->phase, entry->is_secret ? 'S' : 'P', hex) : st;
}

enum status set_encode(const struct set_entry *entries, size_t count, struct buf *out, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < count && st == ST_OK; i++)
		st = encode_entry(&entries[i], out, err);
	return st;
}

/* Take one part off text, which is ours, and undo its escapes in place. */
static bool take_part(char **text, char *end, char stop, struct view *ret_part)
{
	char *from = *text, *to = from, *at = from;

	for (; at < end && *at != stop; at++, to++) {
		if (*at != '\\') {
			*to = *at;
			continue;
		}
		if (++at == end)
			return false;
		*to = *at == 't' ? '\t' : *at == 'n' ? '\n' : *at == 'r' ? '\r' : '\\';
	}
	if (at == end)
		return false;
	*text = at + 1;
	*ret_part = (struct view) { from, (size_t) (to - from) };
	return true;
}

static bool decode_entry(char **text, char *end, struct set_entry *entry)
{
	struct view part[PARTS];

	for (size_t i = 0; i < PARTS; i++)
		if (!take_part(text, end, i + 1 < PARTS ? '\t' : '\n', &part[i]))
			return false;
	if (part[5].len != 1 || part[5].ptr[0] < '0' || part[5].ptr[0] > '9' || part[6].len != 1)
		return false;
	*entry = (struct set_entry) { .name = part[0], .api_version = part[1], .kind = part[2], .namespace_ = part[3],
		.events = part[4], .phase = part[5].ptr[0] - '0', .is_secret = part[6].ptr[0] == 'S' };
	return digest_from_hex(part[7], &entry->manifest);
}

enum status set_decode(struct view text, struct arena *arena, struct set_entry **ret_entries, size_t *ret_count,
                       struct error *err)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '\n';

	struct set_entry *entries = arena_alloc(arena, count, sizeof *entries);
	char             *copy = arena_copy(arena, text.ptr, text.len), *at = copy;
	if (entries == NULL || copy == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!decode_entry(&at, copy + text.len, &entries[i]))
			return fail(err, ST_INTERNAL, "entry %zu of a resource set does not parse", i + 1);
	*ret_entries = entries;
	*ret_count = count;
	return ST_OK;
}
