/*
 * helper.h - what the orchestrator's tests share: cmocka without its `fail`, archives, a real Helm.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_HELPER_H
#define TESTS_UNIT_ORCHESTRATOR_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Ours is a function of error.h. */
#undef fail
#undef fail_msg
#define fail_msg(...)  do { print_error(__VA_ARGS__); print_error("\n"); _fail(__FILE__, __LINE__); } while (0)

#include "lib/base/json.h"

/* Expected and found, with the words of the fault. */
void expect_status(enum status want, enum status got, const struct error *err);
#define expect_ok(call)  expect_status(ST_OK, (call), &err)

/* Fails unless text holds words. */
void expect_words(const char *text, const char *words);

/* A gzip-compressed tar of {path, content} pairs up to a NULL path.  Owned by the caller (free ptr). */
struct member { const char *path, *content; };
struct view archive_of(const struct member *members);

/* A chart of one template with default values; and a profile with a file of values. */
struct view chart_of(const char *app, const char *template, const char *values);
struct view profile_of(const char *values);

/* The path of a Helm that works: EMCO_TEST_HELM, or what scripts/fetch-helm finds.  None is a failure. */
const char *helm_path(void);

/* A program that is this Helm and notes each run; and how many it has noted in this program. */
const char *helm_noted(void);
size_t      helm_runs(void);

/* A private folder that is gone at the end of the program. */
const char *scratch_folder(void);

struct view view_copy(struct view view);         /* owned: free ptr */

#endif
