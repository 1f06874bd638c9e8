/*
 * context.h - AppContexts as they are stored: a Merkle tree.
 *
 * manifest (one object, by digest) -> resource set (ordered entries, by digest) -> one row per (context, app, cluster).
 * A thousand clusters that get the same objects share one set.  Bodies of Kubernetes Secrets are sealed, and their digest
 * is keyed.  Contents that no set needs, and sets that no context and no unit needs, are collected.
 */
#ifndef HOST_STORE_CONTEXT_H
#define HOST_STORE_CONTEXT_H

#include "host/store/resource.h"

/* One object in a set.  All views are borrowed from whoever owns the set. */
struct set_entry {
	struct view   name;             /* "web+Deployment"                                      */
	struct view   api_version, kind, namespace_;
	struct view   events;           /* of a hook                                             */
	int           phase;            /* EMCO_PHASE_...                                        */
	bool          is_secret;
	struct digest manifest;
};

/* The set's canonical text (what its digest is of) and back.  Entries live in arena. */
enum status MUST_CHECK set_encode(const struct set_entry *entries, size_t count, struct buf *out, struct error *err);
enum status MUST_CHECK set_decode(struct view text, struct arena *arena, struct set_entry **ret_entries, size_t *ret_count,
                                  struct error *err);

struct manifest_row { struct digest digest; struct view body; bool is_secret; };
struct set_row {
	struct digest        digest;
	struct view          text;
	const struct digest *manifests;
	size_t               manifest_count;
	int64_t              hidden;    /* hooks: no part of what is there until they are reported */
	int64_t              tracked;   /* others of kinds that count for readiness                */
};
struct placement_row { struct view app, cluster, group; struct digest set; };

struct context_row {
	int64_t     id;                 /* 0 on writing: chosen (positive, 63 bits, random)      */
	int64_t     owner;
	struct view meta;               /* JSON: the contract's meta object                      */
	struct view plan;               /* JSON: order of apps, dependencies                     */
	int64_t     status_context;     /* 0 on writing: the new id                              */
	struct digest root;             /* on writing: of all of it, placements included         */
};

/* All in the caller's transaction; bulk; content that is there already is not sent twice. */
enum status MUST_CHECK context_write(struct store *store, struct db *db, struct context_row *context,
                                     const struct manifest_row *manifests, size_t manifest_count,
                                     const struct set_row *sets, size_t set_count,
                                     const struct placement_row *placements, size_t placement_count, struct error *err);

/* Views live in arena.  ST_NOT_FOUND. */
enum status MUST_CHECK context_read(struct db *db, int64_t id, struct arena *arena, struct context_row *ret_context,
                                    struct error *err);
enum status MUST_CHECK context_placements(struct db *db, int64_t id, struct arena *arena,
                                          struct placement_row **ret_rows, size_t *ret_count, struct error *err);
enum status MUST_CHECK set_read(struct db *db, const struct digest *digest, struct buf *text, struct error *err);
/* Many at once, in any order; body lives as long as each.  ST_NOT_FOUND: some are not there; the others were told. */
typedef enum status manifest_each(void *data, size_t index, struct view body, struct error *err);
enum status MUST_CHECK manifests_read(struct store *store, struct db *db, const struct digest *digests, size_t count,
                                      manifest_each *each, void *data, struct error *err);
enum status MUST_CHECK manifest_read(struct store *store, struct db *db, const struct digest *digest, struct buf *body,
                                     struct error *err);

/* The owner's context of that root under that label; 0: none is kept. */
enum status MUST_CHECK context_find(struct db *db, int64_t owner, int64_t status_context, const struct digest *root,
                                    int64_t *ret_id, struct error *err);

/* Ids of the owner's contexts, in order; they live in arena. */
enum status MUST_CHECK context_list(struct db *db, int64_t owner, struct arena *arena, int64_t **ret_ids, size_t *ret_count,
                                    struct error *err);

/*
 * The first place of a context on a cluster that a logical cloud does not refer to (any more), in arena; an empty cluster:
 * all are referred to, and stay so until the end of the transaction.
 */
enum status MUST_CHECK context_outside(struct db *db, int64_t context, int64_t cloud, struct arena *arena, struct view *ret_app,
                                       struct view *ret_cluster, struct error *err);

/*
 * Remove the owner's contexts but the last that it was instantiated with, so many, and those that units still name; and its
 * actions but the last ACTIONS_KEPT, the first, and those that speak of what is kept.  The owner is locked.  Bounded per
 * call.  What only they needed is collected later.
 */
enum status MUST_CHECK context_retain(struct db *db, int64_t owner, unsigned count, struct error *err);

/* Remove what no context and no unit needs.  Bounded per call. */
enum status MUST_CHECK content_collect(struct store *store, struct db *db, uint64_t limit, uint64_t *ret_removed,
                                       struct error *err);

/* Any content kept by digest for speed (rendered charts): may vanish, never wrong.  Sealed. */
enum status MUST_CHECK cache_read(struct store *store, struct db *db, const struct digest *key, struct buf *value,
                                  struct error *err);
enum status MUST_CHECK cache_write(struct store *store, struct db *db, const struct digest *key, struct view value,
                                   struct error *err);

#endif
