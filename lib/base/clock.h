/*
 * clock.h - two clocks: monotonic for waiting, wall time for people.
 *
 * A deadline is a point on the monotonic clock in nanoseconds; it is made once at the edge and passed down, so that a
 * chain of waits shares one budget.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include "lib/base/error.h"

#include <pthread.h>

enum { WALL_TEXT_SIZE = 32 };

int64_t clock_ns(void);                                  /* monotonic                                    */
int64_t deadline_in_ms(int64_t ms);                      /* now + ms                                     */
int     deadline_left_ms(int64_t deadline_ns);           /* for poll(): 0 when past, rounded up          */
bool    deadline_past(int64_t deadline_ns);

/* A condition whose timed waits end at points on this clock, whatever becomes of wall time. */
void condition_init(pthread_cond_t *condition);

/* RFC 3339, UTC, milliseconds with trailing zeros of the fraction cut: "2022-03-15T03:11:30.1Z". */
void wall_text(int64_t wall_ms, char text[WALL_TEXT_SIZE]);
int64_t wall_ms(void);

#endif
