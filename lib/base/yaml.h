/*
 * yaml.h - YAML to JSON, by events, bounded.
 *
 * Two dialects: Kubernetes manifests (what sigs.k8s.io/yaml reads: YAML 1.1 booleans, octal integers, merge keys) and
 * EMCO files (YAML 1.2 core: only true/false are booleans).  Depth, total nodes and nodes made by aliases are capped, so
 * that neither a deep document nor an alias bomb costs more than its bound.  Anchors are resolved by copy.
 *
 * Choices: duplicate keys are refused; keys that are numbers or booleans become strings; integers beyond 64 bits become
 * reals; a whole real becomes an integer in the Kubernetes dialect, as Go writes it; .inf and .nan have no JSON and are
 * refused, as are unknown tags; !!binary keeps its base64 text; timestamps stay strings.
 */
#ifndef LIB_BASE_YAML_H
#define LIB_BASE_YAML_H

#include "lib/base/json.h"

enum yaml_dialect { YAML_KUBERNETES, YAML_EMCO };

enum { YAML_DEPTH_MAX = 100, YAML_NODES_MAX = 1000000, YAML_ALIAS_NODES_MAX = 100000 };

/*
 * Called for each document of a stream, in order.  document: borrowed; NULL for an empty document.
 * text: the document's own bytes in the stream, borrowed, from behind its "---" line to the next marker.
 * Another status than ST_OK ends the reading with it.
 */
typedef enum status yaml_each(void *data, size_t index, json_t *document, struct view text, struct error *err);

/* ST_MALFORMED with "line N: ..."; ST_TOO_LARGE past a bound (which one is said). */
enum status MUST_CHECK yaml_read_all(struct view bytes, enum yaml_dialect dialect, yaml_each *each, void *data,
                                     struct error *err);

/* Exactly one document (empty ones beside it do not count); owned by the caller. */
enum status MUST_CHECK yaml_read(struct view bytes, enum yaml_dialect dialect, json_t **ret_value, struct error *err);

/* Append value as block-style YAML that any YAML 1.1 or 1.2 reader reads back as the same value. */
enum status MUST_CHECK yaml_write(struct buf *buf, const json_t *value, struct error *err);

#endif
