#include "lib/base/yaml_priv.h"

#include <ctype.h>
#include <math.h>

enum { NUMBER_MAX = 400 };       /* no double has more digits before its point */

struct word {
	const char   *text;
	struct scalar scalar;
};

static size_t skip_digits(struct view text, size_t i)
{
	while (i < text.len && isdigit((unsigned char) text.ptr[i]))
		i++;
	return i;
}

/* [-+]? (\.[0-9]+ | [0-9]+(\.[0-9]*)?) ([eE][-+]?[0-9]+)? */
static bool looks_real(struct view text)
{
	size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
	size_t from = i;

	i = skip_digits(text, i);
	const bool has_whole = i > from;
	if (i < text.len && text.ptr[i] == '.') {
		from = ++i;
		i = skip_digits(text, i);
		if (!has_whole && i == from)
			return false;
	} else if (!has_whole) {
		return false;
	}
	if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
		i++;
		if (i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+'))
			i++;
		from = i;
		i = skip_digits(text, i);
		if (i == from)
			return false;
	}
	return i == text.len;
}

/* The base that a prefix names, and how long the prefix is.  Octal by a bare 0 is the Kubernetes dialect's only. */
static int base_of(struct view digits, enum yaml_dialect dialect, size_t *ret_prefix)
{
	const char mark = digits.len > 2 && digits.ptr[0] == '0' ? digits.ptr[1] : '\0';
	const bool is_kubernetes = dialect == YAML_KUBERNETES;

	*ret_prefix = 2;
	if (mark == 'x' || (is_kubernetes && mark == 'X'))
		return 16;
	if (mark == 'o' || (is_kubernetes && mark == 'O'))
		return 8;
	if (is_kubernetes && (mark == 'b' || mark == 'B'))
		return 2;
	*ret_prefix = is_kubernetes && digits.len > 1 && digits.ptr[0] == '0' ? 1 : 0;
	return *ret_prefix == 1 ? 8 : 10;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) (c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* An integer, or a real where 64 bits are too few; false when text is none. */
static bool read_integer(struct view text, enum yaml_dialect dialect, struct scalar *ret_scalar)
{
	const bool   is_negative = text.len > 0 && text.ptr[0] == '-';
	const size_t sign = text.len > 0 && (is_negative || text.ptr[0] == '+');
	struct view  digits = { text.ptr + sign, text.len - sign };
	size_t       prefix;
	const int    base = base_of(digits, dialect, &prefix);
	int64_t      integer = 0;
	double       real = 0;
	bool         fits = true;

	if (sign > 0 && base != 10 && dialect == YAML_EMCO)
		return false;
	digits.ptr += prefix;
	digits.len -= prefix;
	if (digits.len == 0)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		const int digit = digit_value(digits.ptr[i]);
		if (digit >= base)
			return false;
		real = real * base + digit;
		fits = fits && !__builtin_mul_overflow(integer, base, &integer)
		    && !(is_negative ? __builtin_sub_overflow(integer, digit, &integer)
		                     : __builtin_add_overflow(integer, digit, &integer));
	}
	if (!fits && base == 10)
		return false;                /* strtod rounds it better */
	if (fits)
		*ret_scalar = (struct scalar) { .kind = SCALAR_INTEGER, .integer = integer };
	else if (isfinite(real))
		*ret_scalar = (struct scalar) { .kind = SCALAR_REAL, .real = is_negative ? -real : real };
	else
		*ret_scalar = (struct scalar) { .kind = SCALAR_NO_JSON };
	return true;
}

/* Go prints a whole float without a point, and Kubernetes wants it so where a field is an integer. */
static struct scalar real_of(double real, enum yaml_dialect dialect)
{
	if (!isfinite(real))
		return (struct scalar) { .kind = SCALAR_NO_JSON };
	if (dialect == YAML_KUBERNETES && real > -9e18 && real < 9e18 && real == (double) (int64_t) real)
		return (struct scalar) { .kind = SCALAR_INTEGER, .integer = (int64_t) real };
	return (struct scalar) { .kind = SCALAR_REAL, .real = real };
}

static struct scalar read_number(struct view text, enum yaml_dialect dialect)
{
	char          plain[NUMBER_MAX + 1];
	size_t        len = 0;
	struct scalar scalar = { .kind = SCALAR_STRING };

	if (text.len > NUMBER_MAX)
		return looks_real(text) ? (struct scalar) { .kind = SCALAR_NO_JSON } : scalar;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '_' || dialect != YAML_KUBERNETES)
			plain[len++] = text.ptr[i];
	plain[len] = '\0';
	text = (struct view) { plain, len };
	if (read_integer(text, dialect, &scalar))
		return scalar;
	return looks_real(text) ? real_of(strtod(plain, NULL), dialect) : scalar;
}

static const struct word words[] = {
	{ "",      { .kind = SCALAR_NULL } },
	{ "~",     { .kind = SCALAR_NULL } },
	{ "null",  { .kind = SCALAR_NULL } },
	{ "Null",  { .kind = SCALAR_NULL } },
	{ "NULL",  { .kind = SCALAR_NULL } },
	{ "true",  { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "True",  { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "TRUE",  { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "false", { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "False", { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "FALSE", { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ ".inf",  { .kind = SCALAR_NO_JSON } },  { ".Inf",  { .kind = SCALAR_NO_JSON } },  { ".INF",  { .kind = SCALAR_NO_JSON } },
	{ "+.inf", { .kind = SCALAR_NO_JSON } },  { "+.Inf", { .kind = SCALAR_NO_JSON } },  { "+.INF", { .kind = SCALAR_NO_JSON } },
	{ "-.inf", { .kind = SCALAR_NO_JSON } },  { "-.Inf", { .kind = SCALAR_NO_JSON } },  { "-.INF", { .kind = SCALAR_NO_JSON } },
	{ ".nan",  { .kind = SCALAR_NO_JSON } },  { ".NaN",  { .kind = SCALAR_NO_JSON } },  { ".NAN",  { .kind = SCALAR_NO_JSON } },
};

/* YAML 1.1 as Go's reader has it: "y" and "n" are strings there. */
static const struct word kubernetes_words[] = {
	{ "yes",   { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "Yes",   { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "YES",   { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "on",    { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "On",    { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "ON",    { .kind = SCALAR_BOOLEAN, .truth = true  } },
	{ "no",    { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "No",    { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "NO",    { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "off",   { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "Off",   { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "OFF",   { .kind = SCALAR_BOOLEAN, .truth = false } },
	{ "<<",    { .kind = SCALAR_MERGE } },
};

static const struct word *word_of(const struct word *table, size_t count, struct view text)
{
	for (size_t i = 0; i < count; i++)
		if (view_is(text, table[i].text))
			return &table[i];
	return NULL;
}

struct scalar yaml_resolve(struct view text, enum yaml_dialect dialect)
{
	const struct word *word = word_of(words, ARRAY_LEN(words), text);

	if (word == NULL && dialect == YAML_KUBERNETES)
		word = word_of(kubernetes_words, ARRAY_LEN(kubernetes_words), text);
	if (word != NULL)
		return word->scalar;
	if (isdigit((unsigned char) text.ptr[0]) || memchr("+-.", text.ptr[0], 3) != NULL)
		return read_number(text, dialect);
	return (struct scalar) { .kind = SCALAR_STRING };
}
