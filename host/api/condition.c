/* Tags are compared as text: what is not one of ours names nothing. */
#include "host/api/condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GZIP_SUFFIX  "-gzip"

void entity_tag(int64_t id, uint64_t version, bool is_gzip, char tag[ENTITY_TAG_SIZE])
{
	snprintf(tag, ENTITY_TAG_SIZE, "\"%" PRId64 "-%" PRIu64 "%s\"", id, version, is_gzip ? GZIP_SUFFIX : "");
}

/* Is it this version's, quotes included, in either coding? */
static bool is_tag_of(const char *text, size_t len, int64_t id, uint64_t version)
{
	char tag[ENTITY_TAG_SIZE];

	for (int is_gzip = 0; is_gzip < 2; is_gzip++) {
		entity_tag(id, version, is_gzip, tag);
		if (len == strlen(tag) && memcmp(text, tag, len) == 0)
			return true;
	}
	return false;
}

bool condition_names(const char *header, int64_t id, uint64_t version, bool takes_weak)
{
	if (strcmp(header, "*") == 0)
		return true;
	for (const char *at = header + strspn(header, ", \t"); *at != '\0'; at += strspn(at, ", \t")) {
		const bool is_weak = strncmp(at, "W/", 2) == 0;
		at += is_weak ? 2 : 0;
		const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
		if (end == NULL)
			return false;                             /* no list of tags from here on */
		end++;
		if ((takes_weak || !is_weak) && is_tag_of(at, (size_t) (end - at), id, version))
			return true;
		at = end;
	}
	return false;
}
