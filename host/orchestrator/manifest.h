/*
 * manifest.h - from the text that Helm renders to the objects of an application.
 *
 * Each document is read, classified (custom resource definition, hook, or main), named and put in the order in which
 * it is to be applied.  A document that cannot be an object is an error that names its template: nothing is dropped
 * silently but blank documents and hooks that are only tests.
 */
#ifndef HOST_ORCHESTRATOR_MANIFEST_H
#define HOST_ORCHESTRATOR_MANIFEST_H

#include "host/orchestrator/object.h"

/*
 * Objects live in arena.  ST_MALFORMED: no YAML.  ST_INVALID: a document without apiVersion, kind or metadata.name, an
 * unknown hook event, or one object rendered twice.  ST_TOO_LARGE beyond OBJECTS_MAX.  Any thread.
 */
enum status MUST_CHECK manifest_split(struct view text, struct arena *arena, struct objects *ret_objects,
                                      struct error *err);

/* One object, as a controller writes it; its events, phase and name follow from it as for a rendered one. */
enum status MUST_CHECK manifest_object(const json_t *document, struct arena *arena, struct object *ret_object,
                                       struct error *err);

#endif
