/*
 * condition.h - entity tags, and the lists of them in If-Match and If-None-Match.
 */
#ifndef HOST_API_CONDITION_H
#define HOST_API_CONDITION_H

#include "lib/base/error.h"

enum { ENTITY_TAG_SIZE = 56 };

/*
 * The tag of one version, "ID-VERSION" in quotes: a resource made again under its old name gets another.  Compressed, it is
 * another sequence of bytes and so has a tag of its own, "ID-VERSION-gzip"; both mean the same version.
 */
void entity_tag(int64_t id, uint64_t version, bool is_gzip, char tag[ENTITY_TAG_SIZE]);

/*
 * Does the header, "*" or a list of tags, name this version?  Tags that are none of ours name nothing.  takes_weak: a tag
 * marked W/ counts as well, as RFC 9110 wants it for If-None-Match; If-Match takes none.  Pure.
 */
bool condition_names(const char *header, int64_t id, uint64_t version, bool takes_weak);

#endif
