/*
 * object_text.c - an object as text, the same for the same object.
 */
#include "plugins/rsync/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REAL_DIGITS = 15, REAL_DIGITS_EXACT = 17 };

/* NOTE: jansson writes 17 digits, so 0.1 would become 0.10000000000000001, which a Kubernetes quantity rounds up. */
static void write_real(FILE *out, double number)
{
	char text[64];

	for (int digits = REAL_DIGITS; digits <= REAL_DIGITS_EXACT; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (char *c = text; *c != '\0'; c++)
		if (*c == ',')                   /* of a locale */
			*c = '.';
	fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

/* false: no memory. */
static bool write_value(FILE *out, const json_t *value)
{
	union { const json_t *in; json_t *out; } same = { .in = value };     /* the iteration macros take no const */
	const char *key, *between = "";
	bool        is_whole = true;
	json_t     *item;
	size_t      i;

	if (json_is_object(value)) {
		fputc('{', out);
		json_object_foreach(same.out, key, item) {
			json_t *name = json_string(key);

			fputs(between, out);
			is_whole = is_whole && write_value(out, name);
			fputc(':', out);
			is_whole = is_whole && write_value(out, item);
			json_decref(name);
			between = ",";
		}
		fputc('}', out);
	} else if (json_is_array(value)) {
		fputc('[', out);
		json_array_foreach(same.out, i, item) {
			fputs(i > 0 ? "," : "", out);
			is_whole = is_whole && write_value(out, item);
		}
		fputc(']', out);
	} else if (json_is_real(value)) {
		write_real(out, json_real_value(value));
	} else {
		is_whole = json_dumpf(value, out, JSON_ENCODE_ANY) == 0;
	}
	return is_whole;
}

const char *object_text(struct pass *pass, const json_t *object)
{
	char  *text = NULL;
	size_t len = 0;
	FILE  *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;

	const bool  is_written = write_value(out, object) && fputc('\n', out) != EOF;
	const bool  is_whole = is_written && ferror(out) == 0;
	const bool  is_closed = fclose(out) == 0;
	const char *kept = is_whole && is_closed ? pass_text(pass, (emco_str) { text, len }) : NULL;

	free(text);
	return kept;
}
