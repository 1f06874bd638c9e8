/*
 * resource.h - a resource type is a row.
 *
 * From a row come the REST routes, validation, referential integrity, OpenAPI and documentation.  The server's own types
 * and a plugin's are the same kind of row.  Rows are static: the server keeps pointers to them.
 */
#ifndef EMCO_RESOURCE_H
#define EMCO_RESOURCE_H

#include "emco/abi.h"

/*
 * What a document of this type refers to.  A referenced resource cannot be deleted; it may not exist yet.
 *
 * at      objects of the document that carry the reference: "spec" one object; "spec.intent.**" every object below, at any
 *         depth; "spec.intent.*" every member, for its name
 * target  path below /v2/, with {variable} from the resource's own path, {.member} from the object found, {*} the name of
 *         the member found.  A missing or empty member means: no reference here.
 * except  space-separated names that {*} skips; NULL: none
 */
typedef struct emco_reference {
	const char *at;
	const char *target;
	const char *except;
} emco_reference;

#define EMCO_FILE_REQUIRED   1u    /* a POST or PUT without it is refused                     */
#define EMCO_FILE_SEALED     2u    /* encrypted at rest; shown to whoever may read the resource */
#define EMCO_FILE_MANY       4u    /* the part may be repeated                                */

/* A file that comes with the resource, as a part of multipart/form-data. */
typedef struct emco_file {
	const char *part;                   /* "file"                                       */
	const char *filename;               /* given on reading; NULL: none                 */
	uint32_t    flags;
	uint32_t    reserved;
	uint64_t    limit_bytes;
	/* Check the content; NULL: any bytes.  A fault is the client's, said by call->fail.  [thread] any. */
	emco_status (*check)(emco_call *call, emco_str content);
} emco_file;

#define EMCO_CHANGE_CREATE   1
#define EMCO_CHANGE_REPLACE  2
#define EMCO_CHANGE_DELETE   3

/* A change that is about to be made.  Borrowed by the hook. */
typedef struct emco_change {
	uint32_t  size;
	int32_t   kind;
	emco_str  path;           /* below /v2/                                              */
	emco_str  document;       /* validated, canonical JSON; empty on delete              */
	emco_str  previous;       /* what is stored; empty on create                         */
	emco_str  new_document;   /* a hook may set this: stored instead of document         */
	uint64_t  files;          /* how many files came with it                             */
} emco_change;

#define EMCO_RESOURCE_PUT_201    1u    /* PUT answers 201 also when it replaces (clients of EMCO see it)      */
#define EMCO_RESOURCE_NO_PUT     2u    /* PUT is not offered                                                  */
#define EMCO_RESOURCE_PUT_OLD    4u    /* PUT replaces only: a missing resource is 404                        */
#define EMCO_RESOURCE_SECRET     8u    /* the document is encrypted at rest                                   */
#define EMCO_RESOURCE_OWNER     16u    /* it owns objects on clusters: it has a life cycle, starting Created  */
#define EMCO_RESOURCE_EVENTS    32u    /* cluster listeners hear of create, replace and delete                */
#define EMCO_RESOURCE_PUT_200   64u    /* PUT answers 200 also when it creates                                */

typedef struct emco_resource_type {
	const char *name;           /* identifier: "app"                                                    */
	const char *parent;         /* the type it lives under; NULL: top level                             */
	const char *segment;        /* URL segment of the collection: "apps"                                */
	const char *variables;      /* path variables of one item, space-separated; NULL: the type's name   */
	const char *names;          /* where the document says them: "metadata.name spec.version"           */
	const char *schema;         /* JSON Schema                                                          */
	uint32_t    flags;
	uint32_t    reserved;
	const char *unique;         /* a member that no two siblings share ("spec.app"); NULL: none         */
	const emco_reference *references;   uint32_t reference_count;   uint32_t reference_size;
	const emco_file      *files;        uint32_t file_count;        uint32_t file_size;
	/* A rule that no schema can say; NULL for nearly all types.  [thread] any, several at once. */
	emco_status (*before_change)(emco_call *call, emco_change *change);
	const char *summary;        /* one sentence: OpenAPI, manuals                                       */
	const char *gauge;          /* metric with a series for each one ("emco_app"); NULL: none           */
} emco_resource_type;

#define EMCO_REFERENCES(table)  .references = (table), .reference_count = sizeof(table) / sizeof((table)[0]), \
                                .reference_size = sizeof((table)[0])
#define EMCO_FILES(table)       .files = (table), .file_count = sizeof(table) / sizeof((table)[0]), \
                                .file_size = sizeof((table)[0])

/* -- reading resources: extension "emco.resources/1" ------------------------------------------------------------------ */

#define EMCO_RESOURCES_1  "emco.resources/1"

/* path, document: borrowed for the call back.  Another status than EMCO_OK ends the walk and is returned. */
typedef emco_status emco_resource_each(void *data, emco_str path, emco_str document);

typedef struct emco_resources_1 {
	uint32_t size;
	uint32_t reserved;

	/* The document at path.  Memory: the call's.  EMCO_E_NOT_FOUND, EMCO_E_UNAVAILABLE.  [thread] the call's. */
	emco_status (*read)(emco_call *call, emco_str path, emco_str *ret_document);

	/* Every resource of one type below parent (a path; empty for top level), in byte order of path. */
	emco_status (*each)(emco_call *call, emco_str type, emco_str parent, emco_resource_each *each, void *data);
} emco_resources_1;

#endif
