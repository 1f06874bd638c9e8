/*
 * test.h - what the unit tests of the base share: cmocka with its includes, and the two things that are asserted most.
 *
 * assert_ok(f(..., NO_ERR)) for what must succeed; assert_status for what must fail, and how.
 */
#ifndef TESTS_UNIT_BASE_TEST_H
#define TESTS_UNIT_BASE_TEST_H

#include "lib/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail                 /* ours reports an error; cmocka's ends a test */

/* Where calls that must succeed would explain why they did not. */
static struct error unexpected __attribute__((unused));
#define NO_ERR (&unexpected)

/* The status is as wanted, and so is the text; on ST_OK the error is as it was: untouched. */
#define assert_status(got, want, err, want_text) do { \
	const enum status got_ = (got); \
	if (got_ != (want) || strcmp((err)->text, (want_text)) != 0) \
		print_error("got %s \"%s\", want %s \"%s\"\n", status_name(got_), (err)->text, status_name(want), (want_text)); \
	assert_int_equal(got_, (want)); \
	assert_string_equal((err)->text, (want_text)); \
	assert_int_equal((err)->code, got_); \
} while (0)

#define assert_ok(call) do { \
	unexpected = (struct error) { .code = ST_OK }; \
	const enum status got_ = (call); \
	if (got_ != ST_OK) \
		print_error("%s: %s: %s\n", #call, status_name(got_), unexpected.text); \
	assert_int_equal(got_, ST_OK); \
	assert_int_equal(unexpected.code, ST_OK); \
} while (0)

#endif
