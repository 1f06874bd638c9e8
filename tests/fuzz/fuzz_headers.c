/*
 * One header a line: Accept, Accept-Encoding, If-Match and If-None-Match, Content-Type.  Each means one thing, whatever it
 * says, and what it names is named by the strict reading as by the loose.
 */
#include "host/api/condition.h"
#include "host/api/multipart.h"
#include "host/api/negotiate.h"

#include "tests/fuzz/fuzz.h"

enum { ID = 12, VERSION = 3 };

static void check_accept(const char *accept)
{
	static const char *const offers[] = { "application/json", "application/octet-stream", "multipart/form-data" };

	const int chosen = negotiate(accept, offers, ARRAY_LEN(offers));
	must(chosen >= -1 && chosen < (int) ARRAY_LEN(offers));
	for (size_t i = 0; i < ARRAY_LEN(offers); i++)
		must(chosen >= 0 || !negotiate_names(accept, offers[i]));      /* what is named is not refused */
	must(!negotiate_names_only(accept, offers[0]) || (chosen == 0 && negotiate_names(accept, offers[0])));
	IGNORE(negotiate_gzip(accept));
}

static void check_condition(const char *header)
{
	char tag[ENTITY_TAG_SIZE];
	bool has_any = false;

	for (int form = 0; form < ENTITY_FORMS; form++) {
		entity_tag(ID, VERSION, form, false, tag);
		must(strlen(tag) < sizeof tag && condition_names(tag, ID, VERSION, false));
		has_any = has_any || condition_has(header, ID, VERSION, form);
	}
	must(has_any == condition_names(header, ID, VERSION, true));
	must(!condition_names(header, ID, VERSION, false) || condition_names(header, ID, VERSION, true));
	/* No list names two versions without holding the numbers of both. */
	if (strcmp(header, "*") != 0 && condition_names(header, ID, VERSION, true))
		must(strstr(header, "\"12-3") != NULL);
}

static void check_content_type(const char *type)
{
	const struct view header = { type, strlen(type) };
	char              boundary[MULTIPART_BOUNDARY_MAX + 1], value[64];
	struct error      err = { .code = ST_OK };

	IGNORE(media_type_is(type, "application/json"));
	if (header_parameter(header, "charset", value, sizeof value))
		must(strnlen(value, sizeof value) < sizeof value);
	if (multipart_boundary(type, boundary, &err) == ST_OK)
		must(*boundary != '\0' && strlen(boundary) <= MULTIPART_BOUNDARY_MAX);
	else
		must(err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *) = { check_accept, check_condition, check_content_type };
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	size_t at = 0;
	for (char *line = text, *end; line != NULL; line = end, at++) {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		checks[at % ARRAY_LEN(checks)](line);
	}
	free(text);
	return 0;
}
