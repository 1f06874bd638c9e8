/*
 * type_priv.h - the compiled set, for the files that implement type.h.
 *
 * Everything a request needs is worked out when the set is sealed: one hash table answers "which type follows this one
 * under that segment" and "which type has this name", and a reference is a list of parts to join.  So taking a path apart
 * costs a hash per level, and no memory.
 */
#ifndef HOST_REGISTRY_TYPE_PRIV_H
#define HOST_REGISTRY_TYPE_PRIV_H

#include "host/registry/type.h"

/* Most parts of a path: a segment and its names on every level. */
enum { TYPE_PARTS_MAX = TYPE_DEPTH_MAX * (1 + TYPE_VARIABLES_MAX) };

enum part_kind {
	PART_TEXT,         /* as it is                                               */
	PART_VARIABLE,     /* the part of the resource's own path at position        */
	PART_MEMBER,       /* the member called text of the object found             */
	PART_NAME,         /* the name of the member found                           */
};

struct part {
	enum part_kind kind;
	struct view    text;
	size_t         position;
};

enum walk { WALK_OBJECT, WALK_EVERY_OBJECT, WALK_EVERY_NAME };

/* One emco_reference, compiled. */
struct rule {
	enum walk    walk;
	const char  *at;               /* without its stars; "" is the document itself           */
	const char  *except;           /* space-separated; "" for none                           */
	struct part *parts;
	size_t       part_count;
};

struct entry {
	struct type        type;       /* first: the outside holds a pointer to it               */
	emco_resource_type row;        /* our own copy, of this server's size                    */
	size_t             depth;      /* 0: top level                                           */
	struct rule       *rules;
	size_t             rule_count;
	bool               is_placed;  /* parents resolved                                       */
};

struct slot { const void *scope; struct view key; const struct type *type; };

struct types {
	struct arena   arena;
	struct entry **entries;        /* sealed: parents before children                        */
	size_t         count, capacity;
	struct slot   *slots;          /* open addressing; a power of two, at most half full     */
	size_t         slot_count;
	bool           is_sealed;
};

/* scope: the parent type for a segment (NULL: top level), the set itself for a type's name.  NULL: none. */
const struct type *types_lookup(const struct types *types, const void *scope, struct view key);

/* Take the next part off a path; false at its end and for an empty part. */
bool path_take(struct view *rest, struct view *ret_part);

static inline const struct entry *entry_of(const struct type *type)
{
	return (const struct entry *) (const void *) type;
}

/* Compile the references of a row whose parents are known, into the set's arena. */
enum status MUST_CHECK references_compile(struct types *types, struct entry *entry, struct error *err);

#endif
