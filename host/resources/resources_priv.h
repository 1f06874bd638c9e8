/*
 * resources_priv.h - what the families of the host's resources share.
 */
#ifndef HOST_RESOURCES_RESOURCES_PRIV_H
#define HOST_RESOURCES_RESOURCES_PRIV_H

#include "host/registry/call.h"
#include "host/resources/resources.h"
#include "host/store/resource.h"

extern const struct family projects_family, apps_family, deployments_family, placement_family, controllers_family,
                           clusters_family, clouds_family;

/* Most bytes of a document that a hook or a view reads. */
enum { DOCUMENT_MAX = 64 << 20 };

#define COMPOSITE_APP_PATH  "projects/{project}/composite-apps/{compositeApp}/{compositeAppVersion}/"

/* -- hooks and file checks -- */

/* End a hook or a check: what happened, as the ABI says it. */
emco_status hook_end(emco_call *call, enum status st, const struct error *err);

/* The new document of a change; owned by the caller. */
enum status MUST_CHECK hook_document(const emco_change *change, json_t **ret_document, struct error *err);

/* Store document instead of the one that came. */
enum status MUST_CHECK hook_replace(emco_call *call, emco_change *change, const json_t *document, struct error *err);

/* A gzip-compressed tar within archive_default_limits: charts and profile packages. */
emco_status archive_is_sound(emco_call *call, emco_str content);

enum { KUBECONFIG_MAX = 1 << 20, ARCHIVE_MAX = 64 << 20 };

/* -- views -- */

/* A connection until the request's deadline; db_return it. */
enum status MUST_CHECK ask_db(const struct ask *ask, struct db **ret_db, struct error *err);

/* Read and parse one document; owned by the caller.  ST_NOT_FOUND. */
enum status MUST_CHECK ask_read(const struct ask *ask, struct db *db, struct view path, json_t **ret_document,
                                struct error *err);

/* Every document of a type below parent, parsed; document is borrowed for the call. */
typedef enum status ask_each(void *data, struct view path, const json_t *document, struct error *err);
enum status MUST_CHECK ask_list(const struct ask *ask, struct db *db, const char *type, struct view parent, ask_each *each,
                                void *data, struct error *err);

/*
 * The first resource of a type below ask->path whose spec.app is ask->value.  ret_path: in ask's arena, empty when there is
 * none.  ret_document: owned by the caller, NULL when there is none; may be NULL.
 */
enum status MUST_CHECK ask_of_app(const struct ask *ask, const char *type, struct view *ret_path, json_t **ret_document,
                                  struct error *err);

struct view path_name(struct view path);               /* what follows the last "/"      */
struct view path_up(struct view path, size_t parts);   /* without its last parts         */

/* -- status queries -- */

/* Whose status: which parameters there are, and what is meant when none says it. */
enum status_owner { STATUS_OF_DEPLOYMENT, STATUS_OF_CLOUD };

/* Their parameters: a cloud has all but those that stand first. */
enum { STATUS_OPTIONS_OF_APPS = 3 };
extern const struct query_option status_options[];
#define STATUS_SCHEMA  "{\"$ref\":\"#/components/schemas/Status\"}"

/* Read the query.  Views are borrowed from ask; arrays live in its arena.  ST_INVALID names parameter and value. */
enum status MUST_CHECK status_query_read(const struct ask *ask, enum status_owner owner, struct status_query *ret_query,
                                         struct error *err);

#endif
