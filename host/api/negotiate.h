/*
 * negotiate.h - what the client accepts, and media types with their parameters.
 */
#ifndef HOST_API_NEGOTIATE_H
#define HOST_API_NEGOTIATE_H

#include "lib/base/buf.h"

/*
 * The index of the offer that an Accept header likes best; of equals the one it names most closely, then the first.  Who
 * names one thing twice means the heavier.  A missing or empty header, and one that cannot be read at all, accept
 * everything.  -1: nothing fits.  Offers are plain types ("application/json").
 */
int negotiate(const char *accept, const char *const *offers, size_t count);

/* Does the header name this very type, with a weight above 0?  Wildcards do not count. */
bool negotiate_names(const char *accept, const char *type);

/* The same, and no other: nothing else is said, not even what is unwanted. */
bool negotiate_names_only(const char *accept, const char *type);

/* Does an Accept-Encoding header take gzip, by name or by "*", with a weight above 0?  None at all does not. */
bool negotiate_gzip(const char *accept_encoding);

/* "multipart/form-data; boundary=x": is it of this type, without case? */
bool media_type_is(const char *content_type, const char *type);

/*
 * The value of a parameter of a header such as Content-Type or Content-Disposition, unquoted into out (NUL-terminated, at
 * most size - 1 bytes).  False: there is none, or it does not fit.
 */
bool header_parameter(struct view header, const char *name, char *out, size_t size);

#endif
