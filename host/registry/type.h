/*
 * type.h - the resource types the server knows: rows, compiled.
 *
 * Rows come from the host's own tables (host/resources) and from plugins, and are the same kind of row.  They are added
 * at start and sealed; after that the set is immutable: any thread.
 */
#ifndef HOST_REGISTRY_TYPE_H
#define HOST_REGISTRY_TYPE_H

#include "emco/resource.h"
#include "lib/base/schema.h"

enum { TYPE_DEPTH_MAX = 8, TYPE_VARIABLES_MAX = 2 };

struct type {
	const emco_resource_type *row;
	const char        *origin;                 /* "emcod", or the plugin it came with                     */
	const struct type *parent;                 /* NULL: top level                                         */
	struct schema     *schema;
	const char        *variables[TYPE_VARIABLES_MAX];
	const char        *names[TYPE_VARIABLES_MAX];     /* "metadata.name"                                  */
	size_t             variable_count;
};

struct types;

struct types *types_new(void);                 /* NULL: out of memory */
void types_free(struct types *types);

/* Copy rows of any version of the struct (row_size, count) into the set.  ST_INVALID names the row and what is wrong. */
enum status MUST_CHECK types_add(struct types *types, const emco_resource_type *rows, size_t row_size, size_t count,
                                 const char *origin, struct error *err);
/* Resolve parents and compile schemas.  ST_INVALID: unknown parent, cycle, two rows for one route. */
enum status MUST_CHECK types_seal(struct types *types, struct error *err);

size_t             types_count(const struct types *types);
const struct type *types_at(const struct types *types, size_t index);      /* parents before children */
const struct type *types_find(const struct types *types, struct view name);

/* -- files -- */

const emco_file *type_file(const struct type *type, struct view part);      /* NULL: no file of the type is called that */
bool             type_needs_form(const struct type *type);                  /* a file must come, so JSON alone will not do */

/* -- paths -- */

/* A resource's or collection's path, taken apart.  path: decoded, below /v2/, no leading or trailing slash. */
struct type_path {
	const struct type *type;
	bool        is_item;                       /* false: the collection                                   */
	struct view parent;                        /* path of the parent; empty: top level                    */
	struct view name;                          /* "ca/v1" for two variables; empty for a collection       */
};
bool type_path_parse(const struct types *types, struct view path, struct type_path *ret);

/* The item path for a document below parent: "projects/p1/composite-apps" + names from the document.  In arena. */
enum status MUST_CHECK type_item_path(const struct type *type, struct view parent, const json_t *document,
                                      struct arena *arena, struct view *ret_path, struct view *ret_name,
                                      struct error *err);

/* -- references -- */

/* The paths a document refers to, each once, in arena.  At most REFERENCES_MAX. */
enum { REFERENCES_MAX = 10000 };
enum status MUST_CHECK type_references(const struct types *types, const struct type *type, struct view path,
                                       const json_t *document, struct arena *arena,
                                       struct view **ret_paths, size_t *ret_count, struct error *err);

#endif
