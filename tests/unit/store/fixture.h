/*
 * fixture.h - a database of its own for each test program, and short ways to fill it.
 *
 * fixture_open and fixture_close are cmocka's group set-up and tear-down; the fixture is the group's state.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Ours is a function of error.h. */
#undef fail
#undef fail_msg
#define fail_msg(...)  do { print_error(__VA_ARGS__); print_error("\n"); _fail(__FILE__, __LINE__); } while (0)

#include "host/store/action.h"
#include "host/store/context.h"
#include "host/store/outbox.h"
#include "host/store/store.h"
#include "host/store/unit.h"
#include "lib/base/clock.h"

struct fixture {
	char         dsn[512];            /* of this program's database           */
	char         name[64];
	char         key_file[128];
	struct store store;
};

int fixture_open(void **state);
int fixture_close(void **state);

/* Create or drop a database beside the others, by the server's own connection. */
void fixture_admin(const char *sql);

/* A further store on the same database: another process, as far as the database can tell.  NULL key: the fixture's. */
void fixture_store(struct fixture *fixture, struct store *store);

/* A connection with thirty seconds to live.  Fails the test when there is none. */
struct db *fixture_db(struct fixture *fixture);

/* Run SQL and give the first column of the first row as a number; 0 without rows. */
int64_t fixture_number(struct fixture *fixture, const char *sql);
void    fixture_run(struct fixture *fixture, const char *sql);

/* Until another connection waits for a lock, which it does within ten seconds. */
void fixture_await_lock(struct fixture *fixture);

/* One of several threads that do the same at once: data is the test's, complaint what is wrong. */
struct worker { struct fixture *fixture; unsigned number; void *data; const char *complaint; };

/* As many threads as workers, each with as many turns; a turn answers a complaint, which fails the test, or NULL. */
void fixture_together(struct fixture *fixture, unsigned workers, unsigned rounds, const char *(*turn)(struct worker *worker, unsigned round),
                      void *data);

/* Create a resource with a document of its own, or fail the test.  The parent is the path without its last two parts. */
int64_t fixture_create(struct fixture *fixture, const char *path);

#define assert_ok(call)  assert_status(ST_OK, (call), &err)
void assert_status(enum status want, enum status got, const struct error *err);

#endif
