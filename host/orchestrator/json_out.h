/*
 * json_out.h - JSON written piece by piece into a buffer.
 *
 * For answers that are long and mostly spliced from stored bytes.  The first failure sticks, and everything after it is
 * nothing, so a writer reads top to bottom and looks at the status once, at its end.
 */
#ifndef HOST_ORCHESTRATOR_JSON_OUT_H
#define HOST_ORCHESTRATOR_JSON_OUT_H

#include "lib/base/buf.h"

struct out {
	struct buf   *buf;
	struct error *err;
	enum status   st;               /* of the first failure */
};

void out_raw(struct out *out, const char *text);
void out_bytes(struct out *out, struct view bytes);
void out_text(struct out *out, struct view text);                          /* as a JSON string                    */
void out_number(struct out *out, int64_t number);
void out_comma(struct out *out);                                           /* unless something was just opened    */
void out_key(struct out *out, const char *key);                            /* with the comma before it            */
void out_member(struct out *out, const char *key, struct view text);       /* nothing when text is empty          */
void out_id(struct out *out, const char *key, int64_t id);                 /* decimal in a string; "" for 0       */

#endif
