/*
 * yaml_priv.h - what yaml_scalar.c, yaml_build.c, yaml_read.c and yaml_write.c share.
 *
 * The writer quotes whatever the reader would not take for a string, in any dialect: one resolver keeps them honest.
 */
#ifndef LIB_BASE_YAML_PRIV_H
#define LIB_BASE_YAML_PRIV_H

#include "lib/base/yaml.h"

#include <yaml.h>

enum scalar_kind { SCALAR_STRING, SCALAR_NULL, SCALAR_BOOLEAN, SCALAR_INTEGER, SCALAR_REAL, SCALAR_NO_JSON, SCALAR_MERGE };

struct scalar {
	enum scalar_kind kind;      /* NO_JSON: infinite, not a number, or too large for one */
	bool             truth;
	int64_t          integer;
	double           real;
};

struct scalar yaml_resolve(struct view text, enum yaml_dialect dialect);

struct frame {
	json_t *value;             /* the array or object being filled                  */
	json_t *key;               /* a string, while its value is awaited; else NULL   */
	json_t *merges;            /* what << names, in order; or NULL                  */
	char   *anchor;
	bool    is_merge;          /* the awaited value belongs to <<                   */
};

/* Makes one document after the other out of events.  Zeroed at first; counts run over the whole stream. */
struct builder {
	enum yaml_dialect dialect;
	struct error     *err;
	json_t           *anchors;          /* name → value                                     */
	json_t           *document;
	bool              is_blank;         /* the document is an empty plain scalar            */
	struct frame      frame[YAML_DEPTH_MAX];
	size_t            depth, nodes, alias_nodes;
	size_t            line;             /* of the current event, from 1                     */
};

enum status MUST_CHECK builder_scalar(struct builder *b, const yaml_event_t *event);
enum status MUST_CHECK builder_alias(struct builder *b, const yaml_event_t *event);
enum status MUST_CHECK builder_open(struct builder *b, const yaml_char_t *tag, const yaml_char_t *anchor, bool is_mapping);
enum status MUST_CHECK builder_close(struct builder *b);
void                   builder_reset(struct builder *b);        /* drop the document, ready for the next */
enum status builder_malformed(const struct builder *b, const char *fmt, ...) PRINTF(2, 3);

#endif
