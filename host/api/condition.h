/*
 * condition.h - entity tags, and the lists of them in If-Match and If-None-Match.
 */
#ifndef HOST_API_CONDITION_H
#define HOST_API_CONDITION_H

#include "lib/base/buf.h"

enum { ENTITY_TAG_SIZE = 56 };

/* What of a version is sent: the document, its file, or both as parts of one body. */
enum entity_form { ENTITY_JSON, ENTITY_FILE, ENTITY_PARTS, ENTITY_FORMS };

/*
 * The tag of one version, "ID-VERSION" in quotes: a resource made again under its old name gets another.  In another form or
 * compressed it is another sequence of bytes and so has a tag of its own, "ID-VERSION-file", "ID-VERSION-gzip"; all of them
 * mean the same version.
 */
void entity_tag(int64_t id, uint64_t version, enum entity_form form, bool is_gzip, char tag[ENTITY_TAG_SIZE]);

/*
 * Does the header, "*" or a list of tags, name this version, in whatever form?  Tags that are none of ours name nothing.
 * takes_weak: a tag marked W/ counts as well, as RFC 9110 wants it for If-None-Match; If-Match takes none.  Pure.
 */
bool condition_names(const char *header, int64_t id, uint64_t version, bool takes_weak);

/* Is it "*", which names whatever there is?  NULL: no.  Pure. */
bool condition_is_any(const char *header);

/* If-None-Match of a reader: has he this version in this form?  Pure. */
bool condition_has(const char *header, int64_t id, uint64_t version, enum entity_form form);

/* ST_PRECONDITION: If-Match does not name this version; err says what is there, and what may be wrong with the header. */
enum status condition_fails(const char *if_match, struct view path, int64_t id, uint64_t version, struct error *err);

#endif
