/*
 * piece.h - what is sent to an API server: one object, out of a List when need be, with its place in the order.
 *
 * Objects go in waves: what others live in or are made of first.  Within a wave there is no order, and everything is under
 * way at once.  What is taken away goes in the opposite order.
 *
 * Gates come last, and only when all else is there: a webhook may refuse everything, the server that answers it included,
 * until that server runs.
 */
#ifndef RSYNC_PIECE_H
#define RSYNC_PIECE_H

#include "plugins/rsync/policy.h"

#include "lib/kube/object.h"

enum wave { WAVE_NAMESPACE, WAVE_CRD, WAVE_BASE, WAVE_REST, WAVE_GATE, WAVES };

struct piece {
	struct kube_id id;               /* views live as long as the pass                         */
	struct view    text;             /* JSON; empty: only its name is known                    */
	enum wave      wave;
	bool           has_template;     /* of pods: a changed label there starts them anew        */
	struct policy  policy;
	bool           has_ignored;      /* fields that others may set                             */
};

enum wave wave_of(struct view api_version, struct view kind);

/* The same object of the same group: another version of one API is another view of it. */
bool piece_is_same(const struct kube_id *a, const struct kube_id *b);

/* Pieces of a tagged object, normalised, in the pass's memory.  EMCO_E_INVALID says what cannot be sent. */
emco_status pieces_of(struct pass *pass, json_t *object, struct piece **ret_pieces, size_t *ret_count,
                      struct fault *fault);

/* The object's JSON without the fields that others may set and, as a conflict says, have set; empty: no memory. */
struct view piece_without_ignored(struct pass *pass, const struct piece *piece, const json_t *conflict);

/* Only who it is: applied by a manager, it lets go of every field of his. */
struct view piece_bare(struct pass *pass, const struct kube_id *id);

#endif
