/* Tags are compared as text: what is not one of ours names nothing. */
#include "host/api/condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const suffixes[ENTITY_FORMS] = { [ENTITY_JSON] = "", [ENTITY_FILE] = "-file", [ENTITY_PARTS] = "-parts" };

/* Which tags count: those of some forms, and weak ones or not. */
struct wish { unsigned forms; bool takes_weak; };

enum { ALL_FORMS = (1 << ENTITY_FORMS) - 1 };

void entity_tag(int64_t id, uint64_t version, enum entity_form form, bool is_gzip, char tag[ENTITY_TAG_SIZE])
{
	snprintf(tag, ENTITY_TAG_SIZE, "\"%" PRId64 "-%" PRIu64 "%s%s\"", id, version, suffixes[form], is_gzip ? "-gzip" : "");
}

/* Is it this version's, quotes included, in either coding? */
static bool is_tag_of(const char *text, size_t len, int64_t id, uint64_t version, unsigned forms)
{
	char tag[ENTITY_TAG_SIZE];

	for (int form = 0; form < ENTITY_FORMS; form++)
		for (int is_gzip = 0; is_gzip < 2 && (forms & 1U << form) != 0; is_gzip++) {
			entity_tag(id, version, form, is_gzip, tag);
			if (len == strlen(tag) && memcmp(text, tag, len) == 0)
				return true;
		}
	return false;
}

bool condition_is_any(const char *header)
{
	return header != NULL && strcmp(header, "*") == 0;
}

static bool names(const char *header, int64_t id, uint64_t version, const struct wish *wish)
{
	if (condition_is_any(header))
		return true;
	for (const char *at = header + strspn(header, ", \t"); *at != '\0'; at += strspn(at, ", \t")) {
		const bool is_weak = strncmp(at, "W/", 2) == 0;
		at += is_weak ? 2 : 0;
		const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
		if (end == NULL)
			return false;                             /* no list of tags from here on */
		end++;
		if ((wish->takes_weak || !is_weak) && is_tag_of(at, (size_t) (end - at), id, version, wish->forms))
			return true;
		at = end;
	}
	return false;
}

bool condition_names(const char *header, int64_t id, uint64_t version, bool takes_weak)
{
	const struct wish wish = { ALL_FORMS, takes_weak };

	return names(header, id, version, &wish);
}

bool condition_has(const char *header, int64_t id, uint64_t version, enum entity_form form)
{
	const struct wish wish = { 1U << form, true };

	return names(header, id, version, &wish);
}

enum status condition_fails(const char *if_match, struct view path, int64_t id, uint64_t version, struct error *err)
{
	char tag[ENTITY_TAG_SIZE];

	entity_tag(id, version, ENTITY_JSON, false, tag);
	fail(err, ST_PRECONDITION, "\"%.*s\" is at %s, which If-Match does not name", V(path), tag);
	return fail_hint(err, strncmp(if_match, "W/", 2) != 0 && if_match[0] == '"'
	                 ? "It has changed since, or is another one: read it again."
	                 : "Send the ETag as it came: in its quotes, and not weak (W/).");
}
