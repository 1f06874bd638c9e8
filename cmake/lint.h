/*
 * lint.h - what clang-tidy must know and cannot see: the fail family never returns ST_OK.
 *
 * Included in front of every file by scripts/lint, and by nothing else.  Without it each ret_ output looks unset after
 * `return fail(...)` in another file, and the checks for null, freed and unset values drown.
 */
#include "lib/base/error.h"

#define fail(err, code, ...)     ((void) (fail)(err, code, __VA_ARGS__), (code))
#define fail_at(err, code, ...)  ((void) (fail_at)(err, code, __VA_ARGS__), (code))
#define fail_hint(err, ...)      ((void) (fail_hint)(err, __VA_ARGS__), ST_INTERNAL)
#define fail_within(err, ...)    ((void) (fail_within)(err, __VA_ARGS__), ST_INTERNAL)
