/*
 * wanted.h - what an operation needs, gathered first and looked up together.
 *
 * References may name what does not exist yet, and parts may be missing; an operation that needs them says all that is missing
 * at once, and not one thing each time it is tried.
 */
#ifndef HOST_ORCHESTRATOR_WANTED_H
#define HOST_ORCHESTRATOR_WANTED_H

#include "host/registry/type.h"

struct db;

/* In place, zeroed but for the arena, which must outlive it. */
struct wanted {
	struct arena *arena;
	struct wanted_list { struct view *at; size_t count, room; } paths, lacks;
	const char   *hint;                 /* of the last lack */
	enum status   lack_code;            /* the gravest: ST_NOT_FOUND before ST_CONFLICT */
};

enum { WANTED_MAX = 100000 };

/* path is borrowed.  ST_TOO_LARGE past WANTED_MAX. */
enum status MUST_CHECK wanted_add(struct wanted *wanted, struct view path, struct error *err);

/* What a document of that type refers to.  A type that nobody knows refers to nothing; types may be NULL. */
enum status MUST_CHECK wanted_add_references(struct wanted *wanted, const struct types *types, const char *type,
                                             struct view path, const json_t *doc, struct error *err);

/*
 * Something that is known to be missing, or as it must not be, in words: "app "a" has no chart".  code: ST_NOT_FOUND or ST_CONFLICT.
 * hint: what to do when it is the only one; a literal.
 */
enum status MUST_CHECK wanted_lack(struct wanted *wanted, enum status code, const char *hint, struct error *err, const char *fmt, ...)
	PRINTF(5, 6);

/*
 * Names what is missing: as much as fits a message, and how much more there is.  ST_NOT_FOUND when a reference leads to nothing;
 * else the code of what lacks.
 */
enum status MUST_CHECK wanted_check(const struct wanted *wanted, struct db *db, struct error *err);

#endif
