/*
 * plan_priv.h - the plan's insides, between plan.c (making, reading), plan_edit.c (drafts) and plan_store.c.
 */
#ifndef HOST_ORCHESTRATOR_PLAN_PRIV_H
#define HOST_ORCHESTRATOR_PLAN_PRIV_H

#include "host/orchestrator/plan.h"

enum { PLAN_BYTES_MAX = 1 << 30, DRAFTS_MAX = 16 };

/* Things named by digest: a hash table of nodes, which stand first in what they name. */
struct node { struct digest digest; struct node *next; };
struct table { struct node **buckets; size_t size, count; };

struct body {
	struct node node;
	struct view text;
	bool        is_secret;
	bool        is_marked;          /* needed by a live slot; set and cleared by plan_size and plan_flush */
};

/* Immutable, but for drafts, which are in no table and own their arrays. */
struct set {
	struct node       node;
	struct set_entry *entries;      /* NULL: stored, not read yet                                 */
	struct body     **bodies;       /* beside entries; a member is NULL while it is only stored   */
	size_t            count, room;
	struct view       text;         /* what the digest is of                                      */
	struct digest    *manifests;    /* beside entries                                             */
	bool              is_draft, is_marked;
};

struct plan_slot {
	unsigned    app;
	struct view cluster, group;
	struct set *set;
	bool        is_dropped;
	struct view dropped_why;        /* for who asks                                               */
	/* While an overlay is open and has touched it: */
	bool        is_touched, was_dropped;
	struct set *before;
};

struct plan_app {
	struct view       name, dependencies, intent;
	const struct place_why *whys;   /* of its groups                                              */
	size_t            why_count;
	struct plan_slot *slots;
	size_t            count;
};

struct plan {
	int64_t          id;
	char             id_text[24];
	struct plan_meta meta;
	struct sealer   *sealer;
	struct arena     arena;
	struct table     sets, bodies;
	struct plan_app *apps;
	size_t           app_count, app_room;
	bool             is_open;       /* an overlay                                     */
	struct plan_slot **touched;     /* heap                                           */
	size_t           touched_count, touched_room;
	struct plan_slot *drafts[DRAFTS_MAX];      /* a ring: the oldest makes place      */
	size_t           draft_next;
	struct store    *store;         /* of a stored one                                */
	struct db       *db;
};

struct node *table_find(const struct table *table, const struct digest *digest);
enum status MUST_CHECK table_add(struct table *table, struct node *node, struct error *err);
void table_done(struct table *table);

/* The body under its digest; copied into the plan unless is_borrowed. */
enum status MUST_CHECK plan_intern_body(struct plan *plan, struct view text, bool is_secret, bool is_borrowed,
                                        struct body **ret_body, struct error *err);

/* The immutable set of these entries; the arrays are copied unless a set of that digest is there. */
enum status MUST_CHECK plan_intern_set(struct plan *plan, const struct set_entry *entries, struct body *const *bodies,
                                       size_t count, struct set **ret_set, struct error *err);

/* Turn the slot's draft, if it is one, into a set. */
enum status MUST_CHECK plan_settle(struct plan *plan, struct plan_slot *slot, struct error *err);

/* Read the entries of a stored set; the text of a stored body. */
enum status MUST_CHECK plan_fetch_set(struct plan *plan, struct set *set, struct error *err);
enum status MUST_CHECK plan_fetch_body(struct plan *plan, const struct set_entry *entry, struct body **ret_body,
                                       struct error *err);

/* The texts that are stored of a plan; whoever reads them back borrows from the JSON and the arena. */
enum { PLAN_META_MAX = 64 << 10, PLAN_APPS_MAX = 16 << 20 };
enum status MUST_CHECK plan_write_meta(struct plan_meta *meta, struct buf *out, struct error *err);
enum status MUST_CHECK plan_read_meta(struct view text, struct arena *arena, struct plan_meta *meta, struct error *err);
enum status MUST_CHECK plan_write_apps(const struct plan *plan, struct buf *buf, struct error *err);
enum status MUST_CHECK plan_read_whys(const json_t *apps, struct arena *arena, struct plan_app *app, struct error *err);
size_t plan_app_rank(const json_t *apps, struct view app);       /* its place in the order; one that is in none is last */

#endif
