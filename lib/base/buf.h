/*
 * buf.h - a growable byte buffer that knows its maximum.
 *
 * Invariants: len <= cap <= max + 1, and data[len] is a NUL that is not counted, so data is a C string whenever the
 * bytes hold no NUL.  Foreign data of any length goes into one of these; whoever makes it must name the maximum.
 */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include "lib/base/budget.h"
#include "lib/base/error.h"

struct buf {
	char  *data;   /* never NULL after buf_init                  */
	size_t len;
	size_t cap;    /* bytes allocated; 0 while data is static    */
	size_t max;    /* most bytes it may hold                     */
	struct budget *budget;   /* that it shares with others, set before it grows; NULL: none */
};

/* A borrowed run of bytes: valid for the call, or as long as its owner says. */
struct view {
	const char *ptr;
	size_t      len;
};

#define VIEW(literal)  ((struct view) { "" literal, sizeof(literal) - 1 })

/* The two arguments of "%.*s". */
#define V(view_)  (int) (view_).len, (view_).ptr

struct view view_of(const char *text);                  /* of a C string; NULL gives an empty view */
bool        view_is(struct view view, const char *text);
int         view_compare(struct view a, struct view b);        /* byte order, as the store sorts  */
int         view_order(const void *a, const void *b);          /* the same, for qsort and bsearch */

/* In place, owns nothing yet.  Cannot fail. */
void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);                         /* accepts a zeroed or done buffer       */
void buf_leave_budget(struct buf *buf);                  /* what it holds is counted no more, nor what comes */

/*
 * auto_buf text = BUF(max): done at the end of its scope.  NOTE: always with "= BUF(max)"; a return between a bare
 * declaration and its buf_init would free whatever was on the stack.
 */
#define auto_buf CLEANUP(buf_done) struct buf
#define BUF(max_bytes)  ((struct buf) { .data = buf_nothing, .max = (max_bytes) })
extern char buf_nothing[1];

/* Append.  ST_TOO_LARGE beyond max, ST_UNAVAILABLE beyond the budget, ST_NO_MEMORY; the buffer is unchanged then. */
enum status MUST_CHECK buf_add(struct buf *buf, const void *bytes, size_t len, struct error *err);
enum status MUST_CHECK buf_add_view(struct buf *buf, struct view view, struct error *err);
enum status MUST_CHECK buf_add_text(struct buf *buf, const char *text, struct error *err);
enum status MUST_CHECK buf_printf(struct buf *buf, struct error *err, const char *fmt, ...) PRINTF(3, 4);

/*
 * Append text as a JSON string, quotes included.  Writes <, > and & as \u003c, \u003e, \u0026 and the two line
 * separators U+2028, U+2029 as escapes, as EMCO does.
 */
enum status MUST_CHECK buf_add_json(struct buf *buf, struct view text, struct error *err);

/* Make room for len more bytes and return where they go; the caller adds what it wrote to buf->len. NULL on failure. */
char *buf_room(struct buf *buf, size_t len, struct error *err) MUST_CHECK;

void        buf_clear(struct buf *buf);                 /* keeps the memory                      */
void        buf_cut(struct buf *buf, size_t len);       /* back to len bytes; more than it has is our bug */
struct view buf_view(const struct buf *buf);

/* The bytes as an owned C string (free it); the buffer is empty afterwards.  NULL when out of memory. */
char *buf_take(struct buf *buf);

#endif
