/*
 * wanted.h - the resources that an operation needs, gathered first and looked up together.
 *
 * References may name what does not exist yet; an operation that needs it says all that is missing at once, and not one
 * thing each time it is tried.
 */
#ifndef HOST_ORCHESTRATOR_WANTED_H
#define HOST_ORCHESTRATOR_WANTED_H

#include "host/registry/type.h"

struct db;

/* In place, zeroed but for the arena, which must outlive it. */
struct wanted {
	struct arena *arena;
	struct view  *paths;
	size_t        count, room;
};

enum { WANTED_MAX = 100000 };

/* path is borrowed.  ST_TOO_LARGE past WANTED_MAX. */
enum status MUST_CHECK wanted_add(struct wanted *wanted, struct view path, struct error *err);

/* What a document of that type refers to.  A type that nobody knows refers to nothing; types may be NULL. */
enum status MUST_CHECK wanted_add_references(struct wanted *wanted, const struct types *types, const char *type,
                                             struct view path, const json_t *doc, struct error *err);

/* ST_NOT_FOUND names what is missing: as many as fit a message, and how many more there are. */
enum status MUST_CHECK wanted_check(const struct wanted *wanted, struct db *db, struct error *err);

#endif
