/* Names are written as identifiers: their capitals and hyphens are where words begin. */
#include "host/api/summary.h"

#include <ctype.h>

static const struct { const char *verb; bool is_of_all; } words[OPERATION_COUNT] = {
	[OPERATION_LIST]    = { "List",    true  }, [OPERATION_CREATE] = { "Create", false }, [OPERATION_READ] = { "Read", false },
	[OPERATION_REPLACE] = { "Replace", false }, [OPERATION_DELETE] = { "Delete", false },
};

/* "deploymentIntentGroup" as "deployment intent group". */
static void spell(const char *name, char spelt[SPELT_SIZE])
{
	size_t len = 0;

	for (const char *c = name; *c != '\0' && len + 3 < SPELT_SIZE; c++) {
		if (isupper((unsigned char) *c) && c != name)
			spelt[len++] = ' ';
		spelt[len++] = *c == '-' || *c == '_' ? ' ' : (char) tolower((unsigned char) *c);
	}
	spelt[len] = '\0';
}

static const char *article(const char *noun)
{
	return strchr("aeio", *noun) != NULL ? "an" : "a";      /* what begins with u is a user */
}

static void put_all(const char *verb, const char *noun, char summary[SUMMARY_SIZE])
{
	const size_t len = strlen(noun);
	const bool   has_y = len > 1 && noun[len - 1] == 'y' && strchr("aeiou", noun[len - 2]) == NULL;

	snprintf(summary, SUMMARY_SIZE, "%s the %.*s%s", verb, (int) (has_y ? len - 1 : len), noun, has_y ? "ies" : "s");
}

void summary_of(const struct endpoint *endpoint, char summary[SUMMARY_SIZE])
{
	char        noun[SPELT_SIZE], segment[SPELT_SIZE];
	const char *verb = words[endpoint->operation].verb;

	if (endpoint->type == NULL) {
		snprintf(summary, SUMMARY_SIZE, "%s", endpoint->about == NULL ? "" : endpoint->about);
		return;
	}
	spell(endpoint->type->row->name, noun);
	if (endpoint->operation == OPERATION_LOOK) {
		spell(endpoint->looks[0]->segment, segment);
		snprintf(summary, SUMMARY_SIZE, "Show the %s of %s %s", segment, article(noun), noun);
	} else if (words[endpoint->operation].is_of_all) {
		put_all(verb, noun, summary);
	} else {
		if (endpoint->verb != NULL) {
			spell(endpoint->verb->name, segment);
			segment[0] = (char) toupper((unsigned char) segment[0]);
			verb = segment;
		}
		snprintf(summary, SUMMARY_SIZE, "%s %s %s", verb, article(noun), noun);
	}
}
