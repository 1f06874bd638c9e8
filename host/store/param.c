#include "host/store/db_priv.h"

#include <inttypes.h>
#include <limits.h>

enum status param_list_fill(struct param_list *list, const struct param *params, size_t count, struct error *err)
{
	if (count > PARAMS_MAX)
		return fail(err, ST_INTERNAL, "a query takes at most %d parameters, got %zu", PARAMS_MAX, count);
	for (size_t i = 0; i < count; i++) {
		const struct param *param = &params[i];

		list->values[i] = NULL;
		list->lengths[i] = 0;
		list->formats[i] = 0;
		switch (param->kind) {
		case PARAM_NULL:
			break;
		case PARAM_INT:
			snprintf(list->numbers[i], sizeof list->numbers[i], "%" PRId64, param->number);
			list->values[i] = list->numbers[i];
			break;
		case PARAM_TEXT:
		case PARAM_BYTES:
			if (param->value.len > INT_MAX / 2)
				return fail(err, ST_TOO_LARGE, "a value of %zu bytes is beyond what the database takes", param->value.len);
			/* Both go in binary form: for text that is the bytes themselves, and they need no NUL at their end. */
			list->values[i] = param->value.ptr != NULL ? param->value.ptr : "";
			list->lengths[i] = (int) param->value.len;
			list->formats[i] = 1;
			break;
		}
	}
	return ST_OK;
}

static void array_word(char **to, uint32_t word)
{
	const unsigned char bytes[4] = { (unsigned char) (word >> 24), (unsigned char) (word >> 16),
	                                 (unsigned char) (word >> 8), (unsigned char) word };
	memcpy(*to, bytes, 4);
	*to += 4;
}

/* PostgreSQL's binary form of a one-dimensional array: dimensions, "has nulls", element type; length, lower bound. */
static enum status array_head(struct buf *out, uint32_t type, size_t count, struct error *err)
{
	char  head[20];
	char *to = head;

	if (count > INT_MAX)
		return fail(err, ST_TOO_LARGE, "an array of %zu is beyond what the database takes", count);
	array_word(&to, count > 0 ? 1 : 0);
	array_word(&to, 0);
	array_word(&to, type);
	if (count > 0) {
		array_word(&to, (uint32_t) count);
		array_word(&to, 1);
	}
	return buf_add(out, head, (size_t) (to - head), err);
}

static enum status array_item(struct buf *out, const void *bytes, size_t len, struct error *err)
{
	char  size[4];
	char *to = size;

	if (len > INT_MAX / 2)
		return fail(err, ST_TOO_LARGE, "a value of %zu bytes is beyond what the database takes", len);
	array_word(&to, (uint32_t) len);
	enum status st = buf_add(out, size, sizeof size, err);
	return st == ST_OK ? buf_add(out, bytes, len, err) : st;
}

static enum status array_views(struct buf *out, uint32_t type, const struct view *items, size_t count, size_t stride,
                               struct error *err)
{
	enum status st = array_head(out, type, count, err);

	for (size_t i = 0; i < count && st == ST_OK; i++) {
		const struct view *item = (const struct view *) (const void *) ((const char *) items + i * stride);
		st = array_item(out, item->ptr, item->len, err);
	}
	return st;
}

enum status param_texts(struct buf *out, const struct view *items, size_t count, struct error *err)
{
	return array_views(out, 25, items, count, sizeof *items, err);
}

enum status param_texts_at(struct buf *out, const struct view *first, size_t count, size_t stride, struct error *err)
{
	return array_views(out, 25, first, count, stride, err);
}

enum status param_blobs_at(struct buf *out, const struct view *first, size_t count, size_t stride, struct error *err)
{
	return array_views(out, 17, first, count, stride, err);
}

enum status param_digests(struct buf *out, const void *digests, size_t count, size_t stride, struct error *err)
{
	enum status st = array_head(out, 17, count, err);

	for (size_t i = 0; i < count && st == ST_OK; i++)
		st = array_item(out, (const char *) digests + i * stride, 32, err);
	return st;
}

enum status param_ints(struct buf *out, const int64_t *numbers, size_t count, struct error *err)
{
	enum status st = array_head(out, 20, count, err);

	for (size_t i = 0; i < count && st == ST_OK; i++) {
		char  word[8];
		char *to = word;
		array_word(&to, (uint32_t) ((uint64_t) numbers[i] >> 32));
		array_word(&to, (uint32_t) numbers[i]);
		st = array_item(out, word, sizeof word, err);
	}
	return st;
}
