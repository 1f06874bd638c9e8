/*
 * scene.h - deployments of one app "web" with two objects, "one+ConfigMap" and "two+ConfigMap", as the store sees them.
 */
#ifndef TESTS_UNIT_STORE_SCENE_H
#define TESTS_UNIT_STORE_SCENE_H

#include "tests/unit/store/fixture.h"

enum { LEASE_MS = 60000 };

/* What a report may say of its objects: one is there, and one was refused with "no". */
static const struct object_row both[] = { { { "one+ConfigMap", 13 }, { "", 0 }, OBJECT_APPLIED, true },
                                          { { "two+ConfigMap", 13 }, { "no", 2 }, OBJECT_FAILED, true } };

/* Where it is to go; NULL ends the list. */
extern const char *const scene_c1[], *const scene_c12[];

/* A context on some clusters; content makes the set. */
int64_t scene_context(struct fixture *fixture, int64_t owner, const char *content, const char *const *clusters);

/* Move the units of an owner to it; context 0: to nothing. */
void scene_move(struct fixture *fixture, int64_t owner, int64_t context, int64_t status_context);

/* Claim what there is, as the process of store. */
size_t scene_claim(struct fixture *fixture, struct store *store, struct arena *arena, struct unit_row **units, int64_t lease_ms);

/* kind: UNIT_DONE, ...; the cluster was reached. */
enum status scene_report(struct fixture *fixture, const struct unit_row *unit, int kind, int64_t retry_ms,
                         const struct object_row *objects, size_t count, struct error *err);

/* What the database keeps as sums is what its units say, whoever has changed them.  All of the above look by themselves. */
void scene_check_sums(struct fixture *fixture);

/* One of the owner's units, in order of app and cluster. */
struct unit_status scene_status(struct fixture *fixture, int64_t owner, size_t index, struct arena *arena);

#endif
