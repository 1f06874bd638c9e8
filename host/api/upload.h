/*
 * upload.h - the document of a POST or PUT and the files that came with it, checked.
 */
#ifndef HOST_API_UPLOAD_H
#define HOST_API_UPLOAD_H

#include "host/api/request.h"
#include "host/store/resource.h"

struct upload {
	json_t               *document;          /* in the schema's shape; dies with the request's arena  */
	struct view           text;              /* the same, canonical                                   */
	struct resource_file *files;
	size_t                file_count;
	size_t                ignored_count;     /* parts that the type does not have                     */
};

/*
 * Read the body of a document of this type: JSON, or multipart/form-data where the type has files.  Unknown members and
 * parts are named in Warning headers.  ST_INVALID: empty, a schema fault (req->verdict has all of them), a missing file;
 * ST_MALFORMED; ST_TOO_LARGE; ST_UNSUPPORTED_MEDIA; and what a file's own check says.
 */
enum status MUST_CHECK upload_read(struct request *req, const struct type *type, struct upload *ret_upload,
                                   struct error *err);

/*
 * The document in bytes, in the schema's shape; it dies with the request's arena.  Unknown members are named in Warning
 * headers.  ST_INVALID: empty, or a schema fault; ST_MALFORMED.
 */
enum status MUST_CHECK document_read(struct request *req, const struct schema *schema, struct view bytes,
                                     json_t **ret_document, struct error *err);

/* What a hook or check of this type returned, in its own words; those of a plugin's type are marked as its. */
enum status upload_result(const struct type *type, struct call *call, emco_status status, struct error *err);

/* Replace the document by what a hook made of it. */
enum status MUST_CHECK upload_replace(struct request *req, struct upload *upload, struct view text, struct error *err);

#endif
