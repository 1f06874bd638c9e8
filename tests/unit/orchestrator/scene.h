/*
 * scene.h - two apps, two clusters and a level-0 cloud in a real store: what a deployment needs, but for its approval.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_SCENE_H
#define TESTS_UNIT_ORCHESTRATOR_SCENE_H

#include "tests/unit/orchestrator/helper.h"
#include "tests/unit/store/fixture.h"

#include "host/orchestrator/orchestrator.h"

#define VERSION  "projects/x/composite-apps/ca/v1"
#define DIG      VERSION "/deployment-intent-groups/dig"
#define OTHER    VERSION "/deployment-intent-groups/other"
#define CLOUD    "projects/x/logical-clouds/lc"
#define PROFILES VERSION "/composite-profiles/cp/profiles"

/* The orchestrator of a program's tests, on the fixture's store; plugins may be NULL. */
extern struct orchestrator o;
void scene_open(struct fixture *fixture, struct plugins *plugins);
void scene_close(void);

/* Around all tests: a store, and the orchestrator without plugins on it. */
int scene_set_up(void **state);
int scene_tear_down(void **state);

void put(struct fixture *fixture, const char *type, const char *path, const char *doc);
void put_file(struct fixture *fixture, const char *type, const char *path, const char *doc, struct view content);
void put_profile(struct fixture *fixture, const char *app, const char *values);
void put_intent(struct fixture *fixture, const char *app, const char *intent);
void put_scene(struct fixture *fixture);

/* Another deployment of the same version. */
void put_other(struct fixture *fixture, const char *release, const char *cloud);

/* What a synchroniser does: everything that is wanted is there, and all else is gone. */
void synchronise(struct fixture *fixture);

int64_t soon(void);                     /* a deadline */

#endif
