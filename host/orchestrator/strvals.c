#include "host/orchestrator/strvals.h"

#include "lib/base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

enum { END = -1 };

struct parser {
	struct view   text;
	size_t        at;
	size_t       *padding;
	unsigned      lists;            /* indexes in a row so far            */
	unsigned      levels;           /* dots and indexes of the key so far */
	struct error *err;
};

static int next(struct parser *p)
{
	return p->at < p->text.len ? (unsigned char) p->text.ptr[p->at++] : END;
}

/* Read up to one of stops, which is consumed; END at the end of the text.  A backslash takes what follows as it is. */
static enum status read_until(struct parser *p, const char *stops, struct buf *token, int *ret_stop)
{
	for (;;) {
		int c = next(p);
		if (c == END || strchr(stops, c) != NULL) {
			*ret_stop = c;
			return ST_OK;
		}
		if (c == '\\') {
			c = next(p);
			if (c == END) {
				*ret_stop = END;
				return ST_OK;
			}
		}
		const char        byte = (char) c;
		const enum status st = buf_add(token, &byte, 1, p->err);
		if (st != ST_OK)
			return st;
	}
}

static bool parse_integer(const char *text, long long *ret_number)
{
	char *end;

	if (strspn(text, "+-0123456789") != strlen(text) || *text == '\0')
		return false;
	errno = 0;
	*ret_number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* Helm's guess: true, false, null, integers without leading zeros; anything else is a text. */
static json_t *typed(const struct buf *token)
{
	long long number;

	if (strcasecmp(token->data, "true") == 0)
		return json_true();
	if (strcasecmp(token->data, "false") == 0)
		return json_false();
	if (strcasecmp(token->data, "null") == 0)
		return json_null();
	if (strcmp(token->data, "0") == 0)
		return json_integer(0);
	if (token->data[0] != '0' && parse_integer(token->data, &number))
		return json_integer(number);
	return json_stringn(token->data, token->len);
}

static enum status no_memory(struct parser *p)
{
	return fail(p->err, ST_NO_MEMORY, "out of memory");
}

/* After the opening brace: members up to the closing one, and the comma that may follow it. */
static enum status read_list(struct parser *p, json_t **ret_list)
{
	auto_json *list = json_array();
	int        stop;

	do {
		auto_buf token = BUF(p->text.len);
		const enum status st = read_until(p, ",}", &token, &stop);
		if (st != ST_OK)
			return st;
		if (stop == END)
			return fail(p->err, ST_INVALID, "a list must end with \"}\"");
		if (json_array_append_new(list, typed(&token)) != 0)
			return no_memory(p);
	} while (stop != '}');

	if (p->at < p->text.len && p->text.ptr[p->at] == ',')
		p->at++;
	*ret_list = json_incref(list);
	return ST_OK;
}

/* What follows "=". */
static enum status read_value(struct parser *p, json_t **ret_value)
{
	int stop;

	if (p->at < p->text.len && p->text.ptr[p->at] == '{') {
		p->at++;
		return read_list(p, ret_value);
	}

	auto_buf token = BUF(p->text.len);
	const enum status st = read_until(p, ",", &token, &stop);
	if (st != ST_OK)
		return st;
	json_t *value = typed(&token);
	if (value == NULL)
		return no_memory(p);
	*ret_value = value;
	return ST_OK;
}

/* After "[": the index and the "]". */
static enum status read_index(struct parser *p, size_t *ret_index)
{
	auto_buf  token = BUF(p->text.len);
	long long number;
	int       stop;

	const enum status st = read_until(p, "]", &token, &stop);
	if (st != ST_OK)
		return st;
	if (stop == END)
		return fail(p->err, ST_INVALID, "a list index must end with \"]\"");
	if (!parse_integer(token.data, &number))
		return fail(p->err, ST_INVALID, "a list index must be a number, got \"%s\"", token.data);
	if (number < 0 || number > STRVALS_INDEX_MAX)
		return fail(p->err, ST_INVALID, "a list index must be 0 to %d, got %lld", STRVALS_INDEX_MAX, number);
	*ret_index = (size_t) number;
	return ST_OK;
}

/* Takes value.  Nulls fill the list up to index. */
static enum status put_item(struct parser *p, json_t *list, size_t index, json_t *value)
{
	const size_t have = json_array_size(list);

	if (index >= have) {
		const size_t more = index + 1 - have;
		if (more > *p->padding) {
			json_decref(value);
			return fail(p->err, ST_TOO_LARGE, "override values make lists longer than %d members in all", STRVALS_PADDING);
		}
		*p->padding -= more;
	}
	for (size_t i = have; i <= index; i++)
		if (json_array_append_new(list, json_null()) != 0) {
			json_decref(value);
			return no_memory(p);
		}
	if (json_array_set_new(list, index, value) != 0)
		return no_memory(p);
	return ST_OK;
}

/* NOTE: the parser calls itself for each level, and so does whoever walks or frees what it makes. */
static enum status enter_level(struct parser *p)
{
	if (++p->levels > STRVALS_LEVELS_MAX)
		return fail(p->err, ST_INVALID, "a key must have at most %d dots and indexes", STRVALS_LEVELS_MAX);
	return ST_OK;
}

static enum status read_key(struct parser *p, json_t *object, unsigned depth);

/* After the "]" of an index into list. */
static enum status read_item(struct parser *p, json_t *list, size_t index, unsigned depth)
{
	auto_buf    token = BUF(p->text.len);
	int         stop;
	json_t     *held = json_array_get(list, index);         /* borrowed */
	enum status st;

	st = read_until(p, "[.=", &token, &stop);
	if (st != ST_OK)
		return st;
	if (token.len > 0)
		return fail(p->err, ST_INVALID, "after a list index comes \"=\", \".\" or \"[\", got \"%s\"", token.data);
	st = stop == '.' || stop == '[' ? enter_level(p) : ST_OK;
	if (st != ST_OK)
		return st;

	switch (stop) {
	case '=': {
		json_t *value;
		st = read_value(p, &value);
		return st == ST_OK ? put_item(p, list, index, value) : st;
	}
	case '[': {
		size_t inner_index;
		if (++p->lists > STRVALS_LIST_MAX)
			return fail(p->err, ST_INVALID, "lists are nested deeper than %d", STRVALS_LIST_MAX);
		st = read_index(p, &inner_index);
		if (st != ST_OK)
			return st;
		if (held != NULL && !json_is_null(held) && !json_is_array(held))
			return fail(p->err, ST_INVALID, "member %zu of a list is no list", index);
		auto_json *inner = json_is_array(held) ? json_incref(held) : json_array();
		st = read_item(p, inner, inner_index, depth);
		return st == ST_OK ? put_item(p, list, index, json_incref(inner)) : st;
	}
	case '.': {
		auto_json *inner = json_is_object(held) ? json_incref(held) : json_object();
		st = read_key(p, inner, depth);
		return st == ST_OK ? put_item(p, list, index, json_incref(inner)) : st;
	}
	default:
		return fail(p->err, ST_INVALID, "a list index has no value");
	}
}

/* Takes value.  Helm sets nothing for an empty key, and so do we. */
static enum status put_member(struct parser *p, json_t *object, const struct buf *key, json_t *value)
{
	if (key->len == 0) {
		json_decref(value);
		return ST_OK;
	}
	if (json_object_setn_new(object, key->data, key->len, value) != 0)
		return no_memory(p);
	return ST_OK;
}

static enum status read_member(struct parser *p, json_t *object, const struct buf *key, int stop, unsigned depth)
{
	json_t     *held = json_object_getn(object, key->data, key->len);        /* borrowed */
	enum status st;

	if (stop == '=') {
		json_t *value;
		st = read_value(p, &value);
		return st == ST_OK ? put_member(p, object, key, value) : st;
	}
	st = enter_level(p);
	if (st != ST_OK)
		return st;
	if (stop == '[') {
		size_t index;
		st = read_index(p, &index);
		if (st != ST_OK)
			return st;
		if (held != NULL && !json_is_array(held))
			return fail(p->err, ST_INVALID, "\"%s\" has an index, but it is no list", key->data);
		auto_json *list = held != NULL ? json_incref(held) : json_array();
		p->lists = 1;
		st = read_item(p, list, index, depth);
		return st == ST_OK ? put_member(p, object, key, json_incref(list)) : st;
	}

	if (depth + 1 > STRVALS_NESTED_MAX)
		return fail(p->err, ST_INVALID, "a key is nested deeper than %d", STRVALS_NESTED_MAX);
	if (held != NULL && !json_is_object(held))
		return fail(p->err, ST_INVALID, "\"%s\" has members, but it is no object", key->data);
	auto_json *inner = held != NULL ? json_incref(held) : json_object();
	st = read_key(p, inner, depth + 1);
	if (st != ST_OK)
		return st;
	if (json_object_size(inner) == 0)
		return key->len == 0 ? ST_OK : fail(p->err, ST_INVALID, "the members of \"%s\" have no value", key->data);
	return put_member(p, object, key, json_incref(inner));
}

static enum status read_key(struct parser *p, json_t *object, unsigned depth)
{
	auto_buf key = BUF(p->text.len);
	int      stop;

	const enum status st = read_until(p, "=[,.", &key, &stop);
	if (st != ST_OK)
		return st;
	if (stop == END || stop == ',')
		return fail(p->err, ST_INVALID, "key \"%s\" has no value", key.data);
	return read_member(p, object, &key, stop, depth);
}

enum status strvals_parse(struct view text, json_t *values, size_t *padding, struct error *err)
{
	struct parser p = { .text = text, .padding = padding, .err = err };

	if (memchr(text.ptr, '\0', text.len) != NULL || !utf8_is_valid(text))
		return fail(err, ST_INVALID, "override values must be UTF-8 text without NUL");
	while (p.at < p.text.len) {
		p.levels = 0;
		const enum status st = read_key(&p, values, 0);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status strvals_set(json_t *values, struct view key, struct view value, size_t *padding, struct error *err)
{
	auto_buf    text = BUF(key.len + value.len + 1);
	enum status st;

	st = buf_add_view(&text, key, err);
	if (st == ST_OK)
		st = buf_add_text(&text, "=", err);
	if (st == ST_OK)
		st = buf_add_view(&text, value, err);
	if (st == ST_OK)
		st = strvals_parse(buf_view(&text), values, padding, err);
	return st;
}
