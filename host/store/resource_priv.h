/*
 * resource_priv.h - what the files about resources share: how a document is kept, and what listeners are told.
 */
#ifndef HOST_STORE_RESOURCE_PRIV_H
#define HOST_STORE_RESOURCE_PRIV_H

#include "host/store/resource.h"

enum { DOC_MAX = 64 << 20 };

/* Append a document as it is stored: "sealed:" and base64, bound to its path.  Canonical JSON begins with "{". */
enum status MUST_CHECK doc_seal(struct store *store, struct view path, struct view doc, struct buf *out,
                                struct error *err);

/* The document in clear: stored itself, or its opened form in scratch, which is cleared first. */
enum status MUST_CHECK doc_open(struct store *store, struct view path, struct view stored, struct buf *scratch,
                                struct view *ret_doc, struct error *err);

/* ST_NOT_FOUND, with its path. */
enum status resource_absent(struct view path, struct error *err);

/* What a file's sealed bytes are bound to. */
enum status MUST_CHECK file_aad(struct view path, struct view field, struct buf *out, struct error *err);

/* "provider+cluster" of a cluster's path; a path of another shape stands for itself. */
enum status MUST_CHECK event_subject(struct view path, struct buf *out, struct error *err);

#endif
