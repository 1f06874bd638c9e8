/* Header values are read as they come; what makes no sense is passed over, as RFC 9110 wants it. */
#include "host/api/negotiate.h"

#include <ctype.h>
#include <strings.h>

/* One element of an Accept header. */
struct range {
	struct view type, subtype;
	int         weight;             /* thousandths */
};

static bool is_token(char c)
{
	return isalnum((unsigned char) c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool view_same(struct view view, const char *text, size_t len)
{
	return view.len == len && strncasecmp(view.ptr, text, len) == 0;
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

static const char *take_token(const char *at, const char *end, struct view *ret_token)
{
	const char *from = at;

	while (at < end && is_token(*at))
		at++;
	*ret_token = (struct view) { from, (size_t) (at - from) };
	return at;
}

/*
 * The parameter at `at` ("; name=value"), which moves past it.  value keeps its quotes.  False: there is none.  What makes
 * no sense is passed over up to the next semicolon, comma or end.
 */
static bool take_parameter(const char **at, const char *end, struct view *ret_name, struct view *ret_value)
{
	const char *p = skip_space(*at, end);

	if (p == end || *p != ';')
		return false;
	p = take_token(skip_space(p + 1, end), end, ret_name);
	p = skip_space(p, end);
	*ret_value = VIEW("");
	if (p < end && *p == '=') {
		const char *from = skip_space(p + 1, end);
		p = from;
		if (p < end && *p == '"') {
			for (p++; p < end && *p != '"'; p++)
				if (*p == '\\' && p + 1 < end)
					p++;
			if (p < end)
				p++;
		} else {
			while (p < end && *p != ';' && *p != ',' && *p != ' ' && *p != '\t')
				p++;
		}
		*ret_value = (struct view) { from, (size_t) (p - from) };
	}
	while (p < end && *p != ';' && *p != ',')
		p++;
	*at = p;
	return true;
}

/* "0.75" in thousandths; what is no weight counts as 1. */
static int weight_of(struct view text)
{
	int weight = 0, unit = 1000;

	if (text.len == 0 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
		return 1000;
	weight = (text.ptr[0] - '0') * 1000;
	for (size_t i = 2; i < text.len && i < 5 && isdigit((unsigned char) text.ptr[i]); i++) {
		unit /= 10;
		weight += (text.ptr[i] - '0') * unit;
	}
	return weight > 1000 ? 1000 : weight;
}

/* The next element of the header that can be read; false at its end. */
static bool take_range(const char **at, const char *end, struct range *ret_range)
{
	struct view name, value;

	while (*at < end) {
		const char *p = take_token(skip_space(*at, end), end, &ret_range->type);
		const bool has_slash = p < end && *p == '/';
		if (has_slash)
			p = take_token(p + 1, end, &ret_range->subtype);
		ret_range->weight = 1000;
		while (take_parameter(&p, end, &name, &value))
			if (view_same(name, "q", 1))
				ret_range->weight = weight_of(value);
		while (p < end && *p != ',')
			p++;
		*at = p < end ? p + 1 : p;
		if (has_slash && ret_range->type.len > 0 && ret_range->subtype.len > 0)
			return true;
	}
	return false;
}

/* How closely a range fits a type: 0 not at all, 1 any type, 2 any subtype, 3 exactly. */
static int closeness(const struct range *range, const char *type)
{
	const char  *slash = strchr(type, '/');
	const size_t len = (size_t) (slash - type);
	const bool   any_subtype = view_is(range->subtype, "*");

	if (view_is(range->type, "*"))
		return any_subtype ? 1 : 0;
	if (!view_same(range->type, type, len))
		return 0;
	if (any_subtype)
		return 2;
	return view_same(range->subtype, slash + 1, strlen(slash + 1)) ? 3 : 0;
}

int negotiate(const char *accept, const char *const *offers, size_t count)
{
	int best = -1, best_weight = 0, best_close = 0;
	bool is_readable = false;

	if (accept == NULL)
		return 0;
	const char *end = accept + strlen(accept);
	for (size_t i = 0; i < count; i++) {
		struct range range;
		int weight = 0, close = 0;
		for (const char *at = accept; take_range(&at, end, &range); is_readable = true) {
			const int fit = closeness(&range, offers[i]);
			if (fit > close || (fit > 0 && fit == close && range.weight > weight)) {
				close = fit;
				weight = range.weight;
			}
		}
		if (weight > best_weight || (weight > 0 && weight == best_weight && close > best_close)) {
			best_weight = weight;
			best_close = close;
			best = (int) i;
		}
	}
	return is_readable ? best : 0;
}

bool negotiate_names(const char *accept, const char *type)
{
	struct range range;

	if (accept == NULL)
		return false;
	for (const char *at = accept, *end = accept + strlen(accept); take_range(&at, end, &range);)
		if (closeness(&range, type) == 3 && range.weight > 0)
			return true;
	return false;
}

bool negotiate_names_only(const char *accept, const char *type)
{
	struct range range;

	if (!negotiate_names(accept, type))
		return false;
	for (const char *at = accept, *end = accept + strlen(accept); take_range(&at, end, &range);)
		if (closeness(&range, type) != 3)
			return false;
	return true;
}

bool negotiate_gzip(const char *accept_encoding)
{
	struct view coding, name, value;
	bool is_any = false;

	if (accept_encoding == NULL)
		return false;
	for (const char *at = accept_encoding, *end = at + strlen(at); at < end; at++) {
		int weight = 1000;
		at = take_token(skip_space(at, end), end, &coding);
		while (take_parameter(&at, end, &name, &value))
			if (view_same(name, "q", 1))
				weight = weight_of(value);
		if (view_same(coding, "gzip", 4) || view_same(coding, "x-gzip", 6))
			return weight > 0;
		if (view_is(coding, "*"))
			is_any = weight > 0;
		while (at < end && *at != ',')
			at++;
	}
	return is_any;
}

bool media_type_is(const char *content_type, const char *type)
{
	const size_t len = strlen(type);

	if (content_type == NULL)
		return false;
	content_type += strspn(content_type, " \t");
	return strncasecmp(content_type, type, len) == 0
	       && (content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL);
}

static bool unquote(struct view value, char *out, size_t size)
{
	size_t len = 0;
	const bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';

	if (value.len > 0 && value.ptr[0] == '"' && !is_quoted)
		return false;
	for (size_t i = is_quoted; i < value.len - is_quoted; i++) {
		if (is_quoted && value.ptr[i] == '\\' && i + 2 < value.len)
			i++;
		if (value.ptr[i] == '\0' || len + 1 >= size)
			return false;
		out[len++] = value.ptr[i];
	}
	out[len] = '\0';
	return true;
}

bool header_parameter(struct view header, const char *name, char *out, size_t size)
{
	const char *at = header.ptr, *end = header.ptr + header.len;
	struct view found, value;

	while (at < end && *at != ';')
		at++;
	while (take_parameter(&at, end, &found, &value)) {
		if (view_same(found, name, strlen(name)))
			return unquote(value, out, size);
		while (at < end && *at != ';')                     /* a comma inside an unquoted value */
			at++;
	}
	return false;
}
