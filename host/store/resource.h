/*
 * resource.h - resources of all types: one table, one function for each thing that can be done with them.
 *
 * path is the decoded URL path below /v2/ and the whole identity.  doc is the canonical JSON that goes on the wire.
 * Parents and references are foreign keys: a reference to what does not exist yet is a placeholder row (doc is null),
 * which the real resource takes over when it comes.  The root is the resource with the empty path.
 */
#ifndef HOST_STORE_RESOURCE_H
#define HOST_STORE_RESOURCE_H

#include "host/store/store.h"

struct resource_file {
	const char *field;              /* part name                                            */
	struct view filename, media_type, content;
	bool        is_sealed;
};

/* Bytes of a document as it is stored: who writes one checks them, who reads one has room for them. */
enum { RESOURCE_DOC_MAX = 4 << 20 };

/* A resource as it is to be. */
struct resource_write {
	struct view path, parent, type, name, doc;
	struct view unique;             /* value no sibling of the type shares; empty: none      */
	bool        is_secret;          /* seal doc                                              */
	bool        is_owner;           /* a new one gets its first life-cycle action, Created   */
	bool        has_events;         /* cluster listeners hear of it: an outbox row           */
	const struct view          *references;   size_t reference_count;     /* paths */
	const struct view          *musts;        size_t must_count;          /* those of them that must exist */
	const struct resource_file *files;        size_t file_count;          /* replace all files when is_replacing_files */
	bool        is_replacing_files;
};

/* What may be there.  Whoever asks for a version as well compares it under resource_lock, in the same transaction. */
enum resource_mode { RESOURCE_CREATE, RESOURCE_REPLACE, RESOURCE_CREATE_OR_REPLACE };

struct resource_written { int64_t id; uint64_t version; bool is_new; };

/*
 * Write one resource with its references and files, atomically; one statement when there are no files.
 * ST_EXISTS: it or its unique value is there.  ST_NOT_FOUND: the parent, or (REPLACE) itself, is missing: err says which.
 * ST_CONFLICT: references that must exist are missing.
 * db may be inside a transaction of the caller.
 */
enum status MUST_CHECK resource_write(struct store *store, struct db *db, const struct resource_write *write,
                                      enum resource_mode mode, struct resource_written *ret_written, struct error *err);

/* ST_NOT_FOUND; ST_CONFLICT: has children, is referenced, or still owns objects on clusters, with one of them named. */
enum status MUST_CHECK resource_delete(struct store *store, struct db *db, struct view path, bool has_events,
                                       struct error *err);

/* Append the document.  ret_version, ret_id may be NULL.  ST_NOT_FOUND. */
enum status MUST_CHECK resource_read(struct store *store, struct db *db, struct view path, struct buf *doc,
                                     uint64_t *ret_version, int64_t *ret_id, struct error *err);

/* A version that somebody has read, to be sure later that it is still the one.  id 0: any. */
struct resource_seen { int64_t id; uint64_t version; };

/*
 * resource_read for who wants this one document and no transaction: reads that come at one time share a statement.  Borrows a
 * connection, so the caller has none.  Another thread may write doc and err until it returns.  ST_NOT_FOUND, and as db_query;
 * ret_seen is then as it was.
 */
enum status MUST_CHECK resource_fetch(struct store *store, struct view path, int64_t deadline_ns, struct buf *doc,
                                      struct resource_seen *ret_seen, struct error *err);

/* Take a row lock until the transaction ends: serialises life-cycle changes and replacements of one resource. */
enum status MUST_CHECK resource_lock(struct db *db, struct view path, int64_t *ret_id, struct error *err);

/* Under resource_lock.  ST_PRECONDITION: it is another by now; ST_NOT_FOUND. */
enum status MUST_CHECK resource_check_seen(struct db *db, struct view path, const struct resource_seen *seen, struct error *err);

/* Of paths, append the ones that do not exist (space for count). */
enum status MUST_CHECK resource_missing(struct db *db, const struct view *paths, size_t count, struct view *ret_missing,
                                        size_t *ret_count, struct error *err);

/* -- lists -- */

struct resource_item { struct view path, doc; int64_t id; uint64_t version; };    /* borrowed for the call back */
typedef enum status resource_each(void *data, const struct resource_item *item, struct error *err);

/*
 * The resources of one type below parent, in byte order of path, after the path `after` (empty: from the start), at most
 * limit (0: all).  Streams: memory does not grow with the list.  A parent that does not exist gives ST_NOT_FOUND.
 */
enum status MUST_CHECK resource_list(struct store *store, struct db *db, struct view type, struct view parent,
                                     struct view after, uint64_t limit, resource_each *each, void *data,
                                     struct error *err);

/* The same, all of them, the one that was created first first. */
enum status MUST_CHECK resource_list_by_age(struct store *store, struct db *db, struct view type, struct view parent,
                                            resource_each *each, void *data, struct error *err);

/*
 * The same, each with its children of a type, in byte order too: child is NULL of one that has none, which comes once as the
 * others come once for each.  limit is of the parents.
 */
typedef enum status resource_each_child(void *data, const struct resource_item *item, const struct resource_item *child,
                                        struct error *err);
enum status MUST_CHECK resource_list_children(struct store *store, struct db *db, struct view type, struct view child_type,
                                              struct view parent, struct view after, uint64_t limit, resource_each_child *each,
                                              void *data, struct error *err);

/* Parents (paths) of the resources of a type and name below a grandparent: the clusters of a provider with a label. */
typedef enum status resource_each_path(void *data, struct view path, struct error *err);
enum status MUST_CHECK resource_list_parents(struct db *db, struct view type, struct view name, struct view grandparent,
                                             resource_each_path *each, void *data, struct error *err);

/*
 * Resources of some types, in order of (type, path), at most limit.  The index is walked from the top, so an ancestor's
 * type must be among them.
 */
typedef enum status resource_each_typed(void *data, struct view type, struct view path, struct error *err);
enum status MUST_CHECK resource_walk(struct db *db, const struct view *types, size_t count, uint64_t limit,
                                     resource_each_typed *each, void *data, struct error *err);

/* -- files -- */

struct resource_file_row { struct view field, filename, media_type, content; };   /* borrowed for the call back */
typedef enum status resource_each_file(void *data, const struct resource_file_row *file, struct error *err);
enum status MUST_CHECK resource_files(struct store *store, struct db *db, struct view path, resource_each_file *each,
                                      void *data, struct error *err);

#endif
